"""Noise of a live run's host, read off its event logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pipeline.runtime.core.events import FrameOffered, Job, JobDone, MessageArrived, Output
from pipeline.runtime.core.messages import Crossing, Message
from pipeline.runtime.journal import Entry
from pipeline.verdict.agreement_noise import Lateness, noise_of

if TYPE_CHECKING:
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.messages import MessageKind
    from pipeline.verdict.shapes import ResultDocument

MS = 1_000_000


def entry(at_ns: int, event: Event) -> Entry:
    """A line of a log."""
    return Entry(at_ns=at_ns, event=event, commands=[])


def held(frame: int, late_ns: int, *, modelled_ns: int = 5 * MS) -> Entry:
    """A hold that let go so late."""
    done = JobDone(
        jobs=(Job(frame, "t", 1),),
        device="edge0",
        began_ns=0,
        ended_ns=modelled_ns + late_ns,
        outputs=(Output(ref="1"),),
        modelled_ns=modelled_ns,
    )
    return entry(0, done)


def arrived(frame: int, kind: MessageKind, hop_ns: int, *, modelled_ns: int = 0) -> Entry:
    """A message that took so much longer than the shaped link."""
    message = Message(
        kind=kind,
        epoch=1,
        nonce=1,
        task="t",
        stream="s",
        frame=frame,
        content=0,
        route="r",
        model="m",
        step=1,
        scheduled_ns=0,
        deadline_at_ns=1,
    )
    crossing = Crossing(began_ns=0, arrived_ns=100 + modelled_ns + hop_ns, modelled_ns=modelled_ns)
    return entry(
        0, MessageArrived(message=message, ref="1", bytes=1, sent_ns=100, crossing=crossing)
    )


def offered(frame: int, at_ns: int, *, warmup: bool = False) -> Entry:
    """A frame that came then."""
    return entry(
        at_ns,
        FrameOffered(
            stream="s", frame=frame, content=0, scheduled_ns=0, ref="1", bytes=1, warmup=warmup
        ),
    )


def test_a_cost_that_is_always_there_is_no_noise() -> None:
    """A hop of 3 ms in every message is a difference; one of 20 ms now and then is the host."""
    quiet, noisy = Lateness(), Lateness()
    for frame in range(100):
        quiet.see(arrived(frame, "work", 3 * MS, modelled_ns=40 * MS))
        quiet.see(arrived(frame, "result", MS))
        late_ns = 20 * MS if frame % 10 == 0 else 3 * MS
        noisy.see(arrived(frame, "work", late_ns, modelled_ns=40 * MS))
    assert quiet.tails_ns(Lateness()) == {"late-hops": 0}
    assert noisy.tails_ns(Lateness()) == {"late-hops": 17 * MS}


def test_late_holds_count_whole_and_real_jobs_not_at_all() -> None:
    """A hold has no cost of its own; what is really computed cannot be late."""
    lateness = Lateness()
    for frame in range(100):
        lateness.see(held(frame, 2 * MS))
    lateness.see(held(200, 900 * MS, modelled_ns=0))
    assert lateness.tails_ns(Lateness()) == {"late-holds": 2 * MS}


def test_the_players_lag_is_what_virtual_time_does_not_have() -> None:
    """A recording's own late frames are late in both; warm-up is left out."""
    virtual, live = Lateness(), Lateness()
    for frame in range(100):
        due_ns = frame * 50 * MS + (30 * MS if frame % 5 == 0 else 0)
        virtual.see(offered(frame, due_ns))
        live.see(offered(frame, due_ns + MS + (8 * MS if frame % 20 == 0 else 0)))
    live.see(offered(-1, 10**12, warmup=True))
    assert live.tails_ns(virtual) == {"player-lag": 8 * MS}


def test_a_tail_over_the_limit_and_the_runs_own_doubts_are_noise() -> None:
    """Too few frames are no noise: more of them would help."""
    doubts = [
        {"path": None, "reason": "noisy-host", "value": 12.0, "limit": 10.0, "frames_needed": None},
        {"path": "p", "reason": "too-few-frames", "value": 1, "limit": 5, "frames_needed": 4},
    ]
    document = cast("ResultDocument", {"inconclusive": doubts})
    found = noise_of("live-1", {"late-holds": 5.0, "late-hops": 7.0}, document, limit_ns=6.0)
    assert [(sign.sign, sign.noisy) for sign in found] == [
        ("late-holds", False),
        ("late-hops", True),
        ("noisy-host", True),
    ]
    assert [sign.is_tail for sign in found] == [True, True, False]
