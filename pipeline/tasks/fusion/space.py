"""Camera and LiDAR, late: boxes in space are confirmed by the boxes that cameras see there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.outputs.overlap import iou
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.calibration import Calibration

LEAST_OVERLAP = 0.3
"""Overlap of a camera's box and a projected one from which they may be one object; assumed, lower
than between two cameras' boxes, since a projected box holds its object's box and air around it."""

_VEHICLES = frozenset({"car", "van", "truck", "bus", "motorcycle"})
_NEAREST_M = 0.5  # of a corner before the camera; nearer ones project to anywhere
_FAR = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one camera found.

    Attributes:
        calibration: Where the camera sits and how it projects.
        boxes: Its boxes, pixels of its picture.
    """

    calibration: Calibration
    boxes: Boxes


def combine(space: Boxes3D, views: Sequence[View]) -> Boxes3D:
    """Boxes in space with the scores that LiDAR and cameras give them together.

    Each box in space is projected into each picture, its eight corners enclosed by a box. Boxes of
    a picture are matched to these so that the sum of overlaps is largest, from an overlap of 0.3
    and where the classes can be one (the same name, or both vehicles). The score of a matched box
    is 1 - (1 - lidar) * (1 - camera): two witnesses whose errors are taken to be independent. Where
    the camera is surer and its class is one that the LiDAR's network knows, its class is taken. A
    box that no camera confirms keeps its score, and what only a camera sees has no place in space.

    Args:
        space: Boxes in space, ego frame, of the same moment.
        views: What cameras found.

    Returns:
        The same boxes, the surest first.
    """
    doubts = 1.0 - space.scores.astype(np.float64)
    classes, witness = space.classes.copy(), space.scores.astype(np.float64)
    corners = box_corners(space)
    for view in views:
        projected, seen = project(corners, view.calibration)
        for row, column in _pairs(space, projected, seen, view.boxes):
            score = float(view.boxes.scores[column])
            doubts[row] *= 1.0 - score
            name = view.boxes.names[int(view.boxes.classes[column])]
            if score > witness[row] and name in space.names:
                classes[row], witness[row] = space.names.index(name), score
    scores = (1.0 - doubts).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return Boxes3D(
        centres_m=space.centres_m[order],
        sizes_m=space.sizes_m[order],
        yaws_rad=space.yaws_rad[order],
        velocities_mps=space.velocities_mps[order],
        scores=np.clip(scores[order], 0, 1),
        classes=classes[order],
        names=space.names,
    )


def box_corners(space: Boxes3D) -> NDArray[np.float64]:
    """Corners of boxes in space, ego frame; shape (n, 8, 3)."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    local = signs[np.newaxis] * space.sizes_m.astype(np.float64)[:, np.newaxis]
    cosine, sine = np.cos(space.yaws_rad)[:, np.newaxis], np.sin(space.yaws_rad)[:, np.newaxis]
    turned = np.stack(
        [
            cosine * local[..., 0] - sine * local[..., 1],
            sine * local[..., 0] + cosine * local[..., 1],
            local[..., 2],
        ],
        axis=-1,
    )
    corners: NDArray[np.float64] = turned + space.centres_m.astype(np.float64)[:, np.newaxis]
    return corners


def project(
    corners: NDArray[np.float64], calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Boxes that enclose projected corners, cut off at the picture's edge.

    Args:
        corners: Ego frame; shape (n, 8, 3).
        calibration: A camera's, with intrinsics.

    Returns:
        Left, top, right, bottom in pixels, shape (n, 4), and whether the box is seen: all corners
        before the camera and some of it in the picture, shape (n,).
    """
    found = np.zeros((len(corners), 4))
    if not len(corners) or calibration.intrinsics is None:
        return found, np.zeros(len(corners), np.bool_)
    seen = calibration.mounting.to_camera(corners.reshape(-1, 3)).reshape(corners.shape)
    ahead = (seen[..., 2] > _NEAREST_M).all(axis=1)
    lens = calibration.intrinsics
    pixels = lens.project(seen[ahead].reshape(-1, 3)).reshape(-1, 8, 2)
    limits = np.array([lens.width, lens.height], dtype=np.float64)
    low, high = np.clip(pixels.min(axis=1), 0, limits), np.clip(pixels.max(axis=1), 0, limits)
    found[ahead] = np.concatenate([low, high], axis=1)
    inside = (found[:, 0] < found[:, 2]) & (found[:, 1] < found[:, 3])
    return found, ahead & inside


def _pairs(
    space: Boxes3D, projected: NDArray[np.float64], seen: NDArray[np.bool_], boxes: Boxes
) -> list[tuple[int, int]]:
    """Boxes in space and boxes of the picture that are one object, by their positions."""
    rows = np.flatnonzero(seen)
    if not len(rows) or not len(boxes):
        return []
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - 0.3 s, where it is used

    corners = boxes.xyxy.astype(np.float64)
    overlaps = np.stack([iou(projected[row], corners) for row in rows])
    names = [boxes.names[kind] for kind in boxes.classes.tolist()]
    mine = [space.names[kind] for kind in space.classes[rows].tolist()]
    alike = np.array([[_alike(one, other) for other in names] for one in mine])
    possible = alike & (overlaps >= LEAST_OVERLAP)
    row, column = linear_sum_assignment(np.where(possible, -overlaps, _FAR))
    fits = possible[row, column]
    return list(zip(rows[row[fits]].tolist(), column[fits].tolist(), strict=True))


def _alike(one: str, other: str) -> bool:
    return one == other or (one in _VEHICLES and other in _VEHICLES)
