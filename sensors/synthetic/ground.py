"""The surface of the world: its height, what it is made of, and what roofs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.layout import SIDE_HALF_M, TUNNEL_HEIGHT_M, ZEBRA_HALF_M
from sensors.synthetic.moment import MATERIALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.course import Course
    from sensors.synthetic.layout import Crossing, Crossings, Layout, Line, Tunnels

_ASPHALT, _MARKING, _KERB = (MATERIALS.index(name) for name in ("asphalt", "marking", "kerb"))
_PAVEMENT, _GRASS = MATERIALS.index("pavement"), MATERIALS.index("grass")
STOP_M = (1.3, 0.9)  # a stop line lies so far before what is kept free
ZEBRA_CYCLE_M, ZEBRA_BAR_M = 1.0, 0.5
SIDE_PAVED_M = 6.4  # outer edge of a side road's pavement
SIDE_DASH_M, SIDE_CYCLE_M = 3.0, 9.0


class RoadGround:
    """A `Ground`: height follows the road, material its cross-section."""

    def __init__(
        self, *, course: Course, layout: Layout, crossings: Crossings, tunnels: Tunnels
    ) -> None:
        """Lay the cross-section along the course."""
        self._course, self._layout = course, layout
        self._crossings, self._tunnels = crossings, tunnels
        self._edges = np.array([strip.to_m for strip in layout.strips])
        names = [strip.material for strip in layout.strips]
        self._kinds = np.array([MATERIALS.index(name) for name in (*names, "grass")], np.uint8)

    def heights_m(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height at places of the world; all of one shape."""
        s_m, _ = self._course.places(x_m, y_m)
        return self._course.heights(s_m)

    def materials(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.uint8]:
        """What the surface is made of there, as an index into `MATERIALS`."""
        return self.materials_at(*self._course.places(x_m, y_m))

    def ceilings_m(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Height of a tunnel's roof above there in world z; infinity in the open."""
        s_m, d_m = self._course.places(x_m, y_m)
        roofs = np.full(s_m.shape, np.inf)
        if s_m.size:
            for first_m, last_m in self._tunnels.between(float(s_m.min()), float(s_m.max()) + 1.0):
                under = (s_m >= first_m) & (s_m < last_m) & (np.abs(d_m) < self._layout.wall_m)
                roofs[under] = self._course.heights(s_m[under]) + TUNNEL_HEIGHT_M
        return roofs

    def materials_at(self, s_m: NDArray[np.float64], d_m: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Return the same by place on the road (metres along it and to its left)."""
        found = self._kinds[np.searchsorted(self._edges, np.abs(d_m), side="right")]
        for line in self._layout.lines:
            found[_on(line, s_m, d_m)] = _MARKING
        if s_m.size:
            low, high = float(s_m.min()), float(s_m.max())
            for crossing in self._crossings.between(low - 20.0, high + 20.0):
                near = np.abs(s_m - crossing.s_m) < 20.0  # noqa: PLR2004 - beyond what it changes
                found[near] = self._crossed(crossing, s_m[near], d_m[near], found[near])
        return found

    def _crossed(
        self,
        crossing: Crossing,
        s_m: NDArray[np.float64],
        d_m: NDArray[np.float64],
        found: NDArray[np.uint8],
    ) -> NDArray[np.uint8]:
        """Return materials near a crossing, changed where it lies."""
        layout = self._layout
        on_road = np.abs(d_m) < layout.road_half_m
        found[on_road & (s_m > crossing.first_m - STOP_M[1]) & (s_m < crossing.last_m)] = _ASPHALT
        if crossing.junction:
            aside = np.abs(s_m - crossing.s_m)
            outside = np.abs(d_m) > layout.edge_m
            found[outside & (aside < SIDE_PAVED_M)] = _PAVEMENT
            found[outside & (aside < SIDE_HALF_M + 0.2)] = _KERB
            found[(aside < SIDE_HALF_M)] = _ASPHALT
            dash = np.mod(np.abs(d_m), SIDE_CYCLE_M) < SIDE_DASH_M
            found[outside & (aside < 0.07) & dash] = _MARKING  # noqa: PLR2004 - half a line
        bar = np.mod(d_m, ZEBRA_CYCLE_M) < ZEBRA_BAR_M
        found[on_road & bar & (np.abs(s_m - crossing.zebra_s_m) < ZEBRA_HALF_M - 0.2)] = _MARKING
        for side, edge_m in ((-1.0, crossing.first_m), (1.0, crossing.last_m)):
            before = side * (s_m - edge_m)
            stop = (before > STOP_M[1]) & (before < STOP_M[0]) & on_road & (side * d_m > 0)
            found[stop] = _MARKING
        return found


def _on(line: Line, s_m: NDArray[np.float64], d_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    on: NDArray[np.bool_] = np.abs(d_m - line.d_m) < line.width_m / 2
    if line.dash_m:
        on &= np.mod(s_m, line.cycle_m) < line.dash_m
    return on
