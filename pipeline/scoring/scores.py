"""What a task's results come to: offline, streaming, by place, and with a forecast."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import LabelsError
from pipeline.scoring.rows import NOTHING
from pipeline.scoring.streaming import pair
from pipeline.scoring.tables import Views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.scoring.results import TaskResults
    from pipeline.scoring.safety import SafetyRules
    from pipeline.scoring.streaming import Pairing
    from pipeline.scoring.truths import StreamTruth
    from pipeline.values import Plain

    Ints = NDArray[np.int64]

METRICS: tuple[str, ...] = (
    "map", "map_all", "streaming_map", "streaming_forecast_map", "edge_map", "cloud_map",
    "ap50", "ap75", "streaming_ap50", "nds", "streaming_nds",
    "miou", "streaming_miou", "edge_miou", "cloud_miou",
    "mota", "idf1", "hota", "coverage",
)  # fmt: skip
"""Figures that a gate may ask a minimum of."""

FIGURES: tuple[str, ...] = (
    *METRICS,
    "ap_small", "ap_medium", "ap_large", "ar_100", "ap_2m",
    "ate_m", "ase", "aoe_rad", "ave_mps", "motp", "switches",
    "ade_m", "fde_m", "miss_rate_2m", "forecast_share",
    "safety_misses", "streaming_safety_misses",
    "in_time", "without", "mean_lag_frames", "most_lag_frames", "mean_age_ms",
)  # fmt: skip
"""Every figure of a task, in order; one that does not apply is null, with a reason."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """When frames of a stream were due, and what became of those of a path.

    Attributes:
        numbers: Number in the stream of each frame, rising; shape (frames,).
        contents: Which frame of the drive is true at its instant; shape (frames,).
        due_ns: When it was due, run time; shape (frames,).
        selected: Whether the path takes it; shape (frames,).
        pace: Seconds of the drive in a second of run time.
        live_order: Whether frames went when they were due, so that instants mean something.
    """

    numbers: Ints
    contents: Ints
    due_ns: Ints
    selected: NDArray[np.bool_]
    pace: float = 1.0
    live_order: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Rows of a path that have an answer, in the order of `TaskResults`.

    Attributes:
        contents: Which frame of the drive each result was computed from; shape (results,).
        due_ns: When its frame was due, run time.
        delivered_ns: End of `deliver`, run time.
        fates: Fate of each row.
    """

    contents: Ints
    due_ns: Ints
    delivered_ns: Ints
    fates: NDArray[np.str_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to score.

    Attributes:
        classes: Names that stand for another.
        safety: Weights of misses; None for those of `SafetyRules`.
        against: What the results are held against, for the report.
    """

    classes: Mapping[str, str] = field(default_factory=dict)
    safety: SafetyRules | None = None
    against: str = "labels"


@dataclass(slots=True, kw_only=True)
class TaskScore:
    """What a task's results come to.

    Attributes:
        task: Name of the task.
        kind: What its results are.
        path: Path whose results were scored.
        stream: Stream that it reads.
        against: What they were held against.
        labelled: Labelled frames that were replayed.
        results: Results of labelled frames.
        figures: Every figure of `FIGURES`, None where there is none.
        by_class: Figures of each class or mask.
        unscored: Labelled classes that nothing finds.
        reasons: Why a figure is None.
    """

    task: str
    kind: str
    path: str
    stream: str
    against: str = "labels"
    labelled: int = 0
    results: int = 0
    figures: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(FIGURES))
    by_class: dict[str, dict[str, float | None]] = field(default_factory=dict)
    unscored: tuple[str, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Plain]:
        """The score as JSON data, schema of `accuracy.<task>`."""
        by_class: dict[str, Plain] = {
            name: dict[str, "Plain"](found) for name, found in self.by_class.items()
        }
        head: dict[str, Plain] = {
            "kind": self.kind,
            "path": self.path,
            "stream": self.stream,
            "against": self.against,
            "labelled": self.labelled,
            "results": self.results,
        }
        return {
            **head,
            **self.figures,
            "classes": by_class,
            "unscored": list(self.unscored),
            "reasons": dict[str, "Plain"](self.reasons),
        }

    def explain_rest(self, why: Mapping[str, str], other: str) -> None:
        """Say of each figure that there is not why."""
        for name, value in self.figures.items():
            if value is None and name not in self.reasons:
                self.reasons[name] = why.get(name, other)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """What is compared with what, in every view.

    Attributes:
        own: Each result against the truth of the frame it was computed from.
        fates: Fate of each of these results.
        every: Each labelled frame that the path takes, with its own result or nothing.
        instants: Each labelled instant with the newest finished result; None without order.
        pairing: How old these are, over the labelled instants.
        at: The frames of these instants, as places in the timeline.
    """

    own: Views
    fates: NDArray[np.str_]
    every: Views
    instants: Views | None
    pairing: Pairing | None
    at: Ints


def pairs_of(
    results: TaskResults, answers: Answers, timeline: Timeline, truth: StreamTruth
) -> Pairs:
    """Work out every view.

    Raises:
        LabelsError: No frame that is replayed has labels of the task's kind.
    """
    labelled = truth.labelled(results.kind)
    if not labelled.any():
        raise LabelsError(
            f"task {results.task}: no replayed frame of {truth.stream} has labels of {results.kind}"
        )
    mine = labelled[answers.contents] & ~results.improves
    at = np.flatnonzero(labelled[timeline.contents])
    taken = at[timeline.selected[at]]
    place = np.searchsorted(results.frames, timeline.numbers[taken])
    there = place < len(results)
    there[there] &= results.frames[place[there]] == timeline.numbers[taken][there]
    pairing = None
    if timeline.live_order:
        pairing = pair(
            timeline.due_ns[at],
            timeline.numbers[at],
            results.frames,
            answers.due_ns,
            answers.delivered_ns,
        )
    return Pairs(
        own=Views(truths=answers.contents[mine], found=np.flatnonzero(mine)),
        fates=answers.fates[mine],
        every=Views(truths=timeline.contents[taken], found=np.where(there, place, NOTHING)),
        instants=None
        if pairing is None
        else Views(truths=timeline.contents[at], found=pairing.results),
        pairing=pairing,
        at=at,
    )


def note_lags(score: TaskScore, pairs: Pairs) -> None:
    """Fill in how many results were in time, and how old those were that counted."""
    score.labelled, score.results = len(pairs.at), len(pairs.own)
    if len(pairs.every):
        score.figures["coverage"] = float((pairs.every.found != NOTHING).mean())
    pairing = pairs.pairing
    if pairing is None:
        return
    score.figures |= {
        "in_time": pairing.in_time,
        "without": pairing.without,
        "mean_lag_frames": pairing.mean_lag,
        "most_lag_frames": pairing.most_lag,
        "mean_age_ms": pairing.mean_age_ms,
    }
