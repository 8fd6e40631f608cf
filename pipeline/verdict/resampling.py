"""Intervals that allow for frames in a row being alike: the moving-block bootstrap.

An outage spoils many frames in a row, so bounds that take frames for independent are too narrow.
The moving-block bootstrap (Künsch, Annals of Statistics 17, 1989) draws blocks of frames in a row,
with replacement, until as many frames are together as were seen, and looks how far the figure
spreads over many such draws.

Block length: the cube root of the number of frames, rounded up, and at least the longest run of
misses, so that a block can hold an outage whole. An interval needs ten blocks' worth of frames; it
is left out below that. Draws are keyed by the run's seed and the path, so that the same ledger
gives the same intervals on every machine, whatever other paths there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = 10  # an interval needs so many blocks' worth of frames
_MOST, _LEAST, _WORK = 1_000, 200, 20_000_000  # replicates, and frames drawn in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """Blocks drawn for a number of frames.

    Attributes:
        frames: Frames that were seen, n.
        block: Frames in a block.
        begins: First frame of each block, shape (replicates, blocks); the last block of a replicate
            is cut off where it has more than n frames together.
        confidence: Share of the replicates that an interval encloses, in its middle.
    """

    frames: int
    block: int
    begins: NDArray[np.int64]
    confidence: float

    @property
    def replicates(self) -> int:
        """How often n frames were drawn."""
        return len(self.begins)

    def counts(self, marked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many marked frames each replicate has, shape (replicates,).

        Args:
            marked: Whether each frame is, shape (n,).
        """
        sums = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
        of_block = sums[self.block :] - sums[: -self.block]
        rest = self.frames - (self.begins.shape[1] - 1) * self.block
        last = self.begins[:, -1]
        whole = of_block[self.begins[:, :-1]].sum(axis=1)
        found: NDArray[np.int64] = whole + sums[last + rest] - sums[last]
        return found

    def share(self, marked: NDArray[np.bool_]) -> tuple[float, float]:
        """Interval of the share of marked frames, 0 to 1.

        Args:
            marked: Whether each frame is, shape (n,).
        """
        found = np.sort(self.counts(marked))
        low, high = self._ranks()
        return int(found[low - 1]) / self.frames, int(found[high - 1]) / self.frames

    def share_upper(self, marked: NDArray[np.bool_], confidence: float) -> float:
        """One-sided upper bound on the share of marked frames, 0 to 1.

        Args:
            marked: Whether each frame is, shape (n,).
            confidence: Above 0 and below 1.
        """
        found = np.sort(self.counts(marked))
        rank = min(self.replicates, math.ceil(Fraction(str(confidence)) * self.replicates))
        return int(found[rank - 1]) / self.frames

    def percentile(self, values: NDArray[np.float64], percent: float) -> tuple[float, float]:
        """Interval of a percentile, both ends values of the sample.

        Args:
            values: One per frame, shape (n,), without NaN; +inf for a frame without an answer.
            percent: Above 0 and at most 100, taken as the decimal it prints as.
        """
        order = np.sort(values)
        rank = math.ceil(Fraction(str(percent)) * self.frames / 100)
        reached: dict[int, int] = {}  # both ends begin their search alike
        ends = [self._end(values, order, rank, end, reached) for end in self._ranks()]
        return ends[0], ends[1]

    def _end(
        self,
        values: NDArray[np.float64],
        order: NDArray[np.float64],
        rank: int,
        end: int,
        reached: dict[int, int],
    ) -> float:
        """The `end`-th smallest of all replicates' `rank`-th smallest values.

        It is the smallest value of the sample for which so many replicates have at least `rank`
        values up to it, so that nothing has to be sorted per replicate.
        """
        low, high = -1, self.frames - 1
        while high - low > 1:
            middle = (low + high) // 2
            if middle not in reached:
                counts = self.counts(values <= order[middle])
                reached[middle] = int((counts >= rank).sum())
            if reached[middle] >= end:
                high = middle
            else:
                low = middle
        return float(order[high])

    def _ranks(self) -> tuple[int, int]:
        """Ranks of an interval's ends among the sorted replicates, counted from 1."""
        outside = (1 - Fraction(str(self.confidence))) / 2
        low = max(1, math.ceil(outside * self.replicates))
        return low, self.replicates + 1 - low


def block_length(frames: int, longest_streak: int) -> int:
    """Frames in a block: the cube root of all, and no less than the longest run of misses."""
    root = round(math.cbrt(frames))
    while root**3 < frames:
        root += 1
    while (root - 1) ** 3 >= frames > 0:
        root -= 1
    return max(1, root, longest_streak)


def replicates_for(frames: int) -> int:
    """How often so many frames are drawn: fewer times where there are many, at least 200."""
    return min(_MOST, max(_LEAST, _WORK // max(1, frames)))


def resample(
    words: NDArray[np.uint64], *, frames: int, block: int, confidence: float
) -> Resampling:
    """Blocks from random words, as many replicates as the words are enough for.

    Args:
        words: Random words, at least `blocks_for(frames, block)` for each replicate.
        frames: Frames that were seen, at least `block`.
        block: Frames in a block, from 1.
        confidence: Of two-sided intervals, above 0 and below 1.
    """
    blocks = blocks_for(frames, block)
    replicates = len(words) // blocks
    places = frames - block + 1
    # A word's upper half scaled to the places: whole numbers, the same on every machine.
    begins = (words[: replicates * blocks] >> np.uint64(32)) * np.uint64(places) >> np.uint64(32)
    return Resampling(
        frames=frames,
        block=block,
        begins=begins.astype(np.int64).reshape(replicates, blocks),
        confidence=confidence,
    )


def blocks_for(frames: int, block: int) -> int:
    """Blocks that a replicate is drawn from."""
    return -(-frames // block)
