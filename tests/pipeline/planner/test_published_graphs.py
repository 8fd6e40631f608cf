"""Every published graph as the model of a scenario: planned for its timing alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline import api

DATA = os.environ.get("SPLITWAY_DATA")
FOLDER = Path(DATA).parent / "devices" / "graphs" if DATA else Path("nowhere")
GRAPHS = sorted(path.stem for path in FOLDER.glob("*.onnx"))
SOME = ("bert_large_384", "mc3_18", "whisper_tiny_encoder", "yolov8n")
"""Of three inputs, of five axes, of no picture, and a detector."""

TEXT = """\
splitway: 1
name: graphs
drive:
  synthetic: {scene: highway, seed: 5, length: 1s, size: [320, 192]}
  streams: {front: {period: 250ms}}
sites: {vehicle: , cloud: }
links: {cell: {between: [vehicle, cloud], up: 40Mbit/s, down: 100Mbit/s, rtt: 20ms}}
devices:
  edge0: {spec: deepx-dx-m1, site: vehicle}
  cloud0: {spec: rebellions-atom, site: cloud}
tasks:
  timed:
    input: {stream: front}
    variants: {only: {model: graph.onnx, timing_only: true}}
    output: yolox
paths: {front->timed: {from: front, through: [timed], e2e: 400ms}}
run: {sizes: modelled}
"""

pytestmark = pytest.mark.skipif(
    not GRAPHS, reason="needs the published graphs: devices/graphs beside SPLITWAY_DATA"
)


def check(graph: str, folder: Path) -> None:
    """A plan comes of it whose figures hold together, with nothing measured and nothing run."""
    shutil.copyfile(FOLDER / f"{graph}.onnx", folder / "graph.onnx")
    path = folder / "s.yaml"
    path.write_text(TEXT, "utf-8")
    _, document = api.plan(path)
    (task,) = document["tasks"]
    assert {"edge", "split"} <= {c["route"] for c in task["candidates"]}
    for candidate in task["candidates"]:
        assert candidate["sizes"] == "modelled"
        assert candidate["agreement"] is None
        assert candidate["latency_ms"] > 0
        assert (candidate["bytes_up"] > 0) == (candidate["route"] != "edge")
        runs = [step for step in candidate["steps"] if step["do"] == "run"]
        assert len(runs) == 1 + (candidate["route"] == "split")
    assert task["candidates"][task["run"]]["pareto"]


@pytest.mark.parametrize("graph", [name for name in SOME if name in GRAPHS])
def test_some_of_them_can_be_planned(graph: str, tmp_path: Path) -> None:
    """One of each kind."""
    check(graph, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("graph", [name for name in GRAPHS if name not in SOME])
def test_every_one_can_be_planned(graph: str, tmp_path: Path) -> None:
    """All the others."""
    check(graph, tmp_path)


def test_one_runs_in_virtual_time(tmp_path: Path) -> None:
    """By the sizes of the plan."""
    shutil.copyfile(FOLDER / "resnet18.onnx", tmp_path / "graph.onnx")
    path = tmp_path / "s.yaml"
    path.write_text(TEXT, "utf-8")
    options = api.Options(overrides=["tasks.timed.route=split"])
    result = api.run(path, options, virtual=True, out=tmp_path / "run")
    fates = result.document["paths"][0]["fates"]
    assert fates["cloud"] == result.document["paths"][0]["n"]
