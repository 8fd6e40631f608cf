"""Which things may be in a picture, and the shadows they throw on the ground."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.canvas import NEAR_M, in_front
from sensors.synthetic.moment import Mover, Solid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas
    from sensors.synthetic.view import Lens

_CAST_M, _UNDER_M = 75.0, 60.0  # shadows further away do not show
_MARGIN_M = 14.0  # how far a shadow may lie beside what throws it
_CORNERS = np.array([(0.5, 0.5), (0.5, -0.5), (-0.5, -0.5), (-0.5, 0.5)])
_ROUND = np.arange(10) * (math.tau / 10)

Middle = tuple[float, float, float]


def before(
    lens: Lens, things: Sequence[Mover | Solid], *, margin_m: float, within_m: float = math.inf
) -> list[tuple[Mover | Solid, Middle]]:
    """Return the things that may be in the picture, and their feet in the camera frame.

    Args:
        lens: The camera.
        things: All things.
        margin_m: By how much to take them for larger than they are.
        within_m: Depth up to which they count.
    """
    if not things:
        return []
    places = np.array([(t.x_m, t.y_m, t.z_m) for t in things])
    reach = np.array([t.length_m + t.width_m for t in things]) * 0.6 + margin_m + 0.4
    seen = lens.to_camera(places)
    wide = 0.5 * lens.camera.width / lens.camera.focal_x_px
    # The edge of the picture leans outward; the thing's reach counts square to it.
    limit = wide * np.maximum(seen[:, 2], 0.0) + reach * math.sqrt(1.0 + wide * wide)
    depths = seen[:, 2]
    kept = (depths > NEAR_M - reach) & (np.abs(seen[:, 0]) < limit) & (depths < within_m)
    rows = seen.tolist()
    return [
        (things[number], (rows[number][0], rows[number][1], rows[number][2]))
        for number in np.flatnonzero(kept).tolist()
    ]


def shade_cast(
    mask: NDArray[np.uint8],
    canvas: Canvas,
    things: Sequence[Mover | Solid],
    throw: tuple[float, float],
    share: float,
) -> None:
    """Draw the shadows that the sun throws into a mask of the picture's size, in place.

    Args:
        mask: How much light is taken, of 255.
        canvas: The camera and the air.
        things: What throws shadows.
        throw: How far the shadow of a point lies off, world x and y, a metre of its height.
        share: How much light a near shadow takes, from 0 to 1.
    """
    found = before(canvas.lens, things, margin_m=_MARGIN_M, within_m=_CAST_M)
    outlines = []
    for thing, _ in found:
        if isinstance(thing, Solid) and thing.kind in ("tree", "bush"):
            outlines.append(_crown(thing, throw))
            continue
        low = _footprint(thing, -0.08)
        high = low + np.array([throw[0], throw[1], 0.0]) * (0.92 * thing.height_m)
        outlines.append(np.concatenate([low, high]))
    _fill(mask, canvas, outlines, [middle[2] for _, middle in found], share)


def shade_under(
    mask: NDArray[np.uint8], canvas: Canvas, movers: Sequence[Mover], share: float
) -> None:
    """Darken what lies under movers, in place; arguments as for `shade_cast`."""
    found = before(canvas.lens, movers, margin_m=0.0, within_m=_UNDER_M)
    outlines = [_footprint(thing, 0.1) for thing, _ in found]
    _fill(mask, canvas, outlines, [middle[2] for _, middle in found], share)


def _fill(
    mask: NDArray[np.uint8],
    canvas: Canvas,
    outlines: list[NDArray[np.float64]],
    depths_m: list[float],
    share: float,
) -> None:
    """Fill the hulls of points on the ground."""
    if not outlines:
        return
    lens, camera = canvas.lens, canvas.lens.camera
    seen = lens.to_camera(np.concatenate(outlines))
    safe = np.maximum(seen[:, 2], NEAR_M)
    pixels = seen[:, :2] * (camera.focal_x_px / safe)[:, None]
    pixels += (camera.centre_x_px, camera.centre_y_px)
    np.clip(pixels, -6000.0, 6000.0, out=pixels)
    fixed = np.rint(pixels * 16.0).astype(np.int32)
    start = 0
    for outline, depth_m in zip(outlines, depths_m, strict=True):
        stop = start + len(outline)
        opacity = 255.0 * share * (1.0 - canvas.air.haze(depth_m))
        if float(seen[start:stop, 2].min()) >= NEAR_M:
            cv2.fillConvexPoly(mask, cv2.convexHull(fixed[start:stop]), opacity, cv2.LINE_8, 4)
        else:
            _fill_cut(mask, lens, outline, opacity)
        start = stop


def _fill_cut(
    mask: NDArray[np.uint8], lens: Lens, outline: NDArray[np.float64], opacity: float
) -> None:
    """Fill one hull of which a part lies behind the camera."""
    order = cv2.convexHull(outline[:, :2].astype(np.float32), returnPoints=False)[:, 0]
    seen = in_front(lens.to_camera(outline[order]))
    if len(seen) < 3:  # noqa: PLR2004 - corners of a polygon
        return
    camera = lens.camera
    pixels = seen[:, :2] * (camera.focal_x_px / seen[:, 2])[:, None]
    pixels += (camera.centre_x_px, camera.centre_y_px)
    np.clip(pixels, -6000.0, 6000.0, out=pixels)
    fixed = np.rint(pixels * 16.0).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, opacity, cv2.LINE_8, 4)


def _footprint(thing: Mover | Solid, margin_m: float) -> NDArray[np.float64]:
    """Return the corners of what a thing covers on the ground, shape (4, 3), world."""
    cos, sin = math.cos(thing.yaw_rad), math.sin(thing.yaw_rad)
    long, wide = thing.length_m + 2 * margin_m, thing.width_m + 2 * margin_m
    corners = np.empty((4, 3))
    corners[:, 0] = thing.x_m + _CORNERS[:, 0] * (long * cos) - _CORNERS[:, 1] * (wide * sin)
    corners[:, 1] = thing.y_m + _CORNERS[:, 0] * (long * sin) + _CORNERS[:, 1] * (wide * cos)
    corners[:, 2] = thing.z_m
    return corners


def _crown(plant: Solid, throw: tuple[float, float]) -> NDArray[np.float64]:
    """Return the outline of a crown's shadow on the ground, shape (n, 3), world."""
    middle = (plant.bottom_m + plant.height_m) / 2
    wide = 0.42 * plant.length_m
    slant = math.hypot(*throw) + 1e-9
    far = wide + 0.4 * (plant.height_m - plant.bottom_m) * slant
    out_x, out_y = throw[0] / slant, throw[1] / slant
    along, aside = far * np.cos(_ROUND), wide * np.sin(_ROUND)
    x_m = plant.x_m + throw[0] * middle + along * out_x - aside * out_y
    y_m = plant.y_m + throw[1] * middle + along * out_y + aside * out_x
    return np.stack([x_m, y_m, np.full(len(_ROUND), plant.z_m)], axis=1)
