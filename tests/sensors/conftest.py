"""Tiny recordings, built on the spot."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, Self

import cv2
import numpy as np
import pytest

from sensors.calibration import Calibration, Intrinsics, Mounting
from sensors.frames import CameraFrame, EgoPose, ImuSample, LidarSweep, Stream
from sensors.labels import FrameLabels, Futures, LabelMasks, Labels2D, Labels3D

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sensors.frames import Frame


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


WIDTH, HEIGHT = 64, 48


def picture(number: int) -> NDArray[np.uint8]:
    """Return a picture that tells its number by its brightness, shape (48, 64, 3)."""
    image = np.full((HEIGHT, WIDTH, 3), 20 + number * 9, np.uint8)
    image[:, : WIDTH // 2] //= 2
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Return a function that writes a video file of so many frames."""

    def make(name: str, *, frames: int = 12, rate: float = 25.0, code: str = "mp4v") -> Path:
        path = tmp_path / name
        fourcc = cv2.VideoWriter.fourcc(*code)
        writer = cv2.VideoWriter(str(path), fourcc, rate, (WIDTH, HEIGHT))
        assert writer.isOpened()
        for number in range(frames):
            writer.write(picture(number))
        writer.release()
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Return a function that fills a folder with images, with a file of stamps where wanted."""

    def make(*, frames: int = 12, suffix: str = ".png", stamps: str | None = None) -> Path:
        path = tmp_path / "drive" / "data"
        path.mkdir(parents=True)
        for number in range(frames):
            assert cv2.imwrite(str(path / f"{number}{suffix}"), picture(number))
        if stamps is not None:
            (path / "timestamps.txt").write_text(stamps, encoding="utf-8")
        return path

    return make


PERIOD_NS = 100_000_000


class ToyDrive:
    """A drive of one second by four sensors, labelled and calibrated; nothing on disk."""

    drive_id = "toy:drive"

    def __init__(self, frames: int = 10) -> None:
        self.count = frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def streams(self) -> tuple[Stream, ...]:
        """A camera, a LiDAR, a pose without a period, an inertial unit."""
        kinds = (("front", "camera", 64, 48), ("top", "lidar", 8, 4), ("ego", "pose", 0, 0))
        return (
            *(
                Stream(
                    name=name,
                    kind=kind,  # type: ignore[arg-type]
                    period_ns=None if kind == "pose" else PERIOD_NS,
                    frames=self.count,
                    width=width,
                    height=height,
                )
                for name, kind, width, height in kinds
            ),
            Stream(
                name="unit", kind="imu", period_ns=PERIOD_NS, frames=self.count, width=0, height=0
            ),
        )

    def calibrations(self) -> tuple[Calibration, ...]:
        """Of the camera and the LiDAR, with numbers that have no short decimal."""
        seen = Intrinsics(
            width=64,
            height=48,
            focal_x_px=50 / 3,
            focal_y_px=17.1,
            centre_x_px=31.5,
            centre_y_px=23,
        )
        placed = Mounting(x_m=1 / 3, y_m=-0.1, z_m=1.6, yaw_rad=1e-17, pitch_rad=0.02)
        high = Mounting(x_m=0.0, y_m=0.0, z_m=1.8, roll_rad=-1 / 7)
        return (
            Calibration(stream="front", mounting=placed, intrinsics=seen),
            Calibration(stream="top", mounting=high),
        )

    def frames(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[Frame]:
        """Every sensor's frame in turn, at one stamp."""
        assert streams is None
        assert start_ns is None
        assert stop_ns is None
        for index in range(self.count):
            at = {
                "index": index,
                "stamp_ns": index * PERIOD_NS + 3,
                "scheduled_ns": index * PERIOD_NS,
            }
            draw = np.random.default_rng(index)
            yield CameraFrame(stream="front", image=picture(index % 20), **at)
            points = draw.normal(size=(20 + index, 4)).astype(np.float32)
            yield LidarSweep(
                stream="top",
                points=points,
                offsets_ns=np.arange(-len(points) + 1, 1, dtype=np.int32) * 1000,
                rings=(np.arange(len(points)) % 4).astype(np.uint8),
                **at,
            )
            x, y, z, w = draw.normal(size=4).tolist()
            length = float(np.sqrt(x * x + y * y + z * z + w * w))
            yield EgoPose(
                stream="ego",
                position_m=(index / 3, -index / 7, 0.1),
                quaternion=(x / length, y / length, z / length, w / length),
                velocity_mps=(10 / 3, 1 / 7, -0.0),
                **at,
            )
            yield ImuSample(
                stream="unit",
                acceleration_mps2=(0.1, -index / 3, 9.81),
                angular_velocity_radps=(1e-300, 0.0, -1 / 3),
                **at,
            )

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Of every picture but the third, and of every sweep."""
        assert streams is None
        assert start_ns is None
        assert stop_ns is None
        for index in range(self.count):
            draw, at_ns = np.random.default_rng(1000 + index), index * PERIOD_NS + 3
            if index != 3:
                yield FrameLabels(
                    stream="front",
                    index=index,
                    stamp_ns=at_ns,
                    boxes=toy_boxes(draw, index % 4),
                    masks=LabelMasks(
                        names=("drivable", "lane"), masks=draw.random((2, 48, 64)) < 0.5
                    ),
                )
            yield FrameLabels(
                stream="top",
                index=index,
                stamp_ns=at_ns,
                boxes_3d=toy_boxes_3d(draw, index % 4),
                futures=toy_futures(draw, index % 4),
            )


def toy_boxes(draw: np.random.Generator, count: int) -> Labels2D:
    """Boxes in a picture, some unknown."""
    return Labels2D(
        names=("car", "pedestrian"),
        tracks=draw.integers(0, 1 << 60, count),
        classes=draw.integers(-1, 2, count),
        xyxy=draw.normal(size=(count, 4)).astype(np.float32),
        visibility=np.where(np.arange(count) % 2, np.nan, draw.random(count)).astype(np.float32),
        truncation=draw.random(count).astype(np.float32),
        distances_m=(draw.random(count) * 1e-30).astype(np.float32),
    )


def toy_boxes_3d(draw: np.random.Generator, count: int) -> Labels3D:
    """Boxes in space."""
    return Labels3D(
        names=("car",),
        tracks=np.arange(count, dtype=np.int64),
        classes=draw.integers(-1, 1, count),
        centres_m=draw.normal(size=(count, 3)).astype(np.float32),
        sizes_m=draw.random((count, 3)).astype(np.float32) + np.float32(1),
        yaws_rad=draw.normal(size=count).astype(np.float32),
        velocities_mps=np.full((count, 2), np.nan, np.float32),
        points=draw.integers(-1, 9, count),
    )


def toy_futures(draw: np.random.Generator, count: int) -> Futures:
    """Ways ahead."""
    return Futures(
        tracks=np.arange(count, dtype=np.int64),
        step_ns=500_000_000,
        positions_m=draw.normal(size=(count, 6, 2)).astype(np.float32),
        valid=draw.random((count, 6)) < 0.7,
    )


class MakeToyDrive(Protocol):
    """Makes a drive of so many frames of each of four sensors."""

    def __call__(self, frames: int = 10) -> ToyDrive:
        """Return it."""


@pytest.fixture
def make_toy_drive() -> MakeToyDrive:
    """Return the maker of toy drives."""
    return ToyDrive


class SameFrames(Protocol):
    """Whether two sequences of frames are equal to the byte."""

    def __call__(self, ones: Iterable[Frame], others: Iterable[Frame]) -> bool:
        """Compare."""


@pytest.fixture
def same_frames() -> SameFrames:
    """Return a function that says whether two sequences of frames are equal to the byte."""

    def same(ones: Iterable[Frame], others: Iterable[Frame]) -> bool:
        return all(equal(one, other) for one, other in zip(ones, others, strict=True))

    return same


class SameValues(Protocol):
    """Whether two values of frozen classes are equal to the bit, arrays in them included."""

    def __call__(self, one: object, other: object) -> bool:
        """Compare."""


@pytest.fixture
def same_values() -> SameValues:
    """Return a function that compares values, arrays in them to the bit."""
    return equal


def equal(one: object, other: object) -> bool:
    """Whether two values are of one class and equal to the bit."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        same = (one.dtype, one.shape) == (other.dtype, other.shape)
        return same and one.tobytes() == other.tobytes()
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        names = [field.name for field in dataclasses.fields(one)]
        return all(equal(getattr(one, name), getattr(other, name)) for name in names)
    return type(one) is type(other) and repr(one) == repr(other)
