"""Which channel of a file is the stream that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensors.errors import RecordingCorruptError
from sensors.frames import Stream
from sensors.readers import _foxglove, _ros2
from sensors.readers.errors import TopicError
from sensors.recording import layout

if TYPE_CHECKING:
    from sensors.calibration import Calibration
    from sensors.frames import StreamKind
    from sensors.readers._decoders import Decoder, Decoding, Size
    from sensors.recording.container import McapFile, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A stream that is asked for.

    Attributes:
        stream: Name that its frames shall carry.
        period_ns: Declared nominal period in ns, above 0; None takes the recording's own.
        topic: The topic; None takes the stream recorded under this name, else the only one of its
            kind.
        kind: What it shall be; None is a camera, or whatever was recorded under this name.
    """

    stream: str
    period_ns: int | None = None
    topic: str | None = None
    kind: StreamKind | None = None

    def __post_init__(self) -> None:
        if self.period_ns is not None and self.period_ns <= 0:
            msg = f"period_ns must be above 0, not {self.period_ns}"
            raise ValueError(msg)

    def __str__(self) -> str:
        period = "recorded" if self.period_ns is None else str(self.period_ns)
        told = f"stream={self.stream}&period_ns={period}"
        told += "" if self.topic is None else f"&topic={self.topic}"
        return told + ("" if self.kind is None else f"&kind={self.kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A stream that was found.

    Attributes:
        stream: What it is.
        topic: The channel that holds its frames.
        decoder: Decodes them.
        declared_ns: Period that its grid is made of; None leaves the grid to the recording.
        ours: Whether the channel follows `sensors.recording.layout`.
        calibration: Place and projection; None where the recording does not tell.
    """

    stream: Stream
    topic: Topic
    decoder: Decoder
    declared_ns: int | None
    ours: bool
    calibration: Calibration | None


def pick(file: McapFile, wanted: Wanted) -> Picked:
    """Find a stream.

    Raises:
        TopicError: It is not there, or which one is meant is not plain.
        ReaderExtraError: A package is missing that its messages need.
        RecordingCorruptError: Its first message cannot be read.
    """
    topic = _by_topic(file, wanted) if wanted.topic is not None else _by_kind(file, wanted)
    decoding = decoding_of(topic)
    if decoding is None:
        what = topic.schema or topic.encoding
        reason = f"topic {topic.name} holds {what}, which is no sensor stream that is known"
        raise TopicError(file.path, reason, _told(file))
    if wanted.kind is not None and decoding.kind != wanted.kind:
        reason = f"topic {topic.name} is of kind {decoding.kind}, not {wanted.kind}"
        raise TopicError(file.path, reason, _told(file))
    return _picked(file, topic, decoding, wanted)


def recorded(file: McapFile) -> list[Picked]:
    """Every stream of a file, in the order in which their channels were made.

    Raises:
        ReaderExtraError: A package is missing that its messages need.
        RecordingCorruptError: A first message cannot be read, or two streams have one name.
    """
    found: dict[str, Picked] = {}
    for topic in sorted(file.topics(), key=lambda topic: topic.channel):
        decoding = decoding_of(topic)
        if decoding is None:
            continue
        name = topic.metadata.get(layout.STREAM_KEY) or topic.name
        if name in found:
            reason = f"two channels are stream {name!r}: {found[name].topic.name}, {topic.name}"
            raise RecordingCorruptError(file.path, reason)
        found[name] = _picked(file, topic, decoding, Wanted(stream=name))
    return list(found.values())


def decoding_of(topic: Topic) -> Decoding | None:
    """How a channel is decoded; None where it holds no frames of a sensor."""
    if layout.role_of(topic.metadata) not in (None, "frames"):
        return None
    return _foxglove.decoding_of(topic) or _ros2.decoding_of(topic)


def _by_topic(file: McapFile, wanted: Wanted) -> Topic:
    found = [topic for topic in file.topics() if topic.name == wanted.topic]
    if len(found) != 1:
        how = "no" if not found else f"{len(found)} channels of"
        reason = (
            f"there is {how} topic {wanted.topic!r}"
            if not found
            else (f"there are {how} topic {wanted.topic!r}, which would have to be one")
        )
        raise TopicError(file.path, reason, _told(file))
    return found[0]


def _by_kind(file: McapFile, wanted: Wanted) -> Topic:
    known = [
        (topic, decoding) for topic in file.topics() if (decoding := decoding_of(topic)) is not None
    ]
    for topic, _ in known:
        if topic.metadata.get(layout.STREAM_KEY) == wanted.stream:
            return topic
    kind = wanted.kind or "camera"
    fitting = [topic for topic, decoding in known if decoding.kind == kind]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise TopicError(file.path, f"there is no {kind} stream in it", _told(file))
    reason = f"it has {len(fitting)} {kind} streams: name the topic of {wanted.stream!r}"
    raise TopicError(file.path, reason, [str(topic) for topic in fitting])


def _told(file: McapFile) -> list[str]:
    """The topics that a person may have meant."""
    beside = ("labels", "mask", "view")
    found = [str(t) for t in file.topics() if layout.role_of(t.metadata) not in beside]
    return found or ["none"]


def _picked(file: McapFile, topic: Topic, decoding: Decoding, wanted: Wanted) -> Picked:
    decoder = _made(file, topic, decoding)
    try:
        size = layout.size_of(topic.metadata) or _first_size(file, topic, decoder)
        period_ns = layout.period_of(topic.metadata)
        calibration = layout.calibration_of(topic.metadata)
    except ValueError as error:
        reason = f"topic {topic.name}: {error}"
        raise RecordingCorruptError(file.path, reason) from error
    ours = layout.role_of(topic.metadata) == "frames"
    return Picked(
        stream=Stream(
            name=wanted.stream,
            kind=decoding.kind,
            period_ns=wanted.period_ns if wanted.period_ns is not None else period_ns,
            frames=topic.messages,
            width=size[0],
            height=size[1],
        ),
        topic=topic,
        decoder=decoder,
        declared_ns=wanted.period_ns,
        ours=ours,
        calibration=calibration,
    )


def _made(file: McapFile, topic: Topic, decoding: Decoding) -> Decoder:
    try:
        return decoding.make()
    except ValueError as error:
        raise TopicError(file.path, f"topic {topic.name}: {error}") from error


def _first_size(file: McapFile, topic: Topic, decoder: Decoder) -> Size:
    if decoder.size is None:
        return 0, 0
    for _, message in file.messages([topic]):
        return decoder.size(message.data)
    raise ValueError("it holds no message")
