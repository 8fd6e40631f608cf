"""Following objects: the same ones keep their number, whatever hides them for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D, MaskSet
from pipeline.tasks.tracking import Tracked, Tracker
from pipeline.tasks.tracking.motion import Filters

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEP_NS = 100_000_000
NAMES = ("car", "van")


def _boxes(*rows: tuple[float, float, float], classes: list[int] | None = None) -> Boxes:
    """Boxes of 40 x 30 at (x, y) with a score, the surest first."""
    order = sorted(range(len(rows)), key=lambda i: -rows[i][2])
    found = np.array([rows[i] for i in order], np.float32).reshape(-1, 3)
    corners = [[x - 20, y - 15, x + 20, y + 15] for x, y, _ in found.tolist()]
    return Boxes(
        xyxy=np.array(corners, np.float32).reshape(-1, 4),
        scores=found[:, 2],
        classes=np.array([(classes or [0] * len(rows))[i] for i in order], np.int64),
        names=NAMES,
    )


def _spaces(places: NDArray[np.float64], scores: float = 0.9) -> Boxes3D:
    count = len(places)
    return Boxes3D(
        centres_m=np.column_stack([places, np.full(count, 0.8)]).astype(np.float32),
        sizes_m=np.tile(np.array([4.5, 1.9, 1.6], np.float32), (count, 1)),
        yaws_rad=np.zeros(count, np.float32),
        velocities_mps=np.full((count, 2), np.nan, np.float32),
        scores=np.full(count, scores, np.float32),
        classes=np.zeros(count, np.int64),
        names=NAMES,
    )


def _by_place(found: Tracked) -> dict[int, int]:
    """Track by the middle's column, to the nearest 100 pixels."""
    assert isinstance(found.result, Boxes)
    middles = found.result.xyxy[:, [0, 2]].mean(axis=1)
    return {round(float(x) / 100): int(t) for x, t in zip(middles, found.tracks, strict=True)}


def test_objects_keep_their_numbers_whatever_their_order() -> None:
    """Two that move towards each other in parallel lanes, sorted by a score that changes."""
    tracker = Tracker()
    numbers = set()
    for frame in range(20):
        first, second = (100 + 10 * frame, 100, 0.7), (400 - 10 * frame, 200, 0.7)
        rows = (first, (*second[:2], 0.9)) if frame % 2 else ((*first[:2], 0.9), second)
        found = tracker.update(_boxes(*rows), frame * STEP_NS)
        assert isinstance(found.result, Boxes)
        by_height = np.argsort(found.result.xyxy[:, 1])
        numbers.add(tuple(found.tracks[by_height].tolist()))
    assert numbers == {(0, 1)}


def test_a_hidden_object_is_found_again_where_it_must_be() -> None:
    """Half a second without it; the filter has learnt its speed by then."""
    tracker = Tracker()
    for frame in range(10):
        found = tracker.update(_boxes((100 + 12 * frame, 100, 0.9)), frame * STEP_NS)
        assert found.tracks.tolist() == [0]
    for frame in range(10, 15):
        assert tracker.update(_boxes(), frame * STEP_NS).tracks.tolist() == []
    found = tracker.update(_boxes((100 + 12 * 15, 100, 0.9)), 15 * STEP_NS)
    assert found.tracks.tolist() == [0]


def test_a_track_is_forgotten_and_its_number_never_comes_back() -> None:
    """After more than a second without an object."""
    tracker = Tracker()
    tracker.update(_boxes((100, 100, 0.9)), 0)
    tracker.update(_boxes(), 11 * STEP_NS)
    assert tracker.update(_boxes((100, 100, 0.9)), 12 * STEP_NS).tracks.tolist() == [1]


def test_a_low_score_continues_a_track_and_begins_none() -> None:
    """What is hidden by half scores low, and so does what is nothing."""
    tracker = Tracker()
    tracker.update(_boxes((100, 100, 0.9)), 0)
    found = tracker.update(_boxes((102, 100, 0.2), (400, 100, 0.3)), STEP_NS)
    assert _by_place(found) == {1: 0, 4: -1}
    found = tracker.update(_boxes((104, 100, 0.05), (400, 100, 0.55)), 2 * STEP_NS)
    assert _by_place(found) == {1: -1, 4: -1}
    assert _by_place(tracker.update(_boxes((400, 100, 0.6)), 3 * STEP_NS)) == {4: 1}


def test_another_class_for_a_frame_is_the_same_object() -> None:
    """But of two that fit alike, the one of the same class is taken."""
    tracker = Tracker()
    tracker.update(_boxes((100, 100, 0.9)), 0)
    assert tracker.update(_boxes((101, 100, 0.9), classes=[1]), STEP_NS).tracks.tolist() == [0]
    both = _boxes((101, 100, 0.9), (101, 100, 0.8), classes=[0, 1])
    assert tracker.update(both, 2 * STEP_NS).tracks.tolist() == [1, 0]


def test_a_result_from_before_moves_nothing() -> None:
    """A late answer belongs to nobody, and the next one is followed as if it had not come."""
    tracker = Tracker()
    for frame in range(3):
        tracker.update(_boxes((100 + 10 * frame, 100, 0.9)), frame * STEP_NS)
    assert tracker.update(_boxes((100, 100, 0.9)), STEP_NS).tracks.tolist() == [-1]
    assert tracker.update(_boxes((130, 100, 0.9)), 3 * STEP_NS).tracks.tolist() == [0]


def test_boxes_in_space_are_followed_by_their_place_on_the_ground() -> None:
    """Oncoming at 25 m/s, beside a parked one that the own vehicle passes."""
    tracker = Tracker()
    for frame in range(15):
        seconds = frame / 10
        places = np.array([[60 - 25 * seconds, 3.5], [20 - 12 * seconds, -3.0]])
        found = tracker.update(_spaces(places), frame * STEP_NS)
        assert found.tracks.tolist() == [0, 1]


@pytest.mark.parametrize("wrong", ["masks", "space"])
def test_what_cannot_be_followed_is_refused(wrong: str) -> None:
    """Masks have no objects, and a path's results are of one kind."""
    tracker = Tracker()
    tracker.update(_boxes((100, 100, 0.9)), 0)
    other = MaskSet(names=("a",), masks=np.zeros((1, 2, 2), np.bool_))
    with pytest.raises(OutputContractError, match="track"):
        tracker.update(other if wrong == "masks" else _spaces(np.zeros((1, 2))), STEP_NS)


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 99)), max_size=6
        ),
        max_size=8,
    )
)
def test_no_number_is_used_twice_in_a_frame_or_for_two_lives(
    frames: list[list[tuple[int, int, int]]],
) -> None:
    """Whatever comes; and the same results give the same tracks."""
    ran = []
    for _ in range(2):
        tracker = Tracker()
        ran.append(
            [
                tracker.update(_boxes(*((x, y, s / 100) for x, y, s in rows)), i * STEP_NS).tracks
                for i, rows in enumerate(frames)
            ]
        )
    for tracks, again in zip(*ran, strict=True):
        np.testing.assert_array_equal(tracks, again)
        given_out = tracks[tracks >= 0]
        assert len(set(given_out.tolist())) == len(given_out)
    new: list[int] = []
    for tracks in ran[0]:
        new += sorted({int(t) for t in tracks if t >= 0} - set(new))
    assert new == list(range(len(new)))


def test_the_filter_learns_a_constant_speed_exactly() -> None:
    """Without acceleration noise, measurements on a line leave only the first guess's weight."""
    filters = Filters()
    one = np.ones((1, 1))
    filters.add(np.array([[5.0]]), one * 0.1, one * 0.0, one * 100.0)
    for step in range(1, 60):
        filters.predict(0.1, one * 0.0)
        filters.correct(np.array([0]), np.array([[5.0 + 0.3 * step]]), one * 0.1)
    assert filters.speed[0, 0] == pytest.approx(3.0, abs=1e-3)
    assert filters.place[0, 0] == pytest.approx(5.0 + 0.3 * 59, abs=1e-3)


@given(st.floats(0.01, 2), st.floats(0.01, 2), st.floats(0, 5))
def test_time_passes_alike_in_one_piece_or_two_without_noise(
    first: float, second: float, speed: float
) -> None:
    """The prediction is that of a straight line, its variances included."""
    one = np.ones((1, 1))
    whole, parts = Filters(), Filters()
    for filters in (whole, parts):
        filters.add(one * 2.0, one * 0.3, one * speed, one * 4.0)
    whole.predict(first + second, one * 0.0)
    parts.predict(first, one * 0.0)
    parts.predict(second, one * 0.0)
    for name in ("place", "speed", "var_place", "cov", "var_speed"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name), rtol=1e-9)
