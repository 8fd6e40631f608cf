"""Joining the tasks of a car: what each runs beside the others, and what a plan says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan.together import TaskTogether, Together
from pipeline.planner.prices import prices_of
from pipeline.planner.problems import MOST_BUSY, NAMES, busy_of
from pipeline.planner.shares import needed_bits_per_s, shared_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.planner.joint import Resource
    from pipeline.planner.problems import JointProblem, Sharer


def join(sharers: Sequence[Sharer], problem: JointProblem) -> tuple[Together, tuple[int, ...]]:
    """What the tasks do together, and the candidate that each runs.

    Where no combination fits, every task runs what it would alone, and the note says which
    resource is too busy.
    """
    alone = tuple(sharer.planned.plan.run for sharer in sharers)
    places = tuple(mine.index(i) for mine, i in zip(problem.indices, alone, strict=True))
    busy_alone = busy_of(problem, places)
    over = [r for r, share in busy_alone.items() if share > problem.capacity[r]]
    plan = problem.solve()
    if plan is None:
        least = [
            f"{NAMES[r]} {100 * share / problem.capacity[r] * MOST_BUSY:.0f} %"
            for r, share in busy_alone.items()
            if r in over
        ]
        note = (
            "no combination keeps every shared resource below "
            f"{100 * MOST_BUSY:.0f} % busy; as they run alone: {', '.join(least) or 'unknown'}. "
            "Allow a cheaper route, take fewer frames (`every`), or give more of it"
        )
        tasks = tuple(
            _told(sharer, candidate=i, alone=i, in_time=0.0, wait_ns=0)
            for sharer, i in zip(sharers, alone, strict=True)
        )
        return (
            Together(
                tasks=shared_out(sharers, tasks),
                worth=0.0,
                busy=_per_slot(problem, busy_alone),
                limit=_limits(),
                binding=tuple(NAMES[r] for r in over),
                prices=(),
                exact=True,
                note=note,
            ),
            alone,
        )
    chosen = problem.chosen(plan)
    prices = prices_of(problem, plan)
    tasks = tuple(
        _told(
            sharer,
            candidate=candidate,
            alone=first,
            in_time=in_time,
            wait_ns=wait_ns,
        )
        for sharer, candidate, first, in_time, wait_ns in zip(
            sharers, chosen, alone, plan.in_time, plan.waits_ns, strict=True
        )
    )
    worth_more = {price.resource for price in prices if price.more > 0}
    return (
        Together(
            tasks=shared_out(sharers, tasks),
            worth=plan.worth,
            busy=_per_slot(problem, plan.busy),
            limit=_limits(),
            binding=tuple(n for r, n in NAMES.items() if r in over or n in worth_more),
            prices=prices,
            exact=plan.exact,
            note="" if plan.exact else "too many combinations: the least likely were left out",
        ),
        chosen,
    )


def _per_slot(problem: JointProblem, busy: Mapping[Resource, float]) -> dict[str, float]:
    slots = {r: problem.capacity[r] / MOST_BUSY for r in NAMES}
    return {name: busy[r] / slots[r] for r, name in NAMES.items()}


def _limits() -> dict[str, float]:
    return dict.fromkeys(NAMES.values(), MOST_BUSY)


def _told(
    sharer: Sharer, *, candidate: int, alone: int, in_time: float, wait_ns: int
) -> TaskTogether:
    planned = sharer.planned
    found = planned.plan.candidates[candidate]
    return TaskTogether(
        task=planned.plan.task,
        importance=sharer.importance,
        alone=alone,
        in_time=in_time,
        wait_ns=wait_ns,
        latency_ns=found.latency_ns + wait_ns,
        needs_bits_per_s=needed_bits_per_s(sharer, found, wait_ns),
    )
