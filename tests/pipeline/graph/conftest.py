"""Small graphs made by hand, and ONNX Runtime as the reference that runs them."""

from __future__ import annotations

import os
from math import prod, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from accelerators.backends.ort import optimise, run_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from accelerators.backends.ort import Level

    Array = NDArray[np.generic[object]]


class Sketch:
    """An ONNX graph under construction: float32, opset 17, seeded random weights."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[str] = []

    def input(self, name: str, *shape: int | str) -> str:
        """Declare an input; an axis given as text is dynamic."""
        value = helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        self._inputs.append(value)
        return name

    def constant(self, array: Array) -> str:
        """Add an initializer."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, *shape: int) -> str:
        """Add an initializer of random numbers."""
        scale = 1 / sqrt(prod(shape[1:]))
        return self.constant((self._random.standard_normal(shape) * scale).astype(np.float32))

    def add(
        self,
        op: str,
        *inputs: str,
        made: Sequence[str] | None = None,
        name: str | None = None,
        domain: str = "",
        **attributes: float | str | Sequence[int] | onnx.TensorProto,
    ) -> str:
        """Add an operator and return its first output."""
        outputs = list(made) if made else [f"t{len(self._nodes)}"]
        label = f"{op}{len(self._nodes)}" if name is None else name
        self._nodes.append(helper.make_node(op, list(inputs), outputs, name=label, domain=domain))
        self._nodes[-1].attribute.extend(
            helper.make_attribute(key, value) for key, value in sorted(attributes.items())
        )
        return outputs[0]

    def conv(self, x: str, cin: int, cout: int, *, kernel: int = 3, stride: int = 1) -> str:
        """Add a convolution with bias that keeps or halves the size."""
        return self.add(
            "Conv",
            x,
            self.weight(cout, cin, kernel, kernel),
            self.weight(cout),
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
            strides=[stride, stride],
        )

    def model(self) -> onnx.ModelProto:
        """The finished model; its outputs carry no shape."""
        outputs = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
            for name in self.outputs
        ]
        graph = helper.make_graph(self._nodes, "sketch", self._inputs, outputs, self._weights)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, path: Path) -> Path:
        """Write the finished model."""
        path.write_bytes(self.model().SerializeToString())
        return path


def _chain(s: Sketch) -> None:
    x = s.add("Relu", s.conv(s.input("x", 1, 3, 16, 16), 3, 16))
    x = s.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = s.add("Relu", s.conv(x, 16, 16))
    x = s.add("Flatten", s.add("GlobalAveragePool", x))
    s.outputs = [s.add("Gemm", x, s.weight(16, 10), s.weight(10))]


def _residual(s: Sketch) -> None:
    x = s.conv(s.input("x", 1, 3, 12, 12), 3, 16)
    for _ in range(2):
        y = s.conv(s.add("Relu", s.conv(x, 16, 16)), 16, 16)
        x = s.add("Relu", s.add("Add", x, y))
    s.outputs = [x]


def _branches(s: Sketch) -> None:
    x = s.conv(s.input("x", 1, 3, 12, 12), 3, 16)
    a = s.add("Relu", s.conv(x, 16, 8, kernel=1))
    b = s.add("Relu", s.conv(x, 16, 16))
    pooled = s.add("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1])
    c = s.conv(pooled, 16, 8, kernel=1)
    s.outputs = [s.conv(s.add("Concat", a, b, c, axis=1), 32, 4)]


def _gates(s: Sketch) -> None:
    x = s.input("x", 1, 4, 8, 8)
    for cin, cout in ((4, 16), (16, 16)):
        x = s.conv(x, cin, cout)
        x = s.add("Mul", x, s.add("Sigmoid", x))
    s.outputs = [s.conv(x, 16, 2, kernel=1)]


def _hourglass(s: Sketch) -> None:
    a = s.add("Relu", s.conv(s.input("x", 1, 3, 16, 16), 3, 8))
    b = s.add("Relu", s.conv(a, 8, 16, stride=2))
    c = s.add("Relu", s.conv(b, 16, 16, stride=2))
    up = s.add("ConvTranspose", c, s.weight(16, 16, 2, 2), strides=[2, 2])
    x = s.conv(s.add("Concat", up, b, axis=1), 32, 8)
    scales = s.constant(np.array([1, 1, 2, 2], np.float32))
    up = s.add("Resize", x, "", scales, mode="nearest")
    s.outputs = [s.conv(s.add("Concat", up, a, axis=1), 16, 2)]


def _outputs(s: Sketch) -> None:
    x = s.add("Relu", s.conv(s.input("x", 1, 3, 8, 8), 3, 16))
    early = s.conv(x, 16, 4, kernel=1)
    read = s.add("Sigmoid", s.conv(x, 16, 16))
    s.outputs = [s.conv(read, 16, 3), early, read]


def _inputs(s: Sketch) -> None:
    x, y = s.input("x", 1, 4, 8, 8), s.input("y", 1, 4, 8, 8)
    a = s.add("Tanh", s.conv(x, 4, 4))
    b = s.conv(s.add("Add", a, y), 4, 4)
    s.outputs = [s.add("Add", s.add("Relu", b), x)]


def _attention(s: Sketch) -> None:
    x = s.input("x", 1, 6, 8)
    q, k, v = (s.add("MatMul", x, s.weight(8, 8)) for _ in range(3))
    scores = s.add("MatMul", q, s.add("Transpose", k, perm=[0, 2, 1]))
    y = s.add("MatMul", s.add("Softmax", scores, axis=-1), v)
    s.outputs = [s.add("LayerNormalization", s.add("Add", x, y), s.weight(8), s.weight(8))]


def _shared(s: Sketch) -> None:
    x = s.input("x", 1, 4, 6, 6)
    shape = s.constant(np.array([4, 4, 1, 1], np.int64))
    value = numpy_helper.from_array(np.array([0.25], np.float32))
    w = s.add("ConstantOfShape", shape, value=value)
    half = numpy_helper.from_array(np.array(0.5, np.float32))
    h = s.add("Constant", value=half)
    x = s.add("Mul", s.add("Conv", x, w), h)
    a = s.add("Split", x, s.constant(np.array([1, 3], np.int64)), made=["a", "b"], axis=1)
    x = s.add("Concat", s.add("Neg", a), "b", axis=1)
    s.outputs = [s.add("Mul", s.add("Conv", x, w), h)]


SKETCHES: dict[str, Callable[[Sketch], None]] = {
    "attention": _attention,
    "branches": _branches,
    "chain": _chain,
    "gates": _gates,
    "hourglass": _hourglass,
    "inputs": _inputs,
    "outputs": _outputs,
    "residual": _residual,
    "shared": _shared,
}


class Reference(Protocol):
    """Runs a file at `ORT_DISABLE_ALL` on one thread."""

    def __call__(self, path: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name."""


@pytest.fixture(params=sorted(SKETCHES))
def sketched(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Each hand-made model in turn, as a file."""
    sketch = Sketch()
    SKETCHES[request.param](sketch)
    return sketch.save(tmp_path / f"{request.param}.onnx")


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """Write a hand-made model by name."""

    def write(name: str) -> Path:
        sketch = Sketch()
        SKETCHES[name](sketch)
        return sketch.save(tmp_path / f"{name}.onnx")

    return write


@pytest.fixture
def sketch() -> Sketch:
    """An empty graph to add to."""
    return Sketch()


@pytest.fixture
def optimised(tmp_path: Path) -> Callable[[Path, Level], Path]:
    """Save ONNX Runtime's optimised graph of a file."""

    def save(model: Path, level: Level) -> Path:
        target = tmp_path / f"{model.stem}-{level}.onnx"
        optimise(model, target, level=level)
        return target

    return save


@pytest.fixture(scope="session")
def run() -> Reference:
    """Run a file as it stands: nothing optimised, one thread."""

    def go(path: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return run_once(path, feeds, optimise=False)

    return go


@pytest.fixture(scope="session")
def real_models() -> Path:
    """Folder of the real models; skipped where the data is not at hand."""
    root = os.environ.get("SPLITWAY_DATA")
    if not root or not (Path(root) / "models").is_dir():
        pytest.skip("SPLITWAY_DATA names no folder with models")
    return Path(root) / "models"


@pytest.fixture(scope="session")
def published() -> Path:
    """Folder of the published networks' graphs; skipped where the data is not at hand."""
    root = os.environ.get("SPLITWAY_DATA")
    if not root or not (Path(root).parent / "devices" / "graphs.csv").is_file():
        pytest.skip("no folder devices/ beside SPLITWAY_DATA")
    return Path(root).parent / "devices"
