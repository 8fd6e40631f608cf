"""Frames needed, bounds and percentiles, against published tables, scipy and brute force."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from pipeline.verdict import frames_needed, miss_rate_upper, percentile
from pipeline.verdict.statistics import maximum, nearest_rank, percent_text

SHARES = (0.9, 0.95, 0.99, 0.998, 0.999, 0.9999)
AT_95 = {
    0: (29, 59, 299, 1_497, 2_995, 29_956),
    1: (46, 93, 473, 2_371, 4_742, 47_437),
    2: (61, 124, 628, 3_146, 6_294, 62_956),
    5: (103, 208, 1_049, 5_254, 10_511, 105_128),
    10: (167, 336, 1_693, 8_478, 16_959, 169_619),
}
AT_99 = {
    0: (44, 90, 459, 2_301, 4_603, 46_050),
    1: (64, 130, 662, 3_317, 6_636, 66_381),
    2: (81, 165, 838, 4_200, 8_403, 84_057),
    5: (127, 259, 1_307, 6_551, 13_105, 131_081),
    10: (197, 398, 2_010, 10_068, 20_140, 201_442),
}
TABLE = [
    (share, late, confidence, frames)
    for confidence, table in ((0.95, AT_95), (0.99, AT_99))
    for late, row in table.items()
    for share, frames in zip(SHARES, row, strict=True)
]

fractions = st.floats(min_value=0.5, max_value=0.999)
latencies = st.lists(st.integers(min_value=0, max_value=50) | st.just(math.inf), max_size=80)


@pytest.mark.parametrize(("share", "late", "confidence", "frames"), TABLE)
def test_the_published_tables_come_out(
    share: float, late: int, confidence: float, frames: int
) -> None:
    """Both tables of frames needed to claim a percentile, every cell."""
    assert frames_needed(share, late, confidence) == frames


@given(share=fractions, late=st.integers(0, 20), confidence=fractions)
def test_one_frame_fewer_would_not_do(share: float, late: int, confidence: float) -> None:
    """The number is the smallest one for which scipy's binomial distribution agrees."""
    n = frames_needed(share, late, confidence)
    risk = 1 - confidence
    assert float(binom.cdf(late, n, 1 - share)) <= risk * (1 + 1e-6)
    assert float(binom.cdf(late, n - 1, 1 - share)) > risk * (1 - 1e-6)


def test_a_tie_is_decided_as_in_exact_arithmetic() -> None:
    """0.9 squared is 0.81 exactly, so two frames are enough at 19 %."""
    assert frames_needed(0.9, confidence=0.19) == 2


@pytest.mark.parametrize(
    ("share", "late", "confidence"), [(0, 0, 0.95), (1, 0, 0.95), (0.9, -1, 0.95), (0.9, 0, 1)]
)
def test_a_claim_that_no_sample_can_make_is_refused(
    share: float, late: int, confidence: float
) -> None:
    """A share of one, a negative count and certainty are out of range."""
    with pytest.raises(ValueError, match="must lie between"):
        frames_needed(share, late, confidence)


@pytest.mark.parametrize(
    ("misses", "n", "per_cent"), [(0, 600, "0.50"), (0, 3_600, "0.083"), (2, 3_600, "0.175")]
)
def test_the_published_bounds_come_out(misses: int, n: int, per_cent: str) -> None:
    """The three examples that the documents quote, to the figures they give."""
    decimals = len(per_cent.partition(".")[2])
    assert f"{100 * miss_rate_upper(misses, n):.{decimals}f}" == per_cent


@given(n=st.integers(1, 4_000), share=st.floats(0, 1), confidence=fractions)
def test_the_bound_is_that_of_clopper_and_pearson(n: int, share: float, confidence: float) -> None:
    """It equals scipy's exact one-sided interval."""
    misses = round(share * n)
    interval = binomtest(misses, n, alternative="less").proportion_ci(confidence, method="exact")
    assert miss_rate_upper(misses, n, confidence) == pytest.approx(interval.high, rel=1e-8)


@given(limit=st.floats(0.001, 0.3), confidence=fractions)
def test_frames_needed_and_the_bound_say_the_same(limit: float, confidence: float) -> None:
    """With the frames needed the bound is within the limit, with one fewer it is not."""
    n = frames_needed(1 - limit, confidence=confidence)
    assert miss_rate_upper(0, n, confidence) <= limit * (1 + 1e-9)
    if n > 1:
        assert miss_rate_upper(0, n - 1, confidence) > limit * (1 - 1e-9)


def test_no_frames_prove_nothing() -> None:
    """Without a frame the bound is one."""
    assert miss_rate_upper(0, 0) == 1.0


@pytest.mark.parametrize(("misses", "n", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (0, 1, 1.0)])
def test_counts_that_cannot_be_are_refused(misses: int, n: int, confidence: float) -> None:
    """More misses than frames, negative misses, certainty."""
    with pytest.raises(ValueError, match="misses must lie"):
        miss_rate_upper(misses, n, confidence)


@given(values=latencies.filter(bool), percent=st.sampled_from([7, 50, 90, 99, 99.9, 100]))
def test_a_percentile_is_the_smallest_value_that_reaches_the_share(
    values: list[float], percent: float
) -> None:
    """Brute force in whole numbers: no interpolation, infinity counted like any value."""
    share = Fraction(str(percent)) / 100
    reaching = [v for v in values if Fraction(sum(w <= v for w in values), len(values)) >= share]
    assert nearest_rank(np.asarray(values, np.float64), percent) == min(reaching)


@given(values=latencies, percent=st.sampled_from([50, 90, 99]))
def test_a_percentile_is_a_value_of_the_sample_or_has_a_reason(
    values: list[float], percent: float
) -> None:
    """Exactly one of value and reason is there, and a value is a finite one of the sample."""
    found = percentile(np.asarray(values, np.float64), percent)
    assert (found.value is None) != (found.reason is None)
    assert found.value is None or (found.value in values and math.isfinite(found.value))


@pytest.mark.parametrize(("percent", "needed"), [(50, 5), (90, 29), (99, 299), (99.9, 2_995)])
def test_below_the_supporting_count_there_is_no_percentile(percent: float, needed: int) -> None:
    """One frame fewer gives the reason with both numbers, the full count gives a value."""
    assert percentile(np.arange(needed - 1.0), percent).reason == (
        f"needs {needed} frames, has {needed - 1}"
    )
    assert percentile(np.arange(float(needed)), percent).value is not None


def test_a_percentile_that_falls_on_an_undelivered_frame_is_none() -> None:
    """3.2 % without an answer leave p90 standing and take p99 away."""
    values = np.where(np.arange(1_000) < 32, np.inf, 7.0)
    assert percentile(values, 90).value == 7.0
    assert percentile(values, 99).value is None
    assert percentile(values, 99).reason == "undelivered 3.2 %"
    assert maximum(values).reason == "undelivered 3.2 %"


def test_the_maximum_needs_a_frame_and_no_more() -> None:
    """The largest value is a fact of the sample, not a claim."""
    assert maximum(np.asarray([3.0, 5.0])).value == 5.0
    assert maximum(np.asarray([], np.float64)).reason == "no frame was offered"


def test_nan_and_odd_percentages_are_refused() -> None:
    """NaN would sort above infinity and pass for a sample."""
    with pytest.raises(ValueError, match="NaN"):
        percentile(np.full(30, np.nan), 50)
    with pytest.raises(ValueError, match="between 0 and 100"):
        percentile(np.ones(30), 100)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.032, "3.2 %"), (1, "100.0 %"), (2 / 3_000, "0.067 %"), (0.00999, "1.00 %")],
)
def test_a_small_share_is_not_rounded_to_nothing(share: float, text: str) -> None:
    """One decimal, or two figures below one per cent."""
    assert percent_text(share) == text


def test_importing_the_verdict_loads_no_scipy() -> None:
    """The command line answers without it."""
    code = "import sys, pipeline.verdict; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
