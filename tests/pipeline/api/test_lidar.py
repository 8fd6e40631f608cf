"""LiDAR through the whole product: prepared, planned, run, followed and joined with a camera."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline import api
from pipeline.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS, COLUMNS, CHANNELS, STRIDE = 96, 80, 10, 2

ONE = "  streams: {front: {period: 50ms}}\n"
BOTH = "  streams: {front: {period: 100ms}, lidar: {period: 100ms}}\n"
TASK = """    route: split
  obstacles:
    input: {stream: lidar, pillars: {rows: 96, columns: 80, cell_m: 0.8}}
    variants: {only: {model: pillars.onnx}}
    output: {decoder: pillars, score: 0.55}
    route: [raw, split]
paths:
  obstacles: {from: lidar, through: [obstacles, track], e2e: 300ms}
  surround:
    from: {anchor: lidar, with: {front: {wait: 200ms, partial: refused}}}
    through: [obstacles, objects, fuse, track]
    e2e: 500ms
"""
LIDAR = ((ONE, BOTH), ("    route: split\npaths:\n", TASK))


def _network(path: Path) -> None:
    """Two convolutions and two heads, their weights drawn from a seed: timing and shape alone."""
    draws = np.random.Generator(np.random.Philox(key=3))

    def weight(name: str, shape: tuple[int, ...], spread: float) -> onnx.TensorProto:
        return numpy_helper.from_array(
            (draws.standard_normal(shape) * spread).astype(np.float32), name
        )

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    grid = (ROWS // STRIDE, COLUMNS // STRIDE)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["pillars", "w1"], ["a"], "c1", strides=[2, 2], pads=[1] * 4),
            helper.make_node("Relu", ["a"], ["b"], "r1"),
            helper.make_node("Conv", ["b", "w2"], ["c"], "c2", pads=[1] * 4),
            helper.make_node("Relu", ["c"], ["d"], "r2"),
            helper.make_node("Conv", ["d", "wh"], ["heatmap"], "heat"),
            helper.make_node("Conv", ["d", "wb"], ["boxes"], "box"),
        ],
        "pillars",
        [value("pillars", 1, CHANNELS, ROWS, COLUMNS)],
        [value("heatmap", 1, 5, *grid), value("boxes", 1, 10, *grid)],
        [
            weight("w1", (16, CHANNELS, 3, 3), 0.1),
            weight("w2", (16, 16, 3, 3), 0.1),
            weight("wh", (5, 16, 1, 1), 0.3),
            weight("wb", (10, 16, 1, 1), 0.05),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString(deterministic=True))


@pytest.fixture
def scenario(write_scenario: Callable[..., Path], tmp_path: Path) -> Path:
    """A camera and a LiDAR, each with its task, the LiDAR's followed and both joined."""
    _network(tmp_path / "pillars.onnx")
    return write_scenario(*LIDAR)


def _lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (directory / "results.jsonl").read_text().splitlines()]


def test_candidates_of_a_lidar_are_its_pillars_and_cuts(scenario: Path) -> None:
    """Nothing is a JPEG; mostly empty pillars cross in a fraction of their bytes, without loss."""
    floats = api.Options(overrides=("devices.cloud0.numerics=float32",))  # it knows int8 alone
    plan, _ = api.plan(scenario, floats)
    found = {
        (c.name, c.codecs[0] if c.codecs else ""): c for c in plan.task("obstacles").candidates
    }
    assert {name for name, _ in found} == {"edge", "raw", "split"}
    assert {coded for _, coded in found} >= {"sparse", "float32", "sparse:int8", "int8", ""}
    dense = 4 * CHANNELS * ROWS * COLUMNS
    assert found["raw", "float32"].bytes_up == dense
    assert found["raw", "sparse"].bytes_up < dense / 3
    assert found["raw", "sparse"].agreement == 1
    assert found["split", "sparse"].agreement == 1
    assert found["split", "sparse:int8"].bytes_up < found["split", "int8"].bytes_up


def test_sweeps_are_replayed_followed_and_joined(scenario: Path, tmp_path: Path) -> None:
    """Every frame is delivered; lines hold boxes in space with their tracks; rerun agrees."""
    result = api.run(scenario, virtual=True, out=tmp_path / "a")
    rows = [row for row in result.ledger.rows() if row.path in ("obstacles", "surround")]
    assert {row.fate for row in rows} == {"cloud"}
    assert all(row.stamps["fuse"] > row.stamps["fuse_wait"] for row in rows)
    lines = [line for line in _lines(result.directory) if "boxes" not in line]
    assert len(lines) == len(rows) == 40
    for line in lines:
        parts = line.get("parts")
        found = line if parts is None else line.get("objects", parts["obstacles"])
        assert isinstance(found, dict)
        assert {"centres_m", "sizes_m", "yaws_rad", "velocities_mps", "tracks"} <= found.keys()
        assert len(found["tracks"]) == len(found["scores"])
    assert any(t >= 0 for line in lines if "tracks" in line for t in line["tracks"])
    assert api.rerun(result.directory).same
    again = api.run(scenario, virtual=True, out=tmp_path / "b")
    assert again.ledger.to_csv() == result.ledger.to_csv()
    assert _lines(again.directory) == _lines(result.directory)


def test_each_sweep_is_sent_with_its_own_size(scenario: Path, tmp_path: Path) -> None:
    """The model that a run leaves behind knows the bytes of every sweep."""
    result = api.run(scenario, virtual=True, out=tmp_path / "a")
    model = json.loads((result.directory / "model.json").read_text())
    sizes = model["samples"]["lidar"]
    assert "front" not in model["samples"]
    assert len(sizes) == 20
    assert len(set(sizes)) > 1
    assert all(size % 16 == 0 for size in sizes)
    assert max(sizes) <= model["frame_bytes"]["lidar"]


@pytest.mark.live
@pytest.mark.slow
def test_sweeps_cross_the_sockets_of_a_live_run(scenario: Path, tmp_path: Path) -> None:
    """Whatever the host's load, what is delivered is what virtual time had."""
    live = api.run(scenario, out=tmp_path / "live")
    virtual = api.run(scenario, virtual=True, out=tmp_path / "virtual")
    known = {(line["path"], line["frame"]): line for line in _lines(virtual.directory)}
    lines = _lines(live.directory)
    assert any(line["path"] == "obstacles" for line in lines)
    for line in lines:
        if line["path"] == "obstacles":
            for key in ("centres_m", "scores", "classes"):
                assert line[key] == known[line["path"], line["frame"]][key]
            assert "tracks" in line
    assert api.rerun(live.directory).same


def test_zstd_and_one_codec_can_be_asked_for(scenario: Path) -> None:
    """`wire` names the codec of cut tensors; a lossless stage lies behind it."""
    wire = "tasks.obstacles.wire={codec: 'sparse:int8', lossless: zstd}"
    plan, _ = api.plan(scenario, api.Options(overrides=(wire,)))
    split = [c for c in plan.task("obstacles").candidates if c.name == "split"]
    assert {coded for c in split for coded in c.codecs} == {"zstd:sparse:int8"}


BAD = {
    "tasks.obstacles.input.pillars.row=3": ("input.pillars.row", "did you mean 'rows'"),
    "tasks.obstacles.input.pillars.rows=95": ("variants.only.model", "makes \\[1, 10, 95, 80\\]"),
    "tasks.obstacles.input.pillars.cell_m=-1": ("input.pillars", "cells above 0"),
    "tasks.obstacles.input.pillars.rows=many": ("input.pillars", "int"),
    "tasks.obstacles.input.size=[416, 256]": ("input.size", "is for pictures"),
    "tasks.obstacles.input.stream=front": ("input.pillars", "'front' is a camera"),
    "tasks.obstacles.route=encoded": ("route", "encoded is for pictures"),
    "tasks.obstacles.output=yolox": ("output", "is for networks that read pictures"),
    "tasks.obstacles.output={decoder: pillars, classes: 'a,b'}": ("output", "expected .1, 2, 48"),
    "tasks.obstacles.output={decoder: pillars, heatmap: heat}": ("output", "no output heat"),
    "drive.streams.lidar={period: 100ms, kind: lidar, camera: front}": (
        "lidar.camera",
        "is for cameras",
    ),
    "drive.streams.lidar={period: 100ms, topic: /top}": ("lidar.topic", "is for a recording"),
    "drive.streams.lidar.file=x.mp4": ("lidar.file", "is for a recording"),
}


@pytest.mark.parametrize("setting", BAD)
def test_what_does_not_fit_is_refused_by_key_before_a_run(scenario: Path, setting: str) -> None:
    """At check time, never a silent zero."""
    key, reason = BAD[setting]
    with pytest.raises(ScenarioError, match=reason) as caught:
        api.check(scenario, api.Options(overrides=(setting,)))
    assert any(problem.key.endswith(key) for problem in caught.value.problems), caught.value


def test_stages_stand_behind_the_tasks_in_their_order(scenario: Path) -> None:
    """Tracking masks, fusing one sensor, and the wrong order are refused by name."""
    for through in ("[track, obstacles]", "[obstacles, fuse]", "[obstacles, track, track]"):
        setting = f"paths.obstacles.through={through}"
        with pytest.raises(ScenarioError, match="through"):
            api.check(scenario, api.Options(overrides=(setting,)))


def test_a_card_says_what_a_scenario_leaves_out(scenario: Path, tmp_path: Path) -> None:
    """Grid, decoder and classes; a stateful model has one home site and no hedge."""
    card = {
        "card": 1,
        "name": "mine",
        "input": {"pillars": {"rows": ROWS, "columns": COLUMNS, "cell_m": 0.8}},
        "output": {"decoder": "pillars", "parameters": {"score": 0.55}},
        "classes": ["car", "van", "truck", "pedestrian", "cyclist"],
    }
    text = scenario.read_text()
    short = text.replace(", pillars: {rows: 96, columns: 80, cell_m: 0.8}", "").replace(
        "    output: {decoder: pillars, score: 0.55}\n", ""
    )
    scenario.write_text(short)
    with pytest.raises(ScenarioError, match="is missing, and the model has no card"):
        api.check(scenario)
    beside = tmp_path / "pillars.card.json"
    beside.write_text(json.dumps(card))
    spec = api.check(scenario).spec.tasks["obstacles"]
    assert spec.decoder == "pillars"
    assert spec.parameters["classes"] == card["classes"]
    beside.write_text(json.dumps({**card, "bytes": 7}))
    with pytest.raises(ScenarioError, match="its card says 7: another file"):
        api.check(scenario)
    beside.write_text(json.dumps({**card, "stateful": True}))
    with pytest.raises(ScenarioError) as caught:
        api.check(
            scenario,
            api.Options(overrides=("policy={hedge: {start: latest}, switch: {}}",)),
        )
    keys = {problem.key for problem in caught.value.problems}
    assert keys >= {"policy.hedge.start", "policy.switch", "tasks.obstacles.route"}


def _forecaster(path: Path) -> None:
    """Says that everything goes on by half of what it has moved over the window."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["histories", "from", "to", "axes"], ["oldest"], "first"),
            helper.make_node("Mul", ["oldest", "half"], ["back"], "scale"),
            helper.make_node("Concat", ["back", "back"], ["positions"], "twice", axis=2),
        ],
        "forecaster",
        [value("histories", TensorProto.FLOAT, (1, 8, 5, 3))],
        [value("positions", TensorProto.FLOAT, (1, 8, 2, 2))],
        [
            numpy_helper.from_array(np.array([0, 0], np.int64), "from"),
            numpy_helper.from_array(np.array([1, 2], np.int64), "to"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            numpy_helper.from_array(np.array([-0.5], np.float32), "half"),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    path.write_bytes(model.SerializeToString(deterministic=True))
    card = {
        "card": 1,
        "name": "ahead",
        "input": {"tracks": {"tracks": 8, "steps": 5, "futures": 2}},
        "output": {"decoder": "forecast"},
        "stateful": True,
    }
    path.with_suffix(".card.json").write_text(json.dumps(card))


MOTION = (
    "tasks.motion={input: {stream: lidar}, variants: {only: {model: ahead.onnx}}}",
    "paths.obstacles.through=[obstacles, track, motion]",
)


def test_a_network_behind_the_tracks_says_where_they_will_be(
    scenario: Path, tmp_path: Path
) -> None:
    """On the vehicle's host, in the span of fusing; it is not hedged, and `check` says so."""
    _forecaster(tmp_path / "ahead.onnx")
    options = api.Options(overrides=(*MOTION, "policy.hedge.start=latest"))
    checked = api.check(scenario, options)
    assert any("motion: its network is stateful" in warning for warning in checked.warnings)
    stages = [s.step for s in checked.spec.core.tasks["obstacles:track"].steps]
    assert [getattr(step, "stage", "") for step in stages] == ["track", "forecast", "deliver"]
    result = api.run(scenario, options, virtual=True, out=tmp_path / "a")
    lines = [line for line in _lines(result.directory) if line["path"] == "obstacles"]
    for line in lines:
        forecasts = line["forecasts"]
        assert forecasts["step_ns"] == 500_000_000
        known = [track for track in line["tracks"] if track >= 0][:8]
        assert forecasts["tracks"] == known
        assert np.array(forecasts["positions_m"]).reshape(len(known), -1, 2).shape[1] == 2
    assert any(line["forecasts"]["tracks"] for line in lines)
    assert api.rerun(result.directory).same


def test_a_forecaster_out_of_place_is_refused_by_name(scenario: Path, tmp_path: Path) -> None:
    """Behind no track, behind boxes of a picture, in the cloud; and a detector behind a track."""
    _forecaster(tmp_path / "ahead.onnx")
    motion = MOTION[0]
    for settings, reason in (
        ((motion, "paths.obstacles.through=[motion]"), "reads tracks: put the task behind"),
        ((motion, "paths.all.through=[objects, track, motion]"), "reads stream 'lidar'"),
        (
            (motion.replace("stream: lidar", "stream: front"),
             "paths.all.through=[objects, track, motion]"),
            "forecasts what is followed in space",
        ),
        ((*MOTION, "tasks.motion.route=raw"), "runs where the tracks are"),
        (("paths.obstacles.through=[obstacles, track, objects]",), "reads stream 'front'"),
    ):  # fmt: skip
        with pytest.raises(ScenarioError, match=reason):
            api.check(scenario, api.Options(overrides=settings))
