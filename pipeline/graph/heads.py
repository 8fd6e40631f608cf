"""Sets of operators: which may be a head, what crosses behind it, and the work they hold.

A *head* is a set of operators that contains, with each of them, everything it depends on: what a
car can run before anything has come back from the cloud.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from accelerators.work import SegmentWork
from pipeline.errors import CutError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pipeline.graph.model import Graph, Tensor

_READ_SHAPES = frozenset({"Shape", "Size"})


def is_head(graph: Graph, indices: Collection[int]) -> bool:
    """Whether a set of operators, given by index, contains all that each of them depends on.

    The empty set and the whole graph do.
    """
    chosen = frozenset(indices)
    return all(
        maker is None or maker in chosen
        for index in chosen
        for maker in (graph.tensors[name].producer for name in graph.operators[index].inputs)
    )


def head_from_node(graph: Graph, node_name: str) -> frozenset[int]:
    """The smallest head that contains an operator: itself and all it depends on.

    Args:
        graph: The graph.
        node_name: Name of an operator.

    Raises:
        CutError: The graph has no operator of that name; close names are suggested.
    """
    by_name = {operator.name: operator.index for operator in graph.operators}
    if node_name not in by_name:
        close = difflib.get_close_matches(node_name, by_name, n=3)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise CutError(graph.path.name, f"no operator is named {node_name!r}{hint}")
    head: set[int] = set()
    waiting = [by_name[node_name]]
    while waiting:
        index = waiting.pop()
        if index in head:
            continue
        head.add(index)
        makers = (graph.tensors[name].producer for name in graph.operators[index].inputs)
        waiting.extend(maker for maker in makers if maker is not None)
    return frozenset(head)


def shape_tensors(graph: Graph) -> frozenset[str]:
    """Names of the live tensors that hold nothing but shapes of others.

    They come from `Shape` or `Size`, or are computed from such only. They never cross a link; ONNX
    Runtime's optimised graphs hold none, because shapes are static.
    """
    found: set[str] = set()
    for operator in graph.operators:
        if operator.op_type in _READ_SHAPES or found.issuperset(operator.inputs):
            found.update(operator.outputs)
    return frozenset(found)


def cut_candidates(graph: Graph) -> tuple[str, ...]:
    """Names of the tensors that may cross a link, inputs first, then in the order they are made."""
    barred = shape_tensors(graph)
    return tuple(tensor.name for tensor in _ordered(graph) if tensor.name not in barred)


def cut_tensors(graph: Graph, head: Collection[int]) -> tuple[str, ...]:
    """Names of the tensors that cross from a head to the tail behind it.

    These are the tensors made in the head that the tail reads, the inputs of the graph that the
    tail reads, whether or not the head reads them too, and the outputs of the graph that the tail
    does not make, since results are delivered from the far side. Inputs come first, then tensors in
    the order they are made. Behind the whole graph its outputs cross, behind an empty head its
    inputs.

    Args:
        graph: The graph.
        head: Indices of the head's operators.

    Raises:
        CutError: The set is no head, or a tensor that holds shapes would cross.
    """
    chosen = frozenset(head)
    if not is_head(graph, chosen):
        raise CutError(graph.path.name, f"{_missing(graph, chosen)} is left out of the head")
    crossing = tuple(t.name for t in _ordered(graph) if _crosses(graph, t, chosen))
    for name in crossing:
        if name in shape_tensors(graph):
            raise CutError(graph.path.name, f"tensor {name!r} holds shapes, which never cross")
    return crossing


def prefix_heads(graph: Graph) -> Iterator[frozenset[int]]:
    """Heads made of the first operators, from one to all but one, where nothing barred crosses."""
    barred = [graph.tensors[name] for name in shape_tensors(graph)]
    for length in range(1, len(graph.operators)):
        head = frozenset(range(length))
        if not any(_crosses(graph, tensor, head) for tensor in barred):
            yield head


def segment_work(graph: Graph, indices: Collection[int], name: str) -> SegmentWork:
    """The work of a convex set of operators.

    Args:
        graph: The graph.
        indices: Operators of the segment, by index.
        name: Name of the segment.

    Returns:
        Its operators in topological order. What enters is counted once per tensor, however many
        operators read it; what leaves is read outside or an output of the graph.

    Raises:
        CutError: The set is empty, or a path leaves it and comes back.
    """
    chosen = frozenset(indices)
    if not chosen:
        raise CutError(graph.path.name, f"segment {name!r} holds no operator")
    _refuse_hollow(graph, chosen, name)
    enters: dict[str, Tensor] = {}
    leaves: dict[str, Tensor] = {}
    for index in sorted(chosen):
        for read in graph.operators[index].inputs:
            tensor = graph.tensors[read]
            if tensor.producer is None or tensor.producer not in chosen:
                enters[read] = tensor
        for made in graph.operators[index].outputs:
            tensor = graph.tensors[made]
            if made in graph.outputs or not chosen.issuperset(tensor.consumers):
                leaves[made] = tensor
    return SegmentWork(
        name=name,
        ops=tuple(graph.operators[index].work for index in sorted(chosen)),
        input_elements=_elements(enters.values()),
        output_elements=_elements(leaves.values()),
    )


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.elements for tensor in tensors)


def _ordered(graph: Graph) -> list[Tensor]:
    names = [*graph.inputs, *(made for op in graph.operators for made in op.outputs)]
    return [graph.tensors[name] for name in names]


def _crosses(graph: Graph, tensor: Tensor, head: frozenset[int]) -> bool:
    if tensor.producer is not None and tensor.producer not in head:
        return False
    return tensor.name in graph.outputs or not head.issuperset(tensor.consumers)


def _missing(graph: Graph, head: frozenset[int]) -> str:
    """Words for the first operator that the set lacks to be a head."""
    for index in sorted(head):
        for name in graph.operators[index].inputs:
            maker = graph.tensors[name].producer
            if maker is not None and maker not in head:
                needed, by = graph.operators[maker].name, graph.operators[index].name
                return f"operator {needed!r}, on which {by!r} depends,"
    raise AssertionError("called for a set that is a head")


def _refuse_hollow(graph: Graph, chosen: frozenset[int], name: str) -> None:
    """Refuse a set that a path leaves and enters again."""
    outside_behind: set[int] = set()
    for operator in graph.operators:
        makers = {graph.tensors[read].producer for read in operator.inputs}
        if operator.index in chosen:
            if not outside_behind.isdisjoint(m for m in makers if m is not None):
                reason = f"a path leaves it and comes back at operator {operator.name!r}"
                raise CutError(graph.path.name, f"segment {name!r} is not convex: {reason}")
        elif any(m in chosen or m in outside_behind for m in makers if m is not None):
            outside_behind.add(operator.index)
