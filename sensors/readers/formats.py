"""What an entry point of the group `splitway.readers` refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensors.readers.protocol import DriveReader


class MakeReader(Protocol):
    """Makes a reader without touching the disk; a reader class fits."""

    def __call__(self, path: Path, *, stream: str, period_ns: int | None) -> DriveReader:
        """Return a reader of `path`, still closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFormat:
    """One kind of recording: how it is recognised and who reads it.

    The value is itself the factory: `open_video(path, stream="front")`.

    Attributes:
        summary: What is recognised, in a few words, such as "folders of .png, .jpg".
        accepts: Whether an existing path looks like this format; cheap, decodes nothing.
        make: Makes the reader of an accepted path.
    """

    summary: str
    accepts: Callable[[Path], bool]
    make: MakeReader

    def __call__(self, path: Path, *, stream: str, period_ns: int | None = None) -> DriveReader:
        """Return a reader of `path` without opening it.

        Args:
            path: The recording.
            stream: Name that its frames shall carry.
            period_ns: Declared nominal period in ns, above 0; None takes the recording's own.
        """
        return self.make(path, stream=stream, period_ns=period_ns)
