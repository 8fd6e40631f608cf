"""Running the evidence of a run again; sealing, which a first run and a rerun share."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.api.calls import RerunResult
from pipeline.errors import EvidenceError
from pipeline.ledger.sealing import Closing, Ledger, seal
from pipeline.runtime.core.config import CoreConfig
from pipeline.runtime.outcome import Outcome, offers
from pipeline.runtime.rerun import rerun_cores
from pipeline.runtime.timetable import Timetable
from pipeline.values import from_plain
from replay.errors import ReplayError
from replay.evidence import RunDirectory, verify_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.ledger.sealing import Driver, Sizing
    from pipeline.runtime.core.config import PathConfig
    from replay.schedule import ScheduledFrame

CORE = "core.json"
"""File of what a rerun needs beside the event logs."""


def seal_outcome(
    schedule: Sequence[ScheduledFrame],
    paths: Sequence[PathConfig],
    outcome: Outcome,
    *,
    predicted_ns: Mapping[str, Mapping[str, int]],
    driver: Driver,
    sizes: Sizing = "exact",
) -> Ledger:
    """The ledger of an outcome: what was offered, joined with what was settled and delivered."""
    played = dict(outcome.played)
    sent_ns = None
    if outcome.sent_ns is not None:
        sent_ns = {stream: dict(sent) for stream, sent in outcome.sent_ns.items()}
    stream_of = {path.name: path.stream for path in paths}
    for row in outcome.rows:  # a row proves that its frame was played, whatever the player said
        stream = stream_of[row.path]
        played[stream] = max(played.get(stream, 0), row.frame + 1)
        if sent_ns is not None:
            sent_ns.setdefault(stream, {})[row.frame] = row.scheduled_ns
    return seal(
        offers(schedule, paths, played, sent_ns),
        outcome.rows,
        outcome.deliveries,
        closing=outcome.closing,
        predicted_ns=predicted_ns,
        driver=driver,
        sizes=sizes,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What `core.json` holds.

    Attributes:
        core: Configuration of the machines.
        driver: Which driver ran them.
        sizes: Where the sizes of what crossed were from.
        closing: What became of frames that nobody settled.
        failure: Why the run broke down; None when it did not.
        played: Frames that the player sent, per stream.
        predicted_ns: Per path the predicted latency of each span.
        sent_ns: When the player sent each frame at full speed; None otherwise.
        schedule: Every frame of the run, in the order of sending.
    """

    core: CoreConfig
    driver: Driver
    sizes: Sizing
    closing: Closing
    failure: str | None
    played: dict[str, int]
    predicted_ns: dict[str, dict[str, int]]
    sent_ns: dict[str, dict[int, int]] | None
    schedule: list[ScheduledFrame]


def rerun_directory(path: Path) -> RerunResult:
    """Feed a run's event logs to fresh cores, and hold its files against its MANIFEST.

    A file that was altered since says nothing of the cores; it is named beside what they did.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
    """
    try:
        directory = RunDirectory.open(path)
    except ReplayError as err:
        raise EvidenceError(str(err)) from err
    return replace(_rerun(path, directory), altered=_altered(path))


def _altered(path: Path) -> tuple[str, ...]:
    try:
        found = verify_manifest(path)
    except ReplayError as err:
        return (str(err),)
    return tuple(f"{file.path}: {file.kind}" for file in found if file.kind != "unlisted")


def _rerun(path: Path, directory: RunDirectory) -> RerunResult:
    stored = read_stored(path / CORE)
    found = rerun_cores(stored.core, directory.event_logs)
    if found.divergence is not None:
        return RerunResult(
            same=False, divergence=found.divergence, ledger_difference=None, events=found.events
        )
    outcome = Outcome(
        rows=found.rows,
        deliveries=found.deliveries,
        played=stored.played,
        sent_ns=stored.sent_ns,
        closing=stored.closing,
    )
    ledger = seal_outcome(
        stored.schedule,
        stored.core.paths,
        outcome,
        predicted_ns=stored.predicted_ns,
        driver=stored.driver,
        sizes=stored.sizes,
    )
    try:
        logged = directory.ledger.read_text(encoding="utf-8")
    except OSError as err:
        raise EvidenceError(f"{directory.ledger}: {err.strerror}") from err
    difference = _ledger_difference(logged, ledger.to_csv())
    if difference is not None and stored.failure is not None:
        first = stored.failure.partition(";")[0]
        difference += f" (in this run {first}, so the end of its event log may be lost)"
    return RerunResult(
        same=difference is None,
        divergence=None,
        ledger_difference=difference,
        events=found.events,
        rows=len(ledger),
        hash=ledger.hash(),
    )


def read_stored(path: Path) -> Stored:
    """Read a run's `core.json`.

    Raises:
        EvidenceError: There is none, or it is not what a run writes.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        sent_ns = data["sent_ns"]
        schedule = from_plain(Timetable, data["timetable"]).frames()
        return Stored(
            core=from_plain(CoreConfig, data["core"]),
            driver="virtual" if data["driver"] == "virtual" else "live",
            sizes="modelled" if data["sizes"] == "modelled" else "exact",
            closing=from_plain(Closing, data["closing"]),
            failure=data["failure"],
            played=data["played"],
            predicted_ns=data["predicted_ns"],
            sent_ns=None if sent_ns is None else {s: dict(sent) for s, sent in sent_ns.items()},
            schedule=schedule,
        )
    except OSError as err:
        raise EvidenceError(f"{path}: {err.strerror}; is this the directory of a run?") from err
    except (ValueError, KeyError, TypeError, ReplayError) as err:
        raise EvidenceError(f"{path}: is not what a run writes: {err}") from err


def _ledger_difference(logged: str, now: str) -> str | None:
    if logged == now:
        return None
    old, new = logged.splitlines(), now.splitlines()
    for number, (one, other) in enumerate(zip(old, new, strict=False), 1):
        if one != other:
            names = old[0].split(",")
            cells = zip(names, one.split(","), other.split(","), strict=False)
            name, was, is_now = next(c for c in cells if c[1] != c[2])
            return f"ledger.csv:{number}: {name}: logged {was!r}, now {is_now!r}"
    return f"ledger.csv: {len(old) - 1} rows logged, {len(new) - 1} now"
