"""The agreement benchmark's own arithmetic: how busy, and how much of an aim is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import agreement
from pipeline import api
from pipeline.ledger.rows import Row
from pipeline.runtime.core.events import Job, JobDone, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ledger.fates import Fate
    from pipeline.verdict.agreement_document import ComparedDocument

MS = 1_000_000


def row(frame: int, fate: Fate = "cloud", stamps_ns: Mapping[str, int] | None = None) -> Row:
    """A frame due every 100 ms."""
    due_ns = frame * 100 * MS
    return Row(
        path="p",
        frame=frame,
        content=frame,
        scheduled_ns=due_ns,
        deadline_at_ns=due_ns + 100 * MS,
        fate=fate,
        stamps={span: due_ns + at_ns for span, at_ns in (stamps_ns or {}).items()},
    )


def compared(difference_ms: float | None, tolerance_ms: float | None) -> ComparedDocument:
    """A figure of which only the difference and its tolerance count."""
    return {
        "name": "p50",
        "frames": 1,
        "modelled_ms": 1.0,
        "live_ms": 1.0,
        "difference_ms": difference_ms,
        "difference_share": None,
        "interval_ms": None,
        "tolerance_ms": tolerance_ms,
        "spread_ms": None,
        "answer": None,
        "reason": None,
    }


def test_a_run_lasts_a_period_for_every_frame() -> None:
    """The last frame counts as well; two paths with the same frames are no longer for that."""
    rows = [row(frame) for frame in (0, 1, 1, 2, 3)]
    assert agreement.span_of_run_ns(rows) == 400 * MS
    with pytest.raises(ValueError, match="no length"):
        agreement.span_of_run_ns([row(0)])


def test_a_slot_is_busy_with_every_job_and_the_ledger_knows_of_answers_alone() -> None:
    """Warm-up counts nowhere, another device's work neither."""

    def done(frame: int, device: str, took_ns: int) -> JobDone:
        return JobDone(
            jobs=(Job(frame, "t", 1),),
            device=device,
            began_ns=MS,
            ended_ns=MS + took_ns,
            outputs=(Output(ref="1"),),
        )

    jobs = [done(0, "edge0", 5), done(0, "edge0", 7), done(-1, "edge0", 90), done(0, "other", 90)]
    assert agreement.job_ns(jobs, {"edge0"}) == 12
    stamps = {"source": MS, "prepare": 2 * MS, "edge_wait": 5 * MS, "edge": 25 * MS}
    assert agreement.edge_ns(row(3, "cloud", stamps)) == 20 * MS
    assert agreement.edge_ns(row(3, "edge", stamps)) == 0


def test_an_aim_is_used_up_from_either_side() -> None:
    """Half below is as much as half above; no figure uses nothing."""
    assert agreement.used_of(compared(-1.0, 2.0)) == agreement.used_of(compared(1.0, 2.0)) == 0.5
    assert agreement.used_of(compared(None, 2.0)) == 0
    assert agreement.used_of(compared(3.0, None)) == 0


def test_the_load_has_hedges_two_tasks_and_enough_frames() -> None:
    """The scenario that the benchmark names is what it says it is."""
    scenario = api.check(agreement.SCENARIO).loaded.scenario
    assert len(scenario.tasks) == 2
    assert scenario.policy.hedge.start == "latest"
    frames = scenario.drive.synthetic
    assert frames is not None
    period_ns = scenario.drive.streams["front"]
    assert period_ns is not None
    assert period_ns.period
    count = frames.length // period_ns.period * scenario.run.loop * len(scenario.paths)
    assert count >= 1_500
