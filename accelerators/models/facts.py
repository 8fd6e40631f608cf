"""What of an operator's work costs time on an accelerator: the counts that the NPU model prices.

Every operator of a segment is of one `Role`. Movement that a compiler can express by addressing
(views, transposes, concatenation in place) is free. An element-wise operator that reads, straight
or through views, what an operator of the segment made is applied while that one writes, the later
one of two, so it is fused; a concatenation between them prevents that. What else it reads is
neglected. A product, quotient, power or root of elements is no part of that: it passes over its
producer's result again, as in the product with a gate that SiLU, or squeeze and excitation, ends
with. Slices copy, and so do operators that put channels in places or places in channels
(`DepthToSpace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
MOVES = frozenset({"Concat", "Expand", "Gather", "Pad", "Transpose"})
PASSES = frozenset({"Div", "Mul", "Pow", "Sqrt"})
SLICES = frozenset({"DepthToSpace", "Slice", "SpaceToDepth", "Split"})
POOLS = frozenset({"AveragePool", "LpPool", "MaxPool", "QLinearAveragePool"})
RESIZES = frozenset({"Resize", "Upsample"})


class Role(Enum):
    """How an operator is priced; `AGAIN` is one that passes over a result again, or copies it."""

    MATRIX = "matrix"
    ELEMENTS = "elements"
    VECTOR = "vector"
    AGAIN = "again"
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
        pooled: The same by a pooling over windows.
        resized: The same by a resize.
        passed: The same by one that passes over its producer's result again.
        sliced: The same by a copy of slices or blocks.
        fused_into: Name of the operator at the root of its group, if it is fused into that one or
            passes over its result.
    """

    role: Role
    macs: int = 0
    window_macs: int = 0
    product_macs: int = 0
    weights: int = 0
    traffic: int = 0
    vector: int = 0
    pooled: int = 0
    resized: int = 0
    passed: int = 0
    sliced: int = 0
    fused_into: str | None = None

    @property
    def moved(self) -> int:
        """Elements read and written, whatever does it."""
        return self.traffic + self.vector + self.pooled + self.resized + self.passed + self.sliced


_FREE = OpFacts(role=Role.FREE)


def facts(ops: Sequence[OpWork]) -> tuple[OpFacts, ...]:
    """Facts of a segment's operators, in the same order; producers outside of it do not count."""
    roots: dict[str, str] = {}
    places = {op.name: place for place, op in enumerate(ops)}
    found = []
    for op in ops:
        kind = op.op_type
        root = root_of(op, roots, places)
        if kind in VIEWS:
            if root is not None:
                roots[op.name] = root
            found.append(_FREE)
            continue
        if kind in SLICES:
            found.append(OpFacts(role=Role.AGAIN, sliced=2 * op.output_elements))
            continue
        if kind in MOVES:
            found.append(_FREE)
            continue
        if kind in ELEMENT_WISE and root is not None:
            roots[op.name] = root
            if kind in PASSES:
                passed = op.input_elements + op.output_elements
                found.append(OpFacts(role=Role.AGAIN, passed=passed, fused_into=root))
            else:
                found.append(OpFacts(role=Role.FUSED, fused_into=root))
            continue
        roots[op.name] = op.name
        found.append(_alone(op))
    return tuple(found)


def root_of(op: OpWork, roots: Mapping[str, str], places: Mapping[str, int]) -> str | None:
    """What an element-wise operator is applied to: of its operands the one that is just written.

    Args:
        op: The operator.
        roots: Root of the group of each operator before it that has one, by name.
        places: Place of each operator in the segment, by name.
    """
    made = [name for name in op.producers if name in roots]
    return roots[max(made, key=places.__getitem__)] if made else None


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
    if op.op_type in POOLS:
        return OpFacts(role=Role.VECTOR, weights=op.weight_elements, pooled=moved + op.macs)
    if op.op_type in RESIZES:
        return OpFacts(role=Role.VECTOR, weights=op.weight_elements, resized=moved + op.macs)
    # Multiply-adds of an operator without a rule count as elements, so that none is free.
    return OpFacts(role=Role.VECTOR, weights=op.weight_elements, vector=moved + op.macs)
