"""The plan held against the run: each span's observed median in the band that was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from pipeline.ledger import SPANS
from pipeline.plan.predictions import LEVELS
from pipeline.verdict.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.plan.predictions import Prediction
    from pipeline.verdict.figures import PathFigures
    from pipeline.verdict.shapes import PathDocument

LEAST_NS = 100_000
"""A tenth of a millisecond: less than that between predicted and observed is no error."""

SHARE = 0.05
"""Nor is a twentieth of the predicted figure: hops and hosts are no better known."""

_NS_PER_MS = 1_000_000


class SpanPredictionDocument(TypedDict):
    """A span: predicted `[low, middle, high]` and the observed median, in ms; null without one.

    `off` says whether the median lies outside of the band.
    """

    predicted_ms: list[float]
    observed_ms: float | None
    off: bool | None


class PredictionCheckDocument(TypedDict):
    """A path's route as planned: what was predicted, and what its frames took.

    `frames` counts the answered frames that took the planned route; others say nothing of it.
    `observed_at_ms` is the observed latency at the plan's percentile. `off` names what was outside.
    """

    route: str
    frames: int
    percentile: float
    predicted_ms: list[float]
    observed_ms: float | None
    observed_at_ms: float | None
    spans: dict[str, SpanPredictionDocument]
    off: list[str]


def check_prediction(
    figures: PathFigures, predicted: Prediction, percent: float
) -> PredictionCheckDocument:
    """Hold a path's frames on the planned route against what the plan predicted of it.

    Args:
        figures: The path's rows.
        predicted: What the plan says of its route.
        percent: The plan's percentile, above 0 and below 100.
    """
    mine = figures.answered & figures.took(predicted.route)
    if predicted.over_link:
        mine &= ~figures.fell_back()
    durations_ns, passed = figures.durations_ns()
    spans: dict[str, SpanPredictionDocument] = {}
    off = []
    for index, span in enumerate(SPANS):
        band = predicted.spans.get(span)
        there = mine & passed[:, index]
        if band is None:
            continue
        middle = percentile(durations_ns[there, index].astype(np.float64), 50).value
        outside = None
        if middle is not None:
            outside = not _within(middle, band.low_ns, band.high_ns)
        spans[span] = {
            "predicted_ms": [
                band.low_ns / _NS_PER_MS,
                band.middle_ns / _NS_PER_MS,
                band.high_ns / _NS_PER_MS,
            ],
            "observed_ms": None if middle is None else middle / _NS_PER_MS,
            "off": outside,
        }
        if outside:
            off.append(span)
    latencies_ns = figures.latencies_ns()[mine]
    middle_ns = percentile(latencies_ns, 50).value
    at_ns = percentile(latencies_ns, percent).value
    too_quick = middle_ns is not None and not _within(middle_ns, predicted.low_ns, None)
    too_slow = at_ns is not None and not _within(at_ns, 0, predicted.high_ns)
    if too_quick or too_slow:
        off.append("latency")
    return {
        "route": predicted.route,
        "frames": int(mine.sum()),
        "percentile": percent,
        "predicted_ms": [
            predicted.low_ns / _NS_PER_MS,
            _median_ns(predicted) / _NS_PER_MS,
            predicted.high_ns / _NS_PER_MS,
        ],
        "observed_ms": None if middle_ns is None else middle_ns / _NS_PER_MS,
        "observed_at_ms": None if at_ns is None else at_ns / _NS_PER_MS,
        "spans": spans,
        "off": off,
    }


def prediction_line(path: PathDocument) -> str:
    """Predicted and observed latency of a path, and the spans that were off; "" for nothing."""
    found = path["prediction"]
    if found is None or found["observed_ms"] is None:
        return ""
    low, middle, high = found["predicted_ms"]
    at = found["observed_at_ms"]
    observed = f"{found['observed_ms']:.1f}" + ("" if at is None else f", {at:.1f}")
    text = (
        f"p50 {middle:.1f} ms, p{found['percentile']:g} up to {high:.1f} ms; observed {observed} ms"
        f" over {found['frames']} frames on the planned route"
    )
    if not found["off"]:
        return f"{text}; every span within its interval"
    return f"{text}; OFF: {', '.join(_off(found, name, low) for name in found['off'])}"


def _off(found: PredictionCheckDocument, name: str, low: float) -> str:
    span = found["spans"].get(name)
    if span is None or span["observed_ms"] is None:
        return f"{name} (predicted {low:.1f}–{found['predicted_ms'][2]:.1f})"  # noqa: RUF001 - a range
    first, _, last = span["predicted_ms"]
    return f"{name} {span['observed_ms']:.2f} (predicted {first:.2f}–{last:.2f})"  # noqa: RUF001


def off_notes(paths: Mapping[str, PredictionCheckDocument | None]) -> list[str]:
    """A note for each path whose plan was off by more than its interval."""
    return [
        f"{name}: the plan's prediction was off in {', '.join(found['off'])}"
        for name, found in paths.items()
        if found is not None and found["off"]
    ]


def _median_ns(predicted: Prediction) -> int:
    return predicted.latency_ns[LEVELS.index(50.0)]


def _within(value_ns: float, low_ns: int, high_ns: int | None) -> bool:
    if value_ns < low_ns - max(LEAST_NS, SHARE * low_ns):
        return False
    return high_ns is None or value_ns <= high_ns + max(LEAST_NS, SHARE * high_ns)
