"""What every reader of a drive promises, the synthetic drive included."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from sensors.errors import SensorError, StreamMissingError
from sensors.frames import CameraFrame, LidarSweep, Stream
from sensors.readers.images import open_images
from sensors.readers.registry import open_drive
from sensors.readers.video import open_video
from sensors.recording import DriveWriter
from sensors.synthetic import SyntheticDrive

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sensors.frames import Frame, StreamKind
    from sensors.readers import DriveReader


class MakeVideo(Protocol):
    """Writes a video file of so many frames."""

    def __call__(
        self, name: str, *, frames: int = 12, rate: float = 25.0, code: str = "mp4v"
    ) -> Path:
        """Return its path."""


class MakeImages(Protocol):
    """Fills a folder with images, with a file of stamps where wanted."""

    def __call__(
        self, *, frames: int = 12, suffix: str = ".png", stamps: str | None = None
    ) -> Path:
        """Return the folder."""


PERIOD_NS = 40_000_000
FRAMES = 12


KINDS = ["mp4", "avi", "mkv", "png", "jpg", "stamped", "highway", "urban"]
RECORDED = ["mcap", "mcap-lidar", "kitti", "kitti-lidar", "kitti-object"]


@pytest.fixture(params=[*KINDS, *RECORDED])
def reader(
    request: pytest.FixtureRequest, make_video: MakeVideo, make_images: MakeImages, tmp_path: Path
) -> DriveReader:
    """Return a closed reader of 12 frames of a stream "front", 40 ms apart."""
    kind = str(request.param)
    if kind in RECORDED:
        return recorded(kind, make_images(frames=FRAMES), tmp_path)
    if kind in ("mp4", "avi", "mkv"):
        code = "MJPG" if kind == "avi" else "mp4v"
        return open_video(make_video(f"clip.{kind}", frames=FRAMES, code=code), stream="front")
    if kind in ("png", "jpg"):
        path = make_images(frames=FRAMES, suffix=f".{kind}")
        return open_images(path, stream="front", period_ns=PERIOD_NS)
    if kind == "stamped":
        stamps = "".join(f"{number * PERIOD_NS}\n" for number in range(FRAMES))
        return open_images(make_images(frames=FRAMES, stamps=stamps), stream="front")
    return SyntheticDrive(
        kind,
        seed=5,
        length_ns=FRAMES * PERIOD_NS,
        period_ns=PERIOD_NS,
        width=64,
        height=48,
        stream="front",
    )


def recorded(kind: str, images: Path, folder: Path) -> DriveReader:
    """A reader of an MCAP file or a KITTI folder made from 12 images."""
    if kind.startswith("mcap"):
        path = folder / "drive.mcap"
        with path.open("wb") as output:
            writer = DriveWriter(output, streams=[camera("front"), lidar("top")])
            for picture, sweep in zip(pictures(images), sweeps(), strict=True):
                writer.write(picture)
                writer.write(sweep)
            writer.finish()
        topic = "/front/image" if kind == "mcap" else "/top/points"
        return open_drive(path, stream="front", topic=topic)
    drive = folder / "kitti"
    if kind == "kitti-object":
        shutil.copytree(images, drive / "image_2")
        (drive / "calib").mkdir()
        for file in images.iterdir():
            (drive / "calib" / f"{file.stem}.txt").write_text("P2: 1\n", encoding="ascii")
        return open_drive(drive, stream="front", period_ns=PERIOD_NS)
    shutil.copytree(images, drive / "image_02" / "data")
    (drive / "velodyne_points" / "data").mkdir(parents=True)
    for sweep in sweeps():
        file = drive / "velodyne_points" / "data" / f"{sweep.index}.bin"
        file.write_bytes(sweep.points.tobytes())
    wanted: StreamKind = "camera" if kind == "kitti" else "lidar"
    return open_drive(drive, stream="front", period_ns=PERIOD_NS, kind=wanted)


def camera(name: str) -> Stream:
    """The camera of a recording."""
    return Stream(name=name, kind="camera", period_ns=PERIOD_NS, frames=FRAMES, width=64, height=48)


def lidar(name: str) -> Stream:
    """The LiDAR of a recording."""
    return Stream(name=name, kind="lidar", period_ns=PERIOD_NS, frames=FRAMES, width=5, height=1)


def pictures(images: Path) -> Iterator[CameraFrame]:
    """The images as frames of a camera."""
    with open_images(images, stream="front", period_ns=PERIOD_NS) as drive:
        yield from (frame for frame in drive.frames() if isinstance(frame, CameraFrame))


def sweeps() -> Iterator[LidarSweep]:
    """Small sweeps."""
    for index in range(FRAMES):
        at_ns = index * PERIOD_NS
        points = np.full((5, 4), index, np.float32)
        yield LidarSweep(
            stream="top", index=index, stamp_ns=at_ns, scheduled_ns=at_ns, points=points
        )


def content(frame: Frame) -> NDArray[np.uint8] | NDArray[np.float32]:
    """The pixels of a picture, the points of a sweep."""
    assert isinstance(frame, CameraFrame | LidarSweep)
    return frame.image if isinstance(frame, CameraFrame) else frame.points


def same(ones: Iterable[Frame], others: Iterable[Frame]) -> bool:
    """Whether two sequences of frames are equal to the byte."""
    return all(
        (one.stream, one.index, one.stamp_ns, one.scheduled_ns)
        == (other.stream, other.index, other.stamp_ns, other.scheduled_ns)
        and np.array_equal(content(one), content(other))
        for one, other in zip(ones, others, strict=True)
    )


def test_the_stream_describes_the_frames(reader: DriveReader) -> None:
    """Name, size and count of the stream hold for what is read."""
    with reader:
        (stream,) = reader.streams()
        frames = list(reader.frames())
    assert stream.name == "front"
    assert stream.period_ns in (PERIOD_NS, None)
    assert stream.frames in (len(frames), None)
    assert len(frames) == FRAMES
    for frame in frames:
        assert frame.stream == "front"
        if stream.kind == "lidar":
            assert isinstance(frame, LidarSweep)
            assert frame.points.shape == (5, 4)
            assert frame.points.dtype == np.float32
            continue
        assert isinstance(frame, CameraFrame)
        assert frame.image.shape == (stream.height, stream.width, 3)
        assert frame.image.dtype == np.uint8


def test_frames_come_in_order_and_on_the_grid(reader: DriveReader) -> None:
    """Indices have no gaps, stamps rise, and the grid is the period's."""
    with reader:
        frames = list(reader.frames())
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.stamp_ns for frame in frames] == [n * PERIOD_NS for n in range(FRAMES)]
    assert [frame.scheduled_ns for frame in frames] == [frame.stamp_ns for frame in frames]


def test_reading_again_gives_the_same_bytes(reader: DriveReader) -> None:
    """A second pass, in the same context and in a new one, equals the first."""
    with reader:
        first = list(reader.frames())
        assert same(first, reader.frames())
    with reader:
        assert same(first, reader.frames())


def test_iterators_do_not_disturb_each_other(reader: DriveReader) -> None:
    """Two iterators read in turn see the same frames."""
    with reader:
        ones, others = reader.frames(), reader.frames()
        pairs = [(next(ones), next(others)) for _ in range(FRAMES)]
    assert same((one for one, _ in pairs), (other for _, other in pairs))


def test_the_window_is_half_open(reader: DriveReader) -> None:
    """The first stamp of the window belongs to it, its stop does not; bytes do not change."""
    with reader:
        everything = list(reader.frames())
        window = list(reader.frames(start_ns=3 * PERIOD_NS, stop_ns=7 * PERIOD_NS))
        assert same(window, everything[3:7])
        inside = list(reader.frames(start_ns=3 * PERIOD_NS + 1, stop_ns=7 * PERIOD_NS + 1))
        assert same(inside, everything[4:8])
        assert same(reader.frames(start_ns=10 * PERIOD_NS), everything[10:])
        assert same(reader.frames(stop_ns=2 * PERIOD_NS), everything[:2])
        assert not list(reader.frames(start_ns=100 * PERIOD_NS))
        assert not list(reader.frames(stop_ns=0))
        assert same(reader.frames(start_ns=-5, stop_ns=1 << 70), everything)


def test_an_unknown_stream_is_refused_at_once(reader: DriveReader) -> None:
    """Asking for a stream that is not there fails before the first frame is taken."""
    with reader:
        with pytest.raises(StreamMissingError, match="no stream 'rear'; it has front"):
            reader.frames(streams=["front", "rear"])
        assert len(list(reader.frames(streams={"front"}))) == FRAMES
        assert not list(reader.frames(streams=()))


def test_a_closed_reader_reads_nothing(reader: DriveReader) -> None:
    """Before and after the context there is no reading, and closing twice is harmless."""
    with pytest.raises(RuntimeError, match="closed"):
        reader.streams()
    with reader:
        late = reader.frames()
        next(late)
    reader.__exit__(None, None, None)
    with pytest.raises(RuntimeError, match="closed"):
        next(late)
    with pytest.raises(RuntimeError, match="closed"):
        reader.frames()


def test_the_identity_names_the_parameters(reader: DriveReader) -> None:
    """The identity is text that stays the same, opened or not."""
    before = reader.drive_id
    with reader:
        assert reader.drive_id == before
    assert "stream=front" in before


def test_frames_own_their_pictures(reader: DriveReader) -> None:
    """Taking the next frame does not change the picture of the last."""
    with reader:
        frames = reader.frames()
        first = next(frames)
        kept = content(first).copy()
        for _ in itertools.islice(frames, 3):
            pass
    assert np.array_equal(content(first), kept)


def test_readers_decode_lazily(make_images: MakeImages, make_video: MakeVideo) -> None:
    """Damage behind the frames that were taken goes unnoticed."""
    folder = make_images(frames=4)
    (folder / "3.png").write_bytes(b"no picture")
    video = make_video("clip.avi", code="MJPG")
    data = bytearray(video.read_bytes())
    data[-4000:-1200] = bytes(2800)
    video.write_bytes(bytes(data))
    for damaged in (
        open_images(folder, stream="front", period_ns=PERIOD_NS),
        open_video(video, stream="front"),
    ):
        with damaged:
            assert len(list(itertools.islice(damaged.frames(), 3))) == 3
            with pytest.raises(SensorError):
                list(damaged.frames())
