"""What a little more, or less, of a shared resource is worth: the whole problem, solved again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan.together import ResourcePrice
from pipeline.planner.joint import quickened
from pipeline.planner.resources import UP

if TYPE_CHECKING:
    from pipeline.planner.joint import JointPlan, Resource
    from pipeline.planner.problems import JointProblem

_MBIT = 1_000_000
_SPEED_STEP = 0.1


def prices_of(problem: JointProblem, plan: JointPlan) -> tuple[ResourcePrice, ...]:
    """What one step more or less of each resource changes: the whole problem, solved again."""
    rate = problem.nominal.up_bits_per_s
    found = []
    for resource, name in problem.resources.names.items():
        if resource == UP:
            step = "1 Mbit/s"
            factors = (1 + _MBIT / rate, 1 - _MBIT / rate)
        else:
            step = f"{100 * _SPEED_STEP:.0f} %"
            factors = (1 + _SPEED_STEP, 1 - _SPEED_STEP)
        more, less = (
            _worth_at(problem, resource, factor) if factor > 0 else None for factor in factors
        )
        found.append(
            ResourcePrice(
                resource=name,
                step=step,
                more=0.0 if more is None else more - plan.worth,
                less=None if less is None else less - plan.worth,
            )
        )
    return tuple(found)


def _worth_at(problem: JointProblem, resource: Resource, factor: float) -> float | None:
    plan = problem.best(quickened(problem.tasks, resource, factor))
    return None if plan is None else plan.worth
