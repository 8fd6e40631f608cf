"""Broken MCAP files: named errors, never wrong data, and what is whole is saved."""

from __future__ import annotations

import re
import resource
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import breakup_chunk
from mcap.writer import CompressionType, IndexType, Writer

from sensors.errors import RecordingCorruptError, RecordingNotFoundError, SensorError
from sensors.readers.mcap import McapDrive, open_mcap
from sensors.recording import PictureCoding, recover, write_drive
from sensors.recording import container as containers
from sensors.recording.container import McapFile, unpacked
from sensors.recording.errors import RecordingExistsError, RecordingWriteError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterable
    from pathlib import Path

    from sensors.calibration import Calibrated
    from sensors.frames import Frame
    from sensors.labels import Labelled
    from sensors.readers.protocol import DriveReader

    class LabelledDrive(DriveReader, Labelled, Calibrated, Protocol):
        """What the toy drive is."""

    class MakeToyDrive(Protocol):
        """Makes a drive of so many frames of each of four sensors."""

        def __call__(self, frames: int = 10) -> LabelledDrive:
            """Return it."""

    class SameFrames(Protocol):
        """Whether two sequences of frames are equal to the byte."""

        def __call__(self, ones: Iterable[Frame], others: Iterable[Frame]) -> bool:
            """Compare."""

    class SameValues(Protocol):
        """Whether two values are equal to the bit."""

        def __call__(self, one: object, other: object) -> bool:
            """Compare."""


MAGIC_BYTES = 8


@pytest.fixture
def recording(tmp_path: Path, make_toy_drive: MakeToyDrive) -> Path:
    """Return a recording of 2 s of the toy drive, in several chunks."""
    with make_toy_drive(20) as drive:
        return write_drive(drive, tmp_path / "toy.mcap", coding=PictureCoding(form="png")).path


def read_all(path: Path) -> list[Frame]:
    """Everything in a recording, labels included."""
    with McapDrive(path) as drive:
        frames = list(drive.frames())
        list(drive.labels())
    return frames


def test_nothing_there_and_nothing_in_it(tmp_path: Path) -> None:
    """A missing file, an empty one and another format are told apart."""
    with pytest.raises(RecordingNotFoundError):
        read_all(tmp_path / "none.mcap")
    for content, why in ((b"", "is empty"), (b"RIFF" * 20, "does not begin as an MCAP file")):
        (tmp_path / "broken.mcap").write_bytes(content)
        with pytest.raises(RecordingCorruptError, match=why):
            read_all(tmp_path / "broken.mcap")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_file_that_is_cut_off_is_never_read(recording: Path, share: float) -> None:
    """Wherever it is cut, opening says so, and says what helps."""
    data = recording.read_bytes()
    cut = recording.with_name("cut.mcap")
    cut.write_bytes(data[: max(MAGIC_BYTES, int(share * len(data)))])
    with pytest.raises(RecordingCorruptError, match=r"cut off.*rec recover"):
        read_all(cut)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit_is_never_wrong_data(
    recording: Path, same_frames: SameFrames, data: st.DataObject
) -> None:
    """An error with the file's name, or the very frames that were written; nothing between."""
    original = read_all(recording)
    content = bytearray(recording.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    flipped = recording.with_name("flipped.mcap")
    flipped.write_bytes(content)
    found: list[Frame] | None = None
    try:
        found = read_all(flipped)
    except SensorError as error:
        told = str(error)
        assert re.search("flipped.mcap: .", told)
    assert found is None or same_frames(found, original)


def test_the_checks_are_what_finds_a_flipped_bit(
    recording: Path, monkeypatch: pytest.MonkeyPatch, same_frames: SameFrames
) -> None:
    """With the chunk's CRC switched off, a flipped bit of a point's place goes unnoticed."""
    plain = recording.with_name("plain.mcap")
    with recording.open("rb") as file, plain.open("wb") as output:
        writer = Writer(output, compression=CompressionType.NONE)
        _copy(file, writer)
    content = bytearray(plain.read_bytes())
    original = read_all(plain)
    at = content.index(original[1].points[:2, 0].tobytes()[:2])  # type: ignore[union-attr]
    content[at] ^= 1
    plain.write_bytes(content)
    with pytest.raises(RecordingCorruptError, match="crc validation failed"):
        read_all(plain)
    monkeypatch.setattr(containers, "breakup_chunk", lambda chunk, **_: breakup_chunk(chunk))
    assert not same_frames(read_all(plain), original)


def test_a_huge_record_is_refused_at_once(recording: Path) -> None:
    """A record that claims a terabyte is not allocated."""
    content = bytearray(recording.read_bytes())
    header_bytes = 9 + struct.unpack_from("<Q", content, MAGIC_BYTES + 1)[0]
    struct.pack_into("<Q", content, MAGIC_BYTES + header_bytes + 1, 1 << 40)
    recording.write_bytes(content)
    with pytest.raises(RecordingCorruptError, match="exceeds limit"):
        read_all(recording)


@pytest.mark.parametrize(
    ("compression", "data", "claimed", "why"),
    [
        ("zstd", zstandard.compress(bytes(1 << 20)), 100, "claims 100 bytes.*frame 1048576"),
        ("", b"12345", 4, "claims 4 bytes and unpacks to 5"),
        ("", b"", 1 << 40, "above the limit"),
        ("brotli", b"1", 1, "compressed by 'brotli'"),
    ],
)
def test_a_chunk_that_lies_about_its_size_is_refused(
    compression: str, data: bytes, claimed: int, why: str
) -> None:
    """A small chunk cannot unpack to a large one."""
    chunk = Chunk(
        compression=compression,
        data=data,
        message_start_time=0,
        message_end_time=0,
        uncompressed_crc=0,
        uncompressed_size=claimed,
    )
    with pytest.raises(ValueError, match=why):
        unpacked(chunk)


def test_a_file_without_an_index_reads_the_same(
    recording: Path, tmp_path: Path, same_frames: SameFrames
) -> None:
    """Neither index, nor summary, nor chunks are needed."""
    for chunked in (True, False):
        bare = tmp_path / f"bare-{chunked}.mcap"
        with recording.open("rb") as file, bare.open("wb") as output:
            writer = Writer(
                output,
                use_chunking=chunked,
                index_types=IndexType.NONE,
                repeat_channels=False,
                repeat_schemas=False,
                use_statistics=False,
                use_summary_offsets=False,
                enable_data_crcs=True,
            )
            _copy(file, writer)
        assert same_frames(read_all(bare), read_all(recording))


@pytest.mark.parametrize(("second_ns", "how"), [(5, "stands still"), (2, "goes back 3 ns")])
def test_stamps_that_do_not_rise_are_refused(tmp_path: Path, second_ns: int, how: str) -> None:
    """Doubled and backward stamps are named with topic and message."""
    path = tmp_path / "odd.mcap"
    with path.open("wb") as output:
        writer = Writer(output)
        writer.start()
        schema = writer.register_schema("splitway.ImuSample", "jsonschema", b"{}")
        channel = writer.register_channel("/imu", "json", schema)
        content = b'{"acceleration_mps2":[0,0,9.8],"angular_velocity_radps":[0,0,0]}'
        for at_ns in (5, second_ns):
            writer.add_message(channel, at_ns, content, at_ns)
        writer.finish()
    with open_mcap(path, stream="imu", kind="imu") as drive:
        assert isinstance(drive, McapDrive)
        for read in (lambda: list(drive.frames()), drive.stamps):
            with pytest.raises(RecordingCorruptError, match=f"/imu: time {how} at message 1"):
                read()


def test_a_count_that_does_not_hold_is_an_error(recording: Path) -> None:
    """Messages that the index counts and the file lacks are not passed over."""
    with McapFile(recording) as file:
        topic = next(topic for topic in file.topics() if topic.name == "/top/points")
        more = type(topic)(
            **{name: getattr(topic, name) for name in topic.__slots__} | {"messages": 21}
        )
        with pytest.raises(RecordingCorruptError, match=r"holds 20 messages .* counts 21"):
            list(file.messages([more]))


# -- recovering ------------------------------------------------------------------------------------


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(min_value=0, max_value=1))
def test_what_is_whole_of_a_cut_file_is_saved(
    recording: Path, same_frames: SameFrames, share: float
) -> None:
    """The saved file is whole: a beginning of the drive, with the labels of those frames."""
    original = read_all(recording)
    data = recording.read_bytes()
    cut, saved = recording.with_name("cut.mcap"), recording.with_name("saved.mcap")
    length = int(share * len(data))
    cut.write_bytes(data[:length])
    try:
        found = recover(cut, saved, force=True)
    except RecordingCorruptError:
        assert length < _first_chunk_end(data)
        return
    frames = read_all(saved)
    assert same_frames(frames, original[: len(frames)])
    assert found.messages >= len(frames)
    if length < len(data):
        assert len(frames) < len(original) or length > _data_end(data)
    else:
        assert found.whole


def test_what_is_not_damaged_is_saved(recording: Path, same_values: SameValues) -> None:
    """A damaged chunk is left out with its labels; frames before and after come through."""
    content = bytearray(recording.read_bytes())
    chunks = [at for opcode, at in _records(bytes(content)) if opcode == Opcode.CHUNK]
    assert len(chunks) >= 4
    for broken in (0, 1, len(chunks) - 1):
        flipped = bytearray(content)
        flipped[chunks[broken] + 60] ^= 0xFF
        damaged = recording.with_name("damaged.mcap")
        damaged.write_bytes(flipped)
        with pytest.raises(RecordingCorruptError):
            read_all(damaged)
        found = recover(damaged, recording.with_name("saved.mcap"), force=True)
        assert (found.damaged, found.whole, found.cut_off) == (1, False, False)
        kept = {(f.stream, f.stamp_ns): f for f in read_all(recording)}
        saved = read_all(recording.with_name("saved.mcap"))
        assert 0 < len(saved) < len(kept)
        for frame in saved:
            before = kept[frame.stream, frame.stamp_ns]
            assert same_values(_content(frame), _content(before))
        with McapDrive(recording.with_name("saved.mcap")) as drive:
            stamps = {(frame.stream, frame.index): frame.stamp_ns for frame in saved}
            labels = list(drive.labels())
            assert labels
            assert all(stamps[one.stream, one.index] == one.stamp_ns for one in labels)


def test_a_whole_file_is_saved_whole(recording: Path, same_frames: SameFrames) -> None:
    """Nothing is lost, and nothing is replaced unasked."""
    saved = recording.with_name("saved.mcap")
    found = recover(recording, saved)
    assert found.whole
    assert same_frames(read_all(saved), read_all(recording))
    with pytest.raises(RecordingExistsError):
        recover(recording, saved)
    with pytest.raises(RecordingExistsError):
        recover(recording, recording, force=True)


def test_nothing_whole_leaves_no_file(recording: Path) -> None:
    """An error, and no empty recording beside it."""
    cut = recording.with_name("cut.mcap")
    cut.write_bytes(recording.read_bytes()[:200])
    with pytest.raises(RecordingCorruptError, match="no whole message"):
        recover(cut, recording.with_name("saved.mcap"))
    cut.write_bytes(b"no recording at all")
    with pytest.raises(RecordingCorruptError, match="does not begin"):
        recover(cut, recording.with_name("saved.mcap"))
    assert sorted(file.name for file in recording.parent.iterdir()) == ["cut.mcap", "toy.mcap"]


def test_a_full_disk_is_told(tmp_path: Path, make_toy_drive: MakeToyDrive) -> None:
    """Where bytes no longer arrive, the writing ends with an error, and no file is left behind."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # as a full disk, for this process
    try:
        with make_toy_drive(100) as drive, pytest.raises(RecordingWriteError) as told:
            write_drive(drive, tmp_path / "large.mcap", coding=PictureCoding(form="png"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told.value.written_bytes > 0
    assert "no file was left behind" in str(told.value)
    assert not list(tmp_path.iterdir())


def _content(frame: Frame) -> object:
    """What a frame holds besides its number."""
    names = [name for name in frame.__slots__ if name != "index"]
    return tuple(
        value.tobytes() if isinstance(value, np.ndarray) else value
        for value in (getattr(frame, name) for name in names)
    )


def _copy(file: io.BufferedReader, writer: Writer) -> None:
    """Write all messages of a recording anew."""
    reader = make_reader(file)
    summary = reader.get_summary()
    assert summary is not None
    writer.start("splitway-drive/1")
    schemas = {
        number: writer.register_schema(schema.name, schema.encoding, schema.data)
        for number, schema in summary.schemas.items()
    }
    channels = {
        number: writer.register_channel(
            channel.topic, channel.message_encoding, schemas[channel.schema_id], channel.metadata
        )
        for number, channel in summary.channels.items()
    }
    for _, channel, message in reader.iter_messages(log_time_order=False):
        writer.add_message(
            channels[channel.id],
            message.log_time,
            message.data,
            message.publish_time,
            message.sequence,
        )
    writer.finish()


def _records(data: bytes) -> list[tuple[int, int]]:
    """Opcode and place of every record."""
    found, at = [], MAGIC_BYTES
    while at < len(data) - MAGIC_BYTES:
        opcode, length = struct.unpack_from("<BQ", data, at)
        found.append((opcode, at))
        at += 9 + length
    return found


def _first_chunk_end(data: bytes) -> int:
    records = _records(data)
    return next(after for (opcode, _), (_, after) in pairwise(records) if opcode == Opcode.CHUNK)


def _data_end(data: bytes) -> int:
    return max(at for opcode, at in _records(data) if opcode == Opcode.CHUNK)
