"""Frames under way in the vehicle: which are admitted, and how each goes its way."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from msgspec.structs import replace

from pipeline.ledger.spans import durations_ns
from pipeline.runtime.core.commands import (
    CancelTimer,
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
    Job,
    JobFailed,
    StopAsked,
)
from pipeline.runtime.core.vehicle import VehicleCore

if TYPE_CHECKING:
    from collections.abc import Iterable

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


# -- admission -----------------------------------------------------------------------------------


def test_the_player_may_begin_with_its_credits(build: Build) -> None:
    """Before the first event the machine grants the player its head start, and nothing else."""
    core = VehicleCore(build.config())
    assert core.start() == (Grant(peer=PLAYER, amount=4),)


def test_a_frame_is_admitted_and_its_first_step_started(local: type[Local], build: Build) -> None:
    """Preparing starts at once; the horizon and the player's credit come after it."""
    car = _car(local, build, build.config())
    assert car.tell(build.offered(0), 5) == [
        Start(jobs=(Job(0, "objects", 0),), device="vehicle-host", inputs=(("front/0",),)),
        SetTimer(timer="horizon/objects/0", at_ns=300 * MS),
        Grant(peer=PLAYER, amount=1),
    ]


def test_at_most_in_flight_frames_are_under_way(local: type[Local], build: Build) -> None:
    """With two in flight the third frame waits until one settles, and is stamped when admitted."""
    car = _car(local, build, build.config("edge", in_flight=2))
    first = car.tell(build.offered(0), 0)
    car.tell(build.offered(1), 1)
    assert _of(Start, car.tell(build.offered(2), 2)) == []
    car.work_off(first, 2)
    started = [start.jobs[0].frame for start in _of(Start, car.said)]
    assert 2 in started
    car.work_off([s for s in _of(Start, car.said) if s.jobs[0] == Job(1, "objects", 0)], 9)
    car.work_off([s for s in _of(Start, car.said) if s.jobs[0] == Job(2, "objects", 0)], 20 * MS)
    last = next(row for row in _rows(car.said) if row.frame == 2)
    assert last.stamps["admitted"] > last.stamps["source"] == 2
    assert "admitted" not in _rows(car.said)[0].stamps


def test_the_newest_frame_waits_and_what_it_overtakes_is_dropped(
    local: type[Local], build: Build
) -> None:
    """One frame waits per task; the vehicle alone drops, and says that it was overtaken."""
    car = _car(local, build, build.config("edge", in_flight=1))
    car.tell(build.offered(0), 0)
    assert _fates(car.tell(build.offered(1), 1)) == []
    dropped = car.tell(build.offered(2), 2)
    assert _fates(dropped) == [("objects-path", 1, "dropped", "overtaken")]
    assert CancelTimer(timer="horizon/objects/1") in dropped
    assert _forgotten(dropped) == ["front/1"]
    assert _rows(dropped)[0].route_delivered == ""


def test_a_waiting_frame_that_cannot_make_it_is_dropped_as_expired(
    local: type[Local], build: Build
) -> None:
    """At its turn the rest of the way no longer fits into what is left of the deadline."""
    config = replace(build.config("edge", in_flight=1), drops_expired=False)
    car = _car(local, build, config)
    first = car.tell(build.offered(0), 0)
    car.tell(build.offered(1), 40 * MS)
    car.work_off(first, 140 * MS - 6 * MS)  # the frame needs 4 ms and has 3 left
    assert ("objects-path", 1, "dropped", "expired") in _fates(car.said)


def test_work_that_can_no_longer_be_in_time_is_never_started(
    local: type[Local], build: Build
) -> None:
    """Preparing took so long that the rest would end after the deadline."""
    car = _car(local, build, build.config("edge"))
    (start, *_) = car.tell(build.offered(0), 0)
    late = car.tell(build.done(start, began_ns=0, ended_ns=98 * MS), 98 * MS)
    assert not [command for command in late if isinstance(command, Start)]
    assert _fates(car.said) == [("objects-path", 0, "dropped", "expired")]


def test_a_route_that_can_never_be_in_time_runs_all_the_same(
    local: type[Local], build: Build
) -> None:
    """Where the plan's best case exceeds the deadline, frames are late and not dropped."""
    config = build.config("edge", step_ns=50 * MS)
    car = _car(local, build, config)
    car.work_off(car.tell(build.offered(0), 0), 0)
    assert [row[2] for row in _fates(car.said)] == ["edge"]


def test_a_waiting_frame_that_can_just_make_it_is_admitted(
    local: type[Local], build: Build
) -> None:
    """One ms earlier it goes."""
    car = _car(local, build, build.config("edge", in_flight=1))
    first = car.tell(build.offered(0), 0)
    car.tell(build.offered(1), 40 * MS)
    car.work_off(first, 140 * MS - 7 * MS)
    assert _rows(car.said)[-1].frame == 1
    assert _rows(car.said)[-1].fate == "edge"


def test_a_frame_of_two_paths_waits_for_the_longer_deadline(
    local: type[Local], build: Build
) -> None:
    """A frame is given up only when no path's deadline can be met; the other path gets it late."""
    paths = (build.path("fast", deadline_ms=50), build.path("slow", deadline_ms=200))
    car = _car(local, build, build.config("edge", in_flight=1, paths=paths))
    first = car.tell(build.offered(0), 0)
    car.tell(build.offered(1), 40 * MS)
    car.work_off(first, 100 * MS)
    assert ("fast", 1, "late", "") in _fates(car.said)
    assert ("slow", 1, "edge", "") in _fates(car.said)


def test_a_route_over_the_link_waits_for_a_credit_of_the_cloud(
    local: type[Local], build: Build
) -> None:
    """Without a credit nothing is begun; a grant admits what waits; a credit is used once."""
    car = _car(local, build, build.config(), granted=0)
    assert _of(Start, car.tell(build.offered(0), 0)) == []
    granted = car.tell(CreditGranted(peer="cloud", amount=1), 3)
    assert [start.jobs[0].frame for start in _of(Start, granted)] == [0]
    assert _of(Start, car.tell(build.offered(1), 4)) == []


def test_a_route_inside_the_car_needs_no_credit(local: type[Local], build: Build) -> None:
    """A cloud that grants nothing does not stop the edge."""
    car = _car(local, build, build.config("edge"), granted=0)
    assert len(_of(Start, car.tell(build.offered(0), 0))) == 1


def test_only_the_cloud_grants_credits_of_the_cloud(local: type[Local], build: Build) -> None:
    """A grant from somebody else admits nothing."""
    car = _car(local, build, build.config(), granted=0)
    car.tell(build.offered(0), 0)
    assert car.tell(CreditGranted(peer="stranger", amount=4), 1) == []


def test_a_credit_that_was_never_used_comes_back(local: type[Local], build: Build) -> None:
    """A frame that fails before it asked the cloud leaves its credit to the next one."""
    car = _car(local, build, build.config(), granted=1)
    start = _of(Start, car.tell(build.offered(0), 0))[0]
    car.tell(build.offered(1), 40 * MS)
    failed = car.tell(
        JobFailed(jobs=start.jobs, device=start.device, reason="out of order"), 41 * MS
    )
    assert _fates(failed) == [("objects-path", 0, "failed", "job")]
    assert _notes(failed) == ["job-failed"]
    assert [start.jobs[0].frame for start in _of(Start, failed)] == [1]


def test_a_frame_that_no_path_takes_is_forgotten(local: type[Local], build: Build) -> None:
    """What `every` leaves out costs the player nothing and is in no row."""
    car = _car(local, build, build.config("edge", paths=(build.path(every=5),)))
    assert car.tell(build.offered(3), 0) == [
        Grant(peer=PLAYER, amount=1),
        Forget(refs=("front/3",)),
    ]


# -- the way of a frame --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "here"),
    [
        ("edge", ["prepare", "run", "post"]),
        ("raw", ["prepare", "pack"]),
        ("split", ["prepare", "run", "pack"]),
    ],
)
def test_each_route_does_its_steps_in_order(
    local: type[Local], build: Build, shape: str, here: list[str]
) -> None:
    """What runs in the car starts step by step, then comes what is sent: work, or the result."""
    car = _car(local, build, build.config(shape))
    car.work_off(car.tell(build.offered(0), 0), 0)
    starts = _of(Start, car.said)
    assert [start.jobs[0].step for start in starts] == list(range(len(here)))
    assert [start.device for start in starts] == [
        "edge0" if what == "run" else "vehicle-host" for what in here
    ]
    assert [start.inputs for start in starts] == [
        (("front/0",),),
        *(((f"objects/0/{step}",),) for step in range(len(here) - 1)),
    ]
    (send,) = _of(Send, car.said)
    assert car.said.index(starts[-1]) < car.said.index(send)
    assert send.refs == (f"objects/0/{len(here) - 1}",)
    assert send.bytes == 10
    assert send.channel == (CONSUMER if shape == "edge" else "cell.up")
    assert send.message.kind == ("result" if shape == "edge" else "work")
    assert send.message.step == len(here)


def test_work_says_what_it_is_for(local: type[Local], build: Build) -> None:
    """The request carries epoch, nonce, route, model and deadline, by which its answer is known."""
    car = _car(local, build, build.config())
    first, second = _send(car, 0, 0), _send(car, 1, 40 * MS)
    assert (first.epoch, first.nonce, second.nonce) == (7, 1, 2)
    assert (first.route, first.model) == ("objects-split", "objects-model")
    assert (first.task, first.frame, first.content, first.stream) == ("objects", 0, 0, "front")
    assert (second.scheduled_ns, second.deadline_at_ns) == (40 * MS, 140 * MS)
    assert first.paths == ()


def test_an_answer_is_delivered_with_a_stamp_at_every_boundary(
    local: type[Local], build: Build
) -> None:
    """The cloud's stamps are merged with the car's; spans add up to the latency."""
    car = _car(local, build, build.config())
    work = _send(car, 0, 2 * MS)
    arrived = build.arrived(_answer(work), began_ns=27 * MS, at_ns=30 * MS, size=77)
    commands = car.tell(arrived, 30 * MS)
    (send,) = _of(Send, commands)
    assert send.channel == CONSUMER
    assert send.refs == ("answer/1",)
    assert send.bytes == 77
    assert send.message.paths == ("objects-path",)
    (row,) = _rows(commands)
    assert row.stamps == {
        "source": 2 * MS,
        "prepare": 3 * MS,
        "edge_wait": 3 * MS,
        "edge": 4 * MS,
        "pack": 5 * MS,
        "uplink": 20 * MS,
        "cloud": 25 * MS,
        "post": 26 * MS,
        "downlink_wait": 27 * MS,
        "downlink": 30 * MS,
    }
    assert (row.fate, row.cause) == ("cloud", "")
    assert (row.route_planned, row.route_delivered) == ("objects-split", "objects-split")
    assert row.variant == "only"
    assert (row.bytes_up, row.bytes_down) == (10, 77)
    assert row.modelled_ns == 500 + 3 * MS
    assert sum(durations_ns(row.scheduled_ns, row.stamps).values()) == 30 * MS
    assert _forgotten(car.said) == [
        "objects/0/0", "objects/0/1", "objects/0/2", "answer/1", "front/0",
    ]  # fmt: skip


def test_waiting_for_the_device_is_stamped(local: type[Local], build: Build) -> None:
    """`edge_wait` ends when the device begins, not when the job was put in line."""
    car = _car(local, build, build.config("edge"))
    (prepare,) = _of(Start, car.tell(build.offered(0), 0))
    (run,) = _of(Start, car.tell(build.done(prepare, began_ns=0, ended_ns=5), 5))
    (post,) = _of(Start, car.tell(build.done(run, began_ns=60, ended_ns=90, modelled_ns=25), 90))
    (row,) = _rows(car.tell(build.done(post, began_ns=90, ended_ns=99), 99))
    assert row.stamps == {"source": 0, "prepare": 5, "edge_wait": 60, "edge": 90, "post": 99}
    assert (row.fate, row.modelled_ns) == ("edge", 25)


def test_an_overrun_marks_the_frame(local: type[Local], build: Build) -> None:
    """One job that had to compute is enough."""
    car = _car(local, build, build.config("edge"))
    (prepare,) = _of(Start, car.tell(build.offered(0), 0))
    done = replace(build.done(prepare, began_ns=0, ended_ns=5), overrun=True)
    car.work_off(car.tell(done, 5), 5)
    assert [row.overrun for row in _rows(car.said)] == [True]


def test_the_cloud_cannot_stamp_the_cars_own_spans(local: type[Local], build: Build) -> None:
    """A stamp that is not the cloud's, or that no ledger has, is left out."""
    car = _car(local, build, build.config())
    answer = replace(
        _answer(_send(car, 0, 0)), stamps=(("source", 9), ("nonsense", 9), ("post", 9))
    )
    (row,) = _rows(car.tell(build.arrived(answer), 30 * MS))
    assert row.stamps["source"] == 0
    assert row.stamps["post"] == 9
    assert "nonsense" not in row.stamps


def test_a_result_waits_for_a_credit_of_the_consumer(local: type[Local], build: Build) -> None:
    """Results go out in order as the consumer grants, and settle when they go."""
    car = _car(local, build, build.config("edge", consumer_credits=1, in_flight=3))
    for frame in range(3):
        car.work_off(car.tell(build.offered(frame), frame * 40 * MS), frame * 40 * MS)
    assert [frame for _, frame, _, _ in _fates(car.said)] == [0]
    commands = car.tell(CreditGranted(peer=CONSUMER, amount=2), 100 * MS)
    assert [send.message.frame for send in _of(Send, commands)] == [1, 2]
    assert _fates(commands) == [("objects-path", 1, "edge", ""), ("objects-path", 2, "edge", "")]


def test_two_paths_share_one_job_and_both_settle(local: type[Local], build: Build) -> None:
    """The job runs once; each path has its own deadline and its own row."""
    paths = (
        build.path("tight", deadline_ms=20),
        build.path("loose", every=2, deadline_ms=100, horizon_ms=500),
    )
    car = _car(local, build, build.config("split", paths=paths))
    work = _send(car, 0, 0)
    assert work.deadline_at_ns == 20 * MS
    commands = car.tell(build.arrived(_answer(work)), 30 * MS)
    assert _of(Send, commands)[0].message.paths == ("tight", "loose")
    assert _fates(commands) == [("tight", 0, "late", ""), ("loose", 0, "cloud", "")]
    assert len(_of(Start, car.said)) == 3
    _send(car, 1, 40 * MS)
    assert {row.path for row in _rows(car.tell(StopAsked(), 41 * MS))} == {"tight"}


def test_two_tasks_share_a_picture_until_both_are_through(local: type[Local], build: Build) -> None:
    """The picture is forgotten once, by the last task that needs it."""
    car = _car(local, build, build.config({"objects": "edge", "lanes": "edge"}))
    car.work_off(car.tell(build.offered(0), 0), 0)
    assert sorted(_fates(car.said)) == [
        ("lanes-path", 0, "edge", ""),
        ("objects-path", 0, "edge", ""),
    ]
    assert _forgotten(car.said).count("front/0") == 1
    assert _forgotten(car.said)[-1] == "front/0"


def test_warm_up_frames_go_their_way_and_settle_in_no_row(local: type[Local], build: Build) -> None:
    """They are carried out, marked and forgotten, and no ledger hears of them."""
    car = _car(local, build, build.config())
    work = _send(car, -1, -40 * MS)
    assert work.warmup
    commands = car.tell(build.arrived(_answer(work)), -10 * MS)
    assert _of(Send, commands)[0].message.warmup
    assert _rows(car.said) == []
    assert "front/-1" in _forgotten(commands)
