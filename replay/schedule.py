"""When each frame of a replay is due: passes, warm-up, rate and pauses, in whole nanoseconds."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from replay.errors import DriveTooShortError, EmptyDriveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTimes:
    """When the frames of one stream lie, in one pass of a drive.

    Attributes:
        stream: Name of the stream.
        offsets_ns: Scheduled stamps in the drive's order, ns on the drive's own clock, never
            decreasing; `range` fits a regular stream and takes no memory.
        period_ns: Nominal period in ns, above 0; None where the stream declares none, then the
            mean distance of its frames stands in for it.
        stamps_ns: Stamps as recorded, same clock, one per frame; None where they are the offsets.
        speeds_mm_s: Own speed at each frame in mm/s; None where nobody knows it.
    """

    stream: str
    offsets_ns: Sequence[int]
    period_ns: int | None
    stamps_ns: Sequence[int] | None = None
    speeds_mm_s: Sequence[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledFrame:
    """One frame of a replay and when it is due.

    Attributes:
        stream: Name of the stream.
        number: Running number in the stream, from 0, across passes; warm-up frames are
            -warmup … -1.
        content: Which frame of the drive is shown: index into the stream's `offsets_ns`.
        scheduled_ns: When it is due, ns since t0; negative for warm-up frames.
        warmup: Whether it is a warm-up frame, which settles in no row.
        sends_ns: When the player may send it, ns since t0; `scheduled_ns` but for faults.
        stamp_ns: Its stamp as recorded, on the same axis; what fusion compares.
        speed_mm_s: Own speed at the frame in mm/s; 0 where unknown.
        fault: Kinds of the faults that touched it, joined by `+`; empty for a healthy frame.
        lost: Whether it never reaches the vehicle.
        repeat: Whether the same frame was sent before: the second of a duplicate.
    """

    stream: str
    number: int
    content: int
    scheduled_ns: int
    warmup: bool
    sends_ns: int
    stamp_ns: int
    speed_mm_s: int = 0
    fault: str = ""
    lost: bool = False
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The drive stands still: what is due at `at_ns` or later comes `for_ns` later.

    Attributes:
        at_ns: When it begins, ns since t0, at least 0; earlier pauses are counted in.
        for_ns: How long it lasts, above 0.
    """

    at_ns: int
    for_ns: int


class Schedule:
    """All frames of a replay in the order in which they are due; lazy, can be read repeatedly.

    Order: `scheduled_ns`, then the stream's name, then `number`. Within a stream time never goes
    back. Made by `build_schedule`.
    """

    def __init__(
        self,
        *,
        streams: Sequence[StreamTimes],
        loop: int,
        pace: Fraction,
        warmup: int,
        origin_ns: int | None = None,
    ) -> None:
        """Work out the passes; see `build_schedule` for the arguments and errors."""
        self._streams = tuple(streams)
        self._loop, self._pace, self._warmup = loop, pace, warmup
        first_ns = min(times.offsets_ns[0] for times in streams)
        self._origin_ns = first_ns if origin_ns is None else origin_ns
        self._pass_ns = 0
        if loop > 1:
            self._pass_ns = _pass_length_ns(streams)
        self._lead_ns = {times.stream: _lead_ns(times, warmup) for times in streams}

    @property
    def pass_ns(self) -> int | None:
        """Distance of the starts of two passes, ns before the rate is applied; None for one."""
        return self._pass_ns if self._loop > 1 else None

    def __len__(self) -> int:
        """Count the frames, warm-up included."""
        per_stream = (self._warmup + self._loop * len(times.offsets_ns) for times in self._streams)
        return sum(per_stream)

    def __iter__(self) -> Iterator[ScheduledFrame]:
        """Yield the frames in order, holding one per stream."""
        if len(self._streams) == 1:
            return self._of_stream(self._streams[0])
        each = (self._of_stream(times) for times in self._streams)
        return heapq.merge(
            *each, key=lambda frame: (frame.scheduled_ns, frame.stream, frame.number)
        )

    def _of_stream(self, times: StreamTimes) -> Iterator[ScheduledFrame]:
        offsets_ns = times.offsets_ns
        ahead_ns = _delay_ns(times, self._origin_ns, self._warmup) - self._lead_ns[times.stream]
        for content in range(self._warmup):
            yield self._frame(times, content - self._warmup, content, ahead_ns - offsets_ns[0])
        number = 0
        for turn in range(self._loop):
            start_ns = turn * self._pass_ns - self._origin_ns
            for content in range(len(offsets_ns)):
                yield self._frame(times, number, content, start_ns)
                number += 1

    def _frame(
        self, times: StreamTimes, number: int, content: int, start_ns: int
    ) -> ScheduledFrame:
        """Return one frame of a pass that begins `start_ns` past the drive's own clock."""
        numerator, denominator = self._pace.numerator, self._pace.denominator
        offset_ns = times.offsets_ns[content]
        scheduled_ns = stamp_ns = (start_ns + offset_ns) * denominator // numerator
        if times.stamps_ns is not None:
            stamp_ns = (start_ns + times.stamps_ns[content]) * denominator // numerator
        speeds = times.speeds_mm_s
        return ScheduledFrame(
            stream=times.stream,
            number=number,
            content=content,
            scheduled_ns=scheduled_ns,
            warmup=number < 0,
            sends_ns=scheduled_ns,
            stamp_ns=stamp_ns,
            speed_mm_s=0 if speeds is None else speeds[content],
        )


def build_schedule(
    streams: Sequence[StreamTimes],
    *,
    loop: int = 1,
    rate: float | Fraction = 1,
    warmup: int = 0,
    origin_ns: int | None = None,
) -> Schedule:
    """Return when each frame of a replay is due.

    t0 is the first frame of the first pass, or `origin_ns`. Stamps are rewritten to rise across
    passes: with one stream, a pass starts exactly one period after the last frame of the pass
    before; with several, all start together, as soon as every stream is one period past its last
    frame, so what was recorded together stays together. Warm-up shows each stream's first `warmup`
    frames as a short pass of its own that ends within one period before t0, at the stream's own
    phase: all its stamps are negative.

    All stamps are divided by the rate and rounded down, from whole numbers throughout.

    Args:
        streams: One entry per stream, with distinct names.
        loop: Number of passes, at least 1.
        rate: Speed, above 0; 2 is twice as fast. A float is taken as the decimal it prints as.
        warmup: Number of warm-up frames per stream, at least 0.
        origin_ns: Where t0 lies on the drive's own clock, at or before the first frame; None puts
            it at the first frame.

    Raises:
        EmptyDriveError: There is no stream, or a stream has no frame.
        DriveTooShortError: A stream has fewer frames than the warm-up, or has to be repeated while
            its only frame and no declared period leave open how long it lasts.
        ValueError: An argument is outside its range, or offsets decrease.
    """
    pace = Fraction(str(rate)) if isinstance(rate, float) else Fraction(rate)
    if loop < 1 or warmup < 0 or pace <= 0:
        msg = f"loop {loop} must be at least 1, warmup {warmup} at least 0, rate {rate} above 0"
        raise ValueError(msg)
    _check_streams(streams)
    first_ns = min(times.offsets_ns[0] for times in streams)
    if origin_ns is not None and origin_ns > first_ns:
        msg = f"origin_ns {origin_ns} must not lie after the first frame at {first_ns}"
        raise ValueError(msg)
    for times in streams:
        if len(times.offsets_ns) < warmup:
            frames = len(times.offsets_ns)
            msg = f"stream {times.stream!r} has {frames} frames, too few for {warmup} of warm-up"
            raise DriveTooShortError(msg)
    return Schedule(streams=streams, loop=loop, pace=pace, warmup=warmup, origin_ns=origin_ns)


def hold(frames: Iterable[ScheduledFrame], pauses: Sequence[Pause]) -> Iterator[ScheduledFrame]:
    """Yield the frames of a schedule with its pauses put in; the order stays.

    Args:
        frames: Frames in the order in which they are due.
        pauses: Pauses in the order in which they begin, none inside another.

    Raises:
        ValueError: A pause begins before t0 or before the one before it has ended, or lasts no
            time.
    """
    ended_ns = 0
    for pause in pauses:
        if pause.at_ns < ended_ns or pause.for_ns <= 0:
            msg = f"{pause} begins before {ended_ns} ns or lasts no time"
            raise ValueError(msg)
        ended_ns = pause.at_ns + pause.for_ns
    return _held(frames, pauses)


def _held(frames: Iterable[ScheduledFrame], pauses: Sequence[Pause]) -> Iterator[ScheduledFrame]:
    by_ns, upcoming = 0, list(pauses)
    for frame in frames:
        while upcoming and frame.scheduled_ns + by_ns >= upcoming[0].at_ns:
            by_ns += upcoming.pop(0).for_ns
        yield frame if by_ns == 0 else later(frame, by_ns)


def later(frame: ScheduledFrame, by_ns: int) -> ScheduledFrame:
    """Return a frame that is due, sent and stamped `by_ns` later."""
    return replace(
        frame,
        scheduled_ns=frame.scheduled_ns + by_ns,
        sends_ns=frame.sends_ns + by_ns,
        stamp_ns=frame.stamp_ns + by_ns,
    )


def _check_streams(streams: Sequence[StreamTimes]) -> None:
    if not streams:
        msg = "the drive has no stream to be replayed"
        raise EmptyDriveError(msg)
    if len({times.stream for times in streams}) < len(streams):
        msg = "two streams have the same name"
        raise ValueError(msg)
    for times in streams:
        if not times.offsets_ns:
            msg = f"stream {times.stream!r} has no frame in the window to be replayed"
            raise EmptyDriveError(msg)
        if times.period_ns is not None and times.period_ns <= 0:
            msg = f"stream {times.stream!r}: period_ns must be above 0, not {times.period_ns}"
            raise ValueError(msg)
        if any(after < before for before, after in pairwise(times.offsets_ns)):
            msg = f"stream {times.stream!r}: its offsets decrease"
            raise ValueError(msg)
        for beside in (times.stamps_ns, times.speeds_mm_s):
            if beside is not None and len(beside) != len(times.offsets_ns):
                msg = f"stream {times.stream!r}: {len(beside)} stamps or speeds, not one a frame"
                raise ValueError(msg)


def _pass_length_ns(streams: Sequence[StreamTimes]) -> int:
    end_ns = max(times.offsets_ns[-1] + _period_ns(times) for times in streams)
    return end_ns - min(times.offsets_ns[0] for times in streams)


def _lead_ns(times: StreamTimes, warmup: int) -> int:
    """Return how long a stream's warm-up lasts, its last frame's period included."""
    if warmup == 0:
        return 0
    return times.offsets_ns[warmup - 1] - times.offsets_ns[0] + _period_ns(times)


def _delay_ns(times: StreamTimes, origin_ns: int, warmup: int) -> int:
    """Return the stream's phase against t0: how far its first frame lies past it, less periods."""
    return (times.offsets_ns[0] - origin_ns) % _period_ns(times) if warmup else 0


def _period_ns(times: StreamTimes) -> int:
    if times.period_ns is not None:
        return times.period_ns
    length_ns = times.offsets_ns[-1] - times.offsets_ns[0]
    gaps = len(times.offsets_ns) - 1
    if length_ns < 1:
        msg = (
            f"stream {times.stream!r} cannot be repeated: it declares no period and its"
            " frames span no time; declare its `period`"
        )
        raise DriveTooShortError(msg)
    return max(1, (2 * length_ns + gaps) // (2 * gaps))
