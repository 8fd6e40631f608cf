"""Holding an answer until its modelled time: one timer thread per node, absolute sleep.

The kernel wakes a sleeper some tens of microseconds late. Where a core is idle the last 0.2 ms are
therefore spun; where none is, spinning would lose a whole tick of the scheduler, and the thread
sleeps to the end. Spinning lets go of the interpreter at every turn, so the node's loop goes on.
"""

from __future__ import annotations

import heapq
import itertools
import select
import threading
from typing import TYPE_CHECKING

from pipeline.transport.channels import Wakeup
from replay.clock import fine_timers, spare_core

if TYPE_CHECKING:
    from collections.abc import Callable

SPUN_NS = 200_000
"""How long before its time a hold is spun for; what a sleeper is late by at p99 on an idle machine
(measured 0.15 to 0.2 ms with a timer slack of 1 ns).
"""

_NS_PER_S = 1_000_000_000


class HoldTimer:
    """Calls back at given instants, never early; how late is for the caller to record."""

    def __init__(
        self, now_ns: Callable[[], int], *, may_spin: Callable[[], bool] = spare_core
    ) -> None:
        """Start the thread.

        Args:
            now_ns: Clock of the instants, ns.
            may_spin: Whether a core is free to spin on; asked before every wait.
        """
        self._now_ns, self._may_spin = now_ns, may_spin
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._wakeup = Wakeup()
        self._open = True
        self._spun = 0
        self._thread = threading.Thread(target=self._work, name="hold-timer", daemon=True)
        self._thread.start()

    @property
    def spun(self) -> int:
        """How many holds ended in a spin."""
        return self._spun

    def at(self, at_ns: int, call: Callable[[], None]) -> None:
        """Call back from the timer's thread at an instant of the clock; from any thread."""
        with self._lock:
            heapq.heappush(self._heap, (at_ns, next(self._order), call))
            first = self._heap[0][0] == at_ns
        if first:
            self._wakeup.post()

    def close(self) -> None:
        """End the thread; what is still held is never called."""
        self._open = False
        self._wakeup.post()
        self._thread.join()
        self._wakeup.close()

    def _work(self) -> None:
        fine_timers()
        while True:
            self._wakeup.clear()
            if not self._open:  # looked at after clearing, lest a close in between be lost
                return
            due: list[Callable[[], None]] = []
            with self._lock:
                now_ns = self._now_ns()
                while self._heap and self._heap[0][0] <= now_ns:
                    due.append(heapq.heappop(self._heap)[2])
                next_ns = self._heap[0][0] if self._heap else None
            for call in due:
                call()
            if not due:
                self._wait(next_ns)

    def _wait(self, next_ns: int | None) -> None:
        """Wait for the next hold, or until one comes that may be earlier.

        Whether to spin is asked before the sleep: waking to ask would itself cost a wake-up where
        no core is free.
        """
        if next_ns is None:
            self._sleep(None)
            return
        spin = self._may_spin()
        left_ns = max(0, next_ns - self._now_ns())
        if not spin or left_ns > SPUN_NS:
            posted = self._sleep(left_ns - SPUN_NS if spin else left_ns)
            if posted or not spin:
                return
        self._spun += 1
        while self._now_ns() < next_ns and not self._sleep(0):
            pass

    def _sleep(self, wait_ns: int | None) -> bool:
        """Sleep at most so long; returns whether something was posted."""
        wait_s = None if wait_ns is None else wait_ns / _NS_PER_S
        return bool(select.select((self._wakeup.fileno(),), (), (), wait_s)[0])
