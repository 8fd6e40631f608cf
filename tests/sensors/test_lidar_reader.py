"""The synthetic LiDAR as a reader: the same bytes always, its labels, and which sensors can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.calibration import Calibrated
from sensors.errors import StreamMissingError
from sensors.frames import LidarSweep
from sensors.labels import Labelled
from sensors.readers.protocol import Stamped
from sensors.synthetic.lidar import SyntheticLidar
from sensors.synthetic.lidar_spec import LidarSpec, elevations_rad
from sensors.synthetic.parameters import SceneParameterError, SceneUnknownError


def drive(**changes: object) -> SyntheticLidar:
    """A short drive with a coarse sensor."""
    facts = {
        "seed": 5,
        "length_ns": 1_000_000_000,
        "period_ns": 100_000_000,
        "stream": "lidar",
        "spec": LidarSpec(columns=128),
        **changes,
    }
    return SyntheticLidar("urban", **facts)  # type: ignore[arg-type]


def told(reader: SyntheticLidar, *, backwards: bool = False) -> dict[int, bytes]:
    """All bytes of each sweep, read singly or in order."""
    stamps = list(reader.stamps())
    found = {}
    for at_ns in reversed(stamps) if backwards else [None]:
        stop_ns = None if at_ns is None else at_ns + 1
        for frame in reader.frames(start_ns=at_ns, stop_ns=stop_ns):
            assert isinstance(frame, LidarSweep)
            assert frame.offsets_ns is not None
            assert frame.rings is not None
            parts = (frame.points, frame.offsets_ns, frame.rings)
            found[frame.index] = b"".join(part.tobytes() for part in parts)
    return found


def test_a_sweep_depends_on_seed_stream_and_number_only() -> None:
    """Any order of reading gives the same bytes; another seed or stream other ones."""
    with drive() as reader:
        in_order = told(reader)
    with drive() as reader:
        assert told(reader, backwards=True) == in_order
    assert sorted(in_order) == list(range(10))
    for other in (drive(seed=6), drive(stream="top")):
        with other as reader:
            assert told(reader)[4] != in_order[4]


def test_the_reader_follows_the_protocols_and_its_labels_its_sweeps() -> None:
    """Stamps, windows, labels and calibration are those of the sweeps."""
    with drive(phase_ns=30_000_000) as reader:
        assert isinstance(reader, Labelled)
        assert isinstance(reader, Stamped)
        assert isinstance(reader, Calibrated)
        (stream,) = reader.streams()
        assert (stream.kind, stream.width, stream.height) == ("lidar", 128, 32)
        start_ns, stop_ns = 130_000_000, 430_000_000
        frames = list(reader.frames(start_ns=start_ns, stop_ns=stop_ns))
        labels = list(reader.labels(start_ns=start_ns, stop_ns=stop_ns))
        assert [frame.stamp_ns for frame in frames] == [130_000_000, 230_000_000, 330_000_000]
        assert [(label.index, label.stamp_ns) for label in labels] == [
            (frame.index, frame.stamp_ns) for frame in frames
        ]
        for label in labels:
            assert label.boxes_3d is not None
            assert label.futures is not None
            assert (label.futures.tracks == label.boxes_3d.tracks).all()
            assert len(label.boxes_3d) > 5
        assert reader.calibrations()[0].mounting == LidarSpec().mounting
        with pytest.raises(StreamMissingError, match="front"):
            reader.labels(streams=["front"])
    with pytest.raises(RuntimeError, match="closed"):
        reader.labels()


def test_a_short_period_is_a_short_turn_and_rain_comes_from_the_weather() -> None:
    """The sensor never turns longer than its period."""
    assert drive(period_ns=50_000_000).spec.turn_ns == 50_000_000
    assert drive(period_ns=200_000_000).spec.turn_ns == 100_000_000
    assert drive(spec=None, parameters={"weather": "rain"}).spec.rain_mm_h > 0
    assert drive(spec=None).spec.rain_mm_h == 0
    assert drive().drive_id != drive(spec=LidarSpec(columns=128, noise_m=0.0)).drive_id


def test_scenes_and_parameters_that_are_not_are_refused_at_once() -> None:
    """Before the context is entered, as a camera does."""
    with pytest.raises(SceneUnknownError, match="moon"):
        SyntheticLidar("moon", seed=1, length_ns=1, period_ns=1, stream="lidar")
    with pytest.raises(SceneParameterError, match="gravity"):
        drive(parameters={"gravity": 1.6})
    with pytest.raises(ValueError, match="length_ns"):
        drive(length_ns=0)


@pytest.mark.parametrize(
    ("change", "told_"),
    [
        ({"elevations_rad": (0.1, 0.1)}, "elevations_rad"),
        ({"elevations_rad": (0.1,)}, "elevations_rad"),
        ({"elevations_rad": (0.0, 1.2)}, "elevations_rad"),
        ({"columns": 8}, "columns"),
        ({"columns": 1 << 20}, "columns"),
        ({"turn_ns": 0}, "turn_ns"),
        ({"range_m": 0.5}, "range_m"),
        ({"range_m": 300.0}, "range_m"),
        ({"half_range_m": 0.0}, "half_range_m"),
        ({"noise_m": -0.1}, "noise_m"),
        ({"noise_m": float("nan")}, "noise_m"),
        ({"dropout": 1.5}, "dropout"),
        ({"rain_mm_h": -1.0}, "rain_mm_h"),
    ],
)
def test_a_sensor_that_cannot_be_is_refused_by_name(change: dict[str, float], told_: str) -> None:
    """The message says which rule it breaks."""
    with pytest.raises(ValueError, match=told_):
        LidarSpec(**change)  # type: ignore[arg-type]


@given(rings=st.integers(2, 128))
@settings(deadline=None)
def test_elevations_rise_and_are_densest_below_the_horizon(rings: int) -> None:
    """Whatever the number of lasers."""
    table = np.array(elevations_rad(rings))
    assert len(table) == rings
    steps = np.diff(table)
    assert (steps > 0).all()
    assert table[0] == pytest.approx(np.radians(-25))
    assert table[-1] == pytest.approx(np.radians(12))
    if rings > 8:
        assert -0.1 < table[steps.argmin()] < 0.0
