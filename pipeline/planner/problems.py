"""The tasks of a car as one problem: their candidates under one link, edge and cloud device.

Each task brings what the plan priced for it alone. `JointProblem` holds that in the form that
`joint` solves, so that the same tasks can be planned again at another uplink rate, round trip or
load in a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.link.model import message_bytes
from pipeline.plan.steps import Move
from pipeline.planner.conditions import (
    AGREEMENT_SLACK,
    Conditions,
    asked,
    crosses,
    eligible,
    wait_at_load_ns,
)
from pipeline.planner.joint import (
    JointCandidate,
    JointTask,
    Resource,
    best_together,
)
from pipeline.planner.percentiles import samples_ns
from pipeline.planner.resources import resources_of
from pipeline.planner.sampling import link_extra_ns, way_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.plan.plan import Candidate
    from pipeline.planner.joint import JointPlan
    from pipeline.planner.planning import Planned
    from pipeline.planner.resources import Resources

    Samples = NDArray[np.int64]

_NS_PER_S = 1_000_000_000
_SAMPLES = 201  # quantiles that stand for a candidate's latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharer:
    """A task that shares the car with others.

    Attributes:
        planned: Its own plan.
        importance: Weight of its worth, above 0.
        period_ns: Time between two of its frames.
        own_lane: Whether the scenario gives it a part of the link for itself.
    """

    planned: Planned
    importance: float
    period_ns: int
    own_lane: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What of a candidate changes with conditions."""

    bits: int
    service_ns: int
    over_link: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointProblem:
    """The tasks of a car with all that is needed to plan them at any conditions.

    Attributes:
        tasks: The tasks at the nominal conditions, their allowed candidates, the fastest first.
        indices: Of each task, where its candidates stand in its own plan.
        nominal: The nominal conditions.
        resources: What they share.
        wanted: Share of a task's frames that should be in time.
        moving: What of each candidate changes with conditions.
    """

    tasks: tuple[JointTask, ...]
    indices: tuple[tuple[int, ...], ...]
    nominal: Conditions
    resources: Resources
    wanted: float
    moving: tuple[tuple[Moving, ...], ...]

    def at(self, conditions: Conditions) -> list[JointTask]:
        """The tasks at other conditions."""
        if conditions == self.nominal:
            return list(self.tasks)
        return [
            replace(
                task,
                candidates=tuple(
                    self._moved(candidate, moved, conditions)
                    for candidate, moved in zip(task.candidates, mine, strict=True)
                ),
            )
            for task, mine in zip(self.tasks, self.moving, strict=True)
        ]

    def solve(self, conditions: Conditions | None = None) -> JointPlan | None:
        """The best combination at some conditions, the nominal ones where left out."""
        return self.best(self.at(self.nominal if conditions is None else conditions))

    def best(self, tasks: Sequence[JointTask]) -> JointPlan | None:
        """The best combination of the same tasks, changed in some way."""
        return best_together(
            tasks,
            capacity=self.resources.capacity,
            memory=self.resources.memory,
            wanted=self.wanted,
        )

    def without(self, routes: Sequence[Collection[str]]) -> JointProblem:
        """The problem without some routes of each task, by id; at least one has to remain."""
        kept = [
            [n for n, c in enumerate(task.candidates) if c.name not in barred]
            for task, barred in zip(self.tasks, routes, strict=True)
        ]
        rows = list(zip(self.tasks, self.indices, self.moving, kept, strict=True))
        return replace(
            self,
            tasks=tuple(
                replace(task, candidates=tuple(task.candidates[n] for n in mine))
                for task, _, _, mine in rows
            ),
            indices=tuple(tuple(index[n] for n in mine) for _, index, _, mine in rows),
            moving=tuple(tuple(moving[n] for n in mine) for _, _, moving, mine in rows),
        )

    def chosen(self, plan: JointPlan) -> tuple[int, ...]:
        """The combination as indices into each task's own candidates."""
        return tuple(mine[i] for mine, i in zip(self.indices, plan.chosen, strict=True))

    def _moved(self, candidate: JointCandidate, moved: Moving, at: Conditions) -> JointCandidate:
        if not moved.over_link:
            return candidate
        nominal, bits = self.nominal, moved.bits * _NS_PER_S
        sent_ns = bits // at.up_bits_per_s - bits // nominal.up_bits_per_s
        shift_ns = (
            sent_ns
            + at.rtt_ns
            - nominal.rtt_ns
            + wait_at_load_ns(moved.service_ns, at.load_ppm)
            - wait_at_load_ns(moved.service_ns, nominal.load_ppm)
        )
        holds = dict(candidate.holds_ns)
        if "up" in holds:
            holds["up"] = max(0, holds["up"] + sent_ns)
        return replace(
            candidate,
            latencies_ns=np.maximum(candidate.latencies_ns + shift_ns, 0),
            holds_ns=holds,
        )


def problem_of(
    sharers: Sequence[Sharer],
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    percentile: float,
    nominal: Conditions,
) -> JointProblem:
    """The tasks' candidates in the form that is solved.

    An agreement within `AGREEMENT_SLACK` of the best of its task counts as the best, as in the plan
    of one task; of equals the quickest wins.

    Args:
        sharers: The tasks, at least one; each has an allowed candidate.
        quantiles: Quantile tables of run times by name.
        percentile: Percentile of the plan; so many of a task's frames should be in time.
        nominal: Conditions of the link as all tasks share it.
    """
    tasks, indices, moving = [], [], []
    resources = resources_of([sharer.planned.world for sharer in sharers])
    resources = replace(resources, memory=_scarce(sharers, resources.memory))
    for sharer in sharers:
        planned = sharer.planned
        allowed = eligible(planned.plan.candidates)
        allowed.sort(key=lambda i: planned.plan.candidates[i].alone_ns)
        mine = [planned.plan.candidates[i] for i in allowed]
        best = max(candidate.agreement or 0.0 for candidate in mine)
        bare = {*allowed}.difference(asked(planned.plan.candidates))
        tasks.append(
            JointTask(
                name=planned.plan.task,
                candidates=tuple(
                    replace(
                        _candidate(sharer, candidate, quantiles, best, resources),
                        bare=index in bare,
                        memory={d: s for d, s in candidate.memory.items() if d in resources.memory},
                    )
                    for index, candidate in zip(allowed, mine, strict=True)
                ),
                frames_per_s=_NS_PER_S / sharer.period_ns,
                deadline_ns=planned.deadline_ns,
                importance=sharer.importance,
                aging=planned.wishes.aging,
            )
        )
        indices.append(tuple(allowed))
        moving.append(
            tuple(
                Moving(
                    bits=_bits(planned, candidate, nominal),
                    service_ns=candidate.spans.get("cloud", 0),
                    over_link=crosses(candidate),
                )
                for candidate in mine
            )
        )
    return JointProblem(
        tasks=tuple(tasks),
        indices=tuple(indices),
        nominal=nominal,
        resources=resources,
        wanted=percentile / 100,
        moving=tuple(moving),
    )


def _scarce(sharers: Sequence[Sharer], memory: Mapping[str, int]) -> dict[str, int]:
    """The devices whose memory can be too small for the tasks: more than that changes nothing."""
    most: dict[str, int] = {}
    for sharer in sharers:
        mine: dict[str, int] = {}
        for candidate in sharer.planned.plan.candidates:
            for device, size in candidate.memory.items():
                mine[device] = max(size, mine.get(device, 0))
        for device, size in mine.items():
            most[device] = most.get(device, 0) + size
    return {device: size for device, size in memory.items() if most.get(device, 0) > size}


def waits_of(problem: JointProblem, places: Sequence[int]) -> list[dict[str, tuple[int, int]]]:
    """Per task and waiting span the mean wait for the others, and one job of each in front, in ns.

    Args:
        problem: The tasks.
        places: The candidate of each, as the problem counts them.
    """
    only = [
        replace(task, candidates=(task.candidates[place],))
        for task, place in zip(problem.tasks, places, strict=True)
    ]
    roomy = {one.key: float(one.slots) for one in problem.resources.all}
    plan = best_together(only, capacity=roomy)
    found = []
    for number in range(len(only)):
        others = [task.candidates[0] for i, task in enumerate(only) if i != number]
        waits: dict[str, tuple[int, int]] = {}
        for resource, span in problem.resources.spans.items():
            used = only[number].candidates[0].holds_ns.get(resource, 0) > 0
            most_ns = sum(other.holds_ns.get(resource, 0) for other in others) if used else 0
            mean_ns = most_ns if plan is None else plan.waits_at_ns[number][resource]
            before = waits.get(span, (0, 0))
            waits[span] = (before[0] + mean_ns, before[1] + max(mean_ns, most_ns))
        found.append(waits)
    return found


def _bits(planned: Planned, candidate: Candidate, nominal: Conditions) -> int:
    """Bits that a frame sends up; on its own lane as many as the whole link sends meanwhile."""
    if not crosses(candidate):
        return 0
    own = planned.world.link.up_bits_per_s
    return 8 * message_bytes(candidate.bytes_up) * nominal.up_bits_per_s // own


def _candidate(
    sharer: Sharer,
    candidate: Candidate,
    quantiles: Mapping[str, tuple[int, ...]],
    best: float,
    resources: Resources,
) -> JointCandidate:
    planned = sharer.planned
    world, steps = planned.world, candidate.route.steps
    deliver_ns = world.vehicle_host.hop_ns(message_bytes=candidate.bytes_down, kind="result")
    own_ns = np.sort(samples_ns(steps, quantiles)) + planned.source_ns + deliver_ns
    extra_ns = link_extra_ns(world, steps)
    holds: dict[Resource, int] = {}
    for step in steps:
        if isinstance(step.step, Move) and world.sites.site_of(step.step) is None:
            way = way_of(step)
            if not sharer.own_lane:
                holds[way] = holds.get(way, 0) + world.spread.mean_serial_ns(
                    step.bytes, way, within_ns=planned.deadline_ns
                )
        elif step.span in ("edge", "cloud"):
            key = resources.key_of(world, step)
            holds[key] = holds.get(key, 0) + step.latency_ns
    cover = candidate.hedge
    if cover is not None:
        key = resources.keys[world.edge.name]
        holds[key] = holds.get(key, 0) + round(cover.runs * cover.edge_ns)
    agreement = candidate.agreement or 0.0
    return JointCandidate(
        name=candidate.route.id,
        accuracy=best if agreement >= best - AGREEMENT_SLACK else agreement,
        latencies_ns=_quantiles_of(own_ns, extra_ns),
        holds_ns=holds,
        fallback=0.0 if cover is None or not cover.keeps else (cover.agreement or 0.0) * cover.left,
        hedge_on=None if cover is None or not cover.keeps else resources.keys[world.edge.name],
        hedge_ends_ns=0 if cover is None else cover.least_ns,
    )


def _quantiles_of(own_ns: Samples, extra_ns: Samples) -> Samples:
    """Evenly spaced quantiles of the sum of two independent samples, ascending."""
    places = (np.arange(_SAMPLES) * (len(own_ns) - 1)) // (_SAMPLES - 1)
    total = np.sort((own_ns[places][:, None] + extra_ns[None, :]).reshape(-1))
    middles = ((2 * np.arange(_SAMPLES) + 1) * len(total)) // (2 * _SAMPLES)
    return np.asarray(total[middles], np.int64)


def busy_of(problem: JointProblem, places: Sequence[int]) -> dict[Resource, float]:
    """Share of the time that each resource is busy, in units of a slot, with these candidates."""
    busy = dict.fromkeys(problem.resources.names, 0.0)
    for task, place in zip(problem.tasks, places, strict=True):
        for resource, held_ns in task.candidates[place].holds_ns.items():
            busy[resource] += held_ns * task.frames_per_s / _NS_PER_S
    return busy
