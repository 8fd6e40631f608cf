"""Errors of writing recordings; those of reading are the room's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.errors import SensorError

if TYPE_CHECKING:
    from pathlib import Path

_MB = 1_000_000


class RecordingExistsError(SensorError):
    """There is a file where the recording should go; name another, or say that it may go."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: there is a file already; name another, or give --force")
        self.path = path


class RecordingWriteError(SensorError):
    """The recording cannot be written, such as on a full disk; nothing half remains."""

    def __init__(self, path: Path, written_bytes: int, cause: OSError) -> None:
        reason = cause.strerror or str(cause)
        self.path, self.written_bytes, self.reason = path, written_bytes, reason
        told = f" after {written_bytes / _MB:.1f} MB" if written_bytes else ""
        super().__init__(f"{path}: it cannot be written{told}: {reason}; no file was left behind")


class LabelsStrayError(SensorError):
    """Labels do not go with the frames of their drive: mend what makes them."""

    def __init__(self, stream: str, index: int, frames: int) -> None:
        super().__init__(
            f"labels of frame {index} of stream {stream!r} do not go with the frames: after"
            f" {frames} frames of it they belong to none, or come out of their order"
        )
        self.stream, self.index, self.frames = stream, index, frames
