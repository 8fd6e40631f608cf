"""A whole drive into a file, which is whole or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sensors.calibration import Calibrated
from sensors.labels import Labelled
from sensors.recording.errors import LabelsStrayError, RecordingExistsError, RecordingWriteError
from sensors.recording.writing import DriveWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sensors.frames import Frame
    from sensors.labels import FrameLabels
    from sensors.readers.protocol import DriveReader
    from sensors.recording.encoding import PictureCoding

TEMPORARY = ".tmp-"
"""How the name of a file begins that is being written."""


class Progress(Protocol):
    """Told after each frame; what it raises ends the writing, and no file remains."""

    def __call__(self, frame: Frame, labels: FrameLabels | None) -> None:
        """A frame, and its labels where it has any, are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a file came to hold.

    Attributes:
        path: The file.
        bytes: Its length.
        frames: Number of frames per stream.
        labels: Number of labelled frames per stream; streams without any are left out.
    """

    path: Path
    bytes: int
    frames: Mapping[str, int]
    labels: Mapping[str, int] = field(default_factory=dict)


def write_drive(
    drive: DriveReader,
    path: Path,
    *,
    coding: PictureCoding | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Written:
    """Write all of an open drive, with labels and calibrations where it has them.

    The file gets its name once it is whole; whatever ends the writing, nothing half remains.

    Args:
        drive: The drive, inside its context.
        path: The file.
        coding: How pictures are kept; None is a JPEG of quality 90.
        force: Whether a file of that name is replaced.
        progress: Told after each frame.

    Raises:
        RecordingExistsError: A file of that name is there, and `force` is not given.
        RecordingWriteError: It cannot be written, such as on a full disk.
        LabelsStrayError: Labels belong to no frame, or do not come in the order of the frames.
        SensorError: The drive cannot be read.
        ValueError: A frame cannot be encoded.
    """
    if path.exists() and not force:
        raise RecordingExistsError(path)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as output:
            writer = DriveWriter(
                output,
                streams=drive.streams(),
                calibrations=drive.calibrations() if isinstance(drive, Calibrated) else (),
                coding=coding,
                drive_id=drive.drive_id,
            )
            for frame, labels in labelled_frames(drive):
                writer.write(frame)
                if labels is not None:
                    writer.write_labels(labels)
                if progress is not None:
                    progress(frame, labels)
            writer.finish()
            output.flush()
            os.fsync(output.fileno())
            length = output.tell()
        temporary.replace(path)
    except OSError as error:
        written = _length(temporary)
        _remove(temporary)
        raise RecordingWriteError(path, written, error) from error
    except BaseException:
        _remove(temporary)
        raise
    return Written(path=path, bytes=length, frames=writer.frames, labels=writer.labels)


def labelled_frames(drive: DriveReader) -> Iterator[tuple[Frame, FrameLabels | None]]:
    """Yield every frame of an open drive with its labels, read side by side.

    Raises:
        LabelsStrayError: Labels belong to no frame, or do not come in the order of the frames.
        SensorError: The drive cannot be read.
    """
    found = drive.labels() if isinstance(drive, Labelled) else iter(())
    labels = next(found, None)
    read: dict[str, int] = {}
    for frame in drive.frames():
        read[frame.stream] = frame.index + 1
        if labels is None or (labels.stream, labels.index) != (frame.stream, frame.index):
            yield frame, None
            continue
        yield frame, labels
        labels = next(found, None)
    if labels is not None:
        raise LabelsStrayError(labels.stream, labels.index, read.get(labels.stream, 0))


def _length(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
