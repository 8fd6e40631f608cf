"""The plan's rule: in time alone or by a hedge, then agreement, then speed."""

from __future__ import annotations

from pipeline.plan.plan import Candidate, Cover
from pipeline.plan.routes import Route
from pipeline.planner.conditions import best_of

MS = 1_000_000
DEADLINE = 100 * MS


def row(name: str, agreement: float, *, hedge: Cover | None = None) -> Candidate:
    """A candidate that crosses, but for its latency."""
    return Candidate(
        name="encoded",
        pin=None,
        route=Route(id=name, task="t", variant="v", model="m", steps=()),
        cut=("x",),
        codecs=("jpeg:80",),
        latency_ns=90 * MS,
        interval_ns=(90 * MS, 90 * MS),
        spans={},
        bytes_up=1,
        bytes_down=1,
        energy_pj=None,
        agreement=agreement,
        label="assumed",
        feasible=True,
        robust=True,
        allowed=True,
        why="",
        hedge=hedge,
    )


def cover(*, answers: float, agreement: float, least_ms: int = 80) -> Cover:
    """A hedge in the car that answers some share of the frames."""
    return Cover(
        form="variant:nano",
        start_ns=10 * MS,
        ends_ns=90 * MS,
        least_ns=least_ms * MS,
        runs=answers,
        answers=answers,
        agreement=agreement,
        edge_ns=40 * MS,
        energy_pj=None,
        alone_ns=300 * MS,
        keeps=True,
        alone_keeps=False,
    )


def chosen(*rows: Candidate, latencies_ms: tuple[int, ...]) -> int:
    """Index that the rule takes, all in pace."""
    return best_of(rows, [ms * MS for ms in latencies_ms], DEADLINE, [True] * len(rows))


def test_what_its_hedge_keeps_in_time_competes_by_what_both_agree() -> None:
    """Three quarters of 0.9 and a quarter of 0.6 beat 0.7 all the time, and not 0.85."""
    covered = row("far", 0.9, hedge=cover(answers=0.25, agreement=0.6))
    assert chosen(row("car", 0.7), covered, latencies_ms=(50, 300)) == 1
    assert chosen(row("car", 0.85), covered, latencies_ms=(50, 300)) == 0


def test_a_hedge_that_cannot_be_in_time_keeps_nothing() -> None:
    """And where nothing is in time at all, the fastest runs."""
    late = row("far", 0.9, hedge=cover(answers=0.25, agreement=0.6, least_ms=110))
    assert chosen(row("car", 0.5), late, latencies_ms=(50, 300)) == 0
    assert chosen(row("car", 0.5), late, latencies_ms=(400, 300)) == 1
