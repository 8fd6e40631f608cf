"""What a plan's caution costs: what runs, against what is best in the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan.robustness import Robustness
from pipeline.planner.conditions import AGREEMENT_SLACK, asked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate

_IN_THE_MEAN = frozenset({"deadline"})  # constraints that a mean does not know


def robustness_of(candidates: Sequence[Candidate], run: int, deadline_ns: int) -> Robustness | None:
    """What runs against the mean-optimal plan; None where no candidate is in time in the mean.

    Mean-optimal is, of those that may run and keep pace, whose mean latency without bias is within
    the deadline and that agree within the slack of the best, the one with the least mean.

    Args:
        candidates: The candidates of a task.
        run: Index of the one that runs.
        deadline_ns: The task's shortest deadline.
    """
    able = [
        i
        for i in asked(candidates)
        if candidates[i].mean_ns <= deadline_ns
        and {broken.constraint for broken in candidates[i].broken} <= _IN_THE_MEAN
    ]
    if not able:
        return None
    best = max(candidates[i].agreement or 0.0 for i in able)
    good = [i for i in able if (candidates[i].agreement or 0.0) >= best - AGREEMENT_SLACK]
    index = min(good, key=lambda i: (candidates[i].mean_ns, candidates[i].bytes_up, i))
    chosen, other = candidates[run], candidates[index]
    if chosen.mean_ns <= other.mean_ns and chosen.agreement == other.agreement:
        index, other = run, chosen  # equal in the mean: nothing was given up
    agreement = None
    if chosen.agreement is not None and other.agreement is not None:
        agreement = other.agreement - chosen.agreement
    return Robustness(
        mean_optimal=index,
        mean_cost_ns=chosen.mean_ns - other.mean_ns,
        agreement_cost=agreement,
        in_time_gain=chosen.in_time - other.in_time,
        high_gain_ns=_high_ns(other) - _high_ns(chosen),
    )


def _high_ns(candidate: Candidate) -> int:
    return candidate.interval_ns[1]
