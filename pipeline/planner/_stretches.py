"""What the heads of a problem cost, by the stretch in which they end.

For heads that leave post-processing to the cloud. A prefix costs what sums along the order say, all
prefixes at once. Of the heads that end in a stretch, a sum says what they cost at least: all that
they have in common, each operator between the pivots where it is cheaper, and one tensor that
crosses on the way from pivot to pivot. A stretch that cannot beat a head which is known needs no
minimum cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.planner._crossings import crossings_of, exact, summed
from pipeline.planner._order import order_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.planner._crossings import Costs
    from pipeline.planner._order import Order, Places
    from pipeline.planner.cuts import CutProblem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretches:
    """Costs in ns of the heads that have post-processing in the cloud.

    Attributes:
        order: The problem's order.
        barred_ns: A cost from here on stands for a head that is not allowed.
        prefix_ns: Cost of the head of the first 0, 1, … all operators; shape (operators + 1,). The
            last one is no route, since post-processing would cross alone.
        open: Stretches that hold operators, as places in `order.pivots`; shape (open,), int64.
        floor_ns: What all heads that end in each of these have in common, with the cheaper side of
            each operator between the pivots; shape (open,).
        least_ns: The same and what has to cross besides: no head costs less; shape (open,).
        groups: Groups of operators that stay on one side, each behind its lowest and highest.
    """

    order: Order
    barred_ns: int
    prefix_ns: Costs
    open: Places
    floor_ns: Costs
    least_ns: Costs
    groups: tuple[tuple[int, int, tuple[int, ...]], ...]


def stretches_of(problem: CutProblem, order: Order | None = None) -> Stretches:
    """Reckon them.

    Args:
        problem: The problem.
        order: Its order, where it is known: that of any problem with the same tensors by producer,
            consumers and delivery.

    Raises:
        ValueError: Operators are not numbered in topological order.
    """
    if order is None:
        order = order_of(problem.tensors, len(problem.edge_ns))
    known = [tensor.up_ns for tensor in problem.tensors]
    groups = tuple((min(group), max(group), group) for group in problem.together if group)
    forbidden = list(_forbidden(problem))
    forbidden += [(low, high) for low, high, _ in groups]
    bars = known.count(None)
    crossing_ns = sum(filter(None, known))
    barred_ns = 1 + sum(problem.edge_ns) + sum(problem.cloud_ns) + crossing_ns
    barred_ns += problem.cloud_post_ns
    # What is added up holds each of these once, and one more for the way through a stretch.
    kind = exact((bars + len(forbidden) + 2) * barred_ns)
    if bars:
        known = [barred_ns if up_ns is None else up_ns for up_ns in known]
    crossings = crossings_of(order, np.array(known, kind), forbidden, barred_ns)
    edge_ns, cloud_ns = np.array(problem.edge_ns, kind), np.array(problem.cloud_ns, kind)
    edge, cloud = summed(edge_ns), summed(cloud_ns)
    behind = int(cloud[-1]) + problem.cloud_post_ns
    floor = least = edge[:0]
    stretches = order.stretches
    if len(stretches):
        after, before = order.pivots[stretches], order.pivots[stretches + 1]
        cheaper = summed(np.minimum(edge_ns, cloud_ns))
        floor = edge[after + 1] + cheaper[before] - cheaper[after + 1] - cloud[before]
        floor = floor + crossings.certain()[stretches] + behind
        least = floor + crossings.on_the_way(stretches)
    return Stretches(
        order=order,
        barred_ns=barred_ns,
        prefix_ns=edge - cloud + crossings.along() + behind,
        open=stretches,
        floor_ns=floor,
        least_ns=least,
        groups=groups,
    )


def _forbidden(problem: CutProblem) -> Iterator[tuple[int, int]]:
    """Ends between which pins let no head end: behind the first, not yet the second."""
    yield from ((-1, pin) for pin in problem.on_edge)
    yield from ((pin, len(problem.edge_ns)) for pin in problem.on_cloud)
