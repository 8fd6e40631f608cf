"""All sensors of a synthetic world as one drive: order, windows, laziness, one truth."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.calibration import Calibrated
from sensors.errors import SensorError, StreamMissingError
from sensors.frames import CameraFrame, LidarSweep
from sensors.labels import Labelled
from sensors.synthetic.drive import SyntheticDrive
from sensors.synthetic.lidar import SyntheticLidar
from sensors.synthetic.lidar_spec import LidarSpec
from sensors.synthetic.suite import Periods, SensorUnknownError, SyntheticSuite, _merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensors.frames import Frame

COARSE = LidarSpec(columns=64)
SENSORS = ("rear", "lidar", "pose", "imu")
BLIND = ("lidar", "pose", "imu")
"""Cameras take a while to open."""
LENGTH_NS = 400_000_000


def suite(**changes: object) -> SyntheticSuite:
    """A short drive with small pictures and a coarse LiDAR."""
    facts = {
        "seed": 4,
        "length_ns": LENGTH_NS,
        "sensors": SENSORS,
        "width": 64,
        "height": 48,
        "lidar": COARSE,
        "periods": Periods(pose_ns=40_000_000, imu_ns=20_000_000),
        **changes,
    }
    return SyntheticSuite("urban", **facts)  # type: ignore[arg-type]


def key(frame: Frame) -> tuple[int, int]:
    """Place of a frame in the declared order."""
    return frame.stamp_ns, SENSORS.index(frame.stream)


def content(frame: Frame) -> object:
    """Everything that a frame says, in a form that compares."""
    match frame:
        case CameraFrame(image=image):
            return frame.stream, frame.stamp_ns, image.tobytes()
        case LidarSweep(points=points):
            return frame.stream, frame.stamp_ns, points.tobytes()
        case _:
            return frame


@pytest.fixture(scope="module")
def whole() -> list[Frame]:
    """All frames of the drive."""
    with suite() as reader:
        return list(reader.frames())


def test_frames_come_by_stamp_and_then_as_the_sensors_were_named(whole: list[Frame]) -> None:
    """All frames of all streams, each stream without gaps."""
    assert [key(frame) for frame in whole] == sorted(key(frame) for frame in whole)
    counts = {"rear": 4, "lidar": 4, "pose": 10, "imu": 20}
    for name, count in counts.items():
        own = [frame for frame in whole if frame.stream == name]
        assert [frame.index for frame in own] == list(range(count))
    with suite() as reader:
        streams = reader.streams()
    assert {stream.name: stream.frames for stream in streams} == counts
    assert [stream.name for stream in streams] == list(SENSORS)
    assert [stream.kind for stream in streams] == ["camera", "lidar", "pose", "imu"]


@pytest.mark.parametrize("sensors", [("rear",), ("imu", "lidar")])
def test_a_sensor_yields_the_same_alone_and_among_others(
    sensors: tuple[str, ...], whole: list[Frame]
) -> None:
    """What a sensor measures does not depend on which others there are."""
    with suite(sensors=sensors) as alone:
        found = list(alone.frames())
    for name in sensors:
        own = [content(frame) for frame in found if frame.stream == name]
        assert own == [content(frame) for frame in whole if frame.stream == name]


def test_a_window_is_cut_out_of_the_drive(whole: list[Frame]) -> None:
    """Half-open, over the streams wanted only."""
    with suite(sensors=BLIND) as reader:
        window = list(
            reader.frames(streams=("imu", "lidar"), start_ns=100_000_000, stop_ns=200_000_000)
        )
    kept = [
        content(frame)
        for frame in whole
        if frame.stream in ("imu", "lidar") and 100_000_000 <= frame.stamp_ns < 200_000_000
    ]
    assert [content(frame) for frame in window] == kept
    assert len(kept) == 6


def test_the_streams_are_those_of_the_single_readers(whole: list[Frame]) -> None:
    """The suite is what `SyntheticDrive` and `SyntheticLidar` read, side by side."""
    camera = SyntheticDrive(
        "urban",
        seed=4,
        length_ns=LENGTH_NS,
        period_ns=100_000_000,
        width=64,
        height=48,
        stream="rear",
        camera="rear",
    )
    sweeps = SyntheticLidar(
        "urban",
        seed=4,
        length_ns=LENGTH_NS,
        period_ns=100_000_000,
        stream="lidar",
        spec=COARSE,
    )
    for single, name in ((camera, "rear"), (sweeps, "lidar")):
        with single:
            own = [content(frame) for frame in single.frames()]
        assert own == [content(frame) for frame in whole if frame.stream == name]


def test_labels_stand_beside_their_frames(whole: list[Frame]) -> None:
    """Cameras and LiDAR are labelled, in the frames' order; tracks are one world's."""
    with suite() as reader:
        assert isinstance(reader, Labelled)
        labels = list(reader.labels())
        one = list(reader.labels(streams=("rear",), start_ns=100_000_000))
    frames = [frame for frame in whole if frame.stream in ("rear", "lidar")]
    assert [(label.stream, label.index, label.stamp_ns) for label in labels] == [
        (frame.stream, frame.index, frame.stamp_ns) for frame in frames
    ]
    assert {label.stream for label in one} == {"rear"}
    assert len(one) == 3
    seen, around = labels[0].boxes, labels[1].boxes_3d
    assert seen is not None
    assert around is not None
    near = seen.tracks[seen.distances_m < 60.0]
    assert len(near) > 0
    assert np.isin(near, around.tracks).all()
    placed = labels[0].boxes_3d
    assert placed is not None
    rows = [around.tracks.tolist().index(track) for track in near]
    own = [placed.tracks.tolist().index(track) for track in near]
    np.testing.assert_allclose(placed.centres_m[own], around.centres_m[rows])
    np.testing.assert_allclose(placed.yaws_rad[own], around.yaws_rad[rows])


def test_frames_are_made_one_by_one_when_asked_for() -> None:
    """A drive of ten hours yields its first frames at once."""
    with suite(length_ns=36_000_000_000_000, sensors=BLIND) as reader:
        first = list(islice(reader.frames(), 3))
    assert [frame.stream for frame in first] == list(BLIND)


def test_phases_shift_single_sensors() -> None:
    """The first frame of a sensor lies at its phase."""
    with suite(sensors=BLIND, phases_ns={"lidar": 50_000_000, "pose": 30_000_000}) as reader:
        frames = list(reader.frames())
    assert [(frame.stamp_ns // 1_000_000, frame.stream) for frame in frames[:7]] == [
        (0, "imu"),
        (20, "imu"),
        (30, "pose"),
        (40, "imu"),
        (50, "lidar"),
        (60, "imu"),
        (70, "pose"),
    ]


def test_every_sensor_has_a_place() -> None:
    """Cameras with a projection of the picture's size, the others without."""
    with suite() as reader:
        assert isinstance(reader, Calibrated)
        found = {placed.stream: placed for placed in reader.calibrations()}
    assert list(found) == list(SENSORS)
    rear = found["rear"].intrinsics
    assert rear is not None
    assert (rear.width, rear.height) == (64, 48)
    assert found["lidar"].intrinsics is None
    assert found["lidar"].mounting == COARSE.mounting


def test_what_a_suite_cannot_be_is_refused_by_name() -> None:
    """Unknown sensors, repeated ones, none; unknown streams; use outside the context."""
    with pytest.raises(SensorUnknownError, match=r"'radar'.*front.*lidar"):
        suite(sensors=("front", "radar"))
    with pytest.raises(SensorUnknownError, match="radar"):
        suite(phases_ns={"radar": 1})
    for sensors in ((), ("imu", "imu")):
        with pytest.raises(ValueError, match="each once"):
            suite(sensors=sensors)
    with pytest.raises(SensorError, match="no synthetic scene"):
        SyntheticSuite("moon", seed=1, length_ns=1)
    reader = suite(sensors=BLIND)
    with pytest.raises(RuntimeError, match="closed"):
        reader.frames()
    with reader, pytest.raises(StreamMissingError, match="left"):
        reader.frames(streams=("left",))
    with reader:
        rest = reader.frames()
        next(rest)
    with pytest.raises(RuntimeError, match="closed"):
        next(rest)
    reader.__exit__(None, None, None)


def test_drives_that_differ_have_other_ids() -> None:
    """Seed, sensors, weather and rates are part of the identity."""
    changes: list[dict[str, object]] = [
        {},
        {"seed": 5},
        {"sensors": ("front", "lidar")},
        {"parameters": {"weather": "rain"}},
        {"periods": Periods()},
        {"lidar": LidarSpec()},
    ]
    ids = {suite(**change).drive_id for change in changes}
    assert len(ids) == len(changes)


@given(
    grids=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 7), st.integers(0, 12)), max_size=5)
)
def test_merging_is_sorting_and_asks_for_nothing_early(grids: list[tuple[int, int, int]]) -> None:
    """Any grids of stamps: sorted by stamp, then source; no item is made before its turn."""
    made: list[tuple[int, int]] = []

    def items(place: int, stamps: range) -> Iterator[tuple[int, int]]:
        for at_ns in stamps:
            made.append((at_ns, place))
            yield at_ns, place

    stamps = [range(first, first + count * step, step) for first, step, count in grids]
    merged = _merged([(own, items(place, own)) for place, own in enumerate(stamps)])
    found = []
    for item in merged:
        found.append(item)
        assert made == found
    assert found == sorted((at, place) for place, own in enumerate(stamps) for at in own)
