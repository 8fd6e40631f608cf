"""Operators that accelerators run as one, so that no cut between them is worth offering."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.graph.model import Graph, Operator, Tensor

# Element by element with constants, or of one element: an accelerator applies them on the way out
# of a convolution or a matrix product.
_ELEMENT_WISE = frozenset(
    {
        "Abs",
        "Add",
        "BatchNormalization",
        "Clip",
        "Div",
        "Elu",
        "Erf",
        "Exp",
        "FastGelu",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "Max",
        "Min",
        "Mish",
        "Mul",
        "Neg",
        "PRelu",
        "Pow",
        "QuantizeLinear",
        "QuickGelu",
        "Relu",
        "Selu",
        "Sigmoid",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Tanh",
    }
)


def fused_groups(graph: Graph) -> tuple[tuple[int, ...], ...]:
    """Find operators with multiply-adds and the element-wise operators fused into them.

    An operator joins the group before it where it reads nothing else that is live and nothing else
    reads what it reads; so does a gate, an activation in two branches of the same tensor such as
    `x * sigmoid(x)` or the exact GELU. No output of the graph lies inside a group, only at its end.
    A group is convex, since all that enters it enters at its first operator.

    Args:
        graph: The graph.

    Returns:
        Groups of two or more operators, by index, ascending; no operator is in two.
    """
    groups = []
    for root in graph.operators:
        if root.work.macs:
            group = [root.index]
            while grown := _next(graph, graph.operators[group[-1]]):
                group.extend(grown)
            if len(group) > 1:
                groups.append(tuple(sorted(group)))
    return tuple(groups)


def _next(graph: Graph, last: Operator) -> tuple[int, ...]:
    """What follows an operator in its group, the end last; nothing where the group ends."""
    if len(last.outputs) != 1 or last.outputs[0] in graph.outputs:
        return ()
    tensor = graph.tensors[last.outputs[0]]
    match tensor.consumers:
        case (only,):
            return (only,) if _joins(graph, graph.operators[only], tensor, {tensor.name}) else ()
        case (first, second):
            for start, end in ((first, second), (second, first)):
                if gate := _gate(graph, tensor, start, end):
                    return gate
    return ()


def _gate(graph: Graph, tensor: Tensor, start: int, end: int) -> tuple[int, ...]:
    """Operators of a branch from `start` that `end` joins with the tensor both began from."""
    branch: list[int] = []
    now, reads = start, tensor
    while now != end:
        operator = graph.operators[now]
        if not _joins(graph, operator, tensor, {reads.name}):
            return ()
        branch.append(now)
        reads = graph.tensors[operator.outputs[0]]
        if len(reads.consumers) != 1 or reads.name in graph.outputs:
            return ()
        now = reads.consumers[0]
    joined = _joins(graph, graph.operators[end], tensor, {tensor.name, reads.name})
    return (*branch, end) if joined else ()


def _joins(graph: Graph, operator: Operator, tensor: Tensor, reads: set[str]) -> bool:
    """Whether an operator is element-wise on just these tensors, and keeps the tensor's size."""
    return (
        operator.op_type in _ELEMENT_WISE
        and operator.work.macs == 0
        and set(operator.inputs) == reads
        and len(operator.outputs) == 1
        and prod(graph.tensors[operator.outputs[0]].shape) == tensor.elements
    )
