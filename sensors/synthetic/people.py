"""People on foot and on bicycles: jointed figures of rounded strokes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from sensors.synthetic.canvas import NEAR_M
from sensors.synthetic.drawing import Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.daylight import Air
    from sensors.synthetic.moment import Mover

_SKINS: tuple[Paint, ...] = ((150, 180, 224), (120, 152, 205), (88, 116, 168), (52, 70, 110))
_HAIRS: tuple[Paint, ...] = ((30, 32, 40), (36, 56, 84), (80, 130, 168), (150, 152, 158))
_CLOTHES: tuple[Paint, ...] = (
    (40, 38, 38),
    (92, 66, 46),
    (64, 62, 66),
    (150, 146, 140),
    (48, 44, 140),
    (60, 110, 70),
    (70, 160, 210),
    (190, 150, 120),
    (210, 210, 214),
    (120, 70, 130),
    (60, 90, 130),
)
_STRIDE_M = 1.45  # two steps of a grown-up; a usual figure
_SMALL_PX = 26.0  # figures less tall on the screen go without hands and feet
_TALL_M = 1.72  # the figures' joints are given for this height
_STILL_MPS = 0.25


class _Stroke(NamedTuple):
    start: int
    end: int
    thick_m: float
    paint: Paint
    shade: float
    slight: bool = False


def draw_person(canvas: Canvas, mover: Mover, *, owner: int, air: Air) -> Seen | None:
    """Draw somebody on foot; None if they are not in front of the camera."""
    phase = _phase(mover, _STRIDE_M)
    swing = 0.0 if mover.speed_mps < _STILL_MPS else 0.42
    joints = _walking(phase, swing)
    look = mover.look
    coat, trousers = coat_of(look), trousers_of(look)
    skin, hair = skin_of(look), _HAIRS[int(look[4] * 4)]
    broad = 0.9 + 0.3 * look[6]
    strokes = [
        _Stroke(5, 6, 0.13 * broad, trousers, 0.8),
        _Stroke(6, 7, 0.1, trousers, 0.78),
        _Stroke(7, 8, 0.1, (30, 30, 34), 0.9, slight=True),
        _Stroke(11, 12, 0.1 * broad, coat, 0.78),
        _Stroke(12, 13, 0.08, coat, 0.76, slight=True),
        _Stroke(1, 2, 0.14 * broad, trousers, 1.0),
        _Stroke(2, 3, 0.11, trousers, 0.98),
        _Stroke(3, 4, 0.1, (34, 34, 38), 1.0, slight=True),
        _Stroke(0, 14, -0.34 * broad, coat, 1.0),
        _Stroke(14, 15, 0.11, skin, 0.9, slight=True),
        _Stroke(17, 18, 0.1 * broad, coat, 0.94),
        _Stroke(18, 19, 0.085, coat, 0.92, slight=True),
    ]
    if look[5] < 0.3:  # noqa: PLR2004 - share in long coats or skirts
        strokes.insert(8, _Stroke(0, 20, -0.4 * broad, coat, 0.92))
    if look[5] > 0.8:  # noqa: PLR2004 - share with a bag or rucksack
        strokes.append(_Stroke(21, 22, 0.24, _cloth(look[7]), 0.9))
    return _draw(canvas, mover, joints, strokes, (skin, hair), 16, owner, air, ())


def draw_cyclist(canvas: Canvas, mover: Mover, *, owner: int, air: Air) -> Seen | None:
    """Draw somebody on a bicycle; None if they are not in front of the camera."""
    phase = _phase(mover, 4.6)
    joints = _riding(phase)
    look = mover.look
    coat, trousers, frame = coat_of(look), trousers_of(look), _cloth(look[5])
    skin, hair = skin_of(look), _HAIRS[int(look[4] * 4)]
    if look[6] < 0.5:  # noqa: PLR2004 - share with a helmet
        hair = _CLOTHES[4 + int(look[7] * 6)]
    strokes = [
        _Stroke(5, 6, 0.13, trousers, 0.78),
        _Stroke(6, 7, 0.1, trousers, 0.76),
        _Stroke(8, 9, 0.05, frame, 1.0),
        _Stroke(9, 10, 0.05, frame, 1.0),
        _Stroke(8, 11, 0.04, frame, 0.9, slight=True),
        _Stroke(11, 12, 0.045, frame, 1.0),
        _Stroke(9, 11, 0.045, frame, 1.0, slight=True),
        _Stroke(12, 13, 0.04, frame, 0.9),
        _Stroke(12, 14, 0.04, (50, 50, 50), 1.0, slight=True),
        _Stroke(1, 2, 0.14, trousers, 1.0),
        _Stroke(2, 3, 0.11, trousers, 1.0),
        _Stroke(3, 4, 0.09, (30, 30, 34), 1.0, slight=True),
        _Stroke(0, 15, -0.34, coat, 1.0),
        _Stroke(15, 17, 0.11, skin, 0.9, slight=True),
        _Stroke(18, 14, 0.09, coat, 0.85),
        _Stroke(19, 20, 0.09, coat, 0.95),
    ]
    return _draw(
        canvas, mover, joints, strokes, (skin, hair), 16, owner, air, ((-0.52, 0.33), (0.52, 0.33))
    )


def _phase(mover: Mover, cycle_m: float) -> float:
    """Return the phase of the gait, from the way gone along the heading."""
    along = mover.x_m * math.cos(mover.yaw_rad) + mover.y_m * math.sin(mover.yaw_rad)
    return math.tau * (along / cycle_m + mover.look[0])


def _walking(phase: float, swing: float) -> NDArray[np.float64]:
    """Return the joints of somebody who walks, x forward, y left, z up; see `draw_person`."""
    hip, knee, neck = 0.92, 0.48, 1.42
    joints: list[tuple[float, float, float]] = [(0.0, 0.0, hip + 0.03)]
    for side, turn in ((0.1, phase), (-0.1, phase + math.pi)):
        ahead = swing * math.sin(turn)
        bent = 0.5 * swing * max(0.0, math.cos(turn))
        knee_x = ahead * 0.46
        foot_x = knee_x + (ahead - bent) * 0.46
        lift = 0.05 + 0.2 * bent
        joints += [
            (0.0, side, hip),
            (knee_x, side, knee),
            (foot_x, side, lift),
            (foot_x + 0.16, side, lift - 0.01),
        ]
    joints += [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    for side, turn in ((0.2, phase + math.pi), (-0.2, phase)):
        ahead = 0.8 * swing * math.sin(turn)
        arm = [
            (0.0, side, neck - 0.05),
            (ahead * 0.3, side * 1.12, neck - 0.33),
            (ahead * 0.3 + (ahead + 0.16) * 0.25, side * 1.08, neck - 0.56),
        ]
        if side > 0:
            joints += [*arm, (0.0, 0.0, neck), (0.02, 0.0, neck + 0.1), (0.03, 0.0, neck + 0.19)]
        else:
            joints += arm
    joints += [(0.0, 0.0, 0.55), (-0.16, 0.0, neck - 0.1), (-0.18, 0.0, neck - 0.42)]
    return np.array(joints)


def _riding(phase: float) -> NDArray[np.float64]:
    """Return the joints of somebody on a bicycle; see `draw_cyclist`."""
    joints: list[tuple[float, float, float]] = [(-0.18, 0.0, 0.98)]
    for side, turn in ((0.09, phase), (-0.09, phase + math.pi)):
        pedal = (0.02 + 0.17 * math.cos(turn), side, 0.3 + 0.17 * math.sin(turn))
        knee = (0.5 * (pedal[0] - 0.18) + 0.26, side, 0.5 * (pedal[2] + 0.98) + 0.04)
        joints += [(-0.18, side, 0.96), knee, pedal, (pedal[0] + 0.14, side, pedal[2] - 0.01)]
    joints[8] = (-0.52, 0.0, 0.33)
    joints += [
        (0.0, 0.0, 0.3),
        (0.38, 0.0, 0.82),
        (-0.16, 0.0, 0.86),
        (0.4, 0.0, 0.86),
        (0.52, 0.0, 0.33),
        (0.42, 0.0, 1.02),
        (0.2, 0.0, 1.42),
        (0.34, 0.0, 1.62),
        (0.27, 0.0, 1.5),
        (0.2, -0.18, 1.38),
        (0.2, 0.18, 1.38),
        (0.44, 0.2, 1.04),
    ]
    return np.array(joints)


def _draw(  # noqa: PLR0917 - one figure, private
    canvas: Canvas,
    mover: Mover,
    joints: NDArray[np.float64],
    strokes: Sequence[_Stroke],
    head: tuple[Paint, Paint],
    head_joint: int,
    owner: int,
    air: Air,
    wheels: tuple[tuple[float, float], ...],
) -> Seen | None:
    lens = canvas.lens
    scale = mover.height_m / _TALL_M
    cos, sin = math.cos(mover.yaw_rad), math.sin(mover.yaw_rad)
    to_world = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    origin = np.array([mover.x_m, mover.y_m, mover.z_m])
    rings = [_ring(along * scale, radius * scale) for along, radius in wheels]
    points = np.concatenate([joints * scale, *rings]) if rings else joints * scale
    seen = points @ (lens.turn @ to_world).T + lens.turn @ (origin - lens.eye)
    if float(seen[:, 2].min()) < NEAR_M:
        return None
    camera = lens.camera
    inverse = camera.focal_x_px / seen[:, 2]
    u, v = camera.centre_x_px + inverse * seen[:, 0], camera.centre_y_px + inverse * seen[:, 1]
    depth_m = float(seen[:, 2].mean())
    per_m = camera.focal_x_px / depth_m * scale
    pixels = list(zip(u.tolist(), v.tolist(), strict=True))
    # Somebody seen from the side is narrower than from ahead.
    across = abs(float((lens.turn @ to_world)[0, 1]))
    width = 0.62 + 0.38 * across
    for ring in range(len(rings)):
        first = len(joints) + ring * _RING
        _wheel(canvas, pixels[first : first + _RING], per_m, owner, air.seen((30, 30, 30), depth_m))
    boxes = []
    small = per_m * _TALL_M < _SMALL_PX
    for stroke in strokes:
        if small and stroke.slight:
            continue
        thick = stroke.thick_m * per_m if stroke.thick_m > 0 else -stroke.thick_m * per_m * width
        start, end = pixels[stroke.start], pixels[stroke.end]
        colour = air.seen(stroke.paint, depth_m, stroke.shade)
        canvas.limb(start, end, thick_px=thick, colour=colour, owner=owner)
        boxes.append((start, end, thick / 2))
    skin, hair = head
    centre = pixels[head_joint]
    radius = 0.118 * per_m
    canvas.disc(centre, radius_px=radius, colour=air.seen(skin, depth_m), owner=owner)
    top = (centre[0], centre[1] - 0.35 * radius)
    if not small:
        canvas.disc(top, radius_px=0.9 * radius, colour=air.seen(hair, depth_m), owner=owner)
    left = min(min(a[0], b[0]) - t for a, b, t in boxes)
    right = max(max(a[0], b[0]) + t for a, b, t in boxes)
    low = max(max(a[1], b[1]) + t for a, b, t in boxes)
    if rings:
        tyre = 0.02 * per_m
        left = min(left, float(u[len(joints) :].min()) - tyre)
        right = max(right, float(u[len(joints) :].max()) + tyre)
        low = max(low, float(v[len(joints) :].max()) + tyre)
    high = centre[1] - 1.25 * radius
    return Seen(left, high, right, low, depth_m)


_RING = 14


def _ring(along: float, radius: float) -> NDArray[np.float64]:
    turns = np.arange(_RING) * (math.tau / _RING)
    return np.stack(
        [along + radius * np.cos(turns), np.zeros(_RING), radius * (1.0 + np.sin(turns))], axis=1
    )


def _wheel(
    canvas: Canvas,
    ring: list[tuple[float, float]],
    per_m: float,
    owner: int,
    colour: Paint,
) -> None:
    fixed = np.rint(np.clip(np.array(ring), -6000.0, 6000.0) * 16.0).astype(np.int32)
    thick = max(1, round(0.045 * per_m))
    if canvas.image is not None:
        cv2.polylines(canvas.image, [fixed], True, colour, thick, cv2.LINE_AA, 4)  # noqa: FBT003
    if canvas.owners is not None:
        cv2.polylines(canvas.owners, [fixed], True, owner, thick, cv2.LINE_8, 4)  # noqa: FBT003


def coat_of(look: tuple[float, ...]) -> Paint:
    """Return the colour of somebody's coat."""
    return _cloth(look[1])


def trousers_of(look: tuple[float, ...]) -> Paint:
    """Return the colour of somebody's trousers."""
    return _cloth(look[2])


def skin_of(look: tuple[float, ...]) -> Paint:
    """Return the colour of somebody's face."""
    return _SKINS[int(look[3] * len(_SKINS))]


def _cloth(draw: float) -> Paint:
    return _CLOTHES[int(draw * len(_CLOTHES))]
