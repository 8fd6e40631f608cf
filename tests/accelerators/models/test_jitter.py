"""Tests of the integer quantile tables."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from accelerators.models.jitter import lognormal_ppm


@pytest.mark.parametrize("sigma_ppm", [0, 1_160, 30_000, 500_000])
def test_quantiles_are_those_of_a_log_normal(sigma_ppm: int) -> None:
    """The table agrees with floating-point arithmetic to a few parts per million."""
    table = lognormal_ppm(sigma_ppm)
    assert len(table) == 101
    for i, quantile in enumerate(table):
        z = NormalDist().inv_cdf((2 * i + 1) / 202)
        assert quantile == pytest.approx(1e6 * math.exp(sigma_ppm / 1e6 * z), abs=3)


def test_the_table_is_pinned() -> None:
    """A few entries as integers: they must be the same on every machine."""
    table = lognormal_ppm(30_000)
    assert (table[0], table[25], table[50], table[75], table[100]) == (
        925_540,
        980_197,
        1_000_000,
        1_020_203,
        1_080_450,
    )


def test_a_negative_sigma_is_refused() -> None:
    """A spread below zero has no meaning."""
    with pytest.raises(ValueError, match="negative"):
        lognormal_ppm(-1)
