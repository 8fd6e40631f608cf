"""The block bootstrap, against drawing every replicate out, and what must leave it unchanged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.draws import Draws
from pipeline.verdict.resampling import (
    Resampling,
    block_length,
    blocks_for,
    replicates_for,
    resample,
)
from pipeline.verdict.statistics import nearest_rank

samples = st.lists(st.integers(0, 40).map(float) | st.just(math.inf), min_size=1, max_size=40).map(
    lambda values: np.array(values, np.float64)
)


def drawn(frames: int, block: int, *, replicates: int = 60, seed: int = 7) -> Resampling:
    """Blocks for so many frames."""
    words = Draws(seed).words("bootstrap", "a", replicates * blocks_for(frames, block))
    return resample(words, frames=frames, block=block, confidence=0.9)


def replicates_of(
    found: Resampling, values: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> list[list[float]]:
    """Every replicate drawn out: its blocks one after the other, cut to the number of frames."""
    listed = values.tolist()
    return [
        [value for begin in row for value in listed[begin : begin + found.block]][: found.frames]
        for row in found.begins.tolist()
    ]


@given(values=samples, block=st.integers(1, 40), percent=st.sampled_from([1, 50, 90, 99, 99.9]))
def test_ends_are_those_of_sorting_every_replicate(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], block: int, percent: float
) -> None:
    """The 5 % and 95 % of 60 replicates are the 3rd and the 58th of their sorted percentiles."""
    found = drawn(len(values), min(block, len(values)))
    sorted_percentiles = sorted(
        nearest_rank(np.array(replicate), percent) for replicate in replicates_of(found, values)
    )
    assert found.percentile(values, percent) == (sorted_percentiles[2], sorted_percentiles[57])


@given(values=samples, block=st.integers(1, 40), limit=st.integers(0, 40))
def test_counts_are_those_of_every_replicate(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], block: int, limit: int
) -> None:
    """With the last block cut off; shares and their bound follow from the counts."""
    found = drawn(len(values), min(block, len(values)))
    marked = values > limit
    counts = [sum(v > limit for v in replicate) for replicate in replicates_of(found, values)]
    assert found.counts(marked).tolist() == counts
    ordered, n = sorted(counts), len(values)
    assert found.share(marked) == (ordered[2] / n, ordered[57] / n)
    assert found.share_upper(marked, 0.95) == ordered[56] / n


@given(values=samples, block=st.integers(1, 40), percent=st.sampled_from([50, 90, 99]))
def test_a_rising_map_of_the_values_maps_the_interval(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], block: int, percent: float
) -> None:
    """Other units or another zero change nothing but the units."""
    found = drawn(len(values), min(block, len(values)))
    low, high = found.percentile(values, percent)
    assert found.percentile(3 * values + 5, percent) == (3 * low + 5, 3 * high + 5)
    assert values.min() <= low <= high <= values.max()


@given(frames=st.integers(1, 60), block=st.integers(1, 60), data=st.data())
def test_misses_and_hits_mirror_each_other(frames: int, block: int, data: st.DataObject) -> None:
    """The interval of what was met is that of what was missed, turned round."""
    marks = data.draw(st.lists(st.booleans(), min_size=frames, max_size=frames))
    marked = np.array(marks, np.bool_)
    found = drawn(frames, min(block, frames))
    low, high = found.share(marked)
    other_low, other_high = found.share(~marked)
    assert other_low == pytest.approx(1 - high)
    assert other_high == pytest.approx(1 - low)


@given(frames=st.integers(1, 60), block=st.integers(1, 60))
def test_frames_that_are_all_alike_leave_no_spread(frames: int, block: int) -> None:
    """Whatever is drawn."""
    found = drawn(frames, min(block, frames))
    assert found.percentile(np.full(frames, 8.0), 99) == (8.0, 8.0)
    assert found.share(np.zeros(frames, np.bool_)) == (0.0, 0.0)
    assert found.share(np.ones(frames, np.bool_)) == (1.0, 1.0)


def test_every_place_is_drawn_and_none_beyond() -> None:
    """Blocks lie within the frames, from the first to the last that a block can begin at."""
    found = drawn(50, 5, replicates=1_000)
    assert found.begins.shape == (1_000, 10)
    assert set(found.begins.ravel().tolist()) == set(range(46))


def test_draws_hang_on_seed_and_path_alone() -> None:
    """The same again for the same, other ones for another seed or another path."""
    again = Draws(7)
    again.words("bootstrap", "other", 1_000)
    first = Draws(7).words("bootstrap", "a", 200)
    assert again.words("bootstrap", "a", 200).tolist() == first.tolist()
    assert again.words("bootstrap", "a", 300)[:200].tolist() == first.tolist()
    assert Draws(8).words("bootstrap", "a", 200).tolist() != first.tolist()
    assert Draws(7).words("bootstrap", "b", 200).tolist() != first.tolist()
    assert first[:2].tolist() == [1594364254634429127, 6717680043777244527]


def test_an_outage_widens_the_interval_where_frames_hang_together() -> None:
    """Forty misses in one block spread far wider than forty here and there."""
    together = np.zeros(2_000, np.bool_)
    together[500:540] = True
    scattered = np.zeros(2_000, np.bool_)
    scattered[::50] = True
    wide = drawn(2_000, block_length(2_000, 40), replicates=1_000).share(together)
    narrow = drawn(2_000, block_length(2_000, 1), replicates=1_000).share(scattered)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert wide[0] < 0.02 < wide[1]


def test_intervals_enclose_the_truth_about_as_often_as_they_say() -> None:
    """Of 200 independent samples a 90 % interval of the rate holds the true one in most."""
    rng = np.random.default_rng(1)
    held = 0
    for seed in range(200):
        marked = rng.random(400) < 0.1
        low, high = drawn(400, block_length(400, 1), replicates=200, seed=seed).share(marked)
        held += low <= 0.1 <= high
    assert 160 <= held <= 196


@pytest.mark.parametrize(
    ("frames", "streak", "block"),
    [(0, 0, 1), (1, 0, 1), (8, 0, 2), (9, 0, 3), (27, 0, 3), (28, 0, 4), (1_000, 0, 10),
     (1_001, 3, 11), (1_000, 40, 40), (1_000_000, 0, 100), (999_999, 0, 100)],
)  # fmt: skip
def test_a_block_is_as_long_as_the_cube_root_and_the_longest_run_of_misses(
    frames: int, streak: int, block: int
) -> None:
    """Rounded up, exactly."""
    assert block_length(frames, streak) == block


def test_long_runs_are_drawn_less_often() -> None:
    """A thousand times up to 20,000 frames, never less than 200 times."""
    assert [replicates_for(n) for n in (1, 20_000, 40_000, 1_000_000)] == [1_000, 1_000, 500, 200]
