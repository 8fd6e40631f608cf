"""An ONNX file read into a typed graph, with every operator's work counted."""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING

from accelerators.work import OpWork
from pipeline.errors import ModelError
from pipeline.graph._counting import UncountedError, count, products
from pipeline.graph._loading import load_model
from pipeline.graph._shapes import infer
from pipeline.graph.model import Graph, Operator, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import onnx

    from pipeline.graph._shapes import TypedShape


def load_graph(path: Path, *, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Read an ONNX file, as exported or as ONNX Runtime saved it after optimising.

    What depends on constants only (initializers, `Constant`, `ConstantOfShape` and whatever is
    computed from them) is a weight, no operator; parts that lead to no output are dropped. A weight
    that two operators read counts for both. Outputs that nothing reads are left out.

    Args:
        path: The file.
        shapes: Shapes of tensors by name, in the file's axis order, for operators that shape
            inference does not know; they win over inferred ones. Their type, where nothing else
            tells it, is float32.

    Raises:
        ModelError: The file is missing, no ONNX model, or damaged; weights kept beside it are
            missing; an input has no static shape (input and axis are named); the shape of an
            operator's output cannot be inferred (operator and type are named); the graph has no
            outputs, a cycle, or operators that cannot be cut or counted.
    """
    loaded = load_model(path, weights=False)
    model = loaded.model
    inputs = _live_inputs(path, model)
    live = _live_names(model.graph.node, inputs)
    for output in model.graph.output:
        if output.name not in live:
            raise ModelError(path, f"output {output.name!r} does not depend on any input")
    try:
        known = infer(model, shapes or {})
    except ValueError as err:
        raise ModelError(path, f"shapes cannot be inferred: {_first_line(err)}") from err
    outputs = tuple(output.name for output in model.graph.output)
    nodes = _used(model.graph.node, live, outputs)
    return _build(path, loaded.sha256, nodes, live, known, inputs, outputs)


def _live_inputs(path: Path, model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the inputs that are no weights; refused unless all their axes are fixed."""
    weights = {tensor.name for tensor in model.graph.initializer}
    names = []
    for value in model.graph.input:
        if value.name in weights:
            continue
        if not value.type.HasField("tensor_type"):
            raise ModelError(path, f"input {value.name!r} is no tensor")
        if not value.type.tensor_type.HasField("shape"):
            raise ModelError(path, f"input {value.name!r} has no shape; export a static one")
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_value <= 0:
                what = f" ({dim.dim_param!r})" if dim.dim_param else ""
                reason = f"input {value.name!r}, axis {axis}{what} has no fixed size"
                raise ModelError(path, f"{reason}; export the model with static shapes")
        names.append(value.name)
    if not names:
        raise ModelError(path, "the graph has no inputs")
    return tuple(names)


def _live_names(nodes: Sequence[onnx.NodeProto], inputs: Sequence[str]) -> set[str]:
    """Names of the tensors that depend on an input."""
    live = set(inputs)
    for node in nodes:
        if not live.isdisjoint(node.input):
            live.update(name for name in node.output if name)
    return live


def _used(
    nodes: Sequence[onnx.NodeProto], live: set[str], outputs: Sequence[str]
) -> list[onnx.NodeProto]:
    """The live nodes that lead to an output, in the same order."""
    wanted = set(outputs)
    used = []
    for node in reversed(nodes):
        if wanted.isdisjoint(node.output) or live.isdisjoint(node.input):
            continue
        wanted.update(node.input)
        used.append(node)
    return used[::-1]


def _names(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """Unique names: the file's own, the first of equal ones kept; else made up."""
    taken = Counter(node.name for node in nodes)
    seen: set[str] = set()
    names = []
    for index, node in enumerate(nodes):
        name = node.name
        if not name or name in seen:
            name = f"{node.name or node.op_type}_{index}"
            while name in seen or name in taken:
                name += "_"
        seen.add(name)
        names.append(name)
    return names


def _build(
    path: Path,
    sha256: str,
    nodes: Sequence[onnx.NodeProto],
    live: set[str],
    known: Mapping[str, TypedShape],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> Graph:
    names = _names(nodes)
    readers: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(index)
    producers: dict[str, int | None] = dict.fromkeys(inputs)
    operators = []
    for index, node in enumerate(nodes):
        made = tuple(name for name in node.output if name and (name in readers or name in outputs))
        producers.update(dict.fromkeys(made, index))
        reads = tuple(name for name in dict.fromkeys(node.input) if name in live)
        label = f"operator {names[index]!r} ({node.op_type})"
        places = (producers[name] for name in reads)
        makers = tuple(dict.fromkeys(names[p] for p in places if p is not None))
        for name in (*made, *node.input):
            if name and name not in known:
                of = "output" if name in made else "input"
                raise ModelError(path, f"{label}: the shape of its {of} {name!r} is not known")
        operators.append(
            Operator(
                index=index,
                name=names[index],
                op_type=node.op_type,
                inputs=reads,
                outputs=made,
                work=_work(path, names[index], node, known, reads=reads, made=made, makers=makers),
            )
        )
    return Graph(
        path=path,
        sha256=sha256,
        operators=tuple(operators),
        tensors={
            name: Tensor(
                name=name,
                shape=known[name].shape,
                dtype=known[name].dtype,
                producer=producer,
                consumers=tuple(readers.get(name, ())),
            )
            for name, producer in producers.items()
        },
        inputs=inputs,
        outputs=outputs,
    )


def _work(
    path: Path,
    name: str,
    node: onnx.NodeProto,
    known: Mapping[str, TypedShape],
    *,
    reads: Sequence[str],
    made: Sequence[str],
    makers: tuple[str, ...],
) -> OpWork:
    """Count one operator's work."""
    shapes = {
        tensor: known[tensor].shape for tensor in (*node.input, *node.output) if tensor in known
    }
    try:
        counted = count(node, shapes)
        multiplied = products(node, shapes, reads)
    except UncountedError as err:
        raise ModelError(path, f"operator {name!r}: {err}") from None
    except (IndexError, KeyError, ValueError) as err:
        reason = f"operator {name!r} ({node.op_type}) does not fit its inputs"
        raise ModelError(path, f"is damaged: {reason}") from err
    weights = [tensor for tensor in dict.fromkeys(node.input) if tensor and tensor not in reads]
    return OpWork(
        name=name,
        op_type=node.op_type,
        macs=counted.macs,
        weight_elements=sum(prod(shapes[tensor]) for tensor in weights),
        input_elements=sum(prod(shapes[tensor]) for tensor in reads),
        output_elements=sum(prod(shapes[tensor]) for tensor in made),
        groups=counted.groups,
        kernel_elements=counted.kernel_elements,
        producers=makers,
        products=multiplied,
    )


def _first_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0]
