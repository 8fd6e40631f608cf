"""Predicted percentiles: fixed samples, exact sums, bias apart from jitter."""

from __future__ import annotations

from pipeline.plan.routes import RouteStep
from pipeline.plan.steps import Run
from pipeline.planner.percentiles import latency_at

TABLE = {"d": tuple(900_000 + 2_000 * i for i in range(101))}  # 0.9 to 1.1 of the median


def _step(latency_ns: int, jitter: str = "") -> RouteStep:
    return RouteStep(
        step=Run(segment="s", device="d"),
        after=(),
        span="edge",
        latency_ns=latency_ns,
        interval_ns=(latency_ns // 2, latency_ns * 2),
        jitter=jitter,
    )


def test_without_jitter_every_percentile_is_the_sum() -> None:
    """Constant steps and constant extra time add up exactly."""
    steps = [_step(1_000), _step(2_500)]
    assert latency_at(steps, {}, percentile=50, extra_ns=7) == 3_507
    assert latency_at(steps, {}, percentile=99.9, extra_ns=7) == 3_507


def test_the_tail_of_a_sum_is_thinner_than_the_sum_of_tails() -> None:
    """Independent jitters of two steps partly cancel."""
    one = latency_at([_step(1_000_000, "d")], TABLE, percentile=99)
    two = latency_at([_step(1_000_000, "d")] * 2, TABLE, percentile=99)
    assert 1_090_000 < one <= 1_100_000
    assert 2_000_000 < two < 2 * one


def test_bias_moves_every_frame_alike() -> None:
    """The 10 % and 90 % quantile of the bias take the step's own bounds."""
    steps = [_step(1_000)]
    assert latency_at(steps, {}, percentile=50, bias=0) == 500
    assert latency_at(steps, {}, percentile=50, bias=1) == 2_000
