"""Predicted percentiles of a route's latency on an idle system, from the tables of its draws."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.plan.routes import RouteStep

_SAMPLES = 4001
_SEED = 20_100_101  # any number; the same one makes candidates comparable
_PPM = 1_000_000


def latency_at(
    steps: Sequence[RouteStep],
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    percentile: float,
    extra_ns: int = 0,
    bias: int | None = None,
) -> int:
    """Latency of a route that percentile of frames stay below, queueing left out.

    Jitters of different steps are taken as independent; the sample is fixed, so that equal routes
    get equal figures and candidates are compared on common random numbers.

    Args:
        steps: The route.
        quantiles: Quantile tables by name.
        percentile: From 0 to 100.
        extra_ns: Constant time beside the steps.
        bias: 0 for the 10 % and 1 for the 90 % quantile of the devices' bias; None for neither.
    """
    total = samples_ns(steps, quantiles, bias=bias) + extra_ns
    return int(np.percentile(total, percentile, method="inverted_cdf"))


def samples_ns(
    steps: Sequence[RouteStep],
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    bias: int | None = None,
) -> NDArray[np.int64]:
    """A fixed sample of a route's latency; arguments as for `latency_at`."""
    total = np.zeros(_SAMPLES, np.int64)
    for index, step in enumerate(steps):
        median_ns = step.latency_ns
        if bias is not None and step.interval_ns != (0, 0):
            median_ns = step.interval_ns[bias]
        table = quantiles.get(step.jitter)
        if not table:
            total += median_ns
            continue
        total += median_ns * _factors_ppm(index, table) // _PPM
    return total


@lru_cache(maxsize=256)
def _factors_ppm(index: int, table: tuple[int, ...]) -> NDArray[np.int64]:
    """A fixed sample of the jitter of a route's step by its place."""
    draws = np.random.Philox(key=np.array([_SEED, index], np.uint64)).random_raw(_SAMPLES)
    places = ((draws >> np.uint64(32)) * np.uint64(len(table)) >> np.uint64(32)).astype(np.intp)
    factors = np.asarray(table, np.int64)[places]
    factors.flags.writeable = False  # all who ask get the same one
    return factors
