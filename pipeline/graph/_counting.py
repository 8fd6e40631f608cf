"""How much an operator has to do: multiply-adds, groups, and the size of its window.

Formulas follow the operators' definitions in the ONNX specification (operators `Conv`,
`ConvTranspose`, `Gemm`, `MatMul`, `Einsum`, `LSTM`) and in ONNX Runtime's list of contributed
operators, which keep the places of the inputs except where a table below says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from accelerators.work import MatrixWork

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import onnx

    Shape = tuple[int, ...]

# Place of the weights among the inputs; their shape is (outputs, inputs / groups, spatial ...).
_CONVOLUTIONS = {
    "Conv": 1,
    "FusedConv": 1,
    "NhwcConv": 1,
    "NhwcFusedConv": 1,
    "ConvInteger": 1,
    "DeformConv": 1,
    "QLinearConv": 3,
}
# Places of the two factors.
_PRODUCTS = {
    "Gemm": (0, 1),
    "FusedGemm": (0, 1),
    "MatMul": (0, 1),
    "FusedMatMul": (0, 1),
    "TransposeMatMul": (0, 1),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "DynamicQuantizeMatMul": (0, 1),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3),
}
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_UNCOUNTED = frozenset(
    {
        "Attention",
        "DecoderMaskedMultiHeadAttention",
        "GroupQueryAttention",
        "LongformerAttention",
        "MatMulBnb4",
        "MatMulNBits",
        "MoE",
        "MultiHeadAttention",
        "PackedAttention",
        "QAttention",
    }
)
_GLOBAL_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"})


class UncountedError(ValueError):
    """An operator multiplies much, and no formula for it is known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """One operator's arithmetic at batch 1; the fields are those of `OpWork`."""

    macs: int
    groups: int = 1
    kernel_elements: int = 1


def count(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> Count:
    """Count one operator's multiply-adds.

    Args:
        node: The operator.
        shapes: Shape of each tensor it reads or makes, in the file's axis order.

    Returns:
        The count; element-wise operators and normalisations count no multiply-adds.

    Raises:
        UncountedError: The operator multiplies much, in a way that is not known here.
    """
    op = node.op_type
    if op in _UNCOUNTED:
        raise UncountedError(f"the multiply-adds of {op} cannot be counted")
    out = shapes[node.output[0]] if node.output and node.output[0] in shapes else ()
    if op in _CONVOLUTIONS:
        weight = shapes[node.input[_CONVOLUTIONS[op]]]
        # Each output element is a sum over one filter.
        return Count(
            macs=prod(out) * prod(weight[1:]),
            groups=_int(node, "group", 1),
            kernel_elements=prod(weight[2:]),
        )
    if op == "ConvTranspose":
        # Weights are (inputs, outputs / groups, spatial ...): each input element meets one filter.
        weight = shapes[node.input[1]]
        return Count(
            macs=prod(shapes[node.input[0]]) * prod(weight[1:]),
            groups=_int(node, "group", 1),
            kernel_elements=prod(weight[2:]),
        )
    if op in _PRODUCTS:
        left = shapes[node.input[_PRODUCTS[op][0]]]
        across = -2 if _int(node, "transA", 0) and len(left) > 1 else -1
        return Count(macs=prod(out) * left[across])
    if op == "Einsum":
        return Count(macs=_einsum(node, shapes, out))
    if op in _RECURRENT:
        # Every step of every sequence meets all of the input and the recurrent weights.
        steps, batch = shapes[node.input[0]][:2]
        return Count(
            macs=steps * batch * (prod(shapes[node.input[1]]) + prod(shapes[node.input[2]]))
        )
    if op in _GLOBAL_POOLS:
        return Count(macs=0, kernel_elements=prod(shapes[node.input[0]][2:]))
    return Count(macs=0, kernel_elements=prod(_ints(node, "kernel_shape")))


def products(
    node: onnx.NodeProto, shapes: Mapping[str, Shape], live: Collection[str]
) -> tuple[MatrixWork, ...]:
    """Matrix products of an operator that is known to have some; empty for any other.

    Args:
        node: The operator.
        shapes: Shape of each tensor it reads or makes, in the file's axis order.
        live: Names of its inputs that are no weights.

    Returns:
        The products. The matrix is the factor that is a weight; where both or neither are, the
        right one, or the left one if it is larger. A stack of matrices that all meet the same
        vectors, since the other factor is no stack, is one matrix of all their rows: so both
        readings are the same where the factors are equally large. Multiply-adds of all add up to
        `count`'s.
    """
    op = node.op_type
    if op in _RECURRENT:
        steps, batch = shapes[node.input[0]][:2]
        across, back = node.input[1], node.input[2]
        directions, rows, depth = shapes[across]
        return (
            MatrixWork(
                rows=rows,
                depth=depth,
                vectors=steps * batch,
                matrices=directions,
                constant=across not in live,
            ),
            MatrixWork(
                rows=rows,
                depth=shapes[back][2],
                vectors=batch,
                matrices=directions,
                steps=steps,
                constant=back not in live,
            ),
        )
    if op not in _PRODUCTS:
        return ()
    names = tuple(node.input[place] for place in _PRODUCTS[op])
    left, right = (shapes[name] for name in names)
    out = shapes[node.output[0]]
    macs = count(node, shapes).macs
    if not macs:  # nothing comes out
        return ()
    constant = tuple(name not in live for name in names)
    swapped = prod(left) > prod(right) if constant[0] == constant[1] else constant[0]
    matrix, other = (left, right) if swapped else (right, left)
    depth = macs // prod(out)
    matrices = prod(matrix[:-2]) if prod(other[:-2]) > 1 else 1
    rows = prod(matrix) // (depth * matrices)
    return (
        MatrixWork(
            rows=rows,
            depth=depth,
            vectors=macs // (rows * depth * matrices),
            matrices=matrices,
            constant=constant[0 if swapped else 1],
        ),
    )


def _einsum(node: onnx.NodeProto, shapes: Mapping[str, Shape], out: Shape) -> int:
    """Elements of the output times those of each axis summed over; one operand multiplies none."""
    operands = [shapes[name] for name in node.input]
    if len(operands) == 1:
        return 0
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation")
    left, arrow, right = equation.replace(" ", "").partition("->")
    sides: dict[str, int] = {}
    terms = left.split(",")
    for term, shape in zip(terms, operands, strict=True):
        before, _, after = term.partition("...")
        sides |= dict(zip(before, shape, strict=False))
        sides |= dict(zip(reversed(after), reversed(shape), strict=False))
    if not arrow:  # an axis is kept where its letter is written once
        right = "".join(letter for letter in sides if left.count(letter) == 1)
    summed = prod(side for letter, side in sides.items() if letter not in right)
    return prod(out) * summed * (len(operands) - 1)


def _int(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)


def _ints(node: onnx.NodeProto, name: str) -> tuple[int, ...]:
    return next((tuple(a.ints) for a in node.attribute if a.name == name), ())
