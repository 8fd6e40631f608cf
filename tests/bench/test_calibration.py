"""The calibration benchmark: whose errors it prints, and what it may not look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import TensorProto, helper

from accelerators.calibration.holdout import Prediction, split
from bench import calibration

if TYPE_CHECKING:
    from pathlib import Path

DEVICE, PUBLISHED_AS = "qualcomm-qcs6490", "Qualcomm QCS6490 (RB3 Gen2)"
FAMILIES = {f"net{width}.onnx": f"f{width % 3}" for width in range(16, 136, 8)}


def write_graph(path: Path, channels: int) -> None:
    """One convolution over 64 x 64, its weights a node as in the published graphs."""
    nodes = [
        helper.make_node("ConstantOfShape", ["dims"], ["weights"]),
        helper.make_node("Conv", ["image", "weights"], ["out"], pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, channels, 64, 64])],
        [helper.make_tensor("dims", TensorProto.INT64, [4], [channels, 3, 3, 3])],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=10), path)


def write_table(folder: Path, times_ms: dict[str, float]) -> None:
    """Published latencies of graphs in int8."""
    lines = ["device,model,precision,scenario,value,graph,kind,use,source"]
    lines += [
        f"{PUBLISHED_AS},{graph},w8a8,x,{time_ms},{graph},latency_b1,calibrate,somewhere"
        for graph, time_ms in times_ms.items()
    ]
    (folder / "published_calibration.csv").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fifteen networks of three families, 0.5 ms and a hundredth per channel."""
    (tmp_path / "graphs").mkdir()
    for graph in FAMILIES:
        write_graph(tmp_path / "graphs" / graph, width_of(graph))
    rows = [f"{graph},{family}" for graph, family in FAMILIES.items()]
    (tmp_path / "graphs.csv").write_text("\n".join(["graph,family", *rows]) + "\n", "utf-8")
    write_table(tmp_path, published_ms())
    return tmp_path


def width_of(graph: str) -> int:
    """Channels of a network, which its name tells."""
    return int(graph.removeprefix("net").removesuffix(".onnx"))


def published_ms() -> dict[str, float]:
    """What the table says of each network."""
    return {graph: 0.5 + width_of(graph) / 100 for graph in FAMILIES}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Lines that the benchmark prints of the one device."""
    assert calibration.main([*arguments, "--only", DEVICE]) == 0
    return capsys.readouterr().out.splitlines()


def figures(line: str, name: str) -> int:
    """How many figures stand behind a line."""
    return int(line.removeprefix(name).split()[0])


def test_what_may_be_chosen_by_says_nothing_of_the_models_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Changing their figures changes the held-out lines and not one cross-validated figure."""
    before = printed(capsys, str(folder)), printed(capsys, str(folder), "--held-out")
    left_out = split(list(FAMILIES), FAMILIES)
    changed = {g: t * 9 if g in left_out else t for g, t in published_ms().items()}
    write_table(folder, changed)
    after = printed(capsys, str(folder)), printed(capsys, str(folder), "--held-out")
    assert after[0] == before[0]
    assert after[1][1] != before[1][1]
    seen = len(FAMILIES) - len(left_out)
    assert figures(before[0][1], "all of the pool") == seen * len(calibration.SEEDS)
    assert figures(before[1][1], "all of the pool") == len(left_out)


def test_errors_are_those_of_the_predictions() -> None:
    """Off by 10 % on three models left out and by half in int8; a device outside the pool apart."""

    def off(graph: str, share: float, precision: str = "float16") -> Prediction:
        return Prediction(
            graph=graph,
            family="f",
            precision="int8" if precision == "int8" else "float16",
            published_ns=1000,
            modelled_ns=1000 * (1 + share),
            plain_ns=2000,
            plain_activations_ns=3000,
        )

    mine = (off("a", 0.1), off("b", -0.1), off("c", 0.1), off("d", 0.5, "int8"), off("seen", 9.0))
    lines = calibration.held_out({DEVICE: mine, "nvidia-t4": (off("a", 7.0),)}, frozenset("abcd"))
    assert lines[1].split()[4:7] == ["4", "10.0%", "38.0%"]
    assert lines[1].split()[-4:] == ["100.0%", "100.0%", "200.0%", "200.0%"]
    assert lines[2].split()[2:4] == ["1", "50.0%"]
    assert lines[3].split()[:2] == [DEVICE, "5"]
    assert lines[4].split()[:3] == ["nvidia-t4", "1", "700.0%"]
    assert lines[5].split()[:3] == ["-", "f", "4"]
    assert calibration.cross_validated({DEVICE: ()})[1] == f"{'all of the pool':24}      0"
