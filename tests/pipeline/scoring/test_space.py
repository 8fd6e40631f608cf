"""Boxes in space: by hand, against the definition written out plainly, and by its laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.scoring.space import SpaceScores, score_boxes_3d
from pipeline.scoring.tables import IGNORE, FoundBoxes3D, TrueBoxes3D, each_frame

Row = tuple[float, float, int, float]  # x, y, class, score
SIZE = (4.0, 2.0, 1.5)


def truth_of(frames: list[list[Row]], yaw: float = 0.0, speed: float = 0.0) -> TrueBoxes3D:
    """True boxes of one size."""
    rows = [row for frame in frames for row in frame]
    count = len(rows)
    return TrueBoxes3D(
        offsets=np.cumsum([0, *map(len, frames)]),
        centres_m=np.array([(x, y, 0.7) for x, y, _, _ in rows], np.float64).reshape(-1, 3),
        sizes_m=np.tile(SIZE, (count, 1)).astype(np.float64),
        yaws_rad=np.full(count, yaw),
        velocities_mps=np.full((count, 2), speed),
        classes=np.array([row[2] for row in rows], np.int64),
        tracks=np.arange(count),
    )


def found_of(frames: list[list[Row]], yaw: float = 0.0, speed: float = 0.0) -> FoundBoxes3D:
    """Found boxes of the same size."""
    truth = truth_of(frames, yaw, speed)
    return FoundBoxes3D(
        offsets=truth.offsets,
        centres_m=truth.centres_m,
        sizes_m=truth.sizes_m,
        yaws_rad=truth.yaws_rad,
        velocities_mps=truth.velocities_mps,
        scores=np.array([row[3] for frame in frames for row in frame], np.float64),
        classes=truth.classes,
    )


def score(truth: list[list[Row]], found: list[list[Row]], classes: int = 2) -> SpaceScores:
    """Each frame against its own truth."""
    return score_boxes_3d(truth_of(truth), found_of(found), each_frame(len(truth)), classes=classes)


def plainly(truth: list[list[Row]], found: list[list[Row]], kind: int, far: float) -> float | None:
    """The definition, box after box: nearest free object, precision read, cut, stretched."""
    wanted = sum(row[2] == kind for frame in truth for row in frame)
    if not wanted:
        return None
    taken: set[tuple[int, int]] = set()
    ordered = sorted(
        ((row, n) for n, frame in enumerate(found) for row in frame if row[2] == kind),
        key=lambda one: -one[0][3],
    )
    hits = []
    for (x, y, _, _), frame in ordered:
        near = [
            (math.hypot(x - row[0], y - row[1]), place)
            for place, row in enumerate(truth[frame])
            if row[2] == kind and (frame, place) not in taken
        ]
        distance, place = min(near, default=(math.inf, -1))
        hits.append(distance < far)
        if hits[-1]:
            taken.add((frame, place))
    if not any(hits):
        return 0.0
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(hits) + 1)
    read = np.interp(np.linspace(0, 1, 101), right / wanted, precision, right=0)
    return float(np.maximum(read[11:] - 0.1, 0).mean() / 0.9)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[Row]], list[list[Row]]]:
    """Objects apart by more than any threshold's tie, results near some of them."""
    spot = st.tuples(st.floats(-20, 20, width=32), st.floats(-20, 20, width=32), st.integers(0, 1))
    truth = draw(st.lists(st.lists(spot, max_size=5), min_size=1, max_size=4))
    found: list[list[Row]] = []
    for frame in truth:
        rows: list[Row] = []
        for x, y, kind in frame:
            if draw(st.booleans()):
                by = draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3)))
                rows.append((x + by[0], y + by[1], kind, 0.0))
        rows += [(*one, 0.0) for one in draw(st.lists(spot, max_size=2))]
        found.append(rows)
    count = sum(map(len, found))
    sure = iter(draw(st.permutations(list(np.linspace(0.05, 0.95, count)))) if count else [])
    scored = [[(x, y, kind, float(next(sure))) for x, y, kind, _ in rows] for rows in found]
    return [[(x, y, kind, 0.0) for x, y, kind in rows] for rows in truth], scored


@given(cases())
@settings(max_examples=150)
def test_precision_is_what_the_definition_says(
    case: tuple[list[list[Row]], list[list[Row]]],
) -> None:
    """At every distance and for every class."""
    truth, found = case
    scores = score(truth, found)
    for kind in range(2):
        for place, far in enumerate(scores.rules.distances_m):
            expected = plainly(truth, found, kind, far)
            ours = float(scores.aps[kind, place])
            assert math.isnan(ours) if expected is None else ours == pytest.approx(expected)


@given(cases())
def test_the_order_of_frames_does_not_matter(
    case: tuple[list[list[Row]], list[list[Row]]],
) -> None:
    """Scores differ, so that the order in which boxes come decides nothing."""
    truth, found = case
    backwards = score(truth[::-1], found[::-1])
    assert backwards.ap() == pytest.approx(score(truth, found).ap())


FRAME: list[Row] = [(10.0, 0.0, 0, 0.9), (20.0, 3.0, 0, 0.8), (15.0, -4.0, 1, 0.7)]


def test_the_truth_itself_has_no_error_and_nothing_scores_zero() -> None:
    """And the combined score of both."""
    perfect = score([FRAME, FRAME], [FRAME, FRAME])
    assert perfect.ap() == pytest.approx(1.0)
    assert perfect.combined() == pytest.approx(1.0)
    assert [perfect.error(name) for name in ("ate_m", "ase", "aoe_rad", "ave_mps")] == [0, 0, 0, 0]
    nothing = score([FRAME], [[]])
    assert nothing.ap() == 0.0
    assert nothing.combined() == 0.0
    assert score([[]], [FRAME]).ap() is None
    assert score([[]], [FRAME]).combined() is None


def test_errors_by_hand() -> None:
    """Every box half a metre ahead, twice as long, turned by 3 rad more, 2 m/s too slow on y."""
    truth = truth_of([FRAME], yaw=2.0, speed=1.0)
    moved = found_of([[(x + 0.5, y, kind, sure) for x, y, kind, sure in FRAME]], yaw=5.0)
    larger = FoundBoxes3D(
        offsets=moved.offsets,
        centres_m=moved.centres_m,
        sizes_m=moved.sizes_m * np.array([2.0, 1.0, 1.0]),
        yaws_rad=moved.yaws_rad,
        velocities_mps=np.tile([1.0, -1.0], (3, 1)),
        scores=moved.scores,
        classes=moved.classes,
    )
    scores = score_boxes_3d(truth, larger, each_frame(1), classes=2)
    assert scores.error("ate_m") == pytest.approx(0.5)
    assert scores.error("ase") == pytest.approx(0.5)  # twice the volume, all of the object in it
    assert scores.error("aoe_rad") == pytest.approx(3.0)
    assert scores.error("ave_mps") == pytest.approx(2.0)
    assert scores.ap(distance_m=0.5) == 0.0  # at 0.5 m, not nearer
    assert scores.ap(distance_m=1.0) == pytest.approx(1.0)
    assert scores.combined() == pytest.approx((0.75 + (0.5 + 0.5 + 0 + 0) / 4) / 2)


def test_what_is_to_be_ignored_and_what_is_far_counts_neither_way() -> None:
    """An object without a point takes boxes of any class; beyond 50 m nothing is looked at."""
    truth = [[FRAME[0], (30.0, 0.0, IGNORE, 0.0), (49.0, 30.0, 0, 0.0)]]
    found = [[FRAME[0], (30.25, 0.0, 0, 0.95), (30.0, 0.25, 1, 0.94), (55.0, 0.0, 0, 0.99)]]
    scores = score(truth, found)
    assert scores.ap() == pytest.approx(1.0)
    assert scores.objects.tolist() == [1, 0]


def test_unknown_velocities_are_no_error_of_their_own() -> None:
    """Where no object's is known, the error is that of nothing right."""
    truth, found = truth_of([FRAME], speed=float("nan")), found_of([FRAME])
    assert score_boxes_3d(truth, found, each_frame(1), classes=2).error("ave_mps") == 1.0
