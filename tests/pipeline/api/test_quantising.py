"""`splitway quantize`: the demo's network in int8, compared with float32 on its own drive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from accelerators.backends.ort import run_once
from pipeline import api
from pipeline.cli.app import app
from pipeline.errors import InputError
from pipeline.scenario import load_scenario

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> api.Quantised:
    """The first task of the demo, on a few frames."""
    out = tmp_path_factory.mktemp("int8") / "small.onnx"
    return api.quantize(api.CUT, out, task=first_task(), frames=8, aim=0.5)


def first_task() -> str:
    """A task of the demo."""
    loaded = load_scenario(api.CUT)
    return next(iter(loaded.scenario.tasks.keys() - loaded.scenario.forecasters))


@pytest.mark.slow
def test_the_file_is_int8_and_runs(quantised: api.Quantised) -> None:
    """It holds quantised operators, is smaller, and gives finite outputs."""
    kinds = {node.op_type for node in onnx.load(quantised.file).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    assert quantised.chosen.bytes < quantised.float_bytes
    assert quantised.calibrated == quantised.compared == 4
    graph = onnx.load(quantised.file).graph
    shape = tuple(side.dim_value for side in graph.input[0].type.tensor_type.shape.dim)
    feed = {graph.input[0].name: np.zeros(shape, np.float32)}
    outputs = run_once(quantised.file, feed, optimise=False)
    assert all(np.isfinite(array.astype(np.float64)).all() for array in outputs.values())


@pytest.mark.slow
def test_every_try_is_reported_and_the_best_is_written(quantised: api.Quantised) -> None:
    """The first that reaches the aim, else the one that agrees most."""
    document = api.quantized_document(quantised)
    rounds = quantised.rounds
    assert rounds
    assert quantised.chosen.agreement == max(each.agreement for each in rounds)
    assert all(each.agreement < quantised.aim for each in rounds[:-1])
    assert document["schema"] == "splitway.quantize/1"
    assert document["reached"] == (quantised.chosen.agreement >= 0.5)
    assert all(0 <= each.worst <= each.agreement <= 1 for each in rounds)


@pytest.mark.slow
def test_an_aim_out_of_reach_is_missed_and_said(tmp_path: Path) -> None:
    """Operators are kept in float32 step by step, and the exit code is 1 where that is too few."""
    out = tmp_path / "small.onnx"
    told = CliRunner().invoke(
        app,
        [
            *("quantize", str(api.CUT), "--task", first_task(), "--frames", "4"),
            *("--aim", "1", "-o", str(out), "--json", "-q"),
        ],
    )
    document = json.loads(told.stdout)
    assert told.exit_code == (0 if document["reached"] else 1)
    kept = [len(each["kept"]) for each in document["rounds"]]
    assert kept == sorted(kept)
    assert document["reached"] or kept[-1] >= 1
    assert out.is_file()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"task": "none"}, "has no task 'none'"),
        ({"frames": 1}, "between 2 and 512"),
        ({"aim": 0.0}, "above 0"),
        ({"out": "small.txt"}, r"NAME\.onnx"),
        ({"out": "nowhere/small.onnx"}, "there is no folder"),
        ({"keep": ["no-such-operator"]}, "no operator 'no-such-operator'"),
    ],
)
def test_what_cannot_be_done_is_refused(
    settings: dict[str, object], reason: str, tmp_path: Path
) -> None:
    """Before anything is quantised, with the name of what is wrong."""
    keep = settings.get("keep", [])
    task = settings.get("task", first_task())
    frames, aim = settings.get("frames", 4), settings.get("aim", 0.9)
    assert isinstance(keep, list)
    assert isinstance(task, str)
    assert isinstance(frames, int)
    assert isinstance(aim, float)
    with pytest.raises(InputError, match=reason):
        api.quantize(
            api.CUT,
            tmp_path / str(settings.get("out", "small.onnx")),
            task=task,
            frames=frames,
            aim=aim,
            keep=keep,
        )


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """Unless told otherwise."""
    out = tmp_path / "small.onnx"
    out.write_bytes(b"old")
    with pytest.raises(InputError, match="--force"):
        api.quantize(api.CUT, out, task=first_task())
    assert out.read_bytes() == b"old"
