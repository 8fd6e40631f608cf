"""Tests of `calibrate DEVICE`: on the published table where it is here, else on made-up rows."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from accelerators.errors import AcceleratorError
from accelerators.registry import load_spec
from pipeline import api
from pipeline.cli.app import app
from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEVICE = "nvidia-orin-nx-16gb"
NAME = "NVIDIA Jetson Orin NX 16GB"


def published() -> Path | None:
    """Folder of the published figures: named by the environment, or beside the shared data."""
    named = os.environ.get("SPLITWAY_DEVICES")
    data = os.environ.get("SPLITWAY_DATA")
    folder = Path(named) if named else Path(data).parent / "devices" if data else None
    if folder is None or not (folder / "published_calibration.csv").is_file():
        return None
    return folder


def write_graph(path: Path, channels: int) -> None:
    """A network of two convolutions over 32 x 32."""
    nodes = [
        helper.make_node("ConstantOfShape", ["dims0"], ["w0"]),
        helper.make_node("ConstantOfShape", ["dims1"], ["w1"]),
        helper.make_node("Conv", ["image", "w0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w1"], ["out"], pads=[1, 1, 1, 1]),
    ]
    dims = [
        helper.make_tensor("dims0", TensorProto.INT64, [4], [channels, 3, 3, 3]),
        helper.make_tensor("dims1", TensorProto.INT64, [4], [channels, channels, 3, 3]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, channels, 32, 32])],
        dims,
    )
    path.write_bytes(
        helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
        ).SerializeToString()
    )
    onnx.checker.check_model(str(path))


@pytest.fixture
def made_up(tmp_path: Path) -> tuple[Path, Path]:
    """A table of five networks in int8 and their graphs."""
    return write_table(tmp_path, (16, 32, 64, 128, 256))


def write_table(folder: Path, widths: Sequence[int]) -> tuple[Path, Path]:
    """A table of a network per width, and their graphs: 0.3 ms and 0.01 ms per 16 channels."""
    graphs = folder / "graphs"
    graphs.mkdir()
    lines = ["device,model,precision,scenario,value,graph,kind,use,source"]
    for channels in widths:
        write_graph(graphs / f"net{channels}.onnx", channels)
        value = 0.3 + 0.01 * (channels // 16)
        lines.append(
            f"{NAME},net{channels},int8,x,{value},net{channels}.onnx,latency_b1,calibrate,somewhere"
        )
    table = folder / "published.csv"
    table.write_text("\n".join(lines) + "\n", "utf-8")
    return table, graphs


def splitway(arguments: Sequence[object]) -> tuple[int, str]:
    """Exit code and standard output."""
    answer = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return answer.exit_code, answer.stdout


def test_a_fitted_file_is_written_and_its_errors_are_printed(
    made_up: tuple[Path, Path], tmp_path: Path
) -> None:
    """The file is a device; the document has errors beside those of both plain fits."""
    table, graphs = made_up
    file = tmp_path / "mine.toml"
    call = ["calibrate", DEVICE, "--from", table, "--graphs", graphs, "-o", file]
    code, output = splitway([*call, "--json", "--quiet"])
    assert code == 0
    document = json.loads(output)
    assert document["schema"] == "splitway.calibrate-device/1"
    assert (document["figures"], document["left_out"]) == (5, "one at a time")
    held_out = document["held_out"]["all"]
    assert held_out["figures"] == 5
    assert {"model", "plain", "plain_activations"} <= set(held_out)
    assert held_out["model"]["median"] < 0.2
    device = load_spec(file)
    assert (device.label, device.precisions) == ("fitted", ("int8",))
    code, output = splitway([*call, "--force", "--quiet"])
    assert code == 0
    assert "one at a time" not in output
    assert "plain" in output


def test_cross_validation_never_sees_the_models_that_a_fit_reports_its_error_on(
    tmp_path: Path,
) -> None:
    """Of fifteen models six are left out; the other nine are predicted once per seed."""
    table, graphs = write_table(tmp_path, [16 * i for i in range(1, 16)])
    held_out = {p.graph for p in api.calibrate_device(DEVICE, table, graphs).held_out}
    found = api.cross_validate_device(DEVICE, table, graphs, seeds=(0, 1))
    inside = {path.name for path in graphs.glob("*.onnx")} - held_out
    assert (len(held_out), len(inside)) == (6, 9)
    assert Counter(p.graph for p in found) == dict.fromkeys(inside, 2)
    changed = table.read_text("utf-8").splitlines()
    for index, line in enumerate(changed):
        if any(f",{name}," in line for name in held_out):
            fields = line.split(",")
            changed[index] = ",".join([*fields[:4], "77", *fields[5:]])
    table.write_text("\n".join(changed) + "\n", "utf-8")
    assert api.cross_validate_device(DEVICE, table, graphs, seeds=(0, 1)) == found


def test_the_same_table_gives_the_same_file(made_up: tuple[Path, Path], tmp_path: Path) -> None:
    """But for the day, which is written in it."""
    table, graphs = made_up
    texts = []
    for name in ("a.toml", "b.toml"):
        api.calibrate_device(DEVICE, table, graphs, out=tmp_path / name)
        text = (tmp_path / name).read_text("utf-8")
        texts.append([line for line in text.splitlines() if not line.startswith("date")])
    assert texts[0] == texts[1]


def test_what_cannot_be_fitted_is_refused(made_up: tuple[Path, Path], tmp_path: Path) -> None:
    """An unknown device, one without figures, a missing table, a file that is there."""
    table, graphs = made_up
    with pytest.raises(AcceleratorError, match="did you mean"):
        api.calibrate_device("nvidia-t5", table, graphs)
    with pytest.raises(AcceleratorError, match="no published figures are known"):
        api.calibrate_device("furiosa-rngd", table, graphs)
    with pytest.raises(AcceleratorError, match="0 figures are too few"):
        api.calibrate_device("qualcomm-sa8775p", table, graphs)
    with pytest.raises(AcceleratorError, match="no device of schema"):
        api.calibrate_device("host-reference", table, graphs)
    with pytest.raises(InputError, match="no such file"):
        api.calibrate_device(DEVICE, tmp_path / "none.csv", graphs)
    (tmp_path / "there.toml").write_text("kept", "utf-8")
    with pytest.raises(InputError, match="--force"):
        api.calibrate_device(DEVICE, table, graphs, out=tmp_path / "there.toml")


def test_device_and_host_exclude_each_other(made_up: tuple[Path, Path]) -> None:
    """One thing is calibrated at a time, and each needs its own options."""
    table, graphs = made_up
    both = ["calibrate", DEVICE, "--host", "h.toml", "--from", table, "--graphs", graphs]
    for call in (
        both,
        ["calibrate"],
        ["calibrate", "--from", table, "--graphs", graphs],
        ["calibrate", DEVICE, "--from", table],
        ["calibrate", "--host", "h.toml", "--graphs", graphs],
    ):
        assert splitway(call)[0] == 2, call


def test_the_shipped_fit_comes_from_the_published_table() -> None:
    """Fitted again, a shipped device has the same parameters and the same error."""
    folder = published()
    if folder is None:
        pytest.skip("no published figures: set SPLITWAY_DEVICES, or SPLITWAY_DATA beside them")
    device = "furiosa-warboy-1pe"
    found = api.calibrate_device(device, folder / "published_calibration.csv", folder / "graphs")
    (shipped,) = (entry for entry in api.devices() if entry["id"] == device)
    content = shipped["spec"]
    assert isinstance(content, dict)
    assert found.spec.fit is not None
    assert content["fit"]["data_sha256"] == found.table
    assert content["rates"]["int8"]["macs_per_s"]["value"] == pytest.approx(
        found.spec.rates["int8"].macs_per_s.value, rel=0.02
    )
    assert content["fit"]["median_permille"] == pytest.approx(
        found.spec.fit.median_permille, abs=10
    )
