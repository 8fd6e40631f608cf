"""Networks in int8: close to what they were, smaller, and refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelerators.backends.ort import run_once
from accelerators.backends.quantising import quantise
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (1, 3, 16, 16)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """Two convolutions of random weights, float32; the second is named `last`."""
    draws = np.random.default_rng(3)
    weights = [
        draws.normal(0, 0.2, (16, 3, 3, 3)).astype(np.float32),
        draws.normal(0, 0.1, (32, 16, 3, 3)).astype(np.float32),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="act"),
        helper.make_node("Conv", ["b", "w1"], ["y"], name="last", pads=[1] * 4),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 32, 16, 16))],
        [numpy_helper.from_array(values, f"w{k}") for k, values in enumerate(weights)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, str(tmp_path / "small.onnx"))
    return tmp_path / "small.onnx"


def samples(count: int = 8) -> list[dict[str, NDArray[np.float32]]]:
    """Inputs from 0 to 1."""
    draws = np.random.default_rng(4)
    return [{"x": draws.random(SHAPE, dtype=np.float32)} for _ in range(count)]


def test_int8_is_smaller_and_nearly_the_same(network: Path, tmp_path: Path) -> None:
    """A quarter of the weights' bytes, and outputs within a step or so on average."""
    to = tmp_path / "small-int8.onnx"
    quantise(network, to, samples())
    feed = samples(9)[-1]
    exact, found = (run_once(path, feed, optimise=True)["y"] for path in (network, to))
    gap = np.abs(np.asarray(exact, np.float64) - np.asarray(found, np.float64))
    assert 0 < gap.mean() < 0.01 * np.abs(np.asarray(exact, np.float64)).max()
    weights = [w for w in onnx.load(str(to)).graph.initializer if w.data_type == TensorProto.INT8]
    assert sum(int(np.prod(w.dims)) for w in weights) >= 16 * 27 + 32 * 144


def test_nodes_may_stay_in_float(network: Path, tmp_path: Path) -> None:
    """What is kept has float weights, the rest does not."""
    to = tmp_path / "mixed.onnx"
    quantise(network, to, samples(), kept=["last"])
    last = next(node for node in onnx.load(str(to)).graph.node if node.name == "last")
    floats = {
        w.name for w in onnx.load(str(to)).graph.initializer if w.data_type == TensorProto.FLOAT
    }
    assert last.input[1] in floats


def test_the_same_samples_give_the_same_bytes(network: Path, tmp_path: Path) -> None:
    """Nothing hangs on the clock or on the order of a dictionary."""
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    quantise(network, one, samples())
    quantise(network, two, samples())
    assert one.read_bytes() == two.read_bytes()


def test_what_cannot_be_quantised_is_refused_and_leaves_nothing(
    network: Path, tmp_path: Path
) -> None:
    """No sample, a wrong input, no network, no file."""
    to = tmp_path / "none.onnx"
    with pytest.raises(ModelLoadError, match="samples"):
        quantise(network, to, [])
    with pytest.raises(ModelLoadError, match="small"):
        quantise(network, to, [{"other": np.zeros(SHAPE, np.float32)}])
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ModelLoadError, match="broken"):
        quantise(broken, to, samples())
    with pytest.raises(FileNotFoundError):
        quantise(tmp_path / "missing.onnx", to, samples())
    assert {path.name for path in tmp_path.iterdir()} == {"small.onnx", "broken.onnx"}
