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
        self._config = config
        self._host = config.consumer_host
        self._devices = DeviceScheduler({self._host: 1})
        self._coming: dict[Job, MessageArrived] = {}

    def start(self) -> Sequence[Command]:
        """Commands before the first event: none, the vehicle knows the consumer's credits."""
        return ()

    def on(self, event: Event, at_ns: int) -> Sequence[Command]:
        """Return the commands to carry out, in order; needs no time of its own."""
        del at_ns
        out: list[Command] = []
        match event:
            case MessageArrived(message=message) if message.kind != "result":
                out += (Note(reason="stale"), Forget(refs=(event.ref,)))
            case MessageArrived(message=message):
                job = Job(message.frame, message.task, message.step)
                if job in self._coming:
                    out += (Note(reason="duplicate"), Forget(refs=(event.ref,)))
                    return out
                self._coming[job] = event
                out.extend(
                    self._devices.submit(
                        job, self._host, deadline_at_ns=message.deadline_at_ns, inputs=(event.ref,)
                    )
                )
            case JobDone(jobs=jobs, outputs=outputs, ended_ns=ended_ns):
                for job, output in zip(jobs, outputs, strict=True):
                    out += self._devices.over(job)
                    arrived = self._coming.pop(job)
                    if not arrived.message.warmup:
                        out.extend(
                            Deliver(
                                path=path,
                                frame=job.frame,
                                ref=output.ref,
                                at_ns=ended_ns,
                                improves=arrived.message.improves,
                            )
                            for path in arrived.message.paths
                        )
                    out.append(Forget(refs=(arrived.ref, output.ref)))
                    out.append(Grant(peer=self._config.sites.vehicle, amount=1))
            case JobFailed(jobs=jobs, reason=reason):
                for job in jobs:
                    out.extend(self._devices.over(job))
                    arrived = self._coming.pop(job)
                    out.append(Note(reason="undecodable", detail=reason))
                    out.append(Forget(refs=(arrived.ref,)))
                    out.append(Grant(peer=self._config.sites.vehicle, amount=1))
            case _:
                pass
        return out
