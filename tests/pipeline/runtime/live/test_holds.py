"""Holds end at their time or later, in order, whether the end of the wait is slept or spun."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pipeline.runtime.core.events import Job
from pipeline.runtime.live.devices import Finished
from pipeline.runtime.live.holds import SPUN_NS, HoldTimer
from replay.clock import WallClock, spare_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[[bool], HoldTimer]

now_ns = WallClock().now_ns
MS = 1_000_000


@pytest.fixture
def make() -> Iterator[Make]:
    """Timers that may spin or not; closed at the end."""
    made: list[HoldTimer] = []

    def start(spin: bool) -> HoldTimer:  # noqa: FBT001 - a parameter of the tests
        timer = HoldTimer(now_ns, may_spin=lambda: spin)
        made.append(timer)
        return timer

    yield start
    for timer in made:
        timer.close()


@pytest.mark.parametrize("spin", [False, True])
def test_nothing_is_let_go_early_and_the_order_is_kept(
    make: Make,
    spin: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Whatever order holds are asked in, they end in that of their times."""
    timer = make(spin)
    over = threading.Event()
    ended: list[tuple[int, int]] = []
    start_ns = now_ns() + 20 * MS
    after_ns = [7 * MS, 3 * MS, 5 * MS, 3 * MS + SPUN_NS // 2, 0]

    def release(due_ns: int) -> None:
        ended.append((due_ns, now_ns()))
        if len(ended) == len(after_ns):
            over.set()

    for wait_ns in after_ns:
        due_ns = start_ns + wait_ns
        timer.at(due_ns, partial(release, due_ns))
    assert over.wait(60)
    assert [due_ns for due_ns, _ in ended] == [start_ns + wait for wait in sorted(after_ns)]
    assert all(at_ns >= due_ns for due_ns, at_ns in ended)
    assert (timer.spun > 0) == spin


def test_a_hold_that_comes_during_a_spin_is_not_kept_waiting(make: Make) -> None:
    """An earlier one is let go first."""
    timer = make(True)  # noqa: FBT003 - see the fixture
    order: list[str] = []
    over = threading.Event()
    late_ns = now_ns() + 50 * MS

    def later() -> None:
        order.append("later")
        over.set()

    timer.at(late_ns, later)
    timer.at(late_ns - 49 * MS, lambda: order.append("earlier"))
    assert over.wait(60)
    assert order == ["earlier", "later"]


def test_what_is_held_when_it_closes_is_never_called(make: Make) -> None:
    """And closing does not wait for it."""
    timer = make(False)  # noqa: FBT003 - see the fixture
    called: list[int] = []
    timer.at(now_ns() + 3_600_000 * MS, lambda: called.append(1))
    timer.close()
    assert called == []


def test_a_spare_core_is_said_or_denied() -> None:
    """Whatever the machine is doing, there is an answer."""
    assert spare_core() in {True, False}


@pytest.mark.parametrize(("frames", "warmup"), [((-2,), True), ((-1, 0), False), ((3,), False)])
def test_holds_of_the_warm_up_are_told_apart(frames: tuple[int, ...], warmup: bool) -> None:  # noqa: FBT001 - a table
    """Cold nodes let go late; that says nothing of the frames that are judged."""
    jobs = tuple(Job(frame, "objects", 1) for frame in frames)
    finished = Finished(jobs=jobs, device="edge0", values=(), began_ns=0, ended_ns=1)
    assert finished.warmup is warmup
