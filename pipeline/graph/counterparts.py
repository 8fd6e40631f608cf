"""Parts of a network's int8 form, cut at the same tensors as the float32 network is.

A form in QDQ keeps the names of the tensors, and what reads one reads it behind a pair of quantise
and dequantise nodes. A part that ends at such a tensor gives what comes out of the pair, since a
device that computes int8 has nothing finer to hand on. So parts in a row, run at `ORT_DISABLE_ALL`,
give the same bits as the whole int8 form.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.errors import ModelError
from pipeline.graph._loading import load_model
from pipeline.graph.cutting import extractor_of, write_part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx

    from pipeline.graph.model import Graph

# Part of every file name: raise it when the same part would be written differently.
_FORMAT = 1
_PAIR = ("QuantizeLinear", "DequantizeLinear")
_BEFORE = "/before-int8"  # behind the name of a tensor before its pair, inside a part


def is_quantised(graph: Graph) -> bool:
    """Whether a network is one in int8 already: some tensor of it is quantised."""
    return any(operator.op_type == _PAIR[0] for operator in graph.operators)


def differs(graph: Graph, form: Graph) -> str:
    """Why another network cannot stand in for one in all of its parts; "" where it can.

    Args:
        graph: The network.
        form: Its int8 form.
    """
    if not is_quantised(form):
        return "it holds no operator that is computed in int8"
    if (graph.inputs, graph.outputs) != (form.inputs, form.outputs):
        return "its inputs and outputs have other names"
    for name, tensor in graph.tensors.items():
        other = form.tensors.get(name)
        if other is None:
            return f"it has no tensor {name!r}"
        if (other.shape, other.dtype) != (tensor.shape, tensor.dtype):
            return f"its tensor {name!r} has another shape or type"
    return ""


def write_counterpart(
    form: Graph, inputs: Sequence[str], outputs: Sequence[str], directory: Path
) -> Path:
    """Write what lies between two sets of tensors as an ONNX file, where it is not there yet.

    The file's name holds a hash of the form and of both sets. It appears whole or not at all.

    Args:
        form: The int8 form, for which `differs` had nothing to say.
        inputs: Tensors that the part reads, as the float32 network names them.
        outputs: Tensors that it makes, in the order of the file's outputs.
        directory: Where to write; made if missing.

    Raises:
        ModelError: The form's file can no longer be read, or was changed since.
    """
    key = f"counterpart {_FORMAT} {form.sha256} {list(inputs)} {list(outputs)}"
    short = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = directory / f"{form.path.stem}-{short}-part.onnx"
    if path.is_file():
        return path
    loaded = load_model(form.path, weights=True)
    if loaded.sha256 != form.sha256:
        raise ModelError(form.path, "was changed since its graph was read")
    behind = {name: pair for name in outputs if (pair := _behind(form, name)) != name}
    _swap(loaded.model, behind)
    return write_part(extractor_of(loaded.model, form), list(inputs), list(outputs), path)


def _behind(form: Graph, name: str) -> str:
    """The tensor behind the pair that a tensor goes through; itself where it goes through none.

    Optimising may have given each reader a dequantise node of its own; one is as good as another.
    """
    if name in form.outputs:
        return name
    readers = [form.operators[index] for index in form.tensors[name].consumers]
    if len(readers) != 1 or readers[0].op_type != _PAIR[0]:
        return name
    (stored,) = readers[0].outputs
    behind = [form.operators[index] for index in form.tensors[stored].consumers]
    if not behind or any(operator.op_type != _PAIR[1] for operator in behind):
        return name
    return behind[0].outputs[0]


def _swap(model: onnx.ModelProto, behind: Mapping[str, str]) -> None:
    """Give what comes out of a pair the name of what goes in, and that another one."""
    new = {pair: name for name, pair in behind.items()}
    new |= {name: f"{name}{_BEFORE}" for name in behind}
    for node in model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
