"""Drives: what is known of their streams ahead, windows, schedules and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.errors import DriveSettingError, InputError
from pipeline.runtime.drive import all_pictures, facts_of, pictures, schedule_of
from pipeline.runtime.live.prefetching import Prefetcher, StreamPictures, reaches
from pipeline.runtime.spec import DriveSpec, SpeedPoint, StreamSpec
from pipeline.runtime.timetable import StreamGrid, Timetable
from pipeline.values import from_plain, to_plain
from replay.faults import Fault
from replay.schedule import Pause, StreamTimes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replay.schedule import ScheduledFrame

MS = 1_000_000
TWO_CAMERAS = DriveSpec(
    streams=(
        StreamSpec(name="front", path=None, camera="front", period_ns=100 * MS),
        StreamSpec(name="l", path=None, camera="left", period_ns=150 * MS, phase_ns=20 * MS),
    ),
    scene="street",
    scene_seed=3,
    length_ns=1_000 * MS,
    width=64,
    height=48,
)


def table_of(drive: DriveSpec, **more: object) -> Timetable:
    """The timetable of a drive."""
    _, facts = facts_of(drive)
    grids = tuple(StreamGrid.of(stream.times) for stream in facts.streams.values())
    return replace(Timetable(streams=grids, origin_ns=facts.origin_ns), **more)


def folder_of(path: Path, stamps_ns: Sequence[int]) -> Path:
    """A folder of grey pictures, each as bright as its number, with their stamps."""
    path.mkdir(parents=True)
    for number in range(len(stamps_ns)):
        image = np.full((48, 64, 3), 10 * number, np.uint8)
        assert cv2.imwrite(str(path / f"{number}.png"), image)
    (path / "timestamps.txt").write_text("".join(f"{stamp}\n" for stamp in stamps_ns), "utf-8")
    return path


def test_each_stream_has_its_own_times_and_speeds() -> None:
    """A period and a phase each; the speed is that of the one world they are in."""
    _, facts = facts_of(TWO_CAMERAS)
    front, left = facts.streams["front"], facts.streams["l"]
    assert facts.origin_ns == 0
    assert (front.frames, left.frames) == (10, 7)
    assert list(left.times.offsets_ns) == [(20 + 150 * i) * MS for i in range(7)]
    assert front.frame_bytes == 64 * 48 * 3
    assert facts.counts == {"front": 10, "l": 7}
    speeds = front.times.speeds_mm_s
    assert speeds is not None
    assert all(9_000 < speed < 13_000 for speed in speeds)
    assert len(set(speeds)) > 5


def test_the_scenario_may_say_the_speed() -> None:
    """From the drive's start, in place of the world's; before the first entry it holds too."""
    points = tuple(SpeedPoint(at_ns=at * MS, speed_mm_s=at) for at in (100, 300))
    drive = replace(TWO_CAMERAS, speeds=points, start_ns=200 * MS, window_ns=300 * MS)
    _, facts = facts_of(drive)
    assert facts.streams["front"].times.speeds_mm_s == [100, 300, 300]
    _, facts = facts_of(replace(TWO_CAMERAS, speeds=points))
    assert facts.streams["front"].times.speeds_mm_s == [100, 100, 100] + [300] * 7


def test_a_window_shows_the_same_pictures_from_its_start_on() -> None:
    """Contents count from the window's first frame, stamps from the window's start."""
    narrowed, facts = facts_of(replace(TWO_CAMERAS, start_ns=250 * MS, window_ns=500 * MS))
    assert facts.counts == {"front": 5, "l": 3}
    whole = dict(pictures(TWO_CAMERAS, "front"))
    for content, pixels in pictures(narrowed, "front"):
        assert np.array_equal(pixels, whole[content + 3])
    shown = [(stream, content) for stream, content, _ in all_pictures(narrowed)]
    assert shown == [("front", i) for i in range(5)] + [("l", i) for i in range(3)]
    assert [content for content, _ in pictures(narrowed, "front", frozenset({1, 3}))] == [1, 3]
    table = table_of(replace(TWO_CAMERAS, start_ns=250 * MS, window_ns=500 * MS))
    due = [(frame.stream, frame.scheduled_ns // MS) for frame in schedule_of(table)]
    assert due == [
        ("front", 50),
        ("l", 70),
        ("front", 150),
        ("l", 220),
        ("front", 250),
        ("front", 350),
        ("l", 370),
        ("front", 450),
    ]


@pytest.mark.parametrize(
    ("start_ms", "length_ms", "at", "reason"),
    [
        (1_070, None, ("drive", "window", "start"), "past the end: the drive is 1.07 s long"),
        (100, 971, ("drive", "window", "length"), "past the end"),
        (101, 40, ("drive", "window"), "stream 'front' has no frame in it"),
    ],
)
def test_a_window_outside_the_drive_is_refused(
    start_ms: int, length_ms: int | None, at: tuple[str, ...], reason: str
) -> None:
    """With the key that is wrong."""
    window_ns = None if length_ms is None else length_ms * MS
    with pytest.raises(DriveSettingError, match=reason) as caught:
        facts_of(replace(TWO_CAMERAS, start_ns=start_ms * MS, window_ns=window_ns))
    assert caught.value.at == at


def test_a_recording_keeps_its_stamps_beside_the_grid(tmp_path: Path) -> None:
    """With a declared period the grid is what is due; the phase moves all of it."""
    path = folder_of(tmp_path / "front", [5_000, 5_103, 5_196])
    stream = StreamSpec(name="front", path=str(path), period_ns=100, phase_ns=7)
    _, facts = facts_of(DriveSpec(streams=(stream,)))
    times = facts.streams["front"].times
    assert list(times.offsets_ns) == [5_007, 5_107, 5_207]
    assert times.stamps_ns == [5_007, 5_110, 5_203]
    assert times.speeds_mm_s is None
    undeclared = replace(stream, period_ns=None, phase_ns=0)
    table = table_of(DriveSpec(streams=(undeclared,), start_ns=100))
    assert [(f.content, f.scheduled_ns, f.stamp_ns) for f in schedule_of(table)] == [
        (0, 3, 3),
        (1, 96, 96),
    ]


def test_a_window_of_a_recording_begins_at_the_right_picture(tmp_path: Path) -> None:
    """Also where the phase has moved its stamps."""
    path = folder_of(tmp_path / "front", [5_000, 5_100, 5_200, 5_300])
    stream = StreamSpec(name="front", path=str(path), phase_ns=40)
    narrowed, _ = facts_of(DriveSpec(streams=(stream,), start_ns=150, window_ns=200))
    assert [int(p[0, 0, 0]) for _, p in pictures(narrowed, "front")] == [20, 30]


def test_streams_of_different_clocks_are_refused(tmp_path: Path) -> None:
    """One of 1970, one of today: they never meet."""
    old = StreamSpec(name="old", path=str(folder_of(tmp_path / "a", [0, 100, 200])))
    new = StreamSpec(name="new", path=str(folder_of(tmp_path / "b", [10**18, 10**18 + 100])))
    with pytest.raises(DriveSettingError, match="stamps are of another clock") as caught:
        facts_of(DriveSpec(streams=(old, new)))
    assert caught.value.at == ("drive", "streams", "new")


def test_a_stream_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    """As is an empty folder."""
    with pytest.raises(InputError, match="no such recording"):
        facts_of(DriveSpec(streams=(StreamSpec(name="a", path=str(tmp_path / "none")),)))
    late = replace(TWO_CAMERAS.streams[1], phase_ns=2_000 * MS)
    with pytest.raises(InputError, match="no frame"):
        facts_of(replace(TWO_CAMERAS, streams=(late,)))


@pytest.mark.parametrize(
    ("more", "at", "reason"),
    [
        ({"warmup": 8}, ("run", "warmup"), "'l' has 7 frames, too few for 8 of warm-up"),
        ({"pauses": (Pause(at_ns=10**10, for_ns=5),)}, ("run", "pause", 0, "at"), "due after it"),
        (
            {"faults": (Fault(stream="l", kind="drop", at_ns=930 * MS, for_ns=MS),)},
            ("drive", "faults", 0, "at"),
            "no frame of 'l' is due then; its last is due at 0.92 s",
        ),
    ],
)
def test_settings_that_meet_no_frame_are_refused(
    more: dict[str, object], at: tuple[str | int, ...], reason: str
) -> None:
    """With the key that is wrong."""
    with pytest.raises(DriveSettingError, match=reason) as caught:
        schedule_of(table_of(TWO_CAMERAS, **more))
    assert caught.value.at == at


def test_faults_begin_on_the_run_clock_pauses_included() -> None:
    """A pause moves frames out of a fault's window, and others into it."""
    fault = Fault(stream="front", kind="drop", at_ns=500 * MS, for_ns=200 * MS)
    lost = [f.number for f in schedule_of(table_of(TWO_CAMERAS, faults=(fault,))) if f.lost]
    assert lost == [5, 6]
    pause = Pause(at_ns=300 * MS, for_ns=100 * MS)
    held = schedule_of(table_of(TWO_CAMERAS, faults=(fault,), pauses=(pause,)))
    assert [frame.number for frame in held if frame.lost] == [4, 5]


grids = st.builds(
    StreamTimes,
    stream=st.sampled_from(["a", "b"]),
    offsets_ns=st.lists(st.integers(0, 10**6), min_size=2, max_size=6).map(sorted),
    period_ns=st.none() | st.integers(1, 10**5),
)


@given(times=grids, first=st.integers(0, 10**9), speed=st.none() | st.integers(0, 90_000))
def test_a_timetable_written_down_is_the_same_again(
    times: StreamTimes, first: int, speed: int | None
) -> None:
    """Irregular streams in full, regular ones in three numbers."""
    period = times.period_ns or 7
    count = len(times.offsets_ns)
    regular = StreamTimes(
        stream="regular",
        offsets_ns=range(first, first + count * period, period),
        period_ns=period,
        stamps_ns=[first + number * period + number % 2 for number in range(count)],
        speeds_mm_s=None if speed is None else [speed] * count,
    )
    table = Timetable(
        streams=(StreamGrid.of(times), StreamGrid.of(regular)),
        warmup=0,
        faults=(Fault(stream="regular", kind="late", at_ns=0, by_ns=3, probability_ppm=500_000),),
        pauses=(Pause(at_ns=0, for_ns=1),),
        seed=9,
    )
    again = from_plain(Timetable, to_plain(table))
    assert again == table
    assert again.frames() == table.frames()
    assert list(table.streams[0].times.offsets_ns) == times.offsets_ns
    assert table.streams[1].offsets_ns == ()
    assert table.streams[1].times.stamps_ns == tuple(regular.stamps_ns or ())


def test_pictures_come_for_every_frame_that_is_sent() -> None:
    """Late, doubled, frozen, swapped and looped frames get theirs, lost ones none."""
    faults = (
        Fault(stream="front", kind="late", at_ns=100 * MS, for_ns=100 * MS, by_ns=350 * MS),
        Fault(stream="front", kind="reorder", at_ns=600 * MS, for_ns=300 * MS),
        Fault(stream="front", kind="drop", at_ns=1_100 * MS, for_ns=300 * MS),
        Fault(stream="l", kind="duplicate", at_ns=0, by_ns=200 * MS),
        Fault(stream="l", kind="freeze", at_ns=300 * MS, for_ns=300 * MS),
    )
    schedule = schedule_of(table_of(TWO_CAMERAS, faults=faults, loop=2, warmup=2))
    whole = {(stream, content): p for stream, content, p in all_pictures(TWO_CAMERAS)}
    prefetcher = Prefetcher(TWO_CAMERAS, schedule)
    for frame in schedule:
        if not frame.lost:
            shown = whole[frame.stream, frame.content]
            assert np.array_equal(prefetcher.next(), shown), frame
    prefetcher.close()


def test_a_picture_further_back_is_read_anew() -> None:
    """What is no longer held begins the recording again; what is not there is an error."""
    whole = dict(pictures(TWO_CAMERAS, "front"))
    source = StreamPictures(TWO_CAMERAS, "front", keep=1)
    for content in (0, 3, 2, 0, 9, 8, 1):
        assert np.array_equal(source.get(content), whole[content])
    with pytest.raises(InputError, match="has no picture 10"):
        source.get(10)


def test_how_far_back_a_schedule_reaches() -> None:
    """By number, so that a new pass reaches nowhere; within a bound."""
    late = Fault(stream="front", kind="late", at_ns=100 * MS, for_ns=1, by_ns=350 * MS)
    assert _reach(table_of(TWO_CAMERAS, loop=3)) == {"front": 0, "l": 0}
    assert _reach(table_of(TWO_CAMERAS, faults=(late,))) == {"front": 3, "l": 0}
    far = replace(table_of(TWO_CAMERAS, loop=20), faults=(replace_by(late, 19_000 * MS),))
    assert _reach(far)["front"] == 64


def replace_by(fault: Fault, by_ns: int) -> Fault:
    """The fault, by another while."""
    return Fault(
        stream=fault.stream,
        kind=fault.kind,
        at_ns=fault.at_ns,
        for_ns=fault.for_ns,
        by_ns=by_ns,
    )


def _reach(table: Timetable) -> dict[str, int]:
    frames: list[ScheduledFrame] = table.frames()
    return reaches(frames)
