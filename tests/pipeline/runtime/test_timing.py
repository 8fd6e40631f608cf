"""Modelled durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.plan import Host, RouteStep
from pipeline.runtime.timing import Hops, Timing

if TYPE_CHECKING:
    from pipeline.runtime.timing import Bias

MS = 1_000_000
TABLE = (500_000, 1_000_000, 2_000_000)


def _timing(*, seed: int = 1, bias: Bias = "zero", hop_jitter: str = "") -> Timing:
    hops = Hops.line(fixed_ns=300, ns_per_mib=1_000, jitter=hop_jitter)
    return Timing(seed=seed, quantiles={"j": TABLE}, hops=hops, bias=bias)


def _step(jitter: str = "j", interval_ns: tuple[int, int] = (0, 0)) -> RouteStep:
    return RouteStep(
        step=Host(stage="prepare", site="vehicle"),
        after=(),
        span="prepare",
        latency_ns=8 * MS,
        interval_ns=interval_ns,
        jitter=jitter,
    )


def test_a_step_without_a_table_takes_its_median() -> None:
    """No spread is known, so none is made up; an unknown table is none."""
    timing = _timing()
    for name in ("", "unknown"):
        assert timing.job_ns(_step(name), task="objects", index=1, frame=4) == 8 * MS


def test_a_duration_is_the_median_times_a_quantile() -> None:
    """Whole nanoseconds, out of the table only, and every entry comes up."""
    timing = _timing()
    seen = {timing.job_ns(_step(), task="objects", index=1, frame=frame) for frame in range(99)}
    assert seen == {4 * MS, 8 * MS, 16 * MS}


def test_task_step_frame_and_seed_are_what_a_draw_depends_on() -> None:
    """The same four give the same duration; another task's draws are others."""

    def series(seed: int, task: str, index: int) -> list[int]:
        timing = _timing(seed=seed)
        return [timing.job_ns(_step(), task=task, index=index, frame=n) for n in range(64)]

    assert series(1, "objects", 1) == series(1, "objects", 1)
    others = [series(2, "objects", 1), series(1, "lanes", 1), series(1, "objects", 2)]
    assert series(1, "objects", 1) not in others


@pytest.mark.parametrize(
    ("bias", "median_ns"), [("low", 6 * MS), ("zero", 8 * MS), ("high", 9 * MS)]
)
def test_the_bias_moves_the_median_of_a_device(bias: Bias, median_ns: int) -> None:
    """The ends of the interval stand for the device's bias quantiles."""
    timing = _timing(bias=bias)
    step = _step("", (6 * MS, 9 * MS))
    assert timing.job_ns(step, task="objects", index=0, frame=0) == median_ns


def test_a_step_without_an_interval_has_no_bias() -> None:
    """A host stage has no device model of its own."""
    step = _step("")
    assert _timing(bias="high").job_ns(step, task="objects", index=0, frame=0) == 8 * MS


def test_a_hop_costs_a_fixed_part_and_a_part_by_size() -> None:
    """The draw of a frame's hop is its own, the cost behind it that of the size."""
    assert Hops.line(fixed_ns=300, ns_per_mib=1_000).cost_ns(3 << 20, "work") == 3_300
    assert _timing().hop_ns(1 << 20, subject="front", kind="frame", frame=0) == 1_300
    timing = _timing(hop_jitter="j")
    for frame in range(8):
        hop_ns = timing.hop_ns(1 << 20, subject="front", kind="frame", frame=frame)
        assert hop_ns in (650, 1_300, 2_600)
