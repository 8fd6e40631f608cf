"""Scoring one task of one run, whatever its results are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.ahead import Timing, forecast_boxes, forecast_boxes_3d
from pipeline.scoring.areas import count_areas
from pipeline.scoring.classes import common_classes, found_3d_in, found_in, true_3d_in, true_in
from pipeline.scoring.detection import AREAS, BoxRules, overlaps, score_boxes
from pipeline.scoring.forecasting import score_forecasts
from pipeline.scoring.rows import pick
from pipeline.scoring.safety import (
    SafetyRules,
    are_vulnerable,
    found_at_all,
    weighted_misses,
    weights_of,
)
from pipeline.scoring.scores import TaskScore, note_lags, pairs_of
from pipeline.scoring.space import score_boxes_3d
from pipeline.scoring.tables import each_frame
from pipeline.scoring.tracking import score_tracks, sights_3d_of, sights_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.scoring.classes import Common
    from pipeline.scoring.results import TaskResults
    from pipeline.scoring.scores import Answers, Pairs, Timeline, Wishes
    from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D, TrueBoxes, TrueBoxes3D, Views
    from pipeline.scoring.tracking import TrackScores
    from pipeline.scoring.truths import StreamTruth

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_MEANS = BoxRules(areas={"all": AREAS["all"]}, most=(100,))
_FOUND_OVERLAP = 0.5
_FOUND_M = 2.0
_PLACES = ("edge", "cloud")
_FULL_SPEED = "frames went at full speed, so that no instant is one of the drive"


def score_task(
    results: TaskResults, answers: Answers, timeline: Timeline, truth: StreamTruth, wishes: Wishes
) -> TaskScore:
    """Score the results that a path delivered of a task.

    Args:
        results: What was delivered.
        answers: When, and what became of those frames.
        timeline: When frames were due.
        truth: What is true.
        wishes: How to score.

    Raises:
        LabelsError: No frame that is replayed has labels of the task's kind.
        ClassesError: What is found and what is labelled have no class in common.
    """
    score = TaskScore(
        task=results.task,
        kind=results.kind,
        path=results.path,
        stream=truth.stream,
        against=wishes.against,
    )
    pairs = pairs_of(results, answers, timeline, truth)
    note_lags(score, pairs)
    match results.kind:
        case "boxes":
            _score_boxes(score, results, answers, timeline, truth, pairs, wishes)
        case "boxes_3d":
            _score_boxes_3d(score, results, answers, timeline, truth, pairs, wishes)
        case "masks":
            _score_masks(score, results, truth, pairs, wishes)
        case "forecasts":
            _score_forecasts(score, results, truth, pairs)
    for place in _PLACES:
        if not (pairs.fates == place).any():
            why = f"no labelled frame was answered in time by the {place}"
            score.reasons |= {f"{place}_map": why, f"{place}_miou": why}
    if pairs.instants is None:
        for name in score.figures:
            if name.startswith("streaming") or name in _OF_INSTANTS:
                score.reasons[name] = _FULL_SPEED
    score.reasons = {k: v for k, v in score.reasons.items() if score.figures[k] is None}
    score.explain_rest(
        dict.fromkeys(("mota", "motp", "idf1", "hota", "switches"), "its results carry no tracks"),
        f"does not apply to {results.kind.replace('_', ' ')}",
    )
    return score


_OF_INSTANTS = ("in_time", "without", "mean_lag_frames", "most_lag_frames", "mean_age_ms")


# -- boxes in pictures -----------------------------------------------------------------------------


def _score_boxes(
    score: TaskScore,
    results: TaskResults,
    answers: Answers,
    timeline: Timeline,
    truth: StreamTruth,
    pairs: Pairs,
    wishes: Wishes,
) -> None:
    assert results.boxes is not None  # noqa: S101 - by its kind
    assert truth.boxes is not None  # noqa: S101 - some frame is labelled
    common = common_classes(results.task, results.names, truth.names, wishes.classes)
    found, there = found_in(results.boxes, common), true_in(truth.boxes, common)
    count = len(common.names)
    own = score_boxes(there, found, pairs.own, classes=count)
    every = score_boxes(there, found, pairs.every, classes=count, rules=_MEANS)
    figures = score.figures
    figures |= {
        "map": own.ap(),
        "ap50": own.ap(overlap=0.5),
        "ap75": own.ap(overlap=0.75),
        "ap_small": own.ap(area="small"),
        "ap_medium": own.ap(area="medium"),
        "ap_large": own.ap(area="large"),
        "ar_100": own.ar(most=100),
        "map_all": every.ap(),
    }
    for place in _PLACES:
        some = pairs.own.only(pairs.fates == place)
        if len(some):
            part = score_boxes(there, found, some, classes=count, rules=_MEANS)
            figures[f"{place}_map"] = part.ap()
    safety = wishes.safety or SafetyRules()
    weights = _weights(there, there.distances_m, timeline, common, safety)
    fit = _Overlap(found.xyxy, there.xyxy)
    figures["safety_misses"] = _misses(
        there, found, pairs.every, weights, fit, _FOUND_OVERLAP, safety
    )
    streaming = None
    if pairs.instants is not None and pairs.pairing is not None:
        streaming = score_boxes(there, found, pairs.instants, classes=count, rules=_MEANS)
        timing = Timing(
            pairing=pairs.pairing,
            frames_ns=answers.due_ns,
            pace=timeline.pace,
        )
        moved = forecast_boxes(found, timing)
        ahead = replace(pairs.instants, found=each_frame(moved.frames).found)
        figures |= {
            "streaming_map": streaming.ap(),
            "streaming_ap50": streaming.ap(overlap=0.5),
            "streaming_forecast_map": score_boxes(
                there, moved, ahead, classes=count, rules=_MEANS
            ).ap(),
            "streaming_safety_misses": _misses(
                there, found, pairs.instants, weights, fit, _FOUND_OVERLAP, safety
            ),
        }
    if results.tracked:
        _note_tracks(score, score_tracks(sights_of(there, found, pairs.every)))
    score.unscored = common.unscored
    for class_, name in enumerate(common.names):
        score.by_class[name] = {
            "objects": int(own.objects[class_, 0]),
            "map": own.ap_of(class_),
            "ap50": own.ap_of(class_, overlap=0.5),
            "streaming_map": None if streaming is None else streaming.ap_of(class_),
        }


# -- boxes in space --------------------------------------------------------------------------------


def _score_boxes_3d(
    score: TaskScore,
    results: TaskResults,
    answers: Answers,
    timeline: Timeline,
    truth: StreamTruth,
    pairs: Pairs,
    wishes: Wishes,
) -> None:
    assert results.boxes_3d is not None  # noqa: S101 - by its kind
    assert truth.boxes_3d is not None  # noqa: S101 - some frame is labelled
    common = common_classes(results.task, results.names, truth.names, wishes.classes)
    found = found_3d_in(results.boxes_3d, common)
    there = true_3d_in(truth.boxes_3d, common)
    count = len(common.names)
    own = score_boxes_3d(there, found, pairs.own, classes=count)
    figures = score.figures
    figures |= {
        "map": own.ap(),
        "ap_2m": own.ap(distance_m=2.0),
        "nds": own.combined(),
        "ate_m": own.error("ate_m"),
        "ase": own.error("ase"),
        "aoe_rad": own.error("aoe_rad"),
        "ave_mps": own.error("ave_mps"),
        "map_all": score_boxes_3d(there, found, pairs.every, classes=count).ap(),
    }
    for place in _PLACES:
        some = pairs.own.only(pairs.fates == place)
        if len(some):
            figures[f"{place}_map"] = score_boxes_3d(there, found, some, classes=count).ap()
    safety = wishes.safety or SafetyRules()
    distances_m = np.hypot(there.centres_m[:, 0], there.centres_m[:, 1])
    weights = _weights(there, distances_m, timeline, common, safety)
    figures["safety_misses"] = _misses(
        there, found, pairs.every, weights, _Nearness(found, there), -_FOUND_M, safety
    )
    streaming = None
    if pairs.instants is not None and pairs.pairing is not None:
        timing = Timing(pairing=pairs.pairing, frames_ns=answers.due_ns, pace=timeline.pace)
        seen_from = None if truth.poses is None else truth.poses.of(answers.contents)
        shown_at = None if truth.poses is None else truth.poses.of(pairs.instants.truths)
        if truth.poses is None:
            score.reasons["streaming_forecast_map"] = "the drive has no ego pose"
        ahead = replace(pairs.instants, found=each_frame(len(pairs.instants)).found)
        put = forecast_boxes_3d(found, timing, seen_from=seen_from, shown_at=shown_at, moving=False)
        moved = forecast_boxes_3d(
            found, timing, seen_from=seen_from, shown_at=shown_at, moving=True
        )
        streaming = score_boxes_3d(there, put, ahead, classes=count)
        figures |= {
            "streaming_map": streaming.ap(),
            "streaming_nds": streaming.combined(),
            "streaming_forecast_map": score_boxes_3d(there, moved, ahead, classes=count).ap(),
            "streaming_safety_misses": _misses(
                there, put, ahead, weights, _Nearness(put, there), -_FOUND_M, safety
            ),
        }
    if results.tracked:
        _note_tracks(score, score_tracks(sights_3d_of(there, found, pairs.every)))
    if results.forecasts:
        _score_forecasts(score, results, truth, pairs)
    score.unscored = common.unscored
    for class_, name in enumerate(common.names):
        score.by_class[name] = {
            "objects": int(own.objects[class_]),
            "map": own.ap_of(class_),
            "ap50": None,
            "streaming_map": None if streaming is None else streaming.ap_of(class_),
        }


# -- areas, forecasts, tracks, misses --------------------------------------------------------------


def _score_masks(
    score: TaskScore, results: TaskResults, truth: StreamTruth, pairs: Pairs, wishes: Wishes
) -> None:
    assert results.masks is not None  # noqa: S101 - by its kind
    assert truth.masks is not None  # noqa: S101 - some frame is labelled
    same = wishes.classes
    common = common_classes(results.task, results.masks.names, truth.masks.names, same)
    names = [
        (
            next(n for n in truth.masks.names if same.get(n, n) == name),
            next(n for n in results.masks.names if same.get(n, n) == name),
        )
        for name in common.names
    ]
    own = count_areas(truth.masks, results.masks, pairs.own, names=names)
    score.figures["miou"] = own.mean()
    for place in _PLACES:
        some = pairs.fates == place
        if some.any():
            score.figures[f"{place}_miou"] = own.only(some).mean()
    streaming: list[float | None] = [None] * len(names)
    if pairs.instants is not None:
        counted = count_areas(truth.masks, results.masks, pairs.instants, names=names)
        streaming = counted.ious()
        score.figures["streaming_miou"] = counted.mean()
    score.unscored = common.unscored
    for name, iou, later in zip(common.names, own.ious(), streaming, strict=True):
        score.by_class[name] = {"iou": iou, "streaming_iou": later}


def _score_forecasts(
    score: TaskScore, results: TaskResults, truth: StreamTruth, pairs: Pairs
) -> None:
    found = score_forecasts(
        (truth.futures[frame], results.forecasts[result])
        for frame, result in zip(pairs.own.truths.tolist(), pairs.own.found.tolist(), strict=True)
        if frame in truth.futures
    )
    if found is None:
        return
    score.figures |= {
        "ade_m": found.ade_m,
        "fde_m": found.fde_m,
        "miss_rate_2m": found.miss_rate,
        "forecast_share": found.forecast / found.objects,
    }


def _note_tracks(score: TaskScore, found: TrackScores | None) -> None:
    if found is None:
        return
    score.figures |= {
        "mota": found.mota,
        "motp": found.motp,
        "idf1": found.idf1,
        "hota": found.hota,
        "switches": found.switches,
    }


def _weights(
    truth: TrueBoxes | TrueBoxes3D,
    distances_m: Floats,
    timeline: Timeline,
    common: Common,
    rules: SafetyRules,
) -> Floats:
    """Weight of each row of the truth; that of what is to be ignored does not count."""
    due_ns = np.zeros(truth.frames, np.int64)
    # Of the first pass: distances are the same in every one.
    due_ns[timeline.contents[::-1]] = timeline.due_ns[::-1]
    frames = np.repeat(np.arange(truth.frames), np.diff(truth.offsets))
    return weights_of(
        distances_m,
        truth.tracks,
        (due_ns[frames] * timeline.pace).astype(np.int64),
        are_vulnerable(truth.classes, common.names, rules),
        rules,
    )


def _misses(
    truth: TrueBoxes | TrueBoxes3D,
    found: FoundBoxes | FoundBoxes3D,
    views: Views,
    weights: Floats,
    fit: _Overlap | _Nearness,
    least: float,
    rules: SafetyRules,
) -> float | None:
    real = truth.classes >= 0
    hit = found_at_all((truth.offsets, found.offsets), found.scores, real, fit, least, views, rules)
    rows = pick(truth.offsets, views.truths).rows
    counted = real[rows]
    return weighted_misses(weights[rows][counted], hit[counted])


class _Overlap:
    """Intersection over union, by rows of the tables."""

    def __init__(self, found: Floats, truths: Floats) -> None:
        self._found, self._truths = found, truths

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        return overlaps(self._found[found], self._truths[truths])


class _Nearness:
    """Distance of centres on the ground, negative, by rows of the tables."""

    def __init__(self, found: FoundBoxes3D, truths: TrueBoxes3D) -> None:
        self._found, self._truths = found.centres_m, truths.centres_m

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        apart = self._found[found][:, :, None, :2] - self._truths[truths][:, None, :, :2]
        return -np.hypot(apart[..., 0], apart[..., 1])
