"""Late fusion: results of several tasks side by side, each still in its own picture.

As bytes: four bytes of length, little-endian, then that much JSON, a list of [task, bytes], then
the coded results in that order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import OutputDecoder, Result

_LENGTH_BYTES = 4
_MOST_PARTS = 16
_NAME = "fused"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusedResult:
    """What several sensors say of one moment.

    Attributes:
        parts: Result of each task; a partner that was missing is not in it.
    """

    parts: Mapping[str, Result]


class FusedDecoder:
    """Gives fused results back from their bytes.

    Args:
        decoders: Decoder of each task that may take part.
    """

    def __init__(self, decoders: Mapping[str, OutputDecoder]) -> None:
        self._decoders = decoders

    def decode_result(self, buffer: NDArray[np.uint8]) -> FusedResult:
        """Give a result back from its bytes.

        Raises:
            OutputContractError: The bytes are no fused result, or a part's decoder refuses them.
        """
        parts: dict[str, Result] = {}
        for task, body in split_results(buffer):
            if task not in self._decoders:
                raise OutputContractError(_NAME, f"a result of task {task!r} is not expected")
            parts[task] = self._decoders[task].decode_result(body)
        return FusedResult(parts=parts)


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
