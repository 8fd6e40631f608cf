"""The cross-section of a road, as data: lanes, strips, lines, and where it is crossed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from sensors.synthetic.draws import uniforms
from sensors.synthetic.parameters import is_street

if TYPE_CHECKING:
    from sensors.synthetic.moment import Material
    from sensors.synthetic.parameters import SceneParameters

LaneUse = Literal["drive", "cycle", "walk"]
TUNNEL_HEIGHT_M = 5.6
TUNNEL_PERIOD_M = 760.0
_TUNNEL_FIRST_M = 110.0
SIDE_HALF_M = 3.6  # half of a side road's width
JUNCTION_HALF_M = 4.6  # what traffic along the road keeps free for it
ZEBRA_HALF_M = 1.9
_ZEBRA_BEFORE_M = 7.4  # from a junction's middle to that of its zebra crossing
_FIRST_FREE_M = 70.0  # no crossing so near to the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane along the road.

    Attributes:
        d_m: Its middle, metres left of the centre line.
        direction: 1 along s, -1 against it.
        use: Who is on it.
        rank: Number from the centre line; of driving lanes the first is the fastest.
    """

    d_m: float
    direction: int
    use: LaneUse
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A strip of one material on both sides of the road, from the one before it outwards.

    Attributes:
        to_m: Its outer edge, metres from the centre line.
        material: What it is made of.
    """

    to_m: float
    material: Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A marking along the road.

    Attributes:
        d_m: Its middle, metres left of the centre line.
        width_m: Width.
        dash_m: Length of a dash; 0 for a solid line.
        cycle_m: From the start of one dash to the next; divides `TEXTURE_M` of the ground.
        yellow: Whether it is yellow, else white.
    """

    d_m: float
    width_m: float = 0.15
    dash_m: float = 0.0
    cycle_m: float = 12.0
    yellow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A place where the road is crossed.

    Attributes:
        number: Counts them along the road; the first after the start is 0.
        s_m: Its middle.
        junction: Whether a side road crosses, with traffic lights; else a zebra crossing.
        zebra_s_m: Middle of its zebra crossing.
        first_m: Traffic along the road keeps out from here ...
        last_m: ... to here while somebody crosses.
        mirrored: Whether people come to it from the far side along s.
    """

    number: int
    s_m: float
    junction: bool
    zebra_s_m: float
    first_m: float
    last_m: float
    mirrored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything about a road that does not move.

    Attributes:
        street: Whether it has kerbs, pavements and houses.
        lanes: All lanes along it.
        own_lane: Index in `lanes` of the lane in which the own vehicle starts.
        strips: From the centre line outwards; beyond the last there is grass.
        lines: Markings along it.
        road_half_m: Edge of what vehicles use.
        parking_m: Middle of the parking places, metres from the centre line; 0 for none.
        kerb_walk_m: Where people walk to a zebra crossing, metres from the centre line.
        edge_m: Outer edge of the pavement, verge or shoulder.
        rails_m: Guard rails, metres left of the centre line.
        wall_m: Walls of a tunnel, metres from the centre line.
    """

    street: bool
    lanes: tuple[Lane, ...]
    own_lane: int
    strips: tuple[Strip, ...]
    lines: tuple[Line, ...]
    road_half_m: float
    parking_m: float
    kerb_walk_m: float
    edge_m: float
    rails_m: tuple[float, ...]
    wall_m: float


def layout_of(scene: str, parameters: SceneParameters) -> Layout:
    """Return the cross-section of a scene."""
    return _street(parameters) if is_street(scene) else _trunk_road(parameters, scene == "tunnel")


def _trunk_road(parameters: SceneParameters, tunnel: bool) -> Layout:  # noqa: FBT001 - private
    half_median, wide = (0.4, 3.6) if tunnel else (2.1, 3.7)
    inner = half_median + (0.5 if tunnel else 0.7)
    count = parameters.lanes
    outer = inner + count * wide
    shoulder = 0.9 if tunnel else 2.6
    road = outer + shoulder
    lanes = _both_ways("drive", [inner + (rank + 0.5) * wide for rank in range(count)])
    marks = [Line(d_m=inner - 0.15, yellow=not tunnel), Line(d_m=outer + 0.1, width_m=0.25)]
    marks += [Line(d_m=inner + rank * wide, dash_m=4.0, cycle_m=12.0) for rank in range(1, count)]
    median: tuple[Strip, ...] = (Strip(to_m=half_median, material="grass"),)
    outside: tuple[Strip, ...]
    if tunnel:
        median = (Strip(to_m=half_median, material="kerb"),)
        outside = (
            Strip(to_m=road, material="asphalt"),
            Strip(to_m=road + 0.2, material="kerb"),
            Strip(to_m=road + 1.4, material="pavement"),
        )
    else:
        outside = (
            Strip(to_m=road, material="asphalt"),
            Strip(to_m=road + 1.2, material="gravel"),
        )
    return Layout(
        street=False,
        lanes=lanes,
        own_lane=2 * ((count - 1) // 2 if count > 2 else count - 1),  # noqa: PLR2004
        strips=median + outside,
        lines=_mirrored(marks),
        road_half_m=road,
        parking_m=0.0,
        kerb_walk_m=0.0,
        edge_m=outside[-1].to_m,
        rails_m=(0.0,) if tunnel else (0.0, road + 0.9, -road - 0.9),
        wall_m=outside[-1].to_m,
    )


def _street(parameters: SceneParameters) -> Layout:
    wide, count = 3.3, parameters.lanes
    inner = 0.15
    outer = inner + count * wide
    cycle = outer + 1.5
    parking = cycle + 2.3
    walks = [parking + 2.1 + 0.95 * track for track in range(3)]
    edge = parking + 4.9
    marks = [Line(d_m=inner + rank * wide, dash_m=3.0, cycle_m=9.0) for rank in range(1, count)]
    marks += [Line(d_m=outer, width_m=0.2), Line(d_m=cycle, width_m=0.12, dash_m=1.0, cycle_m=2.0)]
    centre = [Line(d_m=-0.15, width_m=0.12), Line(d_m=0.15, width_m=0.12)]
    lanes = _both_ways("drive", [inner + (rank + 0.5) * wide for rank in range(count)])
    lanes += _both_ways("cycle", [outer + 0.8])
    for side in (1, -1):
        lanes += tuple(
            Lane(d_m=side * d, direction=1 if rank % 2 else -1, use="walk", rank=rank)
            for rank, d in enumerate(walks)
        )
    return Layout(
        street=True,
        lanes=lanes,
        own_lane=0 if count == 1 else 2 * (count - 1),
        strips=(
            Strip(to_m=parking, material="asphalt"),
            Strip(to_m=parking + 0.25, material="kerb"),
            Strip(to_m=edge, material="pavement"),
            Strip(to_m=edge + 3.0, material="gravel"),
        ),
        lines=_mirrored(marks) + tuple(centre),
        road_half_m=parking,
        parking_m=cycle + 1.15,
        kerb_walk_m=parking + 0.95,
        edge_m=edge,
        rails_m=(),
        wall_m=edge,
    )


def _both_ways(use: LaneUse, places_m: list[float]) -> tuple[Lane, ...]:
    """Return a lane to the right (along s) and one to the left (against it) of each place."""
    lanes = []
    for rank, place_m in enumerate(places_m):
        lanes.append(Lane(d_m=-place_m, direction=1, use=use, rank=rank))
        lanes.append(Lane(d_m=place_m, direction=-1, use=use, rank=rank))
    return tuple(lanes)


def _mirrored(lines: list[Line]) -> tuple[Line, ...]:
    return tuple(replace(line, d_m=side * line.d_m) for line in lines for side in (1.0, -1.0))


class Crossings:
    """Where the road is crossed, from the seed."""

    def __init__(self, parameters: SceneParameters, *, seed: int) -> None:
        """Take the distances from the parameters."""
        self._seed = seed
        self._junctions = parameters.junction_every_m > 0
        self._every_m = parameters.junction_every_m or parameters.zebra_every_m
        self._at = lru_cache(maxsize=64)(self._made)

    def between(self, first_m: float, last_m: float) -> tuple[Crossing, ...]:
        """Return the crossings whose middle lies in first_m <= s < last_m, in order."""
        if not self._every_m:
            return ()
        low = math.floor((first_m - _FIRST_FREE_M) / self._every_m) - 1
        high = math.floor((last_m - _FIRST_FREE_M) / self._every_m) + 1
        found = [self._at(number) for number in range(low, high + 1)]
        return tuple(crossing for crossing in found if first_m <= crossing.s_m < last_m)

    def _made(self, number: int) -> Crossing:
        stray, side = uniforms(self._seed, "crossing", number, count=2)
        # Those behind the start are as far from it as those ahead.
        s_m = _FIRST_FREE_M + (number + 0.12 * stray) * self._every_m
        zebra_m = s_m - _ZEBRA_BEFORE_M if self._junctions else s_m
        return Crossing(
            number=number,
            s_m=s_m,
            junction=self._junctions,
            zebra_s_m=zebra_m,
            first_m=zebra_m - ZEBRA_HALF_M,
            last_m=s_m + JUNCTION_HALF_M if self._junctions else s_m + ZEBRA_HALF_M,
            mirrored=not self._junctions and side < 0.5,  # noqa: PLR2004 - half of them
        )


class Tunnels:
    """Where the road is covered."""

    def __init__(self, parameters: SceneParameters) -> None:
        """Take the share from the parameters."""
        self.length_m = parameters.tunnels * TUNNEL_PERIOD_M

    def between(self, first_m: float, last_m: float) -> tuple[tuple[float, float], ...]:
        """Return start and end of the tunnels that meet first_m <= s < last_m, in order."""
        if not self.length_m:
            return ()
        low = math.floor((first_m - _TUNNEL_FIRST_M) / TUNNEL_PERIOD_M) - 1
        high = math.floor((last_m - _TUNNEL_FIRST_M) / TUNNEL_PERIOD_M) + 1
        starts = [_TUNNEL_FIRST_M + number * TUNNEL_PERIOD_M for number in range(low, high + 1)]
        return tuple(
            (start, start + self.length_m)
            for start in starts
            if start < last_m and start + self.length_m > first_m
        )

    def inside(self, s_m: float) -> bool:
        """Return whether the road is covered at a place."""
        return (s_m - _TUNNEL_FIRST_M) % TUNNEL_PERIOD_M < self.length_m
