"""How fast a result stops being true: what is left of it when the frames behind it have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.plan.plan import Candidate
    from pipeline.planner.sampling import Samples
    from pipeline.tasks.outputs.protocol import OutputDecoder, Result

LAGS = 3
"""Frames behind a calibration frame that results are held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aging:
    """What a result of the drive is worth by its age, measured on the reference's own results.

    At the instant of a frame the newest result is one frame old at best (streaming accuracy, M. Li
    et al., 2020, arXiv 2005.10420), so that is what the rest is held against.

    Attributes:
        left: Share of the worth that is left of a result so many frames old, from one on: 1 first,
            never rising; at least one.
        period_ns: Time between two frames of the task.
    """

    left: tuple[float, ...]
    period_ns: int

    def of(self, latencies_ns: Samples, frames: int | None = None) -> float:
        """Mean share that is left of answers with these latencies, from 0 to 1.

        An answer counts at the first frame's instant by which it is there.

        Args:
            latencies_ns: From the frame's scheduled time; shape (answers,).
            frames: Frames that were offered; those without an answer count as the oldest known.
                None for as many as there are answers.
        """
        count = len(latencies_ns) if frames is None else frames
        if not count:
            return self.left[-1]
        lags = -(-np.asarray(latencies_ns) // self.period_ns)
        places = np.clip(lags - 1, 0, len(self.left) - 1)
        answered = float(np.asarray(self.left)[places].sum())
        return (answered + (count - len(latencies_ns)) * self.left[-1]) / count

    def bounds(self, deadline_ns: int) -> list[tuple[int, float]]:
        """What answers in time are worth, as latencies with what is lost of the worth beyond each.

        The last is the deadline, with all that is left there: the sum over them of the share of
        the answers within each times its weight is the mean worth of a frame.

        Args:
            deadline_ns: From the frame's scheduled time; what comes later is worth nothing.
        """
        found: list[tuple[int, float]] = []
        for lag, share in enumerate(self.left, 1):
            if lag == len(self.left) or lag * self.period_ns >= deadline_ns:
                return [*found, (deadline_ns, share)]
            found.append((lag * self.period_ns, share - self.left[lag]))
        raise AssertionError("at least one share")


FRESH = Aging(left=(1.0,), period_ns=1)
"""Of results whose ageing was not measured: they lose nothing."""


def aging_of(
    decoder: OutputDecoder,
    results: Sequence[Result],
    later: Sequence[Sequence[Result]],
    *,
    period_ns: int,
) -> Aging:
    """Measure what is left of results when the frames behind theirs have come.

    Args:
        decoder: Says how far two results agree.
        results: The reference's results of some frames.
        later: For each of them the reference's results of the frames behind it, nearest first.
        period_ns: Time between two frames of the task.
    """
    shares: list[float] = []
    for lag in range(max((len(mine) for mine in later), default=0)):
        scores = [
            decoder.agreement(old, mine[lag])
            for old, mine in zip(results, later, strict=True)
            if lag < len(mine)
        ]
        shares.append(float(np.mean(scores)))
    if not shares or shares[0] <= 0:
        return Aging(left=(1.0,), period_ns=period_ns)
    falling = np.minimum.accumulate(np.array(shares) / shares[0])
    return Aging(left=tuple(falling.tolist()), period_ns=period_ns)


_QUANTILES = 40


def quantiles_of(latencies_ns: Samples) -> tuple[int, ...]:
    """Evenly spaced quantiles of latencies in ascending order, as many as a plan keeps."""
    count = min(_QUANTILES, len(latencies_ns))
    places = [(2 * i + 1) * len(latencies_ns) // (2 * count) for i in range(count)]
    return tuple(int(latencies_ns[place]) for place in places)


def left_after(candidate: Candidate, more_ns: int, aging: Aging) -> float:
    """What is left of the worth of a candidate's answers where each takes so much longer."""
    if not more_ns or not candidate.times_ns:
        return candidate.left
    return aging.of(np.array(candidate.times_ns, np.int64) + more_ns)
