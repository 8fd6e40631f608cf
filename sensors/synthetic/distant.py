"""Things so far away that a few rectangles show all there is to see of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from sensors.synthetic.drawing import Seen
from sensors.synthetic.moment import Mover, Solid
from sensors.synthetic.people import coat_of, skin_of, trousers_of
from sensors.synthetic.vehicles import BODY_PAINTS, body_paint, load_paint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.daylight import Air, Daylight

_MOVER_PX = 11.0  # movers less tall on the screen are drawn this way
_FAR_M = {"rail": 45.0, "lamp": 70.0, "post": 70.0, "sign": 70.0, "wall": 80.0}
_FAR_PX = 6000.0  # bound of what is handed to OpenCV
_LEAST_PX = 0.9  # nothing is drawn narrower: it would flicker
_UNIT = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])
_GLASS: Paint = (66, 58, 50)
_DARK: Paint = (30, 30, 30)
_STEEL: Paint = (160, 160, 158)
_TAIL, _BRAKE, _HEAD = (44.0, 40.0, 160.0), (70.0, 70.0, 255.0), (214.0, 220.0, 222.0)
_LIT_TAIL, _LIT_HEAD = (50.0, 50.0, 215.0), (228.0, 245.0, 255.0)


_Box = tuple[tuple[int, int], tuple[int, int]]


class _Part(NamedTuple):
    """A rectangle by shares of the outline, from its left upper corner."""

    left: float
    right: float
    top: float
    bottom: float
    paint: Paint
    outline: bool = True
    shines: bool = False


class Distant(NamedTuple):
    """A far thing, ready to be drawn: rectangles (or one band) in fixed point and their colours."""

    seen: Seen
    boxes: list[_Box]
    band: NDArray[np.int32] | None
    colours: list[Paint]
    outline: list[bool]


def is_distant(thing: Mover | Solid, depth_m: float, focal_px: float) -> bool:
    """Return whether a thing is so far away that rectangles will do."""
    if isinstance(thing, Mover):
        return focal_px * thing.height_m < _MOVER_PX * depth_m
    far_m = _FAR_M.get(thing.kind)
    return far_m is not None and depth_m > far_m and any(thing.look) | (thing.kind != "wall")


def make_distant(
    canvas: Canvas,
    things: Sequence[Mover | Solid],
    airs: Sequence[Air],
    lit: Sequence[bool],
    daylight: Daylight,
) -> list[Distant]:
    """Return how far things are seen.

    Args:
        canvas: The camera.
        things: What; all in front of the camera.
        airs: The air around each.
        lit: Whether the lights of each are on.
        daylight: How bright it is.
    """
    if not things:
        return []
    lens, camera = canvas.lens, canvas.lens.camera
    cos = np.array([math.cos(t.yaw_rad) for t in things])
    sin = np.array([math.sin(t.yaw_rad) for t in things])
    sizes = np.array([(t.length_m, t.width_m, t.height_m) for t in things])
    places = np.array([(t.x_m, t.y_m, t.z_m) for t in things])
    local = _UNIT[None] * sizes[:, None]
    world = np.empty_like(local)
    world[..., 0] = local[..., 0] * cos[:, None] - local[..., 1] * sin[:, None]
    world[..., 1] = local[..., 0] * sin[:, None] + local[..., 1] * cos[:, None]
    world[..., 2] = local[..., 2]
    world += places[:, None]
    corners = lens.to_camera(world.reshape(-1, 3)).reshape(-1, 8, 3)
    depths = np.maximum(corners[..., 2], 1.0)
    u = camera.centre_x_px + camera.focal_x_px * corners[..., 0] / depths
    v = camera.centre_y_px + camera.focal_y_px * corners[..., 1] / depths
    u, v = np.clip(u, -_FAR_PX, _FAR_PX), np.clip(v, -_FAR_PX, _FAR_PX)
    bounds = np.stack([u.min(axis=1), v.min(axis=1), u.max(axis=1), v.max(axis=1)], axis=1)
    towards = (lens.eye[0] - places[:, 0]) * cos + (lens.eye[1] - places[:, 1]) * sin
    middles = depths.mean(axis=1).tolist()
    base = daylight.ambient + 0.3 * daylight.direct
    found = []
    for number, thing in enumerate(things):
        left, top, right, bottom = bounds[number].tolist()
        parts = _parts(thing, ahead=float(towards[number]) > 0.0, lit=lit[number])
        air, depth_m = airs[number], middles[number]
        seen = Seen(left, top, right, bottom, depth_m)
        rail = isinstance(thing, Solid) and thing.kind == "rail"
        found.append(
            Distant(
                seen,
                [] if rail else _rectangles(seen, parts),
                _rail(u[number], v[number]) if rail else None,
                [_seen(part, air, depth_m, base) for part in parts],
                [part.outline for part in parts],
            )
        )
    return found


def draw_distant(canvas: Canvas, distant: Distant, *, owner: int) -> None:
    """Draw a far thing."""
    image, owners = canvas.image, canvas.owners
    if distant.band is not None:
        canvas.fill(distant.band, distant.colours[0], owner=owner)
        return
    if image is not None:
        for (start, end), colour in zip(distant.boxes, distant.colours, strict=True):
            cv2.rectangle(image, start, end, colour, -1, cv2.LINE_AA, 4)
    if owners is not None:
        for (start, end), outline in zip(distant.boxes, distant.outline, strict=True):
            if outline:
                cv2.rectangle(owners, start, end, owner, -1, cv2.LINE_8, 4)


def _seen(part: _Part, air: Air, depth_m: float, base: float) -> Paint:
    if part.shines:
        haze = air.haze(depth_m)
        paint, fog = part.paint, air.paint
        return (
            min(255.0, paint[0] * (1.0 - haze) + fog[0] * haze),
            min(255.0, paint[1] * (1.0 - haze) + fog[1] * haze),
            min(255.0, paint[2] * (1.0 - haze) + fog[2] * haze),
        )
    return air.seen(part.paint, depth_m, base)


def _rectangles(seen: Seen, parts: Sequence[_Part]) -> list[_Box]:
    """Return left upper and right lower corners of parts of an outline, fixed point."""
    wide = max(seen.right - seen.left, _LEAST_PX) * 16.0
    left = 0.5 * 16.0 * (seen.left + seen.right) - 0.5 * wide
    top, tall = 16.0 * seen.top, 16.0 * (seen.bottom - seen.top)
    return [
        (
            (round(left + part.left * wide), round(top + part.top * tall)),
            (round(left + part.right * wide), round(top + part.bottom * tall)),
        )
        for part in parts
    ]


def _rail(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the band of a rail from its near end to its far end, shape (4, 2)."""
    rear, front = (0, 1), (4, 5)  # lower and upper corner of one side, see `_UNIT`
    corners = []
    for low, high in (rear, front):
        foot, top = (u[low], v[low]), (u[high], v[high])
        start = (foot[0] + 0.52 * (top[0] - foot[0]), foot[1] + 0.52 * (top[1] - foot[1]))
        corners.append((start, top))
    (a, b), (c, d) = corners
    return np.rint(np.array([a, c, d, b]) * 16.0).astype(np.int32)


def _parts(thing: Mover | Solid, *, ahead: bool, lit: bool) -> list[_Part]:
    if isinstance(thing, Solid):
        return _solid_parts(thing)
    look = thing.look
    if thing.kind == "pedestrian":
        return [
            _Part(0.25, 0.75, 0.5, 1.0, trousers_of(look)),
            _Part(0.12, 0.88, 0.15, 0.56, coat_of(look)),
            _Part(0.3, 0.7, 0.0, 0.17, skin_of(look)),
        ]
    if thing.kind == "cyclist":
        return [
            _Part(0.0, 1.0, 0.64, 0.98, (52, 52, 52)),
            _Part(0.2, 0.8, 0.4, 0.8, trousers_of(look)),
            _Part(0.2, 0.85, 0.12, 0.5, coat_of(look)),
            _Part(0.38, 0.7, 0.0, 0.15, skin_of(look)),
        ]
    lights, shines = (_HEAD, lit) if ahead else (_TAIL, lit or thing.braking)
    if shines:
        lights = _LIT_HEAD if ahead else (_BRAKE if thing.braking else _LIT_TAIL)
    paint = body_paint(look)
    if thing.kind == "car":
        parts = [
            _Part(0.04, 0.96, 0.72, 1.0, _DARK),
            _Part(0.0, 1.0, 0.42, 0.86, paint),
            _Part(0.12, 0.88, 0.0, 0.46, paint),
            _Part(0.17, 0.83, 0.08, 0.4, _GLASS, outline=False),
        ]
        rows = (0.48, 0.64)
    elif thing.kind == "van":
        parts = [
            _Part(0.04, 0.96, 0.8, 1.0, _DARK),
            _Part(0.0, 1.0, 0.0, 0.9, paint),
            _Part(0.1, 0.9, 0.1, 0.42, _GLASS, outline=False),
        ]
        rows = (0.5, 0.7)
    else:
        parts = [
            _Part(0.04, 0.96, 0.76, 1.0, _DARK),
            _Part(0.0, 1.0, 0.0, 0.8, paint if ahead else load_paint(look)),
        ]
        if ahead:
            parts.append(_Part(0.06, 0.94, 0.2, 0.5, _GLASS, outline=False))
        rows = (0.8, 0.88)
    for left in (0.02, 0.8):
        parts.append(_Part(left, left + 0.18, *rows, lights, outline=False, shines=shines))
    return parts


def _solid_parts(solid: Solid) -> list[_Part]:
    if solid.kind == "sign":
        share = 1.0 - solid.bottom_m / solid.height_m
        plate: Paint = (140, 84, 20) if solid.length_m > 2.0 else (225, 225, 228)  # noqa: PLR2004
        return [_Part(0.47, 0.53, share, 1.0, _STEEL), _Part(0.0, 1.0, 0.0, share, plate)]
    if solid.kind == "wall":
        return [_Part(0.0, 1.0, 0.0, 1.0, BODY_PAINTS[int(solid.look[0] * len(BODY_PAINTS))])]
    paint: Paint = (120, 120, 118) if solid.kind == "lamp" else _STEEL
    return [_Part(0.0, 1.0, 0.0, 1.0, paint)]
