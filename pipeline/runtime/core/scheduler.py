"""The order in which the devices of one site take their jobs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from pipeline.runtime.core.commands import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.events import Job


class _Waiting(NamedTuple):
    """A job in line: by deadline, then by arrival, so that ties have one order everywhere."""

    deadline_at_ns: int
    arrival: int
    job: Job
    inputs: tuple[str, ...]


class DeviceScheduler:
    """Slots of each device; a free slot takes the waiting job with the earliest deadline.

    Jobs are not preempted. One job fills one slot; batching is not part of this version.
    """

    def __init__(self, slots: Mapping[str, int]) -> None:
        self._free = dict(slots)
        self._waiting: dict[str, list[_Waiting]] = {device: [] for device in slots}
        self._running: dict[Job, str] = {}
        self._arrivals = 0

    def submit(
        self, job: Job, device: str, *, deadline_at_ns: int, inputs: tuple[str, ...]
    ) -> list[Start]:
        """Put a job in line; returns the starts that this allows, at most one."""
        line = self._waiting[device]
        if not line and self._free[device] > 0:
            return [self._started(job, device, inputs)]
        self._arrivals += 1
        heapq.heappush(line, _Waiting(deadline_at_ns, self._arrivals, job, inputs))
        return []

    def over(self, job: Job) -> list[Start]:
        """A started job is over, one way or the other; returns the start that this allows."""
        device = self._running.pop(job, None)
        if device is None:
            return []
        self._free[device] += 1
        line = self._waiting[device]
        if not line:
            return []
        first = heapq.heappop(line)
        return [self._started(first.job, device, first.inputs)]

    def withdraw(self, task: str, frame: int) -> None:
        """Take the jobs of a task's frame out of the lines; those that have started go on."""
        for line in self._waiting.values():
            kept = [w for w in line if w.job.frame != frame or w.job.task != task] if line else line
            if len(kept) < len(line):
                line[:] = kept
                heapq.heapify(line)

    def running(self, job: Job) -> bool:
        """Whether a job holds a slot."""
        return job in self._running

    def waiting(self, device: str) -> int:
        """Jobs in line for a device."""
        return len(self._waiting[device])

    def _started(self, job: Job, device: str, inputs: tuple[str, ...]) -> Start:
        self._free[device] -= 1
        self._running[job] = device
        return Start(jobs=(job,), device=device, inputs=(inputs,))
