"""What a plan's caution costs against what is best in the mean."""

from __future__ import annotations

from pipeline.plan.plan import Broken, Candidate
from pipeline.plan.routes import Route
from pipeline.planner.robustness import robustness_of

MS = 1_000_000
DEADLINE = 100 * MS


def row(
    name: str, mean_ms: int, high_ms: int, *broken: Broken, agreement: float = 1.0, share: float = 1
) -> Candidate:
    """A candidate with a mean, and a latency at the slow end of the bias."""
    return Candidate(
        name="split",
        pin=None,
        route=Route(id=name, task="t", variant="v", model="m", steps=()),
        cut=("x",),
        codecs=("int8",),
        latency_ns=high_ms * MS,
        interval_ns=(mean_ms * MS, high_ms * MS),
        spans={},
        bytes_up=1,
        bytes_down=1,
        energy_pj=None,
        agreement=agreement,
        label="assumed",
        feasible=not broken,
        robust=high_ms * MS <= DEADLINE,
        allowed=True,
        why="",
        broken=broken,
        mean_ns=mean_ms * MS,
        in_time=share,
    )


LATE = Broken(constraint="deadline", subject="", needed=140 * MS, text="late")
SLOW = Broken(constraint="device", subject="edge0", needed=140 * MS, text="slow")


def test_what_is_quick_in_the_mean_and_late_at_the_tail_is_what_caution_gives_up() -> None:
    """It costs ten milliseconds in the mean, and two points are gained."""
    found = robustness_of(
        [
            row("safe", 60, 90),
            row("risky", 50, 140, LATE, agreement=0.98, share=0.9),
            row("out of pace", 10, 20, SLOW),
        ],
        0,
        DEADLINE,
    )
    assert found is not None
    assert found.mean_optimal == 1
    assert found.mean_cost_ns == 10 * MS
    assert found.agreement_cost is not None
    assert round(found.agreement_cost, 6) == -0.02
    assert round(found.in_time_gain, 6) == 0.1
    assert found.high_gain_ns == 50 * MS


def test_caution_costs_nothing_where_both_are_the_same() -> None:
    """And the index is that of what runs, of equals as well."""
    rows = [row("first", 60, 90), row("second", 60, 80), row("worse", 50, 60, agreement=0.5)]
    for run in (0, 1):
        found = robustness_of(rows, run, DEADLINE)
        assert found is not None
        assert (found.mean_optimal, found.mean_cost_ns) == (run, 0)


def test_nothing_in_time_in_the_mean_has_no_figure() -> None:
    """The deadline is below all means."""
    assert robustness_of([row("only", 120, 150, LATE)], 0, DEADLINE) is None
