"""What faulty sensors make of a schedule."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.faults import Fault, FaultKind, apply_faults, contradict, counts_of, shown_instead
from replay.schedule import StreamTimes, build_schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replay.schedule import ScheduledFrame

KINDS: tuple[FaultKind, ...] = (
    "drop",
    "duplicate",
    "freeze",
    "late",
    "reorder",
    "clock-step",
)
PERIODS_NS = {"front": 100, "left": 70}


def word(name: str, frame: int) -> int:
    """A word of 64 bits that depends on its key only."""
    digest = hashlib.blake2b(f"{name}/{frame}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def drive(*, frames: int = 10, warmup: int = 2, loop: int = 1) -> list[ScheduledFrame]:
    """Two cameras, one every 100 ns, one every 70 ns."""
    streams = [
        StreamTimes(stream=name, offsets_ns=range(0, frames * period, period), period_ns=period)
        for name, period in PERIODS_NS.items()
    ]
    return list(build_schedule(streams, warmup=warmup, loop=loop))


def only_front(frames: Sequence[ScheduledFrame]) -> list[ScheduledFrame]:
    """Frames of the front camera from t0 on, in the order given."""
    return [frame for frame in frames if frame.stream == "front" and not frame.warmup]


def fault(kind: FaultKind, *, at: int, length: int | None = 200, by: int = 0) -> Fault:
    """A fault of the front camera that hits every frame in its window."""
    return Fault(stream="front", kind=kind, at_ns=at, for_ns=length, by_ns=by)


def struck(*faults: Fault) -> list[ScheduledFrame]:
    """The front camera's frames after faults, in the order of sending."""
    return only_front(apply_faults(drive(), faults, word))


def test_a_dropped_frame_keeps_its_place_and_is_lost() -> None:
    """From the beginning of the window up to its end, which is left out."""
    found = struck(fault("drop", at=300))
    assert [frame.number for frame in found if frame.lost] == [3, 4]
    assert [frame.number for frame in found] == list(range(10))
    assert [frame.fault for frame in found[2:6]] == ["", "drop", "drop", ""]


def test_a_duplicate_comes_after_the_frame_itself() -> None:
    """At once, or as much later as is said; the frame itself is healthy."""
    found = struck(fault("duplicate", at=300, by=120))
    sent = [(frame.number, frame.sends_ns, frame.repeat) for frame in found[3:7]]
    assert sent == [(3, 300, False), (4, 400, False), (3, 420, True), (5, 500, False)]
    at_once = struck(fault("duplicate", at=300, length=1))
    assert [(frame.number, frame.repeat) for frame in at_once[3:5]] == [(3, False), (3, True)]


def test_a_frozen_picture_is_that_of_the_last_frame_before() -> None:
    """Throughout the window; stamps go on."""
    found = struck(fault("freeze", at=300))
    assert [frame.content for frame in found] == [0, 1, 2, 2, 2, 5, 6, 7, 8, 9]
    assert [frame.scheduled_ns for frame in found] == list(range(0, 1000, 100))
    assert shown_instead(found) == {("front", 3): 2, ("front", 4): 2}


def test_a_late_frame_stays_due_when_it_was() -> None:
    """It may even come after its successor."""
    found = struck(fault("late", at=300, length=1, by=130))
    assert [frame.number for frame in found[2:6]] == [2, 4, 3, 5]
    late = found[4]
    assert (late.scheduled_ns, late.sends_ns, late.stamp_ns) == (300, 430, 300)


def test_pairs_change_places() -> None:
    """Whole pairs inside the window; the first of a pair waits for the second."""
    found = struck(fault("reorder", at=100, length=500))
    assert [frame.number for frame in found] == [0, 1, 3, 2, 5, 4, 6, 7, 8, 9]
    assert [frame.sends_ns for frame in found[2:6]] == [300, 301, 500, 501]


@pytest.mark.parametrize("by_ns", [30, -30])
def test_a_clock_step_is_a_wrong_stamp(by_ns: int) -> None:
    """With a period the grid holds; without one the drive is replayed by its stamps."""
    step = fault("clock-step", at=300, by=by_ns)
    found = struck(step)
    assert [frame.stamp_ns for frame in found[2:5]] == [200, 300 + by_ns, 400 + by_ns]
    assert [frame.scheduled_ns for frame in found[2:5]] == [200, 300, 400]
    moved = only_front(apply_faults(drive(), [step], word, by_stamp=["front"]))
    assert [(f.stamp_ns, f.scheduled_ns, f.sends_ns) for f in moved[3:5]] == [
        (at_ns + by_ns,) * 3 for at_ns in (300, 400)
    ]


def test_a_frozen_picture_may_also_be_late_or_sent_twice() -> None:
    """What a frame is and how it is sent are different things; a copy counts once."""
    both = struck(fault("duplicate", at=300, length=100), fault("freeze", at=300, length=100))
    assert [(f.content, f.fault) for f in both[3:5]] == [(2, "freeze"), (2, "freeze+duplicate")]
    assert counts_of(both) == {"freeze": 1, "duplicate": 1}


def test_contradictory_faults_are_the_callers_mistake() -> None:
    """A frame cannot be lost and late."""
    with pytest.raises(ValueError, match="contradicts"):
        struck(fault("drop", at=300), fault("late", at=400, by=5))
    assert struck(fault("drop", at=300), fault("late", at=500, by=5))


def test_another_fault_does_not_reshuffle_who_is_hit() -> None:
    """A draw belongs to a fault and a frame."""
    some = Fault(stream="front", kind="drop", at_ns=0, probability_ppm=500_000)
    other = Fault(stream="left", kind="drop", at_ns=0, probability_ppm=500_000)
    long = drive(frames=200)
    alone = {f.number for f in apply_faults(long, [some], word) if f.lost}
    both = {
        f.number for f in apply_faults(long, [other, some], word) if f.lost and f.stream == "front"
    }
    assert alone == both
    assert 60 < len(alone) < 140


@st.composite
def fault_lists(draw: st.DrawFn) -> list[Fault]:
    """Draw up to five faults that do not contradict each other."""
    found: list[Fault] = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(KINDS))
        low = -200 if kind == "clock-step" else 0
        one = Fault(
            stream=draw(st.sampled_from(sorted(PERIODS_NS))),
            kind=kind,
            at_ns=draw(st.integers(0, 1200)),
            for_ns=draw(st.none() | st.integers(1, 800)),
            by_ns=draw(st.integers(low, 300)),
            probability_ppm=draw(st.sampled_from([1, 300_000, 1_000_000])),
        )
        if not any(contradict(one, other) for other in found):
            found.append(one)
    return found


frame_counts = st.integers(2, 14)


@given(frames=frame_counts, loop=st.integers(1, 2))
def test_without_faults_nothing_changes(frames: int, loop: int) -> None:
    """The transform is the identity."""
    healthy = drive(frames=frames, loop=loop)
    assert list(apply_faults(healthy, [], word)) == healthy


@given(faults=fault_lists(), frames=frame_counts, loop=st.integers(1, 2))
def test_faults_stay_in_their_window_and_stream(
    faults: list[Fault], frames: int, loop: int
) -> None:
    """Every frame that no fault covers is there once, as it was."""
    healthy = drive(frames=frames, loop=loop)
    found = apply_faults(healthy, faults, word, by_stamp=["left"])
    for frame in healthy:
        if not any(one.covers(frame) for one in faults):
            assert [f for f in found if (f.stream, f.number) == (frame.stream, frame.number)] == [
                frame
            ]
    for frame in found:
        if frame.fault:
            was = next(h for h in healthy if (h.stream, h.number) == (frame.stream, frame.number))
            kinds = {one.kind for one in faults if one.covers(was)}
            assert set(frame.fault.split("+")) <= kinds


@given(faults=fault_lists(), frames=frame_counts, loop=st.integers(1, 2))
def test_the_order_of_sending_is_total_and_deterministic(
    faults: list[Fault], frames: int, loop: int
) -> None:
    """Sorted by time, stream, number and copy, whatever the order of the faults."""
    healthy = drive(frames=frames, loop=loop)
    found = list(apply_faults(healthy, faults, word, by_stamp=["left"]))
    keys = [(frame.sends_ns, frame.stream, frame.number, frame.repeat) for frame in found]
    assert all(one < other for one, other in pairwise(keys))
    assert found == list(apply_faults(healthy, faults[::-1], word, by_stamp=["left"]))


@given(faults=fault_lists(), frames=frame_counts)
def test_counts_balance(faults: list[Fault], frames: int) -> None:
    """Frames that come are all frames, less the lost ones, and the copies beside them."""
    healthy = drive(frames=frames)
    found = apply_faults(healthy, faults, word)
    counts = counts_of(found)
    copies = [frame for frame in found if frame.repeat]
    assert len(found) == len(healthy) + len(copies)
    assert len(copies) == counts["duplicate"]
    assert sum(frame.lost for frame in found) == counts["drop"]
    assert not any(frame.lost and frame.repeat for frame in found)
    for frame in found:
        if frame.fault in ("", "drop", "freeze"):
            assert frame.sends_ns == frame.scheduled_ns
        assert "clock-step" in frame.fault or frame.sends_ns >= frame.scheduled_ns
