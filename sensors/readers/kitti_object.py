"""KITTI's object detection sets: single frames with picture, sweep, calibration and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensors.calibration import Calibration
from sensors.errors import RecordingNotFoundError, StreamMissingError
from sensors.frames import CameraFrame, LidarSweep, Stream
from sensors.labels import FrameLabels
from sensors.readers._kitti_calibration import VELODYNE, object_camera, object_reference
from sensors.readers._kitti_files import check_partners, numbered, read_sweep
from sensors.readers._kitti_labels import labels_2d, labels_3d, read_objects
from sensors.readers._pictures import file_bytes, file_picture, picture_size
from sensors.readers._single import SingleStreamReader, in_window
from sensors.readers.errors import PeriodUnknownError, TopicError
from sensors.readers.formats import ReaderFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from sensors.frames import Frame, StreamKind

_LEFT, _RIGHT, _VELODYNE, _CALIBRATION, _LABELS = (
    "image_2",
    "image_3",
    "velodyne",
    "calib",
    "label_2",
)
_SUFFIXES = {_LEFT: ".png", _RIGHT: ".png", _VELODYNE: ".bin", _CALIBRATION: ".txt"}
_FLAT_LABELS = "_gt"
_KINDS: Mapping[str, StreamKind] = {_LEFT: "camera", _RIGHT: "camera", _VELODYNE: "lidar"}
_CAMERA_NUMBERS = {_LEFT: "2", _RIGHT: "3"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """The files of a set by topic and name; topics without any file are left out."""

    files: Mapping[str, Mapping[str, Path]]

    @property
    def topics(self) -> list[str]:
        """The streams in it."""
        return [topic for topic in _KINDS if topic in self.files]


class KittiObject(SingleStreamReader):
    """One stream of a folder of KITTI object frames; labelled where the labels lie beside it.

    Two layouts: KITTI's own, with `image_2`, `velodyne`, `calib` and `label_2` in the folder; or
    flat, with `000134.png`, `000134.bin`, the calibration `000134.txt` and the labels
    `000134_gt.txt` side by side. Every frame needs all that any other frame has. Topics are
    `image_2`, `image_3` and `velodyne`. The frames have no stamps, so a period has to be declared;
    frame `i` gets `i * period`.

    Labels: names are KITTI's types in lower case, `DontCare` is class -1 and has no 3D box. KITTI
    knows no tracks: every object gets a number of its own. Its three degrees of occlusion become a
    visibility of 1, 0.5 and 0.2, an unknown one NaN. 3D boxes stand in the ego frame, which lies
    under the velodyne; their points are counted in the sweep, where there is one.
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
            period_ns: Declared nominal period in ns, above 0.
            topic: A topic; None takes that named as the stream, else the only one of the kind.
            kind: What the stream shall be; None is a camera.

        Raises:
            ValueError: The period is not above 0.
        """
        super().__init__(path=path, stream=stream, period_ns=period_ns)
        self._topic, self._kind = topic, kind
        self._set = _Set(files={})
        self._picked = ""

    @property
    def drive_id(self) -> str:
        """The path as given, and the parameters."""
        picked = f"&topic={self._topic}" if self._topic is not None else ""
        picked += f"&kind={self._kind}" if self._kind is not None else ""
        period = f"&period_ns={self._declared_ns}"
        return f"kitti-object:{self._path.as_posix()}?stream={self._name}{period}{picked}"

    def stamps(self) -> Sequence[int]:
        """Return `stamp_ns` of every frame, ns."""
        self._opened()
        period_ns = self._declared_ns or 0
        return [index * period_ns for index in range(len(self._set.files[self._picked]))]

    def calibrations(self, index: int = 0) -> tuple[Calibration, ...]:
        """Place and projection of the sensor at a frame; the set's days differ a little.

        Raises:
            RecordingCorruptError: The calibration of that frame cannot be read.
        """
        stream = self._opened()
        if self._picked == _VELODYNE:
            return (Calibration(stream=stream.name, mounting=VELODYNE),)
        file = list(self._set.files[_CALIBRATION].values())[index]
        number = _CAMERA_NUMBERS[self._picked]
        mounting, seen = object_camera(file, number, (stream.width, stream.height))
        return (Calibration(stream=stream.name, mounting=mounting, intrinsics=seen),)

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Return an iterator over the labels of the frames in a window; see `Labelled`."""
        stream = self._opened()
        for name in streams or ():
            if name != stream.name:
                raise StreamMissingError(self._path, name, (stream.name,))
        if streams is not None and not streams:
            return iter(())
        return self._labels(stream, start_ns, stop_ns)

    def _labels(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[FrameLabels]:
        files = self._set.files.get(_LABELS)
        if files is None:
            return
        for index, (name, file) in enumerate(files.items()):
            stamp_ns = index * (self._declared_ns or 0)
            if not in_window(stamp_ns, start_ns, stop_ns):
                continue
            self._opened()
            objects = read_objects(file)
            calibration = self._set.files[_CALIBRATION][name]
            sweep = self._set.files.get(_VELODYNE, {}).get(name)
            seen = stream.kind == "camera"
            yield FrameLabels(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                boxes=labels_2d(objects, index, (stream.width, stream.height)) if seen else None,
                boxes_3d=labels_3d(
                    objects,
                    index,
                    object_reference(calibration),
                    None if sweep is None else read_sweep(sweep),
                ),
            )

    def _open(self) -> Stream:
        """List the folder and read the first picture's header.

        Raises:
            RecordingNotFoundError: There is no such folder, or no frame in it.
            RecordingCorruptError: A frame lacks a file that another one has.
            TopicError: The stream is not there, or which one is meant is not plain.
            PeriodUnknownError: No period is declared.
        """
        self._set = _listed(self._path) if self._path.is_dir() else _Set(files={})
        if not self._set.topics:
            raise RecordingNotFoundError(self._path, "a KITTI object folder has image_2 and calib")
        check_partners(self._set.files)
        self._picked = self._chosen()
        if self._declared_ns is None:
            raise PeriodUnknownError(self._path, "the frames of a KITTI object folder have no time")
        kind = _KINDS[self._picked]
        first = next(iter(self._set.files[self._picked].values()))
        size = picture_size(first, file_bytes(first)) if kind == "camera" else (0, 0)
        return Stream(
            name=self._name,
            kind=kind,
            period_ns=self._declared_ns,
            frames=len(self._set.files[self._picked]),
            width=size[0],
            height=size[1],
        )

    def _read(self, stream: Stream, start_ns: int | None, stop_ns: int | None) -> Iterator[Frame]:
        for index, file in enumerate(self._set.files[self._picked].values()):
            stamp_ns = index * (self._declared_ns or 0)
            if not in_window(stamp_ns, start_ns, stop_ns):
                continue
            if stream.kind == "camera":
                yield CameraFrame(
                    stream=stream.name,
                    index=index,
                    stamp_ns=stamp_ns,
                    scheduled_ns=stamp_ns,
                    image=file_picture(file, width=stream.width, height=stream.height),
                )
            else:
                yield LidarSweep(
                    stream=stream.name,
                    index=index,
                    stamp_ns=stamp_ns,
                    scheduled_ns=stamp_ns,
                    points=read_sweep(file),
                )

    def _chosen(self) -> str:
        topics = self._set.topics
        named = self._topic if self._topic is not None else self._name
        if named in topics:
            if self._kind in (None, _KINDS[named]):
                return named
            raise TopicError(
                self._path, f"{named} is of kind {_KINDS[named]}, not {self._kind}", topics
            )
        if self._topic is not None:
            raise TopicError(self._path, f"there is no topic {self._topic!r}", topics)
        wanted = self._kind or "camera"
        fitting = [topic for topic in topics if _KINDS[topic] == wanted]
        if len(fitting) != 1:
            reason = f"it has {len(fitting)} {wanted} streams: name the topic of {self._name!r}"
            raise TopicError(self._path, reason, topics)
        return fitting[0]


def _listed(folder: Path) -> _Set:
    """The files of a folder in either layout."""
    found: dict[str, dict[str, Path]] = {}
    if (folder / _CALIBRATION).is_dir():
        for topic, suffix in {**_SUFFIXES, _LABELS: ".txt"}.items():
            if (folder / topic).is_dir():
                found[topic] = numbered(folder / topic, suffix, gapless=False)
    else:
        texts = numbered(folder, ".txt", gapless=False)
        found = {
            _LEFT: numbered(folder, ".png", gapless=False),
            _VELODYNE: numbered(folder, ".bin", gapless=False),
            _CALIBRATION: {n: f for n, f in texts.items() if not n.endswith(_FLAT_LABELS)},
            _LABELS: {
                name.removesuffix(_FLAT_LABELS): file
                for name, file in texts.items()
                if name.endswith(_FLAT_LABELS)
            },
        }
    return _Set(files={topic: files for topic, files in found.items() if files})


def _pick(
    path: Path,
    *,
    stream: str,
    period_ns: int | None,
    topic: str | None,
    kind: StreamKind | None,
) -> KittiObject:
    return KittiObject(path, stream=stream, period_ns=period_ns, topic=topic, kind=kind)


def _accepts(path: Path) -> bool:
    """A folder with KITTI's folders, or with a calibration file of KITTI's form beside a frame."""
    if not path.is_dir():
        return False
    if (path / _CALIBRATION).is_dir() and any((path / topic).is_dir() for topic in _KINDS):
        return True
    frames = (file for file in sorted(path.iterdir()) if file.suffix in (".png", ".bin"))
    first = next(frames, None)
    if first is None or not first.with_suffix(".txt").is_file():
        return False
    return first.with_suffix(".txt").read_bytes()[:3] == b"P0:"


open_kitti_object = ReaderFormat(
    summary="folders of KITTI object frames, with image_2, velodyne, calib and label_2",
    accepts=_accepts,
    pick=_pick,
)
"""Entry point: one stream of a folder of KITTI object frames."""
