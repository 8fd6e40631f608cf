"""What stands along the road: filled cell by cell from the seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from sensors.synthetic.bodies import body_of
from sensors.synthetic.draws import uniforms
from sensors.synthetic.layout import TUNNEL_HEIGHT_M
from sensors.synthetic.moment import Mover, Solid

if TYPE_CHECKING:
    from sensors.synthetic.course import Course
    from sensors.synthetic.layout import Crossings, Layout, Tunnels
    from sensors.synthetic.moment import SolidKind
    from sensors.synthetic.parameters import SceneParameters

CELL_M = 20.0
PARKING_M = 7.0
"""Length of a parking place."""

_FIRST_PARKED = 1 << 40
"""Tracks from here on belong to parked vehicles; those below count who comes and goes."""

_PARKED_SPAN = 1 << 20  # places before and after the start that have a number
_HOUSE_M = 19.0
_TUNNEL_CLEAR_M = 9.0


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place for something: s, d and the direction of its length against the road."""

    s_m: float
    d_m: float
    turn_rad: float = 0.0


class Roadside:
    """The solids and the parked vehicles of a road; pure functions of the place."""

    def __init__(
        self,
        *,
        course: Course,
        layout: Layout,
        crossings: Crossings,
        tunnels: Tunnels,
        parameters: SceneParameters,
        seed: int,
    ) -> None:
        """Say along which road."""
        self._course, self._layout, self._crossings = course, layout, crossings
        self._tunnels, self._parameters, self._seed = tunnels, parameters, seed
        self.solids_of = lru_cache(maxsize=256)(self._solids_of)
        self.parked_of = lru_cache(maxsize=256)(self._parked_of)

    def parked(self, track: int) -> Mover | None:
        """Return the parked vehicle of a track, None if the track is of somebody else."""
        place, side = divmod(track - _FIRST_PARKED, 2)
        if not 0 <= place < 2 * _PARKED_SPAN or not self._layout.parking_m:
            return None
        return self._parked_at(place - _PARKED_SPAN, 1 if side else -1)

    def _parked_of(self, cell: int) -> tuple[Mover, ...]:
        """Return the vehicles parked in a cell, ordered by track."""
        if not self._layout.parking_m:
            return ()
        first, last = cell * CELL_M / PARKING_M, (cell + 1) * CELL_M / PARKING_M
        found = [
            self._parked_at(place, side)
            for place in range(math.ceil(first), math.ceil(last))
            for side in (-1, 1)
        ]
        return tuple(mover for mover in found if mover is not None)

    def _parked_at(self, place: int, side: int) -> Mover | None:
        s_m = (place + 0.5) * PARKING_M
        draws = uniforms(self._seed, "parked", place, side, count=11)
        if draws[0] >= self._parameters.parked or not self._free_kerb(s_m, 13.0):
            return None
        kind, length_m, width_m, height_m = body_of("car" if draws[1] < 0.85 else "van", draws[3:])  # noqa: PLR2004
        d_m = side * (self._layout.parking_m + 0.2 * (draws[2] - 0.5))
        x_m, y_m = self._course.point(s_m, d_m)
        yaw_rad = self._course.heading(s_m) + (math.pi if side > 0 else 0.0)
        return Mover(
            track=_FIRST_PARKED + 2 * (place + _PARKED_SPAN) + (side > 0),
            kind=kind,
            x_m=x_m,
            y_m=y_m,
            z_m=self._course.height(s_m),
            yaw_rad=yaw_rad,
            length_m=length_m,
            width_m=width_m,
            height_m=height_m,
            speed_mps=0.0,
            braking=False,
            look=draws[3:],
        )

    def _solids_of(self, cell: int) -> tuple[Solid, ...]:
        """Return what stands between cell * CELL_M and the next cell."""
        start_m = cell * CELL_M
        margin_m = _TUNNEL_CLEAR_M
        near = self._tunnels.between(start_m - margin_m, start_m + CELL_M + margin_m)
        things = self._street(cell) if self._layout.street else self._country(cell)
        found = [
            solid
            for spot, solid in things
            if not any(first - margin_m < spot.s_m < last + margin_m for first, last in near)
        ]
        found += self._lining(cell, self._tunnels.between(start_m, start_m + CELL_M))
        for rail_m in self._layout.rails_m:
            for part in range(2):
                middle_m = start_m + (part + 0.5) * CELL_M / 2
                if rail_m and self._tunnels.inside(middle_m):
                    continue
                spot = _Spot(middle_m, rail_m)
                found.append(self._solid("rail", spot, (CELL_M / 2, 0.25, 0.8), (0.0,) * 8))
        return tuple(found)

    def _country(self, cell: int) -> list[tuple[_Spot, Solid]]:
        start_m, edge_m = cell * CELL_M, self._layout.edge_m
        found: list[tuple[_Spot, Solid]] = []
        for side in (-1, 1):
            for number in range(3):
                draws = uniforms(self._seed, "wood", cell, side, number, count=12)
                if draws[0] < 0.62:  # noqa: PLR2004 - share of the places
                    out_m = edge_m + 4.0 + 42.0 * draws[1] * draws[1]
                    spot = _Spot(start_m + (number + draws[2]) * CELL_M / 3, side * out_m)
                    found.append((spot, self._tree(spot, draws[4:], 6.0 + 7.0 * draws[3])))
            draws = uniforms(self._seed, "verge", cell, side, count=16)
            if draws[0] < 0.5:  # noqa: PLR2004 - share of the places
                spot = _Spot(start_m + CELL_M * draws[1], side * (edge_m + 1.2 + 2.5 * draws[2]))
                found.append((spot, self._bush(spot, draws[8:], 0.9 + 1.3 * draws[3])))
            if draws[4] < 0.16:  # noqa: PLR2004 - share of the places
                spot = _Spot(
                    start_m + 10.0, side * (edge_m + 42.0 + 35.0 * draws[5]), 0.6 * (draws[6] - 0.5)
                )
                size = (12.0 + 9.0 * draws[7], 9.0 + 5.0 * draws[5], 5.0 + 6.0 * draws[6])
                found.append((spot, self._solid("building", spot, size, draws[8:])))
            if draws[4] > 0.93:  # noqa: PLR2004 - a trailer, container or hoarding in the grass
                spot = _Spot(start_m + 10.0, side * (edge_m + 3.6 + 4.0 * draws[5]))
                size = (5.0 + 8.0 * draws[6], 2.3, 2.2 + 0.8 * draws[7])
                found.append((spot, self._solid("wall", spot, size, draws[8:])))
            if cell % 12 == (3 if side < 0 else 9):
                spot = _Spot(start_m + 6.0 + 8.0 * draws[1], side * (edge_m + 2.2))
                found.append((spot, self._sign(spot, draws[8:], big=True, side=side)))
            elif cell % 3 == 0 and not self._layout.rails_m[1:]:
                spot = _Spot(start_m + 5.0, side * (edge_m + 0.3))
                found.append((spot, self._solid("post", spot, (0.12, 0.12, 1.05), draws[8:])))
        return found

    def _street(self, cell: int) -> list[tuple[_Spot, Solid]]:
        start_m, layout = cell * CELL_M, self._layout
        found: list[tuple[_Spot, Solid]] = []
        for side in (-1, 1):
            draws = uniforms(self._seed, "house", cell, side, count=16)
            spot = _Spot(
                start_m + CELL_M / 2, side * (layout.edge_m + 1.0 + 2.0 * draws[0] + 5.5), 0.0
            )
            if draws[1] < 0.9 and self._free_side(spot.s_m, _HOUSE_M / 2 + 6.8):  # noqa: PLR2004
                size = (_HOUSE_M * (0.84 + 0.14 * draws[2]), 11.0, 7.0 + 9.0 * draws[3])
                found.append((spot, self._solid("building", spot, size, draws[8:])))
            elif self._free_side(spot.s_m, 12.0):
                spot = _Spot(start_m + CELL_M * draws[4], side * (layout.edge_m + 6.0))
                found.append((spot, self._tree(spot, draws[8:], 6.0 + 3.0 * draws[5])))
            found += self._furniture(cell, side)
        for crossing in self._crossings.between(start_m, start_m + CELL_M):
            if crossing.junction:
                found += self._side_street(crossing.s_m, crossing.number)
        return found

    def _furniture(self, cell: int, side: int) -> list[tuple[_Spot, Solid]]:
        start_m, layout = cell * CELL_M, self._layout
        found: list[tuple[_Spot, Solid]] = []
        draws = uniforms(self._seed, "kerb", cell, side, count=24)
        kerb_m, house_m = layout.road_half_m + 0.42, layout.edge_m - 0.35
        spot = _Spot(start_m + 4.0 + 4.0 * draws[0], side * kerb_m)
        if draws[1] < 0.6 and self._free_kerb(spot.s_m, 4.0):  # noqa: PLR2004
            found.append((spot, self._tree(spot, draws[8:16], 5.5 + 3.0 * draws[2])))
        spot = _Spot(start_m + 13.0, side * kerb_m)
        if (cell + (side > 0)) % 2 == 0 and self._free_kerb(spot.s_m, 3.0):
            lamp = self._solid("lamp", spot, (0.18, 0.18, 7.6), (float(side > 0), *draws[9:16]))
            found.append((spot, lamp))
        spot = _Spot(start_m + 16.5, side * kerb_m)
        if draws[3] < 0.3 and self._free_kerb(spot.s_m, 3.0):  # noqa: PLR2004
            found.append((spot, self._sign(spot, draws[12:20], big=False, side=side)))
        spot = _Spot(start_m + 20.0 * draws[4], side * house_m)
        if draws[5] < 0.6 and self._free_side(spot.s_m, 7.5):  # noqa: PLR2004 - bins and posters
            size = (0.6 + 1.1 * draws[6], 0.55, 1.0 + 1.1 * draws[7])
            found.append((spot, self._solid("wall", spot, size, draws[16:])))
        spot = _Spot(start_m + 20.0 * draws[6], side * (layout.edge_m + 0.5))
        if draws[7] < 0.5 and self._free_side(spot.s_m, 9.0):  # noqa: PLR2004
            found.append((spot, self._bush(spot, draws[8:16], 0.8 + 0.9 * draws[2])))
        return found

    def _side_street(self, s_m: float, number: int) -> list[tuple[_Spot, Solid]]:
        found = []
        for side in (-1, 1):
            for bank in (-1, 1):
                for place in range(4):
                    draws = uniforms(self._seed, "side", 4 * number + place, side, bank, count=12)
                    out_m = self._layout.edge_m + 22.0 + 19.0 * place
                    spot = _Spot(s_m + bank * (13.0 + 2.0 * draws[0]), side * out_m, math.pi / 2)
                    size = (17.0, 11.0, 6.0 + 8.0 * draws[1])
                    found.append((spot, self._solid("building", spot, size, draws[4:])))
        return found

    def _lining(self, cell: int, covered: tuple[tuple[float, float], ...]) -> list[Solid]:
        """Return the walls of tunnels in a cell, and the wings beside their portals."""
        start_m, wall_m = cell * CELL_M, self._layout.wall_m
        found = []
        for first, last in covered:
            low, high = max(first, start_m), min(last, start_m + CELL_M)
            for side in (-1, 1):
                spot = _Spot((low + high) / 2, side * (wall_m + 0.25))
                size = (high - low, 0.5, TUNNEL_HEIGHT_M)
                found.append(self._solid("wall", spot, size, (0.0,) * 8))
                for portal in (first, last):
                    if start_m <= portal < start_m + CELL_M:
                        inward = 0.4 if portal == first else -0.4
                        wing = _Spot(portal + inward, side * (wall_m + 9.0), math.pi / 2)
                        size = (17.0, 0.6, TUNNEL_HEIGHT_M + 1.6)
                        found.append(self._solid("wall", wing, size, (0.0,) * 8))
        return found

    def _tree(self, spot: _Spot, look: tuple[float, ...], height_m: float) -> Solid:
        crown_m = height_m * (0.55 + 0.15 * look[1])
        return self._solid(
            "tree", spot, (crown_m, 0.03 * height_m, height_m), look, bottom_m=0.28 * height_m
        )

    def _bush(self, spot: _Spot, look: tuple[float, ...], height_m: float) -> Solid:
        return self._solid("bush", spot, (1.3 * height_m, 1.1 * height_m, height_m), look)

    def _sign(self, spot: _Spot, look: tuple[float, ...], *, big: bool, side: int) -> Solid:
        """Return a sign that faces the traffic of its side; its length lies across the road."""
        turned = _Spot(spot.s_m, spot.d_m, side * math.pi / 2)
        size = (3.4, 0.1, 4.3) if big else (0.8, 0.06, 2.9)
        return self._solid("sign", turned, size, look, bottom_m=2.0 if big else 2.1)

    def _solid(
        self,
        kind: SolidKind,
        spot: _Spot,
        size_m: tuple[float, float, float],
        look: tuple[float, ...],
        *,
        bottom_m: float = 0.0,
    ) -> Solid:
        x_m, y_m = self._course.point(spot.s_m, spot.d_m)
        return Solid(
            kind=kind,
            x_m=x_m,
            y_m=y_m,
            z_m=self._course.height(spot.s_m),
            yaw_rad=self._course.heading(spot.s_m) + spot.turn_rad,
            length_m=size_m[0],
            width_m=size_m[1],
            height_m=size_m[2],
            bottom_m=bottom_m,
            look=look[:8],
        )

    def _free_kerb(self, s_m: float, margin_m: float) -> bool:
        """Return whether no crossing's zone comes nearer than a margin."""
        return not any(
            crossing.first_m - margin_m < s_m < crossing.last_m + margin_m
            for crossing in self._crossings.between(s_m - 60.0, s_m + 60.0)
        )

    def _free_side(self, s_m: float, margin_m: float) -> bool:
        """Return whether no side road's middle comes nearer than a margin."""
        return not any(
            crossing.junction and abs(crossing.s_m - s_m) < margin_m
            for crossing in self._crossings.between(s_m - 60.0, s_m + 60.0)
        )
