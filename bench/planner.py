"""Solving cuts: against networkx on the same network, for two tiers and four, small and large.

The rival is networkx's `minimum_cut` (its default, preflow-push), handed a network that is made
beforehand: the textbook's (DADS), a node per operator and per tensor of the same graph and nothing
reduced, for which the aim is stated; and, to tell the solver from what is done before it, the
reduced network that ours solves. Ours makes its network within the time that is measured.
Process time is measured, not wall time, so that other work on the machine does not count.
"""

from __future__ import annotations

import random
import time
from statistics import median
from typing import TYPE_CHECKING

import networkx as nx

from bench.figure import Figure
from pipeline.planner import CutProblem, CutTensor, best_cut
from pipeline.planner.cuts import network_of
from pipeline.planner.tiers import TierProblem, TierTensor, best_placement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AIM = 50.0
"""Times quicker than networkx, 500 operators, two tiers."""

TWO_MS, FOUR_MS, LARGE_MS = 2.0, 20.0, 20.0
"""Aims for a solve: 500 operators on two tiers and on four, 2,000 on two."""

_OPS, _LARGE, _TIERS = 500, 2_000, 4
_SEED = 1
# A network in which no crossing is ruled out beforehand: crossings cost what operators do, and
# neither side is the quicker one throughout.
_QUICK_LINK_NS, _SLOW_CLOUD_NS = (10_000, 90_000), (200, 60_000)
_MS = 1e6


def measure(*, repeats: int) -> Figure:
    """How many times quicker a cut of 500 operators is than networkx's.

    Args:
        repeats: How often ours are measured; the middle counts. The rival is measured twice.
    """
    two, four = two_tiers(_OPS, _SEED), many_tiers(_OPS, _TIERS, _SEED)
    large = two_tiers(_LARGE, _SEED)
    ours_ns = _middle_ns(lambda: best_cut(two), repeats)
    four_ns = _middle_ns(lambda: best_placement(four), max(3, repeats // 4))
    large_ns = _middle_ns(lambda: best_cut(large), max(3, repeats // 4))
    rival_ns, reduced_ns = _rival_ns(textbook(two)), _rival_ns(reduced(two))
    hard = two_tiers(_OPS, _SEED, up_ns=_QUICK_LINK_NS, cloud_ns=_SLOW_CLOUD_NS)
    hard_ns, hard_rival_ns = _middle_ns(lambda: best_cut(hard), repeats), _rival_ns(textbook(hard))
    hard_reduced_ns = _rival_ns(reduced(hard))
    return Figure(
        name="planner",
        what=f"the best cut of {_OPS} operators in two, the network's making included",
        rival="networkx.minimum_cut on the same graph's textbook network, made beforehand",
        ratio=rival_ns / ours_ns,
        aim=AIM,
        more=True,
        values={
            "two_tiers_ms": ours_ns / _MS,
            "networkx_ms": rival_ns / _MS,
            "networkx_reduced_ms": reduced_ns / _MS,
            "reduced_ratio": reduced_ns / ours_ns,
            "four_tiers_ms": four_ns / _MS,
            "two_tiers_2000_ms": large_ns / _MS,
            "hard_ms": hard_ns / _MS,
            "hard_networkx_ms": hard_rival_ns / _MS,
            "hard_ratio": hard_rival_ns / hard_ns,
            "hard_networkx_reduced_ms": hard_reduced_ns / _MS,
            "hard_reduced_ratio": hard_reduced_ns / hard_ns,
        },
        lines=(
            f"{_OPS} operators, two tiers   {ours_ns / _MS:8.2f} ms (aim {TWO_MS:g})",
            f"the same, networkx          {rival_ns / _MS:8.2f} ms",
            f"networkx on what ours cuts  {reduced_ns / _MS:8.2f} ms",
            f"a link as quick as a layer  {hard_ns / _MS:8.2f} ms",
            f"the same, networkx          {hard_rival_ns / _MS:8.2f} ms",
            f"networkx on what ours cuts  {hard_reduced_ns / _MS:8.2f} ms",
            f"{_OPS} operators, four tiers  {four_ns / _MS:8.2f} ms (aim {FOUR_MS:g})",
            f"{_LARGE} operators, two tiers  {large_ns / _MS:8.2f} ms (aim {LARGE_MS:g})",
        ),
    )


def _reads(operators: int, dice: random.Random) -> list[list[int]]:
    """Who reads each tensor: a chain with short-cuts, as residual networks have them."""
    reads: list[list[int]] = [[] for _ in range(operators + 1)]
    for v in range(operators):
        reads[v].append(v)
        if v > 4 and dice.random() < 0.3:  # noqa: PLR2004 - far enough for the longest short-cut
            reads[v - dice.randint(1, 4)].append(v)
    return [sorted(set(readers)) for readers in reads]


def two_tiers(
    operators: int,
    seed: int,
    *,
    up_ns: tuple[int, int] = (100_000, 9_000_000),
    cloud_ns: tuple[int, int] = (200, 6_000),
) -> CutProblem:
    """A random network between car and cloud; times as accelerators and links have them.

    Args:
        operators: How many.
        seed: Of the draws.
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
            for place, readers in enumerate(_reads(operators, dice))
        ),
        edge_post_ns=200_000,
        cloud_post_ns=500_000,
    )


def many_tiers(operators: int, tiers: int, seed: int) -> TierProblem:
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
            for place, readers in enumerate(_reads(operators, dice))
        ),
        post_ns=tuple(dice.randint(1_000, 90_000) for _ in range(tiers)),
        least={},
        most={},
    )


Network = tuple[nx.DiGraph, int, int]
"""A network for networkx, with its source and its sink."""


def textbook(problem: CutProblem) -> Network:
    """The network of the textbook: nothing reduced, both costs of every operator on its arcs.

    For problems without pins and groups.
    """
    count = len(problem.edge_ns)
    post, source, sink = count, count + 1, count + 2
    arcs: dict[tuple[int, int], int | None] = {}
    here = (*problem.edge_ns, problem.edge_post_ns)
    for node, (edge, cloud) in enumerate(
        zip(here, (*problem.cloud_ns, problem.cloud_post_ns), strict=True)
    ):
        arcs[source, node], arcs[node, sink] = cloud, edge
    for place, tensor in enumerate(problem.tensors):
        maker = source if tensor.producer is None else tensor.producer
        upload = count + 3 + place
        arcs[maker, upload] = tensor.up_ns
        for reader in (*tensor.consumers, *((post,) if tensor.delivered else ())):
            arcs[upload, reader] = None
            if maker != source:
                arcs[reader, maker] = None
    return _drawn(arcs), source, sink


def reduced(problem: CutProblem) -> Network:
    """The network that ours solves, as it has reduced it."""
    network = network_of(problem)
    assert network is not None, "no pins"
    return _drawn(network.arcs), network.source, network.sink


def _drawn(arcs: Mapping[tuple[int, int], int | None]) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from({node for arc in arcs for node in arc})
    for (tail, head), capacity in arcs.items():
        if capacity is None:
            graph.add_edge(tail, head)  # no capacity is an endless one
        else:
            graph.add_edge(tail, head, capacity=capacity)
    return graph


def _rival_ns(network: Network) -> float:
    graph, source, sink = network
    return _middle_ns(lambda: nx.minimum_cut(graph, source, sink), 2)


def _middle_ns(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        began_ns = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - began_ns)
    return median(times)
