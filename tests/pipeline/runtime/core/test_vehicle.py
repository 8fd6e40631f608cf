"""The vehicle's machine: what it believes, when it stops waiting, and trouble from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from msgspec.structs import replace

from pipeline.runtime.core.commands import (
    Forget,
    Grant,
    Note,
    Send,
    SetTimer,
    Settle,
    Start,
)
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.core.events import (
    CreditGranted,
    FaultMarked,
    HeartbeatHeard,
    JobFailed,
    PeerGone,
    SendRefused,
    StopAsked,
    StreamEnded,
    TimerFired,
)
from pipeline.runtime.core.vehicle import VehicleCore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.ledger import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.messages import Message
    from tests.pipeline.runtime.conftest import Build, Local

MS = 1_000_000
C = TypeVar("C")


def _of(kind: type[C], commands: Iterable[Command]) -> list[C]:
    return [command for command in commands if isinstance(command, kind)]


def _rows(commands: Iterable[Command]) -> list[Row]:
    return [settle.row for settle in _of(Settle, commands)]


def _fates(commands: Iterable[Command]) -> list[tuple[str, int, str, str]]:
    return [(row.path, row.frame, row.fate, row.cause) for row in _rows(commands)]


def _notes(commands: Iterable[Command]) -> list[str]:
    return [note.reason for note in _of(Note, commands)]


def _forgotten(commands: Iterable[Command]) -> list[str]:
    return [ref for forget in _of(Forget, commands) for ref in forget.refs]


def _car(local: type[Local], build: Build, config: CoreConfig, *, granted: int = 4) -> Local:
    """A vehicle that the cloud has granted credits."""
    car = local(build=build, machine=VehicleCore(config))
    if granted:
        car.machine.on(CreditGranted(peer="cloud", amount=granted), -1_000 * MS)
    return car


def _send(car: Local, frame: int, at_ns: int) -> Message:
    """Offer a frame and carry it through to its request."""
    car.work_off(car.tell(car.build.offered(frame), at_ns), at_ns)
    return _of(Send, car.said)[-1].message


def _answer(work: Message) -> Message:
    """What the cloud makes of a request on the split route."""
    return work.answered(
        step=7,
        stamps=(("uplink", 20 * MS), ("cloud", 25 * MS), ("post", 26 * MS)),
        modelled_ns=500,
        overrun=False,
    )


# -- fencing -------------------------------------------------------------------------------------


WRONG: dict[str, Callable[[Message], Message]] = {
    "nonce-unknown": lambda message: replace(message, nonce=99),
    "nonce-none": lambda message: replace(message, nonce=0),
    "epoch": lambda message: replace(message, epoch=6),
    "frame": lambda message: replace(message, frame=1),
    "task": lambda message: replace(message, task="lanes"),
    "route": lambda message: replace(message, route="objects-raw"),
    "model": lambda message: replace(message, model="another"),
    "kind-work": lambda message: replace(message, kind="work"),
    "kind-result": lambda message: replace(message, kind="result"),
    "step-up": lambda message: replace(message, step=3),
    "step-deliver": lambda message: replace(message, step=8),
    "step-beyond": lambda message: replace(message, step=10_000),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_message_that_matches_no_open_request_is_counted_and_thrown_away(
    local: type[Local], build: Build, change: Callable[[Message], Message]
) -> None:
    """One wrong field is enough; nothing is settled, and the right answer is still taken."""
    car = _car(local, build, build.config({"objects": "split", "lanes": "split"}))
    work = _send(car, 0, 0)
    work = next(s.message for s in _of(Send, car.said) if s.message.task == "objects")
    right = _answer(work)
    wrong = change(right)
    arrived = replace(build.arrived(right), message=wrong, ref="wrong")
    assert car.tell(arrived, 30 * MS) == [
        Note(reason="stale", detail=f"{wrong.task}/{wrong.frame}"),
        Forget(refs=("wrong",)),
    ]
    assert _fates(car.tell(build.arrived(right), 31 * MS)) == [("objects-path", 0, "cloud", "")]


def test_a_second_answer_is_stale(local: type[Local], build: Build) -> None:
    """A frame settles once, also when its answer waits for the consumer."""
    for granted in (1, 0):
        car = _car(local, build, build.config(consumer_credits=granted))
        answer = build.arrived(_answer(_send(car, 0, 0)))
        car.tell(answer, 30 * MS)
        again = car.tell(replace(answer, ref="again"), 31 * MS)
        assert [type(command) for command in again] == [Note, Forget]
        assert _notes(again) == ["stale"]
        assert _forgotten(again) == ["again"]


def test_a_refusal_drops_the_frame(local: type[Local], build: Build) -> None:
    """The cloud's reason is noted; the refusal's own payload is forgotten too."""
    car = _car(local, build, build.config())
    refusal = replace(_send(car, 0, 0), kind="refusal", reason="unknown-cut")
    commands = car.tell(build.arrived(refusal), 20 * MS)
    assert _fates(commands) == [("objects-path", 0, "dropped", "refused")]
    assert Note(reason="refused", detail="unknown-cut") in commands
    assert "refusal/1" in _forgotten(commands)


# -- the horizon ---------------------------------------------------------------------------------


def _horizon(frame: int, task: str = "objects") -> TimerFired:
    return TimerFired(timer=f"horizon/{task}/{frame}")


def test_a_frame_that_was_sent_is_late_at_its_horizon_and_its_answer_stale(
    local: type[Local], build: Build
) -> None:
    """Something is under way, so it is late without a latency; the answer comes too late."""
    car = _car(local, build, build.config())
    answer = build.arrived(_answer(_send(car, 0, 0)))
    commands = car.tell(_horizon(0), 300 * MS)
    assert _fates(commands) == [("objects-path", 0, "late", "no-answer")]
    assert _rows(commands)[0].route_delivered == ""
    assert _notes(car.tell(answer, 301 * MS)) == ["stale"]


def test_a_late_answer_before_the_horizon_is_delivered_late(
    local: type[Local], build: Build
) -> None:
    """Between deadline and horizon the consumer still gets it."""
    car = _car(local, build, build.config())
    commands = car.tell(build.arrived(_answer(_send(car, 0, 0))), 299 * MS)
    assert len(_of(Send, commands)) == 1
    assert _fates(commands) == [("objects-path", 0, "late", "")]
    assert _rows(commands)[0].route_delivered == "objects-split"


def test_a_frame_that_nothing_was_sent_of_has_failed_at_its_horizon(
    local: type[Local], build: Build
) -> None:
    """Its job still runs; what it makes is forgotten when it ends."""
    car = _car(local, build, build.config())
    (start,) = _of(Start, car.tell(build.offered(0), 0))
    commands = car.tell(_horizon(0), 300 * MS)
    assert _fates(commands) == [("objects-path", 0, "failed", "no-answer")]
    late = car.tell(build.done(start, began_ns=0, ended_ns=301 * MS), 301 * MS)
    assert late == [Forget(refs=("objects/0/0",))]


def test_a_frame_that_still_waits_at_its_horizon_is_dropped_as_expired(
    local: type[Local], build: Build
) -> None:
    """It was never admitted."""
    car = _car(local, build, build.config(), granted=0)
    car.tell(build.offered(0), 0)
    assert _fates(car.tell(_horizon(0), 300 * MS)) == [("objects-path", 0, "dropped", "expired")]
    assert _of(Start, car.tell(CreditGranted(peer="cloud", amount=1), 301 * MS)) == []


def test_paths_with_different_horizons_settle_at_their_own(
    local: type[Local], build: Build
) -> None:
    """The first horizon settles one path, the timer moves on, the answer serves the other."""
    paths = (
        build.path("short", horizon_ms=150),
        build.path("long", deadline_ms=400, horizon_ms=900),
    )
    car = _car(local, build, build.config(paths=paths))
    work = _send(car, 0, 0)
    assert SetTimer(timer="horizon/objects/0", at_ns=150 * MS) in car.said
    first = car.tell(_horizon(0), 150 * MS)
    assert _fates(first) == [("short", 0, "late", "no-answer")]
    assert _of(SetTimer, first) == [SetTimer(timer="horizon/objects/0", at_ns=900 * MS)]
    second = car.tell(build.arrived(_answer(work)), 200 * MS)
    assert _fates(second) == [("long", 0, "cloud", "")]
    assert _of(Send, second)[0].message.paths == ("long",)


def test_a_timer_that_fires_early_or_for_nothing_settles_nothing(
    local: type[Local], build: Build
) -> None:
    """An early one is set again; one of a closed frame, or of another kind, is passed over."""
    car = _car(local, build, build.config())
    car.tell(build.offered(0), 0)
    assert car.tell(_horizon(0), 299 * MS) == [SetTimer(timer="horizon/objects/0", at_ns=300 * MS)]
    assert car.tell(_horizon(5), 299 * MS) == []
    assert car.tell(TimerFired(timer="other"), 299 * MS) == []


# -- the rest of the world -----------------------------------------------------------------------


def test_a_refused_request_fails_its_frame_and_returns_the_credit(
    local: type[Local], build: Build
) -> None:
    """The channel would not take it; with its credit the waiting frame goes."""
    car = _car(local, build, build.config(), granted=1)
    work = _send(car, 0, 0)
    car.tell(build.offered(1), 40 * MS)
    commands = car.tell(SendRefused(message=work, reason="full"), 41 * MS)
    assert _fates(commands) == [("objects-path", 0, "failed", "send-refused")]
    assert Note(reason="send-refused", detail="full") in commands
    assert [start.jobs[0].frame for start in _of(Start, commands)] == [1]


def test_a_request_refused_after_its_frame_settled_still_returns_the_credit(
    local: type[Local], build: Build
) -> None:
    """What waits is admitted though no frame is settled by it."""
    car = _car(local, build, build.config(), granted=1)
    work = _send(car, 0, 0)
    car.tell(_horizon(0), 300 * MS)
    car.tell(build.offered(8), 320 * MS)
    commands = car.tell(SendRefused(message=work, reason="full"), 321 * MS)
    assert _fates(commands) == []
    assert [start.jobs[0].frame for start in _of(Start, commands)] == [8]


def test_a_refused_result_lets_the_next_one_go(local: type[Local], build: Build) -> None:
    """The consumer never saw it, so its credit serves the result that waits."""
    car = _car(local, build, build.config("edge", consumer_credits=1))
    for frame in range(2):
        car.work_off(car.tell(build.offered(frame), frame * 40 * MS), frame * 40 * MS)
    (send,) = _of(Send, car.said)
    commands = car.tell(SendRefused(message=send.message, reason="full"), 60 * MS)
    assert [send.message.frame for send in _of(Send, commands)] == [1]


def test_what_a_dead_cloud_owes_has_failed(local: type[Local], build: Build) -> None:
    """Frames that asked it fail at once; those still in the car, and other peers, do not."""
    car = _car(local, build, build.config())
    _send(car, 0, 0)
    car.tell(build.offered(1), 40 * MS)
    assert _fates(car.tell(PeerGone(peer=CONSUMER), 41 * MS)) == []
    commands = car.tell(PeerGone(peer="cloud"), 42 * MS)
    assert _notes(commands) == ["peer-gone"]
    assert _fates(commands) == [("objects-path", 0, "failed", "cloud-gone")]


def test_stopping_interrupts_what_is_open_and_what_comes_later(
    local: type[Local], build: Build
) -> None:
    """Waiting, running and sent frames alike; nothing new is begun."""
    car = _car(local, build, build.config("split", in_flight=2))
    _send(car, 0, 0)
    car.tell(build.offered(1), 40 * MS)
    car.tell(build.offered(2), 80 * MS)
    commands = car.tell(StopAsked(reason="ctrl-c"), 90 * MS)
    assert [(frame, fate) for _, frame, fate, _ in _fates(commands)] == [
        (0, "interrupted"),
        (1, "interrupted"),
        (2, "interrupted"),
    ]
    assert Note(reason="stopped", detail="ctrl-c") in commands
    assert _of(Start, commands) == []
    later = car.tell(build.offered(3), 120 * MS)
    assert _fates(later) == [("objects-path", 3, "interrupted", "")]
    assert _of(Start, later) == []
    assert _forgotten(car.said).count("front/3") == 1


def test_a_failed_job_fails_its_frame_only(local: type[Local], build: Build) -> None:
    """The device goes on with the next in line."""
    car = _car(local, build, build.config("edge"))
    (first,) = _of(Start, car.tell(build.offered(0), 0))
    car.tell(build.offered(1), 40 * MS)
    commands = car.tell(JobFailed(jobs=first.jobs, device=first.device, reason="boom"), 41 * MS)
    assert _fates(commands) == [("objects-path", 0, "failed", "job")]
    assert [start.jobs[0].frame for start in _of(Start, commands)] == [1]
    again = car.tell(JobFailed(jobs=first.jobs, device=first.device, reason="boom"), 42 * MS)
    assert _fates(again) == []


def test_the_end_is_noted_once_all_streams_ended_and_all_frames_settled(
    local: type[Local], build: Build
) -> None:
    """Neither alone is enough, and it is said once."""
    car = _car(local, build, build.config("edge"))
    start = car.tell(build.offered(0), 0)
    assert _notes(car.tell(StreamEnded(stream="front"), 1)) == []
    car.work_off(start, 2)
    assert _notes(car.said) == ["drained"]
    assert car.tell(StreamEnded(stream="front"), 9) == []


def test_marks_and_heartbeats_change_nothing(local: type[Local], build: Build) -> None:
    """They are for the log."""
    car = _car(local, build, build.config())
    assert car.tell(FaultMarked(what="blackout"), 1) == []
    assert car.tell(HeartbeatHeard(peer="cloud", epoch=1), 2) == []


def test_frames_of_an_unknown_stream_are_forgotten(local: type[Local], build: Build) -> None:
    """The player gets its credit back all the same."""
    car = _car(local, build, build.config())
    commands: Sequence[Command] = car.tell(build.offered(0, stream="rear"), 0)
    assert commands == [Grant(peer=PLAYER, amount=1), Forget(refs=("rear/0",))]


def test_a_frame_that_waits_at_full_speed_is_never_dropped(
    local: type[Local], build: Build
) -> None:
    """Where the player waits for a frame to be settled, no deadline counts and nothing is lost."""
    config = replace(
        build.config("edge", in_flight=1), drops_expired=False, grant_when_settled=True
    )
    car = _car(local, build, config)
    first = car.tell(build.offered(0), 0)
    car.tell(build.offered(1), 40 * MS)
    car.work_off(first, 140 * MS - 6 * MS)
    assert not [fate for fate in _fates(car.said) if fate[2] == "dropped"]
