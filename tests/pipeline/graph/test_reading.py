"""What is read from an ONNX file, and what is refused with which words."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from pipeline.errors import ModelError
from pipeline.graph import load_graph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Protocol

    from numpy.typing import NDArray

    from pipeline.graph import Graph, Operator

    class Sketch(Protocol):
        """What the fixture `sketch` offers."""

        outputs: list[str]

        def input(self, name: str, *shape: int | str) -> str:
            """Declare an input."""

        def constant(self, array: NDArray[np.generic[object]]) -> str:
            """Add an initializer."""

        def weight(self, *shape: int) -> str:
            """Add an initializer of random numbers."""

        def conv(self, x: str, cin: int, cout: int, *, kernel: int = 3, stride: int = 1) -> str:
            """Add a convolution."""

        def add(
            self,
            op: str,
            *inputs: str,
            made: Sequence[str] | None = None,
            name: str | None = None,
            domain: str = "",
            **attributes: float | str | Sequence[int] | onnx.TensorProto,
        ) -> str:
            """Add an operator."""

        def model(self) -> onnx.ModelProto:
            """The finished model."""

        def save(self, path: Path) -> Path:
            """Write the finished model."""


def read(sketch: Sketch, path: Path, *outputs: str) -> Graph:
    """Write a sketch with these outputs and read it back."""
    sketch.outputs = list(outputs)
    return load_graph(sketch.save(path / "model.onnx"))


def only(graph: Graph, op_type: str) -> Operator:
    """The one operator of a type."""
    (operator,) = (op for op in graph.operators if op.op_type == op_type)
    return operator


def test_a_convolution_is_counted(sketch: Sketch, tmp_path: Path) -> None:
    """By hand: 8 x 8 x 32 outputs, each a sum over 3 x 3 x 16 / 4 products."""
    x = sketch.input("x", 1, 16, 16, 16)
    y = sketch.add(
        "Conv",
        x,
        sketch.weight(32, 4, 3, 3),
        sketch.weight(32),
        group=4,
        strides=[2, 2],
        pads=[1] * 4,
    )
    work = only(read(sketch, tmp_path, y), "Conv").work
    assert work.macs == 8 * 8 * 32 * 3 * 3 * 4
    assert work.weight_elements == 32 * 4 * 9 + 32
    assert work.input_elements == 16 * 16 * 16
    assert work.output_elements == 8 * 8 * 32
    assert work.groups == 4
    assert work.kernel_elements == 9
    assert work.producers == ()


def test_a_transposed_convolution_is_counted_from_its_input(sketch: Sketch, tmp_path: Path) -> None:
    """By hand: 5 x 5 x 8 inputs, each spread over 2 x 2 x 6 outputs."""
    x = sketch.input("x", 1, 8, 5, 5)
    y = sketch.add("ConvTranspose", x, sketch.weight(8, 6, 2, 2), strides=[2, 2])
    work = only(read(sketch, tmp_path, y), "ConvTranspose").work
    assert work.macs == 5 * 5 * 8 * 2 * 2 * 6
    assert work.kernel_elements == 4


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_matrix_product_counts_its_inner_axis(
    transposed: int, sketch: Sketch, tmp_path: Path
) -> None:
    """By hand: 3 x 5 outputs, each a sum over 7 products."""
    x = sketch.input("x", *((7, 3) if transposed else (3, 7)))
    y = sketch.add("Gemm", x, sketch.weight(7, 5), transA=transposed)
    assert only(read(sketch, tmp_path, y), "Gemm").work.macs == 3 * 5 * 7


def test_a_product_of_two_live_tensors_is_counted(sketch: Sketch, tmp_path: Path) -> None:
    """Attention scores: 2 heads, 6 x 6 outputs over 8 products; no weights."""
    q, k = sketch.input("q", 2, 6, 8), sketch.input("k", 2, 8, 6)
    work = only(read(sketch, tmp_path, sketch.add("MatMul", q, k)), "MatMul").work
    assert work.macs == 2 * 6 * 6 * 8
    assert work.weight_elements == 0
    assert work.input_elements == 2 * 2 * 6 * 8


@pytest.mark.parametrize("equation", ["bik,bkj->bij", "...ik,...kj->...ij", "bik,bkj"])
def test_an_einsum_counts_the_axes_it_sums_over(
    equation: str, sketch: Sketch, tmp_path: Path
) -> None:
    """The same product in three spellings; the last one leaves the batch summed over, too."""
    a, b = sketch.input("a", 2, 6, 8), sketch.input("b", 2, 8, 5)
    y = sketch.add("Einsum", a, b, equation=equation)
    assert only(read(sketch, tmp_path, y), "Einsum").work.macs == 2 * 6 * 5 * 8


def test_pooling_has_a_window_and_no_multiply_adds(sketch: Sketch, tmp_path: Path) -> None:
    """A global pooling's window is the whole picture."""
    x = sketch.add("MaxPool", sketch.input("x", 1, 4, 9, 9), kernel_shape=[3, 2])
    graph = read(sketch, tmp_path, sketch.add("GlobalAveragePool", x))
    assert only(graph, "MaxPool").work.kernel_elements == 6
    assert only(graph, "GlobalAveragePool").work.kernel_elements == 7 * 8
    assert {op.work.macs for op in graph.operators} == {0}


def test_weights_made_by_nodes_are_no_operators(sketch: Sketch, tmp_path: Path) -> None:
    """A chain of constant nodes ends as the weight of what reads it."""
    x = sketch.input("x", 1, 4, 6, 6)
    shape = sketch.constant(np.array([8, 4, 3, 3], np.int64))
    half = numpy_helper.from_array(np.array(0.5, np.float32))
    w = sketch.add("ConstantOfShape", shape, name="weight_0")
    w = sketch.add("Mul", w, sketch.add("Constant", value=half))
    graph = read(sketch, tmp_path, sketch.add("Conv", x, w))
    assert [op.op_type for op in graph.operators] == ["Conv"]
    assert graph.operators[0].work.weight_elements == 8 * 4 * 9
    assert graph.operators[0].work.macs == 4 * 4 * 8 * 4 * 9
    assert list(graph.tensors) == ["x", graph.outputs[0]]


def test_what_leads_to_no_output_is_dropped(sketch: Sketch, tmp_path: Path) -> None:
    """A dead branch is neither counted nor listed, and no consumer remains."""
    x = sketch.input("x", 1, 4, 6, 6)
    sketch.add("Relu", sketch.conv(x, 4, 4))
    graph = read(sketch, tmp_path, sketch.add("Tanh", x))
    assert [op.op_type for op in graph.operators] == ["Tanh"]
    assert graph.tensors["x"].consumers == (0,)


def test_operators_come_in_topological_order_with_unique_names(
    sketch: Sketch, tmp_path: Path
) -> None:
    """A file in any order is sorted; missing and repeated names are made up."""
    x = sketch.input("x", 1, 4)
    y = sketch.add("Relu", sketch.add("Tanh", x, name="same"), name="same")
    sketch.outputs = [sketch.add("Neg", sketch.add("Add", y, x, name=""), name="Add_2")]
    model = sketch.model()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    graph = load_graph(path)
    assert [op.op_type for op in graph.operators] == ["Tanh", "Relu", "Add", "Neg"]
    assert [op.name for op in graph.operators] == ["same", "same_1", "Add_2_", "Add_2"]
    assert graph.operators[2].work.producers == ("same_1",)
    assert graph.tensors["x"].consumers == (0, 2)
    assert [op.index for op in graph.operators] == [0, 1, 2, 3]


def test_a_tensor_read_twice_is_one_input(sketch: Sketch, tmp_path: Path) -> None:
    """A square reads its operand once."""
    x = sketch.input("x", 1, 4)
    square = only(read(sketch, tmp_path, sketch.add("Mul", x, x)), "Mul")
    assert square.inputs == ("x",)
    assert square.work.input_elements == 4


def test_only_outputs_that_are_read_are_listed(sketch: Sketch, tmp_path: Path) -> None:
    """The indices of a max pooling, which nothing reads, are left out."""
    x = sketch.input("x", 1, 4, 6, 6)
    sketch.add("MaxPool", x, made=["y", "where"], kernel_shape=[2, 2])
    graph = read(sketch, tmp_path, "y")
    assert graph.operators[0].outputs == ("y",)
    assert graph.operators[0].work.output_elements == 4 * 5 * 5


def test_the_hash_is_that_of_the_file(make: Callable[[str], Path]) -> None:
    """Anyone can check it with a standard tool."""
    path = make("chain")
    assert load_graph(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_shapes_computed_inside_the_graph_are_worked_out(sketch: Sketch, tmp_path: Path) -> None:
    """An export that expands to a computed shape, by steps that shape inference does not follow."""
    x = sketch.input("x", 1, 4, 1, 1)
    wanted = sketch.constant(np.array([1, -1, 3, 3], np.int64))
    minus = sketch.constant(np.array([-1, -1, -1, -1], np.int64))
    ones = sketch.constant(np.array([1, 1, 1, 1], np.int64))
    shape = sketch.add("Where", sketch.add("Equal", wanted, minus), ones, wanted)
    graph = read(sketch, tmp_path, sketch.add("Expand", x, shape))
    assert graph.tensors[graph.outputs[0]].shape == (1, 4, 3, 3)
    live = sketch.add("Where", sketch.add("Equal", wanted, minus), sketch.add("Shape", x), wanted)
    graph = read(sketch, tmp_path, sketch.add("Expand", x, live))
    assert graph.tensors[graph.outputs[0]].shape == (1, 4, 3, 3)


def test_given_shapes_stand_in_for_inference(sketch: Sketch, tmp_path: Path) -> None:
    """An operator of another domain is read once its output's shape is given; more follows."""
    x = sketch.input("x", 1, 4)
    sketch.outputs = [sketch.add("Relu", sketch.add("Mystery", x, domain="com.microsoft"))]
    path = sketch.save(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"'Mystery0' \(Mystery\): the shape of its output 't0'"):
        load_graph(path)
    graph = load_graph(path, shapes={"t0": (1, 9)})
    assert graph.tensors["t0"].shape == (1, 9)
    assert graph.tensors["t0"].dtype == "float32"
    assert graph.tensors["t1"].shape == (1, 9)


def test_weights_in_other_files_are_read_by_their_shape(
    make: Callable[[str], Path], tmp_path: Path
) -> None:
    """The graph is the same, and its hash covers the weights."""
    inside = make("chain")
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
    assert [op.work for op in graph.operators] == [op.work for op in load_graph(inside).operators]
    weights = outside.with_name("weights.bin")
    data = bytearray(weights.read_bytes())
    data[0] ^= 1
    weights.write_bytes(data)
    assert load_graph(outside).sha256 != graph.sha256
    weights.write_bytes(data[:40])
    with pytest.raises(ModelError, match=r"'weights\.bin' has 40 of"):
        load_graph(outside)
    weights.unlink()
    with pytest.raises(ModelError, match=r"no file 'weights\.bin' beside it"):
        load_graph(outside)


def test_weights_outside_the_folder_are_refused(
    make: Callable[[str], Path], tmp_path: Path
) -> None:
    """A model file does not make other files of the machine be read."""
    model = onnx.load(make("chain"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.append(
        onnx.StringStringEntryProto(key="location", value="../elsewhere.bin")
    )
    (tmp_path / "elsewhere.bin").write_bytes(bytes(1 << 12))
    path = tmp_path / "in" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="outside its folder"):
        load_graph(path)


@pytest.mark.parametrize("axis", [0, 2])
def test_a_dynamic_axis_is_named(axis: int, sketch: Sketch, tmp_path: Path) -> None:
    """The input, the axis and its name are in the one line."""
    shape: list[int | str] = [1, 3, 8, 8]
    shape[axis] = "size"
    y = sketch.add("Relu", sketch.input("image", *shape))
    with pytest.raises(ModelError, match=rf"'image', axis {axis} \('size'\)") as caught:
        read(sketch, tmp_path, y)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "model.onnx") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no graph"),
        (b"not a model at all, but text", "is not an ONNX model"),
        (b"\x08\x08", "holds no graph"),
    ],
)
def test_other_files_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    """An empty file, a text, and a header alone."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        load_graph(path)


def test_a_file_that_breaks_off_is_refused(make: Callable[[str], Path]) -> None:
    """At whatever byte it ends, nothing but a ModelError comes out."""
    path = make("residual")
    data = path.read_bytes()
    for size in range(0, len(data), len(data) // 97):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError) as caught:
            load_graph(path)
        assert "\n" not in str(caught.value)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    """Both say which path it was."""
    with pytest.raises(ModelError, match=r"nowhere\.onnx: no such file"):
        load_graph(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelError, match="is a folder"):
        load_graph(tmp_path)


def test_a_graph_without_live_outputs_is_refused(sketch: Sketch, tmp_path: Path) -> None:
    """No outputs at all, and one that depends on no input."""
    x = sketch.input("x", 1, 4)
    sketch.add("Relu", x)
    with pytest.raises(ModelError, match="the graph has no outputs"):
        read(sketch, tmp_path)
    constant = sketch.add("Relu", sketch.weight(4))
    with pytest.raises(ModelError, match=f"output '{constant}' does not depend on any input"):
        read(sketch, tmp_path, constant)


def test_what_cannot_be_cut_or_repeated_is_refused(sketch: Sketch, tmp_path: Path) -> None:
    """Random numbers, control flow, and products that no formula here counts."""
    x = sketch.input("x", 2, 4, 8)
    noisy = sketch.add("Add", x, sketch.add("RandomNormalLike", x, name="noise"))
    with pytest.raises(ModelError, match=r"'noise' \(RandomNormalLike\) draws random numbers"):
        read(sketch, tmp_path, noisy)


def test_an_operator_that_onnx_does_not_have_is_refused(sketch: Sketch, tmp_path: Path) -> None:
    """Its name is given, also where the graph's end has a shape; a vendor's own domain may be."""
    x = sketch.input("x", 2, 4, 8)
    sketch.outputs = [sketch.add("Convv", x, name="stem")]
    path = sketch.save(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match=r"'stem' \(Convv\) is not known: ONNX 17 has none"):
        load_graph(path, shapes={sketch.outputs[0]: (2, 4, 8)})


def test_a_file_that_names_no_version_of_onnx_is_refused(sketch: Sketch, tmp_path: Path) -> None:
    """Its operators could mean anything; the long form of the domain's name counts as well."""
    sketch.outputs = [sketch.add("Relu", sketch.input("x", 2, 4, 8))]
    model = sketch.model()
    path = tmp_path / "model.onnx"
    model.opset_import[0].domain = "ai.onnx"
    path.write_bytes(model.SerializeToString())
    assert len(load_graph(path).operators) == 1
    del model.opset_import[0]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="names no version"):
        load_graph(path)


def test_uncounted_products_are_refused(sketch: Sketch, tmp_path: Path) -> None:
    """An operator with unknown multiply-adds would be priced as free."""
    x = sketch.input("x", 2, 4, 8)
    y = sketch.add("MultiHeadAttention", x, x, x, domain="com.microsoft", num_heads=2)
    sketch.outputs = [y]
    path = sketch.save(tmp_path / "model.onnx")
    with pytest.raises(ModelError, match="multiply-adds of MultiHeadAttention cannot be counted"):
        load_graph(path, shapes={y: (2, 4, 8)})


def test_control_flow_is_refused(sketch: Sketch, tmp_path: Path) -> None:
    """A subgraph may read tensors of the outer graph without naming them as inputs."""
    sketch.outputs = [sketch.add("Relu", sketch.input("x", 1, 4))]
    model = sketch.model()
    branch = helper.make_graph([helper.make_node("Neg", ["x"], ["n"])], "b", [], [])
    model.graph.node.append(
        helper.make_node("If", ["c"], ["z"], name="if", then_branch=branch, else_branch=branch)
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"'if' \(If\) holds a subgraph"):
        load_graph(path)


@pytest.mark.parametrize(
    ("inputs", "made", "reason"),
    [
        (["t0"], "t1", "in a circle"),
        (["absent"], "t9", "'absent', which nothing makes"),
        (["x"], "t1", "tensor 't1' is made twice"),
    ],
)
def test_a_graph_that_is_none_is_refused(
    inputs: list[str], made: str, reason: str, sketch: Sketch, tmp_path: Path
) -> None:
    """Circles, tensors from nowhere, and tensors with two makers."""
    t0 = sketch.add("Add", sketch.input("x", 1, 4), "t1" if reason == "in a circle" else "x")
    assert t0 == "t0"
    if reason != "in a circle":
        sketch.add("Relu", t0)
    sketch.add("Neg", *inputs, made=[made])
    with pytest.raises(ModelError, match=reason):
        read(sketch, tmp_path, "t1")


def test_a_local_function_is_taken_apart(sketch: Sketch, tmp_path: Path) -> None:
    """Its operators are the graph's, so they can be counted and cut."""
    x = sketch.input("x", 1, 4)
    sketch.outputs = [sketch.add("Block", x, domain="mine")]
    model = sketch.model()
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"])]
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("mine", "Block", ["a"], ["c"], body, opset))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert [op.op_type for op in load_graph(path).operators] == ["Relu", "Neg"]
