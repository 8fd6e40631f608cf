"""Shape and type of every tensor of a model, ONNX Runtime's own operators included.

Standard operators are left to `onnx.shape_inference`. The saved graph of ONNX Runtime's level `all`
holds operators of its own, where that inference stops; their shapes are worked out here from the
definitions in ONNX Runtime (`onnxruntime/core/graph/contrib_ops`), and inference goes on behind
them. Where a shape is computed inside the graph in a way that inference does not follow, the
computation is carried out. What is neither known nor given by the caller stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper, shape_inference

if TYPE_CHECKING:
    from collections.abc import Mapping

    Shape = tuple[int, ...]

# Larger constants are replaced by their shape while shapes are inferred: their values decide none.
_LARGEST_VALUE = 4096
# Tensors up to so many elements are computed where they derive from shapes.
_LARGEST_COMPUTED = 64
STANDARD = frozenset({"", "ai.onnx"})
_CUSTOM = frozenset({"com.microsoft", "com.microsoft.nchwc"})
# Operators whose first output has the shape of their first input.
_SAME = frozenset(
    {
        "BiasGelu",
        "BiasSoftmax",
        "FastGelu",
        "Gelu",
        "QLinearLeakyRelu",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QuickGelu",
        "SkipLayerNormalization",
    }
)
# A standard operator with the same rule for shapes; its inputs are the first so many.
_STAND_INS = {
    "AveragePool": ("AveragePool", 1),
    "Conv": ("Conv", 2),
    "FusedConv": ("Conv", 2),
    "FusedGemm": ("Gemm", 2),
    "GlobalAveragePool": ("GlobalAveragePool", 1),
    "GlobalMaxPool": ("GlobalMaxPool", 1),
    "MaxPool": ("MaxPool", 1),
}
_OWN_ATTRIBUTES = frozenset({"activation", "activation_params", "activation_alpha"})


@dataclass(frozen=True, slots=True)
class TypedShape:
    """What is known of a tensor: shape in the file's axis order and numpy name of its dtype."""

    shape: tuple[int, ...]
    dtype: str


def infer(model: onnx.ModelProto, given: Mapping[str, Shape]) -> dict[str, TypedShape]:
    """Work out shape and type of the tensors of a model with static inputs.

    Args:
        model: The model; not changed.
        given: Shapes known from elsewhere; they win over what is inferred.

    Returns:
        By tensor name, constants included; a tensor whose shape stays unknown is left out.

    Raises:
        ValueError: Inference fails as a whole, as on a graph too large for one message.
    """
    light = _light(model)
    known: dict[str, onnx.TypeProto] = {}
    for name, shape in given.items():
        known[name] = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, shape)
    inferred = shape_inference.infer_shapes(light, data_prop=True).graph
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        if value.name in given:
            if value.type.tensor_type.elem_type:
                known[value.name].tensor_type.elem_type = value.type.tensor_type.elem_type
        elif _static(value.type) is not None:
            known[value.name] = value.type
    for tensor in light.graph.initializer:
        known[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
    if any(name not in known for node in light.graph.node for name in node.output if name):
        _go_on(light, known)
    typed = {name: (_static(kind), kind.tensor_type.elem_type) for name, kind in known.items()}
    return {
        name: TypedShape(shape, helper.tensor_dtype_to_np_dtype(element).name)
        for name, (shape, element) in typed.items()
        if shape is not None and element
    }


def _static(kind: onnx.TypeProto) -> Shape | None:
    """The shape where all of it is known."""
    if not kind.HasField("tensor_type") or not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    return tuple(d.dim_value for d in dims) if all(d.HasField("dim_value") for d in dims) else None


def _light(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the bytes of its weights, and without shapes that are not all known."""
    source = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    graph = light.graph
    graph.name = "light"
    graph.node.extend(source.node)
    weights = {tensor.name for tensor in source.initializer}
    graph.input.extend(value for value in source.input if value.name not in weights)
    for tensor in source.initializer:
        outside = tensor.data_location == onnx.TensorProto.EXTERNAL
        if outside or prod(tensor.dims) > _LARGEST_VALUE:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
        else:
            graph.initializer.append(tensor)
    for values, kept in ((source.output, graph.output), (source.value_info, graph.value_info)):
        for value in values:
            copy = kept.add()
            copy.CopyFrom(value)
            if copy.type.HasField("tensor_type") and _static(copy.type) is None:
                copy.type.tensor_type.ClearField("shape")
    return light


def standard_version(model: onnx.ModelProto) -> int | None:
    """Version of ONNX's own operators that a model names; None where it names none."""
    return next((each.version for each in model.opset_import if each.domain in STANDARD), None)


def _go_on(model: onnx.ModelProto, known: dict[str, onnx.TypeProto]) -> None:
    """Fill in `known` operator by operator, in the file's order, from where inference stopped."""
    version = standard_version(model) or defs.onnx_opset_version()
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        if any(name and name not in known for name in node.input):
            continue
        found: dict[str, onnx.TypeProto] = {}
        unknown = any(name and name not in known for name in node.output)
        if unknown and node.domain in _CUSTOM:
            found = _custom(node, known, readers, version)
        elif unknown and node.domain in STANDARD:
            found = _standard(node, known, values, version)
        for name, kind in found.items():
            if _static(kind) is not None:
                known.setdefault(name, kind)
        _compute(node, known, values, version)


def _compute(
    node: onnx.NodeProto,
    known: Mapping[str, onnx.TypeProto],
    values: dict[str, onnx.TensorProto],
    version: int,
) -> None:
    """Compute a small output that derives from shapes and constants only, into `values`."""
    name = node.output[0]
    shape = _static(known[name]) if name in known else None
    if len(node.output) > 1 or shape is None or prod(shape) > _LARGEST_COMPUTED:
        return
    if node.op_type in {"Shape", "Size"} and node.domain in STANDARD:
        of = np.zeros(_static(known[node.input[0]]) or (), np.bool_)
        feeds = {node.input[0]: of}
    elif node.domain in STANDARD and all(read in values for read in node.input if read):
        feeds = {read: numpy_helper.to_array(values[read]) for read in node.input if read}
    else:
        return
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - rarely needed, slow to import

    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_value_info(read, known[read]) for read in feeds],
        [helper.make_value_info(name, known[name])],
    )
    one = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    try:
        (result,) = ReferenceEvaluator(one).run(None, feeds)
    except (NotImplementedError, RuntimeError, TypeError, ValueError):
        return  # its shape then stays unknown, which the caller reports
    values[name] = numpy_helper.from_array(np.asarray(result), name)


def _standard(
    node: onnx.NodeProto,
    known: Mapping[str, onnx.TypeProto],
    values: Mapping[str, onnx.TensorProto],
    version: int,
) -> dict[str, onnx.TypeProto]:
    """Types of a standard operator's outputs; none where its inputs do not fit it."""
    reads = [name for name in node.input if name]
    try:
        return shape_inference.infer_node_outputs(
            defs.get_schema(node.op_type, version),
            node,
            {name: known[name] for name in reads},
            {name: values[name] for name in reads if name in values},
            opset_imports=[helper.make_opsetid("", version)],
        )
    except (shape_inference.InferenceError, defs.SchemaError):
        return {}


def _custom(
    node: onnx.NodeProto,
    known: Mapping[str, onnx.TypeProto],
    readers: Mapping[str, list[onnx.NodeProto]],
    version: int,
) -> dict[str, onnx.TypeProto]:
    """Types of the outputs of an operator of ONNX Runtime's own; none where no rule is known."""
    if node.op_type in _STAND_INS:
        name, inputs = _STAND_INS[node.op_type]
        stand_in = helper.make_node(name, list(node.input[:inputs]), [node.output[0]])
        stand_in.attribute.extend(a for a in node.attribute if a.name not in _OWN_ATTRIBUTES)
        return _standard(stand_in, known, {}, version)
    first = _static(known[node.input[0]])
    if first is None:
        return {}
    shape: Shape | None = None
    if node.op_type in _SAME:
        shape = first
    elif node.op_type == "ReorderInput":
        shape = _reordered(node, first, known, readers)
    elif node.op_type == "ReorderOutput":
        batch, _, *rest = first
        channels = _attribute(node, "channels", 0)
        last = _attribute(node, "channels_last", 0)
        shape = (batch, *rest, channels) if last else (batch, channels, *rest)
    elif node.op_type == "Upsample":
        scales = next((tuple(a.ints) for a in node.attribute if a.name == "scales"), ())
        shape = tuple(side * by for side, by in zip(first, scales, strict=True)) if scales else None
    elif node.op_type == "FusedMatMul":
        shape = _product(node, first, _static(known[node.input[1]]))
    if shape is None:
        return {}
    element = known[node.input[0]].tensor_type.elem_type
    return {node.output[0]: helper.make_tensor_type_proto(element, shape)}


def _reordered(
    node: onnx.NodeProto,
    first: Shape,
    known: Mapping[str, onnx.TypeProto],
    readers: Mapping[str, list[onnx.NodeProto]],
) -> Shape | None:
    """Shape after `ReorderInput`: channels padded to whole blocks, as its readers' weights tell."""
    if _attribute(node, "channels_last", 0):
        first = (first[0], first[-1], *first[1:-1])
    for reader in readers.get(node.output[0], []):
        if reader.op_type == "Conv" and reader.input[0] == node.output[0]:
            weight = _static(known[reader.input[1]])
            if weight is not None:
                channels = weight[1] * _attribute(reader, "group", 1)
                return (first[0], channels, *first[2:])
    # Blocks hold 8 or 16 channels, and which is the machine's choice.
    return first if first[1] % 16 == 0 else None


def _product(node: onnx.NodeProto, left: Shape, right: Shape | None) -> Shape | None:
    """Shape of a matrix product of transposed factors; rarer forms are left unknown."""
    unusual = _attribute(node, "transBatchA", 0) or _attribute(node, "transBatchB", 0)
    if right is None or unusual or min(len(left), len(right)) < 2:  # noqa: PLR2004 - matrices
        return None
    rows = left[-1] if _attribute(node, "transA", 0) else left[-2]
    columns = right[-2] if _attribute(node, "transB", 0) else right[-1]
    outer = max(left[:-2], right[:-2], key=len)
    inner = min(left[:-2], right[:-2], key=len)
    aligned = (1,) * (len(outer) - len(inner)) + inner
    batch = tuple(max(a, b) for a, b in zip(outer, aligned, strict=True))
    return (*batch, rows, columns)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)
