"""Misses in a row and in a window: what weakly hard rules are judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """Frames of a path one after the other, with how many of them missed.

    Attributes:
        first: Number of the first frame.
        last: Number of the last one, itself included.
        misses: Frames among them that missed.
        frames: Frames among them that were judged.
    """

    first: int
    last: int
    misses: int
    frames: int


def worst_window(missed: NDArray[np.bool_], frames: NDArray[np.int64], window: int) -> Spell | None:
    """The window with the most misses; the earliest where several have as many.

    Args:
        missed: Whether each judged frame missed, in their order, shape (n,).
        frames: Their numbers, shape (n,).
        window: Frames in a row, from 1; all of them where there are fewer.

    Returns:
        None where no frame was judged.
    """
    if len(missed) == 0:
        return None
    width = min(window, len(missed))
    sums = np.concatenate([[0], np.cumsum(missed, dtype=np.int64)])
    inside = sums[width:] - sums[:-width]
    begin = int(np.argmax(inside))
    return Spell(
        first=int(frames[begin]),
        last=int(frames[begin + width - 1]),
        misses=int(inside[begin]),
        frames=width,
    )


def longest_streak(missed: NDArray[np.bool_], frames: NDArray[np.int64]) -> Spell | None:
    """The most misses one after the other; the earliest where several are as long.

    Args:
        missed: Whether each judged frame missed, in their order, shape (n,).
        frames: Their numbers, shape (n,).

    Returns:
        None without a miss.
    """
    edges = np.diff(np.concatenate([[False], missed, [False]]).astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if len(begins) == 0:
        return None
    longest = int(np.argmax(ends - begins))
    begin, end = int(begins[longest]), int(ends[longest])
    return Spell(
        first=int(frames[begin]),
        last=int(frames[end - 1]),
        misses=end - begin,
        frames=end - begin,
    )
