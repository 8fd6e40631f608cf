"""Errors that only readers raise, beside those of the room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.errors import SensorError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class PeriodUnknownError(SensorError):
    """The recording does not say when its frames were taken; declare the stream's period."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; declare the stream's `period`")
        self.path, self.reason = path, reason


class TopicError(SensorError):
    """Which of a recording's streams is meant is wrong or not plain; name another topic."""

    def __init__(self, path: Path, reason: str, topics: Iterable[str] = ()) -> None:
        self.path, self.reason, self.topics = path, reason, tuple(topics)
        have = f"; its topics: {', '.join(self.topics)}" if self.topics else ""
        super().__init__(f"{path}: {reason}{have}")


class ReaderExtraError(SensorError):
    """A package is missing that this kind of recording needs; install the extra."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} need the package {package}, which is not installed;"
            f" `pip install 'splitway[{extra}]'` brings it"
        )
        self.what, self.package, self.extra = what, package, extra


class BrokenReaderError(SensorError):
    """An installed reader plug-in cannot be used; repair or uninstall it."""

    def __init__(self, name: str, origin: str, reason: str) -> None:
        super().__init__(f"reader {name!r} ({origin}) is broken: {reason}")
        self.name, self.origin, self.reason = name, origin, reason
