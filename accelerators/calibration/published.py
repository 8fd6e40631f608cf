"""Published latencies and throughputs, read from a table and chosen for a fit.

Rules of choice, in this order: rows whose `use` is `calibrate` and that name a graph; rows of the
wanted device and, where one device was published in two configurations, of the wanted scenario;
of one source model, graph and precision the fastest runtime, since a slower one had layers off the
accelerator; of several source models that share a graph the middle one.
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING

from accelerators.errors import CalibrationDataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from accelerators.work import Precision

# The table's names: Qualcomm's `float` runs as FP16 on the NPU; `w8a8` is int8 throughout.
PRECISIONS: dict[str, Precision] = {
    "int8": "int8",
    "w8a8": "int8",
    "float": "float16",
    "fp16": "float16",
    "fp32": "float32",
    "w8a16": "w8a16",
}
_NEEDED = ("device", "model", "precision", "scenario", "value", "graph", "kind", "use", "source")
OFFLINE_BATCH = 64
_QUERY = 8
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One published figure that a graph belongs to.

    Attributes:
        device: As published.
        model: Name used by the source.
        precision: As published.
        scenario: How it was taken.
        kind: `latency_b1`, `latency_b1_p99`, `latency_b8` or `throughput`.
        time_ns: The latency; for a throughput the time per sample.
        graph: File name of the graph.
        source: Repository, commit and path, or address.
    """

    device: str
    model: str
    precision: str
    scenario: str
    kind: str
    time_ns: int
    graph: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A published table: its rows that may be used, and the hash of its bytes (hexadecimal)."""

    rows: tuple[Row, ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a fit compares with: a published time of a graph in a precision.

    Attributes:
        graph: File name of the graph.
        precision: What it ran in.
        time_ns: Latency of a run; with `busy`, time per sample of a device that is kept busy.
        batch: Samples in a run.
        busy: Whether `time_ns` comes from a throughput.
        part: Whether it is a layer inside a run, so that the run's own time is not in it.
    """

    graph: str
    precision: Precision
    time_ns: int
    batch: int = 1
    busy: bool = False
    part: bool = False


def read_table(path: Path) -> Table:
    """Read a table of published figures; rows without a graph or kept out of fits are left out.

    Raises:
        CalibrationDataError: A column is missing, or a value is no positive number; the line is
            named.
        OSError: The file cannot be read.
    """
    content = path.read_bytes()
    try:
        reader = csv.DictReader(content.decode("utf-8").splitlines())
        missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            raise CalibrationDataError(str(path), f"has no column {', '.join(missing)}")
        rows = tuple(
            _row(path, number, fields)
            for number, fields in enumerate(reader, start=2)
            if fields["use"] == "calibrate" and fields["graph"]
        )
    except (UnicodeDecodeError, csv.Error) as err:
        raise CalibrationDataError(str(path), f"is no table: {err}") from err
    return Table(rows=rows, sha256=hashlib.sha256(content).hexdigest())


def latencies(
    rows: Iterable[Row], devices: Collection[str], *, scenario: str = ""
) -> tuple[Figure, ...]:
    """Latencies at batch 1 of devices that count as one, by the rules above.

    Args:
        rows: All rows.
        devices: Names in the table.
        scenario: Text that a row's scenario contains; several, joined by `|`, where any will do.

    Returns:
        Figures by graph and precision, ascending.
    """
    wanted = scenario.split("|")
    fastest: dict[tuple[str, Precision], dict[str, int]] = {}
    for row in rows:
        precision = PRECISIONS.get(row.precision)
        if row.kind != "latency_b1" or row.device not in devices or precision is None:
            continue
        if not any(text in row.scenario for text in wanted):
            continue
        models = fastest.setdefault((row.graph, precision), {})
        models[row.model] = min(row.time_ns, models.get(row.model, row.time_ns))
    return tuple(
        Figure(graph=graph, precision=precision, time_ns=median_low(models.values()))
        for (graph, precision), models in sorted(fastest.items())
    )


def batches(
    rows: Iterable[Row], devices: Collection[str], *, scenario: str = ""
) -> tuple[Figure, ...]:
    """Queries of eight samples and Offline throughputs of devices that count as one.

    The batch of an Offline entry is not published; it counts as `OFFLINE_BATCH`, beyond which the
    model changes little. Entries below the declared int8 that no `Precision` names are left out.

    Args:
        rows: All rows.
        devices: Names in the table.
        scenario: As in `latencies`.

    Returns:
        The best figure of each graph, precision and kind, ascending.
    """
    wanted = scenario.split("|")
    best: dict[tuple[str, Precision, bool], int] = {}
    for row in rows:
        precision = PRECISIONS.get(row.precision)
        busy = row.kind == "throughput"
        if row.device not in devices or precision is None:
            continue
        if not (row.kind == "latency_b8" or (busy and row.scenario == "Offline")):
            continue
        if row.scenario != "Offline" and not any(text in row.scenario for text in wanted):
            continue
        key = (row.graph, precision, busy)
        best[key] = min(row.time_ns, best.get(key, row.time_ns))
    return tuple(
        Figure(
            graph=graph,
            precision=precision,
            time_ns=time_ns,
            batch=OFFLINE_BATCH if busy else _QUERY,
            busy=busy,
        )
        for (graph, precision, busy), time_ns in sorted(best.items())
    )


def periods(rows: Iterable[Row], devices: Collection[str]) -> tuple[Figure, ...]:
    """Throughputs of devices that pipeline layers, as times between two samples.

    Of a network that needs several contexts, batches are faster; the fastest counts.
    """
    best: dict[tuple[str, Precision], int] = {}
    for row in rows:
        precision = PRECISIONS.get(row.precision)
        if row.kind == "throughput" and row.device in devices and precision is not None:
            key = (row.graph, precision)
            best[key] = min(row.time_ns, best.get(key, row.time_ns))
    return tuple(
        Figure(graph=graph, precision=precision, time_ns=time_ns)
        for (graph, precision), time_ns in sorted(best.items())
    )


def read_families(path: Path) -> Mapping[str, str]:
    """Family of each graph, from a table with the columns `graph` and `family`.

    Raises:
        CalibrationDataError: A column is missing.
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if not {"graph", "family"} <= set(reader.fieldnames or ()):
            raise CalibrationDataError(str(path), "has no columns graph and family")
        return {fields["graph"]: fields["family"] for fields in reader}


def _row(path: Path, number: int, fields: Mapping[str, str]) -> Row:
    try:
        value = float(fields["value"])
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise CalibrationDataError(
            str(path), f"line {number}: value is {fields['value']!r}, not a positive number"
        )
    time = _NS_PER_S / value if fields["kind"] == "throughput" else value * _NS_PER_MS
    return Row(
        device=fields["device"],
        model=fields["model"],
        precision=fields["precision"],
        scenario=fields["scenario"],
        kind=fields["kind"],
        time_ns=max(1, round(time)),
        graph=fields["graph"],
        source=fields["source"],
    )
