"""Which result counts at which instant."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.rows import NOTHING
from pipeline.scoring.streaming import Pairing, pair

MS = 1_000_000


def paired(instants: list[tuple[int, int]], results: list[tuple[int, int, int]]) -> Pairing:
    """Instants as (ns, frame), results as (frame, due ns, delivered ns)."""
    columns = np.array(results, np.int64).reshape(-1, 3)
    at = np.array(instants, np.int64).reshape(-1, 2)
    return pair(at[:, 0], at[:, 1], columns[:, 0], columns[:, 1], columns[:, 2])


def test_a_case_by_hand() -> None:
    """Frames every 100 ms; the first takes 130 ms, the second 40 ms, the third never comes."""
    instants = [(0, 0), (100 * MS, 1), (200 * MS, 2), (300 * MS, 3)]
    found = paired(instants, [(0, 0, 130 * MS), (1, 100 * MS, 140 * MS)])
    assert found.results.tolist() == [NOTHING, NOTHING, 1, 1]
    assert found.previous.tolist() == [NOTHING, NOTHING, 0, 0]
    assert found.lags.tolist() == [-1, -1, 1, 2]
    assert (found.without, found.in_time, found.most_lag) == (2, 0, 2)
    assert (found.mean_lag, found.mean_age_ms) == (1.5, 150.0)


def test_a_result_counts_from_the_instant_at_which_it_is_there() -> None:
    """Not a nanosecond before."""
    results = [(0, 0, 100)]
    assert paired([(99, 0)], results).results.tolist() == [NOTHING]
    assert paired([(100, 0)], results).results.tolist() == [0]
    assert paired([(100, 0)], results).in_time == 1


def test_a_result_that_comes_after_a_newer_one_never_counts() -> None:
    """Frame 0 takes longer than frame 1: who has frame 1 does not go back."""
    found = paired([(150, 2), (250, 3)], [(0, 0, 200), (1, 50, 120)])
    assert found.results.tolist() == [1, 1]
    assert found.previous.tolist() == [NOTHING, NOTHING]


def test_without_results_nothing_counts() -> None:
    """And without instants there is nothing to say."""
    empty = paired([(5, 0), (6, 1)], [])
    assert empty.without == 2
    assert (empty.mean_lag, empty.most_lag, empty.mean_age_ms) == (None, None, None)
    assert paired([], [(0, 0, 1)]).without == 0


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), max_size=30),
    st.lists(st.integers(0, 800), max_size=30),
)
def test_the_merge_finds_what_looking_at_every_result_finds(
    timed: list[tuple[int, int]], instants: list[int]
) -> None:
    """The newest frame among all that were delivered by then."""
    results = [(n, due, due + took) for n, (due, took) in enumerate(sorted(timed))]
    at = [(ns, n) for n, ns in enumerate(sorted(instants))]
    found = paired(at, results)
    for (at_ns, _), result in zip(at, found.results.tolist(), strict=True):
        there = [frame for frame, _, delivered in results if delivered <= at_ns]
        assert result == max(there, default=NOTHING)


def test_what_improves_a_frame_counts_from_then_on_and_is_no_earlier_result() -> None:
    """Forecasts look at another frame's, and a newer frame's first answer is newer all the same."""
    results = [(0, 0, 50), (1, 100, 150), (1, 100, 180), (0, 0, 190), (2, 200, 250), (1, 100, 260)]
    at = [(160, 1), (200, 2), (255, 2), (300, 3)]
    found = paired(at, results)
    assert found.results.tolist() == [1, 2, 4, 4]
    assert found.previous.tolist() == [0, 0, 2, 2]
