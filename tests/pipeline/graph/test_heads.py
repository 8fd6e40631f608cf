"""Heads, what crosses behind them, and the work of segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import CutError
from pipeline.graph import (
    cut_candidates,
    cut_tensors,
    head_from_node,
    is_head,
    load_graph,
    prefix_heads,
    segment_work,
    shape_tensors,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.graph import Graph

    Make = Callable[[str], Path]


def named(graph: Graph, *names: str) -> frozenset[int]:
    """Indices of operators by name."""
    return frozenset(operator.index for operator in graph.operators if operator.name in names)


def test_a_head_holds_all_it_depends_on(make: Make) -> None:
    """One branch with its stem is a head; the join without the other branches is none."""
    graph = load_graph(make("branches"))
    stem = head_from_node(graph, "Conv0")
    branch = head_from_node(graph, "Relu2")
    assert stem == named(graph, "Conv0")
    assert branch == named(graph, "Conv0", "Conv1", "Relu2")
    assert is_head(graph, ())
    assert is_head(graph, branch)
    assert is_head(graph, range(len(graph.operators)))
    assert not is_head(graph, branch | named(graph, "Concat7"))


def test_an_unknown_operator_is_answered_with_close_names(make: Make) -> None:
    """A slip of the pen is found without listing the graph."""
    graph = load_graph(make("branches"))
    with pytest.raises(CutError, match="no operator is named 'Concat'; did you mean 'Concat"):
        head_from_node(graph, "Concat")
    with pytest.raises(CutError, match=r"no operator is named '%%%'$"):
        head_from_node(graph, "%%%")


def test_a_tensor_with_readers_on_both_sides_crosses_once(make: Make) -> None:
    """Behind the stem of three branches one tensor crosses; behind a branch two do."""
    graph = load_graph(make("branches"))
    assert cut_tensors(graph, head_from_node(graph, "Conv0")) == ("t0",)
    assert cut_tensors(graph, head_from_node(graph, "Relu2")) == ("t0", "t2")


def test_prefixes_are_heads_in_growing_order(sketched: Path) -> None:
    """All of them where no tensor of shapes lives, each crossing something."""
    graph = load_graph(sketched)
    heads = list(prefix_heads(graph))
    assert [len(head) for head in heads] == list(range(1, len(graph.operators)))
    assert all(is_head(graph, head) and cut_tensors(graph, head) for head in heads)


def test_every_head_makes_two_segments_with_all_the_work(sketched: Path) -> None:
    """What leaves the head is what enters the tail, less outputs and inputs of the graph."""
    graph = load_graph(sketched)
    macs = sum(operator.work.macs for operator in graph.operators)
    for head in prefix_heads(graph):
        tail = frozenset(range(len(graph.operators))) - head
        first, second = segment_work(graph, head, "head"), segment_work(graph, tail, "tail")
        assert (first.name, second.name) == ("head", "tail")
        assert sum(op.macs for op in (*first.ops, *second.ops)) == macs
        crossing = [graph.tensors[name] for name in cut_tensors(graph, head)]
        made = [t for t in crossing if t.producer is not None]
        read = [t for t in crossing if not tail.isdisjoint(t.consumers)]
        assert first.output_elements == sum(t.elements for t in made)
        assert second.input_elements == sum(t.elements for t in read)


def test_a_whole_graph_as_segment_takes_inputs_and_gives_outputs(make: Make) -> None:
    """A chain: the picture enters, ten numbers leave."""
    graph = load_graph(make("chain"))
    whole = segment_work(graph, range(len(graph.operators)), "whole")
    assert whole.input_elements == 3 * 16 * 16
    assert whole.output_elements == 10
    assert [op.name for op in whole.ops] == [operator.name for operator in graph.operators]


def test_a_segment_may_lie_in_the_middle(make: Make) -> None:
    """One branch alone: the stem's output enters, its own leaves."""
    graph = load_graph(make("branches"))
    branch = segment_work(graph, named(graph, "Conv3", "Relu4"), "branch")
    assert branch.input_elements == branch.output_elements == 16 * 12 * 12


def test_a_segment_that_is_left_and_entered_again_is_refused(make: Make) -> None:
    """Both ends of a residual block without its middle."""
    graph = load_graph(make("residual"))
    with pytest.raises(CutError, match="comes back at operator 'Add4'"):
        segment_work(graph, named(graph, "Conv0", "Add4"), "ends")
    with pytest.raises(CutError, match="holds no operator"):
        segment_work(graph, (), "none")


@pytest.fixture
def shaped(sketch: ShapedSketch, tmp_path: Path) -> Graph:
    """A network that reads a shape at run: convolve, take the shape, compute, reshape by it."""
    x = sketch.conv(sketch.input("x", 1, 4, 8, 8), 4, 4)
    shape = sketch.add("Shape", x)
    same = sketch.add("Mul", shape, sketch.constant(np.array([1, 1, 1, 1], np.int64)))
    y = sketch.add("Reshape", sketch.add("Relu", x), same)
    sketch.outputs = [sketch.conv(y, 4, 4)]
    return load_graph(sketch.save(tmp_path / "shaped.onnx"))


def test_tensors_of_shapes_are_known_and_never_cross(shaped: Graph) -> None:
    """They are no candidates; a head that would send one is refused and no prefix does."""
    assert shape_tensors(shaped) == {"t1", "t2"}
    assert cut_candidates(shaped) == ("x", "t0", "t3", "t4", "t5")
    with pytest.raises(CutError, match="tensor 't2' holds shapes"):
        cut_tensors(shaped, named(shaped, "Conv0", "Shape1", "Mul2"))
    assert [len(head) for head in prefix_heads(shaped)] == [1, 5]
    assert cut_tensors(shaped, named(shaped, "Conv0", "Relu3")) == ("t0", "t3")


if TYPE_CHECKING:
    from typing import Protocol

    from numpy.typing import NDArray

    class ShapedSketch(Protocol):
        """What is used here of the fixture `sketch`."""

        outputs: list[str]

        def input(self, name: str, *shape: int | str) -> str:
            """Declare an input."""

        def constant(self, array: NDArray[np.generic[object]]) -> str:
            """Add an initializer."""

        def conv(self, x: str, cin: int, cout: int) -> str:
            """Add a convolution."""

        def add(self, op: str, *inputs: str) -> str:
            """Add an operator."""

        def save(self, path: Path) -> Path:
            """Write the finished model."""
