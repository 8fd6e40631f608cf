"""Networks put into int8 from frames: kept by content, whole or not at all, or a reason why not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from onnx import TensorProto, helper, numpy_helper

from accelerators.backends.ort import run_once
from accelerators.backends.quantising import quantise
from pipeline.assembly import numerics
from pipeline.assembly.numerics import SCHEME, quantised
from pipeline.graph import Graph, load_graph
from pipeline.runtime.spec import PictureInput, TaskSpec
from pipeline.tasks.prepare import InputSpec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 16
TASK = TaskSpec(
    name="lanes",
    input=PictureInput(spec=InputSpec(width=SIDE, height=SIDE)),
    input_name="x",
    source_width=SIDE,
    source_height=SIDE,
    decoder="masks",
    parameters={"names": "y"},
)


def _network(path: Path, nodes: Sequence[onnx.NodeProto]) -> Graph:
    draws = np.random.default_rng(3)
    weights = [
        draws.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32),
        draws.normal(0, 0.2, (2, 8, 3, 3)).astype(np.float32),
    ]
    channels = 2 if any(node.op_type == "Conv" for node in nodes) else 3
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, SIDE, SIDE))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, channels, SIDE, SIDE))],
        [numpy_helper.from_array(values, f"w{k}") for k, values in enumerate(weights)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, str(path))
    return load_graph(path)


@pytest.fixture
def network(tmp_path: Path) -> Graph:
    """Two convolutions with an activation between them: two classes a pixel."""
    pads = [1] * 4
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=pads),
        helper.make_node("Relu", ["a"], ["b"], name="act"),
        helper.make_node("Conv", ["b", "w1"], ["y"], name="last", pads=pads),
    ]
    return _network(tmp_path / "small.onnx", nodes)


def _feeds(seed: int = 4, count: int = 8) -> list[dict[str, NDArray[np.float32]]]:
    draws = np.random.default_rng(seed)
    return [{"x": draws.random((1, 3, SIDE, SIDE), dtype=np.float32)} for _ in range(count)]


def _made(found: Graph | str) -> Graph:
    assert isinstance(found, Graph), found
    return found


def test_outputs_are_those_of_the_directly_quantised_file_and_not_float32s(
    network: Graph, tmp_path: Path
) -> None:
    """The same bits as `quantise` with the same frames gives."""
    found = _made(quantised(network, TASK, _feeds(), tmp_path / "models"))
    direct = tmp_path / "direct.onnx"
    quantise(network.path, direct, _feeds(), scheme=SCHEME)
    feed = _feeds(seed=9)[0]
    outputs = [
        run_once(path, feed, optimise=False)["y"] for path in (found.path, direct, network.path)
    ]
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


def test_the_second_time_nothing_is_quantised_and_other_frames_are_another_file(
    network: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept by what it was made from: network, frames, task."""
    folder = tmp_path / "models"
    first = _made(quantised(network, TASK, _feeds(), folder))
    other = _made(quantised(network, TASK, _feeds(seed=5), folder))
    fewer = _made(quantised(network, TASK, _feeds(count=7), folder))
    assert len({first.path, other.path, fewer.path}) == 3

    def never(*_: object, **__: object) -> None:
        raise AssertionError("quantised again")

    monkeypatch.setattr(numerics, "quantise", never)
    assert _made(quantised(network, TASK, _feeds(), folder)) == first
    with pytest.raises(AssertionError, match="quantised again"):
        quantised(
            network, replace(TASK, parameters={"names": "y", "threshold": 0.4}), _feeds(), folder
        )


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_numerics as tests
from pipeline.assembly import numerics
from pipeline.graph import load_graph

def half(model, to, samples, **_):
    to.write_bytes(model.read_bytes()[:500])
    os.kill(os.getpid(), signal.SIGKILL)

numerics.quantise = half
numerics.quantised(load_graph(Path(sys.argv[2])), tests.TASK, tests._feeds(), Path(sys.argv[3]))
"""


def test_a_killed_writer_leaves_nothing_that_is_taken_and_is_swept_later(
    network: Graph, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Half a file under another name; the next one makes it whole, and later tidies up."""
    folder = tmp_path / "models"
    here = str(request.path.parent)
    run = subprocess.run(
        [sys.executable, "-c", KILLED, here, str(network.path), str(folder)], check=False
    )
    assert run.returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    assert left.is_dir()
    assert list(left.iterdir())
    found = _made(quantised(network, TASK, _feeds(), folder))
    assert sorted(folder.iterdir()) == sorted([left, found.path])
    run_once(found.path, _feeds()[0], optimise=False)
    os.utime(left, (1_000_000, 1_000_000))
    quantised(network, TASK, _feeds(seed=5), folder)
    assert not left.exists()


def test_a_damaged_file_is_made_again(network: Graph, tmp_path: Path) -> None:
    """A disk may lose what was written."""
    found = _made(quantised(network, TASK, _feeds(), tmp_path / "models"))
    whole = found.path.read_bytes()
    found.path.write_bytes(whole[: len(whole) // 2])
    assert _made(quantised(network, TASK, _feeds(), tmp_path / "models")) == found


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [
                helper.make_node("Relu", ["x"], ["a"], name="act"),
                helper.make_node("Sigmoid", ["a"], ["y"], name="gate"),
            ],
            "no operator that is computed in int8",
        ),
        (
            [
                helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=[1] * 4),
                helper.make_node("Conv", ["a", "w1"], ["b"], name="last", pads=[1] * 4),
                helper.make_node("Sub", ["b", "b"], ["zero"], name="zero"),
                helper.make_node("Div", ["b", "zero"], ["y"], name="endless"),
            ],
            "its outputs are no numbers",
        ),
    ],
)
def test_why_a_network_cannot_be_quantised_is_said_and_kept(
    nodes: list[onnx.NodeProto], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing to compute in int8; outputs that are no numbers; no work the second time."""
    graph = _network(tmp_path / "odd.onnx", nodes)
    found = quantised(graph, TASK, _feeds(), tmp_path / "models")
    assert isinstance(found, str)
    assert reason in found
    monkeypatch.delattr(numerics, "quantise")
    assert quantised(graph, TASK, _feeds(), tmp_path / "models") == found
    assert not list((tmp_path / "models").glob("*.onnx"))


def test_a_drive_without_frames_is_a_reason(network: Graph, tmp_path: Path) -> None:
    """There is nothing to find ranges on."""
    assert "no frame" in str(quantised(network, TASK, [], tmp_path / "models"))


def test_outputs_that_the_decoder_refuses_are_a_reason(network: Graph, tmp_path: Path) -> None:
    """As a run would refuse them."""
    boxes = replace(TASK, decoder="yolox", parameters={})
    assert "cannot be decoded" in str(quantised(network, boxes, _feeds(), tmp_path / "models"))
