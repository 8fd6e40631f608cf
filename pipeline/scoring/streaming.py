"""Streaming accuracy: which result counts at which labelled instant.

M. Li et al., Towards Streaming Perception, 2020 (arXiv 2005.10420): at each labelled instant the
newest result that had finished counts, and the empty set where there is none. Finished means
delivered: the end of `deliver`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.rows import NOTHING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairing:
    """What counts at each labelled instant, and how old it is.

    Attributes:
        results: Index of the result; `NOTHING` before the first; shape (instants,).
        previous: Index of the result of an earlier frame that counted last before this frame's did,
            `NOTHING` for none; what a forecast may look at as well; shape (instants,).
        lags: Frames of the stream from the result's to the instant's; -1 without a result; shape
            (instants,).
        ages_ns: From the result's frame to the instant; -1 without a result; shape (instants,).
    """

    results: Ints
    previous: Ints
    lags: Ints
    ages_ns: Ints

    @property
    def without(self) -> int:
        """Instants before the first result."""
        return int((self.results == NOTHING).sum())

    @property
    def in_time(self) -> int:
        """Instants whose own frame's result was there already."""
        return int((self.lags == 0).sum())

    @property
    def mean_lag(self) -> float | None:
        """Frames, over the instants that have a result; None without any."""
        there = self.lags[self.results != NOTHING]
        return float(there.mean()) if len(there) else None

    @property
    def most_lag(self) -> int | None:
        """The largest of them."""
        there = self.lags[self.results != NOTHING]
        return int(there.max()) if len(there) else None

    @property
    def mean_age_ms(self) -> float | None:
        """Ms, over the instants that have a result; None without any."""
        there = self.ages_ns[self.results != NOTHING]
        return float(there.mean()) / _NS_PER_MS if len(there) else None


def pair(
    instants_ns: Ints,
    numbers: Ints,
    frames: Ints,
    frames_ns: Ints,
    delivered_ns: Ints,
) -> Pairing:
    """Find the newest finished result at each instant, in one pass over both.

    The newest is that of the newest frame, of several the last; a result that comes after a newer
    frame's counts never.

    Args:
        instants_ns: When something is known to be true, run time, rising; shape (instants,).
        numbers: Number in the stream of the frame of each instant.
        frames: Number in the stream of the frame of each result; shape (results,).
        frames_ns: When that frame was due, run time.
        delivered_ns: When its result had been delivered, run time.
    """
    order = np.lexsort((frames, delivered_ns))
    newest = np.maximum.accumulate(frames[order]) if len(order) else frames[order]
    leads = frames[order] == newest  # the others are overtaken when they come
    leading = order[leads]
    place = np.searchsorted(delivered_ns[leading], instants_ns, side="right") - 1
    padded = np.concatenate([leading, [NOTHING]])  # place -1 is the last
    results = padded[place]
    before = np.searchsorted(frames[leading], frames[leading], side="left") - 1  # another frame's
    older = np.concatenate([padded[before], [NOTHING]])
    previous = older[place]
    there = results != NOTHING
    chosen = np.where(there, results, 0)
    if not len(frames):
        nothing = np.full(len(instants_ns), -1, np.int64)
        return Pairing(results=results, previous=previous, lags=nothing, ages_ns=nothing)
    return Pairing(
        results=results,
        previous=previous,
        lags=np.where(there, numbers - frames[chosen], -1),
        ages_ns=np.where(there, instants_ns - frames_ns[chosen], -1),
    )
