"""Drawing the plan map: every task planned at each cell of uplink rate, round trip and load."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.plan.maps import PlanMap, RegionMap, Validity
from pipeline.planner.choosing import Chooser, Elsewhere
from pipeline.planner.conditions import PPM, Conditions
from pipeline.planner.residence import crowded_out

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.planner.planning import Planned
    from pipeline.planner.problems import JointProblem

_PER_OCTAVE = 2  # rates that are looked at between one and its double
_ABOVE = 2  # octaves above the nominal rate
_MS = 1_000_000
_LEAST_RTT_NS = 5 * _MS  # a nominal round trip of nothing has no multiples

# Cells of the other axes: where each is planned, as a factor on the nominal round trip or as a busy
# share, and the border behind it.
_RTTS = ((0.5, 0.75), (1.0, 1.5), (2.0, 2.5), (3.0, 4.0), (5.0, 6.5), (8.0, None))
_LOADS = ((0, 150_000), (300_000, 450_000), (600_000, 700_000), (800_000, 900_000), (950_000, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The grid.

    Attributes:
        rates_bits_per_s: Where each cell is planned, falling: at the lowest rate of it.
        rtts_ns: Where each cell is planned, rising.
        rtt_borders: Round trips between the cells.
        loads_ppm: Where each cell is planned, rising.
        load_borders: Busy shares between the cells.
    """

    rates_bits_per_s: tuple[int, ...]
    rtts_ns: tuple[int, ...]
    rtt_borders: tuple[int, ...]
    loads_ppm: tuple[int, ...]
    load_borders: tuple[int, ...]


class MapMaker:
    """Plans tasks at any conditions by the rule of the plan: one alone, or several together.

    Args:
        planned: The tasks' plans.
        choosers: The plan's rule for each task alone, by name.
        problem: The joint problem, where the tasks are planned together.
        nominal: The conditions of the plan itself.
    """

    def __init__(
        self,
        planned: Mapping[str, Planned],
        choosers: Mapping[str, Chooser],
        problem: JointProblem | None,
        nominal: Conditions,
    ) -> None:
        self._planned = planned
        self._choosers = choosers
        self._problem = problem
        self._nominal = nominal
        self._known: dict[Conditions, tuple[int, ...]] = {}

    def chosen(self, at: Conditions) -> tuple[int, ...]:
        """Candidate of each task at some conditions, by index; the plan's own at the nominal."""
        if at == self._nominal:
            return tuple(found.plan.run for found in self._planned.values())
        known = self._known.get(at)
        if known is None:
            known = self._known[at] = self._choose(at)
        return known

    def draw(self, axes: Axes) -> PlanMap:
        """The plan at every cell."""
        at = self._nominal
        grid = [
            Conditions(rate, rtt_ns, load)
            for load in axes.loads_ppm
            for rtt_ns in axes.rtts_ns
            for rate in axes.rates_bits_per_s
        ]
        cells = [self.chosen(where) for where in grid]
        refused: list[set[int]] = [set() for _ in self._planned]
        while (victim := crowded_out(list(self._planned.values()), cells)) is not None:
            place, index = victim
            refused[place].add(index)
            cells = [self._chosen_without(where, refused) for where in grid]
        return PlanMap(
            rates_bits_per_s=axes.rates_bits_per_s,
            rtts_ns=axes.rtts_ns,
            loads_ppm=axes.loads_ppm,
            tasks={
                name: RegionMap(
                    rate_borders=axes.rates_bits_per_s[:-1],
                    rtt_borders=axes.rtt_borders,
                    load_borders=axes.load_borders,
                    cells=tuple(cell[place] for cell in cells),
                )
                for place, name in enumerate(self._planned)
            },
            nominal=(at.up_bits_per_s, at.rtt_ns, at.load_ppm),
            refused={
                name: tuple(sorted(mine))
                for name, mine in zip(self._planned, refused, strict=True)
                if mine
            },
        )

    def _chosen_without(
        self, at: Conditions, refused: Sequence[Collection[int]]
    ) -> tuple[int, ...]:
        """As `chosen`, without the routes of some candidates of each task."""
        if at == self._nominal:
            return self.chosen(at)
        if self._problem is not None:
            routes = [
                {found.plan.candidates[i].route.id for i in mine}
                for found, mine in zip(self._planned.values(), refused, strict=True)
            ]
            problem = self._problem.without(routes)
            plan = problem.solve(at)
            if plan is not None:
                return problem.chosen(plan)
        elsewhere = Elsewhere(at=at)
        return tuple(
            self._choosers[name].choose(elsewhere, without=mine)
            for name, mine in zip(self._planned, refused, strict=True)
        )

    def validity(self, axes: Axes) -> dict[str, Validity]:
        """Of each task how far rate, round trip and load may move, one at a time."""
        nominal = self._nominal
        rates = sorted({*axes.rates_bits_per_s, nominal.up_bits_per_s})
        rtts = sorted({*axes.rtts_ns, nominal.rtt_ns})
        loads = sorted({*axes.loads_ppm, nominal.load_ppm})
        found = {}
        for place, name in enumerate(self._planned):
            low, high = self._reach(place, [nominal._replace(up_bits_per_s=r) for r in rates])
            near, far = self._reach(place, [nominal._replace(rtt_ns=r) for r in rtts])
            idle, full = self._reach(place, [nominal._replace(load_ppm=r) for r in loads])
            found[name] = Validity(
                up_bits_per_s=(
                    0 if low.up_bits_per_s == rates[0] else low.up_bits_per_s,
                    high.up_bits_per_s,
                ),
                rtt_ns=(0 if near.rtt_ns == rtts[0] else near.rtt_ns, far.rtt_ns),
                load_ppm=(idle.load_ppm, full.load_ppm),
                open_up=high.up_bits_per_s == rates[-1],
                open_rtt=far.rtt_ns == rtts[-1],
                open_load=full.load_ppm == loads[-1],
            )
        return found

    def _reach(self, place: int, line: Sequence[Conditions]) -> tuple[Conditions, Conditions]:
        """Both ends of the stretch around the nominal conditions that keeps a task's choice."""
        mine = self.chosen(self._nominal)[place]
        middle = line.index(self._nominal)
        first = last = middle
        while first > 0 and self.chosen(line[first - 1])[place] == mine:
            first -= 1
        while last < len(line) - 1 and self.chosen(line[last + 1])[place] == mine:
            last += 1
        return line[first], line[last]

    def _choose(self, at: Conditions) -> tuple[int, ...]:
        if self._problem is not None:
            plan = self._problem.solve(at)
            if plan is not None:
                return self._problem.chosen(plan)
        elsewhere = Elsewhere(at=at)
        return tuple(self._choosers[name].choose(elsewhere) for name in self._planned)


def axes_around(nominal: Conditions, *, lowest_bits_per_s: int) -> Axes:
    """The grid around the conditions of a plan.

    Args:
        nominal: The conditions.
        lowest_bits_per_s: Least uplink rate that is told apart from none, above 0.
    """
    rates = []
    step = 0
    while True:
        rate = round((nominal.up_bits_per_s << _ABOVE) * 2 ** (-step / _PER_OCTAVE))
        rates.append(max(1, rate))
        if rate <= lowest_bits_per_s:
            break
        step += 1
    rtt_ns = max(nominal.rtt_ns, _LEAST_RTT_NS)
    borders = tuple(round(rtt_ns * b) for _, b in _RTTS if b is not None)
    mine = bisect_right(borders, nominal.rtt_ns)
    return Axes(
        rates_bits_per_s=tuple(rates),
        rtts_ns=tuple(
            nominal.rtt_ns if place == mine else round(rtt_ns * factor)
            for place, (factor, _) in enumerate(_RTTS)
        ),
        rtt_borders=borders,
        loads_ppm=tuple(load for load, _ in _LOADS),
        load_borders=tuple(border for _, border in _LOADS if border is not None),
    )


def compressed(region: RegionMap, names: Mapping[int, int]) -> RegionMap:
    """The map without borders that nothing changes at, its entries renamed.

    Args:
        region: The map.
        names: New entry of each old one.
    """
    sizes = region.sizes
    grid = [
        [
            [names[region.cells[(k * sizes.rtt + j) * sizes.rate + i]] for i in range(sizes.rate)]
            for j in range(sizes.rtt)
        ]
        for k in range(sizes.load)
    ]
    loads = [k for k in range(1, sizes.load) if grid[k] != grid[k - 1]]
    rtts = [j for j in range(1, sizes.rtt) if any(p[j] != p[j - 1] for p in grid)]
    rates = [
        i
        for i in range(1, sizes.rate)
        if any(row[i] != row[i - 1] for panel in grid for row in panel)
    ]
    return RegionMap(
        rate_borders=tuple(region.rate_borders[i - 1] for i in rates),
        rtt_borders=tuple(region.rtt_borders[j - 1] for j in rtts),
        load_borders=tuple(region.load_borders[k - 1] for k in loads),
        cells=tuple(grid[k][j][i] for k in (0, *loads) for j in (0, *rtts) for i in (0, *rates)),
    )


assert _LOADS[-1][0] < PPM  # noqa: S101 - a device that is always busy has no finite wait
