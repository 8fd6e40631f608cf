"""Candidates judged by virtual runs: shares, bounds, and the order that they give."""

from __future__ import annotations

import pytest

from pipeline.plan.plan import Broken, Candidate, Verified
from pipeline.plan.routes import Route
from pipeline.planner.verifying import held_against, least_share, order

_MS = 1_000_000
LATE = Broken(constraint="deadline", subject="", needed=60 * _MS, text="late")
FULL = Broken(constraint="memory", subject="d", needed=5, text="full")


def candidate(*broken: Broken, latency_ms: int = 60, robust: bool = False) -> Candidate:
    """A candidate of this latency."""
    return Candidate(
        name="split",
        pin=None,
        route=Route(id="r", task="t", variant="v", model="m", steps=()),
        cut=("x",),
        codecs=("int8",),
        latency_ns=latency_ms * _MS,
        interval_ns=(latency_ms * _MS, latency_ms * _MS),
        spans={},
        bytes_up=1,
        bytes_down=1,
        energy_pj=None,
        agreement=1.0,
        label="assumed",
        feasible=not broken,
        robust=robust,
        allowed=True,
        why="",
        broken=broken,
    )


def seen(hits: int, *, high: int | None = None, frames: int = 475) -> Verified:
    """What came of a run."""
    return Verified(
        frames=frames,
        hits=hits,
        least=least_share(hits, frames, 0.95),
        hits_high=hits if high is None else high,
        latency_ns=40 * _MS,
    )


@pytest.mark.parametrize(
    ("frames", "late", "percentile"), [(299, 0, 99), (473, 1, 99), (2995, 0, 99.9), (59, 0, 95)]
)
def test_the_bound_is_that_of_the_published_tables(
    frames: int, late: int, percentile: float
) -> None:
    """So many frames with so many late show the percentile, and one frame fewer does not."""
    wanted = percentile / 100
    assert least_share(frames - late, frames, 0.95) >= wanted
    assert least_share(frames - 1 - late, frames - 1, 0.95) < wanted


def test_no_hit_at_all_shows_nothing() -> None:
    """The bound is zero."""
    assert least_share(0, 100, 0.95) == 0.0


def test_a_run_in_time_overrules_a_cautious_prediction() -> None:
    """But no other constraint."""
    judged = held_against(candidate(LATE), seen(475), 99.0)
    assert judged.feasible
    assert judged.robust
    assert not judged.broken
    still = held_against(candidate(LATE, FULL), seen(475), 99.0)
    assert [b.constraint for b in still.broken] == ["memory"]
    assert not still.feasible


def test_a_run_that_is_late_overrules_a_hopeful_one() -> None:
    """And says what share was in time, and which latency would have done."""
    judged = held_against(candidate(latency_ms=20, robust=True), seen(460), 99.0)
    (broken,) = judged.broken
    assert not judged.feasible
    assert not judged.robust
    assert broken.needed == 40 * _MS
    assert "96.8 %" in broken.text


def test_what_is_late_with_slow_devices_is_not_robust() -> None:
    """Though it is feasible with those of the plan."""
    judged = held_against(candidate(), seen(475, high=400), 99.0)
    assert judged.feasible
    assert not judged.robust


def test_the_order_is_hits_then_robustness_then_latency() -> None:
    """What was not run stands behind all that were."""
    often = held_against(candidate(latency_ms=50), seen(475), 99.0)
    quick = held_against(candidate(latency_ms=10), seen(470), 99.0)
    fragile = held_against(candidate(latency_ms=5), seen(475, high=470), 99.0)
    unseen = candidate(latency_ms=1)
    found = sorted([unseen, quick, fragile, often], key=order)
    assert found[0] is often
    assert found[-1] is unseen
