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
