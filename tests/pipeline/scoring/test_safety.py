"""Misses that matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.safety import (
    SafetyRules,
    are_vulnerable,
    weighted_misses,
    weights_of,
)

RULES = SafetyRules(near=3, near_m=40, closing=3, closing_s=4, vulnerable=2)
S = 1_000_000_000


def weights(
    distances: list[float], tracks: list[int], at_s: list[float], vulnerable: list[bool]
) -> list[float]:
    """Weights as the formula has them."""
    found = weights_of(
        np.array(distances),
        np.array(tracks),
        (np.array(at_s) * S).astype(np.int64),
        np.array(vulnerable),
        RULES,
    )
    return [float(weight) for weight in found]


def test_the_formula_by_hand() -> None:
    """Far and still weighs one; near, closing and vulnerable add up."""
    assert weights([100.0], [1], [0.0], [False]) == [1.0]
    assert weights([20.0], [1], [0.0], [False]) == [1 + 3 * 0.5]
    assert weights([100.0], [1], [0.0], [True]) == [3.0]
    # From 22 m to 20 m in 0.1 s: 20 m/s, contact in 1 s of 4.
    first, second = weights([22.0, 20.0], [1, 1], [0.0, 0.1], [False, False])
    assert first == pytest.approx(1 + 3 * (1 - 22 / 40))
    assert second == pytest.approx(1 + 3 * 0.5 + 3 * 0.75)


def test_going_away_unknown_distances_and_long_gaps_add_nothing() -> None:
    """Nor does the distance of another object."""
    assert weights([50.0, 60.0], [1, 1], [0.0, 0.1], [False] * 2) == [1.0, 1.0]
    assert weights([float("nan")], [1], [0.0], [False]) == [1.0]
    assert weights([60.0, 50.0], [1, 1], [0.0, 5.0], [False] * 2) == [1.0, 1.0]
    assert weights([60.0, 50.0], [1, 2], [0.0, 0.1], [False] * 2) == [1.0, 1.0]


@given(st.floats(0, 200), st.floats(0.1, 20), st.booleans())
def test_nearer_never_weighs_less(distance: float, by: float, vulnerable: bool) -> None:  # noqa: FBT001
    """And everything weighs between one and all added up."""
    (near,) = weights([distance], [1], [0.0], [vulnerable])
    (far,) = weights([distance + by], [1], [0.0], [vulnerable])
    assert 1 <= far <= near <= 1 + RULES.near + RULES.vulnerable


def test_the_share_of_the_weight_that_was_missed() -> None:
    """Missing the heavy one costs more than missing the light one."""
    heavy = np.array([5.0, 1.0, 1.0])
    assert weighted_misses(heavy, np.array([False, True, True])) == pytest.approx(5 / 7)
    assert weighted_misses(heavy, np.array([True, False, True])) == pytest.approx(1 / 7)
    assert weighted_misses(heavy, np.array([True] * 3)) == 0.0
    assert weighted_misses(np.zeros(0), np.zeros(0, np.bool_)) is None
    kinds = are_vulnerable(np.array([0, 1, 2, -1]), ("car", "pedestrian", "cyclist"), RULES)
    assert kinds.tolist() == [False, True, True, False]
