"""Late fusion: results of several tasks side by side, and what cameras and LiDAR say together.

As bytes: four bytes of length, little-endian, then that much JSON, a list of [task, bytes], then
the coded results in that order. What was said together comes last, under the name `=objects`, which
no task can have; it is coded as `pipeline.tasks.outputs.space.encode_space` says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.fusion.space import View, combine
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import OutputDecoder, Result
    from sensors.calibration import Calibration

OBJECTS = "=objects"
"""Name of the part that holds what cameras and LiDAR say together."""

_LENGTH_BYTES = 4
_MOST_PARTS = 16
_NAME = "fused"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusedResult:
    """What several sensors say of one moment.

    Attributes:
        parts: Result of each task; a partner that was missing is not in it.
        objects: What cameras and LiDAR say together, where both are there; None otherwise.
    """

    parts: Mapping[str, Result]
    objects: Boxes3D | None = None


class FusedDecoder:
    """Joins coded results of tasks, and gives fused results back from their bytes.

    Args:
        decoders: Decoder of each task that may take part.
        calibrations: Where sensors sit, by task; a task without one is joined and no more.
    """

    def __init__(
        self,
        decoders: Mapping[str, OutputDecoder],
        calibrations: Mapping[str, Calibration] | None = None,
    ) -> None:
        self._decoders = decoders
        self._cameras = {
            task: found
            for task, found in (calibrations or {}).items()
            if task in decoders and decoders[task].kind == "boxes" and found.intrinsics is not None
        }
        self._space = next((t for t, d in decoders.items() if d.kind == "boxes_3d"), None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that may take part."""
        return tuple(self._decoders)

    def join(self, parts: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
        """Coded results of tasks as one, with what cameras and LiDAR say together.

        Raises:
            OutputContractError: A part's decoder refuses it.
        """
        given = dict(parts)
        seen = {task: self._decoders[task] for task in self._cameras if task in given}
        if self._space not in given or self._space is None or not seen:
            return join_results(parts)
        space = self._decoders[self._space]
        found = space.decode_result(given[self._space])
        views = [
            View(calibration=self._cameras[task], boxes=boxes)
            for task, decoder in seen.items()
            if isinstance(boxes := decoder.decode_result(given[task]), Boxes)
        ]
        if not isinstance(found, Boxes3D):
            return join_results(parts)
        return join_results([*parts, (OBJECTS, space.encode(combine(found, views)))])

    def decode_result(self, buffer: NDArray[np.uint8]) -> FusedResult:
        """Give a result back from its bytes.

        Raises:
            OutputContractError: The bytes are no fused result, or a part's decoder refuses them.
        """
        parts: dict[str, Result] = {}
        objects: Boxes3D | None = None
        for task, body in split_results(buffer):
            if task == OBJECTS and self._space is not None:
                together = self._decoders[self._space].decode_result(body)
                objects = together if isinstance(together, Boxes3D) else None
                continue
            if task not in self._decoders:
                raise OutputContractError(_NAME, f"a result of task {task!r} is not expected")
            parts[task] = self._decoders[task].decode_result(body)
        return FusedResult(parts=parts, objects=objects)


def join_results(parts: Sequence[tuple[str, NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Coded results of tasks as one; shape (bytes,), uint8."""
    head = json.dumps([[task, body.nbytes] for task, body in parts]).encode()
    length = len(head).to_bytes(_LENGTH_BYTES, "little")
    start = np.frombuffer(length + head, np.uint8)
    return np.concatenate([start, *(body.reshape(-1) for _, body in parts)])


def split_results(buffer: NDArray[np.uint8]) -> list[tuple[str, NDArray[np.uint8]]]:
    """Tasks with their coded results.

    Raises:
        OutputContractError: The bytes are no fused result.
    """
    flat = buffer.reshape(-1)
    start = _LENGTH_BYTES + int.from_bytes(flat[:_LENGTH_BYTES].tobytes(), "little")
    try:
        listed: object = json.loads(flat[_LENGTH_BYTES:start].tobytes())
    except ValueError as err:
        raise OutputContractError(_NAME, f"its list of parts cannot be read: {err}") from err
    if not isinstance(listed, list) or len(listed) > _MOST_PARTS:
        raise OutputContractError(_NAME, "its list of parts is none")
    found = []
    for entry in listed:
        match entry:
            case [str(task), int(size)] if size >= 0:
                found.append((task, flat[start : start + size]))
                start += size
            case _:
                raise OutputContractError(_NAME, f"a part is named by {entry!r}")
    if start != flat.size:
        raise OutputContractError(_NAME, f"it has {flat.size} bytes, its parts have {start}")
    return found
