"""What decoders of boxes in space share: their bytes, and how far two sets of them agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.protocol import Boxes3D

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result

MATCH_M = 2.0
"""Distance of centres on the ground up to which two boxes are one object: the matching of
nuScenes' detection task (Caesar et al., 2020, arXiv 1903.11027) at its threshold of 2 m."""

_VERSION = 1
_HEAD = np.dtype([("version", "u1"), ("reserved", "u1"), ("count", "<u2")])
_ROW = np.dtype(
    [
        ("centre", "<f4", (3,)),
        ("size", "<f4", (3,)),
        ("yaw", "<f4"),
        ("velocity", "<f4", (2,)),
        ("score", "<f4"),
        ("class", "<u2"),
    ]
)


def encode_space(decoder: str, result: Result, most: int) -> NDArray[np.uint8]:
    """Write boxes in space as little-endian bytes; shape (bytes,).

    Version (uint8, 1), reserved (uint8, 0), count (uint16), then for each box ten float32 (centre
    x, y, z; length, width, height; yaw; velocity x, y; score) and class (uint16): 4 + 42 * boxes in
    all. A velocity may be not-a-number, for unknown; nothing else may.

    Raises:
        OutputContractError: Not boxes in space, or more than `most` of them.
    """
    boxes = require_space(decoder, result)
    if len(boxes) > most:
        raise OutputContractError(decoder, f"{len(boxes)} boxes, at most {most}")
    buffer = np.zeros(_HEAD.itemsize + len(boxes) * _ROW.itemsize, np.uint8)
    buffer[: _HEAD.itemsize].view(_HEAD)[0] = (_VERSION, 0, len(boxes))
    rows = buffer[_HEAD.itemsize :].view(_ROW)
    rows["centre"], rows["size"], rows["yaw"] = boxes.centres_m, boxes.sizes_m, boxes.yaws_rad
    rows["velocity"], rows["score"] = boxes.velocities_mps, boxes.scores
    rows["class"] = boxes.classes
    return buffer


def decode_space(
    decoder: str, buffer: NDArray[np.uint8], names: tuple[str, ...], most: int
) -> Boxes3D:
    """Read boxes in space from their bytes.

    Raises:
        OutputContractError: Length, version, a class or a value does not fit.
    """
    data = np.array(buffer, dtype=np.uint8, order="C")
    if data.ndim != 1 or data.size < _HEAD.itemsize:
        raise OutputContractError(decoder, "the result is cut short")
    head = data[: _HEAD.itemsize].view(_HEAD)[0]
    count = int(head["count"])
    if int(head["version"]) != _VERSION or int(head["reserved"]) != 0:
        raise OutputContractError(decoder, f"version {int(head['version'])} is unknown")
    if count > most or data.size != _HEAD.itemsize + count * _ROW.itemsize:
        raise OutputContractError(decoder, f"{data.size} bytes cannot hold {count} boxes")
    rows = data[_HEAD.itemsize :].view(_ROW)
    found = Boxes3D(
        centres_m=rows["centre"].astype(np.float32),
        sizes_m=rows["size"].astype(np.float32),
        yaws_rad=rows["yaw"].astype(np.float32),
        velocities_mps=rows["velocity"].astype(np.float32),
        scores=rows["score"].astype(np.float32),
        classes=rows["class"].astype(np.int64),
        names=names,
    )
    finite = all(
        np.isfinite(values).all() for values in (found.centres_m, found.sizes_m, found.yaws_rad)
    )
    scored = ((found.scores >= 0) & (found.scores <= 1)).all()
    if not finite or not scored or np.isinf(found.velocities_mps).any():
        raise OutputContractError(decoder, "a box or a score is out of its range")
    if (found.classes >= len(names)).any():
        raise OutputContractError(decoder, f"a class is beyond {len(names)}")
    return found


def require_space(decoder: str, result: Result) -> Boxes3D:
    """The result, which must be boxes in space.

    Raises:
        OutputContractError: It is something else.
    """
    if not isinstance(result, Boxes3D):
        raise OutputContractError(decoder, f"takes boxes in space, not {type(result).__name__}")
    return result


def space_f1(found: Boxes3D, reference: Boxes3D) -> float:
    """F1 of two sets of boxes whose centres are at most 2 m apart on the ground, by class.

    Found boxes are matched in their order, the surest first, each to the nearest free reference box
    of its class. F1 is twice the matches over the boxes of both sets; 1 where both are empty.
    """
    if not len(found) and not len(reference):
        return 1.0
    free = np.ones(len(reference), dtype=bool)
    matches = 0
    places = reference.centres_m[:, :2].astype(np.float64)
    for centre, kind in zip(found.centres_m.astype(np.float64), found.classes, strict=True):
        rivals = np.flatnonzero(free & (reference.classes == kind))
        if not rivals.size:
            continue
        apart = np.hypot(*(places[rivals] - centre[:2]).T)
        best = int(np.argmin(apart))
        if apart[best] <= MATCH_M:
            free[rivals[best]] = False
            matches += 1
    return 2 * matches / (len(found) + len(reference))
