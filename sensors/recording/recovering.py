"""Saving what is whole of a recording that was cut off or damaged."""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, Header, Message, Metadata, Schema
from mcap.stream_reader import MAGIC_SIZE, StreamReader
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.recording import layout
from sensors.recording.container import BROKEN, RECORD_LIMIT_BYTES, indexed_topics, unpacked
from sensors.recording.errors import RecordingExistsError, RecordingWriteError
from sensors.recording.saving import TEMPORARY
from sensors.recording.writing import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from mcap.records import McapRecord

_HEAD = struct.Struct("<BQ")  # opcode, length
_PRIVATE = 0x80  # opcodes from here on belong to whoever wrote the file
_KEPT = {
    Opcode.HEADER,
    Opcode.SCHEMA,
    Opcode.CHANNEL,
    Opcode.MESSAGE,
    Opcode.CHUNK,
    Opcode.ATTACHMENT,
    Opcode.METADATA,
}
_ENDS = {Opcode.DATA_END, Opcode.FOOTER}
_KNOWN = frozenset(Opcode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was saved.

    Attributes:
        messages: Messages saved.
        damaged: Records left out because their bytes do not hold, a chunk counted as one.
        strays: Messages left out because the frame or the channel that they belong to is lost.
        missing_bytes: Bytes behind the last whole record, where the file does not go on to its end.
        cut_off: Whether the end of the data is missing.
    """

    messages: int
    damaged: int
    strays: int
    missing_bytes: int
    cut_off: bool

    @property
    def whole(self) -> bool:
        """Whether nothing was lost."""
        return not (self.damaged or self.strays or self.missing_bytes or self.cut_off)


def recover(path: Path, output: Path, *, force: bool = False) -> Recovered:
    """Write every whole message of a recording into a new file.

    Reads record by record from the beginning, so the index, which a file that was cut off lacks,
    does not matter. A damaged chunk is left out with all that is in it. Labels whose frame is lost
    are left out with it.

    Args:
        path: The recording; it stays as it is.
        output: The new file, of the same schemas, channels and messages.
        force: Whether a file of that name is replaced.

    Raises:
        RecordingNotFoundError: There is no such recording.
        RecordingCorruptError: It is no MCAP file, or holds no whole message.
        RecordingExistsError: `output` is there, and `force` is not given.
        RecordingWriteError: The new file cannot be written.
    """
    if not path.is_file():
        raise RecordingNotFoundError(path)
    if output.exists() and (not force or output.samefile(path)):
        raise RecordingExistsError(output)
    temporary = output.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    with path.open("rb") as file:
        if file.read(MAGIC_SIZE) != MCAP0_MAGIC:
            raise RecordingCorruptError(path, "it does not begin as an MCAP file does")
        try:
            with temporary.open("xb") as written:
                copied = _Copy(file, path.stat().st_size)
                copied.write(written)
                written.flush()
                os.fsync(written.fileno())
            if not copied.messages:
                raise RecordingCorruptError(path, "it holds no whole message")
            temporary.replace(output)
        except OSError as error:
            raise RecordingWriteError(output, 0, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
    return Recovered(
        messages=copied.messages,
        damaged=copied.damaged,
        strays=copied.strays,
        missing_bytes=copied.missing_bytes,
        cut_off=copied.cut_off,
    )


class _Copy:
    """Goes through a file record by record and keeps what is whole."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.messages = self.damaged = self.strays = self.missing_bytes = 0
        self.cut_off = False
        self._schemas: dict[int, int] = {}
        self._channels: dict[int, int] = {}
        self._beside: dict[int, str] = {}
        self._framed: dict[int, str] = {}
        self._last_ns: dict[str, int] = {}

    def write(self, output: BinaryIO) -> None:
        """Write the new file."""
        writer = Writer(
            output,
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.ZSTD,
            enable_crcs=True,
            enable_data_crcs=True,
        )
        records = self._records()
        first = next(records, None)
        profile = first.profile if isinstance(first, Header) else ""
        writer.start(profile=profile, library=layout.LIBRARY)
        self._add_indexed(writer)
        if first is not None:
            self._copy(writer, first)
        for record in records:
            self._copy(writer, record)
        writer.finish()

    def _add_indexed(self, writer: Writer) -> None:
        """Take channels from the index where it is whole: the chunk that tells them may be lost."""
        at = self._file.tell()
        try:
            topics = indexed_topics(self._file) or ()
        except BROKEN:
            topics = ()
        finally:
            self._file.seek(at)
        known: dict[tuple[str, str, bytes], int] = {}
        for topic in sorted(topics, key=lambda topic: topic.channel):
            key = (topic.schema, topic.schema_encoding, topic.schema_data)
            if any(key) and key not in known:
                known[key] = writer.register_schema(*key)
            self._add_channel(
                writer,
                topic.channel,
                (topic.name, topic.encoding, known.get(key, 0), dict(topic.metadata)),
            )

    def _copy(self, writer: Writer, record: McapRecord) -> None:
        match record:
            case Schema() if record.id not in self._schemas:
                self._schemas[record.id] = writer.register_schema(
                    record.name, record.encoding, record.data
                )
            case Channel() if record.id not in self._channels:
                schema = self._schemas.get(record.schema_id, 0)
                if record.schema_id and not schema:
                    self.damaged += 1
                    return
                facts = (record.topic, record.message_encoding, schema, record.metadata)
                self._add_channel(writer, record.id, facts)
            case Message():
                self._add_message(writer, record)
            case Metadata():
                writer.add_metadata(record.name, record.metadata)
            case Attachment():
                times = (record.create_time, record.log_time)
                writer.add_attachment(*times, record.name, record.media_type, record.data)

    def _add_channel(
        self, writer: Writer, number: int, facts: tuple[str, str, int, dict[str, str]]
    ) -> None:
        """Take over a channel: topic, encoding, schema, metadata."""
        self._channels[number] = writer.register_channel(*facts)
        metadata = facts[3]
        stream = metadata.get(layout.STREAM_KEY, "")
        match layout.role_of(metadata):
            case "frames":
                self._framed[number] = stream
            case "labels" | "mask" | "view" if stream:
                self._beside[number] = stream
            case _:
                pass

    def _add_message(self, writer: Writer, message: Message) -> None:
        if message.channel_id not in self._channels:
            self.strays += 1
            return
        stream = self._beside.get(message.channel_id)
        if stream is not None and self._last_ns.get(stream) != message.log_time:
            self.strays += 1
            return
        if message.channel_id in self._framed:
            self._last_ns[self._framed[message.channel_id]] = message.log_time
        writer.add_message(
            self._channels[message.channel_id],
            log_time=message.log_time,
            data=message.data,
            publish_time=message.publish_time,
            sequence=message.sequence,
        )
        self.messages += 1

    def _records(self) -> Iterator[McapRecord]:
        """Every whole record up to the data's end; damaged ones are counted and passed over."""
        while True:
            at = self._file.tell()
            head = self._file.read(_HEAD.size)
            opcode, length = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0)
            if length > RECORD_LIMIT_BYTES or at + len(head) + length > self._size or not opcode:
                self.missing_bytes, self.cut_off = self._size - at, True
                return
            body = self._file.read(length)
            if opcode in _ENDS:
                return
            if opcode not in _KEPT:
                self.damaged += opcode not in _KNOWN and opcode < _PRIVATE
                continue
            try:
                record = _record_of(head + body)
                found = unpacked(record) if isinstance(record, Chunk) else (record,)
            except BROKEN:
                self.damaged += 1
                continue
            yield from found


def _record_of(data: bytes) -> McapRecord:
    reader = StreamReader(BytesIO(data), skip_magic=True, emit_chunks=True)
    return next(iter(reader.records))
