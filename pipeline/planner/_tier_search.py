"""Where the tiers of a problem can begin, before any minimum cut.

The operators before a tier, and what they read, are a head: the order of the network makes it end
in one stretch, and a later tier's no earlier than an earlier one's. Costs are a sum over the tiers
but the first: of what operators from there on cost more than on the tier before, and of what
crosses. So among placements whose tiers all begin behind a prefix the best is found by one sweep a
tier, and no placement is better where all operators are pivots. Elsewhere the same sweep over what
each stretch costs at least says in which stretches a tier can begin in a placement that is no worse
than the best one known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.planner._crossings import crossings_of, exact, summed
from pipeline.planner._order import order_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.planner._crossings import Costs, Crossings
    from pipeline.planner._order import Order
    from pipeline.planner.tiers import TierProblem


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Begins:
    """Where tiers can begin.

    Attributes:
        order: The problem's order, post-processing its last operator.
        limit_ns: Cost of the best placement whose tiers all begin behind a prefix, or less than any
            that is barred where none is allowed.
        prefix: How many operators come before each tier but the first in that placement; None where
            none is allowed.
        possible: Whether each tier but the first may begin in each stretch, in a placement that
            costs no more than the limit; shape (tiers - 1, stretches), bool.
        settled: Whether only placements behind prefixes can be as good.
    """

    order: Order
    limit_ns: int
    prefix: tuple[int, ...] | None
    possible: NDArray[np.bool_]
    settled: bool


def begins_of(problem: TierProblem) -> Begins:
    """Reckon them, for two tiers or more.

    Raises:
        ValueError: Operators are not numbered in topological order.
    """
    order = order_of(problem.tensors, len(problem.costs_ns), post=True)
    rows = [*map(list, problem.costs_ns), list(problem.post_ns)]
    for place, tier in problem.least.items():
        rows[place][:tier] = [None] * tier
    for place, tier in problem.most.items():
        rows[place][tier + 1 :] = [None] * (problem.tiers - tier - 1)
    columns = [
        [tensor.crossing_ns[boundary] for tensor in problem.tensors]
        for boundary in range(problem.tiers - 1)
    ]
    barred_ns = 1 + sum(sum(filter(None, row)) for row in (*rows, *columns))
    terms = problem.tiers * (len(rows) + len(problem.tensors) + len(problem.together) + 1)
    kind = exact(2 * terms * barred_ns)
    costs = np.array([[barred_ns if c is None else c for c in row] for row in rows], kind)
    forbidden = [(min(group), max(group)) for group in problem.together if group]
    along, least = [], []
    for steps, column in zip((costs[:, 1:] - costs[:, :-1]).T, columns, strict=True):
        ups = np.array([barred_ns if up_ns is None else up_ns for up_ns in column], kind)
        crossings = crossings_of(order, ups, forbidden, barred_ns)
        sums = summed(steps)
        along.append(sums[-1] - sums + crossings.along())
        least.append(_least(order, steps, along[-1], crossings))
    first_ns = int(costs[:, 0].sum())
    swept = _swept(along)
    limit_ns = first_ns + int(swept[-1].min())
    prefix = _traced(swept) if limit_ns < barred_ns else None
    limit_ns = min(limit_ns, barred_ns - 1)
    before = _swept(least)
    behind = [row[::-1] for row in _swept([row[::-1] for row in least[::-1]])][::-1]
    through = np.array([b + a - own for b, a, own in zip(before, behind, least, strict=True)])
    possible = np.asarray(through + first_ns <= limit_ns, np.bool_)
    return Begins(
        order=order,
        limit_ns=limit_ns,
        prefix=prefix,
        possible=possible,
        settled=not bool(possible[:, order.stretches].any()),
    )


def _least(order: Order, steps: Costs, along: Costs, crossings: Crossings) -> Costs:
    """What a tier that begins in each stretch adds at least to what all cost on the one before.

    Args:
        order: The order.
        steps: What each operator costs more on this tier; shape (operators,).
        along: What is added where it begins behind each prefix; shape (operators + 1,).
        crossings: What crosses to this tier.
    """
    least = along[order.pivots[:-1] + 1]
    stretches = order.stretches
    if len(stretches):
        after, before = order.pivots[stretches] + 1, order.pivots[stretches + 1]
        sums, cheaper = summed(steps), summed(np.minimum(steps, 0))
        floor = sums[-1] - sums[before] + cheaper[before] - cheaper[after]
        crossing = crossings.certain()[stretches] + crossings.on_the_way(stretches)
        least[stretches] = floor + crossing
    return least


def _swept(rows: Sequence[Costs]) -> list[Costs]:
    """Least sums of one of each row so far, each no earlier than the one of the row before."""
    sums = [rows[0]]
    for row in rows[1:]:
        sums.append(row + np.minimum.accumulate(sums[-1]))
    return sums


def _traced(swept: Sequence[Costs]) -> tuple[int, ...]:
    """Places of the least sum of all rows; of equals the earliest."""
    places = [int(swept[-1].argmin())]
    for row in swept[-2::-1]:
        places.append(int(row[: places[-1] + 1].argmin()))
    return tuple(places[::-1])
