"""All combinations of the candidates of several tasks, reckoned where they may be the best.

How busy each resource would be is reckoned for every combination, what frames wait only for some: a
combination in which nothing waits is worth no less than with its waits, which rules out most beside
one that is known. Nothing that could be chosen, or tie with it, is left out.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.planner.joint import JointTask, Resource

    Floats = NDArray[np.float64]
    Rows = NDArray[np.intp]

Number = TypeVar("Number", np.float64, np.int64)

_NS_PER_S = 1e9
_ROUNDING = 1e-9
_ROUNDING_NS = 1_000  # waits are differences of sums, and may come out below zero by rounding
_TRIED = 16  # so many are reckoned first, so that a good one is known


class Combinations:
    """The combinations, by row: the last task's candidate changes quickest.

    What belongs to resources and combinations has a line for each resource, so that arithmetic over
    the combinations runs along memory.

    Attributes:
        tasks: The tasks.
        names: The resources.
        shape: How many candidates each task has.
        holds_ns: How long the candidates of each task hold resources; of each task shape
            (resources, candidates).
        rates: Frames of each task in a nanosecond.
        units: How many units each resource has; shape (resources, 1).
        busy: Share of the time that each resource would be busy; shape (resources, combinations).
        fitting: Those that fit; shape (fitting,), intp.
    """

    def __init__(
        self,
        tasks: Sequence[JointTask],
        capacity: Mapping[Resource, float],
        memory: Mapping[str, int],
    ) -> None:
        """Find those that fit.

        Args:
            tasks: The tasks, with the candidates that compete.
            capacity: How busy each resource may get; 1 where left out.
            memory: Bytes of memory of each device; enough where left out.
        """
        self.tasks = tasks
        held = (c.holds_ns for task in tasks for c in task.candidates)
        self.names = tuple(dict.fromkeys([*capacity, *chain.from_iterable(held)]))
        self.shape = tuple(len(task.candidates) for task in tasks)
        self.holds_ns = [
            np.array(
                [[c.holds_ns.get(r, 0) for c in task.candidates] for r in self.names], float
            ).reshape(len(self.names), len(task.candidates))
            for task in tasks
        ]
        self.rates = [task.frames_per_s / _NS_PER_S for task in tasks]
        limit = np.array([capacity.get(r, 1.0) for r in self.names])[:, None]
        self.units = np.maximum(1.0, np.ceil(limit))
        self.busy = _sums([h * r for h, r in zip(self.holds_ns, self.rates, strict=True)])
        idle = 1.0 - self.busy / self.units
        fits = ((self.busy <= limit + _ROUNDING) & (idle > _ROUNDING)).all(axis=0)
        for device, size in memory.items():
            needs = [[[c.memory.get(device, 0) for c in task.candidates]] for task in tasks]
            fits &= _sums([np.array(need, np.int64) for need in needs])[0] <= size
        self.fitting = np.flatnonzero(fits)

    def best(self, wanted: float | None) -> Reckoned | None:
        """The best combination, reckoned by itself; None where none fits.

        Args:
            wanted: As for `joint.best_together`.
        """
        if not len(self.fitting):
            return None
        rows = self.promising(wanted) if len(self.fitting) > 2 * _TRIED else self.fitting
        reckoned = Reckoned(self, rows)
        return Reckoned(self, rows[[reckoned.best(wanted)]])

    def promising(self, wanted: float | None) -> Rows:
        """All that may be the best or tie with it, by what they are worth where nothing waits."""
        met, worth = self._hopes(wanted)
        most = np.flatnonzero(met >= met.max() - _ROUNDING)
        if len(most) > _TRIED:
            most = most[np.argpartition(worth[most], -_TRIED)[-_TRIED:]]
        known = Reckoned(self, self.fitting[most])
        place = known.best(wanted)
        met_now = 0.0 if wanted is None else float(known.met(wanted)[place])
        as_good = worth >= known.worth[place] - 2 * _ROUNDING
        left: Rows = self.fitting[(met > met_now) | ((met >= met_now - 2 * _ROUNDING) & as_good)]
        return left

    def _hopes(self, wanted: float | None) -> tuple[Floats, Floats]:
        """Importance of tasks that keep their share, and worth, at most; of those that fit."""
        met, worth = [], []
        for task in self.tasks:
            end_ns = task.deadline_ns + _ROUNDING_NS
            *before, (_, least) = task.aging.bounds(task.deadline_ns)
            shares = _within(task, end_ns)
            aged = least * shares
            for within_ns, lost in before:
                aged += lost * _within(task, within_ns + _ROUNDING_NS)
            accuracy = np.array([c.accuracy for c in task.candidates])
            fallback = np.array([c.fallback for c in task.candidates])
            # Where a late answer is worth more than the oldest in time, waiting may be a gain.
            aged = np.where(least * accuracy >= fallback, aged, shares)
            hoped = np.maximum(fallback, aged * accuracy + (1 - shares) * fallback)
            worth.append(task.importance * hoped[None])
            if wanted is not None:
                covered = [
                    c.hedge_on is not None and c.hedge_ends_ns <= end_ns for c in task.candidates
                ]
                kept = (shares >= wanted - _ROUNDING) | np.array(covered)
                met.append(task.importance * kept[None])
        hoped = _sums(worth)[0, self.fitting]
        return _sums(met)[0, self.fitting] if met else np.zeros(len(hoped)), hoped


class Reckoned:
    """Some combinations with their waits.

    Attributes:
        names: The resources.
        choices: Candidate of each task; shape (tasks, combinations), int64.
        busy: Share of the time that each resource is busy; shape (resources, combinations).
        waits_at_ns: Mean wait of each task's frames at each resource; of each task shape
            (resources, combinations).
        waits_ns: The sum over the resources; of each task shape (combinations,).
        in_time: Share of each task's frames in time; of each task shape (combinations,).
        worth: Sum of what the tasks are worth; shape (combinations,).
    """

    def __init__(self, combinations: Combinations, rows: Rows) -> None:
        self._all, self.names = combinations, combinations.names
        self._tasks = tasks = combinations.tasks
        self.choices = np.array(np.unravel_index(rows, combinations.shape))
        self.busy = combinations.busy[:, rows]
        self._idle = 1.0 - self.busy / combinations.units
        squares = np.zeros_like(self.busy)
        held = zip(combinations.holds_ns, combinations.rates, self.choices, strict=True)
        for holds, rate, mine in held:
            squares += (holds**2 * rate)[:, mine]
        self.waits_at_ns = [self._wait(place, squares) for place in range(len(tasks))]
        self.waits_ns = [waits.sum(axis=0) for waits in self.waits_at_ns]
        self.in_time = [self._shares(p, task.deadline_ns) for p, task in enumerate(tasks)]
        self.worth = self._worth()

    def best(self, wanted: float | None) -> int:
        """Place of the best one: most kept, worth most, most hedged, quickest, first."""
        left = np.ones(len(self.worth), np.bool_)
        if wanted is not None:
            met = self.met(wanted)
            left = met >= met.max() - _ROUNDING
        worth = np.where(left, self.worth, -np.inf)
        top = np.flatnonzero(worth >= worth.max() - _ROUNDING)
        bare = self._bare(top)
        top = top[bare <= bare.min() + _ROUNDING]
        if len(top) == 1:
            return int(top[0])
        taken = np.sum([self._taken_ns(place, top) for place in range(len(self._tasks))], axis=0)
        return int(top[taken.argmin()])

    def met(self, wanted: float) -> Floats:
        """Importance of the tasks that keep a share in time, by combination."""
        met = np.zeros(len(self.worth))
        for place, task in enumerate(self._tasks):
            kept = self.in_time[place] >= wanted - _ROUNDING
            met += task.importance * (kept | self._covered(place))
        return met

    def _wait(self, place: int, squares: Floats) -> Floats:
        """Mean wait of a task's frames at each resource that they use, by combination."""
        holds, mine = self._all.holds_ns[place], self.choices[place]
        others = (squares - (holds**2 * self._all.rates[place])[:, mine]) / self._all.units
        waits = others / (2 * self._idle)
        return np.asarray(waits * (holds > 0)[:, mine])

    def _shares(self, place: int, within_ns: int) -> Floats:
        """Share of a task's frames that are answered within a time, by combination."""
        task, mine = self._tasks[place], self.choices[place]
        found = np.zeros(len(mine))
        for index, candidate in enumerate(task.candidates):
            rows = np.flatnonzero(mine == index)
            if not len(rows):
                continue
            left_ns = within_ns - self.waits_ns[place][rows]
            sample = candidate.latencies_ns
            found[rows] = np.searchsorted(sample, left_ns, side="right") / max(1, len(sample))
        return found

    def _worth(self) -> Floats:
        total = np.zeros(self.choices.shape[1])
        for place, task in enumerate(self._tasks):
            mine, share = self.choices[place], self.in_time[place]
            *before, (_, weight) = task.aging.bounds(task.deadline_ns)
            worth = weight * share
            for within_ns, lost in before:
                worth += lost * self._shares(place, within_ns)
            accuracy = np.array([c.accuracy for c in task.candidates])[mine]
            fallback = np.array([c.fallback for c in task.candidates])[mine]
            total += task.importance * (worth * accuracy + (1 - share) * fallback)
        return total

    def _covered(self, place: int) -> NDArray[np.bool_]:
        """Whether a task's hedge answers in time behind the other tasks' jobs, by combination."""
        task, mine = self._tasks[place], self.choices[place]
        found = np.zeros(len(mine), np.bool_)
        for index, candidate in enumerate(task.candidates):
            if candidate.hedge_on is None:
                continue
            rows = mine == index
            waits = self.waits_at_ns[place][self.names.index(candidate.hedge_on), rows]
            found[rows] = candidate.hedge_ends_ns + waits <= task.deadline_ns
        return found

    def _bare(self, rows: Rows) -> Floats:
        """Importance of the tasks that go without their hedge, in some combinations."""
        found = np.zeros(len(rows))
        for task, mine in zip(self._tasks, self.choices, strict=True):
            found += task.importance * np.array([c.bare for c in task.candidates])[mine[rows]]
        return found

    def _taken_ns(self, place: int, rows: Rows) -> Floats:
        """Mean latency of a task's frames with their wait, in some combinations."""
        means = np.array([float(c.latencies_ns.mean()) for c in self._tasks[place].candidates])
        taken: Floats = means[self.choices[place][rows]] + self.waits_ns[place][rows]
        return taken


def _within(task: JointTask, end_ns: float) -> Floats:
    """Share of the frames that each candidate answers within a time where nothing waits."""
    found: Floats = np.array(
        [
            np.searchsorted(c.latencies_ns, end_ns, side="right") / max(1, len(c.latencies_ns))
            for c in task.candidates
        ]
    )
    return found


def _sums(tables: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """Sums of a column of each table, the last one's changing quickest; shape (lines, sums)."""
    total = tables[0]
    for table in tables[1:]:
        total = (total[:, :, None] + table[:, None, :]).reshape(len(total), -1)
    return total
