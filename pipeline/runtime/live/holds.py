"""Holding an answer until its modelled time: one timer thread per node, absolute sleep."""

from __future__ import annotations

import heapq
import itertools
import select
import threading
from typing import TYPE_CHECKING

from pipeline.transport.channels import Wakeup
from replay.clock import fine_timers

if TYPE_CHECKING:
    from collections.abc import Callable

_NS_PER_S = 1_000_000_000


class HoldTimer:
    """Calls back at given instants, never early; how late is for the caller to record."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._wakeup = Wakeup()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="hold-timer", daemon=True)
        self._thread.start()

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
        while self._open:
            self._wakeup.clear()
            due: list[Callable[[], None]] = []
            with self._lock:
                now_ns = self._now_ns()
                while self._heap and self._heap[0][0] <= now_ns:
                    due.append(heapq.heappop(self._heap)[2])
                next_ns = self._heap[0][0] if self._heap else None
            for call in due:
                call()
            if due:
                continue
            wait_s = None if next_ns is None else max(0, next_ns - self._now_ns()) / _NS_PER_S
            select.select((self._wakeup.fileno(),), (), (), wait_s)
