"""A task's model: found, checked, optimised once, and read as a graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from accelerators.backends.ort import optimise
from accelerators.errors import ModelLoadError
from pipeline.assembly.places import BUILTIN, resolve
from pipeline.assembly.telling import Told, told_for_timing, told_of
from pipeline.errors import ModelError
from pipeline.graph import load_graph
from pipeline.tasks.builtin import DEMO_INPUT, build_demo_network
from pipeline.tasks.cards import (
    CardInput,
    CardOutput,
    ModelCard,
    builtin_model,
    builtin_names,
    card_beside,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.graph.model import Graph
    from pipeline.scenario.models import Task, Variant

_LEVEL: Literal["basic"] = "basic"  # standard operators only, so that head and tail run anywhere
_INT8 = "-int8"  # behind the name of a model, that of its int8 form
_DETECTOR = "detector"  # the untrained network that is made by code
_DETECTOR_CARD = ModelCard(
    card=1,
    name=_DETECTOR,
    summary="an untrained detector, for timing",
    input=CardInput(size=(DEMO_INPUT.width, DEMO_INPUT.height), fit=DEMO_INPUT.fit),
    output=CardOutput(decoder="yolox"),
    untrained=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that can be planned with.

    Attributes:
        name: As the scenario names it.
        sha256: Hash of its file.
        graph: Its graph after optimising once.
        told: What it reads and how its outputs are decoded.
        untrained: Whether its weights were never trained.
        stateful: Whether its answer hangs on what it saw before.
        timing_only: Whether it is priced and never run.
    """

    name: str
    sha256: str
    graph: Graph
    told: Told
    untrained: bool
    stateful: bool
    timing_only: bool = False


def load_model(
    task: Task, variant: Variant, *, beside: Path, directory: Path, allow_outside: bool
) -> LoadedModel:
    """Find a model and its card, check hash and input, optimise it, read its graph.

    Raises:
        InputError: It is missing, does not load, has dynamic shapes, is another file than the
            scenario's hash or its card says, or its input does not fit the task's; where a key of
            the task is to blame, a `TaskSettingError`.
    """
    if variant.model.startswith(BUILTIN):
        path, card = _builtin(variant.model.removeprefix(BUILTIN), directory)
    else:
        path = resolve(variant.model, beside=beside, allow_outside=allow_outside)
        card = card_beside(path)
    try:
        data = path.read_bytes()
    except OSError as err:
        raise ModelError(path, f"cannot be read: {err.strerror}") from err
    digest = hashlib.sha256(data).hexdigest()
    if variant.sha256 is not None and not digest.startswith(variant.sha256):
        raise ModelError(path, f"its sha256 is {digest[:16]}…, the scenario says {variant.sha256}")
    if card is not None:
        _check_card(card, path, digest, len(data))
    if variant.timing_only:  # not optimised: folded, weights that are nodes would fill the memory
        graph = load_graph(path)
        return LoadedModel(
            name=variant.model,
            sha256=digest,
            graph=graph,
            told=told_for_timing(task, card, graph),
            untrained=True,
            stateful=card is not None and card.stateful,
            timing_only=True,
        )
    told = told_of(task, card)
    load_graph(path)  # first the file itself, for errors that name what its author wrote
    optimised = directory / f"{digest[:24]}-{_LEVEL}-{version('onnxruntime')}.onnx"
    if not optimised.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        try:
            optimise(path, optimised, level=_LEVEL)
        except ModelLoadError as err:
            raise ModelError(path, err.reason) from err
    graph = load_graph(optimised)
    _check_input(told, path, graph)
    return LoadedModel(
        name=variant.model,
        sha256=digest,
        graph=graph,
        told=told,
        untrained=card is not None and card.untrained,
        stateful=card is not None and card.stateful,
    )


def int8_beside(variant: Variant) -> Variant | None:
    """The int8 form that is shipped beside a built-in model, as a variant; None where none is."""
    name = variant.model.removeprefix(BUILTIN)
    if name == variant.model or f"{name}{_INT8}" not in builtin_names():
        return None
    return variant.model_copy(update={"model": f"{variant.model}{_INT8}", "sha256": None})


def _builtin(name: str, directory: Path) -> tuple[Path, ModelCard | None]:
    if name == _DETECTOR:
        directory.mkdir(parents=True, exist_ok=True)
        return build_demo_network(directory / "builtin-detector.onnx"), _DETECTOR_CARD
    path = builtin_model(name, also=(_DETECTOR,))
    return path, card_beside(path)


def _check_card(card: ModelCard, path: Path, digest: str, size: int) -> None:
    if card.bytes is not None and card.bytes != size:
        raise ModelError(path, f"has {size} bytes, its card says {card.bytes}: another file")
    if card.sha256 is not None and not digest.startswith(card.sha256):
        raise ModelError(path, f"its sha256 is {digest[:16]}…, its card says {card.sha256}")


def _check_input(told: Told, path: Path, graph: Graph) -> None:
    if len(graph.inputs) != 1:
        raise ModelError(path, f"has {len(graph.inputs)} inputs; this version takes one frame")
    tensor, wanted = graph.tensors[graph.inputs[0]], told.input.shape
    if tensor.shape != wanted:
        raise ModelError(
            path,
            f"input {tensor.name!r} has shape {list(tensor.shape)}, the scenario's and the card's "
            f"input makes {list(wanted)}",
        )
    if tensor.dtype != "float32":
        raise ModelError(path, f"input {tensor.name!r} is {tensor.dtype}; only float32 is taken")
