"""Cutting a graph in two files that together give the same bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnx
import pytest

from pipeline.errors import CutError, ModelError
from pipeline.graph import (
    cut_model,
    cut_tensors,
    head_from_node,
    is_head,
    load_graph,
    prefix_heads,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from accelerators.backends.ort import Level
    from pipeline.graph import CutModel, Graph

    Array = NDArray[np.generic[object]]
    Optimise = Callable[[Path, Level], Path]
    Make = Callable[[str], Path]


class Run(Protocol):
    """Runs a file as it stands."""

    def __call__(self, path: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""


def feeds_for(graph: Graph) -> dict[str, NDArray[np.float32]]:
    """Seeded random inputs."""
    random = np.random.default_rng(3)
    return {
        name: random.standard_normal(graph.tensors[name].shape).astype(np.float32)
        for name in graph.inputs
    }


def run_cut(cut: CutModel, feeds: Mapping[str, Array], run: Run) -> dict[str, Array]:
    """Run the head, carry over what crosses and nothing else, run the tail."""
    made = run(cut.head, {name: feeds[name] for name in cut.head_inputs})
    assert tuple(made) == cut.head_outputs
    crossed = {t.name: made[t.name] if t.name in made else feeds[t.name] for t in cut.tensors}
    for tensor in cut.tensors:
        assert crossed[tensor.name].shape == tensor.shape
        assert crossed[tensor.name].dtype.name == tensor.dtype
    behind = run(cut.tail, {name: crossed[name] for name in cut.tail_inputs})
    assert tuple(behind) == cut.tail_outputs
    return {name: crossed[name] if name in cut.passed else behind[name] for name in cut.outputs}


def random_heads(graph: Graph, count: int) -> list[frozenset[int]]:
    """Heads grown from a few random operators each; seeded."""
    random = np.random.default_rng(11)
    names = [operator.name for operator in graph.operators]
    heads = []
    for _ in range(count):
        roots = random.choice(len(names), size=random.integers(1, 4))
        head = frozenset[int]().union(*(head_from_node(graph, names[root]) for root in roots))
        if len(head) < len(names):
            heads.append(head)
    return heads


def assert_same_bits(graph: Graph, heads: list[frozenset[int]], directory: Path, run: Run) -> None:
    """Head and tail of every cut give what the whole file gives, to the bit."""
    feeds = feeds_for(graph)
    whole = run(graph.path, feeds)
    for head in heads:
        parts = run_cut(cut_model(graph, head, directory), feeds, run)
        assert parts.keys() == whole.keys()
        for name, array in whole.items():
            assert parts[name].tobytes() == array.tobytes(), (sorted(head), name)


@pytest.mark.parametrize("level", ["basic", "all"])
def test_every_cut_of_an_optimised_graph_keeps_all_bits(
    sketched: Path, level: Level, tmp_path: Path, optimised: Optimise, run: Run
) -> None:
    """Each prefix of each small graph, and random heads that are no prefix."""
    graph = load_graph(optimised(sketched, level))
    heads = list(prefix_heads(graph))
    assert len(heads) == len(graph.operators) - 1
    assert_same_bits(graph, [*heads, *random_heads(graph, 6)], tmp_path / "cuts", run)


def test_a_file_as_exported_is_cut_as_well(sketched: Path, tmp_path: Path, run: Run) -> None:
    """Without optimising first, both sides run the file's own operators."""
    graph = load_graph(sketched)
    assert_same_bits(graph, list(prefix_heads(graph)), tmp_path / "cuts", run)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["basic", "all"])
@pytest.mark.parametrize("name", ["yolox_nano", "twinlitenet_bdd100k"])
def test_cuts_of_real_networks_keep_all_bits(
    name: str, level: Level, real_models: Path, tmp_path: Path, optimised: Optimise, run: Run
) -> None:
    """Twelve cuts spread over a real detector and a real segmenter."""
    graph = load_graph(optimised(real_models / f"{name}.onnx", level))
    heads = list(prefix_heads(graph))
    spread = [heads[i] for i in np.linspace(0, len(heads) - 1, 12).astype(int)]
    assert_same_bits(graph, spread, tmp_path / "cuts", run)


@pytest.mark.parametrize("level", ["basic", "all"])
def test_shapes_are_those_of_the_running_network(
    sketched: Path, level: Level, tmp_path: Path, optimised: Optimise, run: Run
) -> None:
    """Every live tensor, blocked layouts included, has the shape and type that it has at run."""
    assert_shapes_at_run(load_graph(optimised(sketched, level)), tmp_path, run)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolox_nano", "twinlitenet_bdd100k"])
def test_shapes_of_real_networks_are_those_at_run(
    name: str, real_models: Path, tmp_path: Path, optimised: Optimise, run: Run
) -> None:
    """Level `all` of the real networks holds operators that shape inference does not know."""
    assert_shapes_at_run(load_graph(optimised(real_models / f"{name}.onnx", "all")), tmp_path, run)


def assert_shapes_at_run(graph: Graph, directory: Path, run: Run) -> None:
    """Compare each tensor's shape and type with what a run gives."""
    model = onnx.load(graph.path)
    del model.graph.output[:]
    made = [t for t in graph.tensors.values() if t.producer is not None]
    model.graph.output.extend(onnx.ValueInfoProto(name=tensor.name) for tensor in made)
    shown = directory / "shown.onnx"
    onnx.save(model, shown)
    arrays = run(shown, feeds_for(graph))
    for tensor in made:
        assert arrays[tensor.name].shape == tensor.shape, tensor
        assert arrays[tensor.name].dtype.name == tensor.dtype, tensor


def test_an_output_made_in_the_head_crosses_and_is_delivered(make: Make, tmp_path: Path) -> None:
    """The tail neither makes nor reads it again, unless an operator there does."""
    graph = load_graph(make("outputs"))
    everything_but_last = range(len(graph.operators) - 1)
    cut = cut_model(graph, everything_but_last, tmp_path / "cuts")
    last, early, read = graph.outputs
    assert {t.name for t in cut.tensors} == {early, read}
    assert cut.passed == (early, read)
    assert cut.tail_inputs == (read,)
    assert cut.tail_outputs == (last,)
    assert cut.outputs == graph.outputs


def test_an_input_that_both_sides_read_crosses(make: Make, tmp_path: Path) -> None:
    """The input comes first among the tensors that cross; the head file does not repeat it."""
    graph = load_graph(make("inputs"))
    cut = cut_model(graph, head_from_node(graph, graph.operators[1].name), tmp_path / "cuts")
    assert [t.name for t in cut.tensors] == ["x", "y", graph.operators[1].outputs[0]]
    assert cut.head_inputs == ("x",)
    assert cut.head_outputs == (graph.operators[1].outputs[0],)


def test_the_same_cut_has_the_same_files(make: Make, tmp_path: Path) -> None:
    """Names and bytes depend on the model and the cut alone; nothing unfinished stays behind."""
    graph = load_graph(make("residual"))
    heads = list(prefix_heads(graph))
    first = cut_model(graph, heads[2], tmp_path / "a")
    again = cut_model(graph, sorted(heads[2], reverse=True), tmp_path / "b")
    other = cut_model(graph, heads[3], tmp_path / "b")
    assert (first.head.name, first.tail.name) == (again.head.name, again.tail.name)
    assert first.head.read_bytes() == again.head.read_bytes()
    assert first.tail.read_bytes() == again.tail.read_bytes()
    assert first.head.name != other.head.name
    assert sorted(p.suffix for p in (tmp_path / "b").iterdir()) == [".onnx"] * 4


def test_cut_files_pass_the_checker(make: Make, tmp_path: Path) -> None:
    """Head and tail are valid models with shapes on every tensor that crosses."""
    graph = load_graph(make("hourglass"))
    for head in prefix_heads(graph):
        cut = cut_model(graph, head, tmp_path / "cuts")
        onnx.checker.check_model(cut.head, full_check=True)
        onnx.checker.check_model(cut.tail, full_check=True)


def test_weights_beside_the_file_end_up_inside_the_cut(
    make: Make, tmp_path: Path, run: Run
) -> None:
    """A model with weights in a file of their own is cut into files that need no other."""
    inside = make("residual")
    outside = tmp_path / "outside" / "model.onnx"
    outside.parent.mkdir()
    onnx.save(
        onnx.load(inside),
        outside,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    graph = load_graph(outside)
    whole = run(inside, feeds_for(graph))
    parts = run_cut(cut_model(graph, {0, 1}, tmp_path / "cuts"), feeds_for(graph), run)
    assert [parts[name].tobytes() for name in whole] == [a.tobytes() for a in whole.values()]


def test_a_set_that_lacks_an_operator_is_refused(make: Make, tmp_path: Path) -> None:
    """The operator that is missing is named, and so is the one that needs it."""
    graph = load_graph(make("chain"))
    assert not is_head(graph, {1})
    with pytest.raises(CutError, match="operator 'Conv0', on which 'Relu1' depends"):
        cut_model(graph, {1}, tmp_path)


def test_a_side_without_operators_is_refused(make: Make, tmp_path: Path) -> None:
    """Whole on one side is another route, and no cut."""
    graph = load_graph(make("chain"))
    with pytest.raises(CutError, match="the head holds no operator"):
        cut_model(graph, (), tmp_path)
    with pytest.raises(CutError, match="the tail holds no operator"):
        cut_model(graph, range(len(graph.operators)), tmp_path)


def test_a_file_changed_since_it_was_read_is_refused(make: Make, tmp_path: Path) -> None:
    """A plan made for one file is not carried out on another."""
    graph = load_graph(make("chain"))
    model = onnx.load(graph.path)
    model.producer_name = "another"
    onnx.save(model, graph.path)
    with pytest.raises(ModelError, match="was changed since"):
        cut_model(graph, {0}, tmp_path / "cuts")


def test_the_crossing_of_the_ends_is_inputs_and_outputs(make: Make) -> None:
    """Nothing on the car sends the inputs, everything on the car the outputs."""
    graph = load_graph(make("outputs"))
    assert cut_tensors(graph, ()) == graph.inputs
    assert set(cut_tensors(graph, range(len(graph.operators)))) == set(graph.outputs)
