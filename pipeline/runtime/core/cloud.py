"""A cloud site's machine: takes work, runs it in deadline order, answers or refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.runtime.core.commands import Forget, Grant, Note, Send
from pipeline.runtime.core.events import (
    Job,
    JobDone,
    JobFailed,
    MessageArrived,
    Output,
    SendRefused,
    StopAsked,
)
from pipeline.runtime.core.itinerary import Chart, Itinerary
from pipeline.runtime.core.scheduler import NEVER_NS, DeviceScheduler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.messages import Message


class _Visit:
    """A frame that is at this site.

    Attributes:
        message: The work that it came with.
        chart: Its route as this site sees it.
        refuses: Whether lateness is a reason to leave it undone.
        way: How far it got.
        stamps: Span boundaries passed here, run time.
        outputs: Per step that is over its output, that of the move it came by included.
        modelled_ns: Modelled time here and on the way here.
        overrun: Whether something had to be computed meanwhile.
    """

    __slots__ = (
        "chart",
        "message",
        "modelled_ns",
        "outputs",
        "overrun",
        "refuses",
        "stamps",
        "way",
    )

    def __init__(self, event: MessageArrived, chart: Chart, at_ns: int, *, refuses: bool) -> None:
        message, crossing = event.message, event.crossing
        self.message, self.chart, self.refuses = message, chart, refuses
        self.way = Itinerary(chart)
        self.stamps = {"uplink_wait": crossing.began_ns, "uplink": at_ns}
        self.outputs = {message.step: Output(ref=event.ref)}  # what came does not cross again
        self.modelled_ns = crossing.modelled_ns
        self.overrun = False


class CloudCore:
    """Serves the vehicle's requests; each is answered or refused, and gives its credit back.

    Work whose route or model is not known here is refused at once, and so is work that cannot be
    answered in time behind what is running and waiting; work that has become too late in line is
    never started. A copy of work that is under way is thrown away, since the first one will be
    answered.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        self._site = config.sites.cloud
        self._devices = DeviceScheduler(
            {d: n for d, n in config.slots.items() if config.sites.device_site[d] == self._site},
            config.cloud.batch,
        )
        self._charts = {
            route.id: Chart(route, config.sites, self._site, steps=task.steps, places=places)
            for task in config.tasks.values()
            for route, places in task.routes
        }
        self._here: dict[tuple[str, int], _Visit] = {}

    def start(self) -> Sequence[Command]:
        """Commands before the first event: the vehicle may send so much work."""
        return (Grant(peer=self._config.sites.vehicle, amount=self._config.cloud_credits),)

    def on(self, event: Event, at_ns: int) -> Sequence[Command]:
        """Return the commands to carry out, in order."""
        out: list[Command] = []
        if type(event) is JobDone:
            self._done(event, at_ns, out)
        elif type(event) is MessageArrived:
            self._arrived(event, at_ns, out)
        else:
            self._seldom(event, at_ns, out)
        if self._devices.expired:
            self._expire(out)
        return out

    def _expire(self, out: list[Command]) -> None:
        """Jobs whose latest useful start has passed are never started."""
        while self._devices.expired:
            job = self._devices.expired.pop()
            visit = self._here.get((job.task, job.frame))
            if visit is not None:
                self._refuse(visit.message, "expired", out)
                self._leave(visit, out)

    def _seldom(self, event: Event, at_ns: int, out: list[Command]) -> None:
        """Events that a run sees a few of."""
        match event:
            case JobFailed(jobs=jobs, reason=reason):
                for job in jobs:
                    visit = self._here.get((job.task, job.frame))
                    if visit is not None:
                        self._refuse(visit.message, reason, out)
                        self._leave(visit, out)
                    # last, so that no job of the visit follows
                    out += self._devices.over(job, at_ns)
            case SendRefused(reason=reason):
                out.append(Note(reason="send-refused", detail=reason))
            case StopAsked(reason=reason):
                out.append(Note(reason="stopped", detail=reason))
            case _:
                pass

    def _arrived(self, event: MessageArrived, at_ns: int, out: list[Command]) -> None:
        message = event.message
        here = self._here.get((message.task, message.frame))
        if message.kind != "work" or (here is not None and here.message == message):
            out.append(Note(reason="stale", detail=f"{message.task}/{message.frame}"))
            out.append(Forget(refs=(event.ref,)))
            return
        chart = self._charts.get(message.route)
        reason = ""
        if chart is None:
            reason = "unknown-cut"
        elif message.step not in chart.entries or message.task != chart.route.task:
            reason = "other-cut"
        elif chart.route.model != message.model:
            reason = "other-model"
        elif here is not None:
            reason = "duplicate"
        elif self._is_too_late(message, chart, at_ns):
            reason = "too-late"
        if chart is None or reason:
            self._refuse(message, reason, out)
            out.append(Forget(refs=(event.ref,)))
            out.append(Grant(peer=self._config.sites.vehicle, amount=1))
            return
        visit = _Visit(event, chart, at_ns, refuses=self._refuses(message, chart))
        self._here[message.task, message.frame] = visit
        self._dispatch(visit, visit.way.arrive(message.step), at_ns, out)

    def _is_too_late(self, message: Message, chart: Chart, at_ns: int) -> bool:
        """Whether the answer would come after everybody has stopped waiting for it."""
        if not self._refuses(message, chart):
            return False
        step = next(iter(chart.follows[message.step]), message.step)
        before_ns = 0  # stages of the host ahead of the device
        while step and not (chart.devices[step] and chart.waits[step]):
            before_ns += chart.steps[step].latency_ns
            following = chart.follows[step]
            if not following:
                return at_ns + before_ns > message.expires_at_ns
            step = following[0]
        ready_ns = at_ns + before_ns
        begins_ns = self._devices.starts_ns(chart.devices[step], message.deadline_at_ns, ready_ns)
        return begins_ns + chart.rest_ns[step] > message.expires_at_ns

    def _refuses(self, message: Message, chart: Chart) -> bool:
        """Whether lateness is a reason: not in warm-up, nor where no frame can be in time."""
        feasible = chart.predicted_ns <= message.expires_at_ns - message.scheduled_ns
        return self._config.cloud.refuses and feasible and not message.warmup

    def _dispatch(
        self, visit: _Visit, steps: Iterable[int], at_ns: int, out: list[Command]
    ) -> None:
        message, chart = visit.message, visit.chart
        for index in steps:
            step = chart.steps[index]
            device = chart.devices[index]
            if device:
                out += self._devices.submit(
                    Job(message.frame, message.task, index),
                    device,
                    deadline_at_ns=message.deadline_at_ns,
                    inputs=_refs_after(visit, step.after),
                    at_ns=at_ns,
                    start_by_ns=message.expires_at_ns - chart.rest_ns[index]
                    if visit.refuses
                    else NEVER_NS,
                    lengths_ns=chart.lengths_ns[index],
                )
            elif chart.channels[index]:
                answer = message.answered(
                    step=index,
                    stamps=tuple(visit.stamps.items()),
                    modelled_ns=visit.modelled_ns,
                    overrun=visit.overrun,
                )
                made = [visit.outputs[i] for i in step.after]
                out.append(
                    Send(
                        message=answer,
                        channel=chart.channels[index],
                        refs=tuple([output.ref for output in made]),
                        bytes=sum([output.bytes for output in made]),
                    )
                )
                self._leave(visit, out)

    def _done(self, event: JobDone, at_ns: int, out: list[Command]) -> None:
        for job, output in zip(event.jobs, event.outputs, strict=True):
            out += self._devices.over(job, at_ns)
            visit = self._here.get((job.task, job.frame))
            if visit is None:
                out.append(Forget(refs=(output.ref,)))
                continue
            chart, step = visit.chart, job.step
            waited = chart.waits[step]
            if waited:
                visit.stamps.setdefault(waited, event.began_ns)
            visit.stamps[chart.spans[step]] = event.ended_ns
            visit.outputs[step] = output
            visit.modelled_ns += event.modelled_ns
            visit.overrun = visit.overrun or event.overrun
            self._dispatch(visit, visit.way.finish(step), at_ns, out)

    def _refuse(self, message: Message, reason: str, out: list[Command]) -> None:
        refusal = replace(message, kind="refusal", reason=reason[:200])
        out.append(Note(reason="refused", detail=reason[:200]))
        out.append(Send(message=refusal, channel=self._config.down_channel, refs=(), bytes=0))

    def _leave(self, visit: _Visit, out: list[Command]) -> None:
        del self._here[visit.message.task, visit.message.frame]
        self._devices.withdraw(visit.message.task, visit.message.frame)
        out.append(Forget(refs=tuple([output.ref for output in visit.outputs.values()])))
        out.append(Grant(peer=self._config.sites.vehicle, amount=1))


def _refs_after(visit: _Visit, after: tuple[int, ...]) -> tuple[str, ...]:
    """Where the outputs of some steps are kept that are over."""
    if len(after) == 1:  # nearly always
        return (visit.outputs[after[0]].ref,)
    return tuple([visit.outputs[i].ref for i in after])
