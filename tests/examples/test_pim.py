"""The memory-bound network of `examples/pim`: its shape, its repeatable bytes, its reads."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.backends.ort import run_once
from pipeline import api
from pipeline.errors import ScenarioError
from pipeline.graph import load_graph
from pipeline.tasks.cards import read_card

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "examples/pim/make_model.py"


@pytest.fixture(scope="module")
def made() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("make_pim_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_pim_model"] = module
    spec.loader.exec_module(module)
    return module


def test_the_same_seed_gives_the_same_bytes(made: ModuleType, tmp_path: Path) -> None:
    """And another seed other weights."""
    shape = made.Shape(width=32, feed=64, heads=4)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made.write(tmp_path / f"{name}.onnx", shape, seed=seed)
    data = {name: (tmp_path / f"{name}.onnx").read_bytes() for name in "abc"}
    assert data["a"] == data["b"] != data["c"]


def test_every_step_reads_the_weights_again(made: ModuleType, tmp_path: Path) -> None:
    """Nearly all products have one row, so multiply-adds are about the weights that are read."""
    width, feed = 64, 128
    path = tmp_path / "small.onnx"
    size = made.write(path, made.Shape(width=width, feed=feed, heads=4), seed=1)
    products = [op.work for op in load_graph(path).operators if op.op_type == "MatMul"]
    reads = sum(op.weight_elements for op in products)
    step = 6 * width**2 + 2 * width * feed
    heads = width * made.TOKENS * (made.CLASSES + made.FIGURES)
    once = 2 * width**2 + made.CHANNELS * width
    assert reads == made.FUTURES * step + heads + once
    assert size < 1.3 * (step + heads + once) + 150_000  # int8, shared by the steps
    by_one = sum(op.macs for op in products if op.weight_elements == op.macs)
    assert by_one == made.FUTURES * step + heads


def test_it_runs_and_its_outputs_are_finite(made: ModuleType, tmp_path: Path) -> None:
    """Random weights, yet a network that ONNX Runtime takes."""
    path = tmp_path / "small.onnx"
    made.write(path, made.Shape(width=32, feed=64, heads=4, layers=2), seed=1)
    feed = np.full((1, made.CHANNELS, made.ROWS, made.COLUMNS), 0.5, np.float32)
    found = run_once(path, {"pillars": feed}, optimise=True)
    size = (made.ROWS // made.STRIDE, made.COLUMNS // made.STRIDE)
    assert found["heatmap"].shape == (1, made.CLASSES, *size)
    assert found["boxes"].shape == (1, made.FIGURES, *size)
    for values in found.values():
        assert np.isfinite(np.asarray(values, np.float64)).all()


def test_its_card_says_that_it_was_never_trained(made: ModuleType, tmp_path: Path) -> None:
    """So that every report says: timing only."""
    path = tmp_path / "small.onnx"
    made.write(path, made.Shape(width=32, feed=64, heads=4), seed=1)
    card = read_card(tmp_path / "small.card.json")
    assert card.untrained
    assert card.input.pillars is not None
    assert json.loads((tmp_path / "small.card.json").read_text())["bytes"] == path.stat().st_size


@pytest.fixture(scope="module")
def half(made: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's scenarios and a network half as wide."""
    folder = tmp_path_factory.mktemp("pim")
    made.write(folder / "interaction.onnx", made.Shape(width=2048, feed=4096, heads=16), seed=1)
    for name in ("scenario.yaml", "package.yaml"):
        text = (SCRIPT.parent / name).read_text("utf-8").replace("length: 2s", "length: 5s")
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path_factory.getbasetemp() / "pim-cache"))


def test_the_plan_puts_its_layers_on_the_memory_and_says_what_that_gains(half: Path) -> None:
    """Left to itself; the products of many vectors stay on the NPU."""
    _, document = api.plan(half / "scenario.yaml")
    (task,) = document["tasks"]
    chosen = task["candidates"][task["run"]]
    assert chosen["devices"] == ["cloud0", "pim0"]
    assert chosen["gap"] == 0.0
    moves = [s for s in chosen["steps"] if s["do"] == "move" and s["channel"] == "cloud.bus"]
    assert moves
    by_device = {
        name: [layer for layer in task["layers"] if layer["on"] == name]
        for name in ("cloud0", "pim0")
    }
    there = [layer for layer in by_device["pim0"] if layer["op"] == "MatMul"]
    gained = sum(layer["otherwise_ms"] - layer["latency_ms"] for layer in there)
    assert len(there) > 30
    assert gained > 0.3
    stay = [layer for layer in by_device["cloud0"] if layer["op"] == "MatMul"]
    assert stay
    assert all(layer["otherwise_ms"] > layer["latency_ms"] for layer in stay)
    assert any(layer["otherwise_ms"] < layer["latency_ms"] for layer in task["layers"])


def test_forced_onto_the_npu_the_predicted_loss_is_observed(half: Path, tmp_path: Path) -> None:
    """In virtual time, on the median frame, within the spread of the draws."""
    free = half / "scenario.yaml"
    forced = api.Options(overrides=["tasks.scene.devices=[edge0, cloud0]"])
    cloud_ms = {}
    for name, options in (("free", api.Options()), ("forced", forced)):
        _, document = api.plan(free, options)
        (task,) = document["tasks"]
        predicted = task["candidates"][task["run"]]["spans"]["cloud"]
        result = api.run(free, options, virtual=True, out=tmp_path / name)
        seen = result.document["paths"][0]["spans"]["cloud"]
        assert seen is not None
        cloud_ms[name] = predicted, seen["p50_ms"]
    predicted_loss = (cloud_ms["forced"][0] or 0) - (cloud_ms["free"][0] or 0)
    observed_loss = (cloud_ms["forced"][1] or 0) - (cloud_ms["free"][1] or 0)
    assert predicted_loss > 0.3
    assert observed_loss == pytest.approx(predicted_loss, rel=0.25)


def test_it_runs_on_the_package_which_divides_the_layers_itself(half: Path, tmp_path: Path) -> None:
    """One device, whose parts the layers name."""
    _, document = api.plan(half / "package.yaml")
    (task,) = document["tasks"]
    parts = {layer["on"] for layer in task["layers"]}
    assert parts == {"package-npu", "skhynix-gddr6-aim"}
    result = api.run(half / "package.yaml", virtual=True, out=tmp_path / "package")
    assert result.exit_code == 0
    assert result.document["paths"][0]["fates"]["cloud"] == result.document["paths"][0]["n"]


def test_a_live_run_of_what_is_only_timed_is_refused(half: Path, tmp_path: Path) -> None:
    """With the line of the variant, and what to do."""
    with pytest.raises(ScenarioError, match="add --virtual"):
        api.run(half / "scenario.yaml", out=tmp_path / "live")


@pytest.mark.live
@pytest.mark.slow
def test_the_parts_and_the_bus_between_them_run_live(
    made: ModuleType, half: Path, tmp_path: Path
) -> None:
    """With the network computed, and the same commands from the events again."""
    made.write(tmp_path / "interaction.onnx", made.Shape(width=2048, feed=4096, heads=16), seed=1)
    text = (half / "scenario.yaml").read_text("utf-8").replace(", timing_only: true", "")
    text = text.replace(", sizes: modelled", "").replace("length: 5s", "length: 2s")
    (tmp_path / "s.yaml").write_text(text, "utf-8")
    result = api.run(tmp_path / "s.yaml", out=tmp_path / "live")
    path = result.document["paths"][0]
    assert path["fates"]["cloud"] == path["n"]
    assert api.rerun(tmp_path / "live").same
