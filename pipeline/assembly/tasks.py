"""The tasks of a scenario: their first networks, what those read, and what is allowed to them."""

from __future__ import annotations

from dataclasses import replace as with_values
from typing import TYPE_CHECKING

from pipeline.assembly.models import LoadedModel, load_model
from pipeline.errors import InputError, Problem, TaskSettingError
from pipeline.planner.subjects import SPARSE_CODECS, TENSOR_CODECS
from pipeline.runtime.spec import PictureInput, PillarInput, TaskSpec, TensorInput, TrackInput
from pipeline.tasks.outputs.registry import output_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.runtime.drive import DriveFacts, StreamFacts
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Task, Wire


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


def codecs_of(wire: Wire, spec: TaskSpec) -> tuple[str, ...]:
    """Codecs that cut tensors may cross by."""
    found: tuple[str, ...] = (wire.codec,)
    if wire.codec == "auto":
        sparse = isinstance(spec.input, PillarInput)
        found = (*TENSOR_CODECS, *(SPARSE_CODECS if sparse else ()))
    zstd = tuple(f"zstd:{name}" for name in found)
    return {"none": found, "zstd": zstd, "auto": (*found, *zstd)}[wire.lossless]


def allowed_routes(task: Task, model: LoadedModel) -> tuple[str, ...]:
    """Routes that may be taken; a stateful model runs whole, at one site."""
    if not model.stateful or "auto" not in task.routes:
        return task.routes
    return ("edge", "raw", "encoded")
