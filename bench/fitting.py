"""Medians and slopes of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def percentile(values: Collection[float], percent: float) -> float:
    """The smallest value that this share of all does not exceed.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("no values")
    return float(np.percentile(list(values), percent, method="inverted_cdf"))


def median(values: Collection[float]) -> float:
    """The middle value, the lower of two.

    Raises:
        ValueError: There is no value.
    """
    return percentile(values, 50)


def slope(at: Sequence[float], values: Sequence[float]) -> float:
    """Slope of the least-squares line: what the values gain per unit of `at`; 0 for one instant.

    Raises:
        ValueError: The lengths differ, or there is no value.
    """
    if len(at) != len(values) or not values:
        raise ValueError("as many instants as values are needed, and at least one")
    x, y = np.asarray(at, np.float64), np.asarray(values, np.float64)
    x = x - x.mean()
    spread = float(x @ x)
    return float(x @ (y - y.mean())) / spread if spread else 0.0
