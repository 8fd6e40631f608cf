"""Errors of the sensors room: what is wrong with a recording, divided by what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class SensorError(Exception):
    """Base of everything that can be wrong with recorded or synthetic sensor data."""


class RecordingNotFoundError(SensorError):
    """There is no recording at this place; put one there or name another."""

    def __init__(self, path: Path, hint: str = "") -> None:
        super().__init__(f"{path}: no such recording" + (f"; {hint}" if hint else ""))
        self.path, self.hint = path, hint


class RecordingCorruptError(SensorError):
    """The bytes on disk contradict the recording's own index, or cannot be decoded."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class RecordingFormatError(SensorError):
    """No reader knows this kind of file; convert it or name a reader's format."""

    def __init__(self, path: Path, known: Iterable[str]) -> None:
        self.path, self.known = path, tuple(known)
        super().__init__(f"{path}: no reader knows this format; known: {', '.join(self.known)}")


class StreamMissingError(SensorError):
    """The recording has no stream of this name."""

    def __init__(self, path: Path, stream: str, available: Iterable[str]) -> None:
        self.path, self.stream, self.available = path, stream, tuple(available)
        have = ", ".join(self.available) or "none"
        super().__init__(f"{path}: no stream {stream!r}; it has {have}")
