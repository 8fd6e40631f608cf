"""`calibrate --measure`: a real backend here becomes a device file that a plan can use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from accelerators.calibration import measuring
from accelerators.errors import AcceleratorError
from accelerators.registry import load_spec
from pipeline import api
from pipeline.cli.app import app
from pipeline.errors import InputError


def write_network(path: Path, channels: int, *, dtype: int = TensorProto.FLOAT) -> None:
    """Two convolutions over 16 x 16."""
    rng = np.random.default_rng(channels)
    first = rng.normal(size=(channels, 3, 3, 3)).astype(np.float32)
    second = rng.normal(size=(channels, channels, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"], name="relu"),
            helper.make_node("Conv", ["b", "w1"], ["y"], name="second", pads=[1, 1, 1, 1]),
        ],
        "net",
        [helper.make_tensor_value_info("x", dtype, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", dtype, [1, channels, 16, 16])],
        [numpy_helper.from_array(first, "w0"), numpy_helper.from_array(second, "w1")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of five networks and one file that is none; few runs of each."""
    monkeypatch.setattr(measuring, "_BUDGET_NS", 1)
    folder = tmp_path / "networks"
    folder.mkdir()
    for channels in (8, 16, 32, 48, 64):
        write_network(folder / f"net{channels}.onnx", channels)
    (folder / "zz-broken.onnx").write_bytes(b"nothing")
    return folder


def test_a_backend_becomes_a_device_file(networks: Path, tmp_path: Path) -> None:
    """Fitted, told to be measured, priced like any other; what cannot be measured is named."""
    out = tmp_path / "cpu-here.toml"
    found = api.calibrate_backend("cpu", [networks], out=out)
    assert len(found.measured) == 5
    assert found.layers >= 1
    assert list(found.skipped) == ["zz-broken.onnx"]
    assert found.held_out
    device = load_spec(out)
    assert (device.name, device.kind, device.label) == ("cpu-here", "npu", "fitted")
    assert "measured figures" in out.read_text("utf-8")
    assert "published figures" not in out.read_text("utf-8")
    (priced,) = api.price([networks / "net64.onnx"], str(out), precision=None, batch=1)
    assert isinstance(priced["latency_ms"], float)
    with pytest.raises(InputError, match="there already"):
        api.calibrate_backend("cpu", [networks], out=out)


def test_layers_come_from_the_cpu_alone(networks: Path) -> None:
    """Another provider fuses them out of sight: whole runs are fitted."""
    found = api.calibrate_backend("ort:CPUExecutionProvider", [networks])
    assert found.layers == 0
    assert found.file is None


@pytest.mark.parametrize(
    ("backend", "models", "reason"),
    [
        ("cpu", ["none.onnx"], "no such file or folder"),
        ("cpu", ["."], r"holds no \.onnx file"),
        ("cpu", ["networks/net8.onnx", "networks/net16.onnx"], "2 of 2 networks could be measured"),
        ("cpu", ["networks", "networks/net8.onnx"], "two networks are called net8"),
        ("cpuu", ["networks"], "did you mean 'cpu'"),
        ("qnn", ["networks"], "emulation"),
        ("rebel", ["networks"], "is not installed"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    backend: str,
    models: list[str],
    reason: str,
    networks: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the name of what is wrong."""
    monkeypatch.chdir(networks.parent)
    with pytest.raises((InputError, AcceleratorError), match=reason):
        api.calibrate_backend(backend, [Path(model) for model in models])


def test_the_command_prints_what_the_fit_misses(networks: Path, tmp_path: Path) -> None:
    """A table for people, one document for machines."""
    runner = CliRunner()
    out = tmp_path / "mine.toml"
    told = runner.invoke(
        app, ["calibrate", "--measure", "cpu", "--models", str(networks), "-o", str(out)]
    )
    assert told.exit_code == 0, told.output
    assert "error on networks left out" in told.stdout
    assert "skipped  zz-broken.onnx" in told.stdout
    found = runner.invoke(
        app, ["calibrate", "--measure", "cpu", "--models", str(networks), "--json", "-q"]
    )
    document = json.loads(found.stdout)
    assert document["schema"] == "splitway.calibrate-backend/1"
    assert {each["network"] for each in document["networks"]} == {
        f"net{channels}" for channels in (8, 16, 32, 48, 64)
    }
    assert document["held_out"]["figures"] == len(document["held_out"]["networks"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--measure", "cpu"],
        ["--measure", "cpu", "--host", "x.toml", "--models", "."],
        ["--models", ".", "--host", "x.toml"],
        ["--measure", "cpu", "--models", ".", "--option", "nonsense"],
    ],
)
def test_misuse_is_refused(arguments: list[str]) -> None:
    """Exit 2, before anything is measured."""
    assert CliRunner().invoke(app, ["calibrate", *arguments]).exit_code == 2


def test_the_networks_are_real_ones(networks: Path) -> None:
    """The fixture's files pass ONNX's own check."""
    for path in networks.glob("net*.onnx"):
        onnx.checker.check_model(str(path))
