"""Sensor faults as a pure transform of a schedule: what is lost, doubled, frozen, late, swapped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from replay.schedule import ScheduledFrame, later

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

FaultKind = Literal["drop", "duplicate", "freeze", "late", "reorder", "clock-step"]

WHOLE_PPM = 1_000_000
_WORD_BITS = 64
_SENDING = ("drop", "duplicate", "late", "reorder")  # each says whether and when a frame is sent
_FIRST = ("clock-step", "freeze")  # what a frame is comes before how it is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of one sensor.

    Attributes:
        stream: Name of the stream.
        kind: What goes wrong, see `apply_faults`.
        at_ns: When it begins, ns since t0, at least 0.
        for_ns: How long it lasts; None to the end. It covers at_ns <= scheduled_ns < at_ns +
            for_ns.
        by_ns: How late a frame comes (`late`, `duplicate`), or how far its stamp jumps
            (`clock-step`, either way).
        probability_ppm: Share of the frames in the window that it hits, in parts per million.
    """

    stream: str
    kind: FaultKind
    at_ns: int
    for_ns: int | None = None
    by_ns: int = 0
    probability_ppm: int = WHOLE_PPM

    @property
    def until_ns(self) -> int | None:
        """When it is over, ns since t0; None at the end of the drive."""
        return None if self.for_ns is None else self.at_ns + self.for_ns

    def covers(self, frame: ScheduledFrame) -> bool:
        """Return whether a frame lies in its window; warm-up frames never do."""
        until_ns = self.until_ns
        return (
            frame.stream == self.stream
            and not frame.warmup
            and frame.scheduled_ns >= self.at_ns
            and (until_ns is None or frame.scheduled_ns < until_ns)
        )


def contradict(one: Fault, other: Fault) -> bool:
    """Return whether two faults cannot both be true: they overlap and speak of the same thing.

    A frozen picture and a wrong clock go with everything; of the faults that say whether and when
    a frame is sent, one at a time can hold.
    """
    if one.stream != other.stream:
        return False
    apart = (one.until_ns is not None and one.until_ns <= other.at_ns) or (
        other.until_ns is not None and other.until_ns <= one.at_ns
    )
    same = one.kind == other.kind or (one.kind in _SENDING and other.kind in _SENDING)
    return same and not apart


def apply_faults(
    schedule: Sequence[ScheduledFrame],
    faults: Sequence[Fault],
    word: Callable[[str, int], int],
    *,
    by_stamp: Collection[str] = (),
) -> Sequence[ScheduledFrame]:
    """Return the schedule as faulty sensors deliver it, in the order of sending.

    - `drop`: the frame is `lost`; it keeps its place and is never sent.
    - `duplicate`: the frame is sent again, `by_ns` later, marked `repeat`.
    - `freeze`: the frame shows what the stream's frame before it showed.
    - `late`: the frame is sent `by_ns` later and stays due when it was.
    - `reorder`: an even-numbered frame waits for the next one and is sent 1 ns after it.
    - `clock-step`: `stamp_ns` jumps by `by_ns`. A stream in `by_stamp` is replayed by its stamps,
      so there the frame is due and sent that much later or earlier too.

    The order is total: `sends_ns`, stream, number, first sending before the second. Without faults
    the schedule itself comes back. Whether a frame is hit depends on the fault, the stream and the
    frame's number alone.

    Args:
        schedule: Frames in the order in which they are due.
        faults: None of which contradict each other.
        word: Gives a random word of 64 bits for a fault's name and a frame's number.
        by_stamp: Streams without a period.

    Raises:
        ValueError: Two faults contradict each other.
    """
    if not faults:
        return schedule
    ordered = sorted(faults, key=lambda fault: (fault.kind not in _FIRST, fault.kind, fault.at_ns))
    for number, one in enumerate(ordered):
        if any(contradict(one, other) for other in ordered[number + 1 :]):
            msg = f"another fault contradicts {one}"
            raise ValueError(msg)
    of_stream: dict[str, list[ScheduledFrame]] = {}
    for frame in schedule:
        of_stream.setdefault(frame.stream, []).append(frame)
    found: list[ScheduledFrame] = []
    for stream, frames in of_stream.items():
        mine = [fault for fault in ordered if fault.stream == stream]
        found += _faulty(frames, mine, word, by_stamp=stream in by_stamp) if mine else frames
    return sorted(found, key=_sending_order)


def counts_of(schedule: Iterable[ScheduledFrame]) -> Counter[str]:
    """Return how many frames each kind of fault touched; a copy counts as `duplicate` alone."""
    return Counter(
        kind
        for frame in schedule
        if frame.fault
        for kind in (("duplicate",) if frame.repeat else frame.fault.split("+"))
    )


def shown_instead(schedule: Iterable[ScheduledFrame]) -> dict[tuple[str, int], int]:
    """Return the content of each frame that does not show its own, by stream and number."""
    return {
        (frame.stream, frame.number): frame.content
        for frame in schedule
        if "freeze" in frame.fault.split("+")
    }


def _sending_order(frame: ScheduledFrame) -> tuple[int, str, int, bool]:
    return frame.sends_ns, frame.stream, frame.number, frame.repeat


def _faulty(
    frames: Sequence[ScheduledFrame],
    faults: Sequence[Fault],
    word: Callable[[str, int], int],
    *,
    by_stamp: bool,
) -> list[ScheduledFrame]:
    """Return one stream's frames, and the copies, in no order; `frames` come by number."""
    changed = list(frames)
    copies: list[ScheduledFrame] = []
    for fault in faults:
        # Windows are of the healthy schedule, whatever another fault has done to a frame.
        hit = [
            place
            for place, frame in enumerate(frames)
            if fault.covers(frame) and _strikes(fault, frame.number, word)
        ]
        if fault.kind == "reorder":
            _swap(changed, frames, fault, hit)
            continue
        for place in hit:
            frame = _marked(changed[place], fault)
            if fault.kind == "drop":
                frame = replace(frame, lost=True)
            elif fault.kind == "duplicate":
                copies.append(replace(frame, sends_ns=frame.sends_ns + fault.by_ns, repeat=True))
                frame = changed[place]
            elif fault.kind == "freeze":
                frame = replace(frame, content=changed[max(0, place - 1)].content)
            elif fault.kind == "late":
                frame = replace(frame, sends_ns=frame.sends_ns + fault.by_ns)
            elif by_stamp:
                frame = later(frame, fault.by_ns)
            else:
                frame = replace(frame, stamp_ns=frame.stamp_ns + fault.by_ns)
            changed[place] = frame
    return changed + copies


def _swap(
    changed: list[ScheduledFrame],
    frames: Sequence[ScheduledFrame],
    fault: Fault,
    hit: Sequence[int],
) -> None:
    for place in hit:
        pair = frames[place : place + 2]
        if frames[place].number % 2 == 0 and len(pair) > 1 and fault.covers(pair[1]):
            after = _marked(changed[place + 1], fault)
            held = _marked(changed[place], fault)
            changed[place + 1] = after
            changed[place] = replace(held, sends_ns=after.sends_ns + 1)


def _marked(frame: ScheduledFrame, fault: Fault) -> ScheduledFrame:
    return replace(frame, fault=f"{frame.fault}+{fault.kind}" if frame.fault else fault.kind)


def _strikes(fault: Fault, number: int, word: Callable[[str, int], int]) -> bool:
    if fault.probability_ppm >= WHOLE_PPM:
        return True
    name = f"{fault.stream}/{fault.kind}/{fault.at_ns}"
    return word(name, number) * WHOLE_PPM >> _WORD_BITS < fault.probability_ppm
