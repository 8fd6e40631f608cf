"""What a task reads and how its outputs are decoded: the scenario's words over the model's card."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING

from pipeline.errors import InputError, TaskSettingError
from pipeline.runtime.spec import PictureInput, PillarInput, TensorInput, TrackInput
from pipeline.tasks.pillars import PillarSpec
from pipeline.tasks.prepare import InputSpec
from pipeline.tasks.tracking.histories import HistorySpec
from pipeline.values import from_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.graph.model import Graph
    from pipeline.runtime.spec import Setting
    from pipeline.scenario.models import Task, TaskInput
    from pipeline.tasks.cards import ModelCard

_OF_THE_DRIVE = "mounting"  # of a grid of pillars: where the sensor sits, which its drive tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said of a task's network.

    Attributes:
        input: What it reads; a LiDAR is taken to sit at the ego origin.
        decoder: Name of its decoder.
        parameters: The decoder's parameters.
    """

    input: PictureInput | PillarInput | TensorInput | TrackInput
    decoder: str
    parameters: dict[str, Setting]


def told_of(task: Task, card: ModelCard | None) -> Told:
    """Put together what scenario and card say; the scenario comes first, key by key.

    Raises:
        TaskSettingError: Neither says what is needed, or they contradict each other.
        InputError: A figure is out of its range.
    """
    decoder, parameters = _output(task, card)
    return Told(input=_input(task.input, card), decoder=decoder, parameters=parameters)


def told_for_timing(task: Task, card: ModelCard | None, graph: Graph) -> Told:
    """The same of a network that is priced and never run: its own shapes say what it reads.

    A single input of three channels is a picture; anything else is a tensor of its shape.

    Raises:
        TaskSettingError: Neither scenario nor card names a decoder, whose time is counted.
    """
    if card is not None or task.input.size is not None or task.input.pillars is not None:
        return told_of(task, card)
    decoder, parameters = _output(task, card)
    shape = graph.tensors[graph.inputs[0]].shape
    reads: PictureInput | TensorInput = TensorInput(shape=shape)
    match graph.inputs, shape:
        case [_], (1, 3, height, width):
            reads = PictureInput(spec=InputSpec(width=width, height=height))
        case _:
            pass
    return Told(input=reads, decoder=decoder, parameters=parameters)


def _input(wanted: TaskInput, card: ModelCard | None) -> PictureInput | PillarInput | TrackInput:
    known = None if card is None else card.input
    if known is not None and known.tracks is not None:
        return TrackInput(spec=_histories(known.tracks))
    if known is not None and known.pillars is None and wanted.pillars is not None:
        raise TaskSettingError(("input", "pillars"), "its model reads pictures, by its card")
    if known is not None and known.pillars is not None and wanted.size is not None:
        raise TaskSettingError(("input", "size"), "its model reads a LiDAR, by its card")
    pillars = None if known is None else known.pillars
    if pillars is not None or wanted.pillars is not None:
        return PillarInput(spec=_grid({**(pillars or {}), **(wanted.pillars or {})}))
    size = wanted.size or (None if known is None else known.size)
    if size is None:
        reason = "is missing, and the model has no card that says it"
        raise TaskSettingError(("input", "size"), reason)
    ratio = wanted.ratio or (Fraction(1) if known is None else known.ratio)
    return PictureInput(
        spec=InputSpec(
            width=size[0],
            height=size[1],
            color=wanted.color or ("bgr" if known is None else known.color),
            fit=wanted.fit or ("stretch" if known is None else known.fit),
            pad=wanted.pad if wanted.pad is not None else (114 if known is None else known.pad),
            scale_numerator=ratio.numerator,
            scale_denominator=ratio.denominator,
        )
    )


def _grid(given: Mapping[str, object]) -> PillarSpec:
    known = [field.name for field in fields(PillarSpec) if field.name != _OF_THE_DRIVE]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise TaskSettingError(("input", "pillars", name), f"unknown key, {hint}")
    try:
        return from_plain(PillarSpec, dict(given))
    except (ValueError, InputError) as err:
        raise TaskSettingError(("input", "pillars"), str(err)) from err


def _histories(given: Mapping[str, object]) -> HistorySpec:
    """What a card says of tracks; it has been read, and not yet checked against this version."""
    known = {field.name for field in fields(HistorySpec)}
    if unknown := sorted(set(given) - known):
        raise InputError(f"its card: input.tracks.{unknown[0]} is unknown; known: {sorted(known)}")
    try:
        return from_plain(HistorySpec, dict(given))
    except (ValueError, InputError) as err:
        raise InputError(f"its card: input.tracks: {err}") from err


def _output(task: Task, card: ModelCard | None) -> tuple[str, dict[str, Setting]]:
    wanted = task.decoder
    if wanted is None and card is None:
        reason = "is missing, and the model has no card that says it"
        raise TaskSettingError(("output",), reason)
    if wanted is None or (card is not None and wanted.decoder == card.output.decoder):
        assert card is not None, "one of the two is there"  # noqa: S101 - our invariant
        own = {} if wanted is None else wanted.parameters()
        return card.output.decoder, _settings(card.parameters()) | _settings(own)
    return wanted.decoder, _settings(wanted.parameters())


def _settings(given: Mapping[str, object]) -> dict[str, Setting]:
    return {
        name: [item for item in value if isinstance(item, str | int | float)]
        if isinstance(value, list)
        else value
        for name, value in given.items()
        if isinstance(value, str | int | float | list)
    }
