"""Labels of a drive, from its reader or from another labelled recording of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import sensors
from pipeline.errors import InputError, LabelsError
from pipeline.runtime.drive import reader_of
from pipeline.scoring.poses import Poses
from pipeline.scoring.truths import collect
from sensors.errors import SensorError
from sensors.frames import EgoPose
from sensors.labels import Labelled
from sensors.readers.registry import open_drive

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pipeline.runtime.drive import StreamFacts
    from pipeline.runtime.spec import DriveSpec
    from pipeline.scoring.truths import StreamTruth
    from sensors.frames import StreamKind
    from sensors.labels import FrameLabels
    from sensors.readers.protocol import DriveReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The replayed frames of a stream, as labels must fit them.

    Attributes:
        stream: Name of the stream.
        stamps_ns: Recorded stamp of each, on the recording's own clock.
        size: Width and height of its pictures; zeros where it has none.
        kind: What the sensor is; None where unknown.
        period_ns: Its declared period.
        kinds: Kinds of labels that are wanted; all where None.
    """

    stream: str
    stamps_ns: Sequence[int]
    size: tuple[int, int]
    kind: StreamKind | None = None
    period_ns: int | None = None
    kinds: tuple[str, ...] | None = None


def frames_of(spec: DriveSpec, stream: str, facts: StreamFacts, kinds: Collection[str]) -> Frames:
    """The replayed frames of a stream of a drive that is being run, and the labels they want."""
    found = spec.stream(stream)
    shift_ns = shift_of(spec, stream)
    stamps_ns = facts.times.stamps_ns or facts.times.offsets_ns
    return Frames(
        stream=stream,
        stamps_ns=[stamp_ns - shift_ns for stamp_ns in stamps_ns] if shift_ns else stamps_ns,
        size=(facts.width, facts.height) if facts.kind == "camera" else (0, 0),
        kind=facts.kind,
        period_ns=found.period_ns,
        kinds=tuple(sorted(set(kinds))),
    )


def shift_of(spec: DriveSpec, stream: str) -> int:
    """How much later than recorded the frames of a stream lie in the run, ns."""
    found = spec.stream(stream)
    return found.phase_ns if found.path is not None else 0


def first_label(spec: DriveSpec, frames: Frames) -> FrameLabels | None:
    """The first label of a stream, None where no frame is labelled; makes no more than that.

    Raises:
        InputError: The recording is corrupt.
    """
    try:
        with reader_of(spec, frames.stream) as reader:
            if not isinstance(reader, Labelled):
                return None
            start_ns, stop_ns = _window(frames)
            labels = reader.labels(streams=(frames.stream,), start_ns=start_ns, stop_ns=stop_ns)
            return next(iter(labels), None)
    except SensorError as err:
        raise InputError(str(err)) from err


def gather(spec: DriveSpec, frames: Frames) -> StreamTruth | None:
    """Labels of a stream out of the drive itself; None where it has none.

    Raises:
        LabelsError: Its labels do not fit it.
        InputError: The recording is corrupt.
    """
    try:
        with reader_of(spec, frames.stream) as reader:
            if not isinstance(reader, Labelled):
                return None
            start_ns, stop_ns = _window(frames)
            truth = collect(
                frames.stream,
                reader.labels(streams=(frames.stream,), start_ns=start_ns, stop_ns=stop_ns),
                stamps_ns=frames.stamps_ns,
                size=frames.size,
                poses=poses_of(spec, frames) if frames.kind == "lidar" else None,
                kinds=frames.kinds,
            )
    except SensorError as err:
        raise InputError(str(err)) from err
    return truth if any(some.any() for some in truth.known.values()) else None


def gather_from(path: Path, frames: Frames) -> StreamTruth:
    """Labels of a stream out of a labelled recording.

    Raises:
        LabelsError: It has no labels of that stream, or they do not fit the run's frames.
        InputError: The recording is missing or corrupt.
    """
    try:
        reader = open_drive(
            path, stream=frames.stream, period_ns=frames.period_ns, kind=frames.kind
        )
        with reader:
            if not isinstance(reader, Labelled):
                raise LabelsError(f"{path}: is a recording without labels")
            truth = collect(
                frames.stream,
                reader.labels(streams=(frames.stream,)),
                stamps_ns=frames.stamps_ns,
                size=frames.size,
                poses=_recorded_poses(path, frames) if frames.kind == "lidar" else None,
                kinds=frames.kinds,
            )
    except SensorError as err:
        raise InputError(str(err)) from err
    if not any(some.any() for some in truth.known.values()):
        raise LabelsError(f"{path}: has no labels of stream {frames.stream}")
    return truth


def fingerprint(spec: DriveSpec, frames: Frames) -> str:
    """What the labels of a stream depend on: the drive, its file, and the code that makes them."""
    digest = hashlib.sha256(f"labels 1 {frames.kinds} ".encode())
    digest.update(reader_of(spec, frames.stream).drive_id.encode())
    digest.update(np.asarray(frames.stamps_ns, np.int64).tobytes())
    found = spec.stream(frames.stream)
    if found.path is None:
        for file in sorted(Path(next(iter(sensors.__path__))).rglob("*.py")):
            digest.update(file.read_bytes())
    else:
        for file in _files(Path(found.path)):
            stat = file.stat()
            digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _window(frames: Frames) -> tuple[int, int]:
    return min(frames.stamps_ns), max(frames.stamps_ns) + 1


# -- where the own vehicle was ---------------------------------------------------------------------


def poses_of(spec: DriveSpec, frames: Frames) -> Poses | None:
    """Ego poses at the frames of a stream; of a synthetic drive without a sensor's errors."""
    found = spec.stream(frames.stream)
    if found.path is not None:
        return _recorded_poses(Path(found.path), frames)
    from sensors.synthetic.motion import MotionNoise, SyntheticPose  # noqa: PLC0415 - LiDAR only

    exact = MotionNoise(**dict.fromkeys(MotionNoise.__slots__, 0.0))
    reader = SyntheticPose(
        spec.scene,
        seed=spec.scene_seed,
        length_ns=spec.length_ns,
        period_ns=found.period_ns or 1,
        stream="pose",
        phase_ns=found.phase_ns,
        noise=exact,
        parameters=spec.scene_parameters,
    )
    return _read(reader, "pose", frames)


def _recorded_poses(path: Path, frames: Frames) -> Poses | None:
    """Poses of a recording; None where it has none."""
    try:
        return _read(open_drive(path, stream="pose", kind="pose"), "pose", frames)
    except SensorError:
        return None


def _read(reader: DriveReader, stream: str, frames: Frames) -> Poses | None:
    with reader:
        found = [frame for frame in reader.frames(streams=(stream,)) if isinstance(frame, EgoPose)]
    if not found:
        return None
    own = Poses(
        stamps_ns=np.array([pose.stamp_ns for pose in found], np.int64),
        positions_m=np.array([pose.position_m for pose in found], np.float64),
        quaternions=np.array([pose.quaternion for pose in found], np.float64),
    )
    return own.at(np.asarray(frames.stamps_ns, np.int64))
