"""KITTI raw drives: pictures, sweeps, poses and inertial samples of one folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensors.calibration import Calibration
from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.frames import CameraFrame, LidarSweep, Stream
from sensors.readers._kitti_calibration import VELODYNE, raw_camera
from sensors.readers._kitti_files import numbered, read_sweep
from sensors.readers._kitti_oxts import Oxts
from sensors.readers._pictures import file_bytes, file_picture, picture_size
from sensors.readers._single import SingleStreamReader, in_window
from sensors.readers._stamps import read_stamps
from sensors.readers.errors import PeriodUnknownError, TopicError
from sensors.readers.formats import ReaderFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from sensors.frames import Frame, StreamKind

_CAMERAS = ("image_00", "image_01", "image_02", "image_03")
VELODYNE_TOPIC, OXTS_TOPIC = "velodyne_points", "oxts"
_SUFFIXES: Mapping[str, str] = {
    **dict.fromkeys(_CAMERAS, ".png"),
    VELODYNE_TOPIC: ".bin",
    OXTS_TOPIC: ".txt",
}
# A sweep is there at the turn's end; `timestamps.txt` says when the scanner faced forward.
_STAMPS: Mapping[str, Sequence[str]] = {VELODYNE_TOPIC: ("timestamps_end.txt", "timestamps.txt")}
_CAMERA_FILE, _VELODYNE_FILE = "calib_cam_to_cam.txt", "calib_velo_to_cam.txt"
_IMU_FILE = "calib_imu_to_velo.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """One stream in a drive's folder: its topic (a folder), its kind, its files and stamps."""

    topic: str
    kind: StreamKind
    files: Sequence[Path]
    stamps: Sequence[int]


class KittiRaw(SingleStreamReader):
    """One stream of a KITTI raw drive, its pictures rectified.

    The path is a drive's folder (with `image_02/data`, `velodyne_points/data`, `oxts/data`), or the
    day's folder above it where that holds one drive only. Topics are those folders: cameras
    `image_00` to `image_03`, the LiDAR `velodyne_points`, and `oxts`, which is a pose or, asked for
    by kind, inertial samples in the unit's own axes. Stamps come from `timestamps.txt` beside
    `data` (of the LiDAR from `timestamps_end.txt`); without it, frame `i` gets `i * period`, and a
    period has to be declared. The calibration files lie in the day's folder or the drive's; the ego
    frame is the velodyne's, moved to the ground.
    """

    def __init__(
        self,
        path: Path,
        *,
        stream: str,
        period_ns: int | None = None,
        topic: str | None = None,
        kind: StreamKind | None = None,
    ) -> None:
        """Remember what to open.

        Args:
            path: The folder.
            stream: Name that the frames shall carry.
            period_ns: Declared nominal period in ns, above 0; None takes the recorded stamps.
            topic: A folder's name; None takes that named as the stream, else the only one of the
                kind.
            kind: What the stream shall be; None is a camera.

        Raises:
            ValueError: The period is not above 0.
        """
        super().__init__(path=path, stream=stream, period_ns=period_ns)
        self._topic, self._kind = topic, kind
        self._found: _Found | None = None
        self._oxts: Oxts | None = None
        self._calibration: Calibration | None = None

    @property
    def drive_id(self) -> str:
        """The path as given, and the parameters."""
        period = "recorded" if self._declared_ns is None else str(self._declared_ns)
        picked = f"&topic={self._topic}" if self._topic is not None else ""
        picked += f"&kind={self._kind}" if self._kind is not None else ""
        return f"kitti:{self._path.as_posix()}?stream={self._name}&period_ns={period}{picked}"

    def stamps(self) -> Sequence[int]:
        """Return `stamp_ns` of every frame, ns."""
        return self._stream_found().stamps

    def calibrations(self) -> tuple[Calibration, ...]:
        """Place and projection of the sensor; empty where the folder has no calibration of it."""
        self._opened()
        return () if self._calibration is None else (self._calibration,)

    def _open(self) -> Stream:
        """List the folder, read stamps and calibration, and the first picture's header.

        Raises:
            RecordingNotFoundError: There is no such folder, or no drive in it.
            RecordingCorruptError: A file is missing, or files, stamps and calibration contradict
                each other.
            TopicError: The stream is not there, or which one is meant is not plain.
            PeriodUnknownError: There are neither stamps nor a declared period.
        """
        drive = drive_in(self._path)
        if drive is None:
            raise RecordingNotFoundError(self._path, "a KITTI drive has image_02/data or its like")
        topic, kind = self._chosen(drive)
        files = list(numbered(drive / topic / "data", _SUFFIXES[topic], gapless=True).values())
        if not files:
            raise RecordingCorruptError(drive / topic / "data", "it holds no file of the stream")
        stamps = self._stamps_of(drive, topic, files)
        self._found = _Found(topic=topic, kind=kind, files=files, stamps=stamps)
        size = picture_size(files[0], file_bytes(files[0])) if kind == "camera" else (0, 0)
        self._calibration = self._read_calibration(drive, topic, size)
        if kind in ("pose", "imu"):
            self._oxts = Oxts(files, _place_of(drive, _IMU_FILE))
        return Stream(
            name=self._name,
            kind=kind,
            period_ns=self._declared_ns,
            frames=len(files),
            width=size[0],
            height=size[1],
        )

    def _read(self, stream: Stream, start_ns: int | None, stop_ns: int | None) -> Iterator[Frame]:
        found = self._stream_found()
        for index, (file, stamp_ns) in enumerate(zip(found.files, found.stamps, strict=True)):
            if not in_window(stamp_ns, start_ns, stop_ns):
                continue
            scheduled_ns = stamp_ns
            if stream.period_ns is not None:
                scheduled_ns = found.stamps[0] + index * stream.period_ns
            yield self._frame(stream, file, index, stamp_ns, scheduled_ns)

    def _frame(
        self, stream: Stream, file: Path, index: int, stamp_ns: int, scheduled_ns: int
    ) -> Frame:
        match stream.kind:
            case "camera":
                return CameraFrame(
                    stream=stream.name,
                    index=index,
                    stamp_ns=stamp_ns,
                    scheduled_ns=scheduled_ns,
                    image=file_picture(file, width=stream.width, height=stream.height),
                )
            case "lidar":
                return LidarSweep(
                    stream=stream.name,
                    index=index,
                    stamp_ns=stamp_ns,
                    scheduled_ns=scheduled_ns,
                    points=read_sweep(file),
                )
            case "pose" | "imu" as kind:
                assert self._oxts is not None, "made when opened"  # noqa: S101 - our invariant
                return self._oxts.frame(kind, stream.name, index, stamp_ns, scheduled_ns)

    def _chosen(self, drive: Path) -> tuple[str, StreamKind]:
        topics = _topics(drive)
        named = self._topic if self._topic is not None else self._name
        if named in topics:
            kind = self._kind_of(named)
            if self._kind in (None, kind):
                return named, kind
            raise TopicError(self._path, f"{named} is of kind {kind}, not {self._kind}", topics)
        if self._topic is not None:
            raise TopicError(self._path, f"there is no topic {self._topic!r}", topics)
        wanted = self._kind or "camera"
        fitting = [topic for topic in topics if self._kind_of(topic) == wanted]
        if len(fitting) != 1:
            reason = (
                f"it has {len(fitting)} {wanted} streams: name the topic of {self._name!r}"
                if fitting
                else f"there is no {wanted} stream in it"
            )
            raise TopicError(self._path, reason, topics)
        return fitting[0], wanted

    def _kind_of(self, topic: str) -> StreamKind:
        if topic == OXTS_TOPIC:
            return "imu" if self._kind == "imu" else "pose"
        return "lidar" if topic == VELODYNE_TOPIC else "camera"

    def _stamps_of(self, drive: Path, topic: str, files: Sequence[Path]) -> Sequence[int]:
        for name in _STAMPS.get(topic, ("timestamps.txt",)):
            place = drive / topic / name
            if place.is_file():
                return read_stamps(place, images=len(files))
        if self._declared_ns is None:
            raise PeriodUnknownError(drive / topic, "it has no timestamps.txt")
        _check_counts(drive, topic, len(files))
        return range(0, len(files) * self._declared_ns, self._declared_ns)

    def _read_calibration(
        self, drive: Path, topic: str, size: tuple[int, int]
    ) -> Calibration | None:
        if topic == VELODYNE_TOPIC:
            return Calibration(stream=self._name, mounting=VELODYNE)
        files = [_place_of(drive, name) for name in (_CAMERA_FILE, _VELODYNE_FILE)]
        if topic == OXTS_TOPIC or not any(file.is_file() for file in files):
            return None
        mounting, seen = raw_camera(files[0], files[1], topic.removeprefix("image_"), size)
        return Calibration(stream=self._name, mounting=mounting, intrinsics=seen)

    def _stream_found(self) -> _Found:
        self._opened()
        assert self._found is not None, "set when opened"  # noqa: S101 - our invariant
        return self._found


def drive_in(path: Path) -> Path | None:
    """Return the folder of the drive: the path itself, or the only drive right below; else None."""
    if not path.is_dir():
        return None
    if _topics(path):
        return path
    below = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and _topics(folder)]
    return below[0] if len(below) == 1 else None


def _topics(drive: Path) -> list[str]:
    return [topic for topic in _SUFFIXES if (drive / topic / "data").is_dir()]


def _place_of(drive: Path, name: str) -> Path:
    """Where a calibration file lies: in the drive's folder, else in the day's above it."""
    return drive / name if (drive / name).is_file() else drive.resolve().parent / name


def _check_counts(drive: Path, topic: str, files: int) -> None:
    """Refuse a stream without stamps whose files are not one to one with the other streams'.

    Raises:
        RecordingCorruptError: They are not; frames would be paired wrongly.
    """
    for other in _topics(drive):
        beside = len(numbered(drive / other / "data", _SUFFIXES[other], gapless=True))
        if beside != files:
            reason = (
                f"it has {files} files, {other} has {beside}: without stamps they have to be one to"
                " one; a file is missing"
            )
            raise RecordingCorruptError(drive / topic / "data", reason)


def _pick(
    path: Path,
    *,
    stream: str,
    period_ns: int | None,
    topic: str | None,
    kind: StreamKind | None,
) -> KittiRaw:
    return KittiRaw(path, stream=stream, period_ns=period_ns, topic=topic, kind=kind)


def _accepts(path: Path) -> bool:
    return drive_in(path) is not None


open_kitti = ReaderFormat(
    summary="folders of a KITTI raw drive, with image_02/data or velodyne_points/data",
    accepts=_accepts,
    pick=_pick,
)
"""Entry point: one stream of a KITTI raw drive."""
