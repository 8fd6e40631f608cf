"""The tasks of a scenario brought to one table: planned together, their choices put in place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as with_values

from pipeline.link.pricing import LinkQuote
from pipeline.plan.steps import Host
from pipeline.planner.choosing import Chooser
from pipeline.planner.conditions import Conditions
from pipeline.planner.maps import MapMaker, axes_around
from pipeline.planner.predicting import predict
from pipeline.planner.problems import JointProblem, Sharer, problem_of, waits_of
from pipeline.planner.reasons import reasons_of
from pipeline.planner.rerouting import with_run
from pipeline.planner.titles import title
from pipeline.planner.together import join

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.assembly.equipment import Equipment
    from pipeline.plan.maps import PlanMap, Validity
    from pipeline.plan.predictions import Prediction
    from pipeline.plan.reasons import Reasons
    from pipeline.plan.together import TaskTogether, Together
    from pipeline.planner.planning import Planned
    from pipeline.scenario.models import Scenario

DEFAULT_LOWEST = 250_000
"""Least uplink rate, in bits per second, that a map tells apart from none."""

_TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Tasks that were planned together.

    Attributes:
        planned: Each task's plan, with the candidate that it runs beside the others.
        together: What they do to each other; None for one task, or where each is planned alone.
        choosers: The plan's rule for each task alone.
        problem: What was solved, to be solved again elsewhere; None likewise.
    """

    planned: dict[str, Planned]
    choosers: dict[str, Chooser]
    together: Together | None = None
    problem: JointProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The plan over other conditions.

    Attributes:
        validity: How far each may move before a task's choice changes.
        map: The whole grid; None where it was not asked for.
    """

    validity: dict[str, Validity]
    map: PlanMap | None


def nominal_of(equipment: Equipment) -> Conditions:
    """Conditions of the whole link as a plan takes them: what its lanes leave is a part of it."""
    link = LinkQuote(with_values(equipment.link, shares_ppm={}))
    return Conditions(link.up_bits_per_s, link.rtt_ns)


def chart_plan(
    joined: Joined, equipment: Equipment, lowest_bits_per_s: int, *, whole: bool
) -> Chart:
    """Plan the tasks at other uplink rates, round trips and loads of the cloud.

    Args:
        joined: The tasks' plans.
        equipment: Devices and link.
        lowest_bits_per_s: Least rate that is told apart from none.
        whole: Whether the whole grid is drawn, not its axes alone.
    """
    nominal = nominal_of(equipment)
    maker = MapMaker(joined.planned, joined.choosers, joined.problem, nominal)
    axes = axes_around(nominal, lowest_bits_per_s=max(1, lowest_bits_per_s))
    return Chart(validity=maker.validity(axes), map=maker.draw(axes) if whole else None)


def explain_tasks(joined: Joined, equipment: Equipment) -> dict[str, Reasons]:
    """Why each task runs what it runs."""
    nominal = nominal_of(equipment)
    return reasons_of(joined.planned, joined.choosers, joined.problem, nominal, joined.together)


def predict_tasks(
    joined: Joined, equipment: Equipment, *, percentile: float
) -> dict[str, Prediction]:
    """What is predicted of the route that each task runs, waits for the others included."""
    names = list(joined.planned)
    waits: list[dict[str, tuple[int, int]]] = [{} for _ in names]
    problem = joined.problem
    if problem is not None:
        runs = [found.plan.run for found in joined.planned.values()]
        places = [mine.index(i) for mine, i in zip(problem.indices, runs, strict=True)]
        waits = waits_of(problem, places)
    return {
        name: predict(
            joined.planned[name],
            equipment.quantiles,
            percentile=percentile,
            waits_ns=mine,
            queues_ns=_queues_ns(joined.planned, name, equipment),
        )
        for name, mine in zip(names, waits, strict=True)
    }


def _queues_ns(planned: Mapping[str, Planned], task: str, equipment: Equipment) -> dict[str, int]:
    """The longest that a task waits for each host, with one stage of every other task in front."""
    sites = equipment.world.sites
    stages: dict[str, list[int]] = {}
    for name, other in planned.items():
        if name == task:
            continue
        longest: dict[str, int] = {}
        for step in other.plan.route.steps:
            if isinstance(step.step, Host):
                host = sites.device_of(step.step)
                longest[host] = max(longest.get(host, 0), step.latency_ns)
        for host, length_ns in longest.items():
            stages.setdefault(host, []).append(length_ns)
    return {  # a free slot takes one of them away, and the shortest are in nobody's way
        host: sum(sorted(lengths_ns, reverse=True)[: len(lengths_ns) - equipment.slots[host] + 1])
        for host, lengths_ns in stages.items()
        if len(lengths_ns) >= equipment.slots[host]
    }


def join_tasks(
    scenario: Scenario,
    planned: Mapping[str, Planned],
    equipment: Equipment,
    periods_ns: Mapping[str, int],
    *,
    percentile: float,
    directory: Path,
) -> Joined:
    """Plan several tasks together, unless the scenario wants each one alone.

    Args:
        scenario: The scenario.
        planned: The tasks' own plans.
        equipment: Devices and link.
        periods_ns: Time between two frames of each task.
        percentile: Percentile of the plan.
        directory: Where cut models are written.
    """
    nominal = nominal_of(equipment)
    choosers = {name: Chooser(found, periods_ns[name], nominal) for name, found in planned.items()}
    if len(planned) < _TWO or scenario.policy.tasks == "alone":
        return Joined(planned=dict(planned), choosers=choosers)
    sharers = [
        Sharer(
            planned=found,
            importance=scenario.tasks[name].importance,
            period_ns=periods_ns[name],
            own_lane=name in equipment.link.shares_ppm,
        )
        for name, found in planned.items()
    ]
    problem = problem_of(sharers, equipment.quantiles, percentile=percentile, nominal=nominal)
    together, chosen = join(sharers, problem)
    return Joined(
        planned={
            name: _with_choice(found, index, told, directory)
            for (name, found), index, told in zip(
                planned.items(), chosen, together.tasks, strict=True
            )
        },
        choosers=choosers,
        together=together,
        problem=problem,
    )


def _with_choice(planned: Planned, index: int, told: TaskTogether, directory: Path) -> Planned:
    plan = planned.plan
    if index == plan.run:
        return planned
    alone, now = plan.candidates[told.alone], plan.candidates[index]
    verified = " verified" if alone.verified is not None else ""
    reason = (
        f"beside the other tasks it runs {title(now)}, by predicted latencies and waits; alone it "
        f"would run {title(alone)}{verified}: {plan.explanation}"
    )
    found = with_run(planned, index, reason, directory)
    return replace(found, plan=with_values(found.plan, beside=True))
