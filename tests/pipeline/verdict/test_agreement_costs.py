"""Costs of host stages and hops, read off the event logs of live runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.runtime.core.events import FrameOffered, Job, JobDone, MessageArrived, Output
from pipeline.runtime.core.messages import Crossing, Message
from pipeline.runtime.journal import Entry
from pipeline.runtime.timing import Hops
from pipeline.verdict.agreement_costs import Costs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.messages import MessageKind

MS = 1_000_000
HOPS = Hops.line(fixed_ns=300_000, ns_per_mib=1 << 20)


@pytest.fixture
def core(write_scenario: Callable[..., Path]) -> CoreConfig:
    """Machines of the small scenario, whose first step is `prepare` and second runs on a device."""
    return api.check(write_scenario()).spec.core


def line(at_ns: int, event: JobDone | MessageArrived | None, *started: Job) -> Entry:
    """A line of a log with the jobs that it started."""
    commands: list[dict[str, object]] = [
        {"is": "Start", "jobs": [[job.frame, job.task, job.step]]} for job in started
    ]
    return Entry(at_ns=at_ns, event=event, commands=commands)


def done(job: Job, began_ns: int, ended_ns: int) -> JobDone:
    """It is over."""
    return JobDone(
        jobs=(job,),
        device="vehicle-host",
        began_ns=began_ns,
        ended_ns=ended_ns,
        outputs=(Output(ref="1"),),
    )


def crossed(kind: MessageKind, hop_ns: int, size_bytes: int) -> MessageArrived:
    """A message that took 40 ms on the link, and so much besides."""
    message = Message(
        kind=kind,
        epoch=1,
        nonce=1,
        task="objects",
        stream="front",
        frame=1,
        content=1,
        route="r",
        model="m",
        step=1,
        scheduled_ns=0,
        deadline_at_ns=1,
    )
    crossing = Crossing(began_ns=0, arrived_ns=40 * MS + hop_ns, modelled_ns=40 * MS)
    return MessageArrived(message=message, ref="1", bytes=size_bytes, sent_ns=0, crossing=crossing)


def test_a_stage_costs_what_lies_between_its_start_and_the_news_of_its_end(
    core: CoreConfig,
) -> None:
    """Its own time is told apart; warm-up and devices are left out."""
    costs = Costs(core, HOPS)
    costs.begin()
    steps = core.tasks["objects"].steps
    on_device = next(i for i, step in enumerate(steps) if step.span == "edge")
    for frame in range(-1, 5):
        begin_ns = frame * 50 * MS
        job, other = Job(frame, "objects", 0), Job(frame, "objects", on_device)
        costs.see(line(begin_ns, None, job, other))
        slow_ns = 90 * MS if frame < 0 else MS
        costs.see(line(begin_ns + 3 * MS, done(job, begin_ns + MS, begin_ns + MS + slow_ns)))
        costs.see(line(begin_ns + 4 * MS, done(other, begin_ns, begin_ns + 4 * MS)))
    (prepare,) = costs.found()
    assert (prepare.what, prepare.where, prepare.seen) == ("prepare", "vehicle-host", 5)
    assert (prepare.own_ns, prepare.live_ns) == (MS, 3 * MS)
    assert prepare.modelled_ns == steps[0].latency_ns


def test_a_hop_is_half_of_what_a_message_over_the_link_takes_besides(core: CoreConfig) -> None:
    """The relay stands between; a result goes to the consumer at once."""
    costs = Costs(core, HOPS)
    for _ in range(3):
        costs.see(line(0, crossed("work", 4 * MS, 1000)))
        costs.see(line(0, crossed("result", 2 * MS, 500)))
    found = {cost.where: cost for cost in costs.found()}
    assert (found["work"].live_ns, found["result"].live_ns) == (2 * MS, 2 * MS)
    assert (found["work"].modelled_ns, found["work"].size_bytes) == (301_000, 1000)
    assert found["result"].own_ns is None


def test_a_pictures_hop_counts_from_when_it_was_due(core: CoreConfig) -> None:
    """The player's lag is part of it; warm-up is left out."""
    costs = Costs(core, HOPS)
    for warmup in (False, True):
        offered = FrameOffered(
            stream="front",
            frame=1,
            content=1,
            scheduled_ns=5 * MS,
            ref="1",
            bytes=1 << 20,
            warmup=warmup,
        )
        costs.see(Entry(at_ns=(7 + 90 * warmup) * MS, event=offered, commands=[]))
    (frame,) = costs.found()
    assert (frame.task, frame.where, frame.seen) == ("front", "frame", 1)
    assert (frame.live_ns, frame.modelled_ns) == (2 * MS, HOPS.cost_ns(1 << 20, "frame"))


def test_a_job_of_another_log_is_not_taken_for_one_of_this(core: CoreConfig) -> None:
    """Runs have the same frames: a start that one log has ends in that log."""
    costs = Costs(core, HOPS)
    job = Job(0, "objects", 0)
    costs.see(line(0, None, job))
    costs.begin()
    costs.see(line(MS, done(job, 0, MS)))
    assert costs.found() == []
