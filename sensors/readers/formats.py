"""What an entry point of the group `splitway.readers` refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sensors.readers.errors import TopicError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sensors.frames import StreamKind
    from sensors.readers.protocol import DriveReader


class MakeReader(Protocol):
    """Makes a reader of a recording of one stream without touching the disk; a class fits."""

    def __call__(self, path: Path, *, stream: str, period_ns: int | None) -> DriveReader:
        """Return a reader of `path`, still closed."""


class PickReader(Protocol):
    """Makes a reader of one stream out of several, without touching the disk; a class fits."""

    def __call__(
        self,
        path: Path,
        *,
        stream: str,
        period_ns: int | None,
        topic: str | None,
        kind: StreamKind | None,
    ) -> DriveReader:
        """Return a reader of one stream of `path`, still closed; see `ReaderFormat.__call__`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFormat:
    """One kind of recording: how it is recognised and who reads it.

    The value is itself the factory: `open_video(path, stream="front")`.

    Attributes:
        summary: What is recognised, in a few words, such as "folders of .png, .jpg".
        accepts: Whether an existing path looks like this format; cheap, decodes nothing.
        make: Makes the reader of an accepted path that holds one stream; None where `pick` is.
        pick: Makes the reader of one stream of a path that may hold several; None where `make` is.
        general: Whether it takes what other formats describe more closely, and is asked after them.
    """

    summary: str
    accepts: Callable[[Path], bool]
    make: MakeReader | None = None
    pick: PickReader | None = None
    general: bool = False

    def __post_init__(self) -> None:
        if (self.make is None) == (self.pick is None):
            msg = f"{self.summary}: a format either makes a reader or picks a stream"
            raise ValueError(msg)

    def __call__(
        self,
        path: Path,
        *,
        stream: str,
        period_ns: int | None = None,
        topic: str | None = None,
        kind: StreamKind | None = None,
    ) -> DriveReader:
        """Return a reader of one stream of `path` without opening it.

        Args:
            path: The recording.
            stream: Name that its frames shall carry.
            period_ns: Declared nominal period in ns, above 0; None takes the recording's own.
            topic: Which of the recording's streams, by the name it has there; None leaves the
                choice to the reader, which refuses on opening where it is not plain.
            kind: What the stream shall be, for that choice; None is a camera. A recording of one
                stream yields that stream, whatever it is.

        Raises:
            TopicError: The format has no topics, and one is named.
        """
        if self.pick is not None:
            return self.pick(path, stream=stream, period_ns=period_ns, topic=topic, kind=kind)
        assert self.make is not None, "one of the two is there"  # noqa: S101 - our invariant
        if topic is not None:
            raise TopicError(path, f"it has no topics, and {topic!r} is asked for")
        return self.make(path, stream=stream, period_ns=period_ns)
