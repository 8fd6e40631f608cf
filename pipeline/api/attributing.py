"""Explaining a run from its directory: what its misses are due to, and what had met them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.api.modelling import MODEL, read_model
from pipeline.api.rerunning import CORE, read_stored
from pipeline.errors import EvidenceError, InputError
from pipeline.ledger.reading import read_rows
from pipeline.ledger.spans import SEALED_IN
from pipeline.runtime.core.commands import Settle
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.journal import read_journal
from pipeline.runtime.virtual import Kernel
from pipeline.verdict.attribution import GIVEN_UP, MISSES, Behind, Blame, Way, blame, norms, way_of
from pipeline.verdict.attribution_evidence import Evidence
from pipeline.verdict.attribution_replay import (
    Counterfactual,
    Cut,
    Replays,
    cuts_of,
    recorded,
)
from pipeline.verdict.attribution_stretches import Stretches
from replay.errors import ReplayError
from replay.evidence import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.api.modelling import Model
    from pipeline.api.rerunning import Stored
    from pipeline.ledger.rows import Row
    from pipeline.ledger.sealing import Driver
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event
    from pipeline.verdict.attribution import Norm
    from pipeline.verdict.attribution_evidence import Thing
    from pipeline.verdict.attribution_stretches import Stretch

MOST_REPLAYED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What a frame waited behind in one of its spans.

    Attributes:
        span: Span of the frame.
        behind: What it waited behind; None where nothing is known to have been in the way.
        task: Task of the frame in the way; empty without one.
        frame: Number of the frame in the way; None without one.
        ns: For how long.
    """

    span: str
    behind: Behind | None
    task: str
    frame: int | None
    ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """One missed frame, explained.

    Attributes:
        row: Its row.
        way: Its spans.
        blame: The span to blame.
        behind: What it waited behind most in that span; None where it did not wait behind others.
        waited: Everything it waited behind, the longest first.
        counterfactual: What would have met the deadline.
    """

    row: Row
    way: Way
    blame: Blame
    behind: Behind | None
    waited: tuple[Waited, ...]
    counterfactual: Counterfactual


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The misses of a run, explained.

    Attributes:
        directory: The run's directory.
        driver: Which driver made the run; a live run's replays are modelled, not exact.
        rows: Rows of the ledger.
        norms: What is usual on each path.
        misses: Every miss, in the ledger's order.
    """

    directory: Path
    driver: Driver
    rows: int
    norms: Mapping[str, Norm]
    misses: tuple[Miss, ...]


def explain_directory(
    path: Path,
    *,
    frame: tuple[str, int] | None = None,
    most: int = MOST_REPLAYED,
    on_progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Explanation:
    """Explain the misses of a run.

    Args:
        path: Its directory.
        frame: Path and number of the only frame to explain; every miss where left out.
        most: Misses to look for a counterfactual of, evenly spread over the run.
        on_progress: Told how many misses are replayed, and how many will be.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
        InputError: The frame has no row, or did not miss.
    """
    try:
        directory = RunDirectory.open(path)
    except ReplayError as err:
        raise EvidenceError(str(err)) from err
    try:
        rows = list(read_rows(directory.ledger.read_text("utf-8"), name=str(directory.ledger)))
    except OSError as err:
        raise EvidenceError(f"{directory.ledger}: {err.strerror}") from err
    stored, model = read_stored(path / CORE), read_model(path / MODEL)
    wanted = _wanted(rows, frame, path)
    if stored.driver == "virtual":
        evidence = _replayed(stored, model, rows, directory)
        recorded_ns: dict[Thing, int] = {}
    else:
        evidence = _logged(stored, directory)
        recorded_ns = recorded(evidence)
    usual = norms(rows, stored.predicted_ns)
    stretches = Stretches(evidence)
    found = [(row, stretches.of(row)) for row in wanted]
    answers = _counterfactuals(_spread(found, most), usual, stored, model, recorded_ns, on_progress)
    return Explanation(
        directory=path,
        driver=stored.driver,
        rows=len(rows),
        norms=usual,
        misses=tuple(_miss(row, parts, usual[row.path], evidence, answers) for row, parts in found),
    )


def _wanted(rows: Sequence[Row], frame: tuple[str, int] | None, path: Path) -> list[Row]:
    if frame is None:
        return [row for row in rows if row.fate in MISSES]
    row = next((r for r in rows if (r.path, r.frame) == frame), None)
    name = f"{frame[0]}/{frame[1]}"
    if row is None:
        known = ", ".join(sorted({r.path for r in rows})) or "none"
        raise InputError(f"--frame {name}: {path} has no such row; its paths are {known}")
    if row.fate not in MISSES:
        raise InputError(f"--frame {name}: is {row.fate}, which is no miss: nothing to explain")
    return [row]


# -- evidence --------------------------------------------------------------------------------------


def _replayed(
    stored: Stored, model: Model, rows: Sequence[Row], directory: RunDirectory
) -> Evidence:
    """What the cores of a virtual run saw, by running it again, which has to give its rows."""
    evidence = Evidence(stored.core)
    again: dict[tuple[str, int], Row] = {}

    def saw(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        evidence.saw(node, at_ns, event)
        for command in commands:
            if isinstance(command, Settle):
                evidence.settled(command.row.path, command.row.frame, at_ns)
                again[command.row.path, command.row.frame] = command.row

    kernel = Kernel(model.setup(stored.core, stored.schedule), saw, None)
    kernel.begin()
    kernel.advance()
    for row in rows:
        other = again.get((row.path, row.frame))
        if row.fate == "interrupted" or other is None:
            continue
        stamps = {name: at_ns for name, at_ns in row.stamps.items() if name not in SEALED_IN}
        if stamps != other.stamps:
            raise EvidenceError(
                f"{directory.ledger}: frame {row.frame} of {row.path} gets other stamps when the "
                "run is replayed; explain a run with the version that made it"
            )
    return evidence


def _logged(stored: Stored, directory: RunDirectory) -> Evidence:
    """What the cores of a live run saw, from its event logs."""
    evidence = Evidence(stored.core)
    sites = stored.core.sites
    for node in (sites.vehicle, sites.cloud, CONSUMER):
        for _, entry in read_journal(directory.event_logs / f"{node}.jsonl"):
            evidence.saw(node, entry.at_ns, entry.event)
            for command in entry.commands:
                row = command.get("row") if command.get("is") == "Settle" else None
                if isinstance(row, dict):
                    evidence.settled(str(row["path"]), int(row["frame"]), entry.at_ns)
    return evidence


# -- one miss --------------------------------------------------------------------------------------


def _miss(
    row: Row,
    stretches: Sequence[Stretch],
    norm: Norm,
    evidence: Evidence,
    answers: Mapping[tuple[str, int], Counterfactual],
) -> Miss:
    way = _way(row, stretches, norm, evidence)
    blamed = blame(way, norm, row.deadline_at_ns - row.scheduled_ns)
    waited = _waited(row, stretches, evidence)
    return Miss(
        row=row,
        way=way,
        blame=blamed,
        behind=_behind(blamed.span, waited, stretches),
        waited=waited,
        counterfactual=answers.get((row.path, row.frame), Counterfactual(answer="not-replayed")),
    )


def _way(row: Row, stretches: Sequence[Stretch], norm: Norm, evidence: Evidence) -> Way:
    """The frame's spans: those of its stamps, else as far as the events show that it got."""
    if (row.route_delivered and "deliver" in row.stamps) or len(stretches) <= 1:
        return way_of(row, norm, evidence.settled_ns.get((row.path, row.frame)))
    settled_ns = evidence.settled_ns.get((row.path, row.frame), row.deadline_at_ns)
    spans_ns = {
        stretch.span: sum(
            max(0, min(piece.ended_ns, settled_ns) - piece.began_ns) for piece in stretch.pieces
        )
        for stretch in stretches
    }
    last = max(stretches, key=lambda stretch: stretch.pieces[-1].ended_ns)
    return Way(spans_ns=spans_ns, entered=last.span, given_up=row.cause in GIVEN_UP)


def _waited(row: Row, stretches: Sequence[Stretch], evidence: Evidence) -> tuple[Waited, ...]:
    """What a frame waited behind, per span and frame in the way, the longest first."""
    own = evidence.key_of(row)
    lengths_ns: Counter[tuple[str, str, int | None, str]] = Counter()
    for stretch in stretches:
        for piece in stretch.pieces:
            holder = piece.holder
            if holder is None:
                if stretch.span.endswith("_wait"):
                    lengths_ns[stretch.span, "", None, ""] += piece.length_ns
            elif holder.key != own:
                lengths_ns[stretch.span, *holder.key, holder.span] += piece.length_ns
    core = evidence.core
    return tuple(
        Waited(
            span=span,
            behind=None
            if frame is None
            else Behind(
                path=_paths(core, task, frame),
                span=doing,
            ),
            task=task,
            frame=frame,
            ns=ns,
        )
        for (span, task, frame, doing), ns in sorted(
            lengths_ns.items(), key=lambda item: (-item[1], str(item[0]))
        )
    )


def _paths(core: CoreConfig, task: str, frame: int) -> str:
    """Paths that a task's frame is for; a part of a fused path goes by the path's name."""
    names = [path.part_of or path.name for path in core.paths_of(task, frame)]
    return "+".join(dict.fromkeys(names)) or task


def _behind(span: str, waited: Sequence[Waited], stretches: Sequence[Stretch]) -> Behind | None:
    """What was in the way for the largest part of a span; None where that was nobody else."""
    lengths_ns: Counter[Behind] = Counter()
    for wait in waited:
        if wait.span == span and wait.behind is not None:
            lengths_ns[wait.behind] += wait.ns
    if not lengths_ns:
        return None
    whole_ns = sum(stretch.length_ns for stretch in stretches if stretch.span == span)
    most, ns = max(lengths_ns.items(), key=lambda item: (item[1], str(item[0])))
    rest_ns = whole_ns - lengths_ns.total()
    return most if ns >= rest_ns else None


# -- counterfactuals -------------------------------------------------------------------------------


def _spread(
    found: Sequence[tuple[Row, list[Stretch]]], most: int
) -> list[tuple[Row, list[Stretch]]]:
    """At most so many, evenly spread; frames that never reached the vehicle left out."""
    there = [(row, stretches) for row, stretches in found if stretches]
    count = min(most, len(there))
    return [there[(2 * i + 1) * len(there) // (2 * count)] for i in range(count)]


def _counterfactuals(
    chosen: Sequence[tuple[Row, list[Stretch]]],
    usual: Mapping[str, Norm],
    stored: Stored,
    model: Model,
    recorded_ns: Mapping[Thing, int],
    on_progress: Callable[[int, int], None],
) -> dict[tuple[str, int], Counterfactual]:
    asked: list[tuple[int, Row, list[Cut]]] = []
    for row, stretches in chosen:
        cuts = cuts_of(stretches, usual[row.path].medians_ns)
        from_ns = min([row.scheduled_ns, *(cut.from_ns for cut in cuts)])
        asked.append((from_ns, row, cuts))
    if not asked:
        return {}
    replays = Replays(model.setup(stored.core, stored.schedule), recorded_ns)
    found: dict[tuple[str, int], Counterfactual] = {}
    for number, (from_ns, row, cuts) in enumerate(
        sorted(asked, key=lambda item: (item[0], item[1].path, item[1].frame)), start=1
    ):
        found[row.path, row.frame] = replays.counterfactual(
            row, cuts, usual[row.path].medians_ns, from_ns=from_ns
        )
        on_progress(number, len(asked))
    return found
