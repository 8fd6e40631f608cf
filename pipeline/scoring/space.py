"""Accuracy of boxes in space: average precision over centre distances, as nuScenes defines it.

H. Caesar et al., nuScenes, 2020 (arXiv 1903.11027), and the evaluation it publishes: a box is right
if its centre lies within a distance of a free object's on the ground; precision is read at 101
recalls, what lies at or below a recall or a precision of 0.1 is cut off and the rest stretched to 0
to 1; errors of what is right at 2 m are running means over rising recall. Objects and boxes beyond
the range are left out. Ours are: objects that are to be ignored take any number of boxes of any
class, a class without an object counts in no mean, and the combined score (nuScenes also has
attributes, which nothing here decodes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.detection import RECALLS, spread
from pipeline.scoring.matching import HIT, IGNORED, make_cells, match
from pipeline.scoring.rows import pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.scoring.tables import FoundBoxes3D, TrueBoxes3D, Views

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ERRORS = ("ate_m", "ase", "aoe_rad", "ave_mps")
"""Errors of what is right: of place, size, heading and velocity."""

_LEAST = 0.1  # recall and precision that are cut off
_FIRST = round(100 * _LEAST) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceRules:
    """How boxes in space are judged; nuScenes' own where nothing is said.

    Attributes:
        distances_m: Largest distances of centres.
        errors_at_m: The one of them at which errors are taken.
        range_m: From the ego origin, on the ground; nuScenes has 50 m for vehicles.
    """

    distances_m: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    errors_at_m: float = 2.0
    range_m: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpaceScores:
    """Precision and errors by class.

    Attributes:
        rules: How boxes were judged.
        aps: Shape (classes, distances); NaN for a class without an object.
        errors: Shape (classes, `ERRORS`); 1 where nothing is right, NaN without an object.
        objects: How many there are to be found; shape (classes,).
    """

    rules: SpaceRules
    aps: Floats
    errors: Floats
    objects: Ints

    def ap(self, *, distance_m: float | None = None) -> float | None:
        """Mean over classes and distances, or at one distance; None without an object.

        Raises:
            ValueError: It was not judged at that distance.
        """
        if distance_m is None:
            return _mean(self.aps)
        return _mean(self.aps[:, self.rules.distances_m.index(distance_m)])

    def ap_of(self, class_: int) -> float | None:
        """Mean over distances of one class."""
        return _mean(self.aps[class_])

    def error(self, name: str) -> float | None:
        """Mean over classes of one of `ERRORS`; None without an object."""
        return _mean(self.errors[:, ERRORS.index(name)])

    def combined(self) -> float | None:
        """Half the mean precision, half the mean of one less each error, none below 0.

        In the manner of nuScenes' detection score, without its attribute error.
        """
        ap = self.ap()
        errors = [self.error(name) for name in ERRORS]
        if ap is None:
            return None
        good = [1 - min(1.0, error) for error in errors if error is not None]
        return (ap + sum(good) / len(good)) / 2


def score_boxes_3d(
    truth: TrueBoxes3D,
    found: FoundBoxes3D,
    views: Views,
    *,
    classes: int,
    rules: SpaceRules | None = None,
) -> SpaceScores:
    """Judge boxes in space over pairs of a labelled frame and a result.

    Args:
        truth: What is there; classes below `classes`, or `IGNORE`.
        found: What was found, in the ego frame of the labelled instant.
        views: The pairs.
        classes: Number of classes.
        rules: How to judge.
    """
    judged = rules or SpaceRules()
    true_rows = pick(truth.offsets, views.truths)
    found_rows = pick(found.offsets, views.found)
    near = _within(truth.centres_m[true_rows.rows], judged.range_m)
    true_at, true_places = true_rows.rows[near], true_rows.places[near]
    near = _within(found.centres_m[found_rows.rows], judged.range_m)
    found_at, found_places = found_rows.rows[near], found_rows.places[near]
    spread_out = spread(truth.classes[true_at], true_places * classes, true_at, classes)
    kinds, scores = found.classes[found_at], found.scores[found_at]
    cells = make_cells(found_places * classes + kinds, scores, spread_out.keys, len(kinds) or 1)
    levels = (judged.errors_at_m, *(d for d in judged.distances_m if d != judged.errors_at_m))
    matches = match(
        cells,
        _Nearness(found.centres_m[found_at], truth.centres_m[spread_out.rows]),
        np.nextafter(-np.array(levels), np.inf),  # nearer than, not at
        spread_out.crowd[None],
        spread_out.crowd,
    )
    objects = np.bincount(spread_out.kinds[~spread_out.crowd], minlength=classes)
    aps = np.full((classes, len(judged.distances_m)), np.nan)
    errors = np.full((classes, len(ERRORS)), np.nan)
    for class_ in np.flatnonzero(objects):
        mine = np.flatnonzero(kinds[cells.found] == class_)
        mine = mine[np.argsort(-scores[cells.found[mine]], kind="stable")]
        for place, distance_m in enumerate(judged.distances_m):
            states = matches.states[0, levels.index(distance_m), mine]
            aps[class_, place] = _ap(states[states != IGNORED] == HIT, int(objects[class_]))
        counted = mine[matches.states[0, 0, mine] != IGNORED]
        hits = matches.states[0, 0, counted] == HIT
        right = counted[hits]
        errors[class_] = _class_errors(
            hits,
            scores[cells.found[counted]],
            _errors(
                found, found_at[cells.found[right]], truth, spread_out.rows[matches.truths[right]]
            ),
            int(objects[class_]),
        )
    return SpaceScores(rules=judged, aps=aps, errors=errors, objects=objects)


class _Nearness:
    """Distance of centres on the ground, negative."""

    def __init__(self, found_m: Floats, truths_m: Floats) -> None:
        self._found_m, self._truths_m = found_m[:, :2], truths_m[:, :2]

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        apart = self._found_m[found][:, :, None, :] - self._truths_m[truths][:, None, :, :]
        return -np.hypot(apart[..., 0], apart[..., 1])


def _within(centres_m: Floats, range_m: float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.hypot(centres_m[:, 0], centres_m[:, 1]) <= range_m
    return inside


def _ap(hits: NDArray[np.bool_], objects: int) -> float:
    if not hits.any():
        return 0.0
    right = np.cumsum(hits, dtype=np.float64)
    precision = right / np.arange(1, len(hits) + 1)
    read = np.interp(RECALLS, right / objects, precision, right=0.0)[_FIRST:]
    return min(1.0, float(np.maximum(read - _LEAST, 0.0).mean() / (1 - _LEAST)))


def _errors(found: FoundBoxes3D, ours: Ints, truth: TrueBoxes3D, theirs: Ints) -> Floats:
    """Errors of boxes against the objects they took; shape (n, `ERRORS`), NaN where unknown."""
    apart = found.centres_m[ours, :2] - truth.centres_m[theirs, :2]
    sizes, true_sizes = found.sizes_m[ours], truth.sizes_m[theirs]
    shared = np.minimum(sizes, true_sizes).prod(axis=1)
    union = sizes.prod(axis=1) + true_sizes.prod(axis=1) - shared
    same = np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)
    turn = found.yaws_rad[ours] - truth.yaws_rad[theirs]
    drift = found.velocities_mps[ours] - truth.velocities_mps[theirs]
    return np.stack(
        [
            np.hypot(apart[:, 0], apart[:, 1]),
            1 - same,
            np.abs((turn + np.pi) % (2 * np.pi) - np.pi),
            np.hypot(drift[:, 0], drift[:, 1]),
        ],
        axis=1,
    )


def _class_errors(hits: NDArray[np.bool_], scores: Floats, errors: Floats, objects: int) -> Floats:
    """Mean of each error's running mean, from a recall of 0.1 to the largest."""
    if not hits.any():
        return np.ones(len(ERRORS))
    recalls = np.cumsum(hits, dtype=np.float64) / objects
    sure = np.interp(RECALLS, recalls, scores, right=0.0)
    reached = np.flatnonzero(sure)
    last = int(reached[-1]) if len(reached) else 0
    if last < _FIRST:
        return np.ones(len(ERRORS))
    out = np.empty(len(ERRORS))
    for place in range(len(ERRORS)):
        running = _running_mean(errors[:, place])
        read = np.interp(sure[::-1], scores[hits][::-1], running[::-1])[::-1]
        out[place] = read[_FIRST : last + 1].mean()
    return out


def _running_mean(values: Floats) -> Floats:
    """Mean of the values so far, unknown ones left out; 1 where all are unknown."""
    known = ~np.isnan(values)
    if not known.any():
        return np.ones(len(values))
    counts = np.cumsum(known)
    out = np.zeros(len(values))
    np.divide(np.nancumsum(values), counts, out=out, where=counts > 0)
    return out


def _mean(values: Floats) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
