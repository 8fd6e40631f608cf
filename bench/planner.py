"""Solving cuts: against networkx on the same network, for two tiers and four, small and large.

The rival is networkx's `minimum_cut` (its default, preflow-push), handed a network that is made
beforehand: the textbook's (DADS), a node per operator and per tensor of the same graph and nothing
reduced, for which the aim is stated. Ours starts from the problem and finds all else within the
time that is measured; what it takes where the order of the network was found before is a figure of
its own. To tell the solver from what is done before it, networkx is also handed what of each graph
is left to cut.

The aim is stated for a chain with short-cuts, whose order leaves nothing to cut: a scan of its
prefixes is exact there. A network of the same size that branches stands beside it. Process time is
measured, not wall time, so that other work on the machine does not count.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import networkx as nx

from bench.cut_graphs import many_tiers, two_tiers
from bench.figure import Figure
from pipeline.planner import CutProblem, best_cut, order_of
from pipeline.planner._network import FlowNetwork, network_of
from pipeline.planner._stretches import stretches_of
from pipeline.planner.tiers import best_placement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.cut_graphs import Range
    from pipeline.values import Plain

AIM = 50.0
"""Times quicker than networkx, 500 operators, two tiers, a chain with short-cuts."""

TWO_MS, FOUR_MS, LARGE_MS = 2.0, 20.0, 20.0
"""Aims for a solve: 500 operators on two tiers and on four, 2,000 on two."""

_OPS, _LARGE, _TIERS = 500, 2_000, 4
_SEED, _OTHER_SEEDS = 1, range(2, 9)
# A network in which no crossing is ruled out beforehand: crossings cost what operators do, and
# neither side is the quicker one throughout.
_QUICK_LINK: Mapping[str, Range] = {"up_ns": (10_000, 90_000), "cloud_ns": (200, 60_000)}
_MS = 1e6

_COLUMNS = "   ours order kept  networkx  ratio   least    left  networkx"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A graph, and what its cut takes in ms.

    Attributes:
        name: Beginning of its figures' names.
        what: The graph, in words.
        ours: From the problem to the cut.
        kept: The same where its order was found before.
        rival: What networkx takes on the textbook's network.
        least: The smallest ratio of the two over networks drawn with other seeds, and this one.
        left: What networkx takes on what is left to cut.
        arcs: How many arcs that has.
    """

    name: str
    what: str
    ours: float
    kept: float
    rival: float
    least: float
    left: float
    arcs: int

    def values(self) -> dict[str, float]:
        """Its figures."""
        name = self.name
        return {
            f"{name}_ms": self.ours,
            f"{name}_order_kept_ms": self.kept,
            f"{name}_networkx_ms": self.rival,
            f"{name}_ratio": self.rival / self.ours,
            f"{name}_least_ratio": self.least,
            f"{name}_left_arcs": self.arcs,
            f"{name}_left_networkx_ms": self.left,
        }

    def line(self) -> str:
        """The same for people."""
        return (
            f"{self.what:<30} {self.ours:7.2f} {self.kept:10.2f} {self.rival:9.2f}"
            f" {self.rival / self.ours:6.0f}x {self.least:6.0f}x {self.arcs:7} {self.left:9.2f}"
        )


def measure(*, repeats: int) -> Figure:
    """How many times quicker a cut of 500 operators is than networkx's.

    Args:
        repeats: How often ours are measured; the middle counts. Of the rival's three the quickest.
    """
    few = max(3, repeats // 4)
    cases = [
        _case(f"{name}{end}", what, _made(branching=branching, costs=costs), repeats)
        for name, branching, first in (
            ("two_tiers", False, "a chain with short-cuts"),
            ("branched", True, "a network that branches"),
        )
        for end, what, costs in (
            ("", first, {}),
            ("_hard", "its link as quick as a layer", _QUICK_LINK),
        )
    ]
    values: dict[str, Plain] = {}
    for case in cases:
        values |= case.values()
    lines = []
    for operators, tiers, name, aim_ms in (
        (_OPS, _TIERS, "four_tiers", FOUR_MS),
        (_LARGE, 2, "two_tiers_2000", LARGE_MS),
    ):
        straight, branched = (
            _longer_ms(operators, tiers, branching=branching, repeats=few)
            for branching in (False, True)
        )
        values |= {f"{name}_ms": straight, f"{name}_branched_ms": branched}
        lines.append(
            f"{operators:5} operators, {tiers} tiers    {straight:7.2f} ms, branching"
            f" {branched:.2f} ms (aim {aim_ms:g})"
        )
    return Figure(
        name="planner",
        what=f"the best cut in two of {_OPS} operators, a chain with short-cuts, from nothing",
        rival="networkx.minimum_cut on the same graph's textbook network, made beforehand",
        ratio=cases[0].rival / cases[0].ours,
        aim=AIM,
        more=True,
        values=values,
        lines=(
            f"{f'{_OPS} operators, 2 tiers, ms':<30} {_COLUMNS}",
            *(case.line() for case in cases),
            (
                f"aim: {TWO_MS:g} ms from nothing; least: of {1 + len(_OTHER_SEEDS)} networks drawn"
                " alike; left: arcs that have to be cut, and networkx on those"
            ),
            *lines,
        ),
    )


def _longer_ms(operators: int, tiers: int, *, branching: bool, repeats: int) -> float:
    """What a larger cut takes, from nothing."""
    if tiers > 2:  # noqa: PLR2004 - two have a solver of their own
        placed = many_tiers(operators, tiers, _SEED, branching=branching)
        return _middle_ns(partial(best_placement, placed), repeats) / _MS
    problem = two_tiers(operators, _SEED, branching=branching)
    return _middle_ns(partial(best_cut, problem), repeats) / _MS


def _made(*, branching: bool, costs: Mapping[str, Range]) -> Callable[[int, int], CutProblem]:
    """Networks by size and seed."""

    def made(operators: int, seed: int) -> CutProblem:
        return two_tiers(operators, seed, branching=branching, **costs)

    return made


def _case(name: str, what: str, made: Callable[[int, int], CutProblem], repeats: int) -> _Case:
    problem = made(_OPS, _SEED)
    order = order_of(problem.tensors, len(problem.edge_ns))
    networks = left(problem)
    ours_ms = _middle_ns(partial(best_cut, problem), repeats) / _MS
    rival_ms = _rival_ns(textbook(problem)) / _MS
    others = [made(_OPS, seed) for seed in _OTHER_SEEDS]
    ratios = [
        _rival_ns(textbook(other)) / _middle_ns(partial(best_cut, other), repeats)
        for other in others
    ]
    return _Case(
        name=name,
        what=what,
        ours=ours_ms,
        kept=_middle_ns(partial(best_cut, problem, order=order), repeats) / _MS,
        rival=rival_ms,
        least=min(rival_ms / ours_ms, *ratios),
        left=sum(map(_rival_ns, map(drawn, networks))) / _MS,
        arcs=sum(len(network.arcs) for network in networks),
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


def left(problem: CutProblem) -> list[FlowNetwork]:
    """What is left to cut where the best cost is known: networks with an arc, of open stretches.

    For problems without pins. Ours may have to cut more on the way, since it knows less then.
    """
    cut = best_cut(problem)
    assert cut is not None, "no pins"
    costs = stretches_of(problem)
    found = []
    for at, least_ns in enumerate(costs.least_ns.tolist()):
        if least_ns <= cut.objective_ns:
            network = network_of(problem, costs, at, limit_ns=cut.objective_ns)
            if network is not None and network.arcs:
                found.append(network)
    return found


def drawn(network: FlowNetwork) -> Network:
    """A network of ours for networkx."""
    graph = _drawn(network.arcs)
    graph.add_nodes_from((network.source, network.sink))
    return graph, network.source, network.sink


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
    # The collector makes some runs take twice as long.
    return min(_times_ns(lambda: nx.minimum_cut(graph, source, sink), 3))


def _middle_ns(work: Callable[[], object], repeats: int) -> float:
    return median(_times_ns(work, repeats))


def _times_ns(work: Callable[[], object], repeats: int) -> list[int]:
    work()
    times = []
    for _ in range(repeats):
        began_ns = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - began_ns)
    return times
