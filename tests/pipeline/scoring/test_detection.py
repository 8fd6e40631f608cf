"""Boxes in pictures: equal to pycocotools, and the laws of average precision."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pipeline.errors import ScoringError
from pipeline.scoring.detection import BoxScores, score_boxes
from pipeline.scoring.tables import IGNORE, FoundBoxes, TrueBoxes, Views, each_frame

if TYPE_CHECKING:
    from random import Random

    from numpy.typing import NDArray

Row = tuple[float, float, float, float, int, float]  # left, top, right, bottom, class, score


def truth_of(frames: list[list[Row]]) -> TrueBoxes:
    """True boxes; the score is not used."""
    rows = [row for frame in frames for row in frame]
    return TrueBoxes(
        offsets=np.cumsum([0, *map(len, frames)]),
        xyxy=np.array([row[:4] for row in rows], np.float64).reshape(-1, 4),
        classes=np.array([row[4] for row in rows], np.int64),
        tracks=np.arange(len(rows)),
        distances_m=np.full(len(rows), np.nan),
    )


def found_of(frames: list[list[Row]]) -> FoundBoxes:
    """Found boxes."""
    rows = [row for frame in frames for row in frame]
    return FoundBoxes(
        offsets=np.cumsum([0, *map(len, frames)]),
        xyxy=np.array([row[:4] for row in rows], np.float64).reshape(-1, 4),
        scores=np.array([row[5] for row in rows], np.float64),
        classes=np.array([row[4] for row in rows], np.int64),
    )


def score(truth: list[list[Row]], found: list[list[Row]], classes: int = 3) -> BoxScores:
    """Each frame against its own truth."""
    return score_boxes(truth_of(truth), found_of(found), each_frame(len(truth)), classes=classes)


def reference(
    truth: list[list[Row]], found: list[list[Row]], classes: int = 3
) -> NDArray[np.float64]:
    """What pycocotools says: its twelve figures, -1 for none."""
    annotations: list[dict[str, object]] = []
    for frame, rows in enumerate(truth):
        for left, top, right, bottom, kind, _ in rows:
            crowd = kind == IGNORE
            for class_ in range(classes) if crowd else (kind,):
                box = [left, top, right - left, bottom - top]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": frame + 1,
                        "category_id": class_ + 1,
                        "bbox": box,
                        "area": box[2] * box[3],
                        "iscrowd": int(crowd),
                    }
                )
    results = [
        {
            "image_id": frame + 1,
            "category_id": kind + 1,
            "bbox": [left, top, right - left, bottom - top],
            "score": sure,
        }
        for frame, rows in enumerate(found)
        for left, top, right, bottom, kind, sure in rows
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": n + 1} for n in range(len(truth))],
            "categories": [{"id": n + 1} for n in range(classes)],
            "annotations": annotations,
        }
        coco.createIndex()
        ours = coco.loadRes(results) if results else COCO()
        if not results:
            ours.dataset = {**coco.dataset, "annotations": []}
            ours.createIndex()
        evaluation = COCOeval(coco, ours, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return np.asarray(evaluation.stats)


def figures(scores: BoxScores) -> list[float]:
    """The same twelve of ours."""
    found = [
        scores.ap(),
        scores.ap(overlap=0.5),
        scores.ap(overlap=0.75),
        *(scores.ap(area=area) for area in ("small", "medium", "large")),
        *(scores.ar(most=most) for most in (1, 10, 100)),
        *(scores.ar(most=100, area=area) for area in ("small", "medium", "large")),
    ]
    return [-1.0 if value is None else value for value in found]


grid = st.integers(0, 40).map(lambda value: value * 4.0)  # coarse: ties of every kind are common
sure = st.integers(0, 10).map(lambda value: value / 10)


@st.composite
def boxes(draw: st.DrawFn, least: int = 0) -> Row:
    """A box of up to 160 pixels; overlaps, ties and touching sides are frequent."""
    left, top = draw(grid), draw(grid)
    width, height = draw(grid) + 4, draw(grid) + 4
    return left, top, left + width, top + height, draw(st.integers(least, 2)), draw(sure)


def jittered(draw: st.DrawFn, row: Row) -> Row:
    """A box near another one."""
    by = [draw(st.sampled_from([-8.0, -4.0, 0.0, 0.0, 0.0, 4.0])) for _ in range(4)]
    left, top = row[0] + by[0], row[1] + by[1]
    right, bottom = max(row[2] + by[2], left + 1), max(row[3] + by[3], top + 1)
    kind = draw(st.integers(0, 2)) if row[4] == IGNORE or draw(st.integers(0, 9)) == 0 else row[4]
    return left, top, right, bottom, kind, draw(sure)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[Row]], list[list[Row]]]:
    """Truth and results of a few frames; most results are near some truth."""
    truth, found = [], []
    for _ in range(draw(st.integers(1, 5))):
        rows = draw(st.lists(boxes(IGNORE), max_size=6))
        near = [jittered(draw, row) for row in rows for _ in range(draw(st.integers(0, 2)))]
        truth.append(rows)
        found.append([*near, *draw(st.lists(boxes(), max_size=3))])
    return truth, found


@given(cases())
@settings(max_examples=300)
def test_the_figures_equal_those_of_pycocotools(
    case: tuple[list[list[Row]], list[list[Row]]],
) -> None:
    """All twelve, on boxes with ties, crowds, every size, empty frames and absent classes."""
    truth, found = case
    np.testing.assert_allclose(figures(score(truth, found)), reference(truth, found), atol=1e-12)


def test_the_figures_equal_those_of_pycocotools_on_crowded_frames() -> None:
    """More than a hundred boxes of a class in a picture: only the surest hundred count."""
    draws = np.random.default_rng(5)
    corners = draws.uniform(0, 500, (6, 60, 2))
    sizes = draws.uniform(5, 130, (6, 60, 2))
    truth: list[list[Row]] = []
    found: list[list[Row]] = []
    for low, size in zip(corners, sizes, strict=True):
        rows = np.concatenate([low, low + size], axis=1)
        truth.append([(*row, int(n % 2), 0.0) for n, row in enumerate(rows.tolist())])
        moved = np.concatenate([rows + draws.normal(0, 4, rows.shape) for _ in range(5)])
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        found.append(
            [(*row, n % 2, float(draws.uniform())) for n, row in enumerate(moved.tolist())]
        )
    assert figures(score(truth, found)) == pytest.approx(reference(truth, found), abs=1e-12)


BOX: Row = (10.0, 10.0, 50.0, 50.0, 0, 0.9)
FAR: Row = (200.0, 10.0, 250.0, 50.0, 0, 0.8)


def test_a_case_by_hand() -> None:
    """Two objects; the surest box is wrong, the next right: recall 1/2 at precision 1/2."""
    found = [[(300.0, 300.0, 340.0, 340.0, 0, 0.95), BOX]]
    scores = score([[BOX, FAR]], found)
    # Recalls 0, 0.01 … 0.50 are reached, 51 of 101.
    assert scores.ap(overlap=0.5) == pytest.approx(0.5 * 51 / 101)
    assert scores.ar(most=100) == pytest.approx(0.5)
    assert scores.ar(most=1) == 0.0
    assert scores.ap_of(0, overlap=0.5) == scores.ap(overlap=0.5)
    assert scores.ap_of(1) is None
    assert scores.objects[:, 0].tolist() == [2, 0, 0]
    with pytest.raises(ValueError, match=r"0\.33"):
        scores.ap(overlap=0.33)


@given(st.lists(st.lists(boxes(), min_size=1, max_size=5), min_size=1, max_size=4))
def test_the_truth_itself_scores_one_and_nothing_scores_zero(truth: list[list[Row]]) -> None:
    """Whatever is there, as long as something is."""
    assert score(truth, truth).ap() == pytest.approx(1.0)
    assert score(truth, [[] for _ in truth]).ap() == 0.0


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_frames_and_of_true_boxes_does_not_matter(
    case: tuple[list[list[Row]], list[list[Row]]], random: Random
) -> None:
    """Where scores differ; with equal ones COCO's own rule takes the order they come in."""
    truth, found = case
    count = sum(map(len, found))
    values = iter(np.linspace(0.1, 0.9, count).tolist())
    apart = [[(*row[:5], float(next(values))) for row in frame] for frame in found]
    order = list(range(len(truth)))
    random.shuffle(order)
    shuffled = [list(reversed(apart[n])) for n in order]
    before = figures(score(truth, apart))
    assert figures(score([truth[n] for n in order], shuffled)) == pytest.approx(before)


@given(cases(), st.integers(0, 4))
def test_taking_a_box_away_that_hits_nothing_never_lowers_precision(
    case: tuple[list[list[Row]], list[list[Row]]], at: int
) -> None:
    """A false positive far from everything only ever costs."""
    truth, found = case
    frame = at % len(truth)
    wrong: Row = (4_000.0, 4_000.0, 4_050.0, 4_050.0, at % 3, 0.55)
    more = [[*rows, wrong] if n == frame else rows for n, rows in enumerate(found)]
    without, with_it = score(truth, found).ap(), score(truth, more).ap()
    if without is None:
        assert with_it is None
    else:
        assert with_it is not None
        assert with_it <= without + 1e-12


def test_a_box_in_an_ignored_area_counts_neither_way() -> None:
    """An area without a class takes any number of boxes of any class."""
    area: Row = (100.0, 100.0, 300.0, 300.0, IGNORE, 0.0)
    inside: Row = (120.0, 120.0, 160.0, 160.0, 0, 0.99)
    assert score([[BOX, area]], [[BOX, inside, inside]]).ap() == pytest.approx(1.0)
    spoiled = score([[BOX]], [[BOX, inside, inside]]).ap()
    assert spoiled is not None
    assert spoiled < 0.5


def test_pairs_may_show_a_frame_twice_or_nothing() -> None:
    """An old result against a newer label, and a label before any result."""
    truth, found = truth_of([[BOX], [FAR], [FAR]]), found_of([[BOX], [FAR]])
    views = Views(truths=np.array([0, 1, 2]), found=np.array([-1, 0, 1]))
    scores = score_boxes(truth, found, views, classes=1)
    assert scores.ar(most=100) == pytest.approx(1 / 3)
    assert scores.objects[0, 0] == 3


def test_a_score_that_is_no_number_is_refused_with_its_frame() -> None:
    """Never scored as the surest, nor as the least sure."""
    with pytest.raises(ScoringError, match="score number 1 of frame 1 is not finite; 1 in all"):
        found_of([[BOX], [BOX, (*FAR[:5], float("nan"))]])
    with pytest.raises(ScoringError, match="labelled box number 0 of frame 0"):
        truth_of([[(float("inf"), 0.0, 1.0, 1.0, 0, 0.0)]])
