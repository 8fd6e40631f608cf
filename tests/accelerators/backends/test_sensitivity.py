"""The operator that int8 hurts most is found, and left alone it hurts no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelerators.backends.ort import run_once
from accelerators.backends.quantising import quantise
from accelerators.backends.sensitivity import node_losses
from accelerators.errors import ModelLoadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

SHAPE = (1, 3, 16, 16)


def write(path: Path, opset: int = 17) -> Path:
    """Three convolutions; `skewed` makes one channel a thousand times the others."""
    draws = np.random.default_rng(3)
    weights = [draws.normal(0, 0.2, (8, c, 3, 3)).astype(np.float32) for c in (3, 8, 8)]
    weights[1][0] *= np.float32(1000)
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="even", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="act"),
        helper.make_node("Conv", ["b", "w1"], ["c"], name="skewed", pads=[1] * 4),
        helper.make_node("Sigmoid", ["c"], ["d"], name="squash"),
        helper.make_node("Conv", ["d", "w2"], ["y"], name="last", pads=[1] * 4),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 16, 16))],
        [numpy_helper.from_array(values, f"w{at}") for at, values in enumerate(weights)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    onnx.save(model, str(path))
    return path


def samples(count: int = 6) -> list[dict[str, Array]]:
    """Inputs between -1 and 1."""
    draws = np.random.default_rng(4)
    return [{"x": draws.uniform(-1, 1, SHAPE).astype(np.float32)} for _ in range(count)]


def off(model: Path, exact: Path) -> float:
    """Largest difference on an input that calibrated nothing."""
    feed = samples(9)[-1]
    ours, theirs = (
        run_once(path, feed, optimise=False)["y"].astype(np.float64) for path in (model, exact)
    )
    return float(np.abs(ours - theirs).max())


def test_the_operator_that_loses_most_comes_first(tmp_path: Path) -> None:
    """One scale for a channel of thousands and seven of ones loses the seven."""
    model, small = write(tmp_path / "net.onnx"), tmp_path / "net-int8.onnx"
    quantise(model, small, samples())
    losses = node_losses(model, small, samples(2))
    assert losses[0].node == "skewed"
    assert {loss.node for loss in losses} <= {"even", "skewed", "last"}
    assert [loss.noise for loss in losses] == sorted((loss.noise for loss in losses), reverse=True)
    kept = tmp_path / "net-kept.onnx"
    quantise(model, kept, samples(), kept=[losses[0].node])
    assert off(kept, model) < off(small, model)


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
def test_a_file_of_an_old_operator_set_is_quantised(tmp_path: Path, scheme: str) -> None:
    """Scales per channel came with set 13; the file is written anew, and runs."""
    model, small = write(tmp_path / "old.onnx", opset=11), tmp_path / "small.onnx"
    if scheme == "symmetric":
        quantise(model, small, samples(), scheme="symmetric")
    else:
        quantise(model, small, samples(), scheme="asymmetric")
    exact = run_once(model, samples(1)[0], optimise=False)["y"].astype(np.float64)
    assert off(small, model) < 2 * float(np.abs(exact).max())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.onnx", "small.onnx"]


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    """A network beside itself has nothing quantised."""
    model = write(tmp_path / "net.onnx")
    with pytest.raises(ModelLoadError, match="no quantised tensor"):
        node_losses(model, model, samples(1))
