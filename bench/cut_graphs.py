"""Random networks to cut: chains with short-cuts, and networks that branch and end in heads."""

from __future__ import annotations

import random

from pipeline.planner import CutProblem, CutTensor
from pipeline.planner.tiers import TierProblem, TierTensor

Reads = list[list[int]]
"""Who reads each tensor: the input first, then what each operator makes."""

Range = tuple[int, int]

_SLOW_LINK_NS, _QUICK_CLOUD_NS = (100_000, 9_000_000), (200, 6_000)


def chain(operators: int, dice: random.Random) -> Reads:
    """A chain with short-cuts, as residual networks have them where a branch has no operator."""
    reads: Reads = [[] for _ in range(operators + 1)]
    for v in range(operators):
        reads[v].append(v)
        if v > 4 and dice.random() < 0.3:  # noqa: PLR2004 - far enough for the longest short-cut
            reads[v - dice.randint(1, 4)].append(v)
    return [sorted(set(readers)) for readers in reads]


def branches(operators: int, dice: random.Random) -> Reads:
    """Blocks of two to four branches in a row, and three heads behind, as detectors have them.

    A block is a tensor that its branches read, of one to five operators each, and an operator that
    reads their ends and now and then what an earlier block made; between blocks stand single
    operators. The heads, a tenth of the operators each, read what the last blocks made.
    """
    reads: Reads = [[] for _ in range(operators + 1)]
    head = operators // 10
    body = operators - 3 * head
    made, last, v = [0], 0, 0
    while v < body:
        if body - v < 24 or dice.random() < 0.3:  # noqa: PLR2004 - the largest block is smaller
            reads[last].append(v)
        else:
            width = dice.choice((2, 2, 3, 4))
            ends = []
            for _ in range(width):
                end = last
                for _ in range(dice.randint(1, 5)):
                    reads[end].append(v)
                    v += 1
                    end = v
                ends.append(end)
            if dice.random() < 0.2:  # noqa: PLR2004 - now and then
                ends.append(dice.choice(made[-3:]))
            for end in ends:
                reads[end].append(v)
            made.append(v + 1)
        v += 1
        last = v
    for start in (last, *made[-2:-4:-1]):
        end = start
        for _ in range(head):
            reads[end].append(v)
            v += 1
            end = v
    return [sorted(set(readers)) for readers in reads]


def two_tiers(
    operators: int,
    seed: int,
    *,
    branching: bool = False,
    up_ns: Range = _SLOW_LINK_NS,
    cloud_ns: Range = _QUICK_CLOUD_NS,
) -> CutProblem:
    """A random network between car and cloud; times as accelerators and links have them.

    Args:
        operators: How many.
        seed: Of the draws.
        branching: Whether it branches; else a chain with short-cuts.
        up_ns: Least and most that a tensor's crossing takes.
        cloud_ns: The same of an operator in the cloud.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret
    return CutProblem(
        edge_ns=tuple(dice.randint(2_000, 60_000) for _ in range(operators)),
        cloud_ns=tuple(dice.randint(*cloud_ns) for _ in range(operators)),
        tensors=tuple(
            CutTensor(
                name=f"t{place}",
                producer=place - 1 if place else None,
                consumers=tuple(readers),
                up_ns=dice.randint(*up_ns),
                delivered=not readers,
            )
            for place, readers in enumerate((branches if branching else chain)(operators, dice))
        ),
        edge_post_ns=200_000,
        cloud_post_ns=500_000,
    )


def many_tiers(operators: int, tiers: int, seed: int, *, branching: bool = False) -> TierProblem:
    """A random network over several tiers, each quicker than the one before."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    return TierProblem(
        costs_ns=tuple(
            tuple(dice.randint(200, 60_000) // (tier + 1) for tier in range(tiers))
            for _ in range(operators)
        ),
        tensors=tuple(
            TierTensor(
                name=f"t{place}",
                producer=place - 1 if place else None,
                consumers=tuple(readers),
                crossing_ns=tuple(dice.randint(10_000, 900_000) for _ in range(tiers - 1)),
                delivered=not readers,
            )
            for place, readers in enumerate((branches if branching else chain)(operators, dice))
        ),
        post_ns=tuple(dice.randint(1_000, 90_000) for _ in range(tiers)),
        least={},
        most={},
    )
