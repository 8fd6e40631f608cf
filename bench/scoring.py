"""Scoring cached results against pycocotools.

The figure is the same twelve of COCO over the same boxes, ours against pycocotools 2, whose overlap
is compiled; equal to 1e-12, which is asserted. Beside it stands what scoring a run costs in all:
its results read from `results.jsonl`, offline, streaming, with a forecast, by place, by class. Both
run in this process, one after the other; process time counts, so that a busy machine says the same.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from time import process_time_ns

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from bench.figure import Figure
from pipeline.scoring.detection import score_boxes
from pipeline.scoring.judging import score_task
from pipeline.scoring.results import read_results
from pipeline.scoring.scores import Answers, Timeline, Wishes
from pipeline.scoring.tables import FoundBoxes, TrueBoxes, each_frame
from pipeline.scoring.truths import StreamTruth

AIM = 0.2
_SAME = 1e-12
_CROWD = 0.15  # share of objects that are to be ignored
NAMES = ("car", "van", "truck", "pedestrian", "cyclist")
_RIVAL_FRAMES = 2_000  # pycocotools keeps a dictionary a box
_PERIOD_NS = 100_000_000
_LATE_NS = 130_000_000
_S = 1e9


def measure(*, frames: int) -> Figure:
    """Process seconds of ours over those of the rival.

    Args:
        frames: Frames of a run that is scored in all.
    """
    few = min(frames, _RIVAL_FRAMES)
    truth, found = _boxes(few)
    began_ns = process_time_ns()
    ours = score_boxes(truth, found, each_frame(few), classes=len(NAMES))
    own_s = (process_time_ns() - began_ns) / _S
    rival, rival_s = _rival(truth, found)
    assert abs((ours.ap() or 0.0) - rival) < _SAME
    large_truth, large_found = _boxes(frames)
    read_s, whole_s = _whole(large_truth, large_found, frames)
    return Figure(
        name="scoring",
        what=f"process time of COCO's twelve figures over {few:,} frames",
        rival="pycocotools' evaluation of the same boxes, loading left out",
        ratio=own_s / rival_s,
        aim=AIM,
        values={
            "frames": few,
            "own_s": own_s,
            "rival_s": rival_s,
            "ap": rival,
            "run_frames": frames,
            "run_boxes": len(large_found.scores),
            "run_read_s": read_s,
            "run_score_s": whole_s,
        },
        lines=(
            f"ours {own_s:.2f} s, pycocotools {rival_s:.2f} s, both AP {rival:.4f}",
            f"a run of {frames:,} frames and {len(large_found.scores):,} boxes in all:",
            f"read {read_s:.1f} s, scored {whole_s:.1f} s (aim 60 s for 100,000 frames)",
        ),
    )


def _boxes(frames: int) -> tuple[TrueBoxes, FoundBoxes]:
    """Objects in pictures, most of them found, somewhat displaced; and some that are not there."""
    draws = np.random.default_rng(1)
    counts = draws.integers(2, 9, frames)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    low = draws.uniform(0, 550, (offsets[-1], 2))
    xyxy = np.concatenate([low, low + draws.uniform(8, 140, low.shape)], axis=1).round(1)
    classes = draws.integers(0, len(NAMES), len(xyxy))
    classes[draws.uniform(size=len(classes)) < _CROWD] = -1
    truth = TrueBoxes(
        offsets=offsets,
        xyxy=xyxy,
        classes=classes,
        tracks=np.arange(len(classes)),
        distances_m=draws.uniform(5, 120, len(classes)),
    )
    moved = xyxy + draws.normal(0, 4, xyxy.shape)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    return truth, FoundBoxes(
        offsets=offsets,
        xyxy=moved.round(1),
        scores=draws.uniform(0.3, 1, len(classes)).round(4),
        classes=np.where(classes < 0, draws.integers(0, len(NAMES), len(classes)), classes),
    )


def _rival(truth: TrueBoxes, found: FoundBoxes) -> tuple[float, float]:
    """Precision as pycocotools has it, and its process seconds."""
    annotations: list[dict[str, object]] = []
    frames = np.repeat(np.arange(truth.frames), np.diff(truth.offsets)).tolist()
    rows = zip(frames, truth.xyxy.tolist(), truth.classes.tolist(), strict=True)
    for frame, (left, top, right, bottom), kind in rows:
        for class_ in range(len(NAMES)) if kind < 0 else (kind,):
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": frame + 1,
                    "category_id": class_ + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(kind < 0),
                }
            )
    frames = np.repeat(np.arange(found.frames), np.diff(found.offsets)).tolist()
    results = [
        {
            "image_id": frame + 1,
            "category_id": kind + 1,
            "bbox": [left, top, right - left, bottom - top],
            "score": sure,
        }
        for frame, (left, top, right, bottom), kind, sure in zip(
            frames, found.xyxy.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": n + 1} for n in range(truth.frames)],
            "categories": [{"id": n + 1} for n in range(len(NAMES))],
            "annotations": annotations,
        }
        coco.createIndex()
        theirs = coco.loadRes(results)
        began_ns = process_time_ns()
        evaluation = COCOeval(coco, theirs, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        took_s = (process_time_ns() - began_ns) / _S
        evaluation.summarize()
    return float(evaluation.stats[0]), took_s


def _whole(truth: TrueBoxes, found: FoundBoxes, frames: int) -> tuple[float, float]:
    """Process seconds of reading a run's results, and of every figure of them."""
    numbers = np.arange(frames)
    due_ns = numbers * _PERIOD_NS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.jsonl"
        with file.open("w", encoding="utf-8") as lines:
            for frame in range(frames):
                rows = slice(found.offsets[frame], found.offsets[frame + 1])
                line = {
                    "path": "p",
                    "frame": frame,
                    "boxes": found.xyxy[rows].tolist(),
                    "scores": found.scores[rows].tolist(),
                    "classes": [NAMES[kind] for kind in found.classes[rows].tolist()],
                }
                lines.write(json.dumps(line) + "\n")
        began_ns = process_time_ns()
        results = read_results(file, {"objects": "p"}, {"objects": ("boxes", NAMES)})["objects"]
        read_ns = process_time_ns()
    score_task(
        results,
        Answers(
            contents=numbers,
            due_ns=due_ns,
            delivered_ns=due_ns + _LATE_NS,
            fates=np.where(numbers % 10 == 0, "edge", "cloud"),
        ),
        Timeline(
            numbers=numbers, contents=numbers, due_ns=due_ns, selected=np.ones(frames, np.bool_)
        ),
        StreamTruth(
            stream="front",
            frames=frames,
            names=NAMES,
            boxes=truth,
            futures={},
            known={"boxes": np.ones(frames, np.bool_)},
        ),
        Wishes(),
    )
    return (read_ns - began_ns) / _S, (process_time_ns() - read_ns) / _S
