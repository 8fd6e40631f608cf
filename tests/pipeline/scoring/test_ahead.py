"""Results brought forward: what moves steadily is met exactly, and nothing is known too early."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.scoring.ahead import Timing, forecast_boxes, forecast_boxes_3d
from pipeline.scoring.poses import Poses
from pipeline.scoring.streaming import pair
from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D

MS = 1_000_000
FRAMES = np.arange(4)
DUE_NS = FRAMES * 100 * MS
LATE_NS = DUE_NS + 130 * MS
INSTANTS_NS = np.array([0, 200, 300, 450]) * MS


def timing(pace: float = 1.0) -> Timing:
    """Four frames, 100 ms apart, each delivered 130 ms after it was due."""
    numbers = np.array([0, 2, 3, 4])
    pairing = pair(INSTANTS_NS, numbers, FRAMES, DUE_NS, LATE_NS)
    return Timing(pairing=pairing, frames_ns=DUE_NS, pace=pace)


def boxes_at(times_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> FoundBoxes:
    """Two objects of one class: one moves right by 60 px/s and grows, one stands."""
    rows = [
        row
        for at in times_s.tolist()
        for row in (
            [100 + 60 * at, 50, 200 + 80 * at, 120 + 10 * at],
            [300, 100, 340, 160],
        )
    ]
    count = len(times_s)
    return FoundBoxes(
        offsets=np.arange(count + 1) * 2,
        xyxy=np.array(rows, np.float64),
        scores=np.tile([0.9, 0.8], count),
        classes=np.zeros(2 * count, np.int64),
    )


def test_a_box_that_moves_steadily_is_met_where_it_is() -> None:
    """At 0 there is nothing, at 200 ms one result alone, which cannot tell how it moves."""
    moved = forecast_boxes(boxes_at(DUE_NS / 1e9), timing())
    assert np.diff(moved.offsets).tolist() == [0, 2, 2, 2]
    assert moved.xyxy[:2] == pytest.approx(boxes_at(np.array([0.0])).xyxy)
    assert moved.xyxy[2:] == pytest.approx(boxes_at(np.array([0.3, 0.45])).xyxy)


def test_a_box_of_another_class_or_place_is_not_taken_for_the_same() -> None:
    """Then it stays where it was found."""
    found = boxes_at(DUE_NS / 1e9)
    found.classes[::2] = [0, 1, 2, 3]
    moved = forecast_boxes(found, timing())
    assert moved.xyxy[2::2] == pytest.approx(found.xyxy[[2, 6]])


def test_a_faster_schedule_looks_as_far_ahead_as_the_drive_goes() -> None:
    """At twice the pace, in time of the drive, boxes moved twice as far between two results."""
    slow = forecast_boxes(boxes_at(DUE_NS / 1e9), timing())
    fast = forecast_boxes(boxes_at(DUE_NS / 1e9), timing(pace=2.0))
    assert fast.xyxy == pytest.approx(slow.xyxy)


def space_at(velocity: tuple[float, float]) -> tuple[FoundBoxes3D, Poses, Poses]:
    """An object that moves in the world, seen from a car that drives a curve."""

    def pose_at(at_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Poses:
        yaw = 0.3 * at_s
        return Poses(
            stamps_ns=(at_s * 1e9).astype(np.int64),
            positions_m=np.stack([10 * at_s, 2 * at_s**2, 0 * at_s], axis=1),
            quaternions=np.stack([0 * yaw, 0 * yaw, np.sin(yaw / 2), np.cos(yaw / 2)], axis=1),
        )

    seen = pose_at(DUE_NS / 1e9)
    world = np.array([30.0, 4.0, 1.0]) + np.outer(DUE_NS / 1e9, [6.0, -3.0, 0.0])
    own = np.einsum("nji,nj->ni", seen.rotations(), world - seen.positions_m)
    ego = np.einsum("nji,nj->ni", seen.rotations(), np.tile([*velocity, 0.0], (4, 1)))
    found = FoundBoxes3D(
        offsets=np.arange(5),
        centres_m=own,
        sizes_m=np.tile([4.0, 2.0, 1.5], (4, 1)),
        yaws_rad=0.5 - seen.yaws_rad(),
        velocities_mps=ego[:, :2],
        scores=np.full(4, 0.9),
        classes=np.zeros(4, np.int64),
    )
    return found, seen, pose_at(INSTANTS_NS / 1e9)


@pytest.mark.parametrize("velocity", [(6.0, -3.0), (float("nan"), float("nan"))])
def test_own_motion_is_taken_out_and_the_objects_put_in(velocity: tuple[float, float]) -> None:
    """With the velocity that was found, or with that between two results."""
    found, seen, shown = space_at(velocity)
    moved = forecast_boxes_3d(found, timing(), seen_from=seen, shown_at=shown, moving=True)
    world = np.array([30.0, 4.0, 1.0]) + np.outer(INSTANTS_NS / 1e9, [6.0, -3.0, 0.0])
    expected = np.einsum("nji,nj->ni", shown.rotations(), world - shown.positions_m)
    known = slice(1, None) if np.isnan(velocity[0]) else slice(0, None)
    assert moved.centres_m[known] == pytest.approx(expected[1:][known])
    assert moved.yaws_rad == pytest.approx(0.5 - shown.yaws_rad()[1:])
    still = forecast_boxes_3d(found, timing(), seen_from=seen, shown_at=shown, moving=False)
    lag = (INSTANTS_NS[1:] - DUE_NS[[0, 1, 3]]) / 1e9
    apart = np.hypot(*(still.centres_m - expected[1:]).T[:2])
    assert apart == pytest.approx(np.hypot(6.0, 3.0) * lag)


def test_without_poses_boxes_stay_in_their_own_frame() -> None:
    """Nothing is put before another place."""
    found, _, _ = space_at((6.0, -3.0))
    still = forecast_boxes_3d(found, timing(), seen_from=None, shown_at=None, moving=False)
    assert still.centres_m == pytest.approx(found.centres_m[[0, 1, 3]])


def test_poses_in_between_lie_on_straight_lines_and_great_circles() -> None:
    """Half-way in time is half the way and half the turn; the ends hold."""
    two = Poses(
        stamps_ns=np.array([0, 100]),
        positions_m=np.array([[0.0, 0, 0], [10, 20, 2]]),
        quaternions=np.array([[0.0, 0, 0, 1], [0, 0, np.sin(0.4), np.cos(0.4)]]),
    )
    found = two.at(np.array([-50, 50, 500]))
    assert found.positions_m.tolist() == [[0, 0, 0], [5, 10, 1], [10, 20, 2]]
    assert found.yaws_rad() == pytest.approx([0.0, 0.4, 0.8])
