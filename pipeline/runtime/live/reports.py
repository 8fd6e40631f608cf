"""A delivered result as one line of evidence."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.fusion import FusedResult
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D, Forecasts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import MaskSet, Result
    from pipeline.values import Plain

_MILLI = 3  # digits behind the point of metres and m/s
_ANGLE = 4  # of radians and scores


def result_line(path: str, frame: int, result: Result | FusedResult) -> dict[str, Plain]:
    """A result as JSON data.

    Boxes are left, top, right, bottom in pixels of the original picture, to a tenth; masks are
    bits, row by row, most significant first, in base64. Boxes in space are in the ego frame, to a
    millimetre; a velocity that is not known is null. Of a path from several sensors, each task's
    result stands in `parts`, and what camera and LiDAR say together in `objects`. Tracks come in
    when the run is over (`pipeline.api.following`).
    """
    head: dict[str, Plain] = {"path": path, "frame": frame}
    return {**head, **plain_result(result)}


def plain_result(result: Result | FusedResult) -> dict[str, Plain]:
    """A result as JSON data, without its path and frame."""
    match result:
        case FusedResult(parts=parts, objects=objects):
            each: dict[str, Plain] = {task: plain_result(part) for task, part in parts.items()}
            found: dict[str, Plain] = {"parts": each}
            return found if objects is None else {**found, "objects": plain_result(objects)}
        case Boxes():
            return {
                "boxes": _rows(result.xyxy, 1),
                "scores": _flat(result.scores, _ANGLE),
                "classes": [result.names[index] for index in result.classes.tolist()],
            }
        case Boxes3D():
            return {
                "centres_m": _rows(result.centres_m, _MILLI),
                "sizes_m": _rows(result.sizes_m, _MILLI),
                "yaws_rad": _flat(result.yaws_rad, _ANGLE),
                "velocities_mps": [
                    None if np.isnan(row).any() else _flat(row, _MILLI)
                    for row in result.velocities_mps
                ],
                "scores": _flat(result.scores, _ANGLE),
                "classes": [result.names[index] for index in result.classes.tolist()],
            }
        case Forecasts():
            return {
                "tracks": list(result.tracks.tolist()),
                "step_ns": result.step_ns,
                "positions_m": [_rows(way, _MILLI) for way in result.positions_m],
            }
        case _:
            return _masks(result)


def _masks(result: MaskSet) -> dict[str, Plain]:
    bits = np.packbits(result.masks.reshape(-1))
    return {
        "masks": list(result.names),
        "size": [result.masks.shape[2], result.masks.shape[1]],
        "bits": base64.b64encode(bits.tobytes()).decode(),
    }


def _rows(values: NDArray[np.float32], digits: int) -> list[Plain]:
    return [_flat(row, digits) for row in values]


def _flat(values: NDArray[np.float32], digits: int) -> list[Plain]:
    return [round(value, digits) for value in values.tolist()]
