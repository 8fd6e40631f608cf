"""What a robust plan costs against the one that is best in the mean; types and document."""

from __future__ import annotations

from typing import TypedDict

from pipeline.values import Value

_NS_PER_MS = 1_000_000


class Robustness(Value, frozen=True, kw_only=True):
    """What runs, against the mean-optimal plan; zeros where they are the same.

    Attributes:
        mean_optimal: Index of the candidate that is best in the mean.
        mean_cost_ns: How much more what runs takes in the mean, without bias and hedge; below 0
            where it is quicker, and agrees less.
        agreement_cost: How much less it agrees, from -1 to 1; None where that was not measured.
        in_time_gain: How much larger its share of frames in time is, from -1 to 1, hedges left
            aside.
        high_gain_ns: How much less it takes at the plan's percentile and the 90 % quantile of the
            devices' bias.
    """

    mean_optimal: int
    mean_cost_ns: int
    agreement_cost: float | None
    in_time_gain: float
    high_gain_ns: int


class RobustnessDocument(TypedDict):
    """What caution costs in the mean and gains beyond; an index into the task's candidates."""

    mean_optimal: int
    mean_cost_ms: float
    agreement_cost: float | None
    in_time_gain: float
    high_bias_gain_ms: float


def robustness_document(found: Robustness | None) -> RobustnessDocument | None:
    """The same as plain data; None where no candidate is in time in the mean."""
    if found is None:
        return None
    return {
        "mean_optimal": found.mean_optimal,
        "mean_cost_ms": found.mean_cost_ns / _NS_PER_MS,
        "agreement_cost": found.agreement_cost,
        "in_time_gain": found.in_time_gain,
        "high_bias_gain_ms": found.high_gain_ns / _NS_PER_MS,
    }
