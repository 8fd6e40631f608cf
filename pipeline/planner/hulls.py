"""The plan with the smallest mean plus so many standard deviations, by sweeping one weight.

`mean + k * sqrt(variance)` grows and bends downwards in mean and variance, so its smallest value
over all plans lies at a corner of their lower left hull, and every such corner is what minimises
`mean + weight * variance` for some weight. Sums are additive where square roots are not, so each
corner is one minimum cut; a handful of them finds all.

The weight is handed over as two whole numbers, so that a solver in integers stays exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

P = TypeVar("P")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner(Generic[P]):
    """A plan at a corner of the hull.

    Attributes:
        plan: The plan.
        mean: Its mean, in any unit.
        variance: Its variance, in the square of that unit.
    """

    plan: P
    mean: int
    variance: int


class Solver(Protocol[P]):
    """Finds the best plan for a weight."""

    def __call__(self, mean_weight: int, variance_weight: int, /) -> Corner[P] | None:
        """A plan with the smallest `mean_weight * mean + variance_weight * variance`.

        None where there is no plan at all, which no weight changes.
        """


def corners(solve: Solver[P], *, most: int = 64) -> tuple[Corner[P], ...]:
    """All corners of the lower left hull, by rising mean.

    Starts at the two ends and looks between any two neighbours with the weight at which they are
    equal: either something lies below their line, which is a corner between them, or nothing does.

    Args:
        solve: What finds the best plan for a weight.
        most: How often to ask at most; what was found by then is returned.
    """
    cheap, calm = solve(1, 0), solve(0, 1)
    if cheap is None or calm is None:
        return ()
    found, asked = [cheap, calm], 2
    open_between = [(cheap, calm)]
    while open_between and asked < most:
        left, right = open_between.pop()
        gained, paid = left.variance - right.variance, right.mean - left.mean
        if gained <= 0 or paid <= 0:
            continue
        asked += 1
        middle = solve(gained, paid)
        if middle is None:
            continue
        line = gained * left.mean + paid * left.variance
        if gained * middle.mean + paid * middle.variance < line:
            found.append(middle)
            open_between += [(left, middle), (middle, right)]
    best: list[Corner[P]] = []
    for corner in sorted(found, key=lambda c: (c.mean, c.variance)):
        if not best or corner.variance < best[-1].variance:
            best.append(corner)
    return tuple(best)


def calmest(found: Sequence[Corner[P]], deviations: float) -> Corner[P] | None:
    """The corner with the smallest mean plus so many standard deviations.

    Args:
        found: Corners, as `corners` returns them.
        deviations: How many, not negative: 2.33 for the 99th percentile of a normal, 9.95 where
            nothing is known of the distribution (one-sided Chebyshev).
    """
    return min(
        found,
        key=lambda c: (c.mean + deviations * math.sqrt(c.variance), c.mean),
        default=None,
    )


def chebyshev(percentile: float) -> float:
    """Standard deviations above the mean that any distribution stays below, as often as said.

    The one-sided inequality of Chebyshev (Cantelli): `sqrt(p / (1 - p))`.

    Args:
        percentile: Above 0 and below 100.

    Raises:
        ValueError: It is not.
    """
    if not 0.0 < percentile < 100.0:  # noqa: PLR2004 - per cent
        raise ValueError(f"a percentile between 0 and 100, not {percentile}")
    return math.sqrt(percentile / (100.0 - percentile))
