"""What follows objects and forecasts: checks of a path's last stages, forecasters made ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.graph import segment_work
from pipeline.runtime.spec import ForecasterSpec, TrackInput
from pipeline.scenario.models import TRACK
from pipeline.tasks.outputs.registry import output_decoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from accelerators.work import SegmentWork
    from pipeline.assembly.models import LoadedModel
    from pipeline.errors import Problem
    from pipeline.scenario.loading import LoadedScenario

_FOLLOWED = ("boxes", "boxes_3d")


def following_problems(
    loaded: LoadedScenario, models: Mapping[str, LoadedModel]
) -> Iterator[Problem]:
    """Tracks of what has no objects, forecasts of what is not in space, networks out of place."""
    scenario = loaded.scenario
    kinds = {
        name: output_decoder(model.told.decoder, model.told.parameters).kind
        for name, model in models.items()
    }
    for name, model in models.items():
        reads_tracks = isinstance(model.told.input, TrackInput)
        if reads_tracks and name not in scenario.forecasters:
            reason = f"{model.name} reads tracks: put the task behind {TRACK!r} in a path"
            yield loaded.problem(("tasks", name), reason)
        if not reads_tracks and name in scenario.forecasters:
            reason = f"stands behind {TRACK!r} in a path, and {model.name} reads frames, not tracks"
            yield loaded.problem(("tasks", name), reason)
    for name, path in scenario.paths.items():
        found = [kinds[task] for task in path.tasks if task in kinds]
        if path.tracked and found and not set(found) & set(_FOLLOWED):
            reason = f"{TRACK!r} follows objects, and {', '.join(path.tasks)} finds {found[0]}"
            yield loaded.problem(("paths", name, "through"), reason)
        elif path.forecaster is not None and found and "boxes_3d" not in found:
            reason = f"{path.forecaster!r} forecasts what is followed in space; no task finds that"
            yield loaded.problem(("paths", name, "through"), reason)


def forecaster_of(name: str, model: LoadedModel) -> ForecasterSpec:
    """The network of a task that stands behind `track`, as a run needs it."""
    told = model.told
    assert isinstance(told.input, TrackInput), "checked with the paths"  # noqa: S101
    return ForecasterSpec(
        task=name,
        artefact=str(model.graph.path),
        input_name=model.graph.inputs[0],
        outputs=model.graph.outputs,
        history=told.input.spec,
        decoder=told.decoder,
        parameters=told.parameters,
    )


def forecaster_work(name: str, model: LoadedModel) -> SegmentWork:
    """What the host has to do for one forecast."""
    return segment_work(model.graph, range(len(model.graph.operators)), name)


def forecaster_note(name: str) -> str:
    """What a user should know of a stateful network behind `track`."""
    return (
        f"{name}: its network is stateful: it runs on the vehicle's host, where the tracks are, "
        "is not hedged and moves with no plan"
    )
