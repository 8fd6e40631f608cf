"""What crosses between two sides of a network, by where the near side ends in its order.

A tensor crosses while its maker is on the near side and somebody who reads it is not. For a side
that is a prefix of the order, that is a sum of spans from maker to last reader; for one that ends
somewhere in a stretch, the spans around it are certain and one more is on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.planner._order import Order, Places

    Costs = NDArray[np.int64]
    """Whole ns: int64, or Python's integers where sums might not fit."""

_MOST = 2**62


def exact(most: int) -> type[np.int64]:
    """The kind of array in which sums up to so much stay exact: beyond, Python's integers."""
    return np.int64 if most < _MOST else cast("type[np.int64]", np.object_)


def summed(values: Costs) -> Costs:
    """Sums of the first 0, 1, … all values; shape (values + 1,)."""
    sums = np.zeros(len(values) + 1, values.dtype)
    np.cumsum(values, out=sums[1:])
    return sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crossings:
    """Spans of the order, and what is paid where the near side ends within one.

    Attributes:
        order: The order.
        makers: The operator behind which each span begins, -1 for the sensor's side; shape
            (spans,), int64. Tensors come first.
        lasts: The operator at which it ends, for a side that no longer holds this; shape (spans,).
        costs_ns: What each costs; shape (spans,).
        tensors: How many of the spans are tensors.
    """

    order: Order
    makers: Places
    lasts: Places
    costs_ns: Costs
    tensors: int

    def along(self) -> Costs:
        """What crosses where the side is the first 0, 1, … all operators; (operators + 1,)."""
        steps = np.zeros(self.order.operators + 2, self.costs_ns.dtype)
        np.add.at(steps, self.makers + 1, self.costs_ns)
        np.subtract.at(steps, self.lasts + 1, self.costs_ns)
        return np.asarray(np.cumsum(steps)[:-1])

    def certain(self) -> Costs:
        """What crosses wherever in a stretch the side ends, by stretch; shape (pivots,)."""
        pivots = self.order.pivots
        begins = np.searchsorted(pivots, self.makers, side="left")
        ends = np.searchsorted(pivots, self.lasts, side="right") - 1
        around = begins < ends
        steps = np.zeros(len(pivots), self.costs_ns.dtype)
        np.add.at(steps, begins[around], self.costs_ns[around])
        np.subtract.at(steps, ends[around], self.costs_ns[around])
        return np.asarray(np.cumsum(steps))

    def on_the_way(self, stretches: Places) -> Costs:
        """What crosses besides, at least, between the pivots of stretches that hold operators.

        On a way from pivot to pivot through operators between, a tensor crosses that one of them or
        the first pivot makes. Nothing is reckoned where that may be one that crosses for certain,
        or where the stretch begins at the sensor's side or leads to no result.

        Args:
            stretches: As `Order.stretches` has them.
        """
        order = self.order
        after, before = order.pivots[stretches], order.pivots[stretches + 1]
        makers, costs = self.makers[: self.tensors] + 1, self.costs_ns[: self.tensors]
        lasts = self.lasts[: self.tensors]
        cheapest = np.full(order.operators + 2, costs.max(initial=0), costs.dtype)
        np.minimum.at(cheapest, makers, costs)
        last = np.full(order.operators + 2, -1, np.int64)
        np.maximum.at(last, makers, lasts)
        outputs = makers[lasts == order.operators]
        leads = (before < order.operators) | (outputs.max(initial=0) - 1 > after)
        known = (after >= 0) & (last[after + 1] < before) & leads
        ends = np.stack((after + 1, before + 1), axis=1).reshape(-1)
        crossing = np.minimum.reduceat(cheapest, ends)[::2]
        return np.asarray(np.where(known, crossing, 0))


def crossings_of(
    order: Order, ups_ns: Costs, forbidden: Sequence[tuple[int, int]], barred_ns: int
) -> Crossings:
    """The spans of an order's tensors that somebody reads, and those within which no side may end.

    Args:
        order: The order.
        ups_ns: What crossing costs each tensor, `barred_ns` where it must not; shape (tensors,).
        forbidden: Ends of more spans, as `Crossings` has them.
        barred_ns: What these cost.
    """
    makers, lasts, costs = order.makers, order.lasts, ups_ns
    read = lasts > makers
    if not bool(read.all()):
        makers, lasts, costs = makers[read], lasts[read], costs[read]
    tensors = len(makers)
    if forbidden:
        ends = np.array(forbidden, np.int64)
        makers, lasts = np.append(makers, ends[:, 0]), np.append(lasts, ends[:, 1])
        costs = np.append(costs, np.full(len(ends), barred_ns, costs.dtype))
    return Crossings(order=order, makers=makers, lasts=lasts, costs_ns=costs, tensors=tensors)
