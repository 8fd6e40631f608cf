"""Building a run: every name of the scenario becomes the thing it names, then tasks are planned."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.errors import AcceleratorError
from pipeline.assembly.equipment import Equipment, equip
from pipeline.assembly.models import LoadedModel, load_model
from pipeline.assembly.places import resolve
from pipeline.errors import (
    CutError,
    InputError,
    OutputContractError,
    PipelineError,
    PlanError,
    Problem,
    ScenarioError,
)
from pipeline.plan.plan import Plan
from pipeline.planner.candidates import TENSOR_CODECS, Subject
from pipeline.planner.planning import Planned, Wishes, plan_task
from pipeline.planner.pricing import HOP_TABLE
from pipeline.runtime.core.config import CONSUMER, CoreConfig, PathConfig, TaskConfig
from pipeline.runtime.drive import DriveFacts, facts_of, pictures, schedule_of
from pipeline.runtime.results import ResultCache, default_cache
from pipeline.runtime.spec import DriveSpec, RunSpec, TaskSpec
from pipeline.runtime.timing import Hops
from pipeline.tasks.outputs.registry import output_decoder
from pipeline.tasks.prepare import InputSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Scenario, Task
    from replay.schedule import ScheduledFrame

CALIBRATION_PICTURES = 4
DEFAULT_PERCENTILE = 99.0
_HORIZON_DEADLINES = 3
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A run that is ready, and what it was made from.

    Attributes:
        loaded: The scenario with its file and lines.
        spec: What the drivers need.
        plan: The plan of every task.
        facts: Size and stamps of the drive.
        schedule: Every frame in the order of its scheduled time.
        untrained: Tasks whose network was never trained.
        warnings: What a user should know before the run.
    """

    loaded: LoadedScenario
    spec: RunSpec
    plan: Plan
    facts: DriveFacts
    schedule: list[ScheduledFrame]
    untrained: tuple[str, ...]
    warnings: tuple[str, ...]


def assemble(
    loaded: LoadedScenario,
    *,
    now_ns: Callable[[], int],
    seed: int | None = None,
    percentile: float = DEFAULT_PERCENTILE,
    allow_outside: bool = False,
    on_stage: Callable[[str], None] = lambda _what: None,
) -> Assembled:
    """Build a run from a scenario.

    Args:
        loaded: The scenario.
        now_ns: A monotonic clock for backends.
        seed: In place of the scenario's.
        percentile: Percentile that plans predict.
        allow_outside: Whether relative paths may leave the scenario's folder.
        on_stage: Told what is being done, for people who wait.

    Raises:
        InputError: Something the scenario names is missing or does not fit; several problems come
            together as a `ScenarioError`.
    """
    scenario = loaded.scenario
    cache_root = default_cache()
    problems: list[Problem] = []

    on_stage("check")
    drive = facts = equipment = None
    try:
        drive = _drive_spec(loaded, allow_outside=allow_outside)
        facts = facts_of(drive)
    except InputError as err:
        problems.append(loaded.problem(("drive",), str(err)))
    try:
        equipment = equip(loaded, allow_outside=allow_outside)
    except ScenarioError as err:
        problems.extend(err.problems)
    models: dict[str, LoadedModel] = {}
    for name, task in scenario.tasks.items():
        variant_name, variant = next(iter(task.variants.items()))
        at = ("tasks", name, "variants", variant_name, "model")
        try:
            models[name] = load_model(
                task,
                variant,
                beside=loaded.path,
                directory=cache_root / "models",
                allow_outside=allow_outside,
            )
        except InputError as err:
            problems.append(loaded.problem(at, str(err)))
        try:
            output_decoder(task.decoder.decoder, task.decoder.parameters())
        except InputError as err:
            problems.append(loaded.problem(("tasks", name, "output"), str(err)))
    if problems or drive is None or facts is None or equipment is None:
        raise ScenarioError(problems)
    schedule = schedule_of(
        facts,
        loop=scenario.run.loop,
        rate=scenario.run.rate,
        warmup=scenario.run.warmup,
    )

    on_stage("plan")
    calibration = _calibration(drive, facts)
    tasks = {
        name: _task_spec(name, task, models[name], facts) for name, task in scenario.tasks.items()
    }
    planned = {
        name: _plan(
            loaded,
            name,
            tasks[name],
            models[name],
            equipment,
            facts,
            calibration,
            percentile=percentile,
            cache_root=cache_root,
            now_ns=now_ns,
        )
        for name in scenario.tasks
    }
    plan = Plan(
        percentile=percentile,
        tasks=tuple(p.plan for p in planned.values()),
        quantiles=equipment.quantiles,
        hashes=_hashes(scenario, models, equipment),
    )
    core = _core(scenario, planned, equipment, drive.stream)
    host = equipment.world.vehicle_host
    fixed_ns = host.hop_ns(message_bytes=0)
    spec = RunSpec(
        run=secrets.token_hex(4),
        core=core,
        tasks=tasks,
        segments={s.name: s for p in planned.values() for s in p.segments},
        devices=equipment.devices,
        links={equipment.world.link.name: equipment.world.link},
        quantiles=equipment.quantiles,
        hops=Hops(
            fixed_ns=fixed_ns,
            ns_per_mib=host.hop_ns(message_bytes=_MIB) - fixed_ns,
            jitter=HOP_TABLE,
        ),
        seed=scenario.run.seed if seed is None else seed,
        drive=drive,
        loop=scenario.run.loop,
        rate=scenario.run.rate,
        warmup=scenario.run.warmup,
        cache=str(cache_root / "results"),
        images=scenario.evidence.images,
    )
    return Assembled(
        loaded=loaded,
        spec=spec,
        plan=plan,
        facts=facts,
        schedule=schedule,
        untrained=tuple(name for name, model in models.items() if model.untrained),
        warnings=tuple(_warnings(plan)),
    )


def _drive_spec(loaded: LoadedScenario, *, allow_outside: bool) -> DriveSpec:
    drive = loaded.scenario.drive
    stream, declared = next(iter(drive.streams.items()))
    period_ns = None if declared is None else declared.period
    if drive.synthetic is not None:
        made = drive.synthetic
        return DriveSpec(
            stream=stream,
            path=None,
            period_ns=period_ns,
            scene=made.scene,
            scene_seed=made.seed,
            length_ns=made.length,
            width=made.size[0],
            height=made.size[1],
        )
    path = resolve(drive.path or "", beside=loaded.path, allow_outside=allow_outside)
    return DriveSpec(stream=stream, path=str(path.resolve()), period_ns=period_ns)


def _task_spec(name: str, task: Task, model: LoadedModel, facts: DriveFacts) -> TaskSpec:
    numerator, denominator = task.input.scale_ratio
    return TaskSpec(
        name=name,
        input=InputSpec(
            width=task.input.size[0],
            height=task.input.size[1],
            color=task.input.color,
            fit=task.input.fit,
            pad=task.input.pad,
            scale_numerator=numerator,
            scale_denominator=denominator,
        ),
        input_name=model.graph.inputs[0],
        source_width=facts.width,
        source_height=facts.height,
        decoder=task.decoder.decoder,
        parameters=task.decoder.parameters(),
    )


def _calibration(drive: DriveSpec, facts: DriveFacts) -> list[NDArray[np.uint8]]:
    """A few pictures, evenly spread over the drive."""
    count = min(CALIBRATION_PICTURES, facts.frames)
    chosen = frozenset((2 * i + 1) * facts.frames // (2 * count) for i in range(count))
    return [pixels for _, pixels in pictures(drive, chosen)]


def _plan(
    loaded: LoadedScenario,
    name: str,
    spec: TaskSpec,
    model: LoadedModel,
    equipment: Equipment,
    facts: DriveFacts,
    calibration: list[NDArray[np.uint8]],
    *,
    percentile: float,
    cache_root: Path,
    now_ns: Callable[[], int],
) -> Planned:
    scenario = loaded.scenario
    task = scenario.tasks[name]
    paths = [path for path in scenario.paths.values() if path.through == [name]]
    every = min(path.every for path in paths)
    subject = Subject(
        task=spec,
        variant=next(iter(task.variants)),
        graph=model.graph,
        model=model.sha256[:32],
        result_bytes=0,
        codecs=TENSOR_CODECS if task.wire.codec == "auto" else (task.wire.codec,),
    )
    wishes = Wishes(
        allowed=task.routes,
        deadline_ns=min(path.e2e for path in paths),
        period_ns=int(facts.period_ns * every / scenario.run.rate),
        frame_bytes=facts.frame_bytes,
        percentile=percentile,
    )
    try:
        return plan_task(
            subject,
            equipment.world,
            wishes,
            pictures=calibration,
            quantiles=equipment.quantiles,
            cache=ResultCache(cache_root / "results"),
            directory=cache_root / "models",
            now_ns=now_ns,
        )
    except (PlanError, CutError, OutputContractError) as err:
        key = "output" if isinstance(err, OutputContractError) else "route"
        raise ScenarioError([loaded.problem(("tasks", name, key), str(err))]) from err
    except (AcceleratorError, InputError) as err:
        raise ScenarioError([loaded.problem(("tasks", name), str(err))]) from err
    except OSError as err:
        raise PipelineError(f"the cache {cache_root} cannot be written: {err.strerror}") from err


def _core(
    scenario: Scenario, planned: dict[str, Planned], equipment: Equipment, stream: str
) -> CoreConfig:
    in_flight = scenario.policy.in_flight
    paths = tuple(
        PathConfig(
            name=name,
            stream=path.source,
            task=path.through[0],
            every=path.every,
            deadline_ns=path.e2e,
            horizon_ns=path.horizon or _HORIZON_DEADLINES * path.e2e,
        )
        for name, path in scenario.paths.items()
    )
    return CoreConfig(
        tasks={
            name: TaskConfig(
                name=name,
                stream=scenario.tasks[name].input.stream,
                route=found.plan.route,
                in_flight=in_flight,
            )
            for name, found in planned.items()
        },
        paths=paths,
        sites=equipment.world.sites,
        slots=equipment.slots,
        cloud_credits=in_flight * len(planned),
        consumer_credits=2 * len(planned),
        consumer_host=equipment.world.sites.host[CONSUMER],
        down_channel=f"{equipment.world.link.name}.down",
        streams=(stream,),
    )


def _hashes(
    scenario: Scenario, models: dict[str, LoadedModel], equipment: Equipment
) -> dict[str, str]:
    text = json.dumps(scenario.model_dump(mode="json", by_alias=True), sort_keys=True)
    return {
        "scenario": hashlib.sha256(text.encode()).hexdigest(),
        "link": hashlib.sha256(repr(equipment.world.link).encode()).hexdigest(),
        **{f"model:{name}": model.sha256 for name, model in models.items()},
        **equipment.hashes,
    }


def _warnings(plan: Plan) -> list[str]:
    return [f"{task.task}: {task.explanation}" for task in plan.tasks if task.chosen is None]
