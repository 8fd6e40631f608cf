"""Errors that only readers raise, beside those of the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.errors import SensorError

if TYPE_CHECKING:
    from pathlib import Path


class PeriodUnknownError(SensorError):
    """The recording does not say when its frames were taken; declare the stream's period."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; declare the stream's `period`")
        self.path, self.reason = path, reason


class BrokenReaderError(SensorError):
    """An installed reader plug-in cannot be used; repair or uninstall it."""

    def __init__(self, name: str, origin: str, reason: str) -> None:
        super().__init__(f"reader {name!r} ({origin}) is broken: {reason}")
        self.name, self.origin, self.reason = name, origin, reason
