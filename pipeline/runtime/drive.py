"""The drive of a run: its reader, and what a scenario must know of it ahead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from replay.errors import EmptyDriveError, ReplayError
from replay.schedule import StreamTimes, build_schedule
from sensors.errors import SensorError
from sensors.readers.registry import open_drive
from sensors.synthetic import SyntheticDrive

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.spec import DriveSpec
    from replay.schedule import ScheduledFrame
    from sensors.readers.protocol import DriveReader

_CHANNELS = 3


def reader_of(spec: DriveSpec) -> DriveReader:
    """A reader of a drive, not yet opened.

    Raises:
        InputError: No reader takes it.
    """
    try:
        if spec.path is not None:
            return open_drive(Path(spec.path), stream=spec.stream, period_ns=spec.period_ns)
        return SyntheticDrive(
            spec.scene,
            seed=spec.scene_seed,
            length_ns=spec.length_ns,
            period_ns=spec.period_ns or 0,
            width=spec.width,
            height=spec.height,
            stream=spec.stream,
        )
    except SensorError as err:
        raise InputError(str(err)) from err


def pictures(
    spec: DriveSpec, only: frozenset[int] | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Index and pixels of each picture of the drive, in order.

    Args:
        spec: The drive.
        only: Indices to stop after the last of; all where None.

    Raises:
        InputError: The recording is corrupt.
    """
    last = None if only is None else max(only, default=-1)
    try:
        with reader_of(spec) as reader:
            for frame in reader.frames(streams=(spec.stream,)):
                if last is not None and frame.index > last:
                    return
                if only is None or frame.index in only:
                    yield frame.index, frame.image
    except SensorError as err:
        raise InputError(str(err)) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveFacts:
    """What is known of a drive before it is replayed.

    Attributes:
        times: When its frames lie.
        width: Pixels across.
        height: Pixels down.
    """

    times: StreamTimes
    width: int
    height: int

    @property
    def frames(self) -> int:
        """Number of pictures."""
        return len(self.times.offsets_ns)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a picture."""
        return self.width * self.height * _CHANNELS

    @property
    def period_ns(self) -> int:
        """Nominal time between two frames, the mean where none is declared."""
        if self.times.period_ns is not None:
            return self.times.period_ns
        offsets = self.times.offsets_ns
        return max(1, (offsets[-1] - offsets[0]) // max(1, len(offsets) - 1))


def facts_of(spec: DriveSpec) -> DriveFacts:
    """Open a drive and find out its stamps; decodes the pictures only where stamps need it.

    Raises:
        InputError: The drive is empty, corrupt or has no such stream.
    """
    try:
        with reader_of(spec) as reader:
            stream = next((s for s in reader.streams() if s.name == spec.stream), None)
            if stream is None:
                raise InputError(f"{reader.drive_id}: no stream {spec.stream!r}")
            if stream.period_ns is not None and stream.frames is not None:
                offsets: range | tuple[int, ...] = range(
                    0, stream.frames * stream.period_ns, stream.period_ns
                )
            else:
                offsets = tuple(f.scheduled_ns for f in reader.frames(streams=(spec.stream,)))
            if not offsets:
                raise InputError(f"{reader.drive_id}: the drive has no frame")
            times = StreamTimes(stream=spec.stream, offsets_ns=offsets, period_ns=stream.period_ns)
            return DriveFacts(times=times, width=stream.width, height=stream.height)
    except (SensorError, EmptyDriveError) as err:
        raise InputError(str(err)) from err


def schedule_of(facts: DriveFacts, *, loop: int, rate: float, warmup: int) -> list[ScheduledFrame]:
    """Every frame of the run, in the order of its scheduled time.

    Raises:
        InputError: The drive is shorter than the warm-up.
    """
    try:
        return list(build_schedule([facts.times], loop=loop, rate=rate, warmup=warmup))
    except ReplayError as err:
        raise InputError(f"run.warmup: {err}") from err
