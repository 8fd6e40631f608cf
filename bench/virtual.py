"""Virtual time: how much faster than the drive itself ten minutes of it are replayed.

Timed from an assembled and primed scenario to the sealed ledger on disk, in one process; checking,
planning and priming come before and are printed apart. The rival is real time, which a live run
takes. The event logs that a rerun needs are written too, as the command `splitway run --virtual`
does; the same run without them is timed as well and printed, without entering the ratio.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figure import Figure
from pipeline import api
from pipeline.api.replaying import virtual_setup
from pipeline.api.rerunning import seal_outcome
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.footage import Footage
from pipeline.runtime.journal import AT_ONCE, Journal
from pipeline.runtime.priming import prime
from pipeline.runtime.virtual import run_virtual
from replay.clock import WallClock
from replay.evidence import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.subject import Subject
    from pipeline.assembly import Assembled
    from pipeline.ledger import Ledger
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.outcome import Outcome
    from pipeline.runtime.priming import Primed

AIM = 100.0
_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Phases:
    """Wall time of one replay, in ns."""

    run_ns: int
    seal_ns: int
    csv_ns: int
    rows: int

    @property
    def whole_ns(self) -> int:
        return self.run_ns + self.seal_ns + self.csv_ns


def measure(subject: Subject, *, length_ns: int, repeats: int) -> Figure:
    """Replay so much drive in virtual time, several times; the middle one counts.

    Args:
        subject: What to replay.
        length_ns: Least length of the drive.
        repeats: How often.
    """
    now_ns = WallClock().now_ns
    overrides = (*subject.overrides, f"run.loop={subject.loops(length_ns)}")
    began_ns = now_ns()
    assembled = api.check(subject.scenario, api.Options(overrides=overrides))
    assembled_ns = now_ns()
    primed = prime(
        assembled.spec,
        Footage(assembled.spec.drive),
        frames=assembled.facts.counts,
        now_ns=now_ns,
    )
    primed_ns = now_ns()
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as folder:
        bare = _replay(assembled, primed, Path(folder), logs=False)
        found = [_replay(assembled, primed, Path(folder), logs=True) for _ in range(repeats)]
    phases = sorted(found, key=lambda replay: replay.whole_ns)[(len(found) - 1) // 2]
    # As long as a live run takes: to the place of the frame that would come next.
    period_ns = assembled.facts.only.period_ns / assembled.spec.rate
    drive_s = (assembled.schedule[-1].scheduled_ns + period_ns) / _S
    wall_s = phases.whole_ns / _S
    lines = [
        (
            f"{drive_s:.1f} s of drive in {wall_s:.2f} s: run {phases.run_ns / _S:.2f}, seal "
            f"{phases.seal_ns / _S:.2f}, ledger.csv {phases.csv_ns / _S:.2f}; "
            f"{phases.rows} path-frames, {phases.rows / wall_s:,.0f} a second"
        ),
        (
            f"not counted: assembly {(assembled_ns - began_ns) / _S:.1f} s, priming "
            f"{(primed_ns - assembled_ns) / _S:.1f} s ({primed.hits} of "
            f"{primed.hits + primed.misses} chains from the cache)"
        ),
        f"without the event logs: {drive_s * _S / bare.whole_ns:.0f}x",
    ]
    return Figure(
        name="virtual",
        what=f"seconds of drive per second of wall, {subject.name}, run to ledger.csv, "
        "one process, event logs written",
        rival="real time, which a live run takes",
        ratio=drive_s / wall_s,
        aim=AIM,
        more=True,
        values={
            "drive_s": drive_s,
            "run_s": phases.run_ns / _S,
            "seal_s": phases.seal_ns / _S,
            "csv_s": phases.csv_ns / _S,
            "path_frames": phases.rows,
            "path_frames_per_s": phases.rows / wall_s,
            "assembly_s": (assembled_ns - began_ns) / _S,
            "priming_s": (primed_ns - assembled_ns) / _S,
            "ratio_per_repeat": [drive_s * _S / replay.whole_ns for replay in found],
            "ratio_without_event_logs": drive_s * _S / bare.whole_ns,
        },
        lines=tuple(lines),
    )


def _replay(assembled: Assembled, primed: Primed, folder: Path, *, logs: bool) -> _Phases:
    now_ns = WallClock().now_ns
    began_ns = now_ns()
    if logs:
        outcome = _logged(assembled, primed, folder)
    else:
        outcome = run_virtual(virtual_setup(assembled, primed))
    run_ns = now_ns()
    ledger = _sealed(assembled, outcome)
    seal_ns = now_ns()
    write_text(folder / "ledger.csv", ledger.to_csv())
    return _Phases(
        run_ns=run_ns - began_ns,
        seal_ns=seal_ns - run_ns,
        csv_ns=now_ns() - seal_ns,
        rows=len(ledger),
    )


def _logged(assembled: Assembled, primed: Primed, folder: Path) -> Outcome:
    """A replay with the event logs that a rerun needs."""
    now_ns = WallClock().now_ns
    sites = assembled.spec.core.sites
    journals = {
        node: Journal(folder / f"{node}.jsonl", now_ns)
        for node in (sites.vehicle, sites.cloud, CONSUMER)
    }

    def log(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        journals[node].record(at_ns, event, commands)
        if journals[node].waiting >= AT_ONCE:
            journals[node].flush()

    try:
        return run_virtual(virtual_setup(assembled, primed), on_event=log)
    finally:
        for journal in journals.values():
            journal.close()


def _sealed(assembled: Assembled, outcome: Outcome) -> Ledger:
    spans = {task.task: task.candidates[task.run].spans for task in assembled.plan.tasks}
    paths = assembled.spec.core.paths
    return seal_outcome(
        assembled.schedule,
        paths,
        outcome,
        predicted_ns={path.name: dict(spans[path.task]) for path in paths},
        driver="virtual",
    )
