"""What all readers of one-stream recordings share: context, selection, window."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from sensors.errors import StreamMissingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sensors.frames import Frame, Stream


class SingleStreamReader(ABC):
    """A `DriveReader` of one stream; a subclass says how it opens and how it reads.

    A subclass implements `_open`, which returns the stream, and `_read`, which yields the frames
    of a window. Using a closed reader is a RuntimeError: a mistake of the caller.
    """

    def __init__(self, *, path: Path, stream: str, period_ns: int | None) -> None:
        """Remember what to open.

        Args:
            path: The recording, also what errors name.
            stream: Name of the only stream.
            period_ns: Declared nominal period in ns; None leaves it to the recording.

        Raises:
            ValueError: The period is not above 0.
        """
        if period_ns is not None and period_ns <= 0:
            msg = f"period_ns must be above 0, not {period_ns}"
            raise ValueError(msg)
        self._path = path
        self._name = stream
        self._declared_ns = period_ns
        self._stream: Stream | None = None

    def __enter__(self) -> Self:
        """Open the recording and read its header."""
        self._stream = self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the recording; iterators that are still open fail at their next step."""
        self._stream = None

    def streams(self) -> tuple[Stream, ...]:
        """Return the one stream; only inside the context."""
        return (self._opened(),)

    def stamps(self) -> Sequence[int] | None:
        """Return `stamp_ns` of every frame, ns; None where only reading tells."""
        return None

    def frames(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Frame]:
        """Return an iterator over the frames with start_ns <= stamp_ns < stop_ns, lazily decoded.

        Each call starts anew; iterators do not disturb each other.

        Args:
            streams: Names of the streams wanted; None wants all.
            start_ns: First stamp wanted, ns on the recording's clock; None is unbounded.
            stop_ns: First stamp no longer wanted; None is unbounded.

        Raises:
            StreamMissingError: A named stream is not in the drive; raised by the call itself.
            RecordingCorruptError: A frame cannot be decoded, or the recording ends too early.
        """
        stream = self._opened()
        if streams is None:
            return self._while_open(stream, start_ns, stop_ns)
        for name in streams:
            if name != stream.name:
                raise StreamMissingError(self._path, name, (stream.name,))
        return self._while_open(stream, start_ns, stop_ns) if streams else iter(())

    @abstractmethod
    def _open(self) -> Stream:
        """Open the recording; returns its stream."""

    @abstractmethod
    def _read(self, stream: Stream, start_ns: int | None, stop_ns: int | None) -> Iterator[Frame]:
        """Yield the frames of a window."""

    def _opened(self) -> Stream:
        if self._stream is None:
            msg = f"{self._path}: the reader is closed; enter it as a context first"
            raise RuntimeError(msg)
        return self._stream

    def _while_open(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Frame]:
        for frame in self._read(stream, start_ns, stop_ns):
            self._opened()
            yield frame


def in_window(stamp_ns: int, start_ns: int | None, stop_ns: int | None) -> bool:
    """Return whether start_ns <= stamp_ns < stop_ns, None being unbounded; all in ns."""
    return (start_ns is None or start_ns <= stamp_ns) and (stop_ns is None or stamp_ns < stop_ns)
