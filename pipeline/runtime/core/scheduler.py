"""The order in which the devices of one site take their jobs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

from pipeline.runtime.core.commands import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.events import Job

NEVER_NS = 1 << 62
"""A run time that no run reaches."""


class _Waiting(NamedTuple):
    """A job in line: by deadline, then by arrival, so that ties have one order everywhere."""

    deadline_at_ns: int
    arrival: int
    job: Job
    inputs: tuple[str, ...]
    start_by_ns: int
    lengths_ns: tuple[int, ...]


class _Running:
    """Jobs that hold one slot together."""

    __slots__ = ("device", "ends_ns")

    def __init__(self, device: str, ends_ns: int) -> None:
        self.device = device
        self.ends_ns = ends_ns


class DeviceScheduler:
    """Slots of each device; a free slot takes the waiting job with the earliest deadline.

    Jobs are not preempted. A job whose latest start has passed is never started: it goes to
    `expired`. Where a device takes batches, waiting jobs of the same step join the first one, as
    many as leave every one of them in time.
    """

    def __init__(self, slots: Mapping[str, int], batch: Mapping[str, int] | None = None) -> None:
        self._slots = dict(slots)
        self._free = dict(slots)
        self._batch = {device: most for device, most in (batch or {}).items() if most > 1}
        self._waiting: dict[str, list[_Waiting]] = {device: [] for device in slots}
        self._running: dict[Job, _Running] = {}
        self._held: dict[str, list[_Running]] = {device: [] for device in slots}
        self._arrivals = 0
        self.expired: list[Job] = []

    def submit(
        self,
        job: Job,
        device: str,
        *,
        deadline_at_ns: int,
        inputs: tuple[str, ...],
        at_ns: int = 0,
        start_by_ns: int = NEVER_NS,
        lengths_ns: tuple[int, ...] = (0,),
    ) -> list[Start]:
        """Put a job in line; returns the starts that this allows, at most one.

        Args:
            job: The job.
            device: Device that is to run it.
            deadline_at_ns: What the line is ordered by.
            inputs: Refs of what it reads.
            at_ns: Now, run time.
            start_by_ns: Latest useful start, run time.
            lengths_ns: Predicted time alone, then of batches of two, three and so on.
        """
        line = self._waiting[device]
        if not line and self._free[device] > 0:
            if at_ns > start_by_ns:
                self.expired.append(job)
                return []
            self._hold(device, at_ns + lengths_ns[0], (job,))
            return [Start(jobs=(job,), device=device, inputs=(inputs,))]
        self._arrivals += 1
        waiting = _Waiting(deadline_at_ns, self._arrivals, job, inputs, start_by_ns, lengths_ns)
        heapq.heappush(line, waiting)
        return []

    def over(self, job: Job, at_ns: int = 0) -> list[Start]:
        """A started job is over, one way or the other; returns the start that this allows.

        Jobs that ran together free their slot with the first of them.
        """
        running = self._running.pop(job, None)
        if running is None:
            return []
        device = running.device
        held = self._held[device]
        if running not in held:
            return []
        held.remove(running)
        self._free[device] += 1
        line = self._waiting[device]
        while line:
            first = heapq.heappop(line)
            if at_ns > first.start_by_ns:
                self.expired.append(first.job)
                continue
            most = self._batch.get(device, 1)
            together = [first] if most == 1 else self._joined(first, line, most, at_ns)
            return [self._started(together, device, at_ns)]
        return []

    def withdraw(self, task: str, frame: int) -> None:
        """Take the jobs of a task's frame out of the lines; those that have started go on."""
        for line in self._waiting.values():
            if line:
                kept = [w for w in line if w.job.frame != frame or w.job.task != task]
                self._keep(line, kept)

    def withdraw_job(self, job: Job) -> None:
        """Take one job out of the lines, if it has not started."""
        for line in self._waiting.values():
            if line:
                self._keep(line, [w for w in line if w.job != job])

    def running(self, job: Job) -> bool:
        """Whether a job holds a slot."""
        return job in self._running

    def waiting(self, device: str) -> int:
        """Jobs in line for a device."""
        return len(self._waiting[device])

    def starts_ns(self, device: str, deadline_at_ns: int, at_ns: int) -> int:
        """Predicted run time at which a job with this deadline would start, if it came now.

        What runs ends as predicted, and what waits with no later deadline goes before it; several
        slots share the waiting work evenly.
        """
        if self._free[device] > 0 and not self._waiting[device]:
            return at_ns
        slots = self._slots[device]
        left_ns = [max(0, running.ends_ns - at_ns) for running in self._held[device]]
        before_ns = sum(
            w.lengths_ns[0] for w in self._waiting[device] if w.deadline_at_ns <= deadline_at_ns
        )
        if slots == 1:
            return at_ns + sum(left_ns) + before_ns
        soonest_ns = min(left_ns) if len(left_ns) == slots else 0
        return at_ns + soonest_ns + before_ns // slots

    def _joined(
        self, first: _Waiting, line: list[_Waiting], most: int, at_ns: int
    ) -> list[_Waiting]:
        """The first job with those that may run beside it: as many as stay in time together."""
        alike = sorted(
            w for w in line if w.job.task == first.job.task and w.job.step == first.job.step
        )
        together = [first]
        most = min(most, len(first.lengths_ns))
        for other in alike:
            if len(together) == most:
                break
            longer_ns = first.lengths_ns[len(together)]
            if all(
                at_ns + longer_ns <= w.start_by_ns + w.lengths_ns[0] for w in (*together, other)
            ):
                together.append(other)
        joined = {w.arrival for w in together}
        self._keep(line, [w for w in line if w.arrival not in joined])
        return together

    @staticmethod
    def _keep(line: list[_Waiting], kept: list[_Waiting]) -> None:
        if len(kept) < len(line):
            line[:] = kept
            heapq.heapify(line)

    def _started(self, together: list[_Waiting], device: str, at_ns: int) -> Start:
        jobs = tuple([w.job for w in together])
        self._hold(device, at_ns + together[0].lengths_ns[len(together) - 1], jobs)
        return Start(jobs=jobs, device=device, inputs=tuple([w.inputs for w in together]))

    def _hold(self, device: str, ends_ns: int, jobs: tuple[Job, ...]) -> None:
        """Jobs take a slot, until about then."""
        self._free[device] -= 1
        running = _Running(device, ends_ns)
        self._held[device].append(running)
        for job in jobs:
            self._running[job] = running
