"""Joining the tasks of a car: what each runs beside the others, and what a plan says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan.together import TaskTogether, Together
from pipeline.planner.prices import prices_of
from pipeline.planner.problems import busy_of
from pipeline.planner.resources import MOST_BUSY
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
    capacity, names = problem.resources.capacity, problem.resources.names
    over = [r for r, share in busy_alone.items() if share > capacity[r]]
    full = _too_full(sharers, alone, problem)
    plan = problem.solve()
    if plan is None:
        least = [
            f"{names[r]} {100 * share / capacity[r] * MOST_BUSY:.0f} %"
            for r, share in busy_alone.items()
            if r in over
        ]
        note = (
            "no combination keeps every shared resource below "
            f"{100 * MOST_BUSY:.0f} % busy and every device within its memory; as they run alone: "
            f"{', '.join([*least, *full]) or 'unknown'}. "
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
                limit=dict.fromkeys(names.values(), MOST_BUSY),
                binding=(*(names[r] for r in over), *(["memory"] if full else [])),
                prices=(),
                exact=True,
                note=note,
                memory=_memory(sharers, alone),
                load_ns=_load_ns(sharers, alone),
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
            limit=dict.fromkeys(names.values(), MOST_BUSY),
            binding=(
                *(n for r, n in names.items() if r in over or n in worth_more),
                *(["memory"] if full else []),
            ),
            prices=prices,
            exact=plan.exact,
            memory=_memory(sharers, chosen),
            load_ns=_load_ns(sharers, chosen),
            note="" if plan.exact else "too many combinations: the least likely were left out",
        ),
        chosen,
    )


def _per_slot(problem: JointProblem, busy: Mapping[Resource, float]) -> dict[str, float]:
    return {one.name: busy[one.key] / one.slots for one in problem.resources.all}


def _memory(sharers: Sequence[Sharer], chosen: Sequence[int]) -> dict[str, int]:
    """Bytes that the tasks need on each device together."""
    found: dict[str, int] = {}
    for sharer, index in zip(sharers, chosen, strict=True):
        for device, size in sharer.planned.plan.candidates[index].memory.items():
            found[device] = found.get(device, 0) + size
    return found


def _too_full(sharers: Sequence[Sharer], chosen: Sequence[int], problem: JointProblem) -> list[str]:
    """Devices that have too little memory for all, in words."""
    limits = problem.resources.memory
    return [
        f"memory of {device} {size / 1e6:.1f} MB of {limits[device] / 1e6:.1f} MB"
        for device, size in _memory(sharers, chosen).items()
        if size > limits.get(device, size)
    ]


def _load_ns(sharers: Sequence[Sharer], chosen: Sequence[int]) -> int | None:
    """Time to bring all weights to their devices, one after the other; None if not known."""
    times = [
        sharer.planned.plan.candidates[index].load_ns
        for sharer, index in zip(sharers, chosen, strict=True)
    ]
    return None if None in times else sum(time_ns for time_ns in times if time_ns is not None)


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
