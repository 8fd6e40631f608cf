"""Predicting a path that ends in stages of the car's host: several sensors fused, or one tracked.

The anchor's result waits for its partners', each as late as its own frame is against the anchor's
and as its route takes, at most as long as the path waits. Branches are taken as independent of each
other, though they may share a link.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.plan.predictions import LEVELS, Prediction, SpanBand
from pipeline.planner.percentiles import samples_ns
from pipeline.planner.predicting import BIAS, HIGH, LOW, running, value_at
from pipeline.planner.sampling import idle_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.plan.routes import RouteStep
    from pipeline.planner.planning import Planned

    Samples = NDArray[np.int64]
    Quantiles = Mapping[str, tuple[int, ...]]

_SAMPLES = 2_000
_SEED = 20_100_102  # any number; the same one makes predictions comparable
_WAITS = ("edge_wait", "uplink_wait", "cloud_wait", "downlink_wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A sensor's part of a path.

    Attributes:
        planned: The plan of its task.
        alone: What is predicted of its route.
        wait_ns: Mean wait of its frames for other tasks.
        shifts_ns: How much later its frames are due than the anchor's, as they come; (0,) of the
            anchor.
        at_most_ns: How long the anchor's result waits for it; 0 of the anchor.
    """

    planned: Planned
    alone: Prediction
    wait_ns: int
    shifts_ns: tuple[int, ...] = (0,)
    at_most_ns: int = 0


def predict_meeting(
    name: str,
    branches: Sequence[Branch],
    steps: Sequence[RouteStep],
    quantiles: Quantiles,
    *,
    percentile: float,
) -> Prediction:
    """Predict what follows the branches' results, and the whole.

    Args:
        name: Name of what joins them, which its rows have as their route.
        branches: The anchor's first.
        steps: The stages behind them; the last one is the consumer's.
        quantiles: Quantile tables of run times by name.
        percentile: The plan's percentile.
    """
    anchor = branches[0]
    runs = [b.planned.plan.candidates[b.planned.plan.run] for b in branches]
    host = anchor.planned.world.vehicle_host
    hop_ns = host.hop_ns(
        message_bytes=sum(candidate.bytes_down for candidate in runs), kind="result"
    )
    waits, totals = {}, {}
    for label, bias in BIAS.items():
        waits[label], there = _met(branches, quantiles, bias)
        behind = _spread_out(samples_ns(steps, quantiles, bias=bias), len(branches))
        totals[label] = np.sort(there + behind + hop_ns)
    late_ns = sum(
        band.high_ns - band.middle_ns
        for branch in branches[1:]
        for span, band in branch.alone.spans.items()
        if span in _WAITS
    )
    bands = {span: band for span, band in anchor.alone.spans.items() if span != "deliver"}
    if len(branches) > 1:
        most_ns = max(branch.at_most_ns for branch in branches)
        high_ns = max(value_at(wait, HIGH) for wait in waits.values()) + late_ns
        bands["fuse_wait"] = SpanBand(
            low_ns=min(value_at(wait, LOW) for wait in waits.values()),
            middle_ns=value_at(waits["zero"], 50.0),
            high_ns=min(most_ns, high_ns),
        )
    for span in dict.fromkeys(step.span for step in steps):
        mine = [step for step in steps if step.span == span]
        bands[span] = running(mine, quantiles, hop_ns if span == "deliver" else 0)
    return Prediction(
        route=name,
        latency_ns=tuple(value_at(totals["zero"], level) for level in LEVELS),
        low_ns=value_at(totals["low"], LOW),
        high_ns=value_at(totals["high"], percentile),
        spans=bands,
        over_link=any(candidate.cut for candidate in runs),
    )


def _met(
    branches: Sequence[Branch], quantiles: Quantiles, bias: int | None
) -> tuple[Samples, Samples]:
    """How long the anchor's result waits, and when all are there; shape (samples,) each, in ns."""
    anchor_ns = _there_ns(branches[0], 0, quantiles, bias)
    until_ns = anchor_ns
    for place, branch in enumerate(branches[1:], start=1):
        shifts = np.resize(np.array(branch.shifts_ns, np.int64), _SAMPLES)
        there_ns = _there_ns(branch, place, quantiles, bias) + shifts
        until_ns = np.maximum(until_ns, np.minimum(there_ns, anchor_ns + branch.at_most_ns))
    return np.sort(until_ns - anchor_ns), until_ns


def _there_ns(branch: Branch, place: int, quantiles: Quantiles, bias: int | None) -> Samples:
    """When a branch's result is in the car, from its own frame's scheduled time."""
    planned = branch.planned
    steps = planned.plan.route.steps[:-1]  # what it delivers by itself is no part of it
    sample = idle_ns(planned.world, steps, quantiles, extra_ns=planned.source_ns, bias=bias)
    return _spread_out(sample, place) + branch.wait_ns


def _spread_out(sample: Samples, place: int) -> Samples:
    """As many quantiles of a sample as are paired, in an order of the place's own."""
    ordered = np.sort(sample)[(2 * np.arange(_SAMPLES) + 1) * len(sample) // (2 * _SAMPLES)]
    draws = np.random.Philox(key=np.array([_SEED, place], np.uint64)).random_raw(_SAMPLES)
    return np.asarray(ordered[np.argsort(draws, kind="stable")], np.int64)


def shifts_ns(
    anchor: Sequence[tuple[int, int]], partner: Sequence[tuple[int, int]], offset_ns: int
) -> tuple[int, ...]:
    """How much later the partner's frames are due than those of the anchor that they go with.

    Args:
        anchor: Stamp and scheduled time of each of its frames, in order.
        partner: The same; the frame whose stamp lies nearest counts.
        offset_ns: Where the partner's stamp should lie against the anchor's.
    """
    stamps = [stamp_ns for stamp_ns, _ in partner]
    found = []
    for stamp_ns, scheduled_ns in anchor[:: max(1, len(anchor) // 64)]:
        at = bisect_left(stamps, stamp_ns + offset_ns)
        near = partner[max(0, at - 1) : at + 1]
        if near:
            _, due_ns = min(near, key=lambda frame: abs(frame[0] - stamp_ns - offset_ns))
            found.append(due_ns - scheduled_ns)
    return tuple(found) or (0,)
