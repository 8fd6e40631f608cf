"""Drawing of what is true of a frame: labels on a picture, and a sweep seen from above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.tasks.drawing import PALETTE, draw_band, draw_masks, draw_outlines, outline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Boxes3D
    from sensors.calibration import Mounting
    from sensors.frames import LidarSweep
    from sensors.labels import FrameLabels, Futures, Labels3D

_IGNORED = (150, 150, 150)
_DARK, _GRID = (24, 24, 24), (60, 60, 60)
_TOLD_SHARE = 0.07  # of the picture's height: lower boxes have no text, which would hide them
_GRID_M = 10.0
_AHEAD_M, _BEHIND_M, _ASIDE_M = 70.0, 20.0, 30.0
_PIXELS_PER_M = 8.0
ABOVE_SIZE = (round(2 * _ASIDE_M * _PIXELS_PER_M), round((_AHEAD_M + _BEHIND_M) * _PIXELS_PER_M))
"""Width and height of a drawing from above, pixels."""

_LOW_M, _HIGH_M = -0.5, 3.5  # heights between which points change their colour


def picture_with_labels(
    image: NDArray[np.uint8], labels: FrameLabels | None, captions: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """Draw labels on a copy of a picture: boxes with class, track and visibility over masks.

    Boxes that are small in the picture have no text, and of a track the last three digits are
    shown.

    Args:
        image: Shape (height, width, 3), uint8, channels blue, green, red.
        labels: What is true of it; None where nothing is known.
        captions: Lines of text for a band at the top.

    Returns:
        A new picture of the same shape.
    """
    canvas = image.copy()
    if labels is not None and labels.masks is not None:
        draw_masks(canvas, labels.masks.masks)
    if labels is not None and labels.boxes is not None:
        boxes = labels.boxes
        order = np.argsort(boxes.distances_m, kind="stable")  # the nearest on top
        outlines = []
        for row in order.tolist():
            label = int(boxes.classes[row])
            name = boxes.names[label] if label >= 0 else "ignored"
            seen = float(boxes.visibility[row])
            share = "" if math.isnan(seen) else f" {100 * seen:.0f}%"
            text = f"{name} {int(boxes.tracks[row]) % 1000}{share}"
            high = float(boxes.xyxy[row, 3] - boxes.xyxy[row, 1])
            shown = text if high > _TOLD_SHARE * image.shape[0] else ""
            outlines.append(outline(boxes.xyxy[row], shown, _color(label)))
        draw_outlines(canvas, outlines)
    draw_band(canvas, captions)
    return canvas


def sweep_from_above(
    sweep: LidarSweep,
    mounting: Mounting | None,
    labels: FrameLabels | None,
    captions: Sequence[str] = (),
    *,
    pixels_per_m: float = _PIXELS_PER_M,
) -> NDArray[np.uint8]:
    """Draw a sweep as seen from above, ahead upwards, with boxes and ways ahead.

    Args:
        sweep: The sweep.
        mounting: Where the LiDAR sits; None takes the points as those of the ego frame.
        labels: What is true of it; None where nothing is known.
        captions: Lines of text for a band at the top.
        pixels_per_m: Scale of the drawing.

    Returns:
        A picture of 70 m ahead, 20 m behind and 30 m to each side; shape (height, width, 3).
    """
    above = _Above(pixels_per_m)
    points = sweep.points[:, :3].astype(np.float64)
    if mounting is not None:
        points = mounting.to_ego(points)
    above.add_points(points)
    if labels is not None and labels.boxes_3d is not None:
        above.add_boxes(labels.boxes_3d)
    if labels is not None and labels.futures is not None:
        above.add_ways(labels.futures)
    draw_band(above.canvas, captions)
    return above.canvas


def points_from_above(
    points: NDArray[np.float32],
    mounting: Mounting | None,
    results: Sequence[Boxes3D],
    captions: Sequence[str] = (),
) -> NDArray[np.uint8]:
    """Draw the points of a sweep as seen from above, with boxes that were found in space.

    Args:
        points: X, y, z in metres, sensor frame, and intensity; shape (n, 4).
        mounting: Where the LiDAR sits; None takes the points as those of the ego frame.
        results: What was found.
        captions: Lines of text for a band at the top.

    Returns:
        A picture of `ABOVE_SIZE`; shape (height, width, 3).
    """
    above = _Above(_PIXELS_PER_M)
    places = points[:, :3].astype(np.float64)
    above.add_points(places if mounting is None else mounting.to_ego(places))
    for found in results:
        above.add_boxes(found)
    draw_band(above.canvas, captions)
    return above.canvas


class _Above:
    """A drawing of the ground around the own vehicle."""

    def __init__(self, pixels_per_m: float) -> None:
        self._scale = pixels_per_m
        height = round((_AHEAD_M + _BEHIND_M) * pixels_per_m)
        self.canvas = np.full((height, round(2 * _ASIDE_M * pixels_per_m), 3), _DARK, np.uint8)
        for line in np.arange(-_BEHIND_M, _AHEAD_M, _GRID_M):
            self._line([(line, -_ASIDE_M), (line, _ASIDE_M)], _GRID)
        for line in np.arange(-_ASIDE_M, _ASIDE_M, _GRID_M):
            self._line([(-_BEHIND_M, line), (_AHEAD_M, line)], _GRID)

    def add_points(self, points: NDArray[np.float64]) -> None:
        """Points in the ego frame, shape (n, 3), coloured by height."""
        columns, rows = self._places(points[:, :2]).T
        inside = (columns >= 0) & (columns < self.canvas.shape[1])
        inside &= (rows >= 0) & (rows < self.canvas.shape[0])
        share = (points[inside, 2] - _LOW_M) / (_HIGH_M - _LOW_M)
        heat = (share.clip(0.0, 1.0) * 255).astype(np.uint8).reshape(-1, 1)
        if len(heat):
            colors = np.asarray(cv2.applyColorMap(heat, cv2.COLORMAP_VIRIDIS), np.uint8)
            self.canvas[rows[inside], columns[inside]] = colors.reshape(-1, 3)

    def add_boxes(self, labels: Labels3D | Boxes3D) -> None:
        """Boxes with a stroke from the middle to the front."""
        for row in range(len(labels)):
            x, y = labels.centres_m[row, :2].tolist()
            length, width, _ = labels.sizes_m[row].tolist()
            cos, sin = math.cos(labels.yaws_rad[row]), math.sin(labels.yaws_rad[row])
            ahead, left = (cos * length / 2, sin * length / 2), (-sin * width / 2, cos * width / 2)
            signs = ((1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1))
            corners = [
                (x + a * ahead[0] + b * left[0], y + a * ahead[1] + b * left[1]) for a, b in signs
            ]
            color = _color(int(labels.classes[row]))
            self._line(corners, color)
            self._line([(x, y), (x + ahead[0], y + ahead[1])], color)

    def add_ways(self, futures: Futures) -> None:
        """A dot where each object will be, step by step."""
        for positions, valid in zip(futures.positions_m, futures.valid, strict=True):
            for column, row in self._places(positions[valid].astype(np.float64)).tolist():
                cv2.circle(self.canvas, (column, row), 2, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)

    def _line(self, places_m: Sequence[tuple[float, float]], color: tuple[int, int, int]) -> None:
        corners = self._places(np.array(places_m)).astype(np.int32).reshape(-1, 1, 2)
        cv2.polylines(self.canvas, [corners], isClosed=False, color=color, lineType=cv2.LINE_AA)

    def _places(self, places_m: NDArray[np.float64]) -> NDArray[np.int64]:
        """Columns and rows of places x, y; shapes (n, 2)."""
        columns = (_ASIDE_M - places_m[:, 1]) * self._scale
        rows = (_AHEAD_M - places_m[:, 0]) * self._scale
        return np.floor(np.stack([columns, rows], axis=1)).astype(np.int64)


def _color(label: int) -> tuple[int, int, int]:
    return PALETTE[label % len(PALETTE)] if label >= 0 else _IGNORED
