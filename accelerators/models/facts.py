"""What of an operator's work costs time on an accelerator: the counts that the NPU model prices.

Every operator of a segment is of one `Role`. Movement that a compiler can express by addressing
(views, transposes, concatenation in place, slices) is free. An element-wise operator that reads,
straight or through views, what an operator of the segment made is applied while that one writes, so
it is fused; a concatenation between them prevents that. Its second operand is neglected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.work import OpWork

CONVOLUTIONS = frozenset(
    {"Conv", "ConvInteger", "FusedConv", "NhwcConv", "NhwcFusedConv", "QLinearConv"}
    | {"ConvTranspose", "DeformConv"}
)
PRODUCTS = frozenset(
    {"Attention", "DynamicQuantizeMatMul", "Einsum", "FusedGemm", "FusedMatMul", "GRU", "Gemm"}
    | {"LSTM", "MatMul", "MatMulInteger", "MatMulIntegerToFloat", "MultiHeadAttention", "QGemm"}
    | {"QLinearMatMul", "RNN", "TransposeMatMul"}
)
ELEMENT_WISE = frozenset(
    {"Abs", "Add", "And", "BatchNormalization", "BiasGelu", "Celu", "Clip", "Div", "Elu", "Erf"}
    | {"Exp", "FastGelu", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max"}
    | {"Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "QuickGelu", "Reciprocal", "Relu", "Round"}
    | {"Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tanh"}
    | {"ThresholdedRelu", "Where"}
)
# Quantise and dequantise nodes only note a scale; the device computes in one precision throughout.
VIEWS = frozenset(
    {"Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "QuantizeLinear", "Reshape"}
    | {"Squeeze", "Unsqueeze"}
)
MOVES = frozenset(
    {"Concat", "DepthToSpace", "Expand", "Gather", "Pad", "Slice", "Split", "Transpose"}
)


class Role(Enum):
    """How an operator is priced."""

    MATRIX = "matrix"
    ELEMENTS = "elements"
    VECTOR = "vector"
    FUSED = "fused"
    FREE = "free"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpFacts:
    """The counts of one operator at batch 1.

    Attributes:
        role: How it is priced; a fused or free one has no counts.
        macs: Multiply-adds of a convolution.
        window_macs: What they would be with one channel a group: output elements times window.
        product_macs: Multiply-adds of a matrix product.
        weights: Elements of constant inputs.
        traffic: Elements read and written by a convolution, a product or a lone element-wise
            operator.
        vector: Elements read and written by an operator of the vector unit.
        fused_into: Name of the operator at the root of its group, if it is fused.
    """

    role: Role
    macs: int = 0
    window_macs: int = 0
    product_macs: int = 0
    weights: int = 0
    traffic: int = 0
    vector: int = 0
    fused_into: str | None = None


_FREE = OpFacts(role=Role.FREE)


def facts(ops: Sequence[OpWork]) -> tuple[OpFacts, ...]:
    """Facts of a segment's operators, in the same order; producers outside of it do not count."""
    roots: dict[str, str] = {}
    found = []
    for op in ops:
        kind = op.op_type
        root = next((roots[name] for name in reversed(op.producers) if name in roots), None)
        if kind in VIEWS:
            if root is not None:
                roots[op.name] = root
            found.append(_FREE)
            continue
        if kind in MOVES:
            found.append(_FREE)
            continue
        if kind in ELEMENT_WISE and root is not None:
            roots[op.name] = root
            found.append(OpFacts(role=Role.FUSED, fused_into=root))
            continue
        roots[op.name] = op.name
        found.append(_alone(op))
    return tuple(found)


def _alone(op: OpWork) -> OpFacts:
    moved = op.input_elements + op.output_elements
    if op.op_type in CONVOLUTIONS:
        return OpFacts(
            role=Role.MATRIX,
            macs=op.macs,
            window_macs=op.output_elements * op.kernel_elements,
            weights=op.weight_elements,
            traffic=moved,
        )
    if op.op_type in PRODUCTS:
        return OpFacts(
            role=Role.MATRIX, product_macs=op.macs, weights=op.weight_elements, traffic=moved
        )
    if op.op_type in ELEMENT_WISE:
        return OpFacts(role=Role.ELEMENTS, weights=op.weight_elements, traffic=moved)
    # Multiply-adds of an operator without a rule count as elements, so that none is free.
    return OpFacts(role=Role.VECTOR, weights=op.weight_elements, vector=moved + op.macs)
