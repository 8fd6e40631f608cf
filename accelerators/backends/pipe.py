"""What a backend's own process and its caller say to each other: JSON in packets, tensors beside.

Headers cross a Unix socket of kind SEQPACKET, which keeps their borders. Tensors lie in two
anonymous files of memory, one per direction, that both sides map; each grows as needed and can
never shrink, so that a process gone wrong cannot take pages away from under its caller.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from typing import TYPE_CHECKING, TypedDict, cast

import numpy as np

from accelerators.errors import BackendRunError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

LARGEST_HEADER = 1 << 16  # bytes; a thousand tensors with long names fit
_ALIGNED = 64  # bytes; a cache line, which is enough for any dtype and for vector loads


class TensorHeader(TypedDict):
    """Where a tensor lies in the memory beside, and what it is."""

    name: str
    dtype: str
    shape: list[int]
    offset: int


class Message(TypedDict, total=False):
    """A header. `op` is one of load, loaded, refused, run, done, cancel.

    `number` counts runs; `reason` is why something was refused or failed; `kind` the kind of
    error: `missing` for a file that is not there, else `load`.
    """

    op: str
    number: int
    artefact: str
    tensors: list[TensorHeader]
    inputs: list[TensorHeader]
    outputs: list[TensorHeader]
    fingerprint: str
    reason: str
    kind: str


def send(channel: socket.socket, message: Message) -> None:
    """Send a header.

    Raises:
        OSError: The other side is gone.
    """
    channel.send(json.dumps(message).encode())


def receive(channel: socket.socket) -> Message | None:
    """The next header; None at the end.

    Raises:
        ValueError: It is no such header.
        OSError: The channel broke, or nothing came within the channel's timeout.
    """
    packet = channel.recv(LARGEST_HEADER)
    if not packet:
        return None
    found: object = json.loads(packet)
    if not isinstance(found, dict) or not isinstance(found.get("op"), str):
        raise ValueError("no header")  # noqa: TRY004 - the text is wrong, whatever its type
    return cast("Message", found)


class Memory:
    """Anonymous memory that two processes map, for the tensors of one direction."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Make new memory, or take the one of a descriptor, which is closed with it."""
        if descriptor is None:
            descriptor = os.memfd_create("splitway", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        self.descriptor = descriptor
        self._map: mmap.mmap | None = None

    def put(self, tensors: Mapping[str, Array]) -> list[TensorHeader]:
        """Copy tensors in, and say where they lie; what lay there before is gone."""
        headers: list[TensorHeader] = []
        ends = 0
        for name, array in tensors.items():
            offset = -(-ends // _ALIGNED) * _ALIGNED
            ends = offset + array.nbytes
            headers.append(
                TensorHeader(
                    name=name, dtype=str(array.dtype), shape=list(array.shape), offset=offset
                )
            )
        whole = self._mapped(ends, grow=True)
        for header, array in zip(headers, tensors.values(), strict=True):
            _view(whole, header)[...] = array
        return headers

    def get(self, headers: Sequence[TensorHeader]) -> dict[str, Array]:
        """Copies of the tensors that headers describe.

        Raises:
            BackendRunError: A header points outside, or is none.
        """
        try:
            ends = max((h["offset"] + _bytes(h) for h in headers), default=0)
            if any(h["offset"] < 0 or min(h["shape"], default=0) < 0 for h in headers):
                raise ValueError("a size is negative")  # noqa: TRY301 - handled as the others are
            whole = self._mapped(ends, grow=False)
            return {h["name"]: np.array(_view(whole, h)) for h in headers}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as err:
            raise BackendRunError("process", f"its answer describes no tensors: {err}") from err

    def close(self) -> None:
        """Release the memory on this side."""
        if self._map is not None:
            self._map.close()
            self._map = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _mapped(self, size_bytes: int, *, grow: bool) -> mmap.mmap:
        size_bytes = max(1, size_bytes)
        if self._map is None or len(self._map) < size_bytes:
            held_bytes = os.fstat(self.descriptor).st_size
            if held_bytes < size_bytes:
                if not grow:
                    raise ValueError(f"{size_bytes} bytes of {held_bytes}")
                os.ftruncate(self.descriptor, size_bytes)
            if self._map is not None:
                self._map.close()
            self._map = mmap.mmap(self.descriptor, size_bytes)
        return self._map


def _view(whole: mmap.mmap, header: TensorHeader) -> Array:
    count = int(np.prod(header["shape"], dtype=np.int64))
    flat: Array = np.frombuffer(
        whole, dtype=np.dtype(header["dtype"]), count=count, offset=header["offset"]
    )
    return flat.reshape(header["shape"])


def _bytes(header: TensorHeader) -> int:
    return int(np.prod(header["shape"], dtype=np.int64)) * np.dtype(header["dtype"]).itemsize
