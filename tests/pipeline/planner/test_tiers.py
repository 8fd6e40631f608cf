"""Cuts over several tiers, against every placement there is, and against the cut in two."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner import CutProblem, CutTensor, best_cut
from pipeline.planner._tier_search import begins_of
from pipeline.planner.tiers import Placement, TierProblem, TierTensor, best_placement, cost_of


def made(
    seed: int, *, operators: int, tiers: int, bars: bool = False, back: int = 99
) -> TierProblem:
    """A random network: each operator reads one to three of so many tensors right before it."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    reads: list[list[int]] = [[] for _ in range(operators + 1)]
    for v in range(operators):
        before = range(max(0, v + 1 - back), v + 1)
        for tensor in dice.sample(before, k=min(len(before), dice.randint(1, 3))):
            reads[tensor].append(v)

    def crossing() -> tuple[int | None, ...]:
        return tuple(
            None if bars and dice.random() < 0.15 else dice.randint(0, 60) for _ in range(tiers - 1)
        )

    return TierProblem(
        costs_ns=tuple(
            tuple(
                None if bars and dice.random() < 0.15 else dice.randint(0, 50) for _ in range(tiers)
            )
            for _ in range(operators)
        ),
        tensors=tuple(
            TierTensor(
                name=f"t{place}",
                producer=None if place == 0 else place - 1,
                consumers=tuple(readers),
                crossing_ns=crossing(),
                delivered=not readers,
            )
            for place, readers in enumerate(reads)
        ),
        post_ns=tuple(dice.randint(0, 80) for _ in range(tiers)),
        least={},
        most={},
    )


def brute(problem: TierProblem) -> int | None:
    """The smallest sum over all placements, each priced tensor by tensor."""
    tiers = range(problem.tiers)
    costs = (
        cost_of(problem, places[:-1], places[-1])
        for places in product(tiers, repeat=len(problem.costs_ns) + 1)
    )
    return min((cost for cost in costs if cost is not None), default=None)


def checked(problem: TierProblem) -> Placement | None:
    """The answer, after a look at what it says of itself."""
    found = best_placement(problem)
    if found is not None:
        assert found.objective_ns == cost_of(problem, found.tiers, found.post)
        assert found.unit_ns == 1
    return found


@given(
    seed=st.integers(0, 10**6),
    operators=st.integers(1, 6),
    tiers=st.integers(1, 4),
    bars=st.booleans(),
)
@settings(deadline=None, max_examples=120)
def test_no_placement_is_better(seed: int, operators: int, tiers: int, *, bars: bool) -> None:
    """Over every placement of small networks, with barred tiers and crossings as without."""
    problem = made(seed, operators=min(operators, 6 if tiers < 4 else 5), tiers=tiers, bars=bars)
    found = checked(problem)
    assert (None if found is None else found.objective_ns) == brute(problem)


@given(seed=st.integers(0, 10**6), operators=st.integers(2, 5))
@settings(deadline=None, max_examples=60)
def test_pins_and_groups_hold(seed: int, operators: int) -> None:
    """An operator kept on, or from, a tier, and two that stay together."""
    problem = replace(
        made(seed, operators=operators, tiers=3),
        least={operators - 1: 1},
        most={0: 1},
        together=((0, 1),),
    )
    found = checked(problem)
    assert (None if found is None else found.objective_ns) == brute(problem)
    if found is not None:
        assert found.tiers[-1] >= 1 >= found.tiers[0] == found.tiers[1]


@given(seed=st.integers(0, 10**6), operators=st.integers(1, 12))
@settings(deadline=None, max_examples=60)
def test_two_tiers_are_the_cut_in_two(seed: int, operators: int) -> None:
    """The same optimum as car and cloud, but for post-processing behind the link alone."""
    problem = made(seed, operators=operators, tiers=2)
    post_ns = (0, 10**6)  # so that nobody sends just the outputs
    found = checked(replace(problem, post_ns=post_ns))
    two = CutProblem(
        edge_ns=tuple(row[0] or 0 for row in problem.costs_ns),
        cloud_ns=tuple(row[1] or 0 for row in problem.costs_ns),
        tensors=tuple(
            CutTensor(
                name=t.name,
                producer=t.producer,
                consumers=t.consumers,
                up_ns=t.crossing_ns[0],
                delivered=t.delivered,
            )
            for t in problem.tensors
        ),
        edge_post_ns=post_ns[0],
        cloud_post_ns=post_ns[1],
    )
    cut = best_cut(two)
    assert found is not None
    assert cut is not None
    assert found.objective_ns == cut.objective_ns


@given(
    seed=st.integers(0, 10**6),
    operators=st.integers(1, 5),
    tiers=st.integers(2, 4),
    back=st.sampled_from((2, 3, 99)),
    bars=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_no_placement_as_good_begins_where_it_is_ruled_out(
    seed: int, operators: int, tiers: int, back: int, *, bars: bool
) -> None:
    """Over every placement that costs no more than the best one behind prefixes."""
    problem = made(seed, operators=operators, tiers=tiers, back=back, bars=bars)
    problem = replace(problem, together=((0, operators - 1),) if seed % 5 == 0 else ())
    begins = begins_of(problem)
    pivots = begins.order.pivots.tolist()
    best_behind_prefixes: int | None = None
    for places in product(range(tiers), repeat=operators + 1):
        cost = cost_of(problem, places[:-1], places[-1])
        if cost is None:
            continue
        heads = [{v for v, tier in enumerate(places) if tier < stage} for stage in range(1, tiers)]
        if all(head == set(range(len(head))) for head in heads):
            best_behind_prefixes = min(cost, best_behind_prefixes or cost)
        if cost > begins.limit_ns:
            continue
        for head, possible in zip(heads, begins.possible.tolist(), strict=True):
            ends = max(k for k, pivot in enumerate(pivots[:-1]) if pivot in {-1, *head})
            assert head <= set(range(pivots[ends + 1]))
            assert possible[ends]
    assert (begins.prefix is None) == (best_behind_prefixes is None)
    if best_behind_prefixes is not None:
        assert begins.limit_ns == best_behind_prefixes
    if begins.settled:
        found = best_placement(problem)
        assert (None if found is None else found.objective_ns) == best_behind_prefixes


@given(
    seed=st.integers(0, 10**6),
    operators=st.integers(1, 5),
    tiers=st.integers(2, 4),
    back=st.sampled_from((2, 3)),
)
@settings(deadline=None, max_examples=100)
def test_of_equal_placements_the_furthest_is_taken(
    seed: int, operators: int, tiers: int, back: int
) -> None:
    """No operator of one that costs as little is on a later tier; costs are small, so many tie."""
    problem = made(seed, operators=operators, tiers=tiers, back=back)
    problem = replace(
        problem,
        costs_ns=tuple(tuple(cost and cost % 3 for cost in row) for row in problem.costs_ns),
        tensors=tuple(
            replace(t, crossing_ns=tuple(c and c % 3 for c in t.crossing_ns))
            for t in problem.tensors
        ),
        post_ns=tuple(cost and cost % 3 for cost in problem.post_ns),
    )
    found = checked(problem)
    assert found is not None
    for places in product(range(tiers), repeat=operators + 1):
        if cost_of(problem, places[:-1], places[-1]) == found.objective_ns:
            assert all(a <= b for a, b in zip(places, (*found.tiers, found.post), strict=True))


def test_a_chain_of_500_operators_is_placed_without_a_minimum_cut() -> None:
    """All its operators are pivots; the placement is that of a plain sweep over two boundaries."""
    problem = made(3, operators=500, tiers=3, back=1)
    assert begins_of(problem).settled
    found = checked(problem)
    assert found is not None
    costs = [*problem.costs_ns, problem.post_ns]
    ups = [t.crossing_ns for t in problem.tensors]
    best: list[int] = [0, 10**9, 10**9]  # cost so far, by the tier of the last operator
    for place, row in enumerate(costs):
        for tier in (2, 1, 0):
            came = [
                best[before] + sum(up or 0 for up in ups[place][before:tier])
                for before in range(tier + 1)
            ]
            best[tier] = min(came) + (row[tier] or 0)
    assert found.objective_ns == min(best)


def test_costs_of_the_wrong_length_are_refused() -> None:
    """The caller's mistake."""
    problem = made(1, operators=2, tiers=3)
    with pytest.raises(ValueError, match="3 tiers"):
        best_placement(replace(problem, costs_ns=((1, 2), (1, 2, 3))))
    tensors = (replace(problem.tensors[0], crossing_ns=(1,)), *problem.tensors[1:])
    with pytest.raises(ValueError, match="2 boundaries"):
        best_placement(replace(problem, tensors=tensors))


def walked(problem: TierProblem, tiers: tuple[int, ...], post: int) -> int | None:
    """A placement as a frame goes it: tier by tier, with a move of all that is needed beyond.

    None where it is barred, or would have to come back.
    """
    total = 0
    at_hand = {place for place, tensor in enumerate(problem.tensors) if tensor.producer is None}
    for tier in range(problem.tiers):
        for v, row in enumerate(problem.costs_ns):
            if tiers[v] != tier:
                continue
            cost = row[tier]
            reads = {p for p, tensor in enumerate(problem.tensors) if v in tensor.consumers}
            if cost is None or not reads <= at_hand:
                return None
            total += cost
            at_hand |= {p for p, tensor in enumerate(problem.tensors) if tensor.producer == v}
        if tier == post:
            if any(t.delivered and p not in at_hand for p, t in enumerate(problem.tensors)):
                return None
            own = problem.post_ns[tier]
            if own is None or any(later > tier for later in tiers):
                return None
            return total + own
        beyond = set()
        for place, tensor in enumerate(problem.tensors):
            later = any(tiers[v] > tier for v in tensor.consumers)
            if place in at_hand and (later or tensor.delivered):
                beyond.add(place)
                crossing = tensor.crossing_ns[tier]
                if crossing is None:
                    return None
                total += crossing
        at_hand = beyond
    return None


def assert_no_walk_is_shorter(seed: int) -> None:
    """Against every placement of a random network, each walked."""
    problem = made(seed, operators=1 + seed % 5, tiers=2 + seed % 2, bars=seed % 3 == 0)
    found = best_placement(problem)
    walks = [
        walked(problem, places[:-1], places[-1])
        for places in product(range(problem.tiers), repeat=len(problem.costs_ns) + 1)
    ]
    best = min((walk for walk in walks if walk is not None), default=None)
    assert (None if found is None else found.objective_ns) == best, seed
    if found is not None:
        assert walked(problem, found.tiers, found.post) == best


def test_two_hundred_networks_are_walked_no_quicker() -> None:
    """Each placement as a graph of steps."""
    for seed in range(200):
        assert_no_walk_is_shorter(seed)


@pytest.mark.slow
def test_two_thousand_networks_are_walked_no_quicker() -> None:
    """Others than the two hundred."""
    for seed in range(1_000, 3_000):
        assert_no_walk_is_shorter(seed)
