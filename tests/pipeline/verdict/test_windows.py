"""Windows and runs of misses, against counting them one by one."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verdict.windows import longest_streak, worst_window

# Some runs of equal fates, so that long streaks are not a rarity.
fates = st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=12).map(
    lambda runs: [missed for missed, length in runs for _ in range(length)]
)


def numbered(missed: list[bool], every: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Numbers of a path's frames that takes each `every`-th."""
    return np.arange(len(missed), dtype=np.int64) * every


@given(missed=fates, window=st.integers(1, 20), every=st.integers(1, 3))
def test_the_worst_window_is_that_of_counting_each(
    missed: list[bool], window: int, every: int
) -> None:
    """As many misses as any window has, at the first place that has as many."""
    frames = numbered(missed, every)
    found = worst_window(np.array(missed, np.bool_), frames, window)
    if not missed:
        assert found is None
        return
    width = min(window, len(missed))
    counts = [sum(missed[i : i + width]) for i in range(len(missed) - width + 1)]
    first = counts.index(max(counts))
    assert found is not None
    assert (found.misses, found.frames) == (max(counts), width)
    assert (found.first, found.last) == (first * every, (first + width - 1) * every)


@given(missed=fates, every=st.integers(1, 3))
def test_the_longest_streak_is_that_of_the_groups(missed: list[bool], every: int) -> None:
    """The earliest of the longest groups of misses."""
    found = longest_streak(np.array(missed, np.bool_), numbered(missed, every))
    place, best, begin = 0, 0, 0
    for value, group in groupby(missed):
        length = len(list(group))
        if value and length > best:
            best, begin = length, place
        place += length
    if not best:
        assert found is None
        return
    assert found is not None
    assert (found.misses, found.frames) == (best, best)
    assert (found.first, found.last) == (begin * every, (begin + best - 1) * every)


@given(missed=fates)
def test_a_streak_is_a_window_that_is_full(missed: list[bool]) -> None:
    """So many misses in a row exist exactly where a window of as many frames holds no other."""
    flags, frames = np.array(missed, np.bool_), numbered(missed, 1)
    streak = longest_streak(flags, frames)
    for width in range(1, len(missed) + 1):
        window = worst_window(flags, frames, width)
        assert window is not None
        assert (window.misses == width) == (streak is not None and streak.misses >= width)
