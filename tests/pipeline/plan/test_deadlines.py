"""Deadlines that follow the vehicle's speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan.deadlines import Deadline
from pipeline.values import from_plain, to_plain

MS = 1_000_000
PYLOT = Deadline(base_ns=400 * MS, from_mm_s=10_000, less_ns_per_m_s=10 * MS, floor_ns=100 * MS)

moving = st.builds(
    lambda floor, more, begin, less: Deadline(
        base_ns=floor + more, from_mm_s=begin, less_ns_per_m_s=less, floor_ns=floor
    ),
    st.integers(1, 10**9),
    st.integers(0, 10**9),
    st.integers(0, 50_000),
    st.integers(1, 10**9),
)
speeds = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("mm_s", "ms"),
    [(0, 400), (10_000, 400), (10_500, 395), (20_000, 300), (40_000, 100), (60_000, 100)],
)
def test_pylots_example_loses_ten_ms_per_metre_and_second(mm_s: int, ms: int) -> None:
    """400 ms at 10 m/s, down to a floor of 100 ms at 40 m/s."""
    assert PYLOT.at(mm_s) == ms * MS


@given(speed=speeds)
def test_a_constant_deadline_follows_no_speed(speed: int) -> None:
    """A floor or a speed beside it change nothing."""
    assert Deadline(base_ns=7).at(speed) == 7
    assert Deadline(base_ns=7, from_mm_s=3, floor_ns=9).at(speed) == 7
    assert Deadline(base_ns=7, from_mm_s=3, floor_ns=9).tightest_ns == 7


@given(deadline=moving, speed=speeds, more=speeds)
def test_a_faster_vehicle_never_has_more_time(deadline: Deadline, speed: int, more: int) -> None:
    """Within floor and base, reaching the floor in the end, and the base at rest."""
    assert deadline.at(speed + more) <= deadline.at(speed)
    assert deadline.floor_ns <= deadline.at(speed) <= deadline.base_ns
    assert deadline.at(deadline.from_mm_s) == deadline.base_ns
    assert deadline.at(10**15) == deadline.floor_ns == deadline.tightest_ns


@given(deadline=moving, speed=speeds)
def test_what_comes_off_is_exact_to_the_nanosecond(deadline: Deadline, speed: int) -> None:
    """Rounded in the vehicle's favour, by less than one ns."""
    exact = deadline.less_ns_per_m_s * max(0, speed - deadline.from_mm_s)
    found = deadline.at(speed)
    if found > deadline.floor_ns:
        assert 0 <= 1_000 * (found - deadline.base_ns) + exact < 1_000


@given(deadline=moving)
def test_a_deadline_comes_back_from_json(deadline: Deadline) -> None:
    """It is part of the cores' configuration, which processes are handed."""
    assert from_plain(Deadline, to_plain(deadline)) == deadline
