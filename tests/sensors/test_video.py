"""Drives in video files."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import pytest

from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.frames import CameraFrame
from sensors.readers.errors import PeriodUnknownError
from sensors.readers.video import VideoReader, open_video


class MakeVideo(Protocol):
    """Writes a video file of so many frames."""

    def __call__(
        self, name: str, *, frames: int = 12, rate: float = 25.0, code: str = "mp4v"
    ) -> Path:
        """Return its path."""


def real_clip() -> Path:
    """Return the real clip, or skip the test."""
    place = os.environ.get("SPLITWAY_DATA")
    if not place:
        pytest.skip("SPLITWAY_DATA is not set: no real recordings")
    clip = Path(place) / "camera" / "udacity_solidWhiteRight.mp4"
    if not clip.is_file():
        pytest.skip(f"SPLITWAY_DATA holds no {clip.name}")
    return clip


def test_the_header_gives_size_rate_and_count(make_video: MakeVideo) -> None:
    """Everything about the stream is known before a frame is decoded."""
    with open_video(make_video("clip.mp4", frames=7, rate=20.0), stream="front") as drive:
        (stream,) = drive.streams()
    assert (stream.width, stream.height, stream.frames) == (64, 48, 7)
    assert stream.period_ns == 50_000_000


def test_a_broken_rate_does_not_drift(make_video: MakeVideo) -> None:
    """Stamps come from the exact ratio: after 11 frames of 29.97 Hz nothing has piled up."""
    path = make_video("clip.avi", rate=29.97, code="MJPG")
    with open_video(path, stream="front") as drive:
        frames = list(drive.frames())
        (stream,) = drive.streams()
    assert stream.period_ns == 33_366_700
    assert [f.stamp_ns for f in frames] == [n * 100_000_000_000 // 2997 for n in range(12)]


@pytest.mark.parametrize(
    ("rate", "distance_ns"),
    [
        (30_000 / 1001, Fraction(1_001_000_000_000, 30_000)),
        (24_000 / 1001, Fraction(1_001_000_000_000, 24_000)),
        (25.0, Fraction(40_000_000)),
        (12.5, Fraction(80_000_000)),
    ],
)
def test_a_rate_becomes_the_exact_ratio(rate: float, distance_ns: Fraction) -> None:
    """The ratio that the container holds is recovered from its float."""
    reader = VideoReader(Path("clip.mp4"), stream="front")
    assert reader._frame_distance(rate) == distance_ns


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, 90_000.0])
def test_a_header_without_a_rate_asks_for_the_period(rate: float) -> None:
    """Nothing is guessed, unless the period is declared."""
    with pytest.raises(PeriodUnknownError, match="declare the stream's `period`"):
        VideoReader(Path("clip.mp4"), stream="front")._frame_distance(rate)
    declared = VideoReader(Path("clip.mp4"), stream="front", period_ns=9)
    assert declared._frame_distance(rate) == 9


def test_a_declared_period_is_the_grid(make_video: MakeVideo) -> None:
    """The scenario's word goes over the header's."""
    with open_video(make_video("clip.mp4"), stream="front", period_ns=100_000_000) as drive:
        frames = list(drive.frames())
        assert drive.streams()[0].period_ns == 100_000_000
    assert frames[-1].scheduled_ns == frames[-1].stamp_ns == 1_100_000_000


@pytest.mark.parametrize("period_ns", [0, -1])
def test_a_period_has_to_be_positive(period_ns: int) -> None:
    """A period of nothing is the caller's mistake."""
    with pytest.raises(ValueError, match="above 0"):
        VideoReader(Path("clip.mp4"), stream="front", period_ns=period_ns)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    """Opening, not constructing, looks for the file."""
    drive = open_video(tmp_path / "none.mp4", stream="front")
    with pytest.raises(RecordingNotFoundError, match=r"none\.mp4"):
        drive.__enter__()


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(5000), b"\0\0\0\x08ftyp"])
def test_what_is_no_video_is_corrupt(tmp_path: Path, content: bytes) -> None:
    """Whatever the name says, the content decides."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with (
        pytest.raises(RecordingCorruptError, match=r"clip\.mp4: it cannot be opened as a video"),
        open_video(path, stream="front"),
    ):
        pass


def test_a_bare_stream_without_its_container_is_corrupt(make_video: MakeVideo) -> None:
    """A decoder would play it, without knowing how long it has to be."""
    path = make_video("clip.mp4")
    path.write_bytes(path.read_bytes()[40:])
    with pytest.raises(RecordingCorruptError, match=r"clip\.mp4: .*Matroska or WebM"):
        open_video(path, stream="front").__enter__()


@pytest.mark.parametrize(("name", "code"), [("clip.mp4", "mp4v"), ("clip.avi", "MJPG")])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.995])
def test_a_file_cut_off_anywhere_is_corrupt(
    make_video: MakeVideo, name: str, code: str, share: float
) -> None:
    """However little is missing at the end, the drive is refused, naming file and reason."""
    path = make_video(name, code=code)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RecordingCorruptError, match=rf"{name}: cut off") as caught:  # noqa: SIM117
        with open_video(path, stream="front") as drive:
            list(drive.frames())
    assert caught.value.path == path


def test_a_container_without_sizes_cut_off_is_corrupt(make_video: MakeVideo) -> None:
    """A Matroska file knows a duration only; half of it missing is seen all the same."""
    path = make_video("clip.mkv")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_video(path, stream="front") as drive:
        assert drive.streams()[0].frames is None
        with pytest.raises(RecordingCorruptError, match="the decoder stops after"):
            list(drive.frames())


def test_a_decoder_that_stops_early_is_an_error(make_video: MakeVideo) -> None:
    """A whole file with rubbish in the middle never gives silently fewer frames."""
    path = make_video("clip.avi", code="MJPG")
    data = bytearray(path.read_bytes())
    data[-4000:-1200] = bytes(2800)
    path.write_bytes(bytes(data))
    with (
        open_video(path, stream="front") as drive,
        pytest.raises(RecordingCorruptError, match=r"clip\.avi: .*of 12 frames"),
    ):
        list(drive.frames())


def test_a_broken_file_leaves_the_terminal_clean(make_video: MakeVideo) -> None:
    """Neither OpenCV nor FFmpeg writes to stderr; the error says it all."""
    path = make_video("clip.mp4")
    path.write_bytes(path.read_bytes().replace(b"moov", b"xoov"))
    code = (
        "import sys, pathlib\n"
        "from sensors.readers.video import open_video\n"
        "from sensors.errors import RecordingCorruptError\n"
        "try:\n"
        "    open_video(pathlib.Path(sys.argv[1]), stream='front').__enter__()\n"
        "except RecordingCorruptError:\n"
        "    sys.exit(7)\n"
    )
    quiet = {key: text for key, text in os.environ.items() if not key.startswith("OPENCV_")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, check=False, env=quiet
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")


def test_the_real_clip_is_read_whole() -> None:
    """A real highway recording: 221 frames at 25 Hz."""
    with open_video(real_clip(), stream="front") as drive:
        (stream,) = drive.streams()
        stamps = [frame.stamp_ns for frame in drive.frames()]
        (third,) = drive.frames(start_ns=120_000_000, stop_ns=160_000_000)
    assert (stream.width, stream.height, stream.frames) == (960, 540, 221)
    assert stream.period_ns == 40_000_000
    assert stamps == [40_000_000 * number for number in range(221)]
    assert isinstance(third, CameraFrame)
    assert (third.index, third.image.shape) == (3, (540, 960, 3))


def test_the_real_clip_cut_off_is_refused(tmp_path: Path) -> None:
    """Losing the last two kilobytes costs one frame of 221, which is not passed over."""
    data = real_clip().read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[:-2000])
    with (
        pytest.raises(RecordingCorruptError, match=r"cut\.mp4: cut off: box 'mdat'"),
        open_video(path, stream="front"),
    ):
        pass
