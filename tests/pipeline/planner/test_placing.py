"""Devices beside each other, against every choice there is."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner.placing import Handed, PlacingProblem, best_placing, cost_of


def made(seed: int, *, operators: int, devices: int, bars: bool) -> PlacingProblem:
    """A random network on devices with arbitrary pair costs."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    reads: list[list[int]] = [[] for _ in range(operators + 1)]
    for v in range(operators):
        for tensor in dice.sample(range(v + 1), k=min(v + 1, dice.randint(1, 2))):
            reads[tensor].append(v)

    def cost(most: int) -> int | None:
        return None if bars and dice.random() < 0.2 else dice.randint(0, most)

    return PlacingProblem(
        costs_ns=tuple(tuple(cost(50) for _ in range(devices)) for _ in range(operators)),
        tensors=tuple(
            Handed(
                producer=None if place == 0 else place - 1,
                consumers=tuple(readers),
                cost_ns=tuple(
                    tuple(0 if here == there else cost(40) for there in range(devices))
                    for here in range(devices)
                ),
                delivered=not readers,
            )
            for place, readers in enumerate(reads)
        ),
        door=dice.randrange(devices),
    )


@given(
    seed=st.integers(0, 10**6),
    operators=st.integers(1, 6),
    devices=st.integers(1, 3),
    bars=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_no_choice_is_better(seed: int, operators: int, devices: int, *, bars: bool) -> None:
    """Over every choice of small networks, back and forth between devices included."""
    problem = made(seed, operators=operators, devices=devices, bars=bars)
    costs = (cost_of(problem, c) for c in product(range(devices), repeat=operators))
    best = min((cost for cost in costs if cost is not None), default=None)
    found = best_placing(problem)
    assert (None if found is None else found.objective_ns) == best
    if found is not None:
        assert found.gap == 0.0
        assert found.objective_ns == cost_of(problem, found.devices)


def test_a_layer_goes_where_it_is_quick_and_comes_back() -> None:
    """Out to the memory that computes and home again, where the ways are worth it."""
    way = ((0, 5), (5, 0))
    problem = PlacingProblem(
        costs_ns=((10, 500), (1_000, 20), (10, 500)),
        tensors=(
            Handed(producer=None, consumers=(0,), cost_ns=way),
            Handed(producer=0, consumers=(1,), cost_ns=way),
            Handed(producer=1, consumers=(2,), cost_ns=way),
            Handed(producer=2, consumers=(), cost_ns=way, delivered=True),
        ),
    )
    found = best_placing(problem)
    assert found is not None
    assert found.devices == (0, 1, 0)
    assert found.objective_ns == 10 + 5 + 20 + 5 + 10
    dear = ((0, 600), (600, 0))
    stays = best_placing(
        replace(problem, tensors=tuple(replace(t, cost_ns=dear) for t in problem.tensors))
    )
    assert stays is not None
    assert stays.devices == (0, 0, 0)


def test_a_network_of_nothing_is_placed() -> None:
    """No operator, no cost."""
    found = best_placing(PlacingProblem(costs_ns=(), tensors=()))
    assert found is not None
    assert (found.devices, found.objective_ns) == ((), 0)


def walked(problem: PlacingProblem, devices: tuple[int, ...]) -> int | None:
    """A choice as a frame goes it: each tensor is handed over when it is first read elsewhere."""
    total = 0
    where: dict[int, set[int]] = {}
    for place, tensor in enumerate(problem.tensors):
        home = problem.door if tensor.producer is None else devices[tensor.producer]
        where[place] = {home}
    for v, row in enumerate(problem.costs_ns):
        own = row[devices[v]]
        if own is None:
            return None
        total += own
        for place, tensor in enumerate(problem.tensors):
            if v in tensor.consumers and devices[v] not in where[place]:
                home = problem.door if tensor.producer is None else devices[tensor.producer]
                way = tensor.cost_ns[home][devices[v]]
                if way is None:
                    return None
                total += way
                where[place].add(devices[v])
    for place, tensor in enumerate(problem.tensors):
        if tensor.delivered and problem.door not in where[place]:
            home = problem.door if tensor.producer is None else devices[tensor.producer]
            way = tensor.cost_ns[home][problem.door]
            if way is None:
                return None
            total += way
    return total


def assert_no_walk_is_shorter(seed: int) -> None:
    """Against every choice of a random network, each walked; the gap is zero."""
    problem = made(seed, operators=1 + seed % 5, devices=2 + seed % 2, bars=seed % 3 == 0)
    count = len(problem.costs_ns)
    walks = [walked(problem, c) for c in product(range(problem.devices), repeat=count)]
    best = min((walk for walk in walks if walk is not None), default=None)
    found = best_placing(problem)
    assert (None if found is None else found.objective_ns) == best, seed
    if found is not None:
        assert found.gap == 0.0
        assert walked(problem, found.devices) == best


def test_two_hundred_networks_are_walked_no_quicker() -> None:
    """Each choice as a graph of steps."""
    for seed in range(200):
        assert_no_walk_is_shorter(seed)


@pytest.mark.slow
def test_two_thousand_networks_are_walked_no_quicker() -> None:
    """Others than the two hundred."""
    for seed in range(1_000, 3_000):
        assert_no_walk_is_shorter(seed)
