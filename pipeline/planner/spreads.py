"""Heads for a percentile: all that minimise mean plus any number of standard deviations.

Every operator and every crossing has a mean and a variance: of an operator its price times the
moments of its device's jitter, of a crossing those of the link's trace for so many bytes, of what a
frame pays once those of the round trip. `hulls` finds the corners of the lower left hull, each by
one minimum cut of a weighted sum. Taken as independent they are not quite what a route does, whose
segments jitter as one: what stands on the table is the percentile of the route's own sample, and
where the link varies the candidates in front are run in virtual time.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.planner._order import order_of
from pipeline.planner._search import cost_ns
from pipeline.planner.cuts import CutTensor, best_split, problem_of
from pipeline.planner.hulls import Corner, corners

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.graph.model import Graph
    from pipeline.link.pricing import LinkQuote
    from pipeline.planner.cuts import CutProblem

Moments = tuple[int, int]
"""Mean in ns and variance in us²: whole numbers, small enough for a flow in integers."""

MOST_CUTS = 8
"""Minimum cuts that one codec's hull may take."""

_PPM = 1_000_000
_NS_PER_US = 1_000
_SIZES = 10  # payloads at which a link's moments are worked out; between them they are linear


def jittered(price_ns: int, table: Sequence[int]) -> Moments:
    """Moments of a price under a quantile table of its factor in ppm; none where it is empty."""
    if not table:
        return price_ns, 0
    factors = np.asarray(table, np.float64) / _PPM
    mean, deviation_us = price_ns * factors.mean(), price_ns / _NS_PER_US * factors.std()
    return round(mean), round(deviation_us**2)


class LinkMoments:
    """Moments of a crossing on the bottleneck by its bytes; linear between a few that are known."""

    def __init__(self, link: LinkQuote, most_bytes: int) -> None:
        self._sizes = sorted({round(most_bytes ** (k / _SIZES)) for k in range(_SIZES + 1)})
        found = [link.serial_moments_ns(size, "up") for size in self._sizes]
        self._means = [mean for mean, _ in found]
        self._deviations = [deviation for _, deviation in found]

    def of(self, payload_bytes: int) -> Moments:
        """Mean in ns and variance in us² for a payload."""
        size = min(payload_bytes, self._sizes[-1])
        at = max(1, bisect_left(self._sizes, size)) if len(self._sizes) > 1 else 0
        mean = float(np.interp(size, self._sizes, self._means)) if at else self._means[0]
        deviation = (
            float(np.interp(size, self._sizes, self._deviations)) if at else self._deviations[0]
        )
        return round(mean), round((deviation / _NS_PER_US) ** 2)


def hull_heads(
    graph: Graph,
    *,
    edge: Sequence[Moments],
    cloud: Sequence[Moments],
    up: Mapping[str, Moments],
    post: tuple[Moments, Moments],
    together: tuple[tuple[int, ...], ...],
    heavy: Collection[int],
) -> list[frozenset[int]]:
    """Heads at the corners of the hull, by rising mean.

    Args:
        graph: The graph.
        edge: Moments of each operator in the car, shape (operators,).
        cloud: The same in the cloud.
        up: Moments of each tensor's crossing, by name; one that is not named never crosses.
        post: Of post-processing in the car, and in the cloud with all that is paid once.
        together: Groups of operators that are never cut apart.
        heavy: Operators with multiply-adds, of which each side has one.
    """
    means = _problem(graph, edge, cloud, up, post, together, which=0)
    variances = _problem(graph, edge, cloud, up, post, together, which=1)

    order = order_of(means.tensors, len(means.edge_ns))

    def solve(mean_weight: int, variance_weight: int, /) -> Corner[frozenset[int]] | None:
        weighted = _weighted(means, variances, mean_weight, variance_weight)
        cut = best_split(weighted, heavy, order=order)
        if cut is None:
            return None
        mean, variance = cost_ns(means, cut.head), cost_ns(variances, cut.head)
        return Corner(plan=cut.head, mean=mean, variance=variance)

    return [corner.plan for corner in corners(solve, most=MOST_CUTS)]


def _problem(
    graph: Graph,
    edge: Sequence[Moments],
    cloud: Sequence[Moments],
    up: Mapping[str, Moments],
    post: tuple[Moments, Moments],
    together: tuple[tuple[int, ...], ...],
    *,
    which: int,
) -> CutProblem:
    return problem_of(
        graph,
        edge_ns=[moments[which] for moments in edge],
        cloud_ns=[moments[which] for moments in cloud],
        up_ns={name: moments[which] for name, moments in up.items()},
        edge_post_ns=post[0][which],
        cloud_post_ns=post[1][which],
        together=together,
    )


def _weighted(means: CutProblem, variances: CutProblem, mean: int, variance: int) -> CutProblem:
    def both(one: int, other: int) -> int:
        return mean * one + variance * other

    return replace(
        means,
        edge_ns=tuple(map(both, means.edge_ns, variances.edge_ns)),
        cloud_ns=tuple(map(both, means.cloud_ns, variances.cloud_ns)),
        tensors=tuple(
            CutTensor(
                name=one.name,
                producer=one.producer,
                consumers=one.consumers,
                up_ns=None
                if one.up_ns is None or other.up_ns is None
                else both(one.up_ns, other.up_ns),
                delivered=one.delivered,
            )
            for one, other in zip(means.tensors, variances.tensors, strict=True)
        ),
        edge_post_ns=both(means.edge_post_ns, variances.edge_post_ns),
        cloud_post_ns=both(means.cloud_post_ns, variances.cloud_post_ns),
    )
