"""What the PIM and package models need to know of a segment: arrays, an entry per operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from accelerators.work import OpWork, SegmentWork

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

# Changes of shape, layout or type that address the same bytes differently.
VIEWS = frozenset(
    {"Cast", "Concat", "DequantizeLinear", "Dropout", "Expand", "Flatten", "Gather", "Identity"}
    | {"QuantizeLinear", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"},
)
# A processor does these on the result of the operator before, without another pass.
FUSIBLE = frozenset(
    {"Abs", "Add", "BatchNormalization", "BiasGelu", "Celu", "Clip", "Div", "Elu", "Erf", "Exp"}
    | {"FastGelu", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min"}
    | {"Mish", "Mul", "Neg", "PRelu", "Pow", "QuickGelu", "Reciprocal", "Relu", "Round", "Selu"}
    | {"Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tanh", "ThresholdedRelu"}
    | {"Where"},
)
_COUNTS = 7  # of an operator, in `_counts`


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts of a segment's operators at batch 1.

    Attributes:
        ops: The operators, in the segment's order.
        macs: Multiply-adds.
        weights: Elements of constant inputs.
        caches: Elements of matrices that are no weights, such as keys and values of earlier steps;
            they lie in the memory like weights, one set per sample.
        live: Elements of the other live inputs and of outputs.
        outputs: Elements of outputs.
        elements: Elements, or windows of pools and grouped convolutions, of work that does not
            fill a matrix unit; 0 for a product.
        steps: Times that a recurrent cell waits for itself; 1 elsewhere.
        view: Whether it only addresses the same bytes differently.
        behind: Place of the operator whose result it works on, views skipped; -1 for none here.
        readers: Places of the operators that read each one's result, views skipped.
    """

    ops: tuple[OpWork, ...]
    macs: Ints
    weights: Ints
    caches: Ints
    live: Ints
    outputs: Ints
    elements: Ints
    steps: Ints
    view: Flags
    behind: tuple[int, ...]
    readers: tuple[tuple[int, ...], ...]


def facts_of(segment: SegmentWork) -> Facts:
    """Read a segment once."""
    ops = segment.ops
    places = {op.name: index for index, op in enumerate(ops)}
    # Operators behind each view are those behind what it looks at.
    roots: list[tuple[int, ...]] = []
    sources: list[tuple[int, ...]] = []
    readers: list[dict[int, None]] = [{} for _ in ops]
    for index, op in enumerate(ops):
        before = [places[name] for name in op.producers if places.get(name, index) < index]
        if len(before) == 1:
            here = roots[before[0]]
        else:
            here = tuple(dict.fromkeys(root for place in before for root in roots[place]))
        sources.append(here)
        if op.op_type in VIEWS:
            roots.append(here)
            continue
        roots.append((index,))
        for root in here:
            readers[root][index] = None
    counts = np.array([_counts(op) for op in ops], dtype=np.int64).reshape(-1, _COUNTS).T
    macs, weights, caches, live, outputs, elements, steps = counts
    return Facts(
        ops=ops,
        macs=macs,
        weights=weights,
        caches=caches,
        live=live,
        outputs=outputs,
        elements=elements,
        steps=steps,
        view=np.array([op.op_type in VIEWS for op in ops], dtype=np.bool_),
        behind=tuple(here[-1] if here else -1 for here in sources),
        readers=tuple(tuple(here) for here in readers),
    )


def _counts(op: OpWork) -> tuple[int, ...]:
    """One operator's counts, in the order of the fields of `Facts`."""
    matrix = op.macs and op.groups == 1
    cached = _cached(op) if op.products else 0
    return (
        op.macs,
        op.weight_elements,
        cached,
        op.input_elements + op.output_elements - cached,
        op.output_elements,
        0 if matrix else max(op.input_elements, op.output_elements * op.kernel_elements),
        max((product.steps for product in op.products), default=1) if op.products else 1,
    )


def _cached(op: OpWork) -> int:
    """Elements of matrices that are no weights; they are among the live inputs."""
    matrices = sum(
        product.matrices * product.rows * product.depth
        for product in op.products
        if not product.constant
    )
    return min(op.input_elements, matrices)
