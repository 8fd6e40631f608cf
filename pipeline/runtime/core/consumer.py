"""The consumer's machine: decodes results and says when the application has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.runtime.core.commands import Deliver, Forget, Grant, Note
from pipeline.runtime.core.events import Job, JobDone, JobFailed, MessageArrived
from pipeline.runtime.core.scheduler import DeviceScheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event


class ConsumerCore:
    """Decodes each result once and delivers it to every path it is for."""

    def __init__(self, config: CoreConfig) -> None:
        self._host, self._vehicle = config.consumer_host, config.sites.vehicle
        self._devices = DeviceScheduler({self._host: 1})
        self._coming: dict[Job, MessageArrived] = {}

    def start(self) -> Sequence[Command]:
        """Commands before the first event: none, the vehicle knows the consumer's credits."""
        return ()

    def on(self, event: Event, at_ns: int) -> Sequence[Command]:
        """Return the commands to carry out, in order; needs no time of its own."""
        del at_ns
        out: list[Command] = []
        if type(event) is MessageArrived:
            self._arrived(event, out)
        elif type(event) is JobDone:
            self._done(event, out)
        elif type(event) is JobFailed:
            for job in event.jobs:
                out.extend(self._devices.over(job))
                arrived = self._coming.pop(job)
                out.append(Note(reason="undecodable", detail=event.reason))
                out.append(Forget(refs=(arrived.ref,)))
                out.append(Grant(peer=self._vehicle, amount=1))
        return out

    def _arrived(self, event: MessageArrived, out: list[Command]) -> None:
        message = event.message
        if message.kind != "result":
            out += (Note(reason="stale"), Forget(refs=(event.ref,)))
            return
        job = Job(message.frame, message.task, message.step)
        if job in self._coming:
            out += (Note(reason="duplicate"), Forget(refs=(event.ref,)))
            return
        self._coming[job] = event
        out += self._devices.submit(
            job, self._host, deadline_at_ns=message.deadline_at_ns, inputs=(event.ref,)
        )

    def _done(self, event: JobDone, out: list[Command]) -> None:
        for job, output in zip(event.jobs, event.outputs, strict=True):
            out += self._devices.over(job)
            arrived = self._coming.pop(job)
            message = arrived.message
            if not message.warmup:
                for path in message.paths:
                    out.append(
                        Deliver(
                            path=path,
                            frame=job.frame,
                            ref=output.ref,
                            at_ns=event.ended_ns,
                            improves=message.improves,
                        )
                    )
            out.append(Forget(refs=(arrived.ref, output.ref)))
            out.append(Grant(peer=self._vehicle, amount=1))
