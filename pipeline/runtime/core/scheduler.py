"""The order in which the devices of one site take their jobs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from pipeline.runtime.core.commands import Start

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.events import Job

NEVER_NS = 1 << 62
"""A run time that no run reaches."""


class _Waiting:
    """A job in line: by deadline, then by arrival, so that ties have one order everywhere."""

    __slots__ = ("arrival", "deadline_at_ns", "inputs", "job", "lengths_ns", "start_by_ns")

    def __init__(
        self,
        job: Job,
        inputs: tuple[str, ...],
        deadline_at_ns: int,
        arrival: int,
        start_by_ns: int,
        lengths_ns: tuple[int, ...],
    ) -> None:
        self.job, self.inputs, self.lengths_ns = job, inputs, lengths_ns
        self.deadline_at_ns, self.arrival, self.start_by_ns = deadline_at_ns, arrival, start_by_ns

    def __lt__(self, other: _Waiting) -> bool:
        mine = self.deadline_at_ns, self.arrival
        return mine < (other.deadline_at_ns, other.arrival)


class _Device:
    """A device's slots, what holds them and what waits for them.

    Attributes:
        name: Name of the device.
        slots: How many it has.
        batch: Most jobs that it runs together.
        line: Jobs that wait, a heap.
        held: Per slot that is held the predicted end of its jobs, run time in ns, by the first job.
    """

    __slots__ = ("batch", "held", "line", "name", "slots")

    def __init__(self, name: str, slots: int, batch: int) -> None:
        self.name, self.slots, self.batch = name, slots, batch
        self.line: list[_Waiting] = []
        self.held: dict[Job, int] = {}


class DeviceScheduler:
    """Slots of each device; a free slot takes the waiting job with the earliest deadline.

    Jobs are not preempted. A job whose latest start has passed is never started: it goes to
    `expired`. Where a device takes batches, waiting jobs of the same step join the first one, as
    many as leave every one of them in time.
    """

    def __init__(self, slots: Mapping[str, int], batch: Mapping[str, int] | None = None) -> None:
        most = batch or {}
        self._devices = {
            name: _Device(name, count, max(1, most.get(name, 1))) for name, count in slots.items()
        }
        self._running: dict[Job, tuple[_Device, Job]] = {}  # the device, and who has the slot
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
        owner = self._devices[device]
        held = owner.held
        if not owner.line and len(held) < owner.slots:
            if at_ns > start_by_ns:
                self.expired.append(job)
                return []
            held[job] = at_ns + lengths_ns[0]
            self._running[job] = owner, job
            return [Start(jobs=(job,), device=device, inputs=(inputs,))]
        self._arrivals += 1
        waiting = _Waiting(job, inputs, deadline_at_ns, self._arrivals, start_by_ns, lengths_ns)
        heapq.heappush(owner.line, waiting)
        return []

    def over(self, job: Job, at_ns: int = 0) -> list[Start]:
        """A started job is over, one way or the other; returns the start that this allows.

        Jobs that ran together free their slot with the first of them.
        """
        running = self._running.pop(job, None)
        if running is None:
            return []
        device, first_job = running
        if device.held.pop(first_job, None) is None:  # one that ran beside it was over before
            return []
        line = device.line
        while line:
            first = heapq.heappop(line)
            if at_ns > first.start_by_ns:
                self.expired.append(first.job)
                continue
            most = device.batch
            together = [first] if most == 1 else self._joined(first, line, most, at_ns)
            return [self._started(together, device, at_ns)]
        return []

    def withdraw(self, task: str, frame: int) -> None:
        """Take the jobs of a task's frame out of the lines; those that have started go on."""
        for device in self._devices.values():
            line = device.line
            if line:
                kept = [w for w in line if w.job.frame != frame or w.job.task != task]
                self._keep(line, kept)

    def withdraw_job(self, job: Job) -> None:
        """Take one job out of the lines, if it has not started."""
        for device in self._devices.values():
            line = device.line
            if line:
                self._keep(line, [w for w in line if w.job != job])

    def running(self, job: Job) -> bool:
        """Whether a job holds a slot."""
        return job in self._running

    def waiting(self, device: str) -> int:
        """Jobs in line for a device."""
        return len(self._devices[device].line)

    def starts_ns(self, device: str, deadline_at_ns: int, at_ns: int) -> int:
        """Predicted run time at which a job with this deadline would start, if it came now.

        What runs ends as predicted, and what waits with no later deadline goes before it; several
        slots share the waiting work evenly.
        """
        owner = self._devices[device]
        if not owner.line and len(owner.held) < owner.slots:
            return at_ns
        left_ns = [max(0, ends_ns - at_ns) for ends_ns in owner.held.values()]
        before_ns = sum([w.lengths_ns[0] for w in owner.line if w.deadline_at_ns <= deadline_at_ns])
        if owner.slots == 1:
            return at_ns + sum(left_ns) + before_ns
        soonest_ns = min(left_ns) if len(left_ns) == owner.slots else 0
        return at_ns + soonest_ns + before_ns // owner.slots

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

    def _started(self, together: list[_Waiting], device: _Device, at_ns: int) -> Start:
        jobs = tuple([w.job for w in together])
        device.held[jobs[0]] = at_ns + together[0].lengths_ns[len(together) - 1]
        for job in jobs:
            self._running[job] = device, jobs[0]
        return Start(jobs=jobs, device=device.name, inputs=tuple([w.inputs for w in together]))
