"""Pixels that stay in the car, and memory."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.graph import load_graph
from pipeline.planner.limits import STRIDE, staying

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.graph.model import Graph

SIDE = 32


def build(path: Path, *nodes: onnx.NodeProto, out: tuple[int, ...]) -> Graph:
    """A network on a picture of three channels, 32 pixels square."""
    weights = [
        numpy_helper.from_array(np.ones((3, 3, 2, 2), np.float32), "w"),
        numpy_helper.from_array(np.ones((3, 3 * STRIDE**2, 1, 1), np.float32), "deep"),
    ]
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model, strict_mode=True), path)
    return load_graph(path)


def conv(read: str, made: str) -> onnx.NodeProto:
    """A convolution that halves both sides."""
    return helper.make_node("Conv", [read, "w"], [made], name=made, strides=[2, 2])


def test_everything_before_the_first_layer_at_stride_8_stays(tmp_path: Path) -> None:
    """That layer's own output may leave, and all behind it."""
    graph = build(
        tmp_path / "g.onnx",
        conv("x", "half"),
        conv("half", "quarter"),
        conv("quarter", "eighth"),
        helper.make_node("Relu", ["eighth"], ["y"], name="y"),
        out=(1, 3, SIDE // 8, SIDE // 8),
    )
    assert staying(graph) == {"x", "half", "quarter"}


def test_pixels_that_are_only_moved_about_still_show(tmp_path: Path) -> None:
    """Space to depth has stride 8 and no weights: the picture is all there."""
    graph = build(
        tmp_path / "g.onnx",
        helper.make_node("SpaceToDepth", ["x"], ["moved"], name="moved", blocksize=STRIDE),
        helper.make_node("Conv", ["moved", "deep"], ["y"], name="y"),
        out=(1, 3, SIDE // STRIDE, SIDE // STRIDE),
    )
    assert staying(graph) == {"x", "moved"}


def test_a_side_way_at_full_size_stays(tmp_path: Path) -> None:
    """Only what the deep layer made may leave, not what passes it by."""
    graph = build(
        tmp_path / "g.onnx",
        conv("x", "half"),
        helper.make_node("Relu", ["half"], ["beside"], name="beside"),
        conv("half", "quarter"),
        conv("quarter", "eighth"),
        helper.make_node("GlobalAveragePool", ["beside"], ["mean"], name="mean"),
        helper.make_node("Mul", ["eighth", "mean"], ["y"], name="y"),
        out=(1, 3, SIDE // 8, SIDE // 8),
    )
    stay = staying(graph)
    assert {"x", "half", "beside", "quarter"} <= stay
    assert "eighth" not in stay
    assert "mean" not in stay  # one figure a channel, behind a weighted layer


@pytest.mark.parametrize("layers", [1, 2])
def test_a_network_that_never_gets_so_coarse_keeps_all(layers: int, tmp_path: Path) -> None:
    """There is no cut that privacy lets through."""
    names = ["x", *(f"t{i}" for i in range(layers - 1)), "y"]
    nodes = [conv(read, made) for read, made in pairwise(names)]
    side = SIDE >> layers
    graph = build(tmp_path / "g.onnx", *nodes, out=(1, 3, side, side))
    assert staying(graph) == frozenset(graph.tensors)
