"""Whether a virtual and a live run of one scenario agree, per path and per span.

Both runs have the same frames and the same draws, so they are compared frame by frame: an interval
is that of the paired difference, from blocks of frames in a row drawn for both alike. Several live
runs are pooled; how far they lie from each other says what the host adds from run to run.

A figure is `within` where its difference is at most its tolerance, `outside` where its whole
interval is beyond it, else `unclear`. Where live runs differ among themselves by more than the
tolerance nothing can be said, and the figure is `unclear` too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.draws import Draws
from pipeline.ledger import FATES, SPANS
from pipeline.verdict.agreement_pairs import Paired
from pipeline.verdict.figures import PathFigures
from pipeline.verdict.statistics import frames_needed, nearest_rank, percent_text
from pipeline.verdict.windows import longest_streak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.ledger import Ledger

Answer = Literal["within", "outside", "unclear"]
PERCENTILES = (50.0, 90.0, 99.0)
_MEDIAN = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far live figures may lie from virtual ones.

    Attributes:
        p50: Share of the virtual p50, above 0.
        p90: Share of the virtual p90, above 0.
        p99: Share of the virtual p99, above 0.
        spans: Share of a span's virtual median, from 0.
        floor_ns: What a span's median may always differ by, ns.
        fates: Share of the frames that may have another fate, 0 to 1.
    """

    p50: float = 0.05
    p90: float = 0.10
    p99: float = 0.10
    spans: float = 0.20
    floor_ns: int = 500_000
    fates: float = 0.05

    def of_percentile(self, percent: float) -> float:
        """Share of the virtual percentile."""
        return {50.0: self.p50, 90.0: self.p90, 99.0: self.p99}[percent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One figure, modelled beside live; all times in ns, infinite where it fell on no answer.

    Attributes:
        name: `p50`, `p90`, `p99`, or a span, whose median it is.
        frames: Frames of each run that it is made from.
        virtual_ns: Modelled figure; None where the frames do not support it.
        live_ns: Live figure over all live runs; None likewise.
        interval_ns: Interval of the difference, live less virtual; None where frames are too few.
        tolerance_ns: What the difference may be, either way.
        spread_ns: Between the largest and the smallest figure of single live runs; None with one.
        answer: Whether it agrees; None where there is no figure.
        reason: Why there is no figure, or why it is unclear; None otherwise.
    """

    name: str
    frames: int
    virtual_ns: float | None = None
    live_ns: float | None = None
    interval_ns: tuple[float, float] | None = None
    tolerance_ns: float | None = None
    spread_ns: float | None = None
    answer: Answer | None = None
    reason: str | None = None

    @property
    def difference_ns(self) -> float | None:
        """Live less virtual."""
        if self.virtual_ns is None or self.live_ns is None:
            return None
        return _less(self.live_ns, self.virtual_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFates:
    """Fates of the same frames.

    Attributes:
        same: Share of pairs, of a virtual and a live frame, with the same fate.
        interval: Interval of that share; None where frames are too few.
        least: What the share has to be.
        same_live: Share of frames with the same fate in every live run; None with one.
        changes: How many pairs have another fate, by virtual and live fate.
        answer: Whether they agree; None without a frame.
        reason: Why it is unclear, or why there is none; None otherwise.
    """

    same: float | None
    interval: tuple[float, float] | None
    least: float
    same_live: float | None
    changes: dict[tuple[str, str], int]
    answer: Answer | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathAgreement:
    """One path.

    Attributes:
        name: Its name.
        frames: Frames that all runs settled.
        block: Frames in a block of the bootstrap; None where there are no intervals.
        percentiles: p50, p90 and p99 of the latency, frames without an answer counting as infinite.
        spans: Median of each span that some frame passed, over frames that passed it in every run.
        fates: Fates of the same frames.
        miss_rates: Share of late, dropped and failed frames, virtual and live.
    """

    name: str
    frames: int
    block: int | None
    percentiles: tuple[Compared, ...]
    spans: tuple[Compared, ...]
    fates: ComparedFates
    miss_rates: tuple[float, float]

    @property
    def figures(self) -> tuple[Compared, ...]:
        """Percentiles and spans."""
        return (*self.percentiles, *self.spans)

    @property
    def answer(self) -> Answer | None:
        """Of the whole path; None where not even one percentile could be compared."""
        if all(found.answer is None for found in self.percentiles):
            return None
        answers = {self.fates.answer, *(found.answer for found in self.figures)}
        if "outside" in answers:
            return "outside"
        return "unclear" if "unclear" in answers else "within"


def compare_path(
    virtual: Ledger, live: Sequence[Ledger], path: str, tolerances: Tolerances, *, seed: int
) -> PathAgreement:
    """Compare a path of a virtual run with the same path of live runs.

    Frames that a run was stopped in, or that it does not have, are left out of all.

    Args:
        virtual: Ledger of the virtual run.
        live: Ledgers of the live runs, at least one.
        path: Name of the path.
        tolerances: What may differ.
        seed: Of the bootstrap's draws.
    """
    runs = _aligned([PathFigures(ledger, path) for ledger in (virtual, *live)])
    frames = len(runs[0])
    missed = np.array([run.missed() for run in runs])
    words = Draws(seed)
    paired = Paired.of(words, path, frames=frames, streak=_longest(missed, runs[0].data["frame"]))
    latencies = np.array([run.latencies_ns() for run in runs])
    shares = [tolerances.of_percentile(percent) for percent in PERCENTILES]
    percentiles = _compared(
        [f"p{percent:g}" for percent in PERCENTILES], PERCENTILES, latencies, paired, shares, 0
    )
    durations = [run.durations_ns() for run in runs]
    spans: list[Compared] = []
    for index, span in enumerate(SPANS):
        passed = np.array([there[:, index] for _, there in durations])
        if not passed.any():
            continue
        common = passed.all(axis=0)
        values = np.array([took[common, index] for took, _ in durations], np.float64)
        count = int(common.sum())
        drawn = paired if count == frames else Paired.of(words, f"{path}/{span}", frames=count)
        shares = [tolerances.spans]
        spans += _compared([span], [_MEDIAN], values, drawn, shares, tolerances.floor_ns)
    return PathAgreement(
        name=path,
        frames=frames,
        block=None if paired is None else paired.block,
        percentiles=tuple(percentiles),
        spans=tuple(spans),
        fates=_fates(np.array([run.data["fate"] for run in runs]), paired, tolerances),
        miss_rates=(_mean(missed[:1]), _mean(missed[1:])),
    )


def _aligned(runs: list[PathFigures]) -> list[PathFigures]:
    """The same frames of all runs, in the first one's order."""
    kept = {int(frame) for frame in runs[0].data["frame"]}
    for run in runs:
        kept &= set(run.data["frame"][run.judged()].tolist())
    order = [int(frame) for frame in runs[0].data["frame"] if int(frame) in kept]
    for run in runs:
        place = {int(frame): index for index, frame in enumerate(run.data["frame"].tolist())}
        places = [place[frame] for frame in order]
        run.data, run.stamps_ns = run.data[places], run.stamps_ns[places]
    return runs


def _longest(missed: NDArray[np.bool_], frames: NDArray[np.int64]) -> int:
    spells = [longest_streak(run, frames) for run in missed]
    return max((0 if spell is None else spell.misses for spell in spells), default=0)


def _mean(marked: NDArray[np.bool_]) -> float:
    return float(marked.mean()) if marked.size else 0.0


def _compared(
    names: Sequence[str],
    percents: Sequence[float],
    values: NDArray[np.float64],
    paired: Paired | None,
    shares: Sequence[float],
    floor_ns: int,
) -> list[Compared]:
    """Percentiles of the virtual run, the first row of `values`, beside those of all others."""
    virtual, live = values[0], values[1:]
    intervals: list[tuple[float, float] | None] = [None] * len(percents)
    if paired is not None:
        intervals = [*paired.intervals(virtual, live, percents)]
    found: list[Compared] = []
    for name, percent, share, interval in zip(names, percents, shares, intervals, strict=True):
        needed = frames_needed(float(Fraction(str(percent)) / 100))
        if len(virtual) < needed:
            few = f"needs {needed} frames, has {len(virtual)}"
            found.append(Compared(name=name, frames=len(virtual), reason=few))
            continue
        virtual_ns = nearest_rank(virtual, percent)
        live_ns = nearest_rank(live.ravel(), percent)
        single = [nearest_rank(run, percent) for run in live]
        spread_ns = _less(max(single), min(single)) if len(single) > 1 else None
        tolerance_ns = max(share * virtual_ns if math.isfinite(virtual_ns) else 0.0, floor_ns)
        answer, reason = _answer(_less(live_ns, virtual_ns), interval, tolerance_ns, spread_ns)
        found.append(
            Compared(
                name=name,
                frames=len(virtual),
                virtual_ns=virtual_ns,
                live_ns=live_ns,
                interval_ns=interval,
                tolerance_ns=tolerance_ns,
                spread_ns=spread_ns,
                answer=answer,
                reason=reason or _undelivered(virtual, live, virtual_ns, live_ns),
            )
        )
    return found


def _answer(
    difference: float,
    interval: tuple[float, float] | None,
    tolerance: float,
    spread: float | None,
) -> tuple[Answer, str | None]:
    if spread is not None and spread > tolerance:
        return "unclear", "live runs differ among themselves by more than the tolerance"
    if abs(difference) <= tolerance:
        return "within", None
    if interval is None:
        return "unclear", "too few frames for an interval of the difference"
    if interval[0] > tolerance or interval[1] < -tolerance:
        return "outside", None
    return "unclear", "the interval of the difference reaches into the tolerance"


def _undelivered(
    virtual: NDArray[np.float64], live: NDArray[np.float64], virtual_ns: float, live_ns: float
) -> str | None:
    told = [
        f"{name} undelivered {percent_text(float(np.isinf(values).mean()))}"
        for name, values, found in (("virtual", virtual, virtual_ns), ("live", live, live_ns))
        if math.isinf(found)
    ]
    return ", ".join(told) or None


def _less(one: float, other: float) -> float:
    """One less the other; two without an answer do not differ."""
    return 0.0 if one == other else one - other


def _fates(fates: NDArray[np.int8], paired: Paired | None, tolerances: Tolerances) -> ComparedFates:
    virtual, live = fates[0], fates[1:]
    least = 1 - tolerances.fates
    if not len(virtual):
        return ComparedFates(
            same=None,
            interval=None,
            least=least,
            same_live=None,
            changes={},
            answer=None,
            reason="no frame was settled in all runs",
        )
    alike = live == virtual
    same = float(alike.mean())
    same_live = float((live == live[0]).all(axis=0).mean()) if len(live) > 1 else None
    interval = None if paired is None else paired.share(alike)
    differ = None if interval is None else (1 - interval[1], 1 - interval[0])
    spread = None if same_live is None else 1 - same_live
    answer, reason = _answer(1 - same, differ, tolerances.fates, spread)
    changes: dict[tuple[str, str], int] = {}
    for was, became in zip(
        np.broadcast_to(virtual, live.shape)[~alike].tolist(), live[~alike].tolist(), strict=True
    ):
        key = (FATES[was], FATES[became])
        changes[key] = changes.get(key, 0) + 1
    return ComparedFates(
        same=same,
        interval=interval,
        least=least,
        same_live=same_live,
        changes=dict(sorted(changes.items(), key=lambda item: (-item[1], item[0]))),
        answer=answer,
        reason=reason,
    )
