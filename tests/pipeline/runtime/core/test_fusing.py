"""Paths from several sensors: who belongs to whom, who is waited for, and what the row says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.runtime.core.commands import Send, SetTimer, Settle
from pipeline.runtime.core.events import CreditGranted, TimerFired
from pipeline.runtime.core.fusing import _Offered
from pipeline.runtime.core.vehicle import VehicleCore

if TYPE_CHECKING:
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import CoreConfig
    from tests.pipeline.runtime.conftest import Build, Local

MS = 1_000_000


def _car(local: type[Local], build: Build, config: CoreConfig) -> Local:
    car = local(build=build, machine=VehicleCore(config))
    car.tell(CreditGranted(peer="cloud", amount=4), -1)
    return car


def _offer(car: Local, stream: str, at_ns: int, *, frame: int = 0, stamp_ns: int = 0) -> int:
    """Offer a frame and carry out what the car does with it; when that is over."""
    event = replace(car.build.offered(frame, stream=stream), stamp_ns=stamp_ns)
    return car.work_off(car.tell(event, at_ns), at_ns)


def _rows(car: Local) -> list[Row]:
    return [said.row for said in car.said if isinstance(said, Settle)]


def _results(car: Local) -> list[Send]:
    return [said for said in car.said if isinstance(said, Send) and said.message.kind == "result"]


def test_a_set_is_fused_once_both_sensors_have_their_result(
    local: type[Local], build: Build
) -> None:
    """Nothing goes to the consumer before; the stage reads both results, the anchor's first."""
    car = _car(local, build, build.fused(("edge", "edge")))
    _offer(car, "front", 0)
    assert _results(car) == []
    ended_ns = _offer(car, "left", 10 * MS)
    (row,) = _rows(car)
    assert (row.path, row.fate, row.partial) == ("fused", "edge", False)
    assert row.stamps["post"] == 3 * MS
    assert row.stamps["fuse_wait"] == 13 * MS
    assert row.stamps["fuse"] == ended_ns == 14 * MS
    (sent,) = _results(car)
    assert sent.message.task == "fused:fuse"
    assert row.route_delivered == "fused:fuse"


def test_a_partner_that_is_late_is_waited_for_and_then_left_out(
    local: type[Local], build: Build
) -> None:
    """The wait counts from the anchor's own result; the set counts as partial."""
    car = _car(local, build, build.fused(("edge", "edge"), wait_ms=20))
    _offer(car, "front", 0)
    timers = [said for said in car.said if isinstance(said, SetTimer)]
    assert SetTimer(timer="fuse/fused:fuse/0", at_ns=23 * MS) in timers
    car.work_off(car.tell(TimerFired(timer="fuse/fused:fuse/0"), 23 * MS), 23 * MS)
    (row,) = _rows(car)
    assert (row.fate, row.partial) == ("edge", True)
    assert row.stamps["fuse_wait"] == 23 * MS
    _offer(car, "left", 30 * MS)  # nobody waits for it any more
    assert len(_rows(car)) == 1


def test_where_partial_sets_are_refused_the_frame_is_dropped(
    local: type[Local], build: Build
) -> None:
    """The row says that a partner was missing."""
    car = _car(local, build, build.fused(("edge", "edge"), partial=False))
    _offer(car, "front", 0)
    car.tell(TimerFired(timer="fuse/fused:fuse/0"), 23 * MS)
    assert [(row.fate, row.cause) for row in _rows(car)] == [("dropped", "partner")]


def test_an_anchor_that_is_lost_takes_its_set_along(local: type[Local], build: Build) -> None:
    """Its own fate and cause are those of the path."""
    config = build.fused(("edge", "edge"))
    task = replace(config.tasks["objects"], in_flight=1)
    car = _car(local, build, replace(config, tasks={**config.tasks, "objects": task}))
    for frame in range(3):
        car.tell(car.build.offered(frame, stream="front"), frame * MS)
    assert [(row.frame, row.fate, row.cause) for row in _rows(car)] == [(1, "dropped", "overtaken")]


@pytest.mark.parametrize(
    ("stamps_ms", "chosen"), [((0, 40), 0), ((15, 25), 15), ((-21, 39), None), ((-20, 20), -20)]
)
def test_the_partner_is_the_frame_with_the_nearest_stamp(
    local: type[Local], build: Build, stamps_ms: tuple[int, int], chosen: int | None
) -> None:
    """Half a period away is the farthest; of two equally near ones the earlier frame."""
    car = _car(local, build, build.fused(("edge", "edge")))
    for number, stamp_ms in enumerate(stamps_ms):
        _offer(car, "left", number * 5 * MS, frame=number, stamp_ns=stamp_ms * MS)
    before = len(car.said)
    _offer(car, "front", 20 * MS)
    fused = [
        said
        for said in car.said[before:]
        if isinstance(said, Send) and said.message.kind == "result"
    ]
    assert len(fused) == (chosen is not None)


def test_an_offset_moves_the_stamp_that_is_looked_for(local: type[Local], build: Build) -> None:
    """A camera that is read 30 ms later belongs to the anchor all the same."""
    car = _car(local, build, build.fused(("edge", "edge"), offset_ms=30))
    _offer(car, "left", 0, stamp_ns=31 * MS)
    _offer(car, "front", 10 * MS)
    assert [row.partial for row in _rows(car)] == [False]


def test_a_frame_may_be_a_part_and_a_path_of_its_own(local: type[Local], build: Build) -> None:
    """Its result goes to the consumer at once, and to the set as well."""
    config = build.fused(("edge", "edge"))
    config = replace(config, paths=(*config.paths, build.path("alone")))
    car = _car(local, build, config)
    _offer(car, "front", 0)
    assert [row.path for row in _rows(car)] == ["alone"]
    _offer(car, "left", 5 * MS)
    assert [row.path for row in _rows(car)] == ["alone", "fused"]


@given(
    offered=st.lists(st.integers(-50, 50), max_size=60),
    wanted_ns=st.integers(-60, 60),
    within_ns=st.integers(0, 30),
)
def test_the_nearest_frame_is_that_of_a_plain_search(
    offered: list[int], wanted_ns: int, within_ns: int
) -> None:
    """In whatever order stamps come, equal ones included; only the last 32 frames are known."""
    known = _Offered()
    for frame, stamp_ns in enumerate(offered):
        known.add(stamp_ns, frame)
    near = [
        (abs(stamp_ns - wanted_ns), frame)
        for frame, stamp_ns in list(enumerate(offered))[-32:]
        if abs(stamp_ns - wanted_ns) <= within_ns
    ]
    assert known.nearest(wanted_ns, within_ns) == (min(near)[1] if near else None)
