"""Scoring runs from their evidence: against the drive's labels, others, or another run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from pipeline.scoring.scores import TaskScore
    from pipeline.values import Plain

SCHEMA = "splitway.score/1"
FRONT_SCHEMA = "splitway.front/1"
BELIEVED = 0.5
"""Score from which on a box of a reference is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """What to score, and against what.

    Attributes:
        tasks: Tasks that are scored; all where empty.
        labels: A labelled recording of the drive; None takes the labels that the run kept.
        against: Directory of a run whose results are the truth; None for labels.
        least_score: Score from which on a box of that run is believed.
        classes: Names that stand for another, over those of the scenario.
    """

    tasks: Collection[str] = ()
    labels: Path | None = None
    against: Path | None = None
    least_score: float = BELIEVED
    classes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """What the results of a run come to.

    Attributes:
        directory: Directory of the run.
        scores: Score of each task that was scored.
        unscored: Why other tasks were not.
        notes: What a reader of the figures should know.
    """

    directory: Path
    scores: Mapping[str, TaskScore]
    unscored: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> dict[str, dict[str, Plain]]:
        """The scores as `result.json` has them."""
        return {task: score.document() for task, score in self.scores.items()}

    def document(self) -> dict[str, Plain]:
        """The report as `score --json` prints it."""
        accuracy: dict[str, Plain] = {
            task: dict[str, "Plain"](s) for task, s in self.accuracy.items()
        }
        return {
            "schema": SCHEMA,
            "run": str(self.directory),
            "accuracy": accuracy,
            "unscored": dict[str, "Plain"](self.unscored),
            "notes": list["Plain"](self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontEntry:
    """One run on the front.

    Attributes:
        run: Directory of the run.
        scenario: Name of its scenario.
        route: What the plan runs.
        bytes_up: Payload bytes upward, per offered frame.
        on_time: Share of offered frames that were in time.
        streaming: Streaming accuracy; None where it was not scored.
        energy_mj: Energy per offered frame, modelled; None where a device has no power figure.
        best: Whether no other run is as good in all that is compared and better in some of it.
    """

    run: str
    scenario: str
    route: str
    bytes_up: float
    on_time: float
    streaming: float | None
    energy_mj: float | None
    best: bool = False

    def document(self) -> dict[str, Plain]:
        """The entry as JSON data."""
        return {
            "run": self.run,
            "scenario": self.scenario,
            "route": self.route,
            "bytes_up": self.bytes_up,
            "on_time": self.on_time,
            "streaming": self.streaming,
            "energy_mj": self.energy_mj,
            "best": self.best,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Several runs of one drive, side by side.

    Attributes:
        tasks: The runs, by task.
        compared: Figures that all of them have, by task; the others decide nothing.
        reports: Score of each run.
    """

    tasks: Mapping[str, tuple[FrontEntry, ...]]
    compared: Mapping[str, tuple[str, ...]]
    reports: tuple[ScoreReport, ...]

    def document(self) -> dict[str, Plain]:
        """The front as `score --json` prints it for several runs."""
        tasks: dict[str, Plain] = {
            task: [entry.document() for entry in entries] for task, entries in self.tasks.items()
        }
        compared: dict[str, Plain] = {task: list(names) for task, names in self.compared.items()}
        runs: list[Plain] = [report.document() for report in self.reports]
        return {"schema": FRONT_SCHEMA, "front": tasks, "compared": compared, "runs": runs}


def score_run(directory: Path, options: ScoreOptions | None = None) -> ScoreReport:
    """Score what a run delivered.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
        LabelsError: There are no labels, or they do not belong to the drive.
        ClassesError: Nothing that is found is labelled.
        ScoringError: A result cannot be scored, or a task is unknown.
    """
    from pipeline.api.scoring_evidence import score_directory

    return score_directory(directory, options or ScoreOptions())


def front(directories: Sequence[Path], options: ScoreOptions | None = None) -> Front:
    """Put several runs on one front, task by task; no network runs again.

    Args:
        directories: Directories of the runs, of one drive.
        options: What to score, and against what.

    Raises:
        EvidenceError: A directory is no run, or its evidence is not whole.
        ScoringError: Two runs did not replay the same drive, or a run cannot be scored.
    """
    from pipeline.api.fronting import make_front

    return make_front(directories, options or ScoreOptions())
