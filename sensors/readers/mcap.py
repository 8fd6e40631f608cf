"""Drives out of MCAP files: our own recordings with their labels, Foxglove's, and ROS 2's."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from sensors.errors import RecordingCorruptError, StreamMissingError
from sensors.readers._decoders import Place
from sensors.readers._mcap_labels import labels_of
from sensors.readers._mcap_topics import Picked, Wanted, decoding_of, pick, recorded
from sensors.readers._single import in_window
from sensors.readers.formats import ReaderFormat
from sensors.recording.container import McapFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sensors.calibration import Calibration
    from sensors.frames import Frame, Stream, StreamKind
    from sensors.labels import FrameLabels

__all__ = ["McapDrive", "Wanted", "decoding_of", "open_mcap"]

_SUFFIX = ".mcap"


class _Message(NamedTuple):
    """A message in the order of reading: by stamp, then by place in the file."""

    stamp_ns: int
    position: int
    stream: str
    number: int
    scheduled_ns: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    file: McapFile
    picked: dict[str, Picked]


class McapDrive:
    """Streams of one MCAP file; a `DriveReader`, with labels and calibrations where it has any.

    `stamp_ns` is a message's log time: when it was recorded. Stamps of one stream rise; one that
    stands still or goes back is an error. `scheduled_ns` is what the recording says where this
    project wrote it, else the stamp; a declared period puts the frames on its grid, which begins at
    the first stamp. Pictures come as they were kept: a JPEG is not what was painted.

    Files are read from their beginning whatever the window, since CRCs and numbers depend on it;
    nothing is decoded that is not asked for.
    """

    def __init__(self, path: Path, *, streams: Sequence[Wanted] | None = None) -> None:
        """Remember what to open.

        Args:
            path: The file.
            streams: The streams wanted; None takes all that are frames of a sensor, under the name
                that they were recorded with, else their topic.

        Raises:
            ValueError: A period is not above 0, or two streams have one name.
        """
        self._path = path
        self._wanted = None if streams is None else tuple(streams)
        names = [wanted.stream for wanted in self._wanted or ()]
        if len(set(names)) < len(names):
            msg = f"two streams have one name: {', '.join(names)}"
            raise ValueError(msg)
        self._open: _Open | None = None

    @property
    def drive_id(self) -> str:
        """The path as given, and what is wanted of it."""
        if self._wanted is None:
            return f"mcap:{self._path.as_posix()}"
        told = "&".join(str(wanted) for wanted in self._wanted)
        return f"mcap:{self._path.as_posix()}?{told}"

    def __enter__(self) -> Self:
        """Open the file and find the streams in it.

        Raises:
            RecordingNotFoundError: There is no such file.
            RecordingCorruptError: It is cut off or damaged.
            TopicError: A wanted stream is not there, or which one is meant is not plain.
            ReaderExtraError: A package is missing that its messages need.
        """
        file = McapFile(self._path).__enter__()  # holds nothing open, so nothing is to be undone
        if self._wanted is None:
            found = recorded(file)
        else:
            found = [pick(file, wanted) for wanted in self._wanted]
        self._open = _Open(file=file, picked={one.stream.name: one for one in found})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; iterators that are still open fail at their next step."""
        if self._open is not None:
            self._open.file.__exit__(kind, error, trace)
        self._open = None

    def streams(self) -> tuple[Stream, ...]:
        """What was found; only inside the context."""
        return tuple(one.stream for one in self._opened().picked.values())

    def calibrations(self) -> tuple[Calibration, ...]:
        """Place and projection of the sensors, where the recording tells; only inside."""
        found = (one.calibration for one in self._opened().picked.values())
        return tuple(one for one in found if one is not None)

    def stamps(self) -> Sequence[int] | None:
        """Return `stamp_ns` of every frame, ns, decoding nothing; None for several streams.

        Raises:
            RecordingCorruptError: The file is damaged, or stamps do not rise.
        """
        picked = list(self._opened().picked.values())
        if len(picked) != 1:
            return None
        return tuple(message.stamp_ns for message in self._messages(picked[0], None))

    def frames(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Frame]:
        """Return an iterator over frames with start_ns <= stamp_ns < stop_ns, merged by stamp.

        Of equal stamps that which lies first in the file comes first.

        Raises:
            StreamMissingError: A named stream is not there; raised by the call itself.
            RecordingCorruptError: A message cannot be decoded, or the file is damaged.
        """
        return self._frames(self._chosen(streams), start_ns, stop_ns)

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Return an iterator over the labels of the frames in a window, where there are any.

        Raises:
            StreamMissingError: A named stream is not there; raised by the call itself.
            RecordingCorruptError: Labels cannot be read, or belong to no frame.
        """
        return self._labels(self._chosen(streams), start_ns, stop_ns)

    def _frames(
        self, chosen: Sequence[Picked], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Frame]:
        found = {one.stream.name: one for one in chosen}
        for message in heapq.merge(*(self._messages(one, stop_ns) for one in chosen)):
            self._opened()
            if not in_window(message.stamp_ns, start_ns, stop_ns):
                continue
            one = found[message.stream]
            place = Place(
                stream=message.stream,
                index=message.number,
                stamp_ns=message.stamp_ns,
                scheduled_ns=message.scheduled_ns,
            )
            size = one.stream.width, one.stream.height
            try:
                yield one.decoder.frame(message.data, place, size)
            except ValueError as error:
                reason = f"topic {one.topic.name}, message {message.number}: {error}"
                raise RecordingCorruptError(self._path, reason) from error

    def _labels(
        self, chosen: Sequence[Picked], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[FrameLabels]:
        file = self._opened().file
        for _, _, labels in heapq.merge(
            *(labels_of(file, one, stop_ns) for one in chosen), key=lambda found: found[:2]
        ):
            self._opened()
            if in_window(labels.stamp_ns, start_ns, stop_ns):
                yield labels

    def _messages(self, one: Picked, stop_ns: int | None) -> Iterator[_Message]:
        """The messages of a stream before `stop_ns`, their stamps checked."""
        first_ns: int | None = None
        last_ns: int | None = None
        for index, (position, message) in enumerate(self._opened().file.messages([one.topic])):
            stamp_ns = message.log_time
            if last_ns is not None and stamp_ns <= last_ns:
                how = (
                    "stands still" if stamp_ns == last_ns else f"goes back {last_ns - stamp_ns} ns"
                )
                reason = (
                    f"topic {one.topic.name}: time {how} at message {index}, {stamp_ns} ns;"
                    " a stream's stamps have to rise"
                )
                raise RecordingCorruptError(self._path, reason)
            if stop_ns is not None and stamp_ns >= stop_ns:
                return
            first_ns = stamp_ns if first_ns is None else first_ns
            last_ns = stamp_ns
            if one.declared_ns is not None:
                scheduled_ns = first_ns + index * one.declared_ns
            else:
                scheduled_ns = message.publish_time if one.ours else stamp_ns
            yield _Message(stamp_ns, position, one.stream.name, index, scheduled_ns, message.data)

    def _chosen(self, streams: Collection[str] | None) -> list[Picked]:
        picked = self._opened().picked
        if streams is None:
            return list(picked.values())
        for name in streams:
            if name not in picked:
                raise StreamMissingError(self._path, name, picked)
        return [one for name, one in picked.items() if name in streams]

    def _opened(self) -> _Open:
        if self._open is None:
            msg = f"{self._path}: the reader is closed; enter it as a context first"
            raise RuntimeError(msg)
        return self._open


def _pick(
    path: Path,
    *,
    stream: str,
    period_ns: int | None,
    topic: str | None,
    kind: StreamKind | None,
) -> McapDrive:
    return McapDrive(
        path, streams=[Wanted(stream=stream, period_ns=period_ns, topic=topic, kind=kind)]
    )


def _accepts(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == _SUFFIX


open_mcap = ReaderFormat(summary=f"files ending in {_SUFFIX}", accepts=_accepts, pick=_pick)
"""Entry point: one stream of a file; `McapDrive` itself reads several."""
