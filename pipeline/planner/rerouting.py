"""A task's plan where another candidate runs than by itself: all that hangs on the choice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec.structs import replace as with_values

from pipeline.planner.explaining import why
from pipeline.planner.layers import layers_of
from pipeline.planner.relaxing import relaxations
from pipeline.planner.robustness import robustness_of
from pipeline.planner.segments import segments_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.planner.planning import Planned


def with_run(planned: Planned, index: int, explanation: str, directory: Path) -> Planned:
    """The plan with another candidate to run, its sentences, layers and relaxations those of it.

    Args:
        planned: The task's plan.
        index: The candidate that runs.
        explanation: Why.
        directory: Where cut models are written.

    Raises:
        CutError: The graph cannot be cut there.
        ModelError: Its file can no longer be read.
    """
    plan, wishes = planned.plan, planned.wishes
    now, draft = plan.candidates[index], planned.drafts[index]
    subject = planned.subject_of(draft)
    relaxed = () if now.feasible else relaxations(plan.candidates, planned.world.link_late, wishes)
    if plan.chosen is not None:  # something would be feasible; what is asked is what this one needs
        same = {i for i, c in enumerate(plan.candidates) if c.route.id == now.route.id}
        relaxed = tuple(one for one in relaxed if one.candidate in same)
    return replace(
        planned,
        plan=with_values(
            plan,
            run=index,
            chosen=index if now.feasible else None,
            candidates=tuple(
                with_values(c, why=why(c, now, wishes.deadline_ns)) for c in plan.candidates
            ),
            explanation=explanation,
            layers=layers_of(subject.graph, draft, planned.world),
            relaxations=relaxed,
            robustness=robustness_of(plan.candidates, index, wishes.deadline_ns),
        ),
        segments=tuple(segments_of(subject, draft, directory)),
    )
