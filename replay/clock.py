"""The one module that reads the machine's clock and sleeps on it."""

from __future__ import annotations

import ctypes
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_PR_SET_TIMERSLACK = 29  # linux/prctl.h
_NS_PER_S = 1_000_000_000
_LOAD = Path("/proc/loadavg")


class Clock(Protocol):
    """A named monotonic clock in whole nanoseconds."""

    def now_ns(self) -> int:
        """Return the present, ns since the clock's own zero; never less than before."""

    def sleep_until_ns(self, at_ns: int) -> None:
        """Return when the clock shows `at_ns` or later, never earlier; at once if it already does.

        Args:
            at_ns: An instant, ns on this clock.
        """


class WallClock:
    """The machine's monotonic clock; its zero is arbitrary, usually the boot."""

    def now_ns(self) -> int:
        """Return the present, ns since the machine's arbitrary zero."""
        return time.monotonic_ns()  # noqa: TID251 - this is the module that may

    def sleep_until_ns(self, at_ns: int) -> None:
        """Sleep until the clock shows `at_ns` or later; sleeps again when woken early."""
        while (remaining_ns := at_ns - self.now_ns()) > 0:
            time.sleep(remaining_ns / _NS_PER_S)  # noqa: TID251 - this is the module that may


class VirtualClock:
    """A clock that stands still until somebody sleeps on it or moves it; for one thread."""

    def __init__(self, start_ns: int = 0) -> None:
        """Stand at `start_ns`."""
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the instant at which the clock stands."""
        return self._now_ns

    def sleep_until_ns(self, at_ns: int) -> None:
        """Jump to `at_ns`; stay where it is if that has passed, as sleeping does."""
        self._now_ns = max(self._now_ns, at_ns)

    def jump_to_ns(self, at_ns: int) -> None:
        """Jump to `at_ns`.

        Raises:
            ValueError: That lies in the past; the clock never goes back.
        """
        if at_ns < self._now_ns:
            msg = f"the clock stands at {self._now_ns} ns and does not go back to {at_ns} ns"
            raise ValueError(msg)
        self._now_ns = at_ns


class RunClock:
    """Another clock, counted from the start of a run: ns since t0, negative before it."""

    def __init__(self, base: Clock, *, t0_ns: int) -> None:
        """Count from `t0_ns`, an instant of `base`."""
        self._base, self._t0_ns = base, t0_ns

    def now_ns(self) -> int:
        """Return the present, ns since t0."""
        return self._base.now_ns() - self._t0_ns

    def sleep_until_ns(self, at_ns: int) -> None:
        """Sleep on the base clock until `at_ns` after t0."""
        self._base.sleep_until_ns(self._t0_ns + at_ns)


def fine_timers() -> bool:
    """Ask the kernel to wake this thread on time, not up to 50 us late with its neighbours.

    Sets the timer slack of the calling thread to 1 ns, the least there is; threads and processes
    it starts afterwards inherit that. Best effort.

    Returns:
        Whether the kernel agreed; False on systems that have no such thing.
    """
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        slack_ns = ctypes.c_ulong(1)
        unused = ctypes.c_ulong(0)
        return int(prctl(_PR_SET_TIMERSLACK, slack_ns, unused, unused, unused)) == 0
    except (OSError, AttributeError, TypeError):  # no such library, or no such call in it
        return False


def spare_core() -> bool:
    """Whether a core of this machine is idle now, so that spinning takes nobody's time.

    Counts the threads that run or wait for a core, the caller among them, in `/proc/loadavg`; takes
    some 20 us. False where there is no such file.
    """
    try:
        with _LOAD.open(encoding="ascii") as stream:
            running = int(stream.read().split()[3].partition("/")[0])
    except (OSError, ValueError, IndexError):
        return False
    return running < len(os.sched_getaffinity(0))


def utc_label() -> str:
    """Return the wall time, such as `2025-03-01T12:00:00Z`, for people only."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - this module may
