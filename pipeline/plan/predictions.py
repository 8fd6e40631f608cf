"""What a plan predicts of the route that runs, as distributions; types and document."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS: tuple[float, ...] = (5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9)
"""Percentiles that a predicted latency is written down at."""

_NS_PER_MS = 1_000_000


class SpanBand(Value, frozen=True, kw_only=True):
    """What a span of most frames should take.

    Attributes:
        low_ns: 10 % of the frames at the 10 % quantile of the devices' bias; of a wait 0.
        middle_ns: Median frame without bias; of a wait its mean.
        high_ns: 90 % of the frames at the 90 % quantile of the bias; of a wait one job of every
            other task in front, and likewise of a stage, whose wait for its host counts as its own.
    """

    low_ns: int
    middle_ns: int
    high_ns: int


class Prediction(Value, frozen=True, kw_only=True):
    """The route of a task, or what joins several, predicted.

    Attributes:
        route: Id of the route.
        latency_ns: Latency at each of `LEVELS`, waits for other tasks included as their mean.
        low_ns: Its median at the 10 % quantile of the devices' bias.
        high_ns: Its latency at the plan's percentile and the 90 % quantile of the bias.
        spans: Each span that it passes.
        over_link: Of a path that joins several routes, whether one of them crosses the link: what a
            fallback answered is not as planned then.
    """

    route: str
    latency_ns: tuple[int, ...]
    low_ns: int
    high_ns: int
    spans: dict[str, SpanBand]
    over_link: bool = False


class PredictionDocument(TypedDict):
    """A task's route, predicted; times in ms, bands as `[low, middle, high]`."""

    name: str
    route: str
    latency_ms: dict[str, float]
    band_ms: list[float]
    spans: dict[str, list[float]]


def prediction_documents(found: Mapping[str, Prediction]) -> list[PredictionDocument]:
    """Predictions of all tasks as plain data."""
    return [
        {
            "name": name,
            "route": one.route,
            "latency_ms": {
                f"p{level:g}": value_ns / _NS_PER_MS
                for level, value_ns in zip(LEVELS, one.latency_ns, strict=True)
            },
            "band_ms": [one.low_ns / _NS_PER_MS, one.high_ns / _NS_PER_MS],
            "spans": {
                span: [
                    band.low_ns / _NS_PER_MS,
                    band.middle_ns / _NS_PER_MS,
                    band.high_ns / _NS_PER_MS,
                ]
                for span, band in one.spans.items()
            },
        }
        for name, one in found.items()
    ]
