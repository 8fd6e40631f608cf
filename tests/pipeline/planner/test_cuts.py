"""The cut solver against routes priced step by step, and against networkx."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import combinations

import networkx as nx
import pytest

from pipeline.planner import Cut, CutProblem, CutTensor, best_cut, best_split, prefix_costs

MS = 1_000_000


def dice_of(seed: int) -> random.Random:
    """A repeatable source of random graphs."""
    return random.Random(seed)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Run:
    """Run one operator on a side."""

    operator: int
    side: str


@dataclass(frozen=True, slots=True)
class Move:
    """Bring one tensor to the cloud."""

    tensor: CutTensor


@dataclass(frozen=True, slots=True)
class Host:
    """Post-process on a side."""

    side: str


Step = Run | Move | Host


def steps_of(problem: CutProblem, head: frozenset[int]) -> list[Step] | None:
    """Write the route of a head as steps, moving what the next step misses where it runs.

    Walks the operators in order and keeps account of which tensor is where; None where a tensor
    that must not cross is needed, or one would have to come back.
    """
    count = len(problem.edge_ns)
    at: dict[str, set[str]] = {
        t.name: {"edge"} if t.producer is None else set() for t in problem.tensors
    }
    steps: list[Step] = []

    def bring(tensor: CutTensor, side: str) -> bool:
        if side in at[tensor.name]:
            return True
        if side == "edge" or tensor.up_ns is None:
            return False
        steps.append(Move(tensor))
        at[tensor.name].add(side)
        return True

    for operator in [*sorted(head), *sorted(set(range(count)) - head)]:
        side = "edge" if operator in head else "cloud"
        if not all(bring(t, side) for t in problem.tensors if operator in t.consumers):
            return None
        steps.append(Run(operator, side))
        for tensor in problem.tensors:
            if tensor.producer == operator:
                at[tensor.name].add(side)
    side = "edge" if len(head) == count else "cloud"
    if not all(bring(tensor, side) for tensor in problem.tensors if tensor.delivered):
        return None
    return [*steps, Host(side)]


def price(problem: CutProblem, steps: list[Step]) -> int:
    """Charge each step as often as it happens."""
    total = 0
    for step in steps:
        match step:
            case Run(operator, "edge"):
                total += problem.edge_ns[operator]
            case Run(operator, _):
                total += problem.cloud_ns[operator]
            case Move(tensor):
                assert tensor.up_ns is not None
                total += tensor.up_ns
            case Host("edge"):
                total += problem.edge_post_ns
            case Host(_):
                total += problem.cloud_post_ns
    return total


def priced_heads(problem: CutProblem) -> dict[frozenset[int], int]:
    """Price of every allowed head."""
    operators = range(len(problem.edge_ns))
    found = {}
    for size in range(len(operators) + 1):
        for chosen in combinations(operators, size):
            head = frozenset(chosen)
            if problem.on_edge - head or problem.on_cloud & head:
                continue
            if any(0 < len(head.intersection(group)) < len(group) for group in problem.together):
                continue
            steps = steps_of(problem, head)
            if steps is not None:
                found[head] = price(problem, steps)
    return found


def random_problem(seed: int, operators: int | None = None) -> CutProblem:
    """A graph of 4 to 9 operators unless said, with costs of all proportions.

    Several tensors are read more than once.
    One in four has pins, one in four a tensor that must not cross, one in four a group.
    """
    dice = dice_of(seed)
    count = operators or dice.randint(4, 9)
    scale = dice.choice((1, 20, 400))
    made: list[tuple[str, int | None]] = [("x", None)]
    if dice.random() < 0.3:
        made.append(("y", None))
    readers: dict[str, set[int]] = {}
    for operator in range(count):
        for _ in range(dice.randint(1, 3)):
            name, _ = dice.choice(made[-5:] if dice.random() < 0.8 else made)
            readers.setdefault(name, set()).add(operator)
        made.extend((f"t{operator}.{k}", operator) for k in range(dice.choice((1, 1, 1, 2))))
    unread = {name for name, producer in made if name not in readers and producer is not None}
    extra = {name for name, producer in made if producer is not None and dice.random() < 0.1}
    tensors = tuple(
        CutTensor(
            name=name,
            producer=producer,
            consumers=tuple(sorted(readers.get(name, ()))),
            up_ns=dice.randint(0, 30) * scale,
            delivered=name in unread | extra,
        )
        for name, producer in made
    )
    problem = CutProblem(
        edge_ns=tuple(dice.randint(0, 60) for _ in range(count)),
        cloud_ns=tuple(dice.randint(0, 15) for _ in range(count)),
        tensors=tensors,
        edge_post_ns=dice.choice((0, 5, 300)),
        cloud_post_ns=dice.choice((0, 40, 100)),
    )
    match dice.randint(0, 7):
        case 0 | 1:
            pins = dice.sample(range(count), 2)
            problem = replace(problem, on_edge=frozenset(pins[:1]), on_cloud=frozenset(pins[1:]))
        case 2 | 3:
            barred = dice.randrange(len(tensors))
            problem = replace(
                problem,
                tensors=tuple(
                    replace(t, up_ns=None) if place == barred else t
                    for place, t in enumerate(tensors)
                ),
            )
        case 4 | 5:
            first = dice.randrange(count - 1)
            problem = replace(problem, together=((first, first + 1),))
    return problem


def assert_best(problem: CutProblem, seed: int) -> None:
    """The solver's answers are the smallest of all priced routes."""
    priced = priced_heads(problem)
    cut = best_cut(problem)
    if not priced:
        assert cut is None
    else:
        assert cut is not None, f"seed {seed}"
        assert cut.objective_ns == min(priced.values()), f"seed {seed}"
        assert priced[cut.head] == cut.objective_ns, f"seed {seed}"
        assert cut.unit_ns == 1
    dice = dice_of(seed)
    count = len(problem.edge_ns)
    heavy = frozenset(dice.sample(range(count), dice.randint(1, count)))
    splits = {h: cost for h, cost in priced.items() if heavy & h and heavy - h}
    split = best_split(problem, heavy)
    if not splits:
        assert split is None, f"seed {seed}"
    else:
        assert split is not None, f"seed {seed}"
        assert split.objective_ns == min(splits.values()), f"seed {seed}"
        assert splits[split.head] == split.objective_ns, f"seed {seed}"


@pytest.mark.parametrize("batch", range(20))
def test_the_solver_finds_the_cheapest_route_of_small_graphs(batch: int) -> None:
    """Two hundred random graphs, every head written out as steps and priced by walking them."""
    for seed in range(batch * 10, batch * 10 + 10):
        assert_best(random_problem(seed), seed)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_the_solver_finds_the_cheapest_route_of_many_small_graphs(batch: int) -> None:
    """Two thousand more."""
    for seed in range(1_000 + batch * 100, 1_100 + batch * 100):
        assert_best(random_problem(seed), seed)


@pytest.mark.parametrize("seed", range(40))
def test_prefix_costs_are_those_of_the_steps(seed: int) -> None:
    """The baseline prices each prefix as its steps do, and bars what they bar."""
    problem = random_problem(seed)
    priced = priced_heads(problem)
    costs = prefix_costs(problem)
    assert len(costs) == len(problem.edge_ns) + 1
    for length, cost in enumerate(costs):
        assert cost == priced.get(frozenset(range(length)))


def chain(*, edge: list[int], cloud: list[int], up: list[int]) -> CutProblem:
    """A chain of operators; `up` prices the input and each operator's output."""
    count = len(edge)
    return CutProblem(
        edge_ns=tuple(edge),
        cloud_ns=tuple(cloud),
        tensors=tuple(
            CutTensor(
                name=f"t{k}",
                producer=k - 1 if k else None,
                consumers=(k,) if k < count else (),
                up_ns=cost,
                delivered=k == count,
            )
            for k, cost in enumerate(up)
        ),
    )


def test_a_chain_is_cut_at_its_narrowest_tensor() -> None:
    """By hand: 5 + 5 on the car, 2 for the narrow tensor, 1 + 1 behind."""
    problem = chain(edge=[5, 5, 50, 50], cloud=[1, 1, 1, 1], up=[90, 80, 2, 70, 60])
    assert best_cut(problem) == Cut(head=frozenset({0, 1}), objective_ns=14)


def test_a_tensor_with_several_readers_is_charged_once() -> None:
    """Three operators behind the link read one tensor: one upload of 10, not three."""
    fan = CutTensor(name="a", producer=0, consumers=(1, 2, 3), up_ns=10)
    leaves = [
        CutTensor(name=f"b{k}", producer=k, consumers=(), up_ns=99, delivered=True)
        for k in (1, 2, 3)
    ]
    source = CutTensor(name="x", producer=None, consumers=(0,), up_ns=1_000)
    problem = CutProblem(
        edge_ns=(1, 8, 8, 8), cloud_ns=(1, 1, 1, 1), tensors=(source, fan, *leaves)
    )
    assert best_cut(problem) == Cut(head=frozenset({0}), objective_ns=1 + 10 + 3)


def test_the_car_is_preferred_where_costs_are_equal() -> None:
    """A link is used only where it gains something."""
    problem = chain(edge=[3, 3], cloud=[1, 1], up=[4, 4, 4])
    assert best_cut(problem) == Cut(head=frozenset({0, 1}), objective_ns=6)


def test_pins_hold_and_pull_their_kin_along() -> None:
    """What a pinned operator depends on stays on the car; what depends on one goes behind."""
    problem = chain(edge=[9, 9, 9, 9], cloud=[0, 0, 0, 0], up=[0, 5, 5, 5, 5])
    pinned = replace(problem, on_edge=frozenset({1}))
    assert best_cut(pinned) == Cut(head=frozenset({0, 1}), objective_ns=23)
    pinned = replace(problem, on_edge=frozenset({1}), on_cloud=frozenset({3}))
    assert best_cut(pinned) == Cut(head=frozenset({0, 1}), objective_ns=23)
    assert best_cut(replace(problem, on_edge=frozenset({2}), on_cloud=frozenset({1}))) is None


def test_a_barred_tensor_is_never_cut() -> None:
    """The cheapest tensor is barred, so the next one is cut."""
    problem = chain(edge=[5, 5, 50], cloud=[1, 1, 1], up=[90, 8, 2, 90])
    barred = tuple(
        replace(tensor, up_ns=None) if tensor.name == "t2" else tensor for tensor in problem.tensors
    )
    assert best_cut(problem) == Cut(head=frozenset({0, 1}), objective_ns=13)
    assert best_cut(replace(problem, tensors=barred)) == Cut(head=frozenset({0}), objective_ns=15)


def test_cheap_post_processing_behind_the_link_does_not_travel_alone() -> None:
    """Post-processing runs where the last operator ran, so all on the car pays the car's price."""
    problem = replace(
        chain(edge=[1, 1], cloud=[500, 500], up=[0, 0, 0]), edge_post_ns=100, cloud_post_ns=1
    )
    assert best_cut(problem) == Cut(head=frozenset({0, 1}), objective_ns=102)


def test_a_real_cut_is_found_behind_cheap_post_processing() -> None:
    """By hand: post-processing alone behind the link (3) is no route; 1 + 50 + 1 beats 102."""
    problem = replace(
        chain(edge=[1, 1], cloud=[500, 50], up=[0, 0, 0]), edge_post_ns=100, cloud_post_ns=1
    )
    assert best_cut(problem) == Cut(head=frozenset({0}), objective_ns=52)


def test_a_split_needs_weight_on_both_sides() -> None:
    """One operator with multiply-adds cannot be on both sides; two in a row can."""
    problem = chain(edge=[1, 1, 1], cloud=[9, 9, 9], up=[0, 50, 60, 70])
    assert best_split(problem, {1}) is None
    assert best_split(problem, {0, 2}) == Cut(head=frozenset({0}), objective_ns=69)
    assert best_split(problem, ()) is None


HOUR = 3_600 * 1_000 * MS


@pytest.mark.parametrize("factor", [1, 1_000, HOUR])
def test_huge_costs_do_not_wrap(factor: int) -> None:
    """Costs of hours, in nanoseconds, lie far outside int32 and give the same head."""
    for seed in range(30):
        small = random_problem(seed)
        large = replace(
            small,
            edge_ns=tuple(cost * factor for cost in small.edge_ns),
            cloud_ns=tuple(cost * factor for cost in small.cloud_ns),
            tensors=tuple(
                replace(t, up_ns=None if t.up_ns is None else t.up_ns * factor)
                for t in small.tensors
            ),
            edge_post_ns=small.edge_post_ns * factor,
            cloud_post_ns=small.cloud_post_ns * factor,
        )
        expected, found = best_cut(small), best_cut(large)
        if expected is None:
            assert found is None
        else:
            assert found is not None
            assert found.objective_ns == expected.objective_ns * factor


def test_a_slow_link_does_not_coarsen_the_search() -> None:
    """Uploads of an hour are dearer than staying, so nanoseconds on the car still count."""
    problem = chain(edge=[7, 7, 7], cloud=[9, 6, 3], up=[HOUR, HOUR, HOUR, HOUR])
    cut = best_cut(problem)
    assert cut == Cut(head=frozenset({0, 1, 2}), objective_ns=21, unit_ns=1)


def test_small_graphs_are_exact_at_any_cost() -> None:
    """Where capacities do not fit 32 bits, the best route is found to the nanosecond."""
    dice = dice_of(5)
    for seed in range(60):
        small = random_problem(seed)
        odd = replace(
            small,
            edge_ns=tuple(dice.randrange(8 * 10**9) for _ in small.edge_ns),
            cloud_ns=tuple(dice.randrange(2 * 10**9) for _ in small.cloud_ns),
            tensors=tuple(
                replace(t, up_ns=None if t.up_ns is None else dice.randrange(4 * 10**9))
                for t in small.tensors
            ),
        )
        priced, cut = priced_heads(odd), best_cut(odd)
        if cut is not None:
            assert cut.unit_ns == 1
            assert cut.objective_ns == min(priced.values()) == priced[cut.head]


def networkx_cost(problem: CutProblem) -> int | None:
    """Cost of the best cut by another solver, on a network that is built again; None for none."""
    count = len(problem.edge_ns)
    graph = nx.DiGraph()
    posts = [
        *zip(problem.edge_ns, problem.cloud_ns, strict=True),
        (problem.edge_post_ns, problem.cloud_post_ns),
    ]
    for operator, (edge, cloud) in enumerate(posts):
        graph.add_edge("car", operator, capacity=cloud)
        graph.add_edge(operator, "cloud", capacity=edge)
    for operator in problem.on_edge:
        del graph["car"][operator]["capacity"]  # infinite without one
    for operator in problem.on_cloud:
        del graph[operator]["cloud"]["capacity"]
    for tensor in problem.tensors:
        maker = "car" if tensor.producer is None else tensor.producer
        graph.add_edge(maker, tensor.name)
        if tensor.up_ns is not None:
            graph[maker][tensor.name]["capacity"] = tensor.up_ns
        for reader in (*tensor.consumers, *((count,) if tensor.delivered else ())):
            graph.add_edge(tensor.name, reader)
            if tensor.producer is not None:
                graph.add_edge(reader, maker)
    try:
        return int(nx.minimum_cut_value(graph, "car", "cloud"))
    except nx.NetworkXUnbounded:
        return None


@pytest.mark.parametrize("seed", range(20))
def test_larger_graphs_agree_with_networkx(seed: int) -> None:
    """Sixty operators, too many heads to list."""
    problem = replace(random_problem(seed, 60), together=(), edge_post_ns=5, cloud_post_ns=40)
    value, cut = networkx_cost(problem), best_cut(problem)
    if cut is None:
        assert value is None
    else:
        assert cut.objective_ns == value
        steps = steps_of(problem, cut.head)
        assert steps is not None
        assert price(problem, steps) == value


def test_an_answer_is_within_its_stated_resolution() -> None:
    """Where capacities had to be rounded, the best route is no further away than promised."""
    dice, rounded = dice_of(5), 0
    for seed in range(30):
        small = replace(random_problem(seed, 120), together=(), on_edge=frozenset())
        odd = replace(
            small,
            edge_ns=tuple(dice.randrange(4 * 10**9) for _ in small.edge_ns),
            cloud_ns=tuple(dice.randrange(4 * 10**9) for _ in small.cloud_ns),
            tensors=tuple(replace(t, up_ns=dice.randrange(4 * 10**9)) for t in small.tensors),
            on_cloud=frozenset(),
            edge_post_ns=10**9,
            cloud_post_ns=2 * 10**9,
        )
        value, cut = networkx_cost(odd), best_cut(odd)
        assert cut is not None
        assert value is not None
        rounded += cut.unit_ns > 1
        gap = cut.objective_ns - value
        assert 0 <= gap <= cut.unit_ns * (len(odd.edge_ns) + len(odd.tensors) + 1)
    assert rounded > 10, "the costs above are meant to need rounding"
