"""KITTI's label files as boxes in the picture and in space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensors.errors import RecordingCorruptError
from sensors.labels import Labels2D, Labels3D
from sensors.readers._kitti_calibration import VELODYNE_HEIGHT_M

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sensors.readers._kitti_calibration import Rigid

NAMES = ("car", "van", "truck", "pedestrian", "person_sitting", "cyclist", "tram", "misc")
"""KITTI's types in lower case, in the order of its development kit."""

_IGNORED = "dontcare"
_COLUMNS = 15  # type, truncated, occluded, alpha, box (4), height, width, length, x, y, z, rotation
_VISIBILITY = {0: 1.0, 1: 0.5, 2: 0.2}  # fully visible, partly and largely occluded; coarse as told
_TRACKS_PER_FRAME = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiObjectLabel:
    """One line of a label file.

    Attributes:
        name: The type in lower case, one of `NAMES`; empty for an area to be ignored.
        truncation: Share outside the picture, 0 to 1; NaN for what is ignored.
        visibility: Share that nothing covers, coarse; NaN where unknown.
        xyxy: Left, top, right, bottom, pixels.
        size_m: Length, width, height.
        bottom_m: Middle of the bottom in the rectified reference camera's frame.
        turn_rad: About that camera's y axis, which points down; 0 is along its x axis.
    """

    name: str
    truncation: float
    visibility: float
    xyxy: tuple[float, float, float, float]
    size_m: tuple[float, float, float]
    bottom_m: tuple[float, float, float]
    turn_rad: float


def read_objects(path: Path) -> list[KittiObjectLabel]:
    """Return the lines of a label file; a file may be empty.

    Raises:
        RecordingCorruptError: A line has wrong columns, an unknown type, or numbers that cannot be.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (UnicodeDecodeError, FileNotFoundError) as error:
        raise RecordingCorruptError(path, f"no labels: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_parsed(line.split()))
            except ValueError as error:
                raise RecordingCorruptError(path, f"line {number}: {error}") from error
    if len(found) >= _TRACKS_PER_FRAME:
        raise RecordingCorruptError(path, f"it has {len(found)} objects, more than a frame can")
    return found


def labels_2d(objects: Sequence[KittiObjectLabel], frame: int, size: tuple[int, int]) -> Labels2D:
    """Boxes in the picture, cut off at its edge; areas to be ignored are class -1."""
    corners = np.array([one.xyxy for one in objects], np.float32).reshape(-1, 4)
    corners[:, 0::2] = corners[:, 0::2].clip(0, size[0])
    corners[:, 1::2] = corners[:, 1::2].clip(0, size[1])
    return Labels2D(
        names=NAMES,
        tracks=_tracks(frame, range(len(objects))),
        classes=_classes(objects),
        xyxy=corners,
        visibility=np.array([one.visibility for one in objects], np.float32),
        truncation=np.array([one.truncation for one in objects], np.float32),
        distances_m=np.array([_distance_m(one) for one in objects], np.float32),
    )


def labels_3d(
    objects: Sequence[KittiObjectLabel],
    frame: int,
    reference: Rigid,
    sweep: NDArray[np.float32] | None,
) -> Labels3D:
    """Boxes in the ego frame; areas to be ignored have none.

    Args:
        objects: Of one frame.
        frame: Its number.
        reference: From the velodyne to the rectified reference camera.
        sweep: Points of the velodyne, shape (n, 4), in which those on objects are counted; None
            counts none.
    """
    rows = [row for row, one in enumerate(objects) if one.name]
    kept = [objects[row] for row in rows]
    middles = np.array([one.bottom_m for one in kept], np.float64).reshape(-1, 3)
    sizes = np.array([one.size_m for one in kept], np.float64).reshape(-1, 3)
    middles[:, 1] -= sizes[:, 2] / 2  # y points down
    centres = reference.back(middles) + np.array([0.0, 0.0, VELODYNE_HEIGHT_M])
    turns = np.array([one.turn_rad for one in kept], np.float64)
    ahead = np.stack([np.cos(turns), np.zeros(len(kept)), -np.sin(turns)], axis=1) @ reference.turn
    yaws = np.arctan2(ahead[:, 1], ahead[:, 0])
    counts = np.full(len(kept), -1, np.int64)
    if sweep is not None:
        counts = _counted(sweep, centres, sizes, yaws)
    return Labels3D(
        names=NAMES,
        tracks=_tracks(frame, rows),
        classes=_classes(kept),
        centres_m=centres.astype(np.float32),
        sizes_m=sizes.astype(np.float32),
        yaws_rad=yaws.astype(np.float32),
        velocities_mps=np.full((len(kept), 2), np.nan, np.float32),
        points=counts,
    )


def _counted(
    sweep: NDArray[np.float32],
    centres_m: NDArray[np.float64],
    sizes_m: NDArray[np.float64],
    yaws_rad: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Number of points inside each box."""
    points = sweep[:, :3].astype(np.float64) + np.array([0.0, 0.0, VELODYNE_HEIGHT_M])
    counts = np.zeros(len(centres_m), np.int64)
    for row, (centre, size, yaw) in enumerate(zip(centres_m, sizes_m, yaws_rad, strict=True)):
        away = points - centre
        cos, sin = math.cos(yaw), math.sin(yaw)
        along = away[:, 0] * cos + away[:, 1] * sin
        across = away[:, 1] * cos - away[:, 0] * sin
        inside = (np.abs(along) <= size[0] / 2) & (np.abs(across) <= size[1] / 2)
        counts[row] = np.count_nonzero(inside & (np.abs(away[:, 2]) <= size[2] / 2))
    return counts


def _parsed(words: Sequence[str]) -> KittiObjectLabel:
    if len(words) != _COLUMNS:
        msg = f"it has {len(words)} columns, labels of KITTI have {_COLUMNS}"
        raise ValueError(msg)
    name = words[0].lower()
    if name not in (*NAMES, _IGNORED):
        msg = f"{words[0]!r} is no type of KITTI; known: {', '.join(NAMES)}, {_IGNORED}"
        raise ValueError(msg)
    numbers = [float(word) for word in words[1:]]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a number in it is not finite")
    truncation, occlusion, _, left, top, right, bottom, high, wide, long, x, y, z, turn = numbers
    if left >= right or top >= bottom:
        msg = f"its box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) is empty"
        raise ValueError(msg)
    ignored = name == _IGNORED
    if not ignored and (min(high, wide, long) <= 0 or not 0 <= truncation <= 1):
        msg = f"its size {high:g}x{wide:g}x{long:g} m or truncation {truncation:g} cannot be"
        raise ValueError(msg)
    return KittiObjectLabel(
        name="" if ignored else name,
        truncation=math.nan if ignored else truncation,
        visibility=math.nan if ignored else _VISIBILITY.get(int(occlusion), math.nan),
        xyxy=(left, top, right, bottom),
        size_m=(long, wide, high),
        bottom_m=(x, y, z),
        turn_rad=turn,
    )


def _classes(objects: Sequence[KittiObjectLabel]) -> NDArray[np.int64]:
    return np.array([NAMES.index(one.name) if one.name else -1 for one in objects], np.int64)


def _tracks(frame: int, rows: Sequence[int]) -> NDArray[np.int64]:
    return np.array([frame * _TRACKS_PER_FRAME + row for row in rows], np.int64)


def _distance_m(one: KittiObjectLabel) -> float:
    x, y, z = one.bottom_m
    return math.hypot(x, y - one.size_m[2] / 2, z) if one.name else math.nan
