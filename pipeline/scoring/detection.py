"""Accuracy of boxes in pictures: average precision as COCO defines it.

T.-Y. Lin et al., Microsoft COCO, 2014 (arXiv 1405.0312), and the evaluation it publishes: precision
at 101 recalls after it is made monotone, over overlaps of 0.50 to 0.95 in steps of 0.05, at most
100 boxes a picture and class, small below 32 squared pixels and large above 96 squared. The figures
equal those of `pycocotools`, which a test compares. An area that is to be ignored is a crowd of
every class: a box that lies in it, by its own area, counts neither way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.matching import HIT, IGNORED, make_cells, match
from pipeline.scoring.rows import pick
from pipeline.scoring.tables import IGNORE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.scoring.matching import Matches
    from pipeline.scoring.tables import FoundBoxes, TrueBoxes, Views

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

OVERLAPS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = np.linspace(0.0, 1.0, 101)
AREAS: dict[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
MOST = (1, 10, 100)
_LARGEST_OVERLAP = 1 - 1e-10  # a threshold of one is met by equal boxes, whatever their rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRules:
    """How boxes are judged; COCO's own where nothing is said.

    Attributes:
        overlaps: Least intersection over union of a match, rising.
        areas: Least and largest area by name, square pixels; the first counts for the means.
        most: Most boxes of a picture and class, rising; the last counts for precision.
    """

    overlaps: tuple[float, ...] = OVERLAPS
    areas: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(AREAS))
    most: tuple[int, ...] = MOST


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoxScores:
    """Precision and recall; -1 where a class has nothing to be found.

    Attributes:
        rules: How boxes were judged.
        precision: Shape (overlaps, recalls, classes, areas).
        recall: Largest recall; shape (overlaps, classes, areas, mosts).
        objects: How many there are to be found; shape (classes, areas).
    """

    rules: BoxRules
    precision: Floats
    recall: Floats
    objects: Ints

    def ap(self, *, overlap: float | None = None, area: str = "all") -> float | None:
        """Mean precision over recalls, classes and overlaps, or at one overlap; None without any.

        Raises:
            ValueError: It was not judged at that overlap.
        """
        return _mean(self._precision(overlap, area))

    def ap_of(self, class_: int, *, overlap: float | None = None) -> float | None:
        """The same of one class."""
        return _mean(self._precision(overlap, next(iter(self.rules.areas)))[:, :, class_])

    def ar(self, *, most: int, area: str = "all") -> float | None:
        """Mean of the largest recall, with so many boxes a picture and class."""
        place = list(self.rules.areas).index(area)
        return _mean(self.recall[:, :, place, self.rules.most.index(most)])

    def _precision(self, overlap: float | None, area: str) -> Floats:
        some = self.precision[:, :, :, list(self.rules.areas).index(area)]
        if overlap is None:
            return some
        near = np.flatnonzero(np.isclose(self.rules.overlaps, overlap))
        if not len(near):
            raise ValueError(f"boxes were not judged at an overlap of {overlap}")
        return some[near]


def score_boxes(
    truth: TrueBoxes,
    found: FoundBoxes,
    views: Views,
    *,
    classes: int,
    rules: BoxRules | None = None,
) -> BoxScores:
    """Judge boxes over pairs of a labelled frame and a result.

    Args:
        truth: What is there; classes below `classes`, or `IGNORE`.
        found: What was found; classes below `classes`.
        views: The pairs.
        classes: Number of classes.
        rules: How to judge.
    """
    judged = rules or BoxRules()
    true_rows, found_rows = pick(truth.offsets, views.truths), pick(found.offsets, views.found)
    spread = _spread(
        truth.classes[true_rows.rows], true_rows.places * classes, true_rows.rows, classes
    )
    scores = found.scores[found_rows.rows]
    kinds = found.classes[found_rows.rows]
    cells = make_cells(found_rows.places * classes + kinds, scores, spread.keys, judged.most[-1])
    true_xyxy, xyxy = truth.xyxy[spread.rows], found.xyxy[found_rows.rows]
    areas = np.array(list(judged.areas.values()))
    sizes = _areas(true_xyxy)
    outside = (sizes < areas[:, :1]) | (sizes > areas[:, 1:])
    matches = match(
        cells,
        _Overlap(xyxy, true_xyxy, spread.crowd),
        np.minimum(np.array(judged.overlaps), _LARGEST_OVERLAP),
        spread.crowd | outside,
        spread.crowd,
    )
    found_sizes = _areas(xyxy[cells.found])
    aside = (found_sizes < areas[:, :1]) | (found_sizes > areas[:, 1:])
    objects = np.stack(
        [
            np.bincount(spread.kinds[~(spread.crowd | out)], minlength=classes)[:classes]
            for out in outside
        ],
        axis=1,
    )
    return _accumulate(
        judged, matches, scores[cells.found], kinds[cells.found], cells.ranks, aside, objects
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """True objects with those to be ignored once for every class.

    Attributes:
        rows: Row of the truth; shape (n,).
        keys: Their cell; shape (n,).
        kinds: Their class; shape (n,).
        crowd: Whether it is to be ignored; shape (n,).
    """

    rows: Ints
    keys: Ints
    kinds: Ints
    crowd: NDArray[np.bool_]


def _spread(kinds: Ints, bases: Ints, rows: Ints, classes: int) -> Spread:
    crowd = kinds == IGNORE
    every = np.arange(classes, dtype=np.int64)
    shared = int(crowd.sum())
    all_kinds = np.concatenate([kinds[~crowd], np.tile(every, shared)])
    return Spread(
        rows=np.concatenate([rows[~crowd], np.repeat(rows[crowd], classes)]),
        keys=np.concatenate([bases[~crowd], np.repeat(bases[crowd], classes)]) + all_kinds,
        kinds=all_kinds,
        crowd=np.repeat([False, True], [len(kinds) - shared, shared * classes]),
    )


def spread(kinds: Ints, bases: Ints, rows: Ints, classes: int) -> Spread:
    """True objects of each class in their cell, and those to be ignored in the cell of every class.

    Args:
        kinds: Class of each object; shape (n,).
        bases: First cell of its frame; shape (n,).
        rows: Its row; shape (n,).
        classes: Number of classes.
    """
    return _spread(kinds, bases, rows, classes)


class _Overlap:
    """Intersection over union; of a crowd, over the found box alone."""

    def __init__(self, found: Floats, truths: Floats, crowd: NDArray[np.bool_]) -> None:
        self._found, self._truths, self._crowd = found, truths, crowd

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        return overlaps(self._found[found], self._truths[truths], self._crowd[truths])


def overlaps(found: Floats, truths: Floats, crowd: NDArray[np.bool_] | None = None) -> Floats:
    """Intersection over union of each pair of a cell.

    Args:
        found: Left, top, right, bottom; shape (cells, d, 4).
        truths: The same; shape (cells, g, 4).
        crowd: Which of the truths are a crowd, of whose boxes the area alone does not count; shape
            (cells, g).

    Returns:
        From 0 to 1; 0 where both are empty; shape (cells, d, g).
    """
    one, other = found[:, :, None, :], truths[:, None, :, :]
    across = np.minimum(one[..., 2], other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    down = np.minimum(one[..., 3], other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    shared = np.where((across > 0) & (down > 0), across * down, 0.0)
    own = _areas(one)
    union = own + _areas(other) - shared
    if crowd is not None:
        union = np.where(crowd[:, None, :], own, union)
    out = np.zeros(shared.shape)
    np.divide(shared, union, out=out, where=union > 0)
    return out


def _areas(xyxy: Floats) -> Floats:
    sizes: Floats = (xyxy[..., 2] - xyxy[..., 0]) * (xyxy[..., 3] - xyxy[..., 1])
    return sizes


def _accumulate(
    rules: BoxRules,
    matches: Matches,
    scores: Floats,
    kinds: Ints,
    ranks: Ints,
    aside: NDArray[np.bool_],
    objects: Ints,
) -> BoxScores:
    levels, classes = len(rules.overlaps), len(objects)
    precision = np.full((levels, len(RECALLS), classes, len(rules.areas)), -1.0)
    recall = np.full((levels, classes, len(rules.areas), len(rules.most)), -1.0)
    for class_ in range(classes):
        mine = np.flatnonzero(kinds == class_)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        for area in range(len(rules.areas)):
            wanted = int(objects[class_, area])
            if not wanted:
                continue
            state = matches.states[area][:, mine]
            hits = state == HIT
            wrong = ~hits & (state != IGNORED) & ~aside[area][mine]
            for place, most in enumerate(rules.most):
                recall[:, class_, area, place] = hits[:, ranks[mine] < most].sum(axis=1) / wanted
            precision[:, :, class_, area] = _precisions(hits, wrong, wanted)
    return BoxScores(rules=rules, precision=precision, recall=recall, objects=objects)


def _precisions(hits: NDArray[np.bool_], wrong: NDArray[np.bool_], wanted: int) -> Floats:
    """Precision at each recall, shape (levels, recalls); 0 beyond the largest recall."""
    out = np.zeros((len(hits), len(RECALLS)))
    if not hits.shape[1]:
        return out
    right_sums = np.cumsum(hits, axis=1, dtype=np.float64)
    wrong_sums = np.cumsum(wrong, axis=1, dtype=np.float64)
    values = right_sums / (wrong_sums + right_sums + np.spacing(1))
    values = np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    for level, sums in enumerate(right_sums):
        places = np.searchsorted(sums / wanted, RECALLS, side="left")
        reached = places < len(sums)
        out[level, reached] = values[level, places[reached]]
    return out


def _mean(values: Floats) -> float | None:
    there = values[values > -1]
    return float(there.mean()) if len(there) else None
