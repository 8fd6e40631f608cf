"""Rows of many frames one after the other, and picking the rows of some frames, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = -1
"""In place of a frame: there is none, and so no row."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picked:
    """Rows of the frames that were picked.

    Attributes:
        rows: Index of each row; shape (n,), int64.
        places: Which pick it belongs to, rising; shape (n,), int64.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def offsets_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each frame's rows begin, and the end of all; shape (frames + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def pick(offsets: NDArray[np.int64], frames: NDArray[np.int64]) -> Picked:
    """Rows of frames, which may recur, in the order of the picks.

    Args:
        offsets: Where each frame's rows begin, and the end of all; shape (frames + 1,).
        frames: Frames that are picked; `NOTHING` has no row.
    """
    there = frames >= 0
    chosen = np.where(there, frames, 0)
    counts = np.where(there, offsets[chosen + 1] - offsets[chosen], 0) if len(offsets) > 1 else None
    if counts is None:
        return Picked(rows=np.zeros(0, np.int64), places=np.zeros(0, np.int64))
    places = np.repeat(np.arange(len(frames), dtype=np.int64), counts)
    ends = np.cumsum(counts)
    within = np.arange(len(places), dtype=np.int64) - np.repeat(ends - counts, counts)
    return Picked(rows=offsets[chosen][places] + within, places=places)
