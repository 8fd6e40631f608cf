"""Paths that join several sensors, or follow one: what a plan predicts of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.planner.meeting import Branch, predict_meeting, shifts_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.assembly.paths import BuiltPaths
    from pipeline.plan.plan import Plan
    from pipeline.plan.predictions import Prediction
    from pipeline.planner.planning import Planned
    from pipeline.runtime.core.config import PathConfig
    from replay.schedule import ScheduledFrame


def predict_meetings(
    built: BuiltPaths,
    planned: Mapping[str, Planned],
    plan: Plan,
    quantiles: Mapping[str, tuple[int, ...]],
    schedule: Sequence[ScheduledFrame],
    *,
    percentile: float,
) -> dict[str, Prediction]:
    """What is predicted of each path that joins or follows results, by the task that does.

    Args:
        built: The paths.
        planned: The tasks' plans.
        plan: The plan of all, with what it predicts of each task.
        quantiles: Quantile tables of run times by name.
        schedule: Every frame of the drive.
        percentile: The plan's percentile.
    """
    together = plan.together
    waits = {} if together is None else {told.task: told.wait_ns for told in together.tasks}
    parts = {part.name: part for part in built.parts}
    found = {}
    for path in built.paths:
        if path.fuse is None:
            continue
        anchor = parts[path.fuse.anchor]
        due = _due(schedule, anchor)
        branches = [_branch(anchor, planned, plan, waits)]
        branches += [
            _branch(
                parts[partner.part],
                planned,
                plan,
                waits,
                shifts=shifts_ns(due, _due(schedule, parts[partner.part]), partner.offset_ns),
                at_most_ns=partner.wait_ns,
            )
            for partner in path.fuse.partners
        ]
        steps = built.fusing[path.task].steps
        found[path.task] = predict_meeting(
            path.task, branches, steps, quantiles, percentile=percentile
        )
    return found


def _branch(
    part: PathConfig,
    planned: Mapping[str, Planned],
    plan: Plan,
    waits: Mapping[str, int],
    *,
    shifts: tuple[int, ...] = (0,),
    at_most_ns: int = 0,
) -> Branch:
    return Branch(
        planned=planned[part.task],
        alone=plan.predicted[part.task],
        wait_ns=waits.get(part.task, 0),
        shifts_ns=shifts,
        at_most_ns=at_most_ns,
    )


def _due(schedule: Sequence[ScheduledFrame], part: PathConfig) -> list[tuple[int, int]]:
    """Stamp and scheduled time of the frames that a part takes, by stamp."""
    return sorted(
        (frame.stamp_ns, frame.scheduled_ns)
        for frame in schedule
        if frame.stream == part.stream and not frame.warmup and part.selects(frame.number)
    )
