"""Labels as JSON, exact to the bit, and the schema that a recording carries for them.

A float32 is written as the shortest decimal of the equal float64, which reads back to the same
bits; NaN, which stands for "unknown", is null. Masks are pictures of their own beside the message,
which names them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from sensors.labels import FrameLabels, Futures, LabelMasks, Labels2D, Labels3D

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_Number = float | None
_NUMBER = {"type": ["number", "null"]}


class _Object2D(TypedDict):
    track: int
    label: int
    xyxy: list[_Number]
    visibility: _Number
    truncation: _Number
    distance_m: _Number


class _Object3D(TypedDict):
    track: int
    label: int
    centre_m: list[_Number]
    size_m: list[_Number]
    yaw_rad: _Number
    velocity_mps: list[_Number]
    points: int


class _Future(TypedDict):
    track: int
    positions_m: list[list[_Number]]
    valid: list[bool]


class _Boxes(TypedDict):
    names: list[str]
    objects: list[_Object2D]


class _Boxes3D(TypedDict):
    names: list[str]
    objects: list[_Object3D]


class _Futures(TypedDict):
    step_ns: int
    steps: int
    objects: list[_Future]


class _Document(TypedDict):
    stream: str
    index: int
    stamp_ns: int
    boxes: _Boxes | None
    boxes_3d: _Boxes3D | None
    futures: _Futures | None
    masks: list[str] | None


def labels_text(labels: FrameLabels) -> bytes:
    """Everything of a frame's labels but the pixels of its masks, as one line of JSON.

    Raises:
        ValueError: A number is infinite, which JSON cannot say.
    """
    document: _Document = {
        "stream": labels.stream,
        "index": labels.index,
        "stamp_ns": labels.stamp_ns,
        "boxes": None if labels.boxes is None else _boxes(labels.boxes),
        "boxes_3d": None if labels.boxes_3d is None else _boxes_3d(labels.boxes_3d),
        "futures": None if labels.futures is None else _futures(labels.futures),
        "masks": None if labels.masks is None else list(labels.masks.names),
    }
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


def read_labels(text: bytes, *, index: int, masks: Mapping[str, NDArray[np.bool_]]) -> FrameLabels:
    """Labels from what `labels_text` wrote.

    Args:
        text: The message.
        index: Number of the labelled frame in its stream as it is read now.
        masks: Pixels of the masks that belong to it, each of shape (height, width).

    Raises:
        ValueError: It is not what `labels_text` writes, or a mask is missing.
    """
    try:
        said: _Document = json.loads(text)
        return FrameLabels(
            stream=said["stream"],
            index=index,
            stamp_ns=said["stamp_ns"],
            boxes=None if said["boxes"] is None else _read_boxes(said["boxes"]),
            boxes_3d=None if said["boxes_3d"] is None else _read_boxes_3d(said["boxes_3d"]),
            futures=None if said["futures"] is None else _read_futures(said["futures"]),
            masks=None if said["masks"] is None else _read_masks(said["masks"], masks),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        msg = f"no labels: {type(error).__name__}: {error}"
        raise ValueError(msg) from error


def labels_schema() -> bytes:
    """JSON schema of the message."""
    numbers = {"type": "array", "items": _NUMBER}
    whole, names = {"type": "integer"}, {"type": "array", "items": {"type": "string"}}
    return _schema(
        {
            "stream": {"type": "string"},
            "index": whole,
            "stamp_ns": whole,
            "boxes": _group(
                names,
                track=whole,
                label=whole,
                xyxy=numbers,
                visibility=_NUMBER,
                truncation=_NUMBER,
                distance_m=_NUMBER,
            ),
            "boxes_3d": _group(
                names,
                track=whole,
                label=whole,
                centre_m=numbers,
                size_m=numbers,
                yaw_rad=_NUMBER,
                velocity_mps=numbers,
                points=whole,
            ),
            "futures": _group(
                None,
                track=whole,
                positions_m={"type": "array", "items": numbers},
                valid={"type": "array", "items": {"type": "boolean"}},
            ),
            "masks": {"type": ["array", "null"], "items": {"type": "string"}},
        }
    )


def imu_schema() -> bytes:
    """JSON schema of an inertial sample."""
    three = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    return _schema({"acceleration_mps2": three, "angular_velocity_radps": three})


def _schema(properties: Mapping[str, object]) -> bytes:
    return json.dumps({"type": "object", "properties": properties}, separators=(",", ":")).encode()


def _group(names: Mapping[str, object] | None, **columns: Mapping[str, object]) -> object:
    row = {"type": "object", "properties": columns}
    properties: dict[str, object] = {"objects": {"type": "array", "items": row}}
    if names is None:
        properties |= {"step_ns": {"type": "integer"}, "steps": {"type": "integer"}}
    else:
        properties["names"] = names
    return {"type": ["object", "null"], "properties": properties}


# -- writing ---------------------------------------------------------------------------------------


def _boxes(labels: Labels2D) -> _Boxes:
    columns = (
        labels.tracks.tolist(),
        labels.classes.tolist(),
        _rows(labels.xyxy),
        _column(labels.visibility),
        _column(labels.truncation),
        _column(labels.distances_m),
    )
    return {
        "names": list(labels.names),
        "objects": [
            {
                "track": track,
                "label": label,
                "xyxy": xyxy,
                "visibility": visibility,
                "truncation": truncation,
                "distance_m": distance,
            }
            for track, label, xyxy, visibility, truncation, distance in zip(*columns, strict=True)
        ],
    }


def _boxes_3d(labels: Labels3D) -> _Boxes3D:
    columns = (
        labels.tracks.tolist(),
        labels.classes.tolist(),
        _rows(labels.centres_m),
        _rows(labels.sizes_m),
        _column(labels.yaws_rad),
        _rows(labels.velocities_mps),
        labels.points.tolist(),
    )
    return {
        "names": list(labels.names),
        "objects": [
            {
                "track": track,
                "label": label,
                "centre_m": centre,
                "size_m": size,
                "yaw_rad": yaw,
                "velocity_mps": velocity,
                "points": points,
            }
            for track, label, centre, size, yaw, velocity, points in zip(*columns, strict=True)
        ],
    }


def _futures(futures: Futures) -> _Futures:
    columns = (futures.tracks.tolist(), futures.positions_m, futures.valid.tolist())
    return {
        "step_ns": futures.step_ns,
        "steps": futures.valid.shape[1],
        "objects": [
            {"track": track, "positions_m": _rows(positions), "valid": valid}
            for track, positions, valid in zip(*columns, strict=True)
        ],
    }


def _column(values: NDArray[np.float32]) -> list[_Number]:
    """Numbers with None in place of NaN."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN


def _rows(values: NDArray[np.float32]) -> list[list[_Number]]:
    return [_column(row) for row in values]


# -- reading ---------------------------------------------------------------------------------------


def _read_boxes(said: _Boxes) -> Labels2D:
    rows = said["objects"]
    return Labels2D(
        names=tuple(said["names"]),
        tracks=_whole([row["track"] for row in rows]),
        classes=_classes([row["label"] for row in rows], len(said["names"])),
        xyxy=_floats([row["xyxy"] for row in rows], len(rows), 4),
        visibility=_floats([row["visibility"] for row in rows], len(rows)),
        truncation=_floats([row["truncation"] for row in rows], len(rows)),
        distances_m=_floats([row["distance_m"] for row in rows], len(rows)),
    )


def _read_boxes_3d(said: _Boxes3D) -> Labels3D:
    rows = said["objects"]
    return Labels3D(
        names=tuple(said["names"]),
        tracks=_whole([row["track"] for row in rows]),
        classes=_classes([row["label"] for row in rows], len(said["names"])),
        centres_m=_floats([row["centre_m"] for row in rows], len(rows), 3),
        sizes_m=_floats([row["size_m"] for row in rows], len(rows), 3),
        yaws_rad=_floats([row["yaw_rad"] for row in rows], len(rows)),
        velocities_mps=_floats([row["velocity_mps"] for row in rows], len(rows), 2),
        points=_whole([row["points"] for row in rows]),
    )


def _read_futures(said: _Futures) -> Futures:
    rows, steps = said["objects"], said["steps"]
    valid = np.array([row["valid"] for row in rows], np.bool_).reshape(len(rows), steps)
    return Futures(
        tracks=_whole([row["track"] for row in rows]),
        step_ns=said["step_ns"],
        positions_m=_floats([row["positions_m"] for row in rows], len(rows), steps, 2),
        valid=valid,
    )


def _read_masks(names: list[str], found: Mapping[str, NDArray[np.bool_]]) -> LabelMasks:
    if not names:
        return LabelMasks(names=(), masks=np.zeros((0, 0, 0), np.bool_))
    missing = [name for name in names if name not in found]
    if missing:
        msg = f"no picture of mask {missing[0]!r} beside the labels"
        raise ValueError(msg)
    shapes = {found[name].shape for name in names}
    if len(shapes) > 1:
        msg = f"masks of one frame differ in size: {sorted(shapes)}"
        raise ValueError(msg)
    return LabelMasks(names=tuple(names), masks=np.stack([found[name] for name in names]))


def _whole(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64).reshape(len(values))


def _classes(values: list[int], names: int) -> NDArray[np.int64]:
    found = _whole(values)
    if found.size and not (found.min() >= -1 and found.max() < names):
        msg = f"a class is none of the {names} names"
        raise ValueError(msg)
    return found


def _floats(values: object, *shape: int) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(shape)
