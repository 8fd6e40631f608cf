"""Predicting the route that runs: distributions of its latency and of each of its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.link.spread import LinkSpread
from pipeline.plan.predictions import LEVELS, Prediction, SpanBand
from pipeline.plan.steps import Move
from pipeline.planner.percentiles import samples_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.link.model import Direction, LinkConfig
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.planning import Planned

    Samples = NDArray[np.int64]

_LOW, _HIGH = 10.0, 90.0
_LINK_LEVELS = tuple((2 * level + 1) * 50.0 / 40 for level in range(40))
_BIAS = {"low": 0, "zero": None, "high": 1}
_WAITS = ("edge_wait", "uplink_wait", "cloud_wait", "downlink_wait")


def predict(
    planned: Planned,
    link: LinkConfig,
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    percentile: float,
    waits_ns: Mapping[str, tuple[int, int]],
) -> Prediction:
    """Predict the route that a task runs.

    Args:
        planned: The task's plan.
        link: The link.
        quantiles: Quantile tables of run times by name.
        percentile: The plan's percentile.
        waits_ns: Per waiting span the mean wait for other tasks, and the longest with one job of
            each of them in front, in ns.
    """
    candidate = planned.plan.candidates[planned.plan.run]
    host = planned.world.vehicle_host
    spread = LinkSpread(link, task=planned.plan.task)
    steps: dict[str, list[RouteStep]] = {}
    for step in candidate.route.steps:
        steps.setdefault(step.span, []).append(step)
    bands = {"source": _fixed(planned.source_ns)}
    deliver_ns = host.hop_ns(message_bytes=candidate.bytes_down)
    for span, mine in steps.items():
        if span in ("uplink", "downlink"):
            hop_ns = host.hop_ns(message_bytes=mine[0].bytes)
            bands[span] = _crossing(mine, spread, hop_ns)
            bands[f"{span}_wait"] = _fixed(hop_ns)
        else:
            extra_ns = deliver_ns if span == "deliver" else 0
            bands[span] = _running(mine, quantiles, extra_ns)
    for span, (mean_ns, most_ns) in waits_ns.items():
        before = bands.get(span, _fixed(0))
        runs = span.removesuffix("_wait") in steps
        if span in _WAITS and runs:
            bands[span] = SpanBand(
                low_ns=0, middle_ns=before.middle_ns + mean_ns, high_ns=before.high_ns + most_ns
            )
    totals = {
        name: _total(planned, spread, quantiles, deliver_ns, bias) for name, bias in _BIAS.items()
    }
    mean_ns = sum(mean for span, (mean, _) in waits_ns.items() if span in bands)
    return Prediction(
        route=candidate.route.id,
        latency_ns=tuple(_at(totals["zero"], level) + mean_ns for level in LEVELS),
        low_ns=_at(totals["low"], _LOW),
        high_ns=_at(totals["high"], percentile) + mean_ns,
        spans=bands,
    )


def _fixed(time_ns: int) -> SpanBand:
    """A time that neither jitters nor is biased, as far as the plan knows."""
    return SpanBand(low_ns=time_ns, middle_ns=time_ns, high_ns=time_ns)


def _running(
    steps: Sequence[RouteStep], quantiles: Mapping[str, tuple[int, ...]], extra_ns: int
) -> SpanBand:
    low, middle, high = (samples_ns(steps, quantiles, bias=bias) for bias in _BIAS.values())
    return SpanBand(
        low_ns=_at(low, _LOW) + extra_ns,
        middle_ns=_at(middle, 50.0) + extra_ns,
        high_ns=_at(high, _HIGH) + extra_ns,
    )


def _crossing(steps: Sequence[RouteStep], spread: LinkSpread, hop_ns: int) -> SpanBand:
    """A move, the hop out of the relay included; its first hop ends with the wait."""
    low_ns, middle_ns, high_ns = (0, 0, 0)
    for step in steps:
        times = spread.transfer_ns(step.bytes, _way(step), (_LOW, 50.0, _HIGH))
        low_ns, middle_ns, high_ns = (
            sum_ns + time_ns + hop_ns
            for sum_ns, time_ns in zip((low_ns, middle_ns, high_ns), times, strict=True)
        )
    return SpanBand(low_ns=low_ns, middle_ns=middle_ns, high_ns=high_ns)


def _total(
    planned: Planned,
    spread: LinkSpread,
    quantiles: Mapping[str, tuple[int, ...]],
    deliver_ns: int,
    bias: int | None,
) -> Samples:
    """A sample of the whole route's latency, ascending; the link's spread in 40 levels."""
    steps = planned.plan.candidates[planned.plan.run].route.steps
    link = planned.world.link
    own = samples_ns(steps, quantiles, bias=bias)[::10] + planned.source_ns + deliver_ns
    extra = np.zeros(len(_LINK_LEVELS), np.int64)
    for step in steps:
        if isinstance(step.step, Move) and planned.world.sites.site_of(step.step) is None:
            times = spread.transfer_ns(step.bytes, _way(step), _LINK_LEVELS)
            extra += np.array(times, np.int64) - link.transfer_ns(step.bytes, _way(step))
    return np.sort((own[:, None] + extra[None, :]).reshape(-1))


def _way(step: RouteStep) -> Direction:
    return "down" if step.span == "downlink" else "up"


def _at(sample: Samples, level: float) -> int:
    return int(np.percentile(sample, level, method="inverted_cdf"))
