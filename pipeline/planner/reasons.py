"""Why a plan is as it is: the runner-up, what would turn the choice, what binds, what fell back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pipeline.plan.reasons import Fallback, Flip, Reasons
from pipeline.plan.steps import Run
from pipeline.planner.choosing import Chooser, Elsewhere
from pipeline.planner.conditions import AGREEMENT_SLACK, eligible
from pipeline.planner.joint import quickened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.plan.plan import Candidate
    from pipeline.plan.together import Together
    from pipeline.planner.conditions import Conditions
    from pipeline.planner.planning import Planned
    from pipeline.planner.problems import JointProblem

Axis = Literal["uplink", "round trip", "edge speed", "cloud speed", "deadline"]
AXES: tuple[Axis, ...] = ("uplink", "round trip", "edge speed", "cloud speed", "deadline")

_STEPS = 12  # half octaves to either side that are looked at
_PER_OCTAVE = 2
_HALVINGS = 6  # a half octave halved six times is half a per cent
_NS_PER_MS = 1_000_000


class WhatIf:
    """The choice of every task if one thing were so many times as large.

    Args:
        planned: The tasks' plans.
        choosers: The plan's rule for each task alone, by name.
        problem: The joint problem, where the tasks are planned together.
        nominal: The conditions of the plan.
    """

    def __init__(
        self,
        planned: Mapping[str, Planned],
        choosers: Mapping[str, Chooser],
        problem: JointProblem | None,
        nominal: Conditions,
    ) -> None:
        self._planned = list(planned.values())
        self._choosers = [choosers[name] for name in planned]
        self._problem = problem
        self._nominal = nominal
        self._known: dict[tuple[Axis, float, int], tuple[int, ...]] = {}

    def choice(self, axis: Axis, factor: float, place: int) -> int:
        """Candidate of a task, by index.

        Args:
            axis: What changes; a deadline is the task's own.
            factor: How many times as large, above 0; 1 is the plan itself.
            place: Which task.
        """
        if factor == 1.0:
            return self._planned[place].plan.run
        key = axis, factor, place if axis == "deadline" else -1
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._together(axis, factor, place)
        return known[place] if known else self._alone(axis, factor, place)

    def _together(self, axis: Axis, factor: float, place: int) -> tuple[int, ...]:
        """All tasks at once; nothing where each is planned alone, or no combination fits."""
        problem = self._problem
        if problem is None:
            return ()
        if axis in ("uplink", "round trip"):
            plan = problem.solve(self._then(axis, factor))
        else:
            tasks = list(problem.tasks)
            if axis == "deadline":
                tasks[place] = replace(
                    tasks[place], deadline_ns=round(tasks[place].deadline_ns * factor)
                )
            else:
                span = "edge" if axis == "edge speed" else "cloud"
                for resource in problem.resources.devices_of(span):
                    tasks = quickened(tasks, resource, factor)
            plan = problem.best(tasks)
        return () if plan is None else problem.chosen(plan)

    def _alone(self, axis: Axis, factor: float, place: int) -> int:
        chooser = self._choosers[place]
        match axis:
            case "deadline":
                elsewhere = Elsewhere(deadline=factor)
            case "edge speed":
                elsewhere = Elsewhere(edge=factor)
            case "cloud speed":
                elsewhere = Elsewhere(cloud=factor)
            case _:
                elsewhere = Elsewhere(at=_moved(chooser.nominal, axis, factor))
        return chooser.choose(elsewhere)

    def _then(self, axis: Axis, factor: float) -> Conditions:
        return _moved(self._nominal, axis, factor)


def _moved(conditions: Conditions, axis: Axis, factor: float) -> Conditions:
    if axis == "uplink":
        return conditions._replace(up_bits_per_s=max(1, round(conditions.up_bits_per_s * factor)))
    return conditions._replace(rtt_ns=round(conditions.rtt_ns * factor))


def reasons_of(
    planned: Mapping[str, Planned],
    choosers: Mapping[str, Chooser],
    problem: JointProblem | None,
    nominal: Conditions,
    together: Together | None,
) -> dict[str, Reasons]:
    """Why each task runs what it runs."""
    what_if = WhatIf(planned, choosers, problem, nominal)
    found = {}
    for place, (name, mine) in enumerate(planned.items()):
        runner = _runner_up(mine, choosers[name])
        chosen = mine.plan.candidates[mine.plan.run]
        found[name] = Reasons(
            runner_up=runner,
            margin_ns=None
            if runner is None
            else mine.plan.candidates[runner].alone_ns - chosen.alone_ns,
            flips=tuple(_flips(what_if, place, mine, nominal)),
            binding=_binding(mine, together),
            fallbacks=tuple(_fallbacks(mine)),
        )
    return found


def _runner_up(planned: Planned, chooser: Chooser) -> int | None:
    """The allowed candidate that comes next by the plan's rule; None where there is no other."""
    plan = planned.plan
    mine = plan.route.id
    if not eligible([c for c in plan.candidates if c.route.id != mine]):
        return None
    return chooser.choose(Elsewhere(), without=(plan.run,))


def _flips(what_if: WhatIf, place: int, planned: Planned, nominal: Conditions) -> list[Flip]:
    found = []
    for axis in AXES:
        now = _now(axis, planned, nominal)
        if now <= 0:
            continue
        for down in (True, False):
            turned = _turned(what_if, axis, place, planned.plan.run, down=down)
            if turned is None:
                continue
            factor, index = turned
            found.append(
                Flip(
                    what=axis,
                    unit=_UNITS[axis],
                    now=now,
                    at=now * factor,
                    below=down,
                    candidate=index,
                )
            )
    return found


_UNITS: dict[Axis, str] = {
    "uplink": "Mbit/s",
    "round trip": "ms",
    "edge speed": "×",  # noqa: RUF001 - times
    "cloud speed": "×",  # noqa: RUF001 - times
    "deadline": "ms",
}


def _now(axis: Axis, planned: Planned, nominal: Conditions) -> float:
    match axis:
        case "uplink":
            return nominal.up_bits_per_s / 1e6
        case "round trip":
            return nominal.rtt_ns / _NS_PER_MS
        case "deadline":
            return planned.deadline_ns / _NS_PER_MS
        case _:
            return 1.0


def _turned(
    what_if: WhatIf, axis: Axis, place: int, run: int, *, down: bool
) -> tuple[float, int] | None:
    """The nearest factor on one side at which another candidate is chosen, and which one."""
    sign = -1 if down else 1
    before = 1.0
    for step in range(1, _STEPS + 1):
        factor = 2.0 ** (sign * step / _PER_OCTAVE)
        if what_if.choice(axis, factor, place) == run:
            before = factor
            continue
        for _ in range(_HALVINGS):
            middle = (before * factor) ** 0.5
            if what_if.choice(axis, middle, place) == run:
                before = middle
            else:
                factor = middle
        return factor, what_if.choice(axis, factor, place)
    return None


def _binding(planned: Planned, together: Together | None) -> tuple[str, ...]:
    """What keeps a quicker candidate, or one that agrees better, from being the one to run."""
    plan = planned.plan
    chosen = plan.candidates[plan.run]
    others = [c for c in plan.candidates if c.hedge is None and c.route.id != chosen.route.id]
    found = []
    if plan.chosen is None:
        found.append("deadline" if chosen.latency_ns > planned.deadline_ns else "pace")
    quicker = [c for c in others if c.feasible and c.latency_ns < chosen.alone_ns]
    if any(not c.allowed and _agrees(c, chosen) for c in quicker):
        found.append("route")
    if any(c.allowed and not _agrees(c, chosen) for c in quicker):
        found.append("agreement")
    better = [c for c in others if c.allowed and _better(c, chosen) and not c.feasible]
    if any(c.latency_ns > planned.deadline_ns for c in better) and "deadline" not in found:
        found.append("deadline")
    if any(c.latency_ns <= planned.deadline_ns for c in better) and "pace" not in found:
        found.append("pace")
    told = None if together is None else next(t for t in together.tasks if t.task == plan.task)
    if told is not None and told.alone != plan.run and together is not None:
        found += together.binding
    return tuple(found)


def _agrees(one: Candidate, other: Candidate) -> bool:
    return (one.agreement or 0.0) >= (other.agreement or 0.0) - AGREEMENT_SLACK


def _better(one: Candidate, other: Candidate) -> bool:
    return (one.agreement or 0.0) > (other.agreement or 0.0) + AGREEMENT_SLACK


def _fallbacks(planned: Planned) -> Sequence[Fallback]:
    """Operators of the route that runs which its devices leave to their hosts, copies included."""
    placed = planned.world.placed
    found = []
    for step in planned.plan.candidates[planned.plan.run].route.steps:
        if not isinstance(step.step, Run):
            continue
        device = placed[step.step.device]
        work = planned.works(step.step.segment)
        cost = device.device.price(work, batch=1, precision=device.precision)
        mine = {op.name: op for op in work.ops}
        found += [
            Fallback(
                operator=share.name, device=step.step.device, on=share.on, cost_ns=share.latency_ns
            )
            for share in cost.ops
            if share.latency_ns and not device.device.supports(mine[share.name])
        ]
    return found
