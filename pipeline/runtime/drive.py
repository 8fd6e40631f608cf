"""The drive of a run: its readers, and what a scenario must know of it ahead."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from dataclasses import replace as with_values
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec.structs import replace

from pipeline.errors import DriveSettingError, InputError
from pipeline.runtime.samples import POINT_BYTES, SAMPLED, Picture, array_of, sample_of
from replay.errors import ReplayError
from replay.schedule import StreamTimes
from sensors.calibration import Calibrated
from sensors.errors import SensorError
from sensors.readers.protocol import Stamped
from sensors.readers.registry import open_drive
from sensors.synthetic import SyntheticDrive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.spec import DriveSpec, StreamSpec
    from pipeline.runtime.timetable import Timetable
    from replay.schedule import ScheduledFrame
    from sensors.calibration import Calibration
    from sensors.frames import Frame, StreamKind
    from sensors.readers.protocol import DriveReader

    Array = NDArray[np.generic[object]]

_CHANNELS = 3


def reader_of(spec: DriveSpec, stream: str) -> DriveReader:
    """A reader of one stream of a drive, not yet opened.

    Raises:
        InputError: No reader takes it.
    """
    found = spec.stream(stream)
    try:
        if found.path is not None:
            return open_drive(
                Path(found.path),
                stream=stream,
                period_ns=found.period_ns,
                topic=found.topic,
                kind=found.kind,
            )
        if found.kind == "lidar":
            from sensors.synthetic.lidar import SyntheticLidar  # noqa: PLC0415 - cameras need none

            return SyntheticLidar(
                spec.scene,
                seed=spec.scene_seed,
                length_ns=spec.length_ns,
                period_ns=found.period_ns or 0,
                stream=stream,
                phase_ns=found.phase_ns,
                parameters=spec.scene_parameters,
            )
        return SyntheticDrive(
            spec.scene,
            seed=spec.scene_seed,
            length_ns=spec.length_ns,
            period_ns=found.period_ns or 0,
            width=spec.width,
            height=spec.height,
            stream=stream,
            camera=found.camera,
            phase_ns=found.phase_ns,
            parameters=spec.scene_parameters,
        )
    except SensorError as err:
        raise InputError(str(err)) from err


def samples(
    spec: DriveSpec, stream: str, only: frozenset[int] | None = None
) -> Iterator[tuple[int, Array]]:
    """Content and data of each replayed frame of a stream, in order; 0 is the window's first.

    Data are what a network reads: the pixels of a picture, the points of a sweep
    (`pipeline.runtime.samples`).

    Args:
        spec: The drive.
        stream: Name of the stream.
        only: Contents to stop after the last of; all where None.

    Raises:
        InputError: The recording is corrupt, or the stream holds nothing that a network reads.
    """
    found = spec.stream(stream)
    last = found.frames
    if only is not None:
        wanted = max(only, default=-1) + 1
        last = wanted if last is None else min(wanted, last)
    try:
        with reader_of(spec, stream) as reader:
            stamps = reader.stamps() if isinstance(reader, Stamped) else None
            if (
                only is not None and stamps is not None and found.path is None
            ):  # made alone, none in between
                for content in sorted(only):
                    if content < 0 or (last is not None and content >= last):
                        continue
                    at_ns = stamps[content + found.first]
                    for frame in reader.frames(
                        streams=(stream,), start_ns=at_ns, stop_ns=at_ns + 1
                    ):
                        yield content, _data(frame)
                return
            for frame in reader.frames(streams=(stream,), start_ns=found.from_stamp_ns):
                content = frame.index - found.first
                if last is not None and content >= last:
                    return
                if content >= 0 and (only is None or content in only):
                    yield content, _data(frame)
    except SensorError as err:
        raise InputError(str(err)) from err


def pictures(
    spec: DriveSpec, stream: str, only: frozenset[int] | None = None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Content and pixels of each replayed picture of a camera's stream, as `samples` gives them.

    Raises:
        InputError: The recording is corrupt, or the stream is no camera's.
    """
    for content, data in samples(spec, stream, only):
        match sample_of(data):
            case Picture(pixels=pixels):
                yield content, pixels
            case _:
                raise InputError(f"stream {stream!r} holds no pictures")


@runtime_checkable
class _Driven(Protocol):
    """A reader that knows how fast the own vehicle is."""

    def speed_mm_s(self, stamp_ns: int) -> int:
        """Speed at a stamp, mm/s."""


def _data(frame: Frame) -> Array:
    data = array_of(frame)
    if data is None:
        raise InputError(f"stream {frame.stream!r} holds nothing that a network reads")
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What is known of a stream before it is replayed.

    Attributes:
        times: When its frames lie, ns on the drive's own clock.
        width: Pixels across; of a LiDAR the columns of a turn, 0 where unknown.
        height: Pixels down; of a LiDAR its rings, 0 where unknown.
        kind: What the sensor is.
        calibration: Where it sits; None where the drive does not tell.
        first_bytes: Of a LiDAR whose turn has no known size: bytes of the first sweep.
    """

    times: StreamTimes
    width: int
    height: int
    kind: StreamKind = "camera"
    calibration: Calibration | None = None
    first_bytes: int = 0

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.times.offsets_ns)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a picture; of a sweep, whose size differs, those of a whole turn."""
        if self.kind == "lidar":
            return self.width * self.height * POINT_BYTES or self.first_bytes
        return self.width * self.height * _CHANNELS

    @property
    def period_ns(self) -> int:
        """Nominal time between two frames, the mean where none is declared."""
        if self.times.period_ns is not None:
            return self.times.period_ns
        offsets = self.times.offsets_ns
        return max(1, (offsets[-1] - offsets[0]) // max(1, len(offsets) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveFacts:
    """What is known of a drive before it is replayed.

    Attributes:
        streams: Facts of each stream, by name, in the scenario's order.
        origin_ns: Where t0 lies on the drive's own clock.
    """

    streams: Mapping[str, StreamFacts]
    origin_ns: int

    @property
    def only(self) -> StreamFacts:
        """The first stream, for drives that have no other."""
        return next(iter(self.streams.values()))

    @property
    def frames(self) -> int:
        """Number of frames of all streams."""
        return sum(self.counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Number of frames per stream."""
        return {name: stream.frames for name, stream in self.streams.items()}

    @property
    def frame_bytes(self) -> dict[str, int]:
        """Bytes of a frame per stream."""
        return {name: stream.frame_bytes for name, stream in self.streams.items()}


def facts_of(spec: DriveSpec) -> tuple[DriveSpec, DriveFacts]:
    """Open a drive and find out its stamps; decodes pictures only where stamps need it.

    Returns:
        The drive with its streams narrowed to the window, and what is known of it.

    Raises:
        InputError: A stream is empty, corrupt or not there; a `DriveSettingError` where the
            window does not fit or the streams are of different clocks.
    """
    whole = {stream.name: _stream_facts(spec, stream) for stream in spec.streams}
    begin_ns = min(facts.times.offsets_ns[0] for facts in whole.values())
    end_ns = max(_end_ns(facts) for facts in whole.values())
    for name, facts in whole.items():
        others = (_end_ns(other) for key, other in whole.items() if key != name)
        if facts.times.offsets_ns[0] >= max(others, default=end_ns):
            reason = (
                "begins after all other streams have ended: its stamps are of another clock; "
                "mend the stamps, or declare `period` and `phase` and take the stamps away"
            )
            raise DriveSettingError(("drive", "streams", name), reason)
    start_ns = begin_ns + spec.start_ns
    stop_ns = end_ns if spec.window_ns is None else start_ns + spec.window_ns
    length = f"the drive is {(end_ns - begin_ns) / 1e9:g} s long"
    if start_ns >= end_ns:
        raise DriveSettingError(("drive", "window", "start"), f"lies past the end: {length}")
    if stop_ns > end_ns:
        raise DriveSettingError(("drive", "window", "length"), f"reaches past the end: {length}")
    streams, found = [], {}
    for stream in spec.streams:
        narrowed, found[stream.name] = _narrowed(stream, whole[stream.name], start_ns, stop_ns)
        speeds = _speeds(spec, found[stream.name].times, begin_ns)
        times = with_values(found[stream.name].times, speeds_mm_s=speeds)
        found[stream.name] = with_values(found[stream.name], times=times)
        streams.append(narrowed)
    return replace(spec, streams=tuple(streams)), DriveFacts(streams=found, origin_ns=start_ns)


def schedule_of(timetable: Timetable) -> list[ScheduledFrame]:
    """Every frame of a run in the order of sending.

    Raises:
        DriveSettingError: The drive is shorter than the warm-up; a pause or a fault lies where no
            frame is.
        InputError: The drive cannot be repeated.
    """
    for grid in timetable.streams:
        frames = len(grid.times.offsets_ns)
        if frames < timetable.warmup:
            reason = (
                f"stream {grid.stream!r} has {frames} frames, too few for {timetable.warmup} of "
                "warm-up; take a longer window, or fewer"
            )
            raise DriveSettingError(("run", "warmup"), reason)
    try:
        healthy = timetable.healthy()
    except ReplayError as err:
        raise InputError(str(err)) from err
    for number, pause in enumerate(timetable.pauses):
        if healthy[-1].scheduled_ns < pause.at_ns + pause.for_ns:
            reason = f"no frame is due after it: the last is due at {_s(healthy[-1].scheduled_ns)}"
            raise DriveSettingError(("run", "pause", number, "at"), reason)
    for number, fault in enumerate(timetable.faults):
        if not any(fault.covers(frame) for frame in healthy):
            last_ns = max(f.scheduled_ns for f in healthy if f.stream == fault.stream)
            reason = (
                f"no frame of {fault.stream!r} is due then; its last is due at {_s(last_ns)}, and "
                "times count from the window's start"
            )
            raise DriveSettingError(("drive", "faults", number, "at"), reason)
    return timetable.faulty(healthy)


def _s(at_ns: int) -> str:
    return f"{at_ns / 1e9:g} s"


def _stream_facts(spec: DriveSpec, stream: StreamSpec) -> StreamFacts:
    try:
        with reader_of(spec, stream.name) as reader:
            found = next((s for s in reader.streams() if s.name == stream.name), None)
            if found is None:
                raise InputError(f"{reader.drive_id}: no stream {stream.name!r}")
            if found.kind not in SAMPLED:
                raise InputError(
                    f"{reader.drive_id}: stream {stream.name!r} is of kind {found.kind}; tasks "
                    f"read {' and '.join(SAMPLED)} streams"
                )
            if stream.kind not in (None, found.kind):
                reason = f"is a {stream.kind} here, and a {found.kind} in {reader.drive_id}"
                raise DriveSettingError(("drive", "streams", stream.name), reason)
            placed = reader.calibrations() if isinstance(reader, Calibrated) else ()
            calibration = next((c for c in placed if c.stream == stream.name), None)
            stamps_ns = reader.stamps() if isinstance(reader, Stamped) else None
            offsets_ns: Sequence[int] = stamps_ns or ()
            period_ns = found.period_ns
            if stamps_ns is None:
                frames = list(reader.frames(streams=(stream.name,)))
                stamps_ns = [frame.stamp_ns for frame in frames]
                offsets_ns = [frame.scheduled_ns for frame in frames]
            elif stamps_ns and period_ns is not None:
                first_ns = stamps_ns[0]
                offsets_ns = range(first_ns, first_ns + len(stamps_ns) * period_ns, period_ns)
            if not offsets_ns:
                raise InputError(f"{reader.drive_id}: the drive has no frame")
            first_bytes = 0
            if found.kind == "lidar" and not found.width * found.height:
                first = next(iter(reader.frames(streams=(stream.name,))), None)
                data = None if first is None else array_of(first)
                first_bytes = 0 if data is None else data.nbytes
    except SensorError as err:
        raise InputError(str(err)) from err
    if stream.path is not None and stream.phase_ns:
        same = stamps_ns is offsets_ns
        offsets_ns = _shifted(offsets_ns, stream.phase_ns)
        stamps_ns = offsets_ns if same else _shifted(stamps_ns, stream.phase_ns)
    times = StreamTimes(
        stream=stream.name,
        offsets_ns=offsets_ns,
        period_ns=period_ns,
        stamps_ns=None if stamps_ns is offsets_ns else stamps_ns,
    )
    return StreamFacts(
        times=times,
        width=found.width,
        height=found.height,
        kind=found.kind,
        calibration=calibration,
        first_bytes=first_bytes,
    )


def _shifted(stamps_ns: Sequence[int], by_ns: int) -> Sequence[int]:
    if isinstance(stamps_ns, range):
        return range(stamps_ns.start + by_ns, stamps_ns.stop + by_ns, stamps_ns.step)
    return [stamp_ns + by_ns for stamp_ns in stamps_ns]


def _speeds(spec: DriveSpec, times: StreamTimes, begin_ns: int) -> Sequence[int] | None:
    """Speed at each frame: as the scenario says, else as the synthetic world has it."""
    if spec.speeds:
        begins = [begin_ns + point.at_ns for point in spec.speeds]
        places = [max(0, bisect_right(begins, at_ns) - 1) for at_ns in times.offsets_ns]
        return [spec.speeds[place].speed_mm_s for place in places]
    reader = reader_of(spec, times.stream)
    if isinstance(reader, _Driven):
        return [reader.speed_mm_s(at_ns) for at_ns in times.offsets_ns]
    return None


def _end_ns(facts: StreamFacts) -> int:
    return facts.times.offsets_ns[-1] + facts.period_ns


def _narrowed(
    stream: StreamSpec, facts: StreamFacts, start_ns: int, stop_ns: int
) -> tuple[StreamSpec, StreamFacts]:
    """A stream and its facts, as far as start_ns <= scheduled stamp < stop_ns."""
    times = facts.times
    first = bisect_left(times.offsets_ns, start_ns)
    last = bisect_left(times.offsets_ns, stop_ns)
    if first == last:
        reason = f"stream {stream.name!r} has no frame in it"
        raise DriveSettingError(("drive", "window"), reason)
    if last - first == facts.frames:
        return stream, facts
    stamps_ns = times.stamps_ns
    recorded_ns = (stamps_ns or times.offsets_ns)[first]
    shift_ns = stream.phase_ns if stream.path is not None else 0
    narrowed = replace(
        stream, first=first, frames=last - first, from_stamp_ns=recorded_ns - shift_ns
    )
    kept = with_values(
        times,
        offsets_ns=times.offsets_ns[first:last],
        stamps_ns=None if stamps_ns is None else stamps_ns[first:last],
    )
    return narrowed, with_values(facts, times=kept)
