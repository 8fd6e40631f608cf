"""One plan per task on shared resources, against a plain reckoning of every combination."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.planner._combinations import Combinations, Reckoned
from pipeline.planner.aging import FRESH, Aging
from pipeline.planner.joint import (
    JointCandidate,
    JointTask,
    best_together,
    worth_of_more,
)

MS = 1_000_000
RESOURCES = ("edge", "cloud", "up", "down")
CAPACITY = dict.fromkeys(RESOURCES, 0.8)


def candidate(name: str, accuracy: float, latency_ms: float, **holds_ms: float) -> JointCandidate:
    """A candidate of one latency."""
    return JointCandidate(
        name=name,
        accuracy=accuracy,
        latencies_ns=np.full(10, round(latency_ms * MS), np.int64),
        holds_ns={r: round(ms * MS) for r, ms in holds_ms.items()},
    )


def made(seed: int, *, tasks: int, candidates: int) -> list[JointTask]:
    """Random tasks."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    return [
        JointTask(
            name=f"task{number}",
            candidates=tuple(
                JointCandidate(
                    name=f"c{index}",
                    accuracy=dice.random(),
                    latencies_ns=np.sort(
                        np.array([dice.randint(1, 120) * MS for _ in range(8)], np.int64)
                    ),
                    holds_ns={
                        r: dice.randint(0, 30) * MS for r in RESOURCES if dice.random() < 0.6
                    },
                    fallback=dice.random() / 4,
                )
                for index in range(candidates)
            ),
            frames_per_s=dice.choice([5.0, 10.0, 20.0]),
            deadline_ns=100 * MS,
            importance=dice.choice([1.0, 2.0]),
            aging=dice.choice([FRESH, Aging(left=(1.0, 0.6, 0.3), period_ns=30 * MS)]),
        )
        for number in range(tasks)
    ]


def reckoned(tasks: list[JointTask], chosen: tuple[int, ...]) -> float | None:
    """What a combination is worth, a task at a time; None where a resource is overloaded."""
    picked = [task.candidates[i] for task, i in zip(tasks, chosen, strict=True)]
    busy = {
        r: sum(c.holds_ns.get(r, 0) * t.frames_per_s for c, t in zip(picked, tasks, strict=True))
        / 1e9
        for r in RESOURCES
    }
    if any(busy[r] > CAPACITY[r] + 1e-9 for r in RESOURCES):
        return None
    total = 0.0
    for mine, task in zip(picked, tasks, strict=True):
        wait_ns = 0.0
        for r in RESOURCES:
            if mine.holds_ns.get(r, 0):
                others = sum(
                    c.holds_ns.get(r, 0) ** 2 * t.frames_per_s / 1e9
                    for c, t in zip(picked, tasks, strict=True)
                    if t is not task
                )
                wait_ns += others / (2 * (1 - busy[r]))
        took_ns = mine.latencies_ns + wait_ns
        timely = took_ns[took_ns <= task.deadline_ns]
        in_time = len(timely) / len(took_ns)
        aged = in_time * task.aging.of(np.ceil(timely).astype(np.int64))
        total += task.importance * (aged * mine.accuracy + (1 - in_time) * mine.fallback)
    return total


@given(seed=st.integers(0, 10**6), tasks=st.integers(1, 4), candidates=st.integers(1, 4))
@settings(deadline=None, max_examples=80)
def test_no_combination_is_worth_more(seed: int, tasks: int, candidates: int) -> None:
    """And the best one's figures are those of a plain reckoning."""
    given_tasks = made(seed, tasks=tasks, candidates=candidates)
    worths = [reckoned(given_tasks, c) for c in product(range(candidates), repeat=tasks)]
    best = max((worth for worth in worths if worth is not None), default=None)
    found = best_together(given_tasks, capacity=CAPACITY)
    assert (found is None) == (best is None)
    if found is not None:
        assert found.exact
        assert found.worth == pytest.approx(best)
        assert found.worth == pytest.approx(reckoned(given_tasks, found.chosen))


def hedged(tasks: list[JointTask], seed: int, steps: int) -> list[JointTask]:
    """The tasks with a hedge here and there, and accuracies of few values, so that many tie."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    return [
        replace(
            task,
            candidates=tuple(
                replace(
                    c,
                    accuracy=round(c.accuracy * steps) / steps,
                    fallback=round(c.fallback * steps) / steps,
                    hedge_on=dice.choice((None, "edge", "cloud")),
                    hedge_ends_ns=dice.randint(10, 130) * MS,
                    bare=dice.random() < 0.2,
                )
                for c in task.candidates
            ),
        )
        for task in tasks
    ]


@given(
    seed=st.integers(0, 10**6),
    steps=st.sampled_from((2, 1_000)),
    wanted=st.sampled_from((None, 0.5, 0.99)),
)
@settings(deadline=None, max_examples=150)
def test_what_is_ruled_out_by_its_hopes_would_not_be_chosen(
    seed: int, steps: int, wanted: float | None
) -> None:
    """Against the same rule over all that fit, each with its waits: same choice, same figures."""
    combinations = Combinations(
        hedged(made(seed, tasks=3, candidates=5), seed, steps), CAPACITY, {}
    )
    best = combinations.best(wanted)
    if best is None:
        assert not len(combinations.fitting)
        return
    everything = Reckoned(combinations, combinations.fitting)
    place = everything.best(wanted)
    assert best.choices[:, 0].tolist() == everything.choices[:, place].tolist()
    assert best.worth[0] == everything.worth[place]
    assert [w[0] for w in best.waits_ns] == [w[place] for w in everything.waits_ns]


def test_most_combinations_are_ruled_out_before_their_waits() -> None:
    """Else looking at their hopes would gain nothing."""
    found = [
        Combinations(hedged(made(seed, tasks=3, candidates=6), seed, 1_000), CAPACITY, {})
        for seed in range(20)
    ]
    fitting = sum(len(one.fitting) for one in found)
    assert fitting > 1_000
    assert sum(len(one.promising(0.9)) for one in found if len(one.fitting)) < fitting / 3


def test_two_tasks_that_would_jam_the_uplink_share_it() -> None:
    """Alone each would use the cloud; together one stays in the car, the less important one."""
    local = candidate("edge", 0.5, 40, edge=10)
    cloud = candidate("split", 0.9, 60, up=50)
    tasks = [
        JointTask(
            name=name,
            candidates=(local, cloud),
            frames_per_s=10.0,
            deadline_ns=100 * MS,
            importance=importance,
        )
        for name, importance in (("front", 2.0), ("side", 1.0))
    ]
    for task in tasks:
        alone = best_together([task], capacity=CAPACITY)
        assert alone is not None
        assert alone.chosen == (1,)
    found = best_together(tasks, capacity=CAPACITY)
    assert found is not None
    assert found.chosen == (1, 0)
    assert found.busy["up"] == pytest.approx(0.5)
    assert worth_of_more(tasks, "up", capacity=CAPACITY, factor=2.0) == pytest.approx(0.4)
    assert worth_of_more(tasks, "down", capacity=CAPACITY, factor=2.0) == 0.0


def test_waiting_makes_a_slower_route_the_better_one() -> None:
    """A route that is quick alone misses its deadline behind the other task's long jobs."""
    heavy = JointTask(
        name="heavy",
        candidates=(candidate("edge", 1.0, 60, edge=60),),
        frames_per_s=10.0,
        deadline_ns=200 * MS,
    )
    light = JointTask(
        name="light",
        candidates=(candidate("edge", 1.0, 20, edge=5), candidate("split", 0.9, 60, up=5)),
        frames_per_s=10.0,
        deadline_ns=61 * MS,
    )
    found = best_together([heavy, light], capacity=CAPACITY)
    assert found is not None
    assert found.chosen == (0, 1)
    assert found.in_time == (1.0, 1.0)
    assert found.waits_ns[1] == 0


def test_too_many_combinations_are_thinned_and_it_says_so() -> None:
    """The first candidate of each task stays."""
    tasks = made(3, tasks=4, candidates=6)
    found = best_together(tasks, capacity=CAPACITY, most=100)
    assert found is None or not found.exact


def test_a_task_without_candidates_is_refused() -> None:
    """The caller's mistake."""
    with pytest.raises(ValueError, match="candidate"):
        best_together(
            [JointTask(name="none", candidates=(), frames_per_s=1, deadline_ns=1)], capacity={}
        )


def test_what_all_need_on_a_device_together_has_to_fit_there() -> None:
    """The better route of both does not: the more important task has it."""
    small = replace(candidate("small", 0.5, 40), memory={"npu": 40})
    large = replace(candidate("large", 0.9, 40), memory={"npu": 70})
    tasks = [
        JointTask(
            name=name,
            candidates=(small, large),
            frames_per_s=10.0,
            deadline_ns=100 * MS,
            importance=importance,
        )
        for name, importance in (("front", 1.0), ("side", 2.0))
    ]
    for memory, chosen in (({}, (1, 1)), ({"npu": 140}, (1, 1)), ({"npu": 139}, (0, 1))):
        found = best_together(tasks, capacity=CAPACITY, memory=memory)
        assert found is not None
        assert found.chosen == chosen
    assert best_together(tasks, capacity=CAPACITY, memory={"npu": 79}) is None


def test_a_device_that_a_task_does_not_use_is_not_in_its_way() -> None:
    """Two devices of one site: each is three quarters busy, and nobody waits for the other."""
    tasks = [
        JointTask(
            name=name,
            candidates=(candidate("only", 1.0, 80, **{name: 75}),),
            frames_per_s=10.0,
            deadline_ns=100 * MS,
        )
        for name in ("npu", "pim")
    ]
    assert best_together(tasks, capacity={"npu": 0.8, "pim": 0.8}) is not None
    found = best_together(tasks, capacity={"npu": 0.8, "pim": 0.8})
    assert found is not None
    assert found.waits_ns == (0, 0)
    assert found.busy == pytest.approx({"npu": 0.75, "pim": 0.75})


def test_what_goes_without_its_hedge_is_taken_only_where_nothing_fits_with_it() -> None:
    """Though it holds the device less."""
    bare = replace(candidate("route", 0.9, 40, edge=10), bare=True)
    hedged = replace(candidate("route", 0.9, 40, edge=30), fallback=0.8)
    tasks = [
        JointTask(name=name, candidates=(bare, hedged), frames_per_s=10.0, deadline_ns=100 * MS)
        for name in ("front", "side")
    ]
    for share, chosen in ((0.6, (1, 1)), (0.5, (0, 1)), (0.2, (0, 0))):
        found = best_together(tasks, capacity={"edge": share})
        assert found is not None
        assert sum(found.chosen) == sum(chosen), share


def test_a_hedge_that_answers_in_time_keeps_the_share_that_is_wanted() -> None:
    """Half of the frames are late over the link; the car covers them, if its answer is in time."""
    car = candidate("car", 0.6, 50, edge=40)
    far = JointCandidate(
        name="far",
        accuracy=0.9,
        latencies_ns=np.array([60 * MS] * 5 + [300 * MS] * 5, np.int64),
        holds_ns={"edge": 20 * MS},
        fallback=0.6,
        hedge_on="edge",
        hedge_ends_ns=90 * MS,
    )
    late = replace(far, hedge_ends_ns=110 * MS)
    bare = replace(far, fallback=0.0, hedge_on=None)
    chosen = []
    for second in (far, late, bare):
        task = JointTask(name="t", candidates=(car, second), frames_per_s=10, deadline_ns=100 * MS)
        found = best_together([task], capacity=CAPACITY, wanted=0.99)
        assert found is not None
        chosen.append(found.chosen)
    assert chosen == [(1,), (0,), (0,)]
