"""The consumer's machine: decodes results and says when the application has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from pipeline.runtime.core.commands import Deliver, Forget, Grant, Note, Start
from pipeline.runtime.core.consumer import ConsumerCore
from pipeline.runtime.core.events import Job, JobFailed, StopAsked
from pipeline.runtime.core.messages import Message

if TYPE_CHECKING:
    from tests.pipeline.runtime.conftest import Build, Local

CREDIT = Grant(peer="vehicle", amount=1)


def _result(frame: int = 0, *, deadline_at_ns: int = 100) -> Message:
    return Message(
        kind="result",
        epoch=7,
        nonce=frame + 1,
        task="objects",
        stream="front",
        frame=frame,
        content=frame,
        route="objects-split",
        model="objects-model",
        step=8,
        scheduled_ns=0,
        deadline_at_ns=deadline_at_ns,
        paths=("camera", "planner"),
    )


@pytest.fixture
def screen(local: type[Local], build: Build) -> Local:
    """A consumer."""
    return local(build=build, machine=ConsumerCore(build.config()))


def test_it_grants_nothing_before_the_first_result(build: Build) -> None:
    """The vehicle knows the consumer's credits from its configuration."""
    assert ConsumerCore(build.config()).start() == ()


def test_a_result_is_decoded_once_and_delivered_to_every_path(screen: Local, build: Build) -> None:
    """It is stamped with the end of decoding; then all is forgotten and the credit back."""
    (start,) = screen.tell(build.arrived(_result()), 10)
    assert start == Start(
        jobs=(Job(0, "objects", 8),), device="consumer-host", inputs=(("result/1",),)
    )
    assert screen.tell(build.done(start, began_ns=10, ended_ns=14), 15) == [
        Deliver(path="camera", frame=0, ref="objects/0/8", at_ns=14),
        Deliver(path="planner", frame=0, ref="objects/0/8", at_ns=14),
        Forget(refs=("result/1", "objects/0/8")),
        CREDIT,
    ]


def test_a_warm_up_result_is_decoded_and_delivered_to_nobody(screen: Local, build: Build) -> None:
    """It warms the way and gives its credit back."""
    (start,) = screen.tell(build.arrived(replace(_result(), warmup=True)), 10)
    assert screen.tell(build.done(start, began_ns=10, ended_ns=14), 14) == [
        Forget(refs=("result/1", "objects/0/8")),
        CREDIT,
    ]


def test_results_are_decoded_one_at_a_time_by_deadline(screen: Local, build: Build) -> None:
    """The consumer's host has one slot."""
    (first,) = screen.tell(build.arrived(_result(0)), 0)
    assert screen.tell(build.arrived(_result(1, deadline_at_ns=300)), 1) == []
    assert screen.tell(build.arrived(_result(2, deadline_at_ns=200)), 2) == []
    commands = screen.tell(build.done(first, began_ns=0, ended_ns=3), 3)
    assert [c.jobs[0].frame for c in commands if isinstance(c, Start)] == [2]


def test_an_undecodable_result_is_noted_and_gives_its_credit_back(
    screen: Local, build: Build
) -> None:
    """No path hears of it; the ledger closes the frame as undelivered."""
    (start,) = screen.tell(build.arrived(_result()), 0)
    assert isinstance(start, Start)
    failed = JobFailed(jobs=start.jobs, device=start.device, reason="bad bytes")
    assert screen.tell(failed, 1) == [
        Note(reason="undecodable", detail="bad bytes"),
        Forget(refs=("result/1",)),
        CREDIT,
    ]


def test_a_copy_of_a_result_is_thrown_away(screen: Local, build: Build) -> None:
    """It is delivered once, and only one credit goes back."""
    screen.work_off(screen.tell(build.arrived(_result()), 0), 0)
    screen.tell(build.arrived(_result(1)), 5)
    copy = replace(build.arrived(_result(1)), ref="copy")
    assert screen.tell(copy, 6) == [Note(reason="duplicate"), Forget(refs=("copy",))]


def test_what_is_no_result_is_thrown_away(screen: Local, build: Build) -> None:
    """Work that strays here is not decoded."""
    stray = build.arrived(replace(_result(), kind="work"))
    assert screen.tell(stray, 6) == [Note(reason="stale"), Forget(refs=("work/1",))]


def test_a_stop_changes_nothing(screen: Local) -> None:
    """What was sent may still be decoded."""
    assert screen.tell(StopAsked(), 1) == []
