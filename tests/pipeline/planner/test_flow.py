"""Minimum cuts of networks, by both ways of solving them, against networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner._flow import Flow, MinimumCut, capacity_unit, minimum_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

Arcs = dict[tuple[int, int], int | None]

PYTHON, SCIPY = 10**6, 0
"""So many arcs make a small network."""


@st.composite
def networks(draw: st.DrawFn, *, most: int = 10**6) -> Arcs:
    """Flow networks of up to eight nodes, source 0, sink 1, some arcs infinite."""
    count = draw(st.integers(2, 8))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(
        lambda arc: arc[0] != arc[1]
    )
    capacity = st.one_of(st.none(), st.integers(0, most))
    return draw(st.dictionaries(ends, capacity, max_size=20))


def solved(arcs: Arcs, small: int) -> MinimumCut | None:
    """The cut, from node 0 to node 1 of eight."""
    return minimum_cut(arcs, nodes=8, source=0, sink=1, small=small)


def value_of(arcs: Arcs) -> int | None:
    """What networkx's minimum cut costs; None where all are infinite."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(8))
    for (tail, head), capacity in arcs.items():
        if capacity is None:
            graph.add_edge(tail, head)  # no capacity means infinite there
        else:
            graph.add_edge(tail, head, capacity=capacity)
    try:
        return int(nx.minimum_cut_value(graph, 0, 1))
    except nx.NetworkXUnbounded:
        return None


@pytest.mark.parametrize("small", [PYTHON, SCIPY])
@settings(max_examples=200, deadline=None)
@given(arcs=networks())
def test_minimum_cuts_are_those_of_networkx(arcs: Arcs, small: int) -> None:
    """Same value as another solver, and the far side that comes back has that value."""
    value, cut = value_of(arcs), solved(arcs, small)
    if cut is None:
        assert value is None
        return
    crossing = [
        capacity
        for (tail, head), capacity in arcs.items()
        if tail not in cut.far and head in cut.far
    ]
    assert 0 not in cut.far
    assert 1 in cut.far
    assert sum(capacity for capacity in crossing if capacity is not None) == value
    assert None not in crossing


@settings(max_examples=200, deadline=None)
@given(networks(most=3))
def test_both_ways_find_the_smallest_far_side(arcs: Arcs) -> None:
    """Capacities are so small that many cuts cost the same."""
    assert solved(arcs, PYTHON) == solved(arcs, SCIPY)


@settings(max_examples=200, deadline=None)
@given(networks(most=9), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=2))
def test_a_flow_goes_on_with_more_endless_arcs(arcs: Arcs, more: list[tuple[int, int]]) -> None:
    """It finds what a new one finds, and is afterwards as it was."""
    more = [arc for arc in more if arc[0] != arc[1]]
    flow = Flow(arcs, 8)
    before = flow.far(0, 1)
    if before is None:
        return
    for tied in (more, more[:1], []):
        fresh = solved(arcs | dict.fromkeys(tied), PYTHON)
        assert flow.far_with(tied, 0, 1) == (None if fresh is None else fresh.far)
    assert flow.far(0, 1) == before


@settings(max_examples=100, deadline=None)
@given(networks(most=10**30))
def test_a_small_network_is_exact_at_any_capacity(arcs: Arcs) -> None:
    """Python's integers have no end; networkx reckons in them too."""
    value, cut = value_of(arcs), solved(arcs, PYTHON)
    if cut is None:
        assert value is None
        return
    assert cut.unit == 1
    crossing = [c for (t, h), c in arcs.items() if t not in cut.far and h in cut.far]
    assert sum(filter(None, crossing)) == value


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=40))
def test_capacities_fit_int32_in_the_finest_unit(values: list[int]) -> None:
    """One more than the sum stays below 2^30 in the unit, and would not in a finer one."""
    capacities: dict[tuple[int, int], int | None] = {
        (0, place): value for place, value in enumerate(values, start=1)
    }
    unit = capacity_unit(capacities)
    assert list(scaled(values, unit))[-1] < 2**30
    if unit > 1:
        assert list(scaled(values, unit // 10))[-1] >= 2**30


def scaled(values: list[int], unit: int) -> Iterator[int]:
    """Running sums in a unit, from 1, each value to the nearest multiple."""
    total = 1
    yield total
    for value in values:
        total += (value + unit // 2) // unit
        yield total
