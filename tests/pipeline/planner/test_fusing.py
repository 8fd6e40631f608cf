"""Which operators are taken as one, and that no cut goes between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from onnx import TensorProto, helper

from pipeline.graph import cut_tensors, is_head, load_graph
from pipeline.planner import best_cut, best_split, fused_groups, problem_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.graph import Graph

# Each line: operator type, outputs, inputs; `w` is a convolution's weight, `k` a constant.
GRAPHS = {
    "activation": "Conv a x w | Relu b a | MaxPool c b",
    "batch-norm": "Conv a x w | BatchNormalization b a k k k k | Relu c b | MaxPool d c",
    "gate": "Conv a x w | Sigmoid s a | Mul b a s | Conv c b w",
    "gelu": "Conv a x w | Div d a k | Erf e d | Add f e k | Mul g a f | Mul h g k | Conv i h w",
    "skip": "Conv a x w | Relu b a | Conv c b w | Add d c a",
    "delivered": "Conv a x w | Relu b a | Conv c b w | Relu y c",
    "side-read": "Conv a x w | Sigmoid s a | Mul b a s | Add c s b",
}


def read(text: str, path: Path, *, outputs: tuple[str, ...] = ()) -> Graph:
    """Build and read a graph of 4 channels; the last tensor is an output."""
    nodes = []
    for line in text.split(" | "):
        op, made, *inputs = line.split()
        extra = {"MaxPool": {"kernel_shape": [2, 2]}, "Conv": {"pads": [1] * 4}}.get(op, {})
        nodes.append(helper.make_node(op, inputs, [made], name=made))
        nodes[-1].attribute.extend(helper.make_attribute(k, v) for k, v in extra.items())
    given = {"x": [1, 4, 8, 8], "w": [4, 4, 3, 3], "k": [4]}
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, b"\0" * 4 * count, raw=True)
        for name, shape, count in (("w", given["w"], 144), ("k", [4], 4), ("kk", [4, 1, 1], 4))
    ]
    for node in nodes:  # a constant of one channel axis broadcasts as (4, 1, 1)
        if node.op_type in {"Add", "Mul", "Div"}:
            node.input[:] = ["kk" if name == "k" else name for name in node.input]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given["x"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in dict.fromkeys((*outputs, nodes[-1].name))
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return load_graph(path)


@pytest.mark.parametrize(
    ("name", "outputs", "expected"),
    [
        ("activation", (), ["ab"]),
        ("batch-norm", (), ["abc"]),
        ("gate", (), ["asb"]),
        ("gelu", (), ["adefgh"]),
        ("skip", (), []),  # `a` is read by the addition too; `c` meets what is not its own
        ("delivered", (), ["ab", "cy"]),
        ("delivered", ("a",), ["cy"]),  # an output of the graph is never inside a group
        ("side-read", (), []),  # the gate's own branch is read from outside
    ],
)
def test_activations_join_what_they_follow(
    name: str, outputs: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    """Chains and gates of element-wise operators join the operator with multiply-adds."""
    graph = read(GRAPHS[name], tmp_path / "g.onnx", outputs=outputs)
    groups = ["".join(graph.operators[i].name for i in group) for group in fused_groups(graph)]
    assert groups == expected


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_no_cut_goes_through_a_group(name: str, tmp_path: Path) -> None:
    """However cheap the tensors inside a group are, its operators stay on one side."""
    graph = read(GRAPHS[name], tmp_path / "g.onnx")
    groups = fused_groups(graph)
    inside = {
        made for group in groups for index in group[:-1] for made in graph.operators[index].outputs
    }
    problem = problem_of(
        graph,
        edge_ns=[50] * len(graph.operators),
        cloud_ns=[1] * len(graph.operators),
        up_ns={tensor: 0 if tensor in inside else 70 for tensor in graph.tensors},
        together=groups,
    )
    macs = [operator.index for operator in graph.operators if operator.work.macs]
    for cut in (best_cut(problem), best_split(problem, macs)):
        if cut is not None:
            assert is_head(graph, cut.head)
            assert all(len(cut.head.intersection(g)) in {0, len(g)} for g in groups)
            assert inside.isdisjoint(cut_tensors(graph, cut.head))


def test_a_tensor_of_shapes_is_never_offered(tmp_path: Path) -> None:
    """Its price is left out, and the cut keeps its maker and reader on one side."""
    text = "Conv a x w | Relu b a | Shape n b | Reshape c b n | Conv d c w"
    graph = read(text, tmp_path / "g.onnx")
    problem = problem_of(
        graph,
        edge_ns=[9] * 5,
        cloud_ns=[1] * 5,
        up_ns={"x": 999, "a": 50, "b": 40, "n": 0, "c": 60, "d": 999},
    )
    cut = best_split(problem, (0, 4))
    assert cut is not None
    assert cut.head == {0, 1}
    assert next(t for t in problem.tensors if t.name == "n").up_ns is None
