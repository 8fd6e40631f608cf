"""A graph cut in two ONNX files that run: the head on the car, the tail in the cloud.

Run at `ORT_DISABLE_ALL` with one thread, head and tail together give the same bits as the whole
file at that setting. So optimise first and cut the optimised file: optimising the parts may fuse
differently on the two sides of a cut.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper
from onnx.utils import Extractor

from pipeline.errors import CutError, ModelError
from pipeline.graph._loading import load_model
from pipeline.graph.heads import cut_tensors

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline.graph.model import Graph, Tensor

# Part of every file name: raise it when the same cut would be written differently.
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CutModel:
    """Two ONNX files that together do what one did.

    An output of the graph that the head already makes is one of the crossing `tensors`: it is
    delivered as it arrives and the tail does not touch it, unless it reads it as well.

    Attributes:
        head: File of the part that runs first.
        tail: File of the part behind the cut.
        tensors: What crosses, in order: inputs of the graph that the tail reads, then tensors that
            the head makes, in the order they are made.
        head_inputs: Inputs of the graph that the head reads, in the graph's order.
        head_outputs: Outputs of the head file: the names in `tensors` that are no graph inputs.
        tail_inputs: Inputs of the tail file: the names in `tensors` that the tail reads.
        tail_outputs: Outputs of the tail file: graph outputs that the tail makes, in the graph's
            order.
        passed: Graph outputs that the head makes: in `tensors`, delivered as they arrive.
        outputs: All outputs of the graph in the graph's order, each either passed or a tail output.
    """

    head: Path
    tail: Path
    tensors: tuple[Tensor, ...]
    head_inputs: tuple[str, ...]
    head_outputs: tuple[str, ...]
    tail_inputs: tuple[str, ...]
    tail_outputs: tuple[str, ...]
    passed: tuple[str, ...]
    outputs: tuple[str, ...]


def cut_model(graph: Graph, head: Collection[int], directory: Path) -> CutModel:
    """Write head and tail of a graph as ONNX files of their own, weights included.

    File names hold a hash of the model and the cut, so the same cut of the same file always has the
    same names and contents. A file appears whole or not at all.

    Args:
        graph: The graph, as read from its file.
        head: Operators that run before the cut, by index.
        directory: Where to write; made if missing.

    Raises:
        CutError: The set is no head, leaves nothing on one side, or a tensor that holds shapes
            would cross.
        ModelError: The graph's file can no longer be read, or was changed since.
    """
    chosen = frozenset(head)
    tensors = tuple(graph.tensors[name] for name in cut_tensors(graph, chosen))
    if not chosen or len(chosen) == len(graph.operators):
        side = "head" if not chosen else "tail"
        raise CutError(graph.path.name, f"the {side} holds no operator")
    loaded = load_model(graph.path, weights=True)
    if loaded.sha256 != graph.sha256:
        raise ModelError(graph.path, "was changed since its graph was read")
    in_tail = frozenset(range(len(graph.operators))) - chosen
    head_inputs = tuple(
        name for name in graph.inputs if not chosen.isdisjoint(graph.tensors[name].consumers)
    )
    head_outputs = tuple(tensor.name for tensor in tensors if tensor.producer is not None)
    tail_inputs = tuple(t.name for t in tensors if not in_tail.isdisjoint(t.consumers))
    tail_outputs = tuple(
        name for name in graph.outputs if graph.tensors[name].producer not in {None, *chosen}
    )
    extractor = extractor_of(loaded.model, graph)
    stem = f"{graph.path.stem}-{_key(graph, chosen)}"
    return CutModel(
        head=write_part(extractor, head_inputs, head_outputs, directory / f"{stem}-head.onnx"),
        tail=write_part(extractor, tail_inputs, tail_outputs, directory / f"{stem}-tail.onnx"),
        tensors=tensors,
        head_inputs=head_inputs,
        head_outputs=head_outputs,
        tail_inputs=tail_inputs,
        tail_outputs=tail_outputs,
        passed=tuple(name for name in graph.outputs if name not in tail_outputs),
        outputs=graph.outputs,
    )


def _key(graph: Graph, head: frozenset[int]) -> str:
    """What identifies a cut of a file: its hash and the head's operators, 16 hexadecimal digits."""
    text = f"{_FORMAT} {graph.sha256} {','.join(map(str, sorted(head)))}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def extractor_of(model: onnx.ModelProto, graph: Graph) -> Extractor:
    """An extractor that knows type and shape of every live tensor of the graph."""
    described = {
        tensor.name: helper.make_tensor_value_info(
            tensor.name, helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype)), tensor.shape
        )
        for tensor in graph.tensors.values()
    }
    for output in model.graph.output:
        output.CopyFrom(described[output.name])
    del model.graph.value_info[:]
    ends = {*graph.inputs, *graph.outputs}
    model.graph.value_info.extend(v for name, v in described.items() if name not in ends)
    return Extractor(model)


def write_part(
    extractor: Extractor, inputs: Sequence[str], outputs: Sequence[str], path: Path
) -> Path:
    """Write what lies between two sets of tensors; the file appears whole or not at all."""
    part = extractor.extract_model(list(inputs), list(outputs))
    ends = {*inputs, *outputs}
    inner = [value for value in part.graph.value_info if value.name not in ends]
    del part.graph.value_info[:]
    part.graph.value_info.extend(inner)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(part.SerializeToString(deterministic=True))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
