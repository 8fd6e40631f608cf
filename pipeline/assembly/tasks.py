"""The tasks of a scenario as the planner takes them: models, inputs, wishes, each plan alone."""

from __future__ import annotations

from dataclasses import replace as with_values
from typing import TYPE_CHECKING

from accelerators.errors import AcceleratorError
from pipeline.assembly.links import world_for
from pipeline.assembly.models import LoadedModel, load_model
from pipeline.assembly.policies import hedging_of, hedging_variant
from pipeline.errors import (
    CutError,
    InputError,
    OutputContractError,
    PipelineError,
    PlanError,
    Problem,
    ScenarioError,
    TaskSettingError,
)
from pipeline.planner.aging import LAGS
from pipeline.planner.planning import Planned, Wishes, plan_task
from pipeline.planner.pricing import HOP_TABLE
from pipeline.planner.subjects import SPARSE_CODECS, TENSOR_CODECS, Subject
from pipeline.planner.verifying import Verifier
from pipeline.runtime.results import ResultCache
from pipeline.runtime.spec import PictureInput, PillarInput, TaskSpec, TensorInput, TrackInput
from pipeline.runtime.timing import HOP_KINDS, Hops
from pipeline.tasks.outputs.registry import output_decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.assembly.drives import BuiltDrive
    from pipeline.assembly.equipment import Equipment
    from pipeline.runtime.drive import DriveFacts, StreamFacts
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Scenario, Task, Wire

    Array = NDArray[np.generic[object]]


def first_models(
    loaded: LoadedScenario, problems: list[Problem], cache_root: Path, *, allow_outside: bool
) -> dict[str, LoadedModel]:
    """Model of each task's first variant; what is wrong with one goes to `problems`."""
    models: dict[str, LoadedModel] = {}
    for name, task in loaded.scenario.tasks.items():
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
            told = models[name].told
            output_decoder(told.decoder, told.parameters)
        except TaskSettingError as err:
            problems.append(loaded.problem(("tasks", name, *err.at), str(err)))
        except InputError as err:
            where = at if name not in models else ("tasks", name, "output")
            problems.append(loaded.problem(where, str(err)))
    return models


def misread(
    loaded: LoadedScenario, models: dict[str, LoadedModel], facts: DriveFacts
) -> Iterator[Problem]:
    """Networks for pictures on a LiDAR's stream, and the other way about."""
    for name, model in models.items():
        stream = loaded.scenario.tasks[name].input.stream
        kind = facts.streams[stream].kind
        if isinstance(model.told.input, TrackInput | TensorInput):
            continue
        if isinstance(model.told.input, PillarInput) != (kind == "lidar"):
            reads = "pictures" if kind == "lidar" else "a LiDAR's sweeps"
            reason = f"{stream!r} is a {kind}, and {model.name} reads {reads}"
            yield loaded.problem(("tasks", name, "input", "stream"), reason)


def task_spec(name: str, model: LoadedModel, facts: StreamFacts) -> TaskSpec:
    """How a task's frames become the network's input, and its outputs a result."""
    taken = model.told.input
    assert not isinstance(taken, TrackInput), "planned with its path"  # noqa: S101
    if isinstance(taken, PillarInput) and facts.calibration is not None:
        taken = PillarInput(spec=with_values(taken.spec, mounting=facts.calibration.mounting))
    pictures = isinstance(taken, PictureInput)
    return TaskSpec(
        name=name,
        input=taken,
        input_name=model.graph.inputs[0],
        source_width=facts.width if pictures else 0,
        source_height=facts.height if pictures else 0,
        decoder=model.told.decoder,
        parameters=model.told.parameters,
    )


def plan_one(
    loaded: LoadedScenario,
    first: Subject,
    ladder: Mapping[str, Subject],
    model: LoadedModel,
    equipment: Equipment,
    facts: StreamFacts,
    calibration: list[Array],
    later: list[list[Array]],
    *,
    percentile: float,
    cache_root: Path,
    now_ns: Callable[[], int],
) -> Planned:
    """Plan one task by itself; arguments as for `plan_task`, and what it is made from.

    Raises:
        ScenarioError: No candidate may run, or something of it does not fit, with the key's line.
        PipelineError: The cache cannot be written.
    """
    scenario, name = loaded.scenario, first.task.name
    task = scenario.tasks[name]
    paths = [path for path in scenario.paths.values() if name in path.tasks]
    # What hedges the others is kept for that.
    competing = [s for variant, s in ladder.items() if variant != hedging_variant(loaded)]
    world = world_for(
        equipment.world, equipment.link, task=name, percentile=percentile, devices=task.devices
    )
    wishes = Wishes(
        allowed=_allowed(task, model),
        deadline_ns=min(path.tightest_ns for path in paths),
        period_ns=_period_of(scenario, name, facts),
        frame_bytes=facts.frame_bytes,
        percentile=percentile,
        min_agreement=task.min_agreement,
        pixels_stay=task.raw_pixels_stay,
        memory={d.name: d.memory_bytes for d in world.placed.values() if d.memory_bytes},
        hedging=None
        if model.stateful
        else hedging_of(
            scenario.policy.hedge,
            {v: with_values(s, codecs=first.codecs) for v, s in ladder.items()},
        ),
    )
    try:
        return plan_task(
            [first, *(with_values(s, codecs=first.codecs) for s in competing)],
            world,
            wishes,
            pictures=calibration,
            later=later,
            quantiles=equipment.quantiles,
            cache=ResultCache(cache_root / "results", optional=True),
            directory=cache_root / "models",
            now_ns=now_ns,
            verifier=Verifier(
                sites=equipment.world.sites,
                slots=equipment.slots,
                link=equipment.link,
                quantiles=equipment.quantiles,
                hops=hops_of(equipment),
                seed=scenario.run.seed,
                frame_bytes=facts.frame_bytes,
                period_ns=wishes.period_ns,
                deadline_ns=wishes.deadline_ns,
                in_flight=scenario.policy.in_flight,
                percentile=percentile,
                cache=ResultCache(cache_root / "results", optional=True),
            ),
        )
    except (PlanError, CutError, OutputContractError) as err:
        key = "output" if isinstance(err, OutputContractError) else "route"
        raise ScenarioError([loaded.problem(("tasks", name, key), str(err))]) from err
    except (AcceleratorError, InputError) as err:
        raise ScenarioError([loaded.problem(("tasks", name), str(err))]) from err
    except OSError as err:
        raise PipelineError(f"the cache {cache_root} cannot be written: {err.strerror}") from err


def later_of(
    scenario: Scenario, name: str, spec: TaskSpec, drive: BuiltDrive, most: int
) -> list[list[Array]]:
    """Data of the frames behind the calibration frames, by which the results of a task age.

    None for a LiDAR: what is found in space is moved by the car's own motion before it is used.
    """
    if not isinstance(spec.input, PictureInput):
        return []
    stream = scenario.tasks[name].input.stream
    return drive.following(stream, most, every=_every(scenario, name), steps=LAGS)


def _every(scenario: Scenario, name: str) -> int:
    return min(path.every for path in scenario.paths.values() if name in path.tasks)


def period_ns(scenario: Scenario, name: str, facts: DriveFacts) -> int:
    """Time between two frames that a task takes, in ns."""
    return _period_of(scenario, name, facts.streams[scenario.tasks[name].input.stream])


def _period_of(scenario: Scenario, name: str, facts: StreamFacts) -> int:
    return int(facts.period_ns * _every(scenario, name) / scenario.run.factor)


def hops_of(equipment: Equipment) -> Hops:
    """What a message between two processes costs, by the vehicle's host."""
    host = equipment.world.vehicle_host
    return Hops(curves={kind: host.hop_points(kind) for kind in HOP_KINDS}, jitter=HOP_TABLE)


def codecs_of(wire: Wire, spec: TaskSpec) -> tuple[str, ...]:
    """Codecs that cut tensors may cross by."""
    found: tuple[str, ...] = (wire.codec,)
    if wire.codec == "auto":
        sparse = isinstance(spec.input, PillarInput)
        found = (*TENSOR_CODECS, *(SPARSE_CODECS if sparse else ()))
    zstd = tuple(f"zstd:{name}" for name in found)
    return {"none": found, "zstd": zstd, "auto": (*found, *zstd)}[wire.lossless]


def _allowed(task: Task, model: LoadedModel) -> tuple[str, ...]:
    """Routes that may be taken; a stateful model runs whole, at one site."""
    if not model.stateful or "auto" not in task.routes:
        return task.routes
    return ("edge", "raw", "encoded")
