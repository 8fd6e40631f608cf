"""What is decided before a minimum cut, each step against every head there is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner import CutProblem, CutTensor, best_cut, best_split, prefix_costs
from pipeline.planner._flow import minimum_cut
from pipeline.planner._network import Pins, network_of
from pipeline.planner._order import finals, firsts, order_of
from pipeline.planner._search import cost_ns
from pipeline.planner._stretches import stretches_of

COSTS = st.integers(0, 20)


@st.composite
def problems(
    draw: st.DrawFn, *, bars: bool = True, costs: st.SearchStrategy[int] = COSTS
) -> CutProblem:
    """Networks of up to seven operators: some read nothing, some make nothing that is read."""
    count = draw(st.integers(1, 7))
    near = draw(
        st.sampled_from((2, 3, 8))
    )  # how far back an operator reads: the less, the more pivots
    makers: list[int | None] = [None]
    readers: list[set[int]] = [set()]
    for operator in range(count):
        back = range(max(0, len(makers) - near), len(makers))
        for place in draw(st.sets(st.sampled_from(back), max_size=3)):
            readers[place].add(operator)
        for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
            makers.append(operator)
            readers.append(set())
    ups = st.one_of(costs, st.none()) if bars else costs
    operators = st.integers(0, count - 1)
    pins = st.frozensets(operators, max_size=1) if bars else st.just(frozenset[int]())
    group = st.lists(operators, min_size=1, max_size=3, unique=True).map(tuple)
    return CutProblem(
        edge_ns=tuple(draw(st.lists(costs, min_size=count, max_size=count))),
        cloud_ns=tuple(draw(st.lists(costs, min_size=count, max_size=count))),
        tensors=tuple(
            CutTensor(
                name=f"t{place}",
                producer=maker,
                consumers=tuple(sorted(read)),
                up_ns=draw(ups),
                delivered=maker is not None and draw(st.integers(0, 2 if read else 1)) == 0,
            )
            for place, (maker, read) in enumerate(zip(makers, readers, strict=True))
        ),
        edge_post_ns=draw(costs),
        cloud_post_ns=draw(costs),
        on_edge=draw(pins),
        on_cloud=draw(pins),
        together=tuple(draw(st.lists(group, max_size=1))) if bars else (),
    )


def heads_of(problem: CutProblem) -> dict[frozenset[int], int]:
    """Every head that leaves an operator to the cloud and is allowed, with the sum of its costs."""
    count = len(problem.edge_ns)
    found = {}
    for bits in range(2**count - 1):
        head = frozenset(v for v in range(count) if bits >> v & 1)
        cost = problem.cloud_post_ns + sum(
            (problem.edge_ns if v in head else problem.cloud_ns)[v] for v in range(count)
        )
        allowed = problem.on_edge <= head and not problem.on_cloud & head
        allowed &= all(len({v in head for v in group}) == 1 for group in problem.together)
        for tensor in problem.tensors:
            here = tensor.producer is None or tensor.producer in head
            if not here:
                allowed &= head.isdisjoint(tensor.consumers)
            elif tensor.delivered or not head.issuperset(tensor.consumers):
                allowed &= tensor.up_ns is not None
                cost += tensor.up_ns or 0
        if allowed:
            found[head] = cost
    return found


def descendants(problem: CutProblem) -> list[set[int]]:
    """All operators that each one leads to."""
    found: list[set[int]] = [set() for _ in problem.edge_ns]
    for operator in reversed(range(len(found))):
        for tensor in problem.tensors:
            if tensor.producer == operator:
                for reader in tensor.consumers:
                    found[operator] |= {reader} | found[reader]
    return found


@settings(deadline=None, max_examples=150)
@given(problems())
def test_pivots_are_what_all_others_lead_to_or_come_from(problem: CutProblem) -> None:
    """By every way through the network."""
    after = descendants(problem)
    count = len(problem.edge_ns)
    wanted = [
        v
        for v in range(count)
        if all(v in after[other] or other in after[v] for other in range(count) if other != v)
    ]
    assert order_of(problem.tensors, count).pivots.tolist() == [-1, *wanted, count]


@settings(deadline=None, max_examples=100)
@given(problems(), st.data())
def test_first_and_last_operators_of_a_set_depend_on_no_other(
    problem: CutProblem, data: st.DataObject
) -> None:
    """By every way through the network."""
    after = descendants(problem)
    count = len(problem.edge_ns)
    order = order_of(problem.tensors, count)
    chosen = data.draw(st.sets(st.integers(0, count - 1)))
    assert firsts(order, chosen) == sorted(
        v for v in chosen if not any(v in after[other] for other in chosen)
    )
    assert finals(order, chosen) == sorted(v for v in chosen if not after[v] & chosen)


@settings(deadline=None, max_examples=200)
@given(problems())
def test_no_head_costs_less_than_the_stretch_it_ends_in(problem: CutProblem) -> None:
    """Every head is all up to one pivot, nothing from the next on, and some of the stretch."""
    costs = stretches_of(problem)
    pivots = costs.order.pivots.tolist()
    least = dict(zip(costs.open.tolist(), costs.least_ns.tolist(), strict=True))
    floor = dict(zip(costs.open.tolist(), costs.floor_ns.tolist(), strict=True))
    heads = heads_of(problem)
    for head, cost in heads.items():
        ends = max(place for place, pivot in enumerate(pivots[:-1]) if pivot in {-1, *head})
        assert set(range(pivots[ends] + 1)) <= head <= set(range(pivots[ends + 1]))
        if ends in least:
            assert floor[ends] <= least[ends] <= cost
        else:
            assert head == frozenset(range(pivots[ends] + 1))
    for length, cost in enumerate(costs.prefix_ns.tolist()[:-1]):
        known = heads.get(frozenset(range(length)))
        assert cost == known if known is not None else cost >= costs.barred_ns


@settings(deadline=None, max_examples=200)
@given(problems(), st.integers(-3, 25), st.data())
def test_a_stretch_s_network_keeps_every_head_within_the_bound(
    problem: CutProblem, spare_ns: int, data: st.DataObject
) -> None:
    """What is folded, forced and drawn together loses no minimum: of equals the largest head."""
    costs = stretches_of(problem)
    count = len(problem.edge_ns)
    for at, place in enumerate(costs.open.tolist()):
        after, before = costs.order.pivots[place : place + 2].tolist()
        within = st.one_of(st.none(), st.integers(after + 1, before - 1))
        pins = Pins(on_edge=data.draw(within), on_cloud=data.draw(within))
        whole = frozenset(range(count))
        heads = {
            head: cost
            for head, cost in heads_of(problem).items()
            if set(range(after + 1)) <= head <= set(range(before))
            and (pins.on_edge is None or pins.on_edge in head)
            and pins.on_cloud not in head
        }
        if not heads:
            continue
        best = min(heads.values())
        limit = best + spare_ns
        network = network_of(problem, costs, at, limit_ns=limit, pins=pins)
        if network is None:
            assert spare_ns < 0
            continue
        cut = minimum_cut(
            network.arcs, nodes=network.nodes, source=network.source, sink=network.sink
        )
        if cut is None:
            assert spare_ns < 0
            continue
        head = network.head(cut.far)
        assert network.cost_ns(cut.far) == heads.get(head, cost_ns(problem, whole))
        if spare_ns < 0:
            assert head == whole or heads[head] > limit
        elif head != whole:  # which is none of the heads, and may cost as little
            assert heads[head] == best
            assert all(other <= head for other, cost in heads.items() if cost == best)
        else:
            assert cost_ns(problem, whole) <= best


@settings(deadline=None, max_examples=250)
@given(problems())
def test_the_best_cut_is_the_smallest_of_all_heads(problem: CutProblem) -> None:
    """With operators that read nothing or lead nowhere; the car wins ties."""
    heads = heads_of(problem)
    home = None if problem.on_cloud else sum(problem.edge_ns) + problem.edge_post_ns
    best = min(heads.values(), default=None)
    cut = best_cut(problem)
    if best is None and home is None:
        assert cut is None
        return
    assert cut is not None
    assert cut.unit_ns == 1
    if home is not None and (best is None or home <= best):
        assert (len(cut.head), cut.objective_ns) == (len(problem.edge_ns), home)
    else:
        assert cut.objective_ns == best == heads[cut.head]


def test_where_all_together_ties_the_largest_route_wins() -> None:
    """All on the car but post-processing is no route: of what is left the largest is taken."""
    tensors = (
        CutTensor(name="in", producer=None, consumers=(0, 1), up_ns=1),
        CutTensor(name="one", producer=0, consumers=(), up_ns=0, delivered=True),
        CutTensor(name="other", producer=1, consumers=(), up_ns=0, delivered=True),
    )
    cut = best_cut(CutProblem(edge_ns=(0, 1), cloud_ns=(0, 0), tensors=tensors, edge_post_ns=1))
    assert cut is not None
    assert (cut.head, cut.objective_ns) == (frozenset({0}), 1)


@settings(deadline=None, max_examples=250)
@given(problems(bars=False, costs=st.integers(0, 2)))
def test_of_heads_that_cost_the_same_the_largest_is_taken(problem: CutProblem) -> None:
    """Costs are so small that many tie; where that is all together it is no route."""
    heads = heads_of(problem)
    home = sum(problem.edge_ns) + problem.edge_post_ns
    best = min(heads.values(), default=home)
    largest = frozenset[int]().union(*(head for head, cost in heads.items() if cost == best))
    cut = best_cut(problem)
    assert cut is not None
    if best < home and len(largest) < len(problem.edge_ns):
        assert cut.head == largest


def test_a_tensor_that_crosses_for_certain_is_not_counted_twice() -> None:
    """All of a stretch reads what its end reads as well: nothing else need cross."""
    tensors = (
        CutTensor(name="in", producer=None, consumers=(0,), up_ns=90),
        CutTensor(name="a", producer=0, consumers=(1, 2, 3), up_ns=50),
        CutTensor(name="b", producer=1, consumers=(3,), up_ns=50),
        CutTensor(name="c", producer=2, consumers=(3,), up_ns=50),
        CutTensor(name="out", producer=3, consumers=(), up_ns=90, delivered=True),
    )
    problem = CutProblem(edge_ns=(1, 9, 9, 9), cloud_ns=(9, 1, 1, 1), tensors=tensors)
    costs = stretches_of(problem)
    assert costs.order.pivots.tolist() == [-1, 0, 3, 4]
    assert costs.least_ns.tolist() == costs.floor_ns.tolist() == [1 + 50 + 3]
    assert heads_of(problem)[frozenset({0})] == 54


@settings(deadline=None, max_examples=150)
@given(problems(), st.data())
def test_the_best_split_is_the_smallest_with_weight_on_each_side(
    problem: CutProblem, data: st.DataObject
) -> None:
    """Whatever operators have weight."""
    count = len(problem.edge_ns)
    heavy = data.draw(st.sets(st.integers(0, count - 1)))
    costs = [c for head, c in heads_of(problem).items() if heavy & head and heavy - head]
    split = best_split(problem, heavy)
    assert (None if split is None else split.objective_ns) == min(costs, default=None)
    if split is not None:
        assert heavy & split.head
        assert heavy - split.head


@settings(deadline=None, max_examples=50)
@given(problems(), problems(bars=False))
def test_an_order_serves_all_costs_of_its_network(problem: CutProblem, other: CutProblem) -> None:
    """The order is found once; other costs, pins and crossings give what they give without it."""
    count = len(problem.edge_ns)
    order = order_of(problem.tensors, count)
    costs = (other.edge_ns * count)[:count]
    changed = replace(
        problem,
        edge_ns=costs,
        on_edge=frozenset(),
        tensors=tuple(replace(t, up_ns=costs[k % count]) for k, t in enumerate(problem.tensors)),
    )
    heavy = range(0, count, 2)
    for each in (problem, changed):
        assert best_cut(each, order=order) == best_cut(each)
        assert best_split(each, heavy, order=order) == best_split(each, heavy)


def chain_with_shortcuts(operators: int) -> CutProblem:
    """Every operator reads the one before it, every fifth the one three before as well."""
    read: list[set[int]] = [{v} if v < operators else set() for v in range(operators + 1)]
    for v in range(5, operators, 5):
        read[v - 3].add(v)
    return CutProblem(
        edge_ns=tuple(v * 7 % 50 for v in range(operators)),
        cloud_ns=tuple(v * 3 % 40 for v in range(operators)),
        tensors=tuple(
            CutTensor(
                name=f"t{place}",
                producer=place - 1 if place else None,
                consumers=tuple(sorted(readers)),
                up_ns=place * 11 % 97,
                delivered=not readers,
            )
            for place, readers in enumerate(read)
        ),
    )


def test_a_chain_with_shortcuts_has_no_heads_but_prefixes() -> None:
    """All its operators are pivots, so that no minimum cut is needed."""
    problem = chain_with_shortcuts(40)
    order = order_of(problem.tensors, 40)
    assert all(later - earlier == 1 for earlier, later in pairwise(order.pivots.tolist()))
    cut = best_cut(problem)
    assert cut is not None
    assert cut.objective_ns == min(cost for cost in prefix_costs(problem) if cost is not None)


@pytest.mark.parametrize("factor", [10**9, 10**15, 10**21])
def test_sums_beyond_64_bits_are_exact(factor: int) -> None:
    """Costs of any size give the same head, and the same sum in their unit."""
    small = chain_with_shortcuts(60)
    large = replace(
        small,
        edge_ns=tuple(cost * factor for cost in small.edge_ns),
        cloud_ns=tuple(cost * factor for cost in small.cloud_ns),
        tensors=tuple(replace(t, up_ns=(t.up_ns or 0) * factor) for t in small.tensors),
        edge_post_ns=1,
        cloud_post_ns=1,
    )
    expected, found = best_cut(small), best_cut(large)
    assert expected is not None
    assert found is not None
    assert found.head == expected.head
    assert found.objective_ns == expected.objective_ns * factor + 1


def test_operators_out_of_order_are_refused() -> None:
    """The caller's mistake: the message names both."""
    backwards = CutTensor(name="b", producer=1, consumers=(0,), up_ns=1)
    problem = CutProblem(edge_ns=(1, 1), cloud_ns=(1, 1), tensors=(backwards,))
    with pytest.raises(ValueError, match="operator 0 reads what operator 1 makes"):
        best_cut(problem)


def test_networks_of_next_to_nothing_are_cut() -> None:
    """No operator, and no tensor."""
    nothing = CutProblem(edge_ns=(), cloud_ns=(), tensors=(), edge_post_ns=3, cloud_post_ns=1)
    found = best_cut(nothing)
    assert found is not None
    assert (found.head, found.objective_ns) == (frozenset(), 3)
    assert best_split(nothing, ()) is None
    one = replace(nothing, edge_ns=(5,), cloud_ns=(2,))
    found = best_cut(one)
    assert found is not None
    assert (found.head, found.objective_ns) == (frozenset(), 3)
