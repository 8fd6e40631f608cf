"""When a hedge starts, and which answer of a frame counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.runtime.core.commands import CancelTimer, Note, Send, SetTimer, Settle, Start
from pipeline.runtime.core.config import BreakerConfig, CoreConfig, Hedge
from pipeline.runtime.core.events import CreditGranted, Job, PeerGone, SendRefused, TimerFired
from pipeline.runtime.core.hedging import Reservations
from pipeline.runtime.core.vehicle import VehicleCore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.messages import Message
    from tests.pipeline.runtime.conftest import Build, Local

MS = 1_000_000
T = TypeVar("T")
HORIZON_NS = 300 * MS
START_NS = 89 * MS  # 100 ms less 6 for what is left, 3 for what may be in the way and 2 to spare


def _of(kind: type[T], commands: Sequence[Command]) -> list[T]:
    return [command for command in commands if isinstance(command, kind)]


def _car(local: type[Local], build: Build, config: CoreConfig, *, most: int = 4) -> Local:
    car = local(build=build, machine=VehicleCore(config))
    car.tell(CreditGranted(peer="cloud", amount=most), -1)
    return car


def _config(build: Build, **changes: object) -> CoreConfig:
    config = build.hedged(start="latest", blocking_ns=3 * MS, margin_ns=2 * MS)
    hedge = config.tasks["objects"].ways[0].hedge
    assert hedge is not None
    way = replace(config.tasks["objects"].ways[0], hedge=replace(hedge, **changes))
    task = replace(config.tasks["objects"], ways=(way,))
    return replace(config, tasks={"objects": task})


def _to_the_cloud(car: Local, frame: int, at_ns: int) -> Message:
    """Offer a frame and carry its head out; the message that asks the cloud."""
    before = len(car.said)
    car.work_off(car.tell(car.build.offered(frame), at_ns), at_ns)
    sent = [send.message for send in _of(Send, car.said[before:])]
    return next(message for message in sent if message.kind == "work")


def _answered(car: Local, work: Message, at_ns: int) -> Sequence[Command]:
    answer = work.answered(step=7, stamps=(("cloud", at_ns),), modelled_ns=0, overrun=False)
    return car.tell(car.build.arrived(answer, at_ns=at_ns), at_ns)


def _fire(car: Local, frame: int, at_ns: int) -> int:
    """The hedge's timer runs out, and what it starts is carried out."""
    timer = TimerFired(timer=f"hedge/objects/{frame}")
    return car.work_off(car.tell(timer, at_ns), at_ns)


def _rows(car: Local) -> list[Row]:
    return [settle.row for settle in _of(Settle, car.said)]


def test_the_timer_is_set_at_the_latest_safe_start(local: type[Local], build: Build) -> None:
    """Deadline less what is left, less what may hold the device, less the margin."""
    car = _car(local, build, _config(build))
    car.tell(build.offered(0), 0)
    timers = {timer.timer: timer.at_ns for timer in _of(SetTimer, car.said)}
    assert timers["hedge/objects/0"] == START_NS


def test_a_cloud_in_time_leaves_the_hedge_unstarted(local: type[Local], build: Build) -> None:
    """Its timer is cancelled with the answer."""
    car = _car(local, build, _config(build))
    work = _to_the_cloud(car, 0, 0)
    said = _answered(car, work, 40 * MS)
    assert CancelTimer(timer="hedge/objects/0") in said
    assert [(row.fate, row.route_improved, row.route_delivered) for row in _rows(car)] == [
        ("cloud", "", "objects-split")
    ]


def test_a_silent_cloud_is_covered_by_the_frame_s_own_tail(
    local: type[Local], build: Build
) -> None:
    """The head is not run again; the row names the hedge's route and counts its waiting."""
    car = _car(local, build, _config(build))
    _to_the_cloud(car, 0, 0)
    before = len(car.said)
    ends_ns = _fire(car, 0, START_NS)
    started = [start.jobs[0] for start in _of(Start, car.said[before:])]
    assert Job(0, "objects", 1) not in started
    assert len(started) == 2  # tail and post
    result = _of(Send, car.said)[-1].message
    assert result.kind == "result"
    car.tell(TimerFired(timer="deadline/objects/0"), 100 * MS)
    assert _rows(car) == []  # the cloud may still improve it
    car.tell(TimerFired(timer="horizon/objects/0"), HORIZON_NS)
    (row,) = _rows(car)
    assert (row.fate, row.route_planned, row.route_delivered) == (
        "edge",
        "objects-split",
        "objects-tail",
    )
    assert not row.route_improved
    assert row.stamps["edge_wait"] == row.stamps["edge"] - 2 * MS  # head and tail ran 1 ms each
    assert row.stamps["edge"] == START_NS + MS
    assert row.stamps["post"] == ends_ns
    assert "uplink" not in row.stamps


def test_a_better_answer_improves_however_late_while_the_frame_is_open(
    local: type[Local], build: Build
) -> None:
    """The first answer fixes the fate; what the cloud says up to the horizon goes out too."""
    for at_ns, improved in ((98 * MS, True), (140 * MS, True), (HORIZON_NS + MS, False)):
        car = _car(local, build, _config(build))
        work = _to_the_cloud(car, 0, 0)
        _fire(car, 0, START_NS)
        if at_ns > 100 * MS:
            car.tell(TimerFired(timer="deadline/objects/0"), 100 * MS)
        if at_ns > HORIZON_NS:
            car.tell(TimerFired(timer="horizon/objects/0"), HORIZON_NS)
        _answered(car, work, at_ns)
        (row,) = _rows(car)
        better = "objects-split" if improved else ""
        assert (row.fate, row.route_delivered) == ("edge", "objects-tail")
        assert row.route_improved == better
        results = [send.message.improves for send in _of(Send, car.said)[1:]]
        assert results == [False, True][: 1 + improved]


def _kept(build: Build) -> CoreConfig:
    """A hedge that starts at 30 ms and lets its answer go at 94."""
    return _config(build, start="after", after_ns=30 * MS, kept_ns=6 * MS)


def test_an_answer_that_is_kept_back_leaves_the_cloud_its_time(
    local: type[Local], build: Build
) -> None:
    """One result goes out, and it is the better one."""
    car = _car(local, build, _kept(build))
    work = _to_the_cloud(car, 0, 0)
    _fire(car, 0, 30 * MS)
    assert [send.message.kind for send in _of(Send, car.said)] == ["work"]
    timers = {timer.timer: timer.at_ns for timer in _of(SetTimer, car.said)}
    assert timers["keep/objects/0"] == 94 * MS
    _answered(car, work, 80 * MS)
    assert CancelTimer(timer="keep/objects/0") in car.said
    car.tell(TimerFired(timer="keep/objects/0"), 94 * MS)
    (row,) = _rows(car)
    assert (row.fate, row.route_improved) == ("cloud", "")
    assert [send.message.kind for send in _of(Send, car.said)] == ["work", "result"]


def test_a_kept_answer_goes_when_it_has_to_and_may_still_be_improved(
    local: type[Local], build: Build
) -> None:
    """Up to then nothing is at the consumer, and from then on what the car has."""
    car = _car(local, build, _kept(build))
    work = _to_the_cloud(car, 0, 0)
    ended_ns = _fire(car, 0, 30 * MS)
    assert ended_ns < 94 * MS
    car.tell(TimerFired(timer="keep/objects/0"), 94 * MS)
    assert [send.message.kind for send in _of(Send, car.said)] == ["work", "result"]
    _answered(car, work, 120 * MS)
    (row,) = _rows(car)
    assert (row.fate, row.route_delivered, row.route_improved) == (
        "edge",
        "objects-tail",
        "objects-split",
    )
    assert row.stamps["post"] == ended_ns
    assert row.stamps["downlink_wait"] == 94 * MS


@pytest.mark.parametrize("what", ["gone", "refusal"])
def test_a_kept_answer_goes_at_once_when_nothing_better_can_come(
    local: type[Local], build: Build, what: str
) -> None:
    """There is nothing to wait for."""
    car = _car(local, build, _kept(build))
    work = _to_the_cloud(car, 0, 0)
    _fire(car, 0, 30 * MS)
    event = (
        PeerGone(peer="cloud")
        if what == "gone"
        else build.arrived(replace(work, kind="refusal", reason="too-late"), at_ns=50 * MS)
    )
    car.work_off(car.tell(event, 50 * MS), 50 * MS)
    assert [(row.fate, row.stamps["downlink_wait"]) for row in _rows(car)] == [("edge", 50 * MS)]
    assert [send.message.kind for send in _of(Send, car.said)] == ["work", "result"]


def test_a_hedge_that_is_over_late_keeps_nothing_back(local: type[Local], build: Build) -> None:
    """Its answer is late enough already."""
    car = _car(local, build, _config(build, start="latest", kept_ns=60 * MS))
    _to_the_cloud(car, 0, 0)
    _fire(car, 0, START_NS)
    assert [send.message.kind for send in _of(Send, car.said)] == ["work", "result"]


def test_a_refusal_starts_the_hedge_at_once(local: type[Local], build: Build) -> None:
    """The vehicle does not wait for its timer when it knows that nothing will come."""
    car = _car(local, build, _config(build))
    work = _to_the_cloud(car, 0, 0)
    refusal = replace(work, kind="refusal", reason="too-late")
    car.work_off(car.tell(build.arrived(refusal, at_ns=30 * MS), 30 * MS), 30 * MS)
    (row,) = _rows(car)
    assert (row.fate, row.route_delivered) == ("edge", "objects-tail")
    assert row.stamps["edge"] == 31 * MS


@pytest.mark.parametrize("what", ["gone", "refused"])
def test_a_dead_cloud_or_channel_starts_the_hedge_at_once(
    local: type[Local], build: Build, what: str
) -> None:
    """Open requests are covered from the car."""
    car = _car(local, build, _config(build))
    work = _to_the_cloud(car, 0, 0)
    event = PeerGone(peer="cloud") if what == "gone" else SendRefused(message=work, reason="full")
    car.work_off(car.tell(event, 30 * MS), 30 * MS)
    assert [row.fate for row in _rows(car)] == ["edge"]


def test_without_a_credit_the_hedge_s_route_is_taken(local: type[Local], build: Build) -> None:
    """A cloud that takes no more is no reason to let a frame wait."""
    car = _car(local, build, _config(build), most=1)
    _to_the_cloud(car, 0, 0)
    car.work_off(car.tell(build.offered(1), 40 * MS), 40 * MS)
    (row,) = _rows(car)
    assert (row.frame, row.fate, row.route_planned) == (1, "edge", "objects-split")
    assert Note(reason="no-credit-fallback") in car.said


def test_at_once_runs_beside_the_cloud_and_the_first_answer_counts(
    local: type[Local], build: Build
) -> None:
    """No timer; the cloud may still improve what the car delivers first."""
    car = _car(local, build, _config(build, start="at-once"))
    work = _to_the_cloud(car, 0, 0)
    assert not [t for t in _of(SetTimer, car.said) if t.timer.startswith("hedge")]
    _answered(car, work, 50 * MS)
    (row,) = _rows(car)
    assert (row.fate, row.route_improved) == ("edge", "objects-split")


def test_after_a_while_starts_then_but_never_later_than_is_safe(
    local: type[Local], build: Build
) -> None:
    """A cost-based start is a fixed while after the scheduled time."""
    for after_ns, expected_ns in ((30 * MS, 30 * MS), (95 * MS, START_NS)):
        car = _car(local, build, _config(build, start="after", after_ns=after_ns))
        car.tell(build.offered(0), 0)
        timers = {timer.timer: timer.at_ns for timer in _of(SetTimer, car.said)}
        assert timers["hedge/objects/0"] == expected_ns


def test_the_breaker_keeps_frames_in_the_car_and_a_probe_closes_it(
    local: type[Local], build: Build
) -> None:
    """Two silent requests open it; 500 ms later one frame is sent, and its answer closes it."""
    breaker = BreakerConfig(open_after=2, half_open_every_ns=500 * MS)
    car = _car(local, build, replace(_config(build), breaker=breaker))
    for frame in range(2):
        _to_the_cloud(car, frame, frame * 40 * MS)
        _fire(car, frame, frame * 40 * MS + 60 * MS)
    for frame in range(2):
        car.tell(TimerFired(timer=f"deadline/objects/{frame}"), 100 * MS + frame * 40 * MS)
    assert Note(reason="breaker-open") in car.said
    before = len(car.said)
    car.work_off(car.tell(build.offered(4), 160 * MS), 160 * MS)
    assert [send.message.kind for send in _of(Send, car.said[before:])] == ["result"]
    assert _rows(car)[-1].fate == "edge"
    work = _to_the_cloud(car, 20, 800 * MS)  # the probe
    before = len(car.said)
    car.work_off(car.tell(build.offered(21), 840 * MS), 840 * MS)  # one probe at a time
    assert [send.message.kind for send in _of(Send, car.said[before:])] == ["result"]
    said = _answered(car, work, 850 * MS)
    assert Note(reason="breaker-closed") in said
    assert _to_the_cloud(car, 22, 880 * MS).kind == "work"


def test_an_open_breaker_without_a_fallback_drops(local: type[Local], build: Build) -> None:
    """There is nothing in the car that could answer."""
    breaker = BreakerConfig(open_after=1, half_open_every_ns=500 * MS)
    car = _car(local, build, replace(build.config(), breaker=breaker))
    _to_the_cloud(car, 0, 0)
    car.tell(TimerFired(timer="deadline/objects/0"), 100 * MS)
    car.tell(build.offered(3), 120 * MS)
    assert [(row.frame, row.fate, row.cause) for row in _rows(car)] == [(3, "dropped", "breaker")]


def _hedge(build: Build, *, device_ns: int, length_ns: int) -> Hedge:
    hedge = build.hedged().tasks["objects"].ways[0].hedge
    assert hedge is not None
    return replace(hedge, device_ns=device_ns, length_ns=length_ns)


@given(
    st.lists(
        st.tuples(st.integers(50, 300), st.integers(1, 20), st.integers(0, 10)),
        min_size=1,
        max_size=6,
    )
)
def test_hedges_that_start_when_told_never_miss_whatever_else_is_reserved(
    build: Build, wanted: list[tuple[int, int, int]]
) -> None:
    """Each starts at its planned time or as soon as the device is free; all end in time."""
    reservations = Reservations()
    starts: dict[tuple[str, int], int] = {}
    hedges = {}
    for number, (deadline_ms, device_ms, after_ms) in enumerate(wanted):
        hedge = _hedge(build, device_ns=device_ms * MS, length_ns=(device_ms + after_ms) * MS)
        hedges[("t", number)] = (hedge, deadline_ms * MS)
        starts = reservations.add(("t", number), hedge, deadline_ms * MS)
    free_ns = min(starts.values())
    for key in sorted(starts, key=lambda k: starts[k]):
        hedge, deadline_ns = hedges[key]
        ends_ns = max(free_ns, starts[key]) + hedge.device_ns
        assert ends_ns + hedge.length_ns - hedge.device_ns <= deadline_ns
        free_ns = ends_ns


def test_a_head_that_waited_too_long_for_the_cloud_still_serves_the_tail(
    local: type[Local], build: Build
) -> None:
    """The way by the cloud no longer fits; the rest in the car does, and runs the head itself."""
    car = _car(local, build, _config(build))
    (start, *_) = _of(Start, car.tell(build.offered(0), 0))
    late_ns = 94 * MS  # head, pack, link, tail, post, link and deliver need 8 ms more, the tail 4
    car.work_off(car.tell(build.done(start, began_ns=0, ended_ns=late_ns), late_ns), late_ns)
    assert [(row.fate, row.route_delivered) for row in _rows(car)] == [("edge", "objects-tail")]


def test_a_head_that_waited_too_long_for_both_is_dropped(local: type[Local], build: Build) -> None:
    """Neither way can make it."""
    car = _car(local, build, _config(build))
    (start, *_) = _of(Start, car.tell(build.offered(0), 0))
    late_ns = 98 * MS
    car.work_off(car.tell(build.done(start, began_ns=0, ended_ns=late_ns), late_ns), late_ns)
    assert [(row.fate, row.cause) for row in _rows(car)] == [("dropped", "expired")]
