"""Results as evidence holds them, a line of JSON each, and back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import EvidenceError
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D, Forecasts, MaskSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result
    from pipeline.values import Plain


def result_of(line: Mapping[str, Plain], names: tuple[str, ...] = ()) -> Result:
    """A result from its line, or from the part of a line that one task's result stands in.

    Args:
        line: The line.
        names: Names of classes to begin with; those that occur besides come behind.

    Raises:
        EvidenceError: It is none.
    """
    try:
        if "boxes" in line:
            known, classes = _classes(line, names)
            return Boxes(
                xyxy=np.array(line["boxes"], np.float32).reshape(-1, 4),
                scores=np.array(line["scores"], np.float32),
                classes=classes,
                names=known,
            )
        if "centres_m" in line:
            return _space(line, names)
        if "positions_m" in line:
            return _forecasts(line)
        return _masks(line)
    except (KeyError, TypeError, ValueError, IndexError) as err:
        raise EvidenceError(f"a line of results holds no result: {err}") from err


def _space(line: Mapping[str, Plain], names: tuple[str, ...]) -> Boxes3D:
    known, classes = _classes(line, names)
    velocities = line["velocities_mps"]
    rows = velocities if isinstance(velocities, list) else []
    told = [[np.nan, np.nan] if row is None else row for row in rows]
    return Boxes3D(
        centres_m=np.array(line["centres_m"], np.float32).reshape(-1, 3),
        sizes_m=np.array(line["sizes_m"], np.float32).reshape(-1, 3),
        yaws_rad=np.array(line["yaws_rad"], np.float32),
        velocities_mps=np.array(told, np.float32).reshape(-1, 2),
        scores=np.array(line["scores"], np.float32),
        classes=classes,
        names=known,
    )


def _forecasts(line: Mapping[str, Plain]) -> Forecasts:
    tracks = np.array(line["tracks"], np.int64)
    ways = np.array(line["positions_m"], np.float32)
    return Forecasts(
        tracks=tracks,
        step_ns=int(str(line["step_ns"])),
        positions_m=ways.reshape(len(tracks), -1, 2) if len(tracks) else ways.reshape(0, 0, 2),
    )


def _masks(line: Mapping[str, Plain]) -> MaskSet:
    masks = _texts(line["masks"])
    width, height = np.array(line["size"], np.int64).tolist()
    bits = np.frombuffer(base64.b64decode(str(line["bits"])), np.uint8)
    count = len(masks) * height * width
    shaped = np.unpackbits(bits, count=count).reshape(len(masks), height, width)
    return MaskSet(names=masks, masks=shaped.astype(np.bool_))


def _classes(
    line: Mapping[str, Plain], begin: tuple[str, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names = _texts(line["classes"])
    known = tuple(dict.fromkeys([*begin, *names]))
    return known, np.array([known.index(name) for name in names], np.int64)


def _texts(value: Plain) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
