"""The vocabulary that devices and the planner share: work to be done, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# `w8a16`: weights of 8 bits, activations of 16.
Precision = Literal["float32", "float16", "int8", "w8a16"]
# Of an activation, and of a weight where it is not the same.
BYTES_PER_ELEMENT: dict[Precision, int] = {"float32": 4, "float16": 2, "int8": 1, "w8a16": 2}
WEIGHT_BYTES_PER_ELEMENT: dict[Precision, int] = {**BYTES_PER_ELEMENT, "w8a16": 1}

Label = Literal["profiled", "fitted", "anchored", "extrapolated", "assumed"]
# From the strongest to the weakest: a sum carries the weakest label of its parts.
LABELS: tuple[Label, ...] = ("profiled", "fitted", "anchored", "extrapolated", "assumed")


def weakest(*labels: Label) -> Label:
    """The label that a sum of figures with these labels carries; `profiled` for no part at all."""
    return max(labels, key=LABELS.index, default="profiled")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixWork:
    """Matrices that an operator multiplies vectors by, at batch 1.

    A `MatMul` of (vectors, depth) by (depth, rows) has one; a recurrent cell has two, the second of
    which waits for its own last result `steps` times.

    Attributes:
        rows: Elements of one result vector.
        depth: Elements of one input vector: the length of each sum.
        vectors: Vectors that one matrix meets in one step.
        matrices: Matrices of this shape, each with vectors of its own.
        steps: Times in a row that all of this is done, each needing the result of the one before.
        constant: Whether the matrices are weights; else they are computed or come in.
    """

    rows: int
    depth: int
    vectors: int
    matrices: int = 1
    steps: int = 1
    constant: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class OpWork:
    """One operator's work at batch 1, in counts that no precision changes.

    Attributes:
        name: Node name in the graph, unique in its segment.
        op_type: ONNX operator type, such as `Conv`.
        macs: Multiply-adds; 0 for an operator that multiplies nothing by weights or tensors.
        weight_elements: Elements of constant inputs.
        input_elements: Elements of live inputs.
        output_elements: Elements of outputs.
        groups: Groups of a convolution, 1 otherwise; equal to the channels when depthwise.
        kernel_elements: Spatial size of a convolution's or pooling's window, 1 otherwise.
        producers: Names of the operators in the same graph whose outputs it reads.
        products: Its matrix products; empty where it has none or their shapes are not known.
    """

    name: str
    op_type: str
    macs: int
    weight_elements: int
    input_elements: int
    output_elements: int
    groups: int = 1
    kernel_elements: int = 1
    producers: tuple[str, ...] = ()
    products: tuple[MatrixWork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentWork:
    """A convex part of a graph that runs on one device.

    Attributes:
        name: Name of the segment, as plans write it.
        ops: Its operators in topological order.
        input_elements: Elements that enter from outside the segment, constants left out.
        output_elements: Elements that leave the segment.
    """

    name: str
    ops: tuple[OpWork, ...]
    input_elements: int
    output_elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpCost:
    """An operator's share of a segment's cost.

    Attributes:
        name: Node name.
        latency_ns: Its share; 0 when fused into its producer.
        energy_pj: Its share.
        on: Device or host that runs it.
        moved_bytes: Bytes of weights and activations it moves at the segment's precision.
        fused_into: Name of the operator it is fused into, or None.
        otherwise_ns: What it would take on the other part of a device of two parts, by itself; None
            where it has no choice.
    """

    name: str
    latency_ns: int
    energy_pj: int
    on: str
    moved_bytes: int
    fused_into: str | None = None
    otherwise_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCost:
    """What one run of a segment costs on a device: an estimate, and it says of what kind.

    Attributes:
        latency_ns: Latency of one run, equal to `overhead_ns` plus the sum over `ops`.
        interval_ns: Latency at the 10 % and the 90 % quantile of the device's bias.
        period_ns: Time between two results when the device is kept busy (throughput interval).
        energy_pj: Energy of one run; None where the device has no power figure.
        energy_interval_pj: Bounds of that energy; None where they are not known.
        overhead_ns: Part of the latency that belongs to no operator.
        ops: Shares of the operators, in the segment's order.
        label: How far the figures can be believed.
        warnings: What a reader of the figures should know.
    """

    latency_ns: int
    interval_ns: tuple[int, int]
    period_ns: int
    energy_pj: int | None
    overhead_ns: int
    ops: tuple[OpCost, ...]
    label: Label
    warnings: tuple[str, ...] = ()
    energy_interval_pj: tuple[int, int] | None = None
