"""Shared pieces of the accelerators' tests: small segments and small ONNX files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelerators.work import OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPSET = 18
IR_VERSION = 10


def conv(name: str, *, cin: int, cout: int, side: int, kernel: int, groups: int = 1) -> OpWork:
    """A square convolution, stride 1, padded."""
    window = kernel * kernel
    return OpWork(
        name=name,
        op_type="Conv",
        macs=cout * side * side * window * (cin // groups),
        weight_elements=cout * window * (cin // groups) + cout,
        input_elements=cin * side * side,
        output_elements=cout * side * side,
        groups=groups,
        kernel_elements=window,
    )


@pytest.fixture
def small_detector() -> SegmentWork:
    """A stem, a depthwise block with a residual, pooling and a head: one of each class."""
    ops = (
        conv("stem", cin=3, cout=32, side=208, kernel=3),
        OpWork(
            name="stem/sigmoid",
            op_type="Sigmoid",
            macs=0,
            weight_elements=0,
            input_elements=32 * 208 * 208,
            output_elements=32 * 208 * 208,
            producers=("stem",),
        ),
        OpWork(
            name="stem/mul",
            op_type="Mul",
            macs=0,
            weight_elements=0,
            input_elements=2 * 32 * 208 * 208,
            output_elements=32 * 208 * 208,
            producers=("stem", "stem/sigmoid"),
        ),
        OpWork(
            name="pool",
            op_type="MaxPool",
            macs=0,
            weight_elements=0,
            input_elements=32 * 208 * 208,
            output_elements=32 * 104 * 104,
            kernel_elements=9,
            producers=("stem/mul",),
        ),
        OpWork(
            name="deep",
            op_type="Conv",
            macs=32 * 104 * 104 * 9,
            weight_elements=32 * 9,
            input_elements=32 * 104 * 104,
            output_elements=32 * 104 * 104,
            groups=32,
            kernel_elements=9,
            producers=("pool",),
        ),
        OpWork(
            name="residual",
            op_type="Add",
            macs=0,
            weight_elements=0,
            input_elements=2 * 32 * 104 * 104,
            output_elements=32 * 104 * 104,
            producers=("pool", "deep"),
        ),
        OpWork(
            name="flat",
            op_type="Reshape",
            macs=0,
            weight_elements=0,
            input_elements=32 * 104 * 104,
            output_elements=32 * 104 * 104,
            producers=("residual",),
        ),
        OpWork(
            name="head",
            op_type="MatMul",
            macs=104 * 104 * 32 * 85,
            weight_elements=32 * 85,
            input_elements=32 * 104 * 104,
            output_elements=85 * 104 * 104,
            producers=("flat",),
        ),
    )
    return SegmentWork(
        name="small-detector",
        ops=ops,
        input_elements=3 * 208 * 208,
        output_elements=85 * 104 * 104,
    )


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[[str, onnx.GraphProto], Path]:
    """Write a graph as an ONNX file in the test's folder."""

    def write(name: str, graph: onnx.GraphProto) -> Path:
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return write


@pytest.fixture
def counting_model(write_model: Callable[[str, onnx.GraphProto], Path]) -> Path:
    """A file that adds 1 to `x` (float32, shape (4,)) as often as `times` (int64 scalar) says.

    So one file runs as shortly or as long as a test wants.
    """
    body = helper.make_graph(
        [
            helper.make_node("Add", ["v_in", "one"], ["v_out"]),
            helper.make_node("Identity", ["go_in"], ["go_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_in", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v_out", TensorProto.FLOAT, [4]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["times", "", "x"], ["y"], body=body)],
        "counting",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [4]),
            helper.make_tensor_value_info("times", TensorProto.INT64, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    return write_model("counting.onnx", graph)


@pytest.fixture
def conv_model(write_model: Callable[[str, onnx.GraphProto], Path]) -> Path:
    """A file with two convolutions, a batch-norm-like scale and an activation, 1x3x8x8 in."""
    first = (np.arange(8 * 3 * 9) % 17 - 8).astype(np.float32) / 100
    second = (np.arange(4 * 8 * 9) % 13 - 6).astype(np.float32) / 50
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Mul", ["a", "scale"], ["b"]),
            helper.make_node("Relu", ["b"], ["c"]),
            helper.make_node("Identity", ["c"], ["d"]),
            helper.make_node("Conv", ["d", "w1"], ["out"], pads=[1, 1, 1, 1]),
        ],
        "convs",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, 8, 8])],
        [
            numpy_helper.from_array(first.reshape(8, 3, 3, 3), "w0"),
            numpy_helper.from_array(np.full((1, 8, 1, 1), 0.5, np.float32), "scale"),
            numpy_helper.from_array(second.reshape(4, 8, 3, 3), "w1"),
        ],
    )
    return write_model("convs.onnx", graph)
