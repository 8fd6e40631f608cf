"""Misses that matter: near, closing and vulnerable objects weigh more.

The formula is ours. An object weighs

    1 + near * n + closing * c + vulnerable * v

with n = max(0, 1 - distance / near_m), c = max(0, 1 - (distance / closing speed) / closing_s) where
it comes closer, else 0, and v = 1 for a pedestrian or a cyclist, else 0. The closing speed is how
fast its distance fell since the label before, so that the own motion counts. The figure is the
weight of what was missed over the weight of all: 0 where nothing was missed. An object is found if
any box, of whatever class and at least `score`, fits it: that something is there comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.matching import make_cells, match
from pipeline.scoring.rows import pick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.scoring.matching import Fit
    from pipeline.scoring.tables import Views

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRules:
    """Weights of the formula.

    Attributes:
        near: Most that nearness adds.
        near_m: Distance from which on it adds nothing.
        closing: Most that closing in adds.
        closing_s: Time to contact from which on it adds nothing.
        vulnerable: What a vulnerable object adds.
        kinds: Names of vulnerable classes.
        score: Least score of a box that counts as found.
        gap_ns: Most time between two labels from which a closing speed is taken.
    """

    near: float = 3.0
    near_m: float = 40.0
    closing: float = 3.0
    closing_s: float = 4.0
    vulnerable: float = 2.0
    kinds: tuple[str, ...] = ("pedestrian", "person", "cyclist", "bicycle")
    score: float = 0.3
    gap_ns: int = 500_000_000


def weights_of(
    distances_m: Floats,
    tracks: Ints,
    stamps_ns: Ints,
    vulnerable: NDArray[np.bool_],
    rules: SafetyRules,
) -> Floats:
    """Weight of each object.

    Args:
        distances_m: How far away it is; NaN where unknown, which adds nothing.
        tracks: Its number, the same in every frame.
        stamps_ns: When it was there.
        vulnerable: Whether it is.
        rules: The weights.

    Returns:
        At least 1; shape as given.
    """
    order = np.lexsort((stamps_ns, tracks))
    same = tracks[order][1:] == tracks[order][:-1]
    apart_ns = np.diff(stamps_ns[order])
    usable = same & (apart_ns > 0) & (apart_ns <= rules.gap_ns)
    fell_m = -np.diff(distances_m[order])
    speed = np.zeros(len(order))
    np.divide(fell_m, apart_ns / _S, out=speed[1:], where=usable)
    closing = np.zeros(len(order))
    closing[order] = speed
    near = np.clip(1 - distances_m / rules.near_m, 0, 1)
    reach = distances_m / np.where(closing > 0, closing, np.nan)
    soon = np.clip(1 - reach / rules.closing_s, 0, 1)
    return (
        1
        + rules.near * np.nan_to_num(near)
        + rules.closing * np.nan_to_num(soon)
        + rules.vulnerable * vulnerable
    )


def found_at_all(
    offsets: tuple[Ints, Ints],
    scores: Floats,
    wanted: NDArray[np.bool_],
    fit: Fit,
    least_fit: float,
    views: Views,
    rules: SafetyRules,
) -> NDArray[np.bool_]:
    """Whether each object of each pair was found, whatever its class; shape (true rows of pairs,).

    Args:
        offsets: Those of the truth and of the results.
        scores: Of the results' boxes.
        wanted: Which rows of the truth are objects that are looked for.
        fit: How well a box fits an object, by their rows.
        least_fit: From when on it is found.
        views: The pairs.
        rules: For the least score.
    """
    true_rows, found_rows = pick(offsets[0], views.truths), pick(offsets[1], views.found)
    real = np.flatnonzero(wanted[true_rows.rows])
    sure = np.flatnonzero(scores[found_rows.rows] >= rules.score)
    cells = make_cells(
        found_rows.places[sure],
        scores[found_rows.rows[sure]],
        true_rows.places[real],
        max(1, len(sure)),
    )
    nobody = np.zeros(len(real), np.bool_)
    matches = match(
        cells,
        _Rowed(fit, found_rows.rows[sure], true_rows.rows[real]),
        np.array([least_fit]),
        nobody[None],
        nobody,
    )
    hit = np.zeros(len(true_rows.rows), np.bool_)
    hit[real[matches.truths[matches.truths >= 0]]] = True
    return hit


class _Rowed:
    """A fit by rows of the tables, asked by places among those that were picked."""

    def __init__(self, fit: Fit, found: Ints, truths: Ints) -> None:
        self._fit, self._found, self._truths = fit, found, truths

    def __call__(self, found: Ints, truths: Ints) -> Floats:
        return self._fit(self._found[found], self._truths[truths])


def weighted_misses(weights: Floats, found: NDArray[np.bool_]) -> float | None:
    """Weight of what was missed over the weight of all; None without an object."""
    total = float(weights.sum())
    return float(weights[~found].sum()) / total if total else None


def are_vulnerable(classes: Ints, names: Sequence[str], rules: SafetyRules) -> NDArray[np.bool_]:
    """Which objects are of a vulnerable class."""
    kinds = [place for place, name in enumerate(names) if name in rules.kinds]
    return np.isin(classes, kinds)
