"""Clocks."""

from __future__ import annotations

import ctypes
import re
import sys
import threading

import pytest

from replay.clock import Clock, RunClock, VirtualClock, WallClock, fine_timers, utc_label


def test_a_virtual_clock_stands_still_until_slept_on() -> None:
    """Reading it costs no time; sleeping jumps to the very instant."""
    clock = VirtualClock()
    assert (clock.now_ns(), clock.now_ns()) == (0, 0)
    clock.sleep_until_ns(7)
    assert clock.now_ns() == 7


def test_a_virtual_clock_never_goes_back() -> None:
    """Sleeping until the past returns at once; jumping there is refused."""
    clock = VirtualClock(start_ns=50)
    clock.sleep_until_ns(20)
    assert clock.now_ns() == 50
    with pytest.raises(ValueError, match="does not go back"):
        clock.jump_to_ns(49)
    clock.jump_to_ns(50)
    clock.jump_to_ns(51)
    assert clock.now_ns() == 51


def test_a_run_clock_counts_from_t0() -> None:
    """Before t0 it is negative; sleeping on it moves the base clock."""
    base = VirtualClock(start_ns=900)
    clock = RunClock(base, t0_ns=1_000)
    assert clock.now_ns() == -100
    clock.sleep_until_ns(-40)
    assert (clock.now_ns(), base.now_ns()) == (-40, 960)
    clock.sleep_until_ns(5)
    assert base.now_ns() == 1_005


@pytest.mark.parametrize("clock", [WallClock(), VirtualClock(), RunClock(WallClock(), t0_ns=0)])
def test_no_clock_wakes_early(clock: Clock) -> None:
    """After sleeping until an instant the clock shows it or later, and a past one costs nothing."""
    at_ns = clock.now_ns() + 100_000
    clock.sleep_until_ns(at_ns)
    woken_ns = clock.now_ns()
    assert woken_ns >= at_ns
    clock.sleep_until_ns(at_ns - 10**18)
    assert clock.now_ns() >= woken_ns


def test_a_sleep_that_ends_early_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock trusts the clock, not the sleep."""
    clock, slept = WallClock(), list[float]()
    stamps = iter([0, 40, 99, 100])
    monkeypatch.setattr("time.monotonic_ns", lambda: next(stamps))
    monkeypatch.setattr("time.sleep", slept.append)
    clock.sleep_until_ns(100)
    assert slept == [100e-9, 60e-9, 1e-9]


@pytest.mark.skipif(sys.platform != "linux", reason="timer slack is a thing of Linux")
def test_fine_timers_set_the_slack_of_the_thread() -> None:
    """The kernel reports what was set; done in a thread of its own, which takes it along."""
    seen: list[tuple[bool, int]] = []

    def look() -> None:
        agreed = fine_timers()
        seen.append((agreed, int(ctypes.CDLL(None).prctl(30, 0, 0, 0, 0))))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(True, 1)]


def test_fine_timers_do_without_a_kernel_that_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Best effort: a system without the call answers no."""

    def missing(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert fine_timers() is False


def test_the_label_of_the_wall_time_is_iso_in_utc() -> None:
    """To the second, with Z."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_label())
