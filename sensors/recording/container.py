"""An MCAP file as channels and messages, nothing taken on trust.

Messages are read one after the other through the record stream, not through the index: every chunk
is checked against its CRC and the file against that of its data section, and a file without an
index reads like any other. The index serves to name the channels and to count their messages, and
only where its own CRC holds. (`mcap.reader` checks no CRC of the index, and neither a CRC nor a
limit where it falls back to a file without one; tried with 1.6.0.)
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import lz4.frame
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Footer, Message, Schema, Statistics
from mcap.stream_reader import MAGIC_SIZE, StreamReader, breakup_chunk
from mcap.writer import MCAP0_MAGIC

from sensors.errors import RecordingCorruptError, RecordingNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

    from mcap.records import McapRecord

RECORD_LIMIT_BYTES = 256 * 1024 * 1024
"""Longest record, and longest content of a chunk: above a plain picture of 64 megapixels. What
claims more is taken for damage or an attack."""

_FOOTER_BYTES = 9 + 8 + 8 + 4  # opcode and length, two offsets, CRC
_SCHEMALESS = 0
BROKEN = (
    McapError,
    struct.error,
    ValueError,  # CRCs, text that is no UTF-8
    KeyError,
    zstandard.ZstdError,
    RuntimeError,  # lz4 and nothing else here
    EOFError,
    MemoryError,
    OverflowError,
)
"""What reading a record of damaged bytes raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One channel of a file.

    Attributes:
        channel: Its number in the file.
        name: The topic.
        schema: Name of its messages' schema; empty where they have none.
        schema_encoding: How that schema is written down, such as protobuf or ros2msg.
        schema_data: The schema.
        encoding: How messages are encoded, such as protobuf, cdr or json.
        metadata: What the channel says of itself.
        messages: Number of messages.
    """

    channel: int
    name: str
    schema: str
    schema_encoding: str
    schema_data: bytes
    encoding: str
    metadata: Mapping[str, str]
    messages: int

    def __str__(self) -> str:
        return f"{self.name} ({self.schema or self.encoding}, {self.messages} messages)"


class McapFile:
    """One file; entering the context checks its ends and its index and lists its topics."""

    def __init__(self, path: Path) -> None:
        """Remember what to open.

        Args:
            path: The file.
        """
        self._path = path
        self._topics: tuple[Topic, ...] | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            RecordingNotFoundError: There is no such file.
            RecordingCorruptError: It is no MCAP file, is cut off, or is damaged.
        """
        if not self._path.is_file():
            raise RecordingNotFoundError(self._path)
        with self._path.open("rb") as file:
            self._check_ends(file)
            try:
                self._topics = indexed_topics(file) or self._counted()
            except BROKEN as error:
                raise self._damaged("its index cannot be read", error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forget the file; iterators that are still open go on to its end."""
        self._topics = None

    def topics(self) -> tuple[Topic, ...]:
        """Every channel, ordered by topic and number; only inside the context."""
        if self._topics is None:
            msg = f"{self._path}: the file is closed; enter it as a context first"
            raise RuntimeError(msg)
        return self._topics

    def messages(self, topics: Iterable[Topic]) -> Iterator[tuple[int, Message]]:
        """Yield number in the file and content of some topics' messages, in the file's order.

        Raises:
            RecordingCorruptError: Something is damaged, or there are more or fewer messages than
                the index counts.
        """
        left = {topic.channel: topic.messages for topic in topics}
        counted = dict(left)
        position = 0
        for record in self._records():
            if isinstance(record, Message):
                if record.channel_id in left:
                    left[record.channel_id] -= 1
                    yield position, record
                position += 1
        for channel, missing in left.items():
            if missing:
                told = f"{counted[channel] - missing} messages of channel {channel}"
                reason = f"damaged: it holds {told}, its index counts {counted[channel]}"
                raise RecordingCorruptError(self._path, reason)

    def _records(self) -> Iterator[McapRecord]:
        """Every record, those of chunks included."""
        with self._path.open("rb") as file:
            records = iter(record_stream(file).records)
            while True:
                at = file.tell()
                try:
                    record = next(records, None)
                    inside = unpacked(record) if isinstance(record, Chunk) else ()
                except BROKEN as error:
                    raise self._damaged(f"after byte {at}", error) from error
                if record is None:
                    return
                yield from inside or (record,)

    def _counted(self) -> tuple[Topic, ...]:
        """The topics of a file without a trustworthy index, by reading all of it."""
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        counts: dict[int, int] = {}
        for record in self._records():
            match record:
                case Schema():
                    schemas.setdefault(record.id, record)
                case Channel():
                    channels.setdefault(record.id, record)
                    counts.setdefault(record.id, 0)
                case Message():
                    counts[record.channel_id] += 1
        return _topics(schemas, channels, counts)

    def _check_ends(self, file: BinaryIO) -> None:
        size = self._path.stat().st_size
        if size == 0:
            raise RecordingCorruptError(self._path, "the file is empty")
        if file.read(MAGIC_SIZE) != MCAP0_MAGIC:
            raise RecordingCorruptError(self._path, "it does not begin as an MCAP file does")
        file.seek(max(0, size - MAGIC_SIZE))
        if size < 2 * MAGIC_SIZE + _FOOTER_BYTES or file.read(MAGIC_SIZE) != MCAP0_MAGIC:
            reason = (
                f"cut off: after {size} bytes there is no end of an MCAP file;"
                " `splitway rec recover` keeps what is whole"
            )
            raise RecordingCorruptError(self._path, reason)

    def _damaged(self, what: str, error: BaseException) -> RecordingCorruptError:
        why = str(error) or type(error).__name__
        reason = f"damaged: {what}: {why}; `splitway rec recover` keeps what is whole"
        return RecordingCorruptError(self._path, reason)


def record_stream(file: BinaryIO) -> StreamReader:
    """The file's records, chunks as a whole; CRCs are checked and lengths limited."""
    return StreamReader(
        file, emit_chunks=True, validate_crcs=True, record_size_limit=RECORD_LIMIT_BYTES
    )


def unpacked(chunk: Chunk) -> tuple[McapRecord, ...]:
    """The records in a chunk, once its content has the length and the CRC that it names.

    Raises:
        ValueError: It has not, or claims more than `RECORD_LIMIT_BYTES`; and whatever else
            `BROKEN` lists.
    """
    claimed = chunk.uncompressed_size
    if claimed > RECORD_LIMIT_BYTES:
        msg = f"a chunk claims {claimed} bytes, above the limit of {RECORD_LIMIT_BYTES}"
        raise ValueError(msg)
    data = _decompressed(chunk, claimed)
    if len(data) != claimed:
        msg = f"a chunk claims {claimed} bytes and unpacks to {len(data)}"
        raise ValueError(msg)
    plain = replace(chunk, compression="", data=data)
    return tuple(breakup_chunk(plain, validate_crc=True))


def _decompressed(chunk: Chunk, claimed: int) -> bytes:
    """Content of a chunk, of at most one byte more than it claims."""
    match chunk.compression:
        case "":
            return chunk.data
        case "zstd":
            told = zstandard.get_frame_parameters(chunk.data).content_size
            if told not in (claimed, zstandard.CONTENTSIZE_UNKNOWN):
                msg = f"a chunk claims {claimed} bytes, its compressed frame {told}"
                raise ValueError(msg)
            # Without a size in the frame the limit is kept by the decompressor.
            return zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=claimed + 1)
        case "lz4":
            found = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, claimed + 1)
            return bytes(found)
        case other:
            msg = f"a chunk is compressed by {other!r}; known: zstd, lz4, none"
            raise ValueError(msg)


def indexed_topics(file: BinaryIO) -> tuple[Topic, ...] | None:
    """The topics as the file's summary tells them; None where it has none that can be trusted.

    Raises:
        ValueError: The summary is damaged; and whatever else `BROKEN` lists.
    """
    end = file.seek(0, os.SEEK_END) - MAGIC_SIZE - _FOOTER_BYTES
    if end < MAGIC_SIZE:
        raise EOFError("it is too short for a footer")
    file.seek(end)
    footer = next(iter(_section(file)), None)
    if not isinstance(footer, Footer):
        raise EOFError("there is no footer")  # noqa: TRY004 - bytes, not a caller's type
    if footer.summary_start == 0 or footer.summary_crc == 0:
        return None
    if footer.summary_start > end:
        msg = f"its summary begins at byte {footer.summary_start}, after its own end"
        raise ValueError(msg)
    if end - footer.summary_start > RECORD_LIMIT_BYTES:
        msg = f"its summary claims {end - footer.summary_start} bytes"
        raise ValueError(msg)
    file.seek(footer.summary_start)
    # The CRC covers the summary and the footer up to the CRC itself.
    covered = file.read(end - footer.summary_start + _FOOTER_BYTES - 4)
    if zlib.crc32(covered) != footer.summary_crc:
        msg = "the summary's CRC does not hold"
        raise ValueError(msg)
    file.seek(footer.summary_start)
    schemas: dict[int, Schema] = {}
    channels: dict[int, Channel] = {}
    statistics: Statistics | None = None
    for record in _section(file):
        match record:
            case Schema():
                schemas[record.id] = record
            case Channel():
                channels[record.id] = record
            case Statistics():
                statistics = record
    if statistics is None or statistics.channel_count != len(channels):
        return None
    counts = dict(statistics.channel_message_counts)
    return _topics(schemas, channels, {channel: counts.get(channel, 0) for channel in channels})


def _section(file: BinaryIO) -> Iterator[McapRecord]:
    reader = StreamReader(file, skip_magic=True, record_size_limit=RECORD_LIMIT_BYTES)
    return iter(reader.records)


def _topics(
    schemas: Mapping[int, Schema], channels: Mapping[int, Channel], counts: Mapping[int, int]
) -> tuple[Topic, ...]:
    found = []
    for number, channel in channels.items():
        schema = schemas.get(channel.schema_id)
        if schema is None and channel.schema_id != _SCHEMALESS:
            msg = f"topic {channel.topic} names schema {channel.schema_id}, which is not there"
            raise ValueError(msg)
        found.append(
            Topic(
                channel=number,
                name=channel.topic,
                schema="" if schema is None else schema.name,
                schema_encoding="" if schema is None else schema.encoding,
                schema_data=b"" if schema is None else schema.data,
                encoding=channel.message_encoding,
                metadata=channel.metadata,
                messages=counts[number],
            )
        )
    return tuple(sorted(found, key=lambda topic: (topic.name, topic.channel)))
