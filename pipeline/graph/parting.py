"""A graph parted into several ONNX files that run one after the other, on any number of devices.

`cutting` parts a graph in two, at a link. This is for what stands behind, or before, such a cut and
runs on several devices of a site in turn. Every part is convex: it needs nothing that a later part
makes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ModelError
from pipeline.graph._loading import load_model
from pipeline.graph.cutting import extractor_of, write_part

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pipeline.graph.model import Graph

_FORMAT = 1  # part of every file name: raise it when the same part would be written differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """One part, and what goes through it in a chain of parts.

    Attributes:
        inputs: Tensors that it reads and does not make, in the graph's order.
        outputs: Tensors that it makes and others need, in the order they are made; of the last part
            in the graph's order.
        passes: Tensors that it neither makes nor needs to, and that a later part, or whoever takes
            the graph's outputs, needs from before it.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    passes: tuple[str, ...]


def partings(graph: Graph, parts: Sequence[Collection[int]]) -> list[Parting]:
    """What each part of a chain takes, makes and hands on.

    Args:
        graph: The graph.
        parts: All operators, by index, in the order in which the parts run.
    """
    names = [*graph.inputs, *(made for op in graph.operators for made in op.outputs)]
    place = {index: at for at, part in enumerate(parts) for index in part}
    found = []
    for at, part in enumerate(parts):
        chosen = frozenset(part)
        inputs, outputs, passes = [], [], []
        for name in names:
            tensor = graph.tensors[name]
            made = -1 if tensor.producer is None else place[tensor.producer]
            readers = [place[v] for v in tensor.consumers]
            if made != at and not chosen.isdisjoint(tensor.consumers):
                inputs.append(name)
            needed = name in graph.outputs or any(reader > at for reader in readers)
            if made == at and (needed or any(reader != at for reader in readers)):
                outputs.append(name)
            elif made < at and needed:
                passes.append(name)
        if at == len(parts) - 1:  # all that it makes for others are outputs of the graph
            outputs = [name for name in graph.outputs if name in outputs]
        found.append(Parting(inputs=tuple(inputs), outputs=tuple(outputs), passes=tuple(passes)))
    return found


def write_parts(graph: Graph, parts: Sequence[Collection[int]], directory: Path) -> list[Path]:
    """Write every part as an ONNX file of its own, weights included, where it is not there yet.

    A file's name holds a hash of the model and the part's operators.

    Raises:
        ModelError: The graph's file can no longer be read, or was changed since.
    """
    paths = [directory / f"{graph.path.stem}-{_key(graph, part)}-part.onnx" for part in parts]
    if all(path.is_file() for path in paths):
        return paths
    loaded = load_model(graph.path, weights=True)
    if loaded.sha256 != graph.sha256:
        raise ModelError(graph.path, "was changed since its graph was read")
    extractor = extractor_of(loaded.model, graph)
    for parting, path in zip(partings(graph, parts), paths, strict=True):
        if not path.is_file():
            write_part(extractor, parting.inputs, parting.outputs, path)
    return paths


def _key(graph: Graph, part: Collection[int]) -> str:
    text = f"part {_FORMAT} {graph.sha256} {','.join(map(str, sorted(part)))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
