"""A run's evidence as scoring reads it: its results, its rows, and what is true of its drive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.api.rerunning import CORE, Stored, read_stored
from pipeline.api.scoring import ScoreOptions, ScoreReport
from pipeline.errors import EvidenceError, LabelsError, ScoringError
from pipeline.ledger.reading import read_rows
from pipeline.ledger.spans import IMPROVED
from pipeline.runtime.timetable import Timetable
from pipeline.scoring.facts import ScoringFacts, read_facts
from pipeline.scoring.gathering import Frames, gather_from
from pipeline.scoring.judging import score_task
from pipeline.scoring.keeping import read_truths
from pipeline.scoring.reference import truth_of
from pipeline.scoring.results import read_results
from pipeline.scoring.scores import Answers, Timeline, Wishes
from pipeline.values import from_plain
from replay.errors import ReplayError
from replay.evidence import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import PathConfig
    from pipeline.scoring.results import TaskResults
    from pipeline.scoring.scores import TaskScore
    from pipeline.scoring.truths import StreamTruth
    from pipeline.tasks.outputs.protocol import ResultKind

FACTS = "scoring.json"
LABELS = "labels.npz"
RESULTS = "results.jsonl"

_KINDS: dict[str, ResultKind] = {
    "boxes": "boxes",
    "boxes_3d": "boxes_3d",
    "masks": "masks",
    "forecasts": "forecasts",
}


def score_directory(directory: Path, wanted: ScoreOptions) -> ScoreReport:
    """Score what a run delivered; see `pipeline.api.scoring.score_run`."""
    run = open_run(directory)
    tasks = tasks_of(run, wanted)
    if wanted.against is not None:
        truths = _reference(run, open_run(wanted.against), wanted, tasks)
    elif wanted.labels is not None:
        truths = _labels_from(run, wanted.labels, tasks)
    else:
        truths = _kept_labels(run, tasks)
    report = score_evidence(run, truths, wanted, tasks=tasks, strict=True)
    if not report.scores:
        reasons = "; ".join(dict.fromkeys(report.unscored.values()))
        raise LabelsError(f"{directory}: nothing could be scored: {reasons}")
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorable:
    """The evidence of a run, as far as scoring reads it.

    Attributes:
        directory: Its directory.
        facts: What its tasks and streams are.
        stored: Core, schedule and how the run ended.
        timetable: What the schedule was made of.
    """

    directory: RunDirectory
    facts: ScoringFacts
    stored: Stored
    timetable: Timetable

    def frames(self, stream: str) -> Frames:
        """Replayed frames of a stream, as labels must fit them."""
        grid = next(grid for grid in self.timetable.streams if grid.stream == stream)
        size, times = self.facts.streams[stream], grid.times
        stamps_ns = times.stamps_ns or times.offsets_ns
        return Frames(
            stream=stream,
            stamps_ns=[stamp_ns - size.shift_ns for stamp_ns in stamps_ns],
            size=(size.width, size.height),
            kind="camera" if size.width else "lidar",
            period_ns=grid.period_ns,
        )

    def path_of(self, task: str) -> PathConfig | None:
        """The path whose results of a task count: of those through it the one with most frames.

        A path from several sensors counts where no other one goes through the task.
        """
        core = self.stored.core
        whole = [path for path in core.paths if path.task == task]
        if whole:
            return min(whole, key=lambda path: path.every)
        owners = {path.name: path for path in core.paths}
        parts = [part for part in core.parts if part.task == task]
        if not parts:
            return None
        return owners[min(parts, key=lambda part: part.every).part_of]


def open_run(directory: Path) -> Scorable:
    """Open the evidence of a run.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
    """
    try:
        opened = RunDirectory.open(directory)
    except ReplayError as err:
        raise EvidenceError(str(err)) from err
    stored = read_stored(directory / CORE)
    data = json.loads((directory / CORE).read_text(encoding="utf-8"))
    return Scorable(
        directory=opened,
        facts=read_facts(directory / FACTS),
        stored=stored,
        timetable=from_plain(Timetable, data["timetable"]),
    )


def score_evidence(
    run: Scorable,
    truths: Mapping[str, StreamTruth],
    options: ScoreOptions,
    *,
    tasks: Sequence[str] | None = None,
    rows: Sequence[Row] | None = None,
    strict: bool = False,
) -> ScoreReport:
    """Score the results of a run against what is true.

    Args:
        run: The run.
        truths: What is true, by stream; by task for a reference.
        options: For the names of classes.
        tasks: Tasks to score; all where None.
        rows: Rows of its ledger; read from the evidence where None.
        strict: Whether to fail where the only task cannot be scored, instead of telling why.

    Raises:
        ScoringError: A result cannot be scored.
        EvidenceError: Results are gone.
    """
    names = list(run.facts.tasks) if tasks is None else list(tasks)
    paths = {task: path for task in names if (path := run.path_of(task)) is not None}
    unscored = {task: "no path delivers it" for task in names if task not in paths}
    every_row = rows_of(run) if rows is None else rows
    results = _results(run, paths)
    scores: dict[str, TaskScore] = {}
    notes: list[str] = []
    for task, path in paths.items():
        facts = run.facts.tasks[task]
        truth = truths.get(task, truths.get(facts.stream))
        if truth is None:
            unscored[task] = f"stream {facts.stream} has no labels"
            continue
        wishes = Wishes(
            classes={**facts.same, **options.classes},
            against="labels" if options.against is None else str(options.against.name),
        )
        try:
            scores[task] = _score(run, results[task], path, every_row, truth, wishes)
        except ScoringError as err:
            if strict and len(names) == 1:
                raise
            unscored[task] = str(err)
            continue
        if truth.strangers:
            notes.append(
                f"{task}: {truth.strangers} labels of stream {truth.stream} lie between frames and "
                "were left out"
            )
    return ScoreReport(
        directory=run.directory.path, scores=scores, unscored=unscored, notes=tuple(notes)
    )


def _score(
    run: Scorable,
    results: TaskResults,
    path: PathConfig,
    rows: Sequence[Row],
    truth: StreamTruth,
    wishes: Wishes,
) -> TaskScore:
    every = next(
        (part.every for part in run.stored.core.parts if part.part_of == path.name), path.every
    )
    answered = {
        row.frame: row
        for row in rows
        if row.path == path.name and row.route_delivered and "deliver" in row.stamps
    }
    known = np.isin(results.frames, list(answered))
    known &= ~results.improves | np.isin(
        results.frames, [frame for frame, row in answered.items() if IMPROVED in row.stamps]
    )
    if not known.all():
        lost = int(results.frames[~known][0])
        raise ScoringError(
            f"{RESULTS}: a result of frame {lost} of {path.name}, which the ledger says was never "
            "delivered"
        )
    mine = [answered[frame] for frame in results.frames.tolist()]
    contents = _contents(run, path, truth, mine)
    return score_task(
        results,
        Answers(
            contents=contents,
            due_ns=np.array([row.scheduled_ns for row in mine], np.int64),
            delivered_ns=np.array(
                [
                    row.stamps[IMPROVED if improves else "deliver"]
                    for row, improves in zip(mine, results.improves.tolist(), strict=True)
                ],
                np.int64,
            ),
            fates=np.array([str(row.fate) for row in mine], np.str_),
        ),
        _timeline(run, truth, every),
        truth,
        wishes,
    )


def _contents(
    run: Scorable, path: PathConfig, truth: StreamTruth, rows: Sequence[Row]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Frame of the truth's stream that each result was computed from.

    Of a partner in a path from several sensors it is the frame nearest to the anchor's.
    """
    own = np.array([row.content for row in rows], np.int64)
    if truth.stream == path.stream:
        return own
    grids = {grid.stream: grid.times for grid in run.timetable.streams}
    anchor = np.asarray(grids[path.stream].stamps_ns or grids[path.stream].offsets_ns, np.int64)
    other = np.asarray(grids[truth.stream].stamps_ns or grids[truth.stream].offsets_ns, np.int64)
    wanted = anchor[own]
    after = np.clip(np.searchsorted(other, wanted), 1, len(other) - 1) if len(other) > 1 else None
    if after is None:
        return np.zeros(len(own), np.int64)
    nearer = wanted - other[after - 1] <= other[after] - wanted
    return np.where(nearer, after - 1, after).astype(np.int64)


def _timeline(run: Scorable, truth: StreamTruth, every: int) -> Timeline:
    played = run.stored.played.get(truth.stream, 0)
    frames = {
        frame.number: frame
        for frame in run.stored.schedule
        if frame.stream == truth.stream
        and not (frame.warmup or frame.repeat)
        and frame.number < played
    }
    numbers = np.array(sorted(frames), np.int64)
    return Timeline(
        numbers=numbers,
        contents=numbers % truth.frames,  # of a frozen frame, too, the world went on
        due_ns=np.array([frames[number].scheduled_ns for number in numbers.tolist()], np.int64),
        selected=numbers % every == 0,
        pace=float(run.timetable.rate),
        live_order=run.stored.sent_ns is None,
    )


def rows_of(run: Scorable) -> list[Row]:
    """Rows of a run's ledger.

    Raises:
        EvidenceError: The ledger is gone, or is none.
    """
    file = run.directory.ledger
    try:
        return list(read_rows(file.read_text(encoding="utf-8"), name=str(file)))
    except OSError as err:
        raise EvidenceError(f"{file}: {err.strerror}") from err


def _results(run: Scorable, paths: Mapping[str, PathConfig]) -> dict[str, TaskResults]:
    file = run.directory.path / RESULTS
    if run.stored.sizes == "modelled":
        raise ScoringError(
            f"{run.directory.path}: has no results: with `run.sizes: modelled` nothing is computed"
        )
    if not file.exists():
        raise EvidenceError(
            f"{file}: results are gone; run the scenario again, what is in the cache is not "
            "computed twice"
        )
    known: dict[str, tuple[ResultKind, Sequence[str]]] = {
        task: (_KINDS[run.facts.tasks[task].kind], run.facts.tasks[task].classes) for task in paths
    }
    return read_results(file, {task: path.name for task, path in paths.items()}, known)


def tasks_of(run: Scorable, options: ScoreOptions) -> list[str]:
    """Tasks to be scored.

    Raises:
        ScoringError: There is no such task.
    """
    known = list(run.facts.tasks)
    for task in options.tasks:
        if task not in known:
            raise ScoringError(f"there is no task {task!r}; known: {', '.join(known)}")
    return list(dict.fromkeys(options.tasks)) or known


# -- what is true ----------------------------------------------------------------------------------


def _kept_labels(run: Scorable, tasks: Sequence[str]) -> dict[str, StreamTruth]:
    file = run.directory.path / LABELS
    try:
        return read_truths(file)
    except FileNotFoundError as err:
        streams = ", ".join(dict.fromkeys(run.facts.tasks[task].stream for task in tasks))
        raise LabelsError(
            f"{run.directory.path}: its drive has no labels of {streams}; name a labelled "
            "recording of it with --labels, or a run to compare with by --against"
        ) from err
    except OSError as err:
        raise EvidenceError(f"{file}: {err.strerror}") from err


def _labels_from(run: Scorable, path: Path, tasks: Sequence[str]) -> dict[str, StreamTruth]:
    if not path.exists():
        raise LabelsError(f"{path}: no such recording")
    streams = dict.fromkeys(run.facts.tasks[task].stream for task in tasks)
    return {stream: gather_from(path, run.frames(stream)) for stream in streams}


def _reference(
    run: Scorable, other: Scorable, options: ScoreOptions, tasks: Sequence[str]
) -> dict[str, StreamTruth]:
    """Results of the other run by task; both must have replayed the same frames."""
    names = [task for task in tasks if task in other.facts.tasks]
    if not names:
        known = ", ".join(other.facts.tasks)
        raise ScoringError(f"{other.directory.path}: has none of these tasks; it has {known}")
    require_same_drive(run, other, names)
    paths = {task: path for task in names if (path := other.path_of(task)) is not None}
    rows, found = rows_of(other), {}
    for task, results in _results(other, paths).items():
        contents = {row.frame: row.content for row in rows if row.path == paths[task].name}
        stream = other.facts.tasks[task].stream
        found[task] = truth_of(
            results,
            np.array([contents[frame] for frame in results.frames.tolist()], np.int64),
            stream=stream,
            frames=len(other.frames(stream).stamps_ns),
            least_score=options.least_score,
        )
    return found


def require_same_drive(run: Scorable, other: Scorable, tasks: Sequence[str]) -> None:
    """Refuse runs that did not replay the same frames.

    Raises:
        ScoringError: Streams differ in stamps, number of frames or size.
    """
    for task in tasks:
        streams = run.facts.tasks[task].stream, other.facts.tasks[task].stream
        one, two = run.frames(streams[0]), other.frames(streams[1])
        what = ""
        if len(one.stamps_ns) != len(two.stamps_ns):
            what = f"{len(one.stamps_ns)} and {len(two.stamps_ns)} frames"
        elif list(one.stamps_ns) != list(two.stamps_ns):
            what = "frames of other stamps"
        elif one.size != two.size:
            what = f"pictures of {one.size} and {two.size}"
        if what:
            raise ScoringError(
                f"{run.directory.path} and {other.directory.path} are not of one drive: stream "
                f"{streams[0]} has {what}"
            )
