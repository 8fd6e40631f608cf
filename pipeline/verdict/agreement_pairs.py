"""Intervals of differences between runs of the same frames: blocks drawn for all runs alike."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Self

import numpy as np

from pipeline.verdict.resampling import (
    BLOCKS,
    block_length,
    blocks_for,
    replicates_for,
    resample,
)
from pipeline.verdict.statistics import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from pipeline.draws import Draws
    from pipeline.verdict.resampling import Resampling

_AT_ONCE = 2_000_000  # values gathered at a time


class Paired:
    """Blocks of frames in a row, drawn with replacement, the same ones for every run.

    Args:
        drawn: The blocks.
        block: Frames in a block.
    """

    def __init__(self, drawn: Resampling, block: int) -> None:
        self._drawn = drawn
        self.block = block

    @classmethod
    def of(cls, draws: Draws, subject: str, *, frames: int, streak: int = 0) -> Self | None:
        """Draw blocks for so many frames; None where they are too few for ten blocks.

        Args:
            draws: Random words, keyed.
            subject: What is resampled; another subject has other draws.
            frames: Frames of each run.
            streak: Longest run of misses, which a block has to hold.
        """
        block = block_length(frames, streak)
        if frames < BLOCKS * block:
            return None
        count = replicates_for(frames) * blocks_for(frames, block)
        words = draws.words("bootstrap", subject, count)
        return cls(resample(words, frames=frames, block=block, confidence=CONFIDENCE), block)

    def intervals(
        self,
        virtual: NDArray[np.float64],
        live: NDArray[np.float64],
        percents: Sequence[float],
    ) -> list[tuple[float, float]]:
        """Interval of live less virtual percentile, for each percentage.

        Args:
            virtual: One value per frame, shape (n,), without NaN; may be infinite.
            live: The same of each live run, pooled for the percentile; shape (runs, n).
            percents: Above 0 and at most 100.
        """
        runs, frames = live.shape
        in_virtual = [_rank(percent, frames) for percent in percents]
        in_live = [_rank(percent, frames * runs) for percent in percents]
        parts: list[NDArray[np.float64]] = []
        for places in self._places(runs + 1):
            pooled = live[:, places].transpose(1, 0, 2).reshape(len(places), runs * frames)
            theirs = np.partition(pooled, in_live, axis=1)[:, in_live]
            ours = np.partition(virtual[places], in_virtual, axis=1)[:, in_virtual]
            with np.errstate(invalid="ignore"):  # infinite on both sides is no difference
                parts.append(np.where(theirs == ours, 0.0, theirs - ours))
        differences = np.sort(np.concatenate(parts), axis=0)
        return [self._ends(differences[:, index]) for index in range(len(percents))]

    def share(self, marked: NDArray[np.bool_]) -> tuple[float, float]:
        """Interval of the share of marked pairs, 0 to 1.

        Args:
            marked: Whether each frame of each live run is, shape (runs, n).
        """
        counts = sum((self._drawn.counts(run) for run in marked), np.zeros((), np.int64))
        return self._ends(np.sort(counts / marked.size))

    def _places(self, rows: int) -> Iterator[NDArray[np.int64]]:
        """Indices of the frames of some replicates, shape (some, n), as many as fit."""
        frames, begins = self._drawn.frames, self._drawn.begins
        step = max(1, _AT_ONCE // max(1, frames * rows))
        within = np.arange(self.block)
        for first in range(0, len(begins), step):
            some = begins[first : first + step]
            places = (some[:, :, None] + within).reshape(len(some), -1)
            yield places[:, :frames]

    def _ends(self, ordered: NDArray[np.float64]) -> tuple[float, float]:
        outside = (1 - Fraction(str(self._drawn.confidence))) / 2
        low = max(1, math.ceil(outside * len(ordered)))
        return float(ordered[low - 1]), float(ordered[-low])


def _rank(percent: float, count: int) -> int:
    """Index of a percentile among so many values in order."""
    return math.ceil(Fraction(str(percent)) * count / 100) - 1
