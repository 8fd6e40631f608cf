"""Tracing: what a live run's event logs cost, from within the run, beside the frames themselves.

Every node adds up the time it spends on keeping and writing what its core saw and said. A span is
a stamp of the ledger; the rival is the time that the same frames were under way.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figure import Figure
from pipeline import api
from pipeline.ledger.spans import durations_ns

if TYPE_CHECKING:
    from bench.subject import Subject

AIM_US = 20.0
_NS_PER_US = 1_000


def measure(subject: Subject, *, length_ns: int) -> Figure:
    """Run live and take the time of all nodes' logs over the spans of all rows.

    Args:
        subject: What to run.
        length_ns: Least length of the run.
    """
    overrides = (*subject.overrides, f"run.loop={subject.loops(length_ns)}")
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as folder:
        found = api.run(
            subject.scenario, api.Options(overrides=overrides), out=Path(folder) / "run"
        )
        if found.failure is not None:
            raise RuntimeError(f"the live run broke down: {found.failure}")
        logs = list((found.directory / "events").glob("*.jsonl"))
        entries = sum(log.read_bytes().count(b"\n") for log in logs)
    rows = list(found.ledger.rows())
    spans = sum(len(durations_ns(row.scheduled_ns, row.stamps)) for row in rows)
    span_us = found.tracing_ns / spans / _NS_PER_US
    entry_us = found.tracing_ns / entries / _NS_PER_US
    return Figure(
        name="tracing",
        what="time that a live run's nodes spend on their event logs, a span, over the aim",
        rival=f"the aim itself, {AIM_US:g} us a span",
        ratio=span_us / AIM_US,
        aim=1.0,
        values={
            "us_per_span": span_us,
            "us_per_entry": entry_us,
            "spans": spans,
            "entries": entries,
            "rows": len(rows),
        },
        lines=(
            f"{span_us:.1f} us a span, {entry_us:.1f} us an entry of a log",
            f"{len(rows)} path-frames, {spans} spans, {entries} entries",
        ),
    )
