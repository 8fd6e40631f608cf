"""What is painted on the road where it is crossed: side roads, zebra crossings, stop lines."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.canvas import NEAR_M
from sensors.synthetic.ground import (
    SIDE_CYCLE_M,
    SIDE_DASH_M,
    SIDE_PAVED_M,
    STOP_M,
    ZEBRA_BAR_M,
    ZEBRA_CYCLE_M,
)
from sensors.synthetic.layout import SIDE_HALF_M, ZEBRA_HALF_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.layout import Crossing
    from sensors.synthetic.world import World

Span = tuple[float, float]
_ASPHALT: Paint = (106, 104, 102)
_PAVED: Paint = (142, 147, 152)
_KERB: Paint = (168, 170, 170)
_WHITE: Paint = (218, 220, 220)
_SEEN_M = 130.0
_SIDE_SEEN_M = 110.0


def paint_crossings(canvas: Canvas, world: World, place_m: float) -> None:
    """Paint every crossing near the camera onto the ground."""
    for crossing in world.crossings.between(place_m - _SEEN_M, place_m + _SEEN_M):
        corners, paints = _painted(world, crossing)
        seen = canvas.lens.to_camera(corners.reshape(-1, 3)).reshape(corners.shape)
        # Most of it is behind the camera or beside the picture.
        depths = np.maximum(seen[..., 2], NEAR_M)
        wide = 0.55 * canvas.lens.camera.width / canvas.lens.camera.focal_x_px
        beside = seen[..., 0] / (wide * depths)
        out = (seen[..., 2] < NEAR_M).all(axis=1)
        ahead = (seen[..., 2] >= NEAR_M).all(axis=1)
        out |= ahead & ((beside > 1.0).all(axis=1) | (beside < -1.0).all(axis=1))
        for number in np.flatnonzero(~out).tolist():
            canvas.flat(seen[number], paints[number])


@lru_cache(maxsize=64)
def _painted(world: World, crossing: Crossing) -> tuple[NDArray[np.float64], list[Paint]]:
    """Return the rectangles of a crossing in the order of painting, shape (n, 4, 3), world."""
    strips: list[tuple[Span, Span, Paint]] = []
    half = world.layout.road_half_m
    if crossing.junction:
        strips += _side_road(world.layout.edge_m, crossing.s_m)
    zone = (crossing.first_m - STOP_M[1], crossing.last_m + STOP_M[1])
    strips.append((zone, (half, -half), _ASPHALT))
    if crossing.junction:
        edge = world.layout.edge_m + 0.2
        along = (crossing.s_m - SIDE_HALF_M, crossing.s_m + SIDE_HALF_M)
        strips.append((along, (edge, -edge), _ASPHALT))
    zebra = ZEBRA_HALF_M - 0.2
    along = (crossing.zebra_s_m - zebra, crossing.zebra_s_m + zebra)
    bars = np.arange(np.ceil(-half), half - ZEBRA_BAR_M, ZEBRA_CYCLE_M)
    strips += [(along, (bar + ZEBRA_BAR_M, bar), _WHITE) for bar in bars.tolist()]
    before = (crossing.first_m - STOP_M[0], crossing.first_m - STOP_M[1])
    behind = (crossing.last_m + STOP_M[1], crossing.last_m + STOP_M[0])
    strips += [(before, (0.0, -half), _WHITE), (behind, (half, 0.0), _WHITE)]
    s_m = np.array([(a, b, b, a) for (a, b), _, _ in strips]).ravel()
    d_m = np.array([(a, a, b, b) for _, (a, b), _ in strips]).ravel()
    x_m, y_m = world.course.points(s_m, d_m)
    corners = np.stack([x_m, y_m, world.course.heights(s_m)], axis=1)
    return corners.reshape(len(strips), 4, 3), [paint for _, _, paint in strips]


def _side_road(edge_m: float, s_m: float) -> list[tuple[Span, Span, Paint]]:
    found: list[tuple[Span, Span, Paint]] = []
    for side in (1.0, -1.0):
        for near in np.arange(edge_m, _SIDE_SEEN_M, 22.0).tolist():
            far = min(near + 22.0, _SIDE_SEEN_M)
            across = (side * far, side * near) if side > 0 else (side * near, side * far)
            for half, paint in (
                (SIDE_PAVED_M, _PAVED),
                (SIDE_HALF_M + 0.2, _KERB),
                (SIDE_HALF_M, _ASPHALT),
            ):
                found.append(((s_m - half, s_m + half), across, paint))
        first = np.ceil(edge_m / SIDE_CYCLE_M) * SIDE_CYCLE_M
        for start in np.arange(first, 70.0, SIDE_CYCLE_M).tolist():
            across = (side * (start + SIDE_DASH_M), side * start)
            found.append(((s_m - 0.07, s_m + 0.07), across, _WHITE))
    return found
