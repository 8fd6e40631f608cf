"""A drive into an MCAP file and back: frames, labels and calibrations are what they were."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from sensors.frames import CameraFrame
from sensors.readers.mcap import McapDrive
from sensors.readers.registry import open_drive
from sensors.recording import PictureCoding, labelled_frames, write_drive
from sensors.recording.errors import LabelsStrayError, RecordingExistsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sensors.calibration import Calibrated
    from sensors.frames import Frame
    from sensors.labels import FrameLabels, Labelled
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


LOSSLESS = PictureCoding(form="png")


@pytest.fixture
def recording(tmp_path: Path, make_toy_drive: MakeToyDrive) -> Path:
    """Return a recording of the toy drive, pictures without loss."""
    with make_toy_drive() as drive:
        return write_drive(drive, tmp_path / "toy.mcap", coding=LOSSLESS).path


def test_frames_come_back_to_the_bit(
    recording: Path, make_toy_drive: MakeToyDrive, same_frames: SameFrames
) -> None:
    """Pictures, points with offsets and rings, poses and samples, in the order of writing."""
    with make_toy_drive() as drive, McapDrive(recording) as found:
        assert found.streams() == drive.streams()
        assert same_frames(found.frames(), drive.frames())


def test_labels_come_back_to_the_bit(
    recording: Path, make_toy_drive: MakeToyDrive, same_values: SameValues
) -> None:
    """Boxes, tracks, visibility, masks, futures; NaN included, missing ones missing."""
    with make_toy_drive() as drive, McapDrive(recording) as found:
        pairs = list(zip(found.labels(), drive.labels(), strict=True))
    assert len(pairs) == 19
    for one, other in pairs:
        assert same_values(one, other)


def test_calibrations_come_back_to_the_bit(recording: Path, make_toy_drive: MakeToyDrive) -> None:
    """Numbers without a short decimal survive."""
    with make_toy_drive() as drive, McapDrive(recording) as found:
        assert found.calibrations() == drive.calibrations()


def test_the_same_drive_gives_the_same_bytes(
    recording: Path, tmp_path: Path, make_toy_drive: MakeToyDrive
) -> None:
    """Nothing in the file depends on when or where it was written."""
    with make_toy_drive() as drive:
        again = write_drive(drive, tmp_path / "again.mcap", coding=LOSSLESS)
    assert again.path.read_bytes() == recording.read_bytes()
    assert again.bytes == recording.stat().st_size
    assert again.frames == {"front": 10, "top": 10, "ego": 10, "unit": 10}
    assert again.labels == {"front": 9, "top": 10}


def test_one_stream_is_found_by_its_name(
    recording: Path, make_toy_drive: MakeToyDrive, same_frames: SameFrames
) -> None:
    """A stream recorded under the name needs neither topic nor kind, whatever it is."""
    with make_toy_drive() as drive:
        frames = list(drive.frames())
    for name in ("front", "top", "ego", "unit"):
        with open_drive(recording, stream=name) as found:
            assert same_frames(found.frames(), [f for f in frames if f.stream == name])


def test_stamps_need_no_decoding(recording: Path) -> None:
    """They are the log times; several streams have no one list of them."""
    with McapDrive(recording) as found:
        assert found.stamps() is None
    with open_drive(recording, stream="top") as found:
        assert isinstance(found, McapDrive)
        assert found.stamps() == tuple(index * 100_000_000 + 3 for index in range(10))


def test_labels_follow_a_stream_under_another_name(recording: Path) -> None:
    """Renamed, cut to a window, numbered as the frames are."""
    with open_drive(recording, stream="cam", topic="/front/image") as found:
        assert isinstance(found, McapDrive)
        labels = list(found.labels(start_ns=200_000_003, stop_ns=500_000_003))
        frames = list(found.frames(start_ns=200_000_003, stop_ns=500_000_003))
    assert [one.index for one in labels] == [2, 4]
    assert [one.index for one in frames] == [2, 3, 4]
    assert {one.stream for one in (*labels, *frames)} == {"cam"}


def test_a_declared_period_makes_the_grid(recording: Path) -> None:
    """It begins at the first stamp; the recorded schedule no longer counts."""
    with open_drive(recording, stream="front", period_ns=50_000_000) as found:
        frames = list(found.frames())
        assert found.streams()[0].period_ns == 50_000_000
    assert [frame.scheduled_ns for frame in frames[:3]] == [3, 50_000_003, 100_000_003]


def test_frames_and_labels_go_side_by_side(recording: Path) -> None:
    """Every frame once, with its labels where it has any."""
    with McapDrive(recording) as found:
        pairs = list(labelled_frames(found))
    assert len(pairs) == 40
    for frame, labels in pairs:
        assert (labels is None) == (
            frame.stream in ("ego", "unit") or (frame.stream, frame.index) == ("front", 3)
        )
        if labels is not None:
            assert (labels.stream, labels.index, labels.stamp_ns) == (
                frame.stream,
                frame.index,
                frame.stamp_ns,
            )


def test_a_jpeg_is_close_and_small(tmp_path: Path, make_toy_drive: MakeToyDrive) -> None:
    """The default keeps pictures as JPEG of quality 90."""
    with make_toy_drive() as drive:
        path = write_drive(drive, tmp_path / "lossy.mcap").path
        originals = [one.image for one in drive.frames() if isinstance(one, CameraFrame)]
    with open_drive(path, stream="front") as found:
        for frame, original in zip(found.frames(), originals, strict=True):
            assert isinstance(frame, CameraFrame)
            assert np.abs(frame.image.astype(int) - original.astype(int)).mean() < 4


def test_foreign_tools_read_the_file(recording: Path) -> None:
    """Mcap's own reader decodes every protobuf message by the schemas that the file carries."""
    found: dict[str, int] = {}
    with recording.open("rb") as file:
        reader = make_reader(file, validate_crcs=True, decoder_factories=[DecoderFactory()])
        summary = reader.get_summary()
        assert summary is not None
        for channel in summary.channels.values():
            if channel.message_encoding != "protobuf":
                continue
            for schema, _, _, decoded in reader.iter_decoded_messages(topics=[channel.topic]):
                assert schema is not None
                found[schema.name] = found.get(schema.name, 0) + 1
                if schema.name == "foxglove.CompressedImage":
                    assert cv2.imdecode(np.frombuffer(decoded.data, np.uint8), 0) is not None
    assert found == {
        "foxglove.CompressedImage": 10 + 2 * 9,
        "foxglove.PointCloud": 10,
        "foxglove.Odometry": 10,
        "foxglove.FrameTransforms": 12,
        "foxglove.CameraCalibration": 1,
        "foxglove.ImageAnnotations": 9,
        "foxglove.SceneUpdate": 10,
    }


def test_chunks_are_closed_by_time(tmp_path: Path, make_toy_drive: MakeToyDrive) -> None:
    """No chunk spans half a second or more, so a file that is cut off loses little."""
    with make_toy_drive(30) as drive:
        path = write_drive(drive, tmp_path / "long.mcap").path
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    spans = [one.message_end_time - one.message_start_time for one in summary.chunk_indexes]
    assert len(spans) >= 6
    assert max(spans) < 500_000_000


def test_a_file_that_is_there_stays(recording: Path, make_toy_drive: MakeToyDrive) -> None:
    """It is replaced only on request."""
    before = recording.read_bytes()
    with make_toy_drive(2) as drive:
        with pytest.raises(RecordingExistsError, match="--force"):
            write_drive(drive, recording)
        assert recording.read_bytes() == before
        write_drive(drive, recording, force=True)
    assert recording.read_bytes() != before
    assert [file.name for file in recording.parent.iterdir()] == ["toy.mcap"]


def test_an_interrupt_leaves_nothing(tmp_path: Path, make_toy_drive: MakeToyDrive) -> None:
    """Whatever ends the writing, no half file remains."""
    seen = itertools.count()

    def stop(frame: Frame, labels: FrameLabels | None) -> None:
        del frame, labels
        if next(seen) == 5:
            raise KeyboardInterrupt

    with make_toy_drive() as drive, pytest.raises(KeyboardInterrupt):
        write_drive(drive, tmp_path / "half.mcap", progress=stop)
    assert not list(tmp_path.iterdir())


def test_stray_labels_are_refused(
    tmp_path: Path, make_toy_drive: MakeToyDrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels of a frame that never comes are an error, not left out."""
    with make_toy_drive() as drive:
        original = list(drive.labels())
        monkeypatch.setattr(drive, "labels", lambda: iter([*original[:4], original[3]]))
        with pytest.raises(LabelsStrayError, match="labels of frame 1 of stream 'top'"):
            write_drive(drive, tmp_path / "stray.mcap")
    assert not list(tmp_path.iterdir())
