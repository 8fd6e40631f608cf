"""The built-in detector network: made by code, untrained, good for timing and nothing else."""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.tasks.outputs import coco
from pipeline.tasks.outputs.yolox import STRIDES
from pipeline.tasks.prepare import InputSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    _Attribute = int | str | list[int]
    _Number = np.float32 | np.int64

DEMO_INPUT = InputSpec(width=416, height=256)
"""What the built-in network takes: blue, green, red, 0 to 255, letterbox."""

INPUT_NAME = "images"
OUTPUT_NAME = "output"
NARROW_NAME = "narrow"
"""The narrowest tensor, shape (1, 16, 16, 26): everything passes through it, so it suits a cut."""

_SEED = 20
_OPSET = 17
_IR_VERSION = 8  # the one that came with opset 15 to 17; read by any runtime of the last years
_CLASSES = len(coco.NAMES)
_SPREAD = 1.6
_OBJECT_BIAS = {8: -6.2, 16: -3.0, 32: -6.0}
"""Bias of the objectness logit by stride: chosen on road pictures so that a few cells pass 0.3."""
_LEVELS = 127  # weights are whole multiples of a step, so their bytes do not hang on a libm


def build_demo_network(path: Path) -> Path:
    """Write the built-in network as an ONNX file; the same bytes every time.

    The network is **untrained**: its weights are drawn from a seed. It finds a few boxes in most
    pictures, and none of them means anything. It stands for the shape and the work of a small
    detector: 23 convolutions, residual blocks, strides to 32, one narrow tensor in its middle
    (`NARROW_NAME`) and three heads behind it. Input `images`: (1, 3, 256, 416), float32, blue,
    green, red, 0 to 255. Output `output`: (1, 2184, 85), in the layout of the `yolox` decoder.

    Args:
        path: Where to write; folders are made, and a file there is replaced in one step.

    Returns:
        `path`.

    Raises:
        OSError: The file cannot be written.
    """
    data = demo_network().SerializeToString(deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def demo_network() -> onnx.ModelProto:
    """Make the built-in network in memory; see `build_demo_network`."""
    net = _Network()
    x = net.conv("stem", INPUT_NAME, 3, 16, size=3, stride=2, gain=1 / 74)  # pixels' spread: 74
    x = net.conv("stage1", x, 16, 32, size=3, stride=2)
    x = net.residual("stage1_block", x, 32)
    x = net.conv("stage2", x, 32, 48, size=3, stride=2)
    x = net.residual("stage2_block", x, 48)
    x = net.conv("stage3", x, 48, 64, size=3, stride=2)
    x = net.residual("stage3_block", x, 64)
    narrow = net.conv("narrow_conv", x, 64, 16, size=1, out=NARROW_NAME)
    middle = net.conv("widen", narrow, 16, 64, size=3)
    coarse = net.conv("down", middle, 64, 96, size=3, stride=2)
    coarse = net.residual("down_block", coarse, 96)
    fine = net.upsample("up", net.conv("up_lateral", middle, 64, 48, size=1))
    fine = net.conv("up_conv", fine, 48, 48, size=3)
    heads = [
        net.head(f"head{stride}", tensor, channels, stride)
        for stride, tensor, channels in zip(
            STRIDES, (fine, middle, coarse), (48, 64, 96), strict=True
        )
    ]
    net.node("Concat", heads, OUTPUT_NAME, axis=1)
    return net.finish()


class _Network:
    """A graph that grows node by node; weights are drawn in the order of the calls."""

    def __init__(self) -> None:
        self._draws = np.random.Generator(np.random.Philox(key=_SEED))
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str], out: str, **attributes: _Attribute) -> str:
        """Append a node, named after its output; returns the output's name."""
        self._nodes.append(helper.make_node(kind, list(inputs), [out], name=f"{kind}_{out}"))
        self._nodes[-1].attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        return out

    def constant(self, name: str, values: np.ndarray[tuple[int, ...], np.dtype[_Number]]) -> str:
        """Append a weight; returns its name."""
        self._weights.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, name: str, shape: tuple[int, ...], spread: float) -> str:
        """Draw weights, evenly spread over 255 levels with this standard deviation."""
        step = np.float32(spread / math.sqrt(_LEVELS * (_LEVELS + 1) / 3))
        levels = self._draws.integers(-_LEVELS, _LEVELS + 1, size=shape)
        return self.constant(name, levels.astype(np.float32) * step)

    def conv(
        self,
        name: str,
        x: str,
        taken: int,
        given: int,
        *,
        size: int,
        stride: int = 1,
        gain: float = 1.0,
        active: bool = True,
        bias: Sequence[float] | None = None,
        out: str | None = None,
    ) -> str:
        """Convolution, `same` padding, ReLU where `active`.

        Weights spread by He et al. 2015 (arXiv 1502.01852), `sqrt(2 / taps)`, so activations keep
        their size from layer to layer.
        """
        taps = taken * size * size
        weight = self.weights(
            f"{name}.weight", (given, taken, size, size), gain * math.sqrt(2 / taps)
        )
        shift = np.zeros(given, np.float32) if bias is None else np.array(bias, np.float32)
        inputs = [x, weight, self.constant(f"{name}.bias", shift)]
        end = out or f"{name}.out"
        self.node(
            "Conv",
            inputs,
            f"{name}.conv" if active else end,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[size // 2] * 4,
        )
        return self.node("Relu", [f"{name}.conv"], end) if active else end

    def residual(self, name: str, x: str, channels: int) -> str:
        """Two convolutions beside a skip, added; half the gain keeps the sum's size."""
        inner = self.conv(f"{name}.reduce", x, channels, channels // 2, size=1)
        inner = self.conv(f"{name}.expand", inner, channels // 2, channels, size=3, gain=0.5)
        return self.node("Add", [x, inner], f"{name}.out")

    def upsample(self, name: str, x: str) -> str:
        """Double both sides by repeating pixels."""
        scales = self.constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        return self.node(
            "Resize",
            [x, "", scales],
            f"{name}.out",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def head(self, name: str, x: str, channels: int, stride: int) -> str:
        """Boxes, and scores through a sigmoid, as rows: shape (1, cells, 5 + classes)."""
        cells = (DEMO_INPUT.height // stride) * (DEMO_INPUT.width // stride)
        # Centres stay near their cell; boxes are e**1 to e**2 cells wide before noise.
        boxes = self.conv(
            f"{name}.boxes", x, channels, 4, size=1, gain=0.2, active=False,
            bias=(0.5, 0.5, 1.5, 1.2),
        )  # fmt: skip
        logits = self.conv(
            f"{name}.logits", x, channels, 1 + _CLASSES, size=1, gain=_SPREAD, active=False,
            bias=(_OBJECT_BIAS[stride], *[0.0] * _CLASSES),
        )  # fmt: skip
        scores = self.node("Sigmoid", [logits], f"{name}.scores")
        joined = self.node("Concat", [boxes, scores], f"{name}.joined", axis=1)
        shape = self.constant(f"{name}.shape", np.array([1, 5 + _CLASSES, cells], np.int64))
        flat = self.node("Reshape", [joined, shape], f"{name}.flat")
        return self.node("Transpose", [flat], f"{name}.rows", perm=[0, 2, 1])

    def finish(self) -> onnx.ModelProto:
        """Close the graph, infer every shape and check the model."""
        anchors = sum(
            (DEMO_INPUT.height // stride) * (DEMO_INPUT.width // stride) for stride in STRIDES
        )
        graph = helper.make_graph(
            self._nodes,
            "splitway_demo_detector",
            [_tensor(INPUT_NAME, (1, 3, DEMO_INPUT.height, DEMO_INPUT.width))],
            [_tensor(OUTPUT_NAME, (1, anchors, 5 + _CLASSES))],
            self._weights,
            doc_string="Untrained: weights drawn from a seed. For timing only.",
        )
        model = helper.make_model(
            graph,
            producer_name="splitway",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(inferred, full_check=True)
        return inferred


def _tensor(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
