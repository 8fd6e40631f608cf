"""The results of another run as truth, where a drive has no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ScoringError
from pipeline.scoring.areas import PackedMasks
from pipeline.scoring.rows import offsets_of
from pipeline.scoring.tables import TrueBoxes, TrueBoxes3D, pick_found, pick_found_3d
from pipeline.scoring.truths import StreamTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.scoring.results import TaskResults

    Ints = NDArray[np.int64]


def truth_of(
    results: TaskResults,
    contents: Ints,
    *,
    stream: str,
    frames: int,
    least_score: float,
) -> StreamTruth:
    """Take what a run found for true; of a frame that it answered twice, the first answer.

    A box without area, as rounding leaves at a picture's edge, overlaps nothing and is left out.

    Args:
        results: What it found.
        contents: Frame of the drive that each result was computed from.
        stream: Name of the stream.
        frames: Number of frames of the stream in one pass.
        least_score: Score from which on a box is believed.

    Raises:
        ScoringError: Forecasts are no truth.
    """
    order = np.full(frames, -1, np.int64)
    order[contents[::-1]] = np.arange(len(contents))[::-1]  # the first of several stays
    known = order >= 0
    boxes = boxes_3d = masks = None
    if results.boxes is not None:
        picked = pick_found(results.boxes, order)
        sides = picked.xyxy[:, 2:] - picked.xyxy[:, :2]
        sure = (picked.scores >= least_score) & (sides.min(axis=1, initial=np.inf) > 0)
        boxes = TrueBoxes(
            offsets=offsets_of(sure.astype(np.int64))[picked.offsets],
            xyxy=picked.xyxy[sure],
            classes=picked.classes[sure],
            tracks=_tracks(picked.tracks, sure),
            distances_m=np.full(int(sure.sum()), np.nan),
        )
    elif results.boxes_3d is not None:
        space = pick_found_3d(results.boxes_3d, order)
        sure = space.scores >= least_score
        boxes_3d = TrueBoxes3D(
            offsets=offsets_of(sure.astype(np.int64))[space.offsets],
            centres_m=space.centres_m[sure],
            sizes_m=space.sizes_m[sure],
            yaws_rad=space.yaws_rad[sure],
            velocities_mps=space.velocities_mps[sure],
            classes=space.classes[sure],
            tracks=_tracks(space.tracks, sure),
        )
    elif results.masks is not None:
        bodies = [b"" if at < 0 else results.masks.bodies[at] for at in order.tolist()]
        masks = PackedMasks(
            names=results.masks.names,
            height=results.masks.height,
            width=results.masks.width,
            bodies=bodies,
        )
    else:
        raise ScoringError(f"task {results.task}: forecasts of another run are no reference")
    return StreamTruth(
        stream=stream,
        frames=frames,
        names=results.names,
        boxes=boxes,
        boxes_3d=boxes_3d,
        masks=masks,
        futures={},
        known={results.kind: known},
    )


def _tracks(tracks: Ints | None, sure: NDArray[np.bool_]) -> Ints:
    """Numbers of tracks; without any, each box is an object of its own."""
    return np.arange(int(sure.sum()), dtype=np.int64) if tracks is None else tracks[sure]
