"""Planning four models again after the uplink's rate has changed, on candidates priced before.

The rival reckons every combination a task at a time, as the tests do. Process time is measured, not
wall time, so that other work on the machine does not count.
"""

from __future__ import annotations

import time
from functools import partial
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from bench.figure import Figure
from pipeline.planner.aging import Aging
from pipeline.planner.conditions import Conditions
from pipeline.planner.joint import JointCandidate, JointTask, Resource
from pipeline.planner.problems import JointProblem, Moving
from pipeline.planner.resources import Resources, Shared

if TYPE_CHECKING:
    from collections.abc import Callable

AIM = 0.07
_TASKS = 4
_CANDIDATES = 12
_MS = 1_000_000
_NS_PER_S = 1e9
_RATE = 40_000_000
_SHARED = ("edge", "cloud", "up", "down")


def measure(*, repeats: int) -> Figure:
    """The time of a replan over that of going through all combinations one by one.

    Args:
        repeats: How often each is measured; the middle counts.
    """
    problem = four_models()
    rates = [round(_RATE * (0.5 + index / repeats)) for index in range(repeats)]
    taken = [_ns(partial(problem.solve, Conditions(rate, 20 * _MS))) for rate in rates]
    plain_ns = _ns(lambda: one_by_one(problem))
    solve_ns, worst_ns = median(taken), max(taken)
    return Figure(
        name="replanning",
        what=f"a replan of {_TASKS} models of {_CANDIDATES} candidates at another uplink rate",
        rival="every combination, one by one",
        ratio=solve_ns / plain_ns,
        aim=AIM,
        values={
            "replan_ms": solve_ns / _MS,
            "slowest_ms": worst_ns / _MS,
            "one_by_one_ms": plain_ns / _MS,
        },
        lines=(
            f"one replan        {solve_ns / _MS:8.2f} ms, aim 5; worst {worst_ns / _MS:.2f}",
            f"one by one        {plain_ns / _MS:8.2f} ms",
        ),
    )


def four_models() -> JointProblem:
    """Four tasks at 10 Hz, each with an edge route, frames of several sizes and cuts."""
    draws = np.random.Generator(np.random.Philox(7))
    tasks, moving = [], []
    for number in range(_TASKS):
        candidates, mine = [], []
        for index in range(_CANDIDATES):
            over = index > 0
            size = int(draws.integers(5_000, 120_000)) if over else 0
            service = int(draws.integers(1, 9)) * _MS if over else 0
            edge = int(draws.integers(1, 30)) * _MS if index % 2 == 0 or not over else 0
            sent = 8 * size * 1_000_000_000 // _RATE
            latency = edge + sent + service + (20 * _MS if over else 10 * _MS)
            holds: dict[Resource, int] = {"edge": edge}
            if over:
                holds |= {"up": sent, "down": _MS // 4, "cloud": service}
            sample = latency + np.sort(draws.integers(0, 8 * _MS, 201))
            candidates.append(
                JointCandidate(
                    name=f"c{index}",
                    accuracy=float(draws.uniform(0.7, 1.0)),
                    latencies_ns=np.asarray(sample, np.int64),
                    holds_ns=holds,
                )
            )
            mine.append(Moving(bits=8 * size, service_ns=service, over_link=over))
        tasks.append(
            JointTask(
                name=f"task{number}",
                candidates=tuple(candidates),
                frames_per_s=10.0,
                deadline_ns=80 * _MS,
                importance=float(1 + number % 2),
                aging=Aging(left=(1.0, 0.7, 0.5), period_ns=30 * _MS),
            )
        )
        moving.append(tuple(mine))
    return JointProblem(
        tasks=tuple(tasks),
        indices=tuple(tuple(range(_CANDIDATES)) for _ in range(_TASKS)),
        nominal=Conditions(_RATE, 20 * _MS),
        resources=Resources(
            all=tuple(Shared(key=r, name=r, span=f"{r}_wait") for r in _SHARED), keys={}, memory={}
        ),
        wanted=0.99,
        moving=tuple(moving),
    )


def one_by_one(problem: JointProblem) -> float:
    """Worth of the best combination that fits, each reckoned by itself."""
    best = 0.0
    tasks, capacity = problem.tasks, problem.resources.capacity
    for combination in product(*(task.candidates for task in tasks)):
        busy = dict.fromkeys(capacity, 0.0)
        for task, candidate in zip(tasks, combination, strict=True):
            for name, held_ns in candidate.holds_ns.items():
                busy[name] += held_ns * task.frames_per_s / _NS_PER_S
        if all(busy[name] <= most for name, most in capacity.items()):
            worth = sum(
                task.importance * candidate.accuracy
                for task, candidate in zip(tasks, combination, strict=True)
            )
            best = max(best, worth)
    return best


def _ns(what: Callable[[], object]) -> int:
    began = time.process_time_ns()
    what()
    return time.process_time_ns() - began
