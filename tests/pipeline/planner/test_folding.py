"""Folding of operators between two neighbours, against every assignment of sides."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner import CutProblem, CutTensor, best_cut
from pipeline.planner._folding import Foldable
from pipeline.planner._network import network_of
from pipeline.planner._search import cost_ns
from pipeline.planner._stretches import stretches_of

NEAR, FAR = 0, 1
COSTS = st.integers(0, 12)
Tensors = list[tuple[int, set[int], int]]


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[int], list[int], Tensors]:
    """Costs here and there of up to six nodes behind two ends, and tensors that lead forward."""
    count = draw(st.integers(3, 8))
    costs = st.lists(COSTS, min_size=count, max_size=count)
    tensors: Tensors = []
    for _ in range(draw(st.integers(1, 9))):
        maker = draw(st.sampled_from((NEAR, *range(2, count))))
        later = [FAR, *range(max(maker + 1, 2), count)]
        readers = draw(st.sets(st.sampled_from(later), min_size=1, max_size=2))
        tensors.append((maker, readers, draw(COSTS)))
    return draw(costs), draw(costs), tensors


def cost(here: list[int], there: list[int], tensors: Tensors, far: set[int]) -> int | None:
    """What an assignment costs; None where something would come back."""
    total = sum((there if node in far else here)[node] for node in range(len(here)))
    for maker, readers, up_ns in tensors:
        if maker in far:
            if not readers <= far:
                return None
        elif readers & far:
            total += up_ns
    return total


def all_far_sets(count: int) -> list[set[int]]:
    """Every assignment of nodes to sides, the two ends on theirs."""
    return [
        {FAR, *(node for node, is_far in enumerate(sides, start=2) if is_far)}
        for sides in product((False, True), repeat=count - 2)
    ]


@settings(deadline=None, max_examples=250)
@given(networks(), st.sets(st.integers(2, 7), max_size=2))
def test_folding_changes_no_minimum_and_no_sides(
    network: tuple[list[int], list[int], Tensors], keep: set[int]
) -> None:
    """What is left has the minimum of all, and what was folded follows: most on the car."""
    here, there, tensors = network
    folded = Foldable(NEAR, FAR, here, there)
    for maker, readers, up_ns in tensors:
        folded.add(maker, readers, up_ns)
    folded.fold(range(2, len(here)), keep)
    gone = {fold.node for fold in folded.folds}
    assert not gone & keep
    left: Tensors = [
        (maker, {reader}, up_ns)
        for maker, read in enumerate(folded.readers)
        for reader, up_ns in read.items()
    ]
    left += [(tensor.maker, tensor.readers, tensor.up_ns) for tensor in folded.shared]
    left += [(one, {other}, 0) for one, other in folded.orders]
    assert not any(gone & {maker, *readers} for maker, readers, _ in left)
    everything = {
        frozenset(far): value
        for far in all_far_sets(len(here))
        if (value := cost(here, there, tensors, far)) is not None
    }
    rest = {
        frozenset(far): value
        for far in all_far_sets(len(here))
        if not far & gone and (value := cost(folded.here, folded.there, left, far)) is not None
    }
    best = min(everything.values())
    assert folded.spent_ns + min(rest.values()) == best
    smallest = min(rest.values())
    _, least = min((len(far), sorted(far)) for far, value in rest.items() if value == smallest)
    found = set(least)
    for fold in reversed(folded.folds):
        if fold.is_far(found):
            found.add(fold.node)
    assert everything[frozenset(found)] == best
    assert all(found <= far for far, value in everything.items() if value == best)


def branches(costs: list[int]) -> CutProblem:
    """Two branches of three operators between two, one more behind; no tensor has two readers."""
    reads = ((None, 0), (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6), (3, 7), (6, 7), (7, 8))
    return CutProblem(
        edge_ns=tuple(costs[:9]),
        cloud_ns=tuple(costs[9:18]),
        tensors=(
            *(
                CutTensor(name=f"t{k}", producer=maker, consumers=(reader,), up_ns=costs[18 + k])
                for k, (maker, reader) in enumerate(reads)
            ),
            CutTensor(name="out", producer=8, consumers=(), up_ns=costs[28], delivered=True),
        ),
        edge_post_ns=3,
        cloud_post_ns=5,
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 90), min_size=29, max_size=29))
def test_branches_without_shared_tensors_fold_to_nothing(costs: list[int]) -> None:
    """Nothing is left to cut between the two ends, whatever things cost."""
    problem = branches(costs)
    stretches = stretches_of(problem)
    assert stretches.order.pivots[stretches.open].tolist() == [0]
    network = network_of(problem, stretches, 0, limit_ns=10**6)
    assert network is not None
    assert not network.arcs
    cut = best_cut(problem)
    assert cut is not None
    head = network.head({network.sink})
    assert cut.objective_ns <= network.base_ns == cost_ns(problem, head)
