"""What a sample can support: percentiles, frames needed, bounds on a miss rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIDENCE = 0.95  # of a percentile that is shown, and of a gate that does not say

# Decides ties such as 0.9 ** 2 <= 1 - 0.19, which floats would settle by their last bit.
_TIE = 1 + 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """A percentile, or why there is none.

    Attributes:
        value: A value of the sample, in its unit; None where the sample does not support it.
        reason: Why there is no value; None where there is one.
    """

    value: float | None
    reason: str | None = None


def frames_needed(share: float, late: int = 0, confidence: float = CONFIDENCE) -> int:
    """Frames that it takes to claim that a share of all frames is in time.

    The smallest n for which `late` or fewer misses among n frames would be no more likely than
    1 - confidence if the true miss rate were 1 - share.

    Args:
        share: Share in time to be claimed, above 0 and below 1; 0.99 for p99.
        late: Misses that were seen.
        confidence: Above 0 and below 1.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < share < 1 or not 0 < confidence < 1 or late < 0:
        raise ValueError(
            f"share {share} and confidence {confidence} must lie between 0 and 1,"
            f" late {late} at or above 0"
        )
    risk = (1 - confidence) * _TIE
    low, high = late, late + 1  # `late` frames are too few: all of them may well be misses
    while _at_most(late, high, share) > risk:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(late, middle, share) > risk:
            low = middle
        else:
            high = middle
    return high


def _at_most(late: int, n: int, share: float) -> float:
    """Probability of `late` or fewer misses among n > late frames, each in time with `share`."""
    if late == 0:
        return math.exp(n * math.log(share))
    from scipy.special import betainc  # noqa: PLC0415 - slow to import, rarely needed

    return float(betainc(n - late, late + 1, share))


def miss_rate_upper(misses: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Upper end of the one-sided Clopper-Pearson interval of a miss rate, 0 to 1.

    Args:
        misses: Frames that missed.
        n: Frames that were judged; none of them proves nothing, and the bound is 1.
        confidence: Above 0 and below 1.

    Raises:
        ValueError: There are more misses than frames, or an argument is out of its range.
    """
    if not 0 <= misses <= n or not 0 < confidence < 1:
        raise ValueError(
            f"{misses} misses of {n} frames at confidence {confidence}: misses must lie between"
            " 0 and the frames, confidence between 0 and 1"
        )
    if misses == n:
        return 1.0
    if misses == 0:
        return -math.expm1(math.log1p(-confidence) / n)
    from scipy.special import betaincinv  # noqa: PLC0415 - slow to import, rarely needed

    return float(betaincinv(misses + 1, n - misses, confidence))


def nearest_rank(values: NDArray[np.float64], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed: a real sample.

    Args:
        values: Shape (n,), n at least 1, without NaN; +inf for a frame without an answer.
        percent: Above 0 and at most 100, taken as the decimal it prints as.
    """
    # In whole numbers, since 0.07 * 100 is above 7 in floats.
    rank = math.ceil(Fraction(str(percent)) * len(values) / 100)
    return float(np.partition(values, rank - 1)[rank - 1])


def percentile(values: NDArray[np.float64], percent: float) -> Percentile:
    """A percentile that the sample supports at 95 % confidence, without interpolation.

    Args:
        values: One per frame, shape (n,), any unit; +inf for a frame without an answer.
        percent: Above 0 and below 100; 99.9 for p99.9.

    Raises:
        ValueError: A value is NaN, or the percentage is out of its range.
    """
    if not 0 < percent < 100:  # noqa: PLR2004 - per cent
        raise ValueError(f"a percentile lies between 0 and 100, not at {percent}")
    if np.isnan(values).any():
        raise ValueError("a value is NaN; a frame without an answer counts as +inf")
    needed = frames_needed(float(Fraction(str(percent)) / 100))
    if len(values) < needed:
        return Percentile(value=None, reason=f"needs {needed} frames, has {len(values)}")
    return _finite(nearest_rank(values, percent), values)


def maximum(values: NDArray[np.float64]) -> Percentile:
    """The largest value; none where there is no frame, or one without an answer.

    Args:
        values: One per frame, shape (n,), any unit; +inf for a frame without an answer.
    """
    if len(values) == 0:
        return Percentile(value=None, reason="no frame was offered")
    return _finite(float(values.max()), values)


def _finite(found: float, values: NDArray[np.float64]) -> Percentile:
    if math.isfinite(found):
        return Percentile(value=found)
    share = float(np.isinf(values).mean())
    return Percentile(value=None, reason=f"undelivered {percent_text(share)}")


def percent_text(share: float) -> str:
    """A share for people: one decimal, or two figures where that would say next to nothing.

    Args:
        share: 0 to 1.
    """
    percent = 100 * share
    if percent == 0 or percent >= 1:
        return f"{percent:.1f} %"
    decimals = 1 - math.floor(math.log10(percent))
    return f"{percent:.{decimals}f} %"
