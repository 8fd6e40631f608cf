"""Pictures of a drive with its labels drawn in: a sheet of a few frames, or one a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import InfrastructureError, InputError
from sensors.frames import CameraFrame, LidarSweep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from sensors.calibration import Mounting
    from sensors.frames import Frame, Stream
    from sensors.labels import FrameLabels

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
"""What a sheet's name ends in; other names are folders."""

_SHEET_MOMENTS = 3
_SHEET_FRAMES = 6  # of a single stream, in two columns
_STILL_EVERY_NS = 1_000_000_000
_NS_PER_S = 1_000_000_000


@dataclass(slots=True, kw_only=True)
class LabelPictures:
    """Draws the frames that are wanted as they come by.

    Attributes:
        place: A picture file for a sheet, or a folder for one picture a second and stream.
        title: What the drive is, for the caption.
        streams: All streams of the drive.
        mountings: Where sensors sit, by stream.
        written: Files written so far.
    """

    place: Path
    title: str
    streams: Sequence[Stream]
    mountings: Mapping[str, Mounting]
    written: list[Path] = field(default_factory=list)
    _cells: list[NDArray[np.uint8]] = field(default_factory=list)
    _wanted: frozenset[tuple[str, int]] = frozenset()
    _columns: int = 1

    def __post_init__(self) -> None:
        seen = [stream for stream in self.streams if stream.kind == "camera"]
        if not self.is_sheet:
            shown = [stream for stream in self.streams if stream.kind in ("camera", "lidar")]
            self._wanted = frozenset(
                (stream.name, index)
                for stream in shown
                for index in range(0, stream.frames or 0, _every(stream))
            )
            return
        shown = seen or [stream for stream in self.streams if stream.kind == "lidar"]
        self._columns = max(2, len(shown))
        moments = _SHEET_FRAMES if len(shown) == 1 else _SHEET_MOMENTS
        self._wanted = frozenset(
            (stream.name, (2 * moment + 1) * (stream.frames or 0) // (2 * moments))
            for stream in shown
            for moment in range(moments)
        )

    @property
    def is_sheet(self) -> bool:
        """Whether it is one picture of several frames."""
        return is_sheet(self.place)

    def see(self, frame: Frame, labels: FrameLabels | None) -> None:
        """Draw a frame if it is wanted.

        Raises:
            InfrastructureError: The picture cannot be written.
        """
        if (frame.stream, frame.index) not in self._wanted:
            return
        drawn = self._drawn(frame, labels)
        if drawn is None:
            return
        if self.is_sheet:
            self._cells.append(drawn)
        else:
            self._write(self.place / f"{frame.stream}-{frame.index:06d}.jpg", drawn)

    def finish(self) -> None:
        """Write the sheet, where it is one.

        Raises:
            InfrastructureError: It cannot be written.
        """
        import numpy as np

        if not self.is_sheet or not self._cells:
            return
        rows = []
        for at in range(0, len(self._cells), self._columns):
            row = self._cells[at : at + self._columns]
            row += [np.zeros_like(row[0])] * (self._columns - len(row))
            rows.append(np.concatenate(row, axis=1))
        self._write(self.place, np.concatenate(rows, axis=0))

    def _drawn(self, frame: Frame, labels: FrameLabels | None) -> NDArray[np.uint8] | None:
        from pipeline.tasks.drawing_labels import picture_with_labels, sweep_from_above

        at = f"{frame.stream}, frame {frame.index}, {frame.stamp_ns / _NS_PER_S:.1f} s"
        captions = [f"{self.title}, {at}"]
        match frame:
            case CameraFrame():
                return picture_with_labels(frame.image, labels, captions)
            case LidarSweep():
                return sweep_from_above(frame, self.mountings.get(frame.stream), labels, captions)
            case _:
                return None

    def _write(self, path: Path, picture: NDArray[np.uint8]) -> None:
        import cv2

        from replay.evidence.writing import write_bytes

        done, data = cv2.imencode(path.suffix.lower(), picture)
        if not done:
            raise InfrastructureError(f"{path}: the picture cannot be encoded")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, data.tobytes())
        except OSError as error:
            raise InfrastructureError(f"{path}: {error.strerror or error}") from error
        self.written.append(path)


def is_sheet(place: Path) -> bool:
    """Whether a place for pictures is one picture."""
    return place.suffix.lower() in PICTURE_SUFFIXES


def check_place(place: Path, *, force: bool) -> None:
    """Refuse a place where pictures would replace something.

    Raises:
        InputError: A file of that name is there, or a folder that is not empty.
    """
    if force or not place.exists():
        return
    if is_sheet(place) or not place.is_dir():
        raise InputError(f"{place}: there is a file already; name another, or give --force")
    if any(place.iterdir()):
        raise InputError(f"{place}: the folder is not empty; name another, or give --force")


def _every(stream: Stream) -> int:
    return max(1, _STILL_EVERY_NS // (stream.period_ns or _STILL_EVERY_NS))
