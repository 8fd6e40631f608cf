"""Measuring a backend: what becomes of runs and layers, with a clock that a test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.backends.ort import OrtBackend
from accelerators.calibration import measuring
from accelerators.calibration.fitting import NAMES, PRIORS, design, fit, modelled_ns
from accelerators.calibration.measuring import Measured, layer_figures, measure, random_inputs
from accelerators.calibration.published import Figure
from accelerators.device import TensorSpec
from accelerators.errors import BackendRunError
from accelerators.work import OpWork, SegmentWork

if TYPE_CHECKING:
    from pathlib import Path

    from accelerators.device import Backend, Completion, Ticket

MS = 1_000_000


class Steps:
    """A clock that is a millisecond later each time it is read."""

    def __init__(self) -> None:
        self.at_ns = 0

    def __call__(self) -> int:
        """The time now, ns."""
        self.at_ns += MS
        return self.at_ns


def test_runs_are_timed_by_the_backends_clock(conv_model: Path) -> None:
    """Began and ended are one reading apart, so every run takes a millisecond."""
    found = measure("convs", conv_model, OrtBackend(Steps()), profile=False)
    assert found.total_ns == MS
    assert set(found.runs_ns) == {MS}
    assert measuring.LEAST_RUNS <= len(found.runs_ns) <= measuring.MOST_RUNS
    assert found.layers_ns == {}


def test_layers_are_parts_of_the_run(conv_model: Path) -> None:
    """Every node of the file has a time, and together they are no longer than the run."""
    found = measure("convs", conv_model, OrtBackend(Steps()), profile=True)
    assert found.layers_ns
    assert 0 < sum(found.layers_ns.values()) <= found.total_ns + len(found.layers_ns)


def test_a_run_that_fails_is_an_error(conv_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made up for it."""
    backend: Backend = OrtBackend(Steps())

    def nothing(_: Ticket, *, timeout_ns: int | None = None) -> Completion | None:
        del timeout_ns
        return None

    monkeypatch.setattr(backend, "wait", nothing)
    with pytest.raises(BackendRunError, match="no answer in time"):
        measure("convs", conv_model, backend, profile=False)


def test_inputs_are_made_for_every_dtype() -> None:
    """Floats are no zeros, whole numbers are; a free side is one."""
    made = random_inputs(
        (
            TensorSpec(name="f", shape=(1, -1, 4), dtype="float32"),
            TensorSpec(name="i", shape=(), dtype="int64"),
        )
    )
    assert made["f"].shape == (1, 1, 4)
    assert bool((made["f"] > np.float32(0)).all())
    assert made["i"].shape == ()
    assert int(made["i"].astype(np.int64)) == 0


def op(name: str, kind: str, *producers: str, macs: int = 0) -> OpWork:
    """An operator on a hundred elements."""
    return OpWork(
        name=name,
        op_type=kind,
        macs=macs,
        weight_elements=0,
        input_elements=100,
        output_elements=100,
        producers=producers,
    )


def test_a_layer_has_what_is_fused_into_it_and_free_moves_behind_it() -> None:
    """An activation belongs to its convolution, a transpose to what came before; dust is left."""
    work = SegmentWork(
        name="net",
        ops=(
            op("a", "Conv", macs=1000),
            op("a/relu", "Relu", "a"),
            op("turn", "Transpose", "a/relu"),
            op("pool", "MaxPool", "turn"),
            op("dust", "MaxPool", "pool"),
        ),
        input_elements=1,
        output_elements=1,
    )
    layers = {"a": 500_000, "a/relu": 20_000, "turn": 30_000, "pool": 40_000, "dust": 10_000}
    measured = Measured(model="net", total_ns=600_000, runs_ns=(600_000,), layers_ns=layers)
    figures, works = layer_figures(measured, work, "float32")
    assert {figure.graph: figure.time_ns for figure in figures} == {
        "net#a": 550_000,
        "net#pool": 40_000,
    }
    assert all(figure.part for figure in figures)
    assert [each.name for each in works["net#a"].ops] == ["a", "a/relu", "turn"]


def test_a_part_of_a_run_has_no_time_of_a_run() -> None:
    """The same work as a run is longer by the run's own time, to the nanosecond."""
    work = SegmentWork(
        name="n", ops=(op("a", "Conv", macs=10**9),), input_elements=1, output_elements=1
    )
    figures = [
        Figure(graph="n", precision="float32", time_ns=1, part=part) for part in (False, True)
    ]
    log_values = np.log([PRIORS[name][0] for name in NAMES])
    run_ns, part_ns = modelled_ns(log_values, design({"n": work}, figures))
    assert run_ns - part_ns == pytest.approx(PRIORS["run_wide_ns"][0])


def test_layers_do_not_outvote_runs() -> None:
    """A hundred copies of a layer weigh as much as one run: the fit is the same as with one."""
    works = {
        f"n{size}": SegmentWork(
            name="n", ops=(op("a", "Conv", macs=size * 10**8),), input_elements=1, output_elements=1
        )
        for size in (1, 2, 4, 8)
    }
    runs = [
        Figure(graph=name, precision="float32", time_ns=int(name[1:]) * 300_000 + 500_000)
        for name in works
    ]
    layer = Figure(graph="n8", precision="float32", time_ns=900_000, part=True)
    once = fit(works, [*runs, layer]).values["float32_macs"]
    often = fit(works, [*runs, *[layer] * 100]).values["float32_macs"]
    assert often == pytest.approx(once, rel=1e-3)
