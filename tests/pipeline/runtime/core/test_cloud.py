"""A cloud site's machine: takes work, runs it, answers or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest
from msgspec.structs import replace

from pipeline.runtime.core.cloud import CloudCore
from pipeline.runtime.core.commands import Forget, Grant, Note, Send, Start
from pipeline.runtime.core.config import CloudConfig, TaskConfig
from pipeline.runtime.core.events import Job, JobFailed, SendRefused, StopAsked
from pipeline.runtime.core.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.runtime.core.commands import Command
    from tests.pipeline.runtime.conftest import Build, Local

MS = 1_000_000
C = TypeVar("C")
CREDIT = Grant(peer="vehicle", amount=1)


def _of(kind: type[C], commands: Iterable[Command]) -> list[C]:
    return [command for command in commands if isinstance(command, kind)]


def _work(
    frame: int = 0, *, nonce: int = 1, task: str = "objects", deadline_at_ns: int = 100 * MS
) -> Message:
    return Message(
        kind="work",
        epoch=7,
        nonce=nonce,
        task=task,
        stream="front",
        frame=frame,
        content=frame,
        route=f"{task}-split",
        model=f"{task}-model",
        step=3,
        scheduled_ns=0,
        deadline_at_ns=deadline_at_ns,
    )


@pytest.fixture
def site(local: type[Local], build: Build) -> Local:
    """A cloud that knows two split tasks."""
    return local(
        build=build, machine=CloudCore(build.config({"objects": "split", "lanes": "split"}))
    )


def test_the_vehicle_may_send_as_much_as_is_configured(build: Build) -> None:
    """Before the first event the site grants its credits."""
    core = CloudCore(build.config(cloud_credits=3))
    assert core.start() == (Grant(peer="vehicle", amount=3),)


def test_work_runs_through_the_site_and_is_answered(site: Local, build: Build) -> None:
    """Steps in order, stamps at every boundary, the answer to the request, and the credit back."""
    arrived = build.arrived(_work(), began_ns=4 * MS, at_ns=10 * MS, size=500)
    site.work_off(site.tell(arrived, 10 * MS), 10 * MS)
    starts = _of(Start, site.said)
    assert [start.jobs for start in starts] == [(Job(0, "objects", step),) for step in (4, 5, 6)]
    assert [start.device for start in starts] == ["cloud-host", "cloud0", "cloud-host"]
    assert [start.inputs for start in starts] == [
        (("work/1",),),
        (("objects/0/4",),),
        (("objects/0/5",),),
    ]
    send, forget, grant = site.said[-3:]
    assert isinstance(send, Send)
    assert send.message == replace(
        _work(),
        kind="answer",
        step=7,
        modelled_ns=6 * MS,
        stamps=(
            ("uplink_wait", 4 * MS),
            ("uplink", 10 * MS),
            ("unpack", 11 * MS),
            ("cloud_wait", 11 * MS),
            ("cloud", 12 * MS),
            ("post", 13 * MS),
        ),
    )
    assert (send.channel, send.refs, send.bytes) == ("cell.down", ("objects/0/6",), 10)
    assert forget == Forget(refs=("work/1", "objects/0/4", "objects/0/5", "objects/0/6"))
    assert grant == CREDIT


def test_overrun_and_modelled_time_travel_with_the_answer(site: Local, build: Build) -> None:
    """The vehicle's ledger needs both."""
    (unpack,) = _of(Start, site.tell(build.arrived(_work(), at_ns=5), 5))
    done = replace(build.done(unpack, began_ns=5, ended_ns=9, modelled_ns=4), overrun=True)
    site.work_off(site.tell(done, 9), 9)
    (send,) = _of(Send, site.said)
    assert (send.message.modelled_ns, send.message.overrun) == (9, True)


def test_the_earliest_deadline_goes_first(site: Local, build: Build) -> None:
    """Work of several tasks shares the devices by deadline."""
    (first,) = _of(Start, site.tell(build.arrived(_work(0)), 0))
    site.tell(build.arrived(_work(1, nonce=2, deadline_at_ns=200 * MS)), 1)
    site.tell(build.arrived(_work(1, nonce=3, task="lanes", deadline_at_ns=150 * MS)), 2)
    commands = site.tell(build.done(first, began_ns=0, ended_ns=MS), MS)
    jobs = [start.jobs[0] for start in _of(Start, commands)]
    assert jobs == [Job(1, "lanes", 4), Job(0, "objects", 5)]


UNKNOWN: dict[str, tuple[Callable[[Message], Message], str]] = {
    "route": (lambda message: replace(message, route="another"), "unknown-cut"),
    "model": (lambda message: replace(message, model="another"), "other-model"),
    "way-back": (lambda message: replace(message, step=7), "other-cut"),
    "no-such-step": (lambda message: replace(message, step=10_000), "other-cut"),
    "task-of-another-route": (lambda message: replace(message, task="lanes"), "other-cut"),
}


@pytest.mark.parametrize("case", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_work_that_does_not_fit_is_refused_at_once(
    site: Local, build: Build, case: tuple[Callable[[Message], Message], str]
) -> None:
    """With the reason, its payload forgotten and its credit back; nothing is started."""
    change, reason = case
    wrong = change(_work())
    assert site.tell(build.arrived(wrong), 5) == [
        Note(reason="refused", detail=reason),
        Send(
            message=replace(wrong, kind="refusal", reason=reason),
            channel="cell.down",
            refs=(),
            bytes=0,
        ),
        Forget(refs=("work/1",)),
        CREDIT,
    ]


def test_a_copy_of_work_under_way_is_thrown_away(site: Local, build: Build) -> None:
    """It cost no credit of its own, and a refusal would drop a frame that is being answered."""
    site.tell(build.arrived(_work()), 0)
    copy = replace(build.arrived(_work()), ref="copy")
    assert site.tell(copy, 1) == [
        Note(reason="stale", detail="objects/0"),
        Forget(refs=("copy",)),
    ]


def test_another_request_for_the_same_frame_is_refused(site: Local, build: Build) -> None:
    """Two visits of one frame cannot be told apart by their jobs."""
    site.tell(build.arrived(_work()), 0)
    commands = site.tell(build.arrived(_work(nonce=2)), 1)
    (send,) = _of(Send, commands)
    assert (send.message.kind, send.message.nonce, send.message.reason) == (
        "refusal",
        2,
        "duplicate",
    )
    assert commands[-1] == CREDIT


def test_what_is_no_work_is_thrown_away(site: Local, build: Build) -> None:
    """An answer that strays to the cloud is counted, and neither refused nor paid for."""
    stray = build.arrived(replace(_work(), kind="answer"))
    assert site.tell(stray, 1) == [
        Note(reason="stale", detail="objects/0"),
        Forget(refs=("answer/1",)),
    ]


def test_a_failed_job_refuses_the_request(site: Local, build: Build) -> None:
    """The vehicle hears of it at once; the slot and the credit are free again."""
    (start,) = _of(Start, site.tell(build.arrived(_work()), 0))
    site.tell(build.arrived(_work(1, nonce=2)), 1)
    failed = site.tell(JobFailed(jobs=start.jobs, device=start.device, reason="x" * 500), 2)
    assert [start.jobs[0].frame for start in _of(Start, failed)] == [1]
    (send,) = _of(Send, failed)
    assert send.message.kind == "refusal"
    assert send.message.reason == "x" * 200
    assert Forget(refs=("work/1",)) in failed
    assert CREDIT in failed


def test_a_failed_branch_takes_its_frames_other_jobs_back(local: type[Local], build: Build) -> None:
    """What waits for the same frame is not begun any more: nobody would need it."""
    config = build.config()
    line = config.tasks["objects"].route.steps
    tail, post = line[5:7]
    branched = (
        *line[:5],
        replace(tail, after=(4,)),
        replace(tail, after=(4,)),
        replace(post, after=(5, 6)),
        replace(line[7], after=(7,)),
        replace(line[8], after=(8,)),
    )
    task = config.tasks["objects"]
    route = replace(task.route, steps=branched)
    task = TaskConfig.of(task.name, task.stream, route, in_flight=task.in_flight)
    config = replace(config, tasks={"objects": task})
    site = local(build=build, machine=CloudCore(config))
    (first,) = _of(Start, site.tell(build.arrived(_work()), 0))
    (left,) = _of(Start, site.tell(build.done(first, began_ns=0, ended_ns=1), 1))
    assert left.jobs == (Job(0, "objects", 5),)
    failed = site.tell(JobFailed(jobs=left.jobs, device=left.device, reason="x"), 2)
    assert [send.message.kind for send in _of(Send, failed)] == ["refusal"]
    assert _of(Start, failed) == []


def test_a_frame_may_come_again_once_it_has_left(site: Local, build: Build) -> None:
    """The site keeps nothing of what it answered."""
    for nonce in (1, 2):
        site.work_off(
            site.tell(build.arrived(_work(nonce=nonce)), nonce * 10 * MS), nonce * 10 * MS
        )
    assert [send.message.nonce for send in _of(Send, site.said)] == [1, 2]
    assert site.said.count(CREDIT) == 2


def test_the_end_of_a_job_whose_frame_has_left_is_forgotten(site: Local, build: Build) -> None:
    """Its output is needed by nobody."""
    (start,) = _of(Start, site.tell(build.arrived(_work()), 0))
    site.tell(JobFailed(jobs=start.jobs, device=start.device, reason="x"), 1)
    done = build.done(start, began_ns=0, ended_ns=2)
    assert site.tell(done, 2) == [Forget(refs=("objects/0/4",))]


def test_what_cannot_be_sent_and_a_stop_are_noted(site: Local) -> None:
    """The vehicle's horizon takes care of the frame."""
    assert site.tell(SendRefused(message=_work(), reason="full"), 1) == [
        Note(reason="send-refused", detail="full")
    ]
    assert site.tell(StopAsked(reason="ctrl-c"), 1) == [Note(reason="stopped", detail="ctrl-c")]


def _urgent(nonce: int, frame: int, ends_ms: int) -> Message:
    return replace(
        _work(nonce=nonce),
        frame=frame,
        deadline_at_ns=ends_ms * MS,
        expires_at_ns=ends_ms * MS,
        scheduled_ns=0,
    )


def test_work_that_cannot_be_answered_in_time_is_refused_at_once(
    local: type[Local], build: Build
) -> None:
    """What is ahead of it on the device counts, so that the car can fall back early."""
    site = local(build=build, machine=CloudCore(build.config(step_ns=10 * MS)))
    first = site.tell(build.arrived(_urgent(1, 1, 100)), 20 * MS)  # needs 50 ms, ends at 70
    (unpack,) = _of(Start, first)
    site.tell(build.done(unpack, began_ns=20 * MS, ended_ns=30 * MS), 30 * MS)
    assert _of(Send, site.tell(build.arrived(_urgent(2, 2, 90)), 30 * MS)) == []
    (refusal,) = _of(Send, site.tell(build.arrived(_urgent(3, 3, 90)), 45 * MS))
    assert (refusal.message.kind, refusal.message.reason) == ("refusal", "too-late")
    assert CREDIT in site.said


def test_a_cloud_that_refuses_nothing_runs_late_work(local: type[Local], build: Build) -> None:
    """The policy can be switched off, and frames that could never make it are served as well."""
    lenient = replace(build.config(step_ns=10 * MS), cloud=CloudConfig(refuses=False))
    for config, ends_ms in ((lenient, 100), (build.config(step_ns=10 * MS), 80)):
        site = local(build=build, machine=CloudCore(config))
        assert _of(Start, site.tell(build.arrived(_urgent(1, 1, ends_ms)), 95 * MS))


def test_work_that_became_too_late_in_line_is_refused_and_not_started(
    local: type[Local], build: Build
) -> None:
    """A job that took longer than predicted cost the one behind it its deadline."""
    site = local(build=build, machine=CloudCore(build.config(step_ns=10 * MS)))
    (unpack,) = _of(Start, site.tell(build.arrived(_urgent(1, 1, 100)), 10 * MS))
    (tail,) = _of(Start, site.tell(build.done(unpack, began_ns=10 * MS, ended_ns=20 * MS), 20 * MS))
    (unpack,) = _of(Start, site.tell(build.arrived(_urgent(2, 2, 100)), 20 * MS))
    site.tell(build.done(unpack, began_ns=20 * MS, ended_ns=30 * MS), 30 * MS)
    said = site.tell(build.done(tail, began_ns=20 * MS, ended_ns=65 * MS), 65 * MS)
    (refusal,) = _of(Send, said)
    assert (refusal.message.frame, refusal.message.reason) == (2, "expired")


def test_waiting_work_is_batched(local: type[Local], build: Build) -> None:
    """Two frames of one step share a slot, and each gets its own answer."""
    config = build.config()
    task = config.tasks["objects"]
    steps = tuple(replace(s, batch_ns=(MS + MS // 2,)) for s in task.steps)
    task = replace(task, steps=steps)
    config = replace(config, tasks={"objects": task}, cloud=CloudConfig(batch={"cloud0": 2}))
    site = local(build=build, machine=CloudCore(config))
    tails = []
    for number in range(1, 4):
        (unpack,) = _of(Start, site.tell(build.arrived(_urgent(number, number, 100)), number))
        tails += _of(Start, site.tell(build.done(unpack, began_ns=0, ended_ns=number), number))
    (first,) = tails
    said = site.tell(build.done(first, began_ns=3, ended_ns=9), 9)
    together = next(s for s in _of(Start, said) if s.device == "cloud0")
    assert [job.frame for job in together.jobs] == [2, 3]
