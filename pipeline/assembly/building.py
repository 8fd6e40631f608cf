"""Building a run: every name of the scenario becomes the thing it names, then tasks are planned."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from dataclasses import replace as with_values
from typing import TYPE_CHECKING

from msgspec.structs import replace

from accelerators.errors import AcceleratorError
from pipeline.assembly.drives import build_drive
from pipeline.assembly.equipment import Equipment, equip
from pipeline.assembly.fingerprints import scenario_hash
from pipeline.assembly.following import (
    following_problems,
    forecaster_note,
    forecaster_of,
    forecaster_work,
)
from pipeline.assembly.fusing import predict_meetings
from pipeline.assembly.ladder import first, further
from pipeline.assembly.numerics import Numerics
from pipeline.assembly.paths import BuiltPaths, build_paths
from pipeline.assembly.planning import make_plan
from pipeline.assembly.policies import (
    Policed,
    breaker_of,
    cloud_of,
    police,
    shares_of,
    stateful_problems,
    switch_of,
)
from pipeline.assembly.tasks import (
    codecs_of,
    first_models,
    hops_of,
    later_of,
    misread,
    period_ns,
    plan_one,
    task_spec,
)
from pipeline.errors import (
    Problem,
    ScenarioError,
)
from pipeline.planner.residence import overfull
from pipeline.planner.titles import title
from pipeline.runtime.core.config import CONSUMER, CoreConfig
from pipeline.runtime.results import default_cache
from pipeline.runtime.spec import (
    RunSpec,
)
from pipeline.scenario.references import VEHICLE
from pipeline.values import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.assembly.models import LoadedModel
    from pipeline.assembly.obeying import PlanGiven
    from pipeline.plan.plan import Plan, TaskPlan
    from pipeline.planner.planning import Planned
    from pipeline.planner.subjects import Subject
    from pipeline.runtime.drive import DriveFacts
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Scenario
    from replay.schedule import ScheduledFrame

CALIBRATION_PICTURES = 4
DEFAULT_PERCENTILE = 99.0
_PLAYER_CREDITS = 4
_NS_PER_MS, _NS_PER_S = 1_000_000, 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A run that is ready, and what it was made from.

    Attributes:
        loaded: The scenario with its file and lines.
        spec: What the drivers need.
        plan: The plan of every task.
        facts: Size and stamps of each stream of the drive.
        schedule: Every frame in the order of sending.
        untrained: Tasks whose network was never trained.
        warnings: What a user should know before the run.
        timing_only: Tasks whose network is priced and never run.
    """

    loaded: LoadedScenario
    spec: RunSpec
    plan: Plan
    facts: DriveFacts
    schedule: list[ScheduledFrame]
    untrained: tuple[str, ...]
    warnings: tuple[str, ...]
    timing_only: tuple[str, ...] = ()


def assemble(
    loaded: LoadedScenario,
    *,
    now_ns: Callable[[], int],
    seed: int | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    allow_outside: bool = False,
    mapped: bool = False,
    given: PlanGiven | None = None,
    on_stage: Callable[[str], None] = lambda _what: None,
) -> Assembled:
    """Build a run from a scenario.

    Args:
        loaded: The scenario.
        now_ns: A monotonic clock for backends.
        seed: In place of the scenario's.
        percentile: Percentile that plans predict.
        allow_outside: Whether relative paths may leave the scenario's folder.
        given: A plan file whose choices are taken in place of those that would be made.
        mapped: Whether the plan map is drawn though the vehicle does not move over it.
        on_stage: Told what is being done, for people who wait.

    Raises:
        InputError: Something the scenario names is missing or does not fit; several problems come
            together as a `ScenarioError`.
    """
    scenario = loaded.scenario
    percentile = percentile if given is None else given.plan.percentile
    cache_root = default_cache()
    problems: list[Problem] = []

    on_stage("check")
    drive = equipment = None
    try:
        drive = build_drive(
            loaded,
            seed=scenario.run.seed if seed is None else seed,
            allow_outside=allow_outside,
        )
    except ScenarioError as err:
        problems.extend(err.problems)
    try:
        equipment = equip(loaded, seed=seed, allow_outside=allow_outside)
    except ScenarioError as err:
        problems.extend(err.problems)
    models = first_models(loaded, problems, cache_root, allow_outside=allow_outside)
    problems += [] if drive is None else misread(loaded, models, drive.facts)
    reading = [name for name in scenario.tasks if name not in scenario.forecasters]
    stateful = [name for name in reading if name in models and models[name].stateful]
    problems += stateful_problems(loaded, stateful)
    problems += following_problems(loaded, models) if not problems else []
    if problems or drive is None or equipment is None:
        raise ScenarioError(problems)

    on_stage("plan")
    calibration = {
        stream: drive.calibration(stream, CALIBRATION_PICTURES)
        for stream in dict.fromkeys(scenario.tasks[name].input.stream for name in reading)
    }
    tasks = {
        name: task_spec(name, models[name], drive.facts.streams[scenario.tasks[name].input.stream])
        for name in reading
    }
    numerics = Numerics(
        loaded,
        drive,
        equipment,
        directory=cache_root / "models",
        allow_outside=allow_outside,
    )
    firsts = {
        name: first(
            spec,
            next(iter(scenario.tasks[name].variants)),
            models[name],
            codecs_of(scenario.tasks[name].wire, spec),
            numerics,
        )
        for name, spec in tasks.items()
    }
    ladders = further(
        loaded,
        tasks,
        {name: models[name] for name in reading},
        numerics,
        cache_root=cache_root,
        allow_outside=allow_outside,
    )
    planned = {
        name: plan_one(
            loaded,
            firsts[name],
            ladders[name],
            models[name],
            equipment,
            drive.facts.streams[scenario.tasks[name].input.stream],
            calibration[scenario.tasks[name].input.stream],
            later_of(scenario, name, tasks[name], drive, CALIBRATION_PICTURES)
            if not models[name].stateful
            else [],
            percentile=percentile,
            cache_root=cache_root,
            now_ns=now_ns,
        )
        for name in reading
    }
    tasks |= {
        f"{name}/{variant}": subject.task
        for name, ladder in ladders.items()
        for variant, subject in ladder.items()
    }
    hashes = _hashes(scenario, models, ladders, equipment) | {
        f"int8:{name}/{one.variant}": one.int8.id
        for name, own in firsts.items()
        for one in (own, *ladders[name].values())
        if one.int8 is not None and one.int8.graph is not None
    }
    if given is not None:
        given.require(hashes)
        equipment = with_values(equipment, quantiles=given.quantiles(equipment.quantiles))
    planned, plan = make_plan(
        scenario,
        planned,
        equipment,
        periods_ns={name: period_ns(scenario, name, drive.facts) for name in planned},
        hashes=hashes,
        percentile=percentile,
        directory=cache_root / "models",
        mapped=mapped,
        given=given,
    )
    policed = police(
        loaded,
        planned,
        ladders,
        equipment,
        directory=cache_root / "models",
        plan_map=plan.map,
    )
    plan = replace(
        plan,
        tasks=tuple(
            replace(
                task,
                numerics=tuple(str(told) for told in numerics.told if told.task == task.task),
            )
            for task in plan.tasks
        ),
    )
    try:
        works = {name: forecaster_work(name, models[name]) for name in scenario.forecasters}
        built = build_paths(scenario, equipment.world, drive.facts.streams, works)
    except AcceleratorError as err:
        raise ScenarioError([loaded.problem(("sites", VEHICLE, "host"), str(err))]) from err
    meetings = predict_meetings(
        built, planned, plan, equipment.quantiles, drive.schedule, percentile=percentile
    )
    plan = replace(plan, predicted=plan.predicted | meetings)
    core = _core(loaded, built, policed, equipment, plan)
    spec = RunSpec(
        run=secrets.token_hex(4),
        core=core,
        tasks=tasks,
        fused=built.fused,
        calibrations={
            name: found
            for name in reading
            if (found := drive.facts.streams[scenario.tasks[name].input.stream].calibration)
        },
        forecasters={
            path.task: forecaster_of(wanted_after, models[wanted_after])
            for path in built.paths
            if (wanted_after := scenario.paths[path.name].forecaster) is not None
        },
        segments=policed.segments,
        devices=equipment.devices,
        links={equipment.link.name: equipment.link},
        quantiles=equipment.quantiles,
        hops=hops_of(equipment),
        seed=scenario.run.seed if seed is None else seed,
        drive=drive.spec,
        timetable=drive.timetable,
        full_speed=scenario.run.full_speed,
        cache=str(cache_root / "results"),
        images=scenario.evidence.images,
    )
    return Assembled(
        loaded=loaded,
        spec=spec,
        plan=plan,
        facts=drive.facts,
        schedule=drive.schedule,
        untrained=tuple(name for name, model in models.items() if model.untrained),
        timing_only=tuple(name for name, model in models.items() if model.timing_only),
        warnings=(
            *_warnings(loaded, plan, planned, policed),
            *([plan.together.note] if plan.together and plan.together.note else []),
            *policed.warnings,
            *numerics.warnings,
            *_idle_faults(loaded, drive.schedule),
            *(forecaster_note(name) for name in sorted(scenario.forecasters)),
        ),
    )


def _core(
    loaded: LoadedScenario,
    built: BuiltPaths,
    policed: Policed,
    equipment: Equipment,
    plan: Plan,
) -> CoreConfig:
    scenario = loaded.scenario
    in_flight = scenario.policy.in_flight
    return CoreConfig(
        tasks=policed.tasks | built.fusing,
        paths=built.paths,
        parts=built.parts,
        sites=equipment.world.sites,
        slots=equipment.slots,
        cloud_credits=in_flight * len(policed.tasks),
        consumer_credits=2 * (len(policed.tasks) + len(built.fusing)),
        consumer_host=equipment.world.sites.host[CONSUMER],
        down_channel=f"{equipment.link.name}.down",
        streams=tuple(scenario.drive.streams),
        # At full speed the next frame comes when the one before is settled, so none is overtaken.
        player_credits=1 if scenario.run.full_speed else _PLAYER_CREDITS,
        grant_when_settled=scenario.run.full_speed,
        breaker=breaker_of(scenario.policy),
        switch=switch_of(scenario.policy, equipment),
        shares=shares_of(scenario.policy, plan),
        cloud=cloud_of(loaded, equipment),
        drops_expired=scenario.policy.expired == "drop" and not scenario.run.full_speed,
    )


def _hashes(
    scenario: Scenario,
    models: dict[str, LoadedModel],
    ladders: Mapping[str, Mapping[str, Subject]],
    equipment: Equipment,
) -> dict[str, str]:
    return {
        "scenario": scenario_hash(scenario),
        "link": hashlib.sha256(to_json(replace(equipment.link, seed=0))).hexdigest(),
        **{f"model:{name}": model.sha256 for name, model in models.items()},
        **{
            f"model:{name}/{variant}": one.model
            for name, ladder in ladders.items()
            for variant, one in ladder.items()
        },
        **equipment.hashes,
    }


def _warnings(
    loaded: LoadedScenario, plan: Plan, planned: Mapping[str, Planned], policed: Policed
) -> list[str]:
    """Deadlines that no route can be expected to meet, and tasks that cannot keep pace."""
    warnings = [] if plan.together is not None else overfull(list(planned.values()))
    for task in plan.tasks:
        if task.candidates[task.run].hedge is None and (reason := _unhedged(task)):
            text = f"task {task.task} goes without it: with the hedge it {reason}"
            warnings.append(str(loaded.problem(("policy", "hedge"), text)))
        if task.task in policed.covered:
            continue  # the hedge meets them in the car, whatever the route over the link takes
        if task.chosen is None:
            warnings.append(f"{task.task}: {task.explanation}")
        best = min((c for c in task.candidates if c.allowed), key=lambda c: c.latency_ns)
        warnings += [
            str(
                loaded.problem(
                    ("paths", name, "e2e"),
                    f"{path.tightest_ns / _NS_PER_MS:g} ms is shorter than the plan's best case,"
                    f" {best.latency_ns / _NS_PER_MS:.1f} ms ({title(best)}, p{plan.percentile:g},"
                    " idle); it runs all the same",
                )
            )
            for name, path in loaded.scenario.paths.items()
            if task.task in path.tasks and path.tightest_ns < best.latency_ns
        ]
    return list(dict.fromkeys(warnings))


def _idle_faults(loaded: LoadedScenario, schedule: Sequence[ScheduledFrame]) -> Iterator[str]:
    """Faults of links and devices that begin when no frame is under way any more."""
    scenario = loaded.scenario
    if scenario.run.full_speed or not schedule:
        return
    last_ns = schedule[-1].scheduled_ns
    over_ns = last_ns + max(path.deadline_ns for path in scenario.paths.values())
    begins = [
        (("links", name, "faults", number, "at"), fault.at)
        for name, link in scenario.links.items()
        for number, fault in enumerate(link.faults)
    ]
    begins += [
        (("devices", name, "faults", number, "at"), fault.at)
        for name, device in scenario.devices.items()
        for number, fault in enumerate(device.faults)
    ]
    for place, at_ns in begins:
        if at_ns > over_ns:
            text = f"{at_ns / _NS_PER_S:g} s is behind the last frame, which is due at "
            text += f"{last_ns / _NS_PER_S:g} s: it changes nothing"
            yield str(loaded.problem(place, text))


def _unhedged(task: TaskPlan) -> str:
    """Why a route runs without the hedge that it could have; "" where it has no such form."""
    covered = [c for c in task.candidates if c.hedge and c.route.id == task.route.id]
    reasons = [broken.text for candidate in covered for broken in candidate.broken]
    return next(iter(reasons), "fits beside no other task") if covered else ""
