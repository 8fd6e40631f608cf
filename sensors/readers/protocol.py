"""The protocol that every reader of a drive follows, the synthetic drive included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from types import TracebackType

    from sensors.frames import Frame, Stream


class DriveReader(Protocol):
    """Streams one drive in order; entering the context does the I/O, constructing does not."""

    @property
    def drive_id(self) -> str:
        """Stable text that identifies the content (path and parameters), for evidence."""

    def __enter__(self) -> Self:
        """Open the drive."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the drive; safe to call twice."""

    def streams(self) -> tuple[Stream, ...]:
        """What was recorded; only inside the context."""

    def frames(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Frame]:
        """Yield merged frames with start_ns <= stamp_ns < stop_ns; ties keep the recording's order.

        Each call starts anew, so a drive can be read several times.

        Raises:
            StreamMissingError: A named stream is not in the drive.
            RecordingCorruptError: A frame cannot be decoded, or the file ends too early.
        """


@runtime_checkable
class Stamped(Protocol):
    """A reader of one stream that may know its stamps without decoding a picture."""

    def stamps(self) -> Sequence[int] | None:
        """Return `stamp_ns` of every frame, ns; None where only reading tells.

        Only inside the context.
        """
