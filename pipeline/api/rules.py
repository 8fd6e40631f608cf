"""The rules of a scenario as the verdict takes them, and what they ask of its drive."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.verdict import AccuracyRule, PathRule, WeaklyHard, gate_warnings

if TYPE_CHECKING:
    from pipeline.assembly import Assembled
    from pipeline.scenario.models import Scenario


def rules_of(scenario: Scenario) -> list[PathRule]:
    """What each path of a scenario has to keep."""
    return [
        PathRule(
            name=name,
            deadline_ns=path.deadline_ns,
            max_miss=path.max_miss,
            confidence=path.confidence,
            min_samples=scenario.run.min_samples,
            max_age_ns=path.max_age,
            weakly_hard=None
            if path.weakly_hard is None
            else WeaklyHard(misses=path.weakly_hard.misses, window=path.weakly_hard.window),
            consecutive=path.consecutive,
            budgets_ns=scenario.budgets.get(name, {}),
        )
        for name, path in scenario.paths.items()
    ]


def accuracy_rules_of(scenario: Scenario) -> list[AccuracyRule]:
    """How accurate a scenario wants its tasks."""
    return [
        AccuracyRule(task=task, figure=figure, minimum=minimum)
        for task, asked in scenario.gates.accuracy.items()
        for figure, minimum in asked.items()
    ]


def warnings_of(assembled: Assembled) -> list[str]:
    """Gates that the frames of the drive cannot support."""
    offered = Counter(
        path.name
        for frame in assembled.schedule
        for path in assembled.spec.core.paths
        if not (frame.warmup or frame.repeat)
        and path.stream == frame.stream
        and path.selects(frame.number)
    )
    return gate_warnings(rules_of(assembled.loaded.scenario), offered)
