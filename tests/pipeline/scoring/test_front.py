"""The front: what nothing else beats."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.front import pareto


def test_a_case_by_hand() -> None:
    """Cheap and bad, dear and good, dear and bad, and one with a figure missing."""
    assert pareto([(1, 9), (9, 1), (9, 9), (0, None)]) == [True, True, False, False]
    assert pareto([(1, 1), (1, 1)]) == [True, True]
    assert pareto([]) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_whatever_is_not_on_the_front_is_beaten_by_one_that_is(
    costs: list[tuple[int, int, int]],
) -> None:
    """And nothing on it is beaten at all."""
    marks = pareto(costs)
    best = [cost for cost, mark in zip(costs, marks, strict=True) if mark]
    for cost, mark in zip(costs, marks, strict=True):
        beaten = any(
            other != cost and all(a <= b for a, b in zip(other, cost, strict=True))
            for other in best
        )
        assert beaten != mark
