"""Predicting the route that runs: distributions of its latency and of each of its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from pipeline.plan.predictions import LEVELS, Prediction, SpanBand
from pipeline.planner.percentiles import samples_ns
from pipeline.planner.pricing import CARRIES
from pipeline.planner.sampling import idle_ns, way_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.link.spread import LinkSpread
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.planning import Planned

    Samples = NDArray[np.int64]

LOW, HIGH = 10.0, 90.0
BIAS = {"low": 0, "zero": None, "high": 1}
_WAITS = ("edge_wait", "uplink_wait", "cloud_wait", "downlink_wait")


def predict(
    planned: Planned,
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    percentile: float,
    waits_ns: Mapping[str, tuple[int, int]],
    queues_ns: Mapping[str, int],
) -> Prediction:
    """Predict the route that a task runs.

    Args:
        planned: The task's plan.
        quantiles: Quantile tables of run times by name.
        percentile: The plan's percentile.
        waits_ns: Per waiting span the mean wait for other tasks, and the longest with one job of
            each of them in front, in ns.
        queues_ns: Per host the longest wait for one stage of each other task, in ns: it has no span
            of its own, and counts as the stage's.
    """
    candidate = planned.plan.candidates[planned.plan.run]
    host = planned.world.vehicle_host
    spread = planned.world.spread
    steps: dict[str, list[RouteStep]] = {}
    for step in candidate.route.steps:
        steps.setdefault(step.span, []).append(step)
    bands = {"source": _fixed(planned.source_ns)}
    deliver_ns = host.hop_ns(message_bytes=candidate.bytes_down, kind="result")
    for span, mine in steps.items():
        if span in ("uplink", "downlink"):
            hop_ns = host.hop_ns(message_bytes=mine[0].bytes, kind=CARRIES[span])
            bands[span] = _crossing(mine, spread, hop_ns)
            bands[f"{span}_wait"] = _fixed(hop_ns)
        else:
            band = running(mine, quantiles, deliver_ns if span == "deliver" else 0)
            queue_ns = max(
                [queues_ns.get(planned.world.sites.device_of(step.step), 0) for step in mine]
            )
            bands[span] = replace(band, high_ns=band.high_ns + queue_ns)
    for span, (mean_ns, most_ns) in waits_ns.items():
        before = bands.get(span, _fixed(0))
        runs = span.removesuffix("_wait") in steps
        if span in _WAITS and runs:
            bands[span] = SpanBand(
                low_ns=0, middle_ns=before.middle_ns + mean_ns, high_ns=before.high_ns + most_ns
            )
    extra_ns = planned.source_ns + deliver_ns
    totals = {
        name: idle_ns(planned.world, candidate.route.steps, quantiles, extra_ns=extra_ns, bias=bias)
        for name, bias in BIAS.items()
    }
    mean_ns = sum(mean for span, (mean, _) in waits_ns.items() if span in bands)
    return Prediction(
        route=candidate.route.id,
        latency_ns=tuple(value_at(totals["zero"], level) + mean_ns for level in LEVELS),
        low_ns=value_at(totals["low"], LOW),
        high_ns=value_at(totals["high"], percentile) + mean_ns,
        spans=bands,
    )


def _fixed(time_ns: int) -> SpanBand:
    """A time that neither jitters nor is biased, as far as the plan knows."""
    return SpanBand(low_ns=time_ns, middle_ns=time_ns, high_ns=time_ns)


def running(
    steps: Sequence[RouteStep], quantiles: Mapping[str, tuple[int, ...]], extra_ns: int
) -> SpanBand:
    """The band of steps one after the other, with a constant time beside them in ns."""
    low, middle, high = (samples_ns(steps, quantiles, bias=bias) for bias in BIAS.values())
    return SpanBand(
        low_ns=value_at(low, LOW) + extra_ns,
        middle_ns=value_at(middle, 50.0) + extra_ns,
        high_ns=value_at(high, HIGH) + extra_ns,
    )


def _crossing(steps: Sequence[RouteStep], spread: LinkSpread, hop_ns: int) -> SpanBand:
    """A move, the hop out of the relay included; its first hop ends with the wait."""
    low_ns, middle_ns, high_ns = (0, 0, 0)
    for step in steps:
        times = spread.transfer_ns(step.bytes, way_of(step), (LOW, 50.0, HIGH))
        low_ns, middle_ns, high_ns = (
            sum_ns + time_ns + hop_ns
            for sum_ns, time_ns in zip((low_ns, middle_ns, high_ns), times, strict=True)
        )
    return SpanBand(low_ns=low_ns, middle_ns=middle_ns, high_ns=high_ns)


def value_at(sample: Samples, level: float) -> int:
    """The figure of a sample that a percentile of it does not exceed."""
    return int(np.percentile(sample, level, method="inverted_cdf"))
