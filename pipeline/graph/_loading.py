"""An ONNX file read into memory, hashed, and refused early where nothing later could use it."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model, uses_external_data
from onnx.inliner import inline_local_functions

from pipeline.errors import ModelError
from pipeline.graph._shapes import STANDARD, standard_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_RANDOM = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """An ONNX file's content.

    Attributes:
        model: The model, its local functions inlined; owned by whoever asked for it.
        sha256: Hash of the file's bytes, hexadecimal; where weights lie in files of their own, of
            the file's bytes followed by theirs, in the order of their names.
    """

    model: onnx.ModelProto
    sha256: str


def load_model(path: Path, *, weights: bool) -> LoadedModel:
    """Read an ONNX file.

    Args:
        path: The file.
        weights: Whether to read weights that lie in files of their own too; their presence and
            size are checked either way.

    Raises:
        ModelError: The file is missing, no ONNX model, or damaged; a file of weights is missing or
            too short; the graph holds subgraphs, random numbers or sparse weights; it has no
            outputs.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(path, "no such file") from None
    except IsADirectoryError:
        raise ModelError(path, "is a folder, not an ONNX file") from None
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise ModelError(path, "is not an ONNX model, or is damaged") from None
    if not model.graph.node and not model.graph.output:
        raise ModelError(path, "is not an ONNX model: it holds no graph")
    digest = hashlib.sha256(data)
    for outside in _check_external(path, model):
        with outside.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    if weights:
        try:
            load_external_data_for_model(model, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as err:
            raise ModelError(path, f"its weights cannot be read: {_first_line(err)}") from err
    if model.functions:
        model = inline_local_functions(model)
    _refuse_unfit(path, model)
    _sort(path, model)
    return LoadedModel(model=model, sha256=digest.hexdigest())


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every constant in the file: initializers and tensors held by attributes."""
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _check_external(path: Path, model: onnx.ModelProto) -> list[Path]:
    """Files of weights beside the model, by name; refused unless each holds all that is read."""
    needed: dict[str, int] = {}
    for tensor in _tensors(model):
        if not uses_external_data(tensor):
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        try:
            end = int(entries.get("offset", "0")) + int(entries.get("length", "0"))
        except ValueError:
            raise ModelError(path, f"weight {tensor.name!r}: no number where it lies") from None
        needed[name] = max(needed.get(name, 0), end)
    found = []
    root = path.parent.resolve()
    for name, end in sorted(needed.items()):
        file = (root / name).resolve()
        if not name or not file.is_relative_to(root):
            raise ModelError(path, f"its weights lie outside its folder, in {name!r}")
        if not file.is_file():
            raise ModelError(path, f"its weights are missing: no file {name!r} beside it")
        size = file.stat().st_size
        if size < end:
            raise ModelError(path, f"its weights are cut short: {name!r} has {size} of {end} bytes")
        found.append(file)
    return found


def _refuse_unfit(path: Path, model: onnx.ModelProto) -> None:
    graph = model.graph
    if not graph.output:
        raise ModelError(path, "the graph has no outputs")
    if graph.sparse_initializer:
        raise ModelError(path, "the graph holds sparse weights, which cannot be cut")
    for node in graph.node:
        label = f"operator {node.name or node.op_type!r} ({node.op_type})"
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            raise ModelError(path, f"{label} holds a subgraph; control flow cannot be cut")
        if node.op_type in _RANDOM:
            raise ModelError(path, f"{label} draws random numbers; results would not repeat")
    _refuse_unheard_of(path, model)


def _refuse_unheard_of(path: Path, model: onnx.ModelProto) -> None:
    """Refuse an operator that claims to be ONNX's own and is none: nothing could run it."""
    version = standard_version(model)
    own = {node.op_type: node for node in model.graph.node if node.domain in STANDARD}
    for kind, node in own.items():
        if version is None:
            raise ModelError(path, "is damaged: it names no version of ONNX's operators")
        try:
            onnx.defs.get_schema(kind, version)
        except onnx.defs.SchemaError:
            label = f"operator {node.name or kind!r} ({kind})"
            reason = f"ONNX {version} has none of that name; name the domain that it belongs to"
            raise ModelError(path, f"{label} is not known: {reason}") from None


def _makers(path: Path, model: onnx.ModelProto) -> list[set[int]]:
    """Places of the nodes that each node depends on; refused where a tensor has two or none."""
    made_by: dict[str, int] = {}
    for place, node in enumerate(model.graph.node):
        for name in node.output:
            if name and made_by.setdefault(name, place) != place:
                raise ModelError(path, f"is damaged: tensor {name!r} is made twice")
    given = {value.name for value in model.graph.input}
    given |= {weight.name for weight in model.graph.initializer}
    for node in model.graph.node:
        for name in node.input:
            if name and name not in made_by and name not in given:
                label = f"operator {node.name or node.op_type!r} ({node.op_type})"
                raise ModelError(path, f"is damaged: {label} reads {name!r}, which nothing makes")
    return [{made_by[n] for n in node.input if n in made_by} for node in model.graph.node]


def _sort(path: Path, model: onnx.ModelProto) -> None:
    """Bring the nodes into topological order, which is the file's own where that is one."""
    makers = _makers(path, model)
    readers: list[list[int]] = [[] for _ in makers]
    for place, needed in enumerate(makers):
        for maker in needed:
            readers[maker].append(place)
    missing = [len(needed) for needed in makers]
    ready = [place for place, count in enumerate(missing) if not count]
    order: list[int] = []
    while ready:
        order.append(heapq.heappop(ready))
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    if len(order) < len(makers):
        raise ModelError(path, "is damaged: its operators read each other in a circle")
    if order != sorted(order):
        nodes = [model.graph.node[place] for place in order]
        del model.graph.node[:]
        model.graph.node.extend(nodes)


def _first_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0]
