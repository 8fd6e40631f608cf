"""The plan of a run: tasks joined, charted over other conditions, predicted and explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.assembly.together import (
    DEFAULT_LOWEST,
    chart_plan,
    explain_tasks,
    join_tasks,
    predict_tasks,
)
from pipeline.plan.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.assembly.equipment import Equipment
    from pipeline.assembly.obeying import PlanGiven
    from pipeline.planner.planning import Planned
    from pipeline.scenario.models import Scenario


def make_plan(
    scenario: Scenario,
    planned: Mapping[str, Planned],
    equipment: Equipment,
    *,
    periods_ns: Mapping[str, int],
    hashes: Mapping[str, str],
    percentile: float,
    directory: Path,
    mapped: bool,
    given: PlanGiven | None,
) -> tuple[dict[str, Planned], Plan]:
    """Join the tasks and say all that a plan says; hedges are named later.

    Args:
        scenario: The scenario.
        planned: The tasks' own plans.
        equipment: Devices and link.
        periods_ns: Time between two frames of each task.
        hashes: What the plan is made from.
        percentile: Percentile of the plan.
        directory: Where cut models are written.
        mapped: Whether the whole map is drawn though the vehicle does not move over it.
        given: A plan file whose choices are taken.

    Returns:
        The tasks' plans with the candidate that each runs, and the plan.

    Raises:
        PlanError: The plan file runs what is not there.
    """
    joined = join_tasks(
        scenario,
        planned,
        equipment,
        periods_ns,
        percentile=percentile,
        directory=directory,
    )
    if given is not None:
        joined = given.joined(joined, directory)
    switch = scenario.policy.switch
    lowest = DEFAULT_LOWEST if switch is None else switch.lowest
    chart = chart_plan(joined, equipment, lowest, whole=mapped or switch is not None)
    plan = Plan(
        percentile=percentile,
        tasks=tuple(found.plan for found in joined.planned.values()),
        quantiles=equipment.quantiles,
        hashes=dict(hashes),
        together=joined.together,
        validity=chart.validity,
        map=chart.map if given is None else given.mapped(chart.map, joined.planned),
        predicted=predict_tasks(joined, equipment, percentile=percentile),
        reasons=explain_tasks(joined, equipment),
    )
    return joined.planned, plan
