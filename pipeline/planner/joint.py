"""One plan per task where several share an uplink, a downlink, an edge device and a cloud device.

Each task brings its candidates: how long they take alone, what they load each shared resource with,
and what an answer in time is worth. Together they wait for each other, since nothing is preempted:
a frame that comes to a resource which is busy for a share `r` of the time waits on average
`sum(rate * hold^2) / (2 * (1 - r))`, summed over the other tasks (Pollaczek and Khinchine; a
task's own frames come at even distances and are not in each other's way). A task's worth is
`importance * (p * accuracy + (1 - p) * fallback)`, `p` being the share of its frames that are in
time with those waits, each counted by what is left of its worth when it is there. A candidate
without the hedge that its scenario asks for is taken only where nothing fits with the hedges.

The answer is exact over all combinations, which are few for a car; beyond a limit the candidates
of the task with the most are thinned out first, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.planner._combinations import Combinations
from pipeline.planner.aging import FRESH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.planner.aging import Aging

Resource = str
"""What is shared, by its key: `up`, `down`, `edge`, `cloud`, or the name of a device or a bus."""

MOST_COMBINATIONS = 250_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointCandidate:
    """One way to do a task.

    Attributes:
        name: Name of its route and variant.
        accuracy: What an answer in time is worth, from 0 to 1.
        latencies_ns: Latency of a sample of frames when nothing else goes on, ascending; shape
            (samples,), int64.
        holds_ns: How long a frame holds each resource, on its own share of it; a resource that
            is left out is not used.
        memory: Bytes that it needs on each device, by the device's name.
        fallback: What a late answer is worth, from 0 to 1: what a hedge gives, which is in time.
        bare: Whether it goes without the hedge that another candidate of the same route has.
        hedge_on: Resource that its hedge runs on; None without one that is in time.
        hedge_ends_ns: When that hedge has answered if it starts as early as it can and no other
            task is in its way.
    """

    name: str
    accuracy: float
    latencies_ns: NDArray[np.int64]
    holds_ns: Mapping[Resource, int]
    memory: Mapping[str, int] = field(default_factory=dict)
    fallback: float = 0.0
    bare: bool = False
    hedge_on: Resource | None = None
    hedge_ends_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointTask:
    """A task with its candidates.

    Attributes:
        name: Its name.
        candidates: At least one; "do without" is one with no load and no accuracy.
        frames_per_s: How many frames it is asked for.
        deadline_ns: Until when an answer counts.
        importance: Weight of its accuracy.
        aging: What an answer is worth by its age; none falls back on it.
    """

    name: str
    candidates: tuple[JointCandidate, ...]
    frames_per_s: float
    deadline_ns: int
    importance: float = 1.0
    aging: Aging = FRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPlan:
    """The best combination.

    Attributes:
        chosen: Index of the candidate of each task.
        worth: Sum of what the tasks are worth.
        in_time: Share of the frames in time, by task.
        waits_ns: Mean wait of a frame for the other tasks, at all resources together, by task.
        busy: Share of the time that each resource is busy.
        waits_at_ns: The mean waits at each resource by itself, by task.
        exact: Whether every combination was looked at.
    """

    chosen: tuple[int, ...]
    worth: float
    in_time: tuple[float, ...]
    waits_ns: tuple[int, ...]
    busy: Mapping[Resource, float]
    waits_at_ns: tuple[Mapping[Resource, int], ...]
    exact: bool


def best_together(
    tasks: Sequence[JointTask],
    *,
    capacity: Mapping[Resource, float],
    memory: Mapping[str, int] = MappingProxyType({}),
    most: int = MOST_COMBINATIONS,
    wanted: float | None = None,
) -> JointPlan | None:
    """Find the combination that is worth most; of equals the most hedged, then the quickest one.

    Candidates that another one of their task beats in everything are never looked at.

    Args:
        tasks: The tasks; the first candidates win ties, so bring them cheapest first.
        wanted: Share of a task's frames that should be in time, from 0 to 1: combinations that
            keep this for more tasks, by importance, go before all others, whatever they are worth.
            None where only the worth counts.
        capacity: How busy each resource may get, as a share of one unit of it (0.8 of one slot,
            1.6 of two); 1 less a little where left out.
        memory: Bytes of memory of each device; what all tasks need there together has to fit.
            Devices that are left out have enough.
        most: Combinations to look at at most.

    Returns:
        The combination; None where every one loads a resource beyond its capacity or a device
        beyond its memory.

    Raises:
        ValueError: A task has no candidate.
    """
    if not all(task.candidates for task in tasks):
        raise ValueError("every task needs a candidate")
    everything = [tuple(range(len(task.candidates))) for task in tasks]
    covered = [
        tuple(i for i in mine if not task.candidates[i].bare) or mine
        for task, mine in zip(tasks, everything, strict=True)
    ]
    for places in (covered, everything) if covered != everything else (everything,):
        found = _best_of(_only(tasks, places), capacity, memory, most, wanted)
        if found is not None:
            chosen = tuple(mine[i] for mine, i in zip(places, found.chosen, strict=True))
            return replace(found, chosen=chosen)
    return None


def _only(tasks: Sequence[JointTask], places: Sequence[Sequence[int]]) -> list[JointTask]:
    """The tasks with some of their candidates."""
    return [
        replace(task, candidates=tuple(task.candidates[i] for i in mine))
        for task, mine in zip(tasks, places, strict=True)
    ]


def _best_of(
    tasks: Sequence[JointTask],
    capacity: Mapping[Resource, float],
    memory: Mapping[str, int],
    most: int,
    wanted: float | None,
) -> JointPlan | None:
    """The best combination of all candidates; arguments as for `best_together`."""
    kept = [undominated(task) for task in tasks]
    exact = True
    while prod(map(len, kept)) > most:
        exact = False
        fullest = max(range(len(kept)), key=lambda i: len(kept[i]))
        kept[fullest] = _thinned(tasks[fullest], kept[fullest])
    best = Combinations(_only(tasks, kept), capacity, memory).best(wanted)
    if best is None:
        return None
    return JointPlan(
        chosen=tuple(mine[i] for mine, i in zip(kept, best.choices[:, 0].tolist(), strict=True)),
        worth=float(best.worth[0]),
        in_time=tuple(float(share[0]) for share in best.in_time),
        waits_ns=tuple(int(wait[0]) for wait in best.waits_ns),
        busy=dict(zip(best.names, best.busy[:, 0].tolist(), strict=True)),
        waits_at_ns=tuple(
            dict(zip(best.names, map(int, waits[:, 0]), strict=True)) for waits in best.waits_at_ns
        ),
        exact=exact,
    )


def undominated(task: JointTask) -> tuple[int, ...]:
    """Indices of the candidates that no other one of the task is at least as good as in everything.

    One is left out where another has no less accuracy, is no slower in any of as many sorted
    samples, holds no resource longer and needs no more memory: taking the other instead never
    loses, for this task or for those that wait for it. That needs an accuracy no lower than what
    its late answers are worth, and these worth no less and no later than the other's. Of equals the
    first stays.
    """
    candidates = task.candidates
    accuracy = np.array([c.accuracy for c in candidates])
    fallback = np.array([c.fallback for c in candidates])
    needs = _needs(candidates)
    _, least = task.aging.bounds(task.deadline_ns)[-1]  # what is left of the oldest in time
    better = accuracy[:, None] >= accuracy[None, :]
    better &= least * accuracy[:, None] >= fallback[:, None]
    better &= fallback[:, None] >= fallback[None, :]
    better &= (needs[:, None, :] <= needs[None, :, :]).all(axis=2)
    ends = np.array([np.inf if c.hedge_on is None else c.hedge_ends_ns for c in candidates])
    better &= ends[:, None] <= ends[None, :]
    np.fill_diagonal(better, val=False)
    beaten: set[int] = set()
    for index, other in np.argwhere(better.T).tolist():
        if index in beaten:  # by one of them, which is enough
            continue
        if _quicker_or_first(candidates, other, index, equal=bool(better[index, other])):
            beaten.add(index)
    return tuple(index for index in range(len(candidates)) if index not in beaten)


def _needs(candidates: Sequence[JointCandidate]) -> NDArray[np.int64]:
    """What each holds of every resource and needs of every memory; shape (candidates, things)."""
    holds = tuple(dict.fromkeys(r for c in candidates for r in c.holds_ns))
    devices = tuple(dict.fromkeys(d for c in candidates for d in c.memory))
    rows = [
        [*(c.holds_ns.get(r, 0) for r in holds), *(c.memory.get(d, 0) for d in devices)]
        for c in candidates
    ]
    return np.array(rows, np.int64).reshape(len(candidates), -1)


def _quicker_or_first(
    candidates: Sequence[JointCandidate], other: int, index: int, *, equal: bool
) -> bool:
    """Whether one is no slower in any sample; of equals the first. `equal` in all but time."""
    theirs, mine = candidates[other].latencies_ns, candidates[index].latencies_ns
    if len(theirs) != len(mine) or not bool((theirs <= mine).all()):
        return False
    return other < index or not equal or not bool((theirs == mine).all())


def worth_of_more(
    tasks: Sequence[JointTask],
    resource: Resource,
    *,
    capacity: Mapping[Resource, float],
    factor: float,
) -> float:
    """What the tasks gain together if a resource were so many times as quick.

    The combination may be another one then; the difference is exact for the two sizes and says
    nothing of sizes between them.

    Args:
        tasks: The tasks.
        resource: Which resource.
        capacity: As for `best_together`.
        factor: Its speed over the present one, above 0.
    """
    now = best_together(tasks, capacity=capacity)
    then = best_together(quickened(tasks, resource, factor), capacity=capacity)
    return (0.0 if then is None else then.worth) - (0.0 if now is None else now.worth)


def quickened(tasks: Sequence[JointTask], resource: Resource, factor: float) -> list[JointTask]:
    """The tasks as they would be if a resource were so many times as quick."""
    return [_quicker(task, resource, factor) for task in tasks]


def _quicker(task: JointTask, resource: Resource, factor: float) -> JointTask:
    def changed(candidate: JointCandidate) -> JointCandidate:
        held_ns = candidate.holds_ns.get(resource, 0)
        saved_ns = held_ns - round(held_ns / factor)
        return replace(
            candidate,
            latencies_ns=np.maximum(candidate.latencies_ns - saved_ns, 0),
            holds_ns={**candidate.holds_ns, resource: held_ns - saved_ns},
        )

    return replace(task, candidates=tuple(changed(c) for c in task.candidates))


def _thinned(task: JointTask, kept: tuple[int, ...]) -> tuple[int, ...]:
    """Without the candidate that is worth least when it is alone; the first one stays."""

    def alone(index: int) -> float:
        candidate = task.candidates[index]
        sample = candidate.latencies_ns
        until = {
            ns: float(np.searchsorted(sample, ns, side="right")) / max(1, len(sample))
            for ns, _ in task.aging.bounds(task.deadline_ns)
        }
        worth = sum(until[ns] * weight for ns, weight in task.aging.bounds(task.deadline_ns))
        return worth * candidate.accuracy + (1 - until[task.deadline_ns]) * candidate.fallback

    worst = min(kept[1:], key=lambda index: (alone(index), -index))
    return tuple(index for index in kept if index != worst)
