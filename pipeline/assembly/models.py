"""A task's model: found, checked, optimised once, and read as a graph."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from accelerators.backends.ort import optimise
from accelerators.errors import ModelLoadError
from pipeline.assembly.places import BUILTIN, resolve
from pipeline.errors import InputError, ModelError
from pipeline.graph import load_graph
from pipeline.tasks.builtin import build_demo_network

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.graph.model import Graph
    from pipeline.scenario.models import Task, Variant

_LEVEL: Literal["basic"] = "basic"  # standard operators only, so that head and tail run anywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that can be planned with.

    Attributes:
        name: As the scenario names it.
        sha256: Hash of its file.
        graph: Its graph after optimising once.
        untrained: Whether its weights were never trained.
    """

    name: str
    sha256: str
    graph: Graph
    untrained: bool


def load_model(
    task: Task, variant: Variant, *, beside: Path, directory: Path, allow_outside: bool
) -> LoadedModel:
    """Find a model, check its hash and input, optimise it, read its graph.

    Raises:
        InputError: It is missing, does not load, has dynamic shapes, is another file than the
            scenario's hash says, or its input does not fit the task's.
    """
    untrained = variant.model.startswith(BUILTIN)
    if untrained:
        path = _builtin(variant.model, directory)
    else:
        path = resolve(variant.model, beside=beside, allow_outside=allow_outside)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as err:
        raise ModelError(path, f"cannot be read: {err.strerror}") from err
    if variant.sha256 is not None and not digest.startswith(variant.sha256):
        raise ModelError(path, f"its sha256 is {digest[:16]}…, the scenario says {variant.sha256}")
    load_graph(path)  # first the file itself, for errors that name what its author wrote
    optimised = directory / f"{digest[:24]}-{_LEVEL}-{version('onnxruntime')}.onnx"
    if not optimised.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        try:
            optimise(path, optimised, level=_LEVEL)
        except ModelLoadError as err:
            raise ModelError(path, err.reason) from err
    graph = load_graph(optimised)
    _check_input(task, path, graph)
    return LoadedModel(name=variant.model, sha256=digest, graph=graph, untrained=untrained)


def _builtin(name: str, directory: Path) -> Path:
    if name != f"{BUILTIN}detector":
        raise InputError(f"{name}: there is no such built-in model; there is {BUILTIN}detector")
    directory.mkdir(parents=True, exist_ok=True)
    return build_demo_network(directory / "builtin-detector.onnx")


def _check_input(task: Task, path: Path, graph: Graph) -> None:
    if len(graph.inputs) != 1:
        raise ModelError(path, f"has {len(graph.inputs)} inputs; this version takes one picture")
    tensor = graph.tensors[graph.inputs[0]]
    width, height = task.input.size
    wanted = (1, 3, height, width)
    if tensor.shape != wanted:
        raise ModelError(
            path,
            f"input {tensor.name!r} has shape {list(tensor.shape)}, the scenario's size "
            f"[{width}, {height}] makes {list(wanted)}",
        )
    if tensor.dtype != "float32":
        raise ModelError(path, f"input {tensor.name!r} is {tensor.dtype}; only float32 is taken")
