"""`synth`: a seeded synthetic drive with labels as a recording, and pictures of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.api.label_pictures import LabelPictures, check_place
from pipeline.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sensors.frames import Frame, Stream
    from sensors.labels import FrameLabels
    from sensors.recording.encoding import PictureCoding
    from sensors.synthetic.parameters import ParameterValue

_BLOCK_BYTES = 1024 * 1024


class SynthProgress(Protocol):
    """Told how far it is; what it raises ends the writing, and no file remains."""

    def __call__(self, frames: int, of: int) -> None:
        """So many frames of all streams are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthSettings:
    """What to make.

    Attributes:
        scene: Name of the scene.
        seed: Seed of the world.
        length_ns: Length of the drive, above 0.
        sensors: Cameras by name, `lidar`, `pose`, `imu`, in the order of equal stamps.
        width: Pixels across of every camera.
        height: Pixels down.
        camera_ns: Period of the cameras.
        lidar_ns: Period of the LiDAR.
        changes: Parameters of the scene, each as `name=value`.
        coding: How pictures are kept; None is a JPEG of quality 90.
        picture: A picture file for a sheet of frames with labels drawn in, or a folder for one
            picture a second of every camera and LiDAR; None makes none.
        force: Whether files of these names are replaced.
    """

    scene: str
    seed: int = 0
    length_ns: int = 20_000_000_000
    sensors: Sequence[str] = ("front", "lidar", "pose", "imu")
    width: int = 640
    height: int = 384
    camera_ns: int = 100_000_000
    lidar_ns: int = 100_000_000
    changes: Sequence[str] = ()
    coding: PictureCoding | None = None
    picture: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesised:
    """What was made.

    Attributes:
        path: The recording.
        bytes: Its length.
        sha256: Of the file.
        drive_id: What the drive is made from.
        streams: The streams in it.
        frames: Number of frames per stream.
        labels: Number of labelled frames per stream.
        objects: Number of labelled objects, frame by frame, per stream of a camera or LiDAR.
        pictures: Picture files, in the order of making.
    """

    path: Path
    bytes: int
    sha256: str
    drive_id: str
    streams: tuple[Stream, ...]
    frames: Mapping[str, int]
    labels: Mapping[str, int]
    objects: Mapping[str, int]
    pictures: tuple[Path, ...]


def synth(
    settings: SynthSettings, path: Path, progress: SynthProgress | None = None
) -> Synthesised:
    """Write a synthetic drive as MCAP; the same settings give the same bytes.

    Args:
        settings: What to make.
        path: The recording.
        progress: Told after each frame.

    Raises:
        InputError: A setting cannot be, or a file is there and may not be replaced.
        SensorError: There is no such scene, sensor or parameter.
        InfrastructureError: The disk is full, or a file cannot be written for another reason.
    """
    from sensors.recording import write_drive
    from sensors.recording.errors import RecordingWriteError
    from sensors.synthetic.suite import Periods, SyntheticSuite

    if settings.picture is not None:
        check_place(settings.picture, force=settings.force)
    try:
        suite = SyntheticSuite(
            settings.scene,
            seed=settings.seed,
            length_ns=settings.length_ns,
            sensors=settings.sensors,
            width=settings.width,
            height=settings.height,
            periods=Periods(camera_ns=settings.camera_ns, lidar_ns=settings.lidar_ns),
            parameters=_changes(settings.changes),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    with suite as drive:
        streams = drive.streams()
        mountings = {found.stream: found.mounting for found in drive.calibrations()}
        pictures: LabelPictures | None = None
        if settings.picture is not None:
            pictures = LabelPictures(
                place=settings.picture,
                title=f"{settings.scene}, seed {settings.seed}",
                streams=streams,
                mountings=mountings,
            )
        watch = _Watch(streams, pictures, progress)
        try:
            written = write_drive(
                drive, path, coding=settings.coding, force=settings.force, progress=watch
            )
        except RecordingWriteError as error:
            raise InfrastructureError(str(error)) from error
        if pictures is not None:
            pictures.finish()
        return Synthesised(
            path=path,
            bytes=written.bytes,
            sha256=_sha256(path),
            drive_id=drive.drive_id,
            streams=streams,
            frames=written.frames,
            labels=written.labels,
            objects=watch.objects,
            pictures=() if pictures is None else tuple(pictures.written),
        )


class _Watch:
    """Sees every frame as it is written: counts objects, has pictures drawn, tells how far."""

    def __init__(
        self,
        streams: Sequence[Stream],
        pictures: LabelPictures | None,
        progress: SynthProgress | None,
    ) -> None:
        self.objects = {stream.name: 0 for stream in streams if stream.kind in ("camera", "lidar")}
        self._pictures, self._progress = pictures, progress
        self._of, self._done = sum(stream.frames or 0 for stream in streams), 0

    def __call__(self, frame: Frame, labels: FrameLabels | None) -> None:
        """Take note of a frame."""
        self._done += 1
        if labels is not None:
            boxes = labels.boxes if labels.boxes is not None else labels.boxes_3d
            self.objects[frame.stream] += 0 if boxes is None else len(boxes)
        if self._pictures is not None:
            self._pictures.see(frame, labels)
        if self._progress is not None:
            self._progress(self._done, self._of)


def _changes(texts: Sequence[str]) -> dict[str, ParameterValue]:
    """Parameters of a scene by name, numbers as numbers.

    Raises:
        InputError: A text is not `name=value`, or a name stands twice.
    """
    found: dict[str, ParameterValue] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(f"--set {text}: must be NAME=VALUE, such as traffic_per_km=20")
        if name in found:
            raise InputError(f"--set {text}: {name} is set twice")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def _sha256(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
