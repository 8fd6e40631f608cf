"""Tests of reading published figures and of choosing those that a fit uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators.calibration.published import (
    OFFLINE_BATCH,
    Figure,
    batches,
    latencies,
    periods,
    read_families,
    read_table,
)
from accelerators.errors import CalibrationDataError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "device,model,precision,scenario,value,graph,kind,use,source"


def write(folder: Path, *lines: str) -> Path:
    """A table of these lines."""
    path = folder / "published.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n", "utf-8")
    return path


def row(**changes: str) -> str:
    """A line of the table; commas in no field."""
    fields = {
        "device": "chip",
        "model": "net",
        "precision": "int8",
        "scenario": "tflite",
        "value": "2.5",
        "graph": "net.onnx",
        "kind": "latency_b1",
        "use": "calibrate",
        "source": "somewhere",
        **changes,
    }
    return ",".join(fields[name] for name in HEADER.split(","))


def test_the_fastest_runtime_of_a_model_counts(tmp_path: Path) -> None:
    """Others had layers off the accelerator."""
    table = read_table(write(tmp_path, row(), row(scenario="dlc", value="2"), row(value="9")))
    assert latencies(table.rows, ["chip"]) == (
        Figure(graph="net.onnx", precision="int8", time_ns=2_000_000),
    )


def test_of_models_that_share_a_graph_the_middle_one_counts(tmp_path: Path) -> None:
    """Three source models of one graph: 1, 3 and 8 ms."""
    lines = [row(model=name, value=value) for name, value in (("a", "1"), ("b", "8"), ("c", "3"))]
    table = read_table(write(tmp_path, *lines))
    assert [figure.time_ns for figure in latencies(table.rows, ["chip"])] == [3_000_000]


def test_rows_kept_out_of_fits_and_rows_without_a_graph_are_left_out(tmp_path: Path) -> None:
    """So are precisions that nobody here computes in, and other devices and scenarios."""
    table = read_table(
        write(
            tmp_path,
            row(use="suspect"),
            row(graph=""),
            row(precision="w4a16"),
            row(device="other"),
            row(kind="latency_b1_p99"),
            row(scenario="two", value="4"),
        )
    )
    assert len(table.rows) == 4
    assert [f.time_ns for f in latencies(table.rows, ["chip"], scenario="one|two")] == [4_000_000]


def test_precisions_have_the_names_of_the_devices(tmp_path: Path) -> None:
    """`w8a8` is int8, `float` runs in 16 bits."""
    lines = [row(precision=name) for name in ("w8a8", "float", "w8a16", "fp32")]
    found = latencies(read_table(write(tmp_path, *lines)).rows, ["chip"])
    assert [f.precision for f in found] == ["float16", "float32", "int8", "w8a16"]


def test_batches_are_queries_of_eight_and_offline_throughputs(tmp_path: Path) -> None:
    """A throughput is a time per sample of a busy device; of several the best counts."""
    table = read_table(
        write(
            tmp_path,
            row(kind="latency_b8", value="4"),
            row(kind="throughput", scenario="Offline", value="500"),
            row(kind="throughput", scenario="Offline", value="1000"),
            row(kind="throughput", scenario="Server", value="9000"),
        )
    )
    query, offline = batches(table.rows, ["chip"])
    assert (query.batch, query.busy, query.time_ns) == (8, False, 4_000_000)
    assert (offline.batch, offline.busy, offline.time_ns) == (OFFLINE_BATCH, True, 1_000_000)


def test_a_pipelined_device_has_periods(tmp_path: Path) -> None:
    """The best throughput of a network, as the time between two samples."""
    lines = [row(kind="throughput", value=value) for value in ("100", "400")]
    (found,) = periods(read_table(write(tmp_path, *lines)).rows, ["chip"])
    assert (found.time_ns, found.busy, found.batch) == (2_500_000, False, 1)


@pytest.mark.parametrize("value", ["", "x", "0", "-1", "nan", "inf"])
def test_a_value_that_is_no_time_is_refused_with_its_line(value: str, tmp_path: Path) -> None:
    """File and line are named."""
    with pytest.raises(CalibrationDataError, match=r"published\.csv: line 3: value"):
        read_table(write(tmp_path, row(), row(value=value)))


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    """It is named."""
    path = tmp_path / "t.csv"
    path.write_text("device,model\n", "utf-8")
    with pytest.raises(CalibrationDataError, match="graph"):
        read_table(path)
    with pytest.raises(CalibrationDataError, match="family"):
        read_families(path)


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    """Another figure, another hash."""
    one = read_table(write(tmp_path, row())).sha256
    assert read_table(write(tmp_path, row())).sha256 == one
    assert read_table(write(tmp_path, row(value="3"))).sha256 != one
