"""What a schedule is made of, as one value that a process can be handed and evidence can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.draws import Draws
from pipeline.values import Value
from replay.faults import Fault, apply_faults
from replay.schedule import Pause, StreamTimes, build_schedule, hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replay.schedule import ScheduledFrame

_FAULT = "fault"  # purpose of the draws


class StreamGrid(Value, frozen=True, kw_only=True):
    """When the frames of one stream lie in one pass of the drive, ns on the drive's own clock.

    Attributes:
        stream: Name of the stream.
        period_ns: Nominal period; None where there is none.
        first_ns: Scheduled stamp of the first frame, where they are regular.
        frames: How many regular frames there are, one period apart; 0 where `offsets_ns` says.
        offsets_ns: Scheduled stamps that are not regular.
        stamps_ns: Stamps as recorded; empty where they are the scheduled ones.
        speeds_mm_s: Speed at each frame, or one for all; empty where nobody knows it.
    """

    stream: str
    period_ns: int | None
    first_ns: int = 0
    frames: int = 0
    offsets_ns: tuple[int, ...] = ()
    stamps_ns: tuple[int, ...] = ()
    speeds_mm_s: tuple[int, ...] = ()

    @classmethod
    def of(cls, times: StreamTimes) -> StreamGrid:
        """The times of a stream, as short as they can be written."""
        offsets_ns, period_ns = times.offsets_ns, times.period_ns
        regular = period_ns is not None and (
            offsets_ns
            == range(offsets_ns[0], offsets_ns[0] + len(offsets_ns) * period_ns, period_ns)
        )
        stamps_ns = times.stamps_ns or ()
        speeds = tuple(times.speeds_mm_s or ())
        return cls(
            stream=times.stream,
            period_ns=period_ns,
            first_ns=offsets_ns[0],
            frames=len(offsets_ns) if regular else 0,
            offsets_ns=() if regular else tuple(offsets_ns),
            stamps_ns=() if list(stamps_ns) == list(offsets_ns) else tuple(stamps_ns),
            speeds_mm_s=speeds[:1] if len(set(speeds)) == 1 else speeds,
        )

    @property
    def times(self) -> StreamTimes:
        """The times in full."""
        offsets_ns: Sequence[int] = self.offsets_ns
        if self.frames and self.period_ns is not None:
            stop_ns = self.first_ns + self.frames * self.period_ns
            offsets_ns = range(self.first_ns, stop_ns, self.period_ns)
        speeds = self.speeds_mm_s
        return StreamTimes(
            stream=self.stream,
            offsets_ns=offsets_ns,
            period_ns=self.period_ns,
            stamps_ns=self.stamps_ns or None,
            speeds_mm_s=(speeds * len(offsets_ns) if len(speeds) == 1 else speeds) or None,
        )


class Timetable(Value, frozen=True, kw_only=True):
    """The streams of a drive and how they are replayed.

    Attributes:
        streams: Times of each stream.
        origin_ns: Where t0 lies on the drive's own clock; None at the first frame.
        loop: Passes.
        rate: Speed, 1 is as recorded.
        warmup: Warm-up frames per stream.
        pauses: When the drive stands still, in the order in which they begin.
        faults: What the sensors do wrong; their times are the run's, pauses included.
        seed: Seed of the draws of the faults.
    """

    streams: tuple[StreamGrid, ...]
    origin_ns: int | None = None
    loop: int = 1
    rate: float = 1.0
    warmup: int = 0
    pauses: tuple[Pause, ...] = ()
    faults: tuple[Fault, ...] = ()
    seed: int = 0

    def healthy(self) -> list[ScheduledFrame]:
        """Every frame in the order in which it is due, before any fault.

        Raises:
            ReplayError: The drive is empty or shorter than the warm-up.
        """
        frames = build_schedule(
            [grid.times for grid in self.streams],
            loop=self.loop,
            rate=self.rate,
            warmup=self.warmup,
            origin_ns=self.origin_ns,
        )
        return list(hold(frames, self.pauses) if self.pauses else frames)

    def frames(self) -> list[ScheduledFrame]:
        """Every frame in the order of sending, faults included.

        Raises:
            ReplayError: The drive is empty or shorter than the warm-up.
        """
        return self.faulty(self.healthy())

    def faulty(self, healthy: list[ScheduledFrame]) -> list[ScheduledFrame]:
        """The healthy schedule after its faults."""
        draws = Draws(self.seed)
        return list(
            apply_faults(
                healthy,
                self.faults,
                lambda fault, frame: draws.word(_FAULT, fault, frame),
                by_stamp=[grid.stream for grid in self.streams if grid.period_ns is None],
            )
        )
