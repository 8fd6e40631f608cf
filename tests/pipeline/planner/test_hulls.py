"""The sweep of one weight, against looking at every plan."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planner.hulls import Corner, calmest, chebyshev, corners

points = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 10**8)), min_size=1, max_size=60, unique=True
)


class Plans:
    """A solver that looks at a list."""

    def __init__(self, found: list[tuple[int, int]]) -> None:
        self.found, self.asked = found, 0

    def __call__(self, mean_weight: int, variance_weight: int, /) -> Corner[int] | None:
        """The best of the list, the first of equals."""
        self.asked += 1
        if not self.found:
            return None
        best = min(
            range(len(self.found)),
            key=lambda i: mean_weight * self.found[i][0] + variance_weight * self.found[i][1],
        )
        mean, variance = self.found[best]
        return Corner(plan=best, mean=mean, variance=variance)


@given(found=points, deviations=st.floats(0, 12))
def test_no_plan_is_calmer_than_the_best_corner(
    found: list[tuple[int, int]], deviations: float
) -> None:
    """For any number of standard deviations, over every plan there is."""
    best = calmest(corners(Plans(found), most=500), deviations)
    assert best is not None
    smallest = min(mean + deviations * math.sqrt(variance) for mean, variance in found)
    assert best.mean + deviations * math.sqrt(best.variance) == pytest.approx(smallest)


@given(found=points)
def test_corners_rise_in_mean_and_fall_in_variance(found: list[tuple[int, int]]) -> None:
    """And each is one of the plans."""
    hull = corners(Plans(found), most=500)
    pairs = [(corner.mean, corner.variance) for corner in hull]
    assert pairs == sorted(pairs)
    assert [v for _, v in pairs] == sorted({v for _, v in pairs}, reverse=True)
    assert all(found[corner.plan] == (corner.mean, corner.variance) for corner in hull)


def test_the_sweep_stops_when_told() -> None:
    """With what it has by then."""
    plans = Plans([(i * i, (100 - i) ** 2) for i in range(100)])
    assert len(corners(plans, most=7)) <= 7
    assert plans.asked == 7


def test_no_plan_has_no_corner() -> None:
    """And no calmest one."""
    assert corners(Plans([])) == ()
    assert calmest((), 2.0) is None


def test_chebyshev_is_safer_than_a_normal() -> None:
    """9.95 against 2.33 at the 99th percentile; outside of per cents it is refused."""
    assert chebyshev(99.0) == pytest.approx(9.9499, abs=1e-4)
    assert chebyshev(50.0) == 1.0
    for wrong in (0.0, 100.0, -1.0):
        with pytest.raises(ValueError, match="percentile"):
            chebyshev(wrong)
