"""Which class of a result is which class of a label: by name, after a map of names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ClassesError
from pipeline.scoring.rows import offsets_of
from pipeline.scoring.tables import IGNORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.scoring.tables import FoundBoxes, FoundBoxes3D, TrueBoxes, TrueBoxes3D

    Ints = NDArray[np.int64]

_LEFT_OUT = -2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Common:
    """Classes that are both found and labelled.

    Attributes:
        names: Their names, in the labels' order.
        of_found: For each class of the results its place among them, or none.
        of_labels: For each class of the labels likewise.
        unscored: Classes of the labels that nothing finds.
    """

    names: tuple[str, ...]
    of_found: Ints
    of_labels: Ints
    unscored: tuple[str, ...]

    def found(self, classes: Ints) -> Ints:
        """Classes of results as places among the common ones."""
        return self.of_found[classes]

    def labels(self, classes: Ints) -> Ints:
        """Classes of labels likewise; `IGNORE` stays."""
        codes = np.concatenate([self.of_labels, [IGNORE]])  # the last is that of -1
        return codes[classes]


def common_classes(
    task: str, found: Sequence[str], labelled: Sequence[str], same: Mapping[str, str]
) -> Common:
    """Bring names of results and labels together.

    Args:
        task: Name of the task, for the message.
        found: Names of the results' classes.
        labelled: Names of the labels' classes.
        same: Names that stand for another; they hold on both sides, so that `van: car` makes a
            labelled van a car as well.

    Raises:
        ClassesError: They have no class in common.
    """
    theirs = [same.get(name, name) for name in labelled]
    ours = [same.get(name, name) for name in found]
    names = tuple(name for name in dict.fromkeys(theirs) if name in ours)
    if not names:
        raise ClassesError(task, found, labelled)
    place = {name: n for n, name in enumerate(names)}
    return Common(
        names=names,
        of_found=np.array([place.get(name, _LEFT_OUT) for name in ours], np.int64),
        of_labels=np.array([place.get(name, _LEFT_OUT) for name in theirs], np.int64),
        unscored=tuple(
            name for name, shown in zip(labelled, theirs, strict=True) if shown not in place
        ),
    )


def found_in(found: FoundBoxes, common: Common) -> FoundBoxes:
    """Boxes of the common classes alone, and by their places."""
    classes = common.found(found.classes)
    kept = _kept_rows(classes)
    return replace(
        found,
        offsets=_narrowed(found.offsets, kept),
        xyxy=found.xyxy[kept],
        scores=found.scores[kept],
        classes=classes[kept],
        tracks=None if found.tracks is None else found.tracks[kept],
    )


def true_in(truth: TrueBoxes, common: Common) -> TrueBoxes:
    """The same of labels; those that are to be ignored stay."""
    classes = common.labels(truth.classes)
    kept = _kept_rows(classes)
    return replace(
        truth,
        offsets=_narrowed(truth.offsets, kept),
        xyxy=truth.xyxy[kept],
        classes=classes[kept],
        tracks=truth.tracks[kept],
        distances_m=truth.distances_m[kept],
    )


def _narrowed(offsets: Ints, kept: NDArray[np.bool_]) -> Ints:
    """Offsets of the rows that are kept."""
    return offsets_of(kept.astype(np.int64))[offsets]


def found_3d_in(found: FoundBoxes3D, common: Common) -> FoundBoxes3D:
    """Boxes in space of the common classes alone, and by their places."""
    classes = common.found(found.classes)
    kept = _kept_rows(classes)
    return replace(
        found,
        offsets=_narrowed(found.offsets, kept),
        centres_m=found.centres_m[kept],
        sizes_m=found.sizes_m[kept],
        yaws_rad=found.yaws_rad[kept],
        velocities_mps=found.velocities_mps[kept],
        scores=found.scores[kept],
        classes=classes[kept],
        tracks=None if found.tracks is None else found.tracks[kept],
    )


def true_3d_in(truth: TrueBoxes3D, common: Common) -> TrueBoxes3D:
    """The same of labels; those that are to be ignored stay."""
    classes = common.labels(truth.classes)
    kept = _kept_rows(classes)
    return replace(
        truth,
        offsets=_narrowed(truth.offsets, kept),
        centres_m=truth.centres_m[kept],
        sizes_m=truth.sizes_m[kept],
        yaws_rad=truth.yaws_rad[kept],
        velocities_mps=truth.velocities_mps[kept],
        classes=classes[kept],
        tracks=truth.tracks[kept],
    )


def _kept_rows(classes: Ints) -> NDArray[np.bool_]:
    """Rows whose class is a common one, or to be ignored."""
    kept: NDArray[np.bool_] = classes != _LEFT_OUT
    return kept
