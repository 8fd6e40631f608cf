"""Accuracy of areas in pictures: intersection over union of masks, over a whole drive."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ScoringError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.scoring.tables import Views

    Ints = NDArray[np.int64]
    Masks = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackedMasks:
    """Masks of many frames, packed: a drive of raw ones would not fit into memory.

    Attributes:
        names: Names of the masks.
        height: Rows of each.
        width: Columns of each.
        bodies: Bits of each frame's masks, row by row, compressed; empty where there are none.
    """

    names: tuple[str, ...]
    height: int
    width: int
    bodies: Sequence[bytes]

    def __getitem__(self, frame: int) -> Masks:
        """Masks of a frame; shape (names, height, width)."""
        count = len(self.names) * self.height * self.width
        bits = np.frombuffer(zlib.decompress(self.bodies[frame]), np.uint8)
        shape = (len(self.names), self.height, self.width)
        return np.unpackbits(bits, count=count).reshape(shape).view(np.bool_)


def pack_masks(masks: Masks) -> bytes:
    """The body of a frame's masks."""
    return zlib.compress(np.packbits(masks.reshape(-1)).tobytes(), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AreaCounts:
    """Pixels of the truth's picture, by pair and name.

    Attributes:
        shared: In both; shape (pairs, names).
        union: In either; shape (pairs, names).
    """

    shared: Ints
    union: Ints

    def ious(self) -> list[float | None]:
        """Intersection over union by name, over all pairs; None for what is nowhere."""
        shared, union = self.shared.sum(axis=0), self.union.sum(axis=0)
        return [int(s) / int(u) if u else None for s, u in zip(shared, union, strict=True)]

    def only(self, kept: NDArray[np.bool_]) -> AreaCounts:
        """Those of some of the pairs."""
        return AreaCounts(shared=self.shared[kept], union=self.union[kept])

    def mean(self) -> float | None:
        """Mean over the names that are somewhere."""
        found = [value for value in self.ious() if value is not None]
        return sum(found) / len(found) if found else None


def count_areas(
    truth: PackedMasks, found: PackedMasks, views: Views, *, names: Sequence[tuple[str, str]]
) -> AreaCounts:
    """Compare masks over pairs of a labelled frame and a result.

    A result of lower resolution is enlarged without smoothing to the truth's. Pairs that recur are
    compared once.

    Args:
        truth: What is there.
        found: What was found.
        views: The pairs.
        names: Name of the truth and of the result, for each mask that is compared.

    Raises:
        ScoringError: The two are not of the same proportions.
    """
    if len(views) and not _alike(truth, found):
        raise ScoringError(
            f"masks of {found.width}x{found.height} do not cover a picture of "
            f"{truth.width}x{truth.height}: the proportions differ"
        )
    true_places = [truth.names.index(name) for name, _ in names]
    found_places = [found.names.index(name) for _, name in names]
    pairs = np.stack([views.truths, views.found], axis=1)
    single, back = np.unique(pairs, axis=0, return_inverse=True)
    shared = np.zeros((len(single), len(names)), np.int64)
    union = np.zeros((len(single), len(names)), np.int64)
    rows = np.arange(truth.height) * found.height // truth.height if len(views) else None
    columns = np.arange(truth.width) * found.width // truth.width if len(views) else None
    last, wide = -1, np.zeros(0, np.bool_)
    for place, (frame, result) in enumerate(single.tolist()):
        there = truth[frame][true_places]
        if result < 0 or not found.bodies[result]:
            union[place] = np.count_nonzero(there, axis=(1, 2))
            continue
        if result != last:
            seen = found[result][found_places]
            last, wide = result, seen[:, rows][:, :, columns] if _differ(truth, found) else seen
        shared[place] = np.count_nonzero(there & wide, axis=(1, 2))
        union[place] = np.count_nonzero(there | wide, axis=(1, 2))
    back = back.reshape(-1)
    return AreaCounts(shared=shared[back], union=union[back])


def _differ(truth: PackedMasks, found: PackedMasks) -> bool:
    return (truth.height, truth.width) != (found.height, found.width)


def _alike(truth: PackedMasks, found: PackedMasks) -> bool:
    """Whether the proportions agree to within a row or a column of the coarser."""
    high, wide = found.height * truth.width, found.width * truth.height
    return abs(high - wide) <= max(truth.width, truth.height)
