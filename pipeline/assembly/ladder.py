"""The further variants of a task's ladder: loaded, and held against the first one."""

from __future__ import annotations

from dataclasses import replace as with_values
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.assembly.models import load_model
from pipeline.errors import InputError, Problem, ScenarioError, TaskSettingError
from pipeline.planner.subjects import Subject
from pipeline.runtime.spec import PillarInput, TrackInput
from pipeline.tasks.outputs.registry import output_decoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.assembly.models import LoadedModel
    from pipeline.assembly.numerics import Numerics
    from pipeline.runtime.spec import TaskSpec
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Task


def further(
    loaded: LoadedScenario,
    specs: Mapping[str, TaskSpec],
    models: Mapping[str, LoadedModel],
    numerics: Numerics,
    *,
    cache_root: Path,
    allow_outside: bool,
) -> dict[str, dict[str, Subject]]:
    """Per task the variants behind the first one, by name, as the planner sees them.

    Args:
        loaded: The scenario.
        specs: The tasks with their first variants.
        models: Models of the first variants.
        numerics: What they compute on devices that know int8 alone.
        cache_root: Where optimised models are kept.
        allow_outside: Whether relative paths may leave the scenario's folder.

    Raises:
        ScenarioError: One is missing or does not load, or disagrees with the first in what it reads
            or gives; all of them together, each with the line of its model.
    """
    problems: list[Problem] = []
    found: dict[str, dict[str, Subject]] = {}
    for name, spec in specs.items():
        task = loaded.scenario.tasks[name]
        found[name] = {}
        for variant in [*task.variants][1:]:
            at = ("tasks", name, "variants", variant, "model")
            try:
                model = load_model(
                    task,
                    task.variants[variant],
                    beside=loaded.path,
                    directory=cache_root / "models",
                    allow_outside=allow_outside,
                )
            except TaskSettingError as err:  # the first one can do with what the task says
                what = ".".join(map(str, err.at))
                of_first = next(iter(task.variants))
                reason = f"does not fit the task as {of_first!r} does: {what} {err}"
                problems.append(loaded.problem(at, reason))
                continue
            except InputError as err:
                problems.append(loaded.problem(at, str(err)))
                continue
            reason = _disagrees(task, spec, models[name], model)
            if reason:
                problems.append(loaded.problem(at, reason))
            else:
                found[name][variant] = _subject(spec, variant, model, numerics)
    if problems:
        raise ScenarioError(problems)
    return found


def _disagrees(task: Task, spec: TaskSpec, first: LoadedModel, model: LoadedModel) -> str:
    """How a variant differs from the first in what it reads or gives; "" where it does not."""
    of_first = next(iter(task.variants))
    decoder = model.told.decoder
    mine = output_decoder(decoder, model.told.parameters)
    if decoder != spec.decoder or mine.kind != output_decoder(spec.decoder, spec.parameters).kind:
        return f"its outputs are decoded by {decoder}, those of {of_first!r} by {spec.decoder}"
    taken = model.told.input
    if isinstance(taken, TrackInput):
        return f"reads tracks, and {of_first!r} frames"
    if type(taken) is not type(spec.input):
        return f"reads another kind of frame than {of_first!r}"
    if model.stateful != first.stateful:
        return f"is {'' if model.stateful else 'not '}stateful, other than {of_first!r}"
    return ""


def first(
    spec: TaskSpec, variant: str, model: LoadedModel, codecs: tuple[str, ...], numerics: Numerics
) -> Subject:
    """The first variant of a task as the planner sees it.

    Args:
        spec: The task with it.
        variant: Its name.
        model: Its network.
        codecs: Codecs that cut tensors may cross by.
        numerics: What it computes on devices that know int8 alone.
    """
    return Subject(
        task=spec,
        variant=variant,
        graph=model.graph,
        model=model.sha256[:32],
        result_bytes=0,
        codecs=codecs,
        timing_only=model.timing_only,
        int8=numerics.of(spec.name, variant, spec, model),
    )


def _subject(spec: TaskSpec, variant: str, model: LoadedModel, numerics: Numerics) -> Subject:
    taken = model.told.input
    assert not isinstance(taken, TrackInput), "refused above"  # noqa: S101 - our invariant
    if isinstance(taken, PillarInput) and isinstance(spec.input, PillarInput):
        taken = PillarInput(spec=with_values(taken.spec, mounting=spec.input.spec.mounting))
    own = replace(
        spec,
        input=taken,
        input_name=model.graph.inputs[0],
        parameters=model.told.parameters,
    )
    return Subject(
        task=own,
        variant=variant,
        graph=model.graph,
        model=model.sha256[:32],
        result_bytes=0,
        timing_only=model.timing_only,
        int8=numerics.of(spec.name, variant, own, model),
    )
