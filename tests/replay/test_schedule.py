"""When each frame of a replay is due."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import DriveTooShortError, EmptyDriveError
from replay.schedule import Pause, ScheduledFrame, StreamTimes, build_schedule, hold


def regular(name: str, *, frames: int, period_ns: int, start_ns: int = 0) -> StreamTimes:
    """Return a stream on a grid."""
    stop_ns = start_ns + frames * period_ns
    return StreamTimes(
        stream=name, offsets_ns=range(start_ns, stop_ns, period_ns), period_ns=period_ns
    )


def due(frame: ScheduledFrame) -> tuple[int, int, int, bool]:
    """Return everything but the stream's name."""
    return frame.number, frame.content, frame.scheduled_ns, frame.warmup


@st.composite
def streams(draw: st.DrawFn) -> list[StreamTimes]:
    """Draw one to three streams, regular or jittered, with or without a period."""
    found = []
    for name in "abc"[: draw(st.integers(1, 3))]:
        gaps = draw(st.lists(st.integers(0, 10**9), min_size=5, max_size=12))
        at_ns = draw(st.integers(0, 2 * 10**18))
        offsets = [at_ns := at_ns + gap for gap in (*gaps, 1)]
        period = draw(st.none() | st.integers(1, 10**9))
        found.append(StreamTimes(stream=name, offsets_ns=offsets, period_ns=period))
    return found


rates = st.fractions(Fraction(1, 1000), 1000) | st.sampled_from([0.1, 0.5, 1.0, 2.0, 3.7])


def test_a_pass_starts_one_period_after_the_last() -> None:
    """Warm-up, two passes, half the speed: worked out by hand."""
    schedule = build_schedule(
        [regular("front", frames=3, period_ns=100, start_ns=5_000)], loop=2, rate=0.5, warmup=2
    )
    assert [due(frame) for frame in schedule] == [
        (-2, 0, -400, True),
        (-1, 1, -200, True),
        (0, 0, 0, False),
        (1, 1, 200, False),
        (2, 2, 400, False),
        (3, 0, 600, False),
        (4, 1, 800, False),
        (5, 2, 1000, False),
    ]
    assert len(schedule) == 8
    assert schedule.pass_ns == 300


def test_recorded_jitter_is_kept() -> None:
    """Within a pass the distances are the recorded ones, between passes the period."""
    times = StreamTimes(stream="front", offsets_ns=[10, 21, 29], period_ns=10)
    schedule = build_schedule([times], loop=2, warmup=1)
    assert [frame.scheduled_ns for frame in schedule] == [-10, 0, 11, 19, 29, 40, 48]


def test_without_a_period_the_mean_distance_stands_in() -> None:
    """11 + 8 over two gaps, rounded."""
    times = StreamTimes(stream="front", offsets_ns=[10, 21, 29], period_ns=None)
    schedule = build_schedule([times], loop=2)
    assert [frame.scheduled_ns for frame in schedule] == [0, 11, 19, 29, 40, 48]


def test_streams_stay_together_and_ties_go_by_name() -> None:
    """Both streams start a pass together; of two frames due at once the first name comes first."""
    fast, slow = regular("b", frames=4, period_ns=50), regular("a", frames=2, period_ns=100)
    schedule = build_schedule([fast, slow], loop=2)
    assert [(frame.scheduled_ns, frame.stream, frame.number) for frame in schedule] == [
        (0, "a", 0),
        (0, "b", 0),
        (50, "b", 1),
        (100, "a", 1),
        (100, "b", 2),
        (150, "b", 3),
        (200, "a", 2),
        (200, "b", 4),
        (250, "b", 5),
        (300, "a", 3),
        (300, "b", 6),
        (350, "b", 7),
    ]


def test_warm_up_of_a_late_stream_lies_before_t0_at_its_own_phase() -> None:
    """A stream that begins 530 ns late warms up 30 ns past the grid, all of it before t0."""
    late = regular("late", frames=3, period_ns=100, start_ns=530)
    schedule = build_schedule([regular("front", frames=9, period_ns=100), late], warmup=2)
    stamps = [frame.scheduled_ns for frame in schedule if frame.stream == "late"]
    assert stamps == [-170, -70, 530, 630, 730]


def test_a_drive_without_frames_is_empty() -> None:
    """No stream, or a stream without a frame in the window."""
    with pytest.raises(EmptyDriveError, match="no stream"):
        build_schedule([])
    empty = StreamTimes(stream="rear", offsets_ns=[], period_ns=100)
    with pytest.raises(EmptyDriveError, match="'rear' has no frame"):
        build_schedule([regular("front", frames=3, period_ns=100), empty])


def test_a_drive_shorter_than_the_warm_up_is_refused() -> None:
    """Exactly as long is long enough."""
    times = regular("front", frames=3, period_ns=100)
    assert len(build_schedule([times], warmup=3)) == 6
    with pytest.raises(DriveTooShortError, match="has 3 frames, too few for 4 of warm-up"):
        build_schedule([times], warmup=4)


@pytest.mark.parametrize(("loop", "warmup"), [(2, 0), (1, 1)])
def test_one_frame_without_a_period_cannot_be_repeated(loop: int, warmup: int) -> None:
    """How long it lasts is unknown; shown once it is fine."""
    times = StreamTimes(stream="front", offsets_ns=[7], period_ns=None)
    assert [frame.scheduled_ns for frame in build_schedule([times])] == [0]
    with pytest.raises(DriveTooShortError, match="declare its `period`"):
        build_schedule([times], loop=loop, warmup=warmup)


@pytest.mark.parametrize(
    ("loop", "rate", "warmup"), [(0, 1, 0), (1, 0, 0), (1, -1.0, 0), (1, 1, -1)]
)
def test_arguments_out_of_range_are_the_callers_mistake(
    loop: int, rate: float, warmup: int
) -> None:
    """They are told apart from a bad drive."""
    with pytest.raises(ValueError, match="at least"):
        build_schedule(
            [regular("front", frames=3, period_ns=1)], loop=loop, rate=rate, warmup=warmup
        )


def test_bad_streams_are_the_callers_mistake() -> None:
    """Names repeat, offsets decrease, a period is nothing."""
    front = regular("front", frames=3, period_ns=1)
    with pytest.raises(ValueError, match="same name"):
        build_schedule([front, front])
    with pytest.raises(ValueError, match="decrease"):
        build_schedule([StreamTimes(stream="front", offsets_ns=[5, 4], period_ns=1)])
    with pytest.raises(ValueError, match="above 0"):
        build_schedule([StreamTimes(stream="front", offsets_ns=[5], period_ns=0)])


def test_a_float_rate_is_the_decimal_it_prints_as() -> None:
    """0.1 is a tenth, not its nearest binary fraction."""
    times = regular("front", frames=2, period_ns=10**15)
    assert [f.scheduled_ns for f in build_schedule([times], rate=0.1)] == [0, 10**16]


@given(streams=streams(), loop=st.integers(1, 3), rate=rates, warmup=st.integers(0, 5))
def test_the_order_is_total_and_repeatable(
    streams: list[StreamTimes], loop: int, rate: Fraction, warmup: int
) -> None:
    """Sorted by time, name and number; the order of the arguments and repetition change nothing."""
    schedule = build_schedule(streams, loop=loop, rate=rate, warmup=warmup)
    frames = list(schedule)
    keys = [(frame.scheduled_ns, frame.stream, frame.number) for frame in frames]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys) == len(schedule)
    assert frames == list(schedule)
    assert frames == list(build_schedule(streams[::-1], loop=loop, rate=rate, warmup=warmup))


@given(streams=streams(), loop=st.integers(1, 3), rate=rates, warmup=st.integers(0, 5))
def test_each_stream_counts_without_gaps_and_never_goes_back(
    streams: list[StreamTimes], loop: int, rate: Fraction, warmup: int
) -> None:
    """Numbers run from -warmup, contents repeat, warm-up and nothing else lies before t0."""
    frames = list(build_schedule(streams, loop=loop, rate=rate, warmup=warmup))
    assert min(frame.scheduled_ns for frame in frames if not frame.warmup) == 0
    for times in streams:
        own = [frame for frame in frames if frame.stream == times.stream]
        once = len(times.offsets_ns)
        assert [frame.number for frame in own] == list(range(-warmup, loop * once))
        assert [f.content for f in own] == [*range(warmup), *(list(range(once)) * loop)]
        assert all(a.scheduled_ns <= b.scheduled_ns for a, b in pairwise(own))
        assert all(frame.warmup == (frame.number < 0) for frame in own)
        assert all(frame.scheduled_ns < 0 for frame in own if frame.warmup)


@given(times=streams().map(lambda found: found[0]), loop=st.integers(2, 4))
def test_passes_repeat_exactly(times: StreamTimes, loop: int) -> None:
    """Each pass is the one before, later by its length; the seam is one declared period."""
    schedule = build_schedule([times], loop=loop)
    stamps = [frame.scheduled_ns for frame in schedule]
    once = len(times.offsets_ns)
    assert schedule.pass_ns is not None
    for number in range(once, len(stamps)):
        assert stamps[number] - stamps[number - once] == schedule.pass_ns
    if times.period_ns is not None:
        assert stamps[once] - stamps[once - 1] == times.period_ns


@given(times=streams().map(lambda found: found[0]), rate=rates)
def test_the_rate_divides_and_rounds_down(times: StreamTimes, rate: Fraction | float) -> None:
    """Every stamp is the exact quotient's floor."""
    exact = Fraction(str(rate))
    slow = build_schedule([times], loop=2)
    fast = build_schedule([times], loop=2, rate=rate)
    for one, other in zip(slow, fast, strict=True):
        assert other.scheduled_ns == one.scheduled_ns / exact // 1


def test_a_window_begins_before_its_first_frame() -> None:
    """t0 is where the caller puts it; passes still join on the grid."""
    times = regular("front", frames=3, period_ns=100, start_ns=530)
    schedule = build_schedule([times], loop=2, warmup=1, origin_ns=500)
    assert [frame.scheduled_ns for frame in schedule] == [-70, 30, 130, 230, 330, 430, 530]
    with pytest.raises(ValueError, match="must not lie after the first frame"):
        build_schedule([times], origin_ns=531)


def test_recorded_stamps_and_speeds_go_with_the_frames() -> None:
    """Stamps are on the axis of the schedule; both repeat in every pass."""
    times = StreamTimes(
        stream="front",
        offsets_ns=[100, 200],
        period_ns=100,
        stamps_ns=[103, 196],
        speeds_mm_s=[9_000, 9_500],
    )
    schedule = build_schedule([times], loop=2, rate=0.5)
    found = [(f.scheduled_ns, f.sends_ns, f.stamp_ns, f.speed_mm_s) for f in schedule]
    assert found == [
        (0, 0, 6, 9_000),
        (200, 200, 192, 9_500),
        (400, 400, 406, 9_000),
        (600, 600, 592, 9_500),
    ]
    with pytest.raises(ValueError, match="not one a frame"):
        build_schedule([StreamTimes(stream="a", offsets_ns=[1, 2], period_ns=1, speeds_mm_s=[3])])


def test_a_pause_holds_all_that_is_due_from_then_on() -> None:
    """Of the second pause the first one's length is already part."""
    schedule = build_schedule([regular("front", frames=4, period_ns=100)])
    pauses = [Pause(at_ns=100, for_ns=50), Pause(at_ns=260, for_ns=7)]
    held = list(hold(schedule, pauses))
    assert [frame.scheduled_ns for frame in held] == [0, 150, 250, 357]
    assert all(f.scheduled_ns == f.sends_ns == f.stamp_ns for f in held)


@pytest.mark.parametrize("pauses", [[(-1, 5)], [(5, 0)], [(5, 10), (14, 1)], [(5, 10), (3, 1)]])
def test_pauses_that_overlap_are_the_callers_mistake(pauses: list[tuple[int, int]]) -> None:
    """So are those before t0 and those that last no time."""
    schedule = build_schedule([regular("front", frames=4, period_ns=100)])
    with pytest.raises(ValueError, match="begins before"):
        hold(schedule, [Pause(at_ns=at, for_ns=length) for at, length in pauses])


@given(
    streams=streams(),
    warmup=st.integers(0, 5),
    pauses=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 10**9)), max_size=4),
)
def test_a_pause_moves_frames_and_keeps_their_order(
    streams: list[StreamTimes], warmup: int, pauses: list[tuple[int, int]]
) -> None:
    """Nothing is due while it lasts, and nothing else changes."""
    schedule = list(build_schedule(streams, warmup=warmup))
    at_ns, found = 0, []
    for gap_ns, length_ns in pauses:
        found.append(Pause(at_ns=at_ns + gap_ns, for_ns=length_ns))
        at_ns = found[-1].at_ns + length_ns
    held = list(hold(schedule, found))
    for before, after in zip(schedule, held, strict=True):
        moved_ns = after.scheduled_ns - before.scheduled_ns
        assert (after.stream, after.number) == (before.stream, before.number)
        assert moved_ns == sum(p.for_ns for p in found if p.at_ns <= after.scheduled_ns)
        assert not any(p.at_ns <= after.scheduled_ns < p.at_ns + p.for_ns for p in found)
