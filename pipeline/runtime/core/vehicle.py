"""The vehicle's machine: admission, the way of each frame, fencing and settling."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.ledger.rows import Row
from pipeline.plan.steps import Move
from pipeline.runtime.core.commands import (
    CancelTimer,
    Forget,
    Grant,
    Note,
    Send,
    SetTimer,
    Settle,
)
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.core.events import (
    CreditGranted,
    FrameOffered,
    Job,
    JobDone,
    JobFailed,
    MessageArrived,
    PeerGone,
    SendRefused,
    StopAsked,
    StreamEnded,
    TimerFired,
)
from pipeline.runtime.core.itinerary import Chart, Itinerary
from pipeline.runtime.core.messages import Message, MessageKind
from pipeline.runtime.core.scheduler import DeviceScheduler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig, PathConfig, TaskConfig
    from pipeline.runtime.core.events import Event


@dataclass(slots=True, kw_only=True, eq=False)
class _Task:
    """What a task has under way: frames admitted, and the one that waits."""

    config: TaskConfig
    chart: Chart
    paths: tuple[PathConfig, ...]
    active: int = 0
    waiting: _Frame | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Frame:
    """A frame of one task that is waiting or under way."""

    task: _Task
    offer: FrameOffered
    paths: list[PathConfig]  # still without a fate
    deadline_at_ns: int  # the earliest of its paths
    stamps: dict[str, int]
    way: Itinerary
    timer: str
    refs: dict[int, str] = field(default_factory=dict)
    bytes: dict[int, int] = field(default_factory=dict)
    nonce: int = 0  # 0: nothing was asked of a cloud
    admitted: bool = False
    answered: bool = False  # the result is ready and may wait for a credit of the consumer
    bytes_up: int = 0
    bytes_down: int = 0
    modelled_ns: int = 0
    overrun: bool = False
    seen_cloud: bool = False

    def bytes_after(self, step: int) -> int:
        """Payload bytes that a step hands on: those of the steps it comes after."""
        return sum([self.bytes.get(i, 0) for i in self.task.chart.route.steps[step].after])


class VehicleCore:
    """Owns every decision of the vehicle; alone drops, alone settles.

    Admission: a task has at most `in_flight` frames under way; one more waits, the newest, and what
    it overtakes is dropped. A route that crosses a link takes a credit of the cloud at admission
    and gets it back by a grant.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        self._site = config.sites.vehicle
        self._devices = DeviceScheduler(
            {d: n for d, n in config.slots.items() if config.sites.device_site[d] == self._site}
        )
        self._tasks = {
            name: _Task(
                config=task,
                chart=Chart.of(task.route, config.sites, self._site),
                paths=tuple(path for path in config.paths if path.task == name),
            )
            for name, task in config.tasks.items()
        }
        self._by_stream: dict[str, list[_Task]] = {s: [] for s in config.streams}
        for task in self._tasks.values():
            self._by_stream.setdefault(task.config.stream, []).append(task)
        self._open: dict[tuple[str, int], _Frame] = {}
        self._requests: dict[int, _Frame] = {}
        self._pictures: dict[str, int] = {}  # how many tasks still need a picture
        self._undelivered: deque[_Frame] = deque()
        self._nonce = 0
        self._cloud_credits = 0
        self._consumer_credits = config.consumer_credits
        self._streams_open = set(self._by_stream)
        self._stopped = False
        self._drained = False

    def start(self) -> Sequence[Command]:
        """Commands before the first event: the player may begin."""
        return (Grant(peer=PLAYER, amount=self._config.player_credits),)

    def on(self, event: Event, at_ns: int) -> Sequence[Command]:
        """Return the commands to carry out, in order."""
        out: list[Command] = []
        match event:
            case FrameOffered():
                self._offered(event, at_ns, out)
            case JobDone():
                self._done(event, at_ns, out)
            case MessageArrived():
                self._arrived(event, at_ns, out)
            case TimerFired(timer=timer):
                self._timer(timer, at_ns, out)
            case CreditGranted(peer=peer, amount=amount):
                self._credit(peer, amount, at_ns, out)
            case JobFailed():
                self._job_failed(event, at_ns, out)
            case SendRefused():
                self._send_refused(event, at_ns, out)
            case PeerGone(peer=peer):
                self._gone(peer, at_ns, out)
            case StreamEnded(stream=stream):
                self._streams_open.discard(stream)
            case StopAsked(reason=reason):
                self._stop(reason, at_ns, out)
            case _:
                pass
        self._note_when_drained(out)
        return out

    # -- frames come in --------------------------------------------------------------------------

    def _offered(self, event: FrameOffered, at_ns: int, out: list[Command]) -> None:
        takers: list[_Frame] = []
        for task in self._by_stream.get(event.stream, ()):
            paths = [path for path in task.paths if path.selects(event.frame)]
            if paths:
                deadline_ns = min([path.deadline_ns for path in paths])
                takers.append(
                    _Frame(
                        task=task,
                        offer=event,
                        paths=paths,
                        deadline_at_ns=event.scheduled_ns + deadline_ns,
                        stamps={"source": at_ns},
                        way=Itinerary(task.chart),
                        timer=f"horizon/{task.config.name}/{event.frame}",
                    )
                )
        if not takers:
            out += (Grant(peer=PLAYER, amount=1), Forget(refs=(event.ref,)))
            return
        self._pictures[event.ref] = len(takers)
        for frame in takers:
            self._open[frame.task.config.name, event.frame] = frame
            if self._stopped:
                self._settle(frame, "interrupted", "", at_ns, out)
                continue
            if self._may_admit(frame.task):
                self._admit(frame, at_ns, out)
            else:
                self._wait(frame, at_ns, out)
            if frame.paths:
                self._set_horizon(frame, out)
        out.append(Grant(peer=PLAYER, amount=1))  # the frame's own work comes first

    def _may_admit(self, task: _Task) -> bool:
        free = task.active < task.config.in_flight
        return free and (self._cloud_credits > 0 or not task.chart.crosses)

    def _wait(self, frame: _Frame, at_ns: int, out: list[Command]) -> None:
        overtaken, frame.task.waiting = frame.task.waiting, frame
        if overtaken is not None:
            self._settle(overtaken, "dropped", "overtaken", at_ns, out)

    def _admit(self, frame: _Frame, at_ns: int, out: list[Command]) -> None:
        frame.task.active += 1
        frame.admitted = True
        if at_ns > frame.stamps["source"]:
            frame.stamps["admitted"] = at_ns
        if frame.task.chart.crosses:
            self._cloud_credits -= 1
        self._dispatch(frame, frame.way.ready(), at_ns, out)

    def _admit_waiting(self, at_ns: int, out: list[Command]) -> None:
        for task in self._tasks.values():
            frame = task.waiting
            if frame is None or not self._may_admit(task):
                continue
            task.waiting = None
            last_ns = frame.offer.scheduled_ns + max([path.deadline_ns for path in frame.paths])
            if at_ns + task.chart.predicted_ns > last_ns:  # no path's deadline can be met
                self._settle(frame, "dropped", "expired", at_ns, out)
            else:
                self._admit(frame, at_ns, out)

    # -- a frame goes its way --------------------------------------------------------------------

    def _dispatch(
        self, frame: _Frame, steps: Iterable[int], at_ns: int, out: list[Command]
    ) -> None:
        chart = frame.task.chart
        for index in steps:
            step = chart.route.steps[index]
            refs = tuple([frame.refs[i] for i in step.after]) or (frame.offer.ref,)
            device = chart.devices[index]
            if device:
                out += self._devices.submit(
                    Job(frame.offer.frame, frame.task.config.name, index),
                    device,
                    deadline_at_ns=frame.deadline_at_ns,
                    inputs=refs,
                )
            elif isinstance(step.step, Move):
                self._send_work(frame, index, step.step.channel, refs, out)
            else:
                frame.answered = True
                self._undelivered.append(frame)
                self._deliver_waiting(at_ns, out)

    def _send_work(
        self, frame: _Frame, index: int, channel: str, refs: tuple[str, ...], out: list[Command]
    ) -> None:
        self._nonce += 1
        frame.nonce = self._nonce
        self._requests[frame.nonce] = frame
        sent_bytes = frame.bytes_after(index)
        frame.bytes_up += sent_bytes
        message = self._message(frame, "work", index)
        out.append(Send(message=message, channel=channel, refs=refs, bytes=sent_bytes))

    def _message(self, frame: _Frame, kind: MessageKind, step: int) -> Message:
        offer, route = frame.offer, frame.task.chart.route
        return Message(
            kind=kind,
            epoch=self._config.epoch,
            nonce=frame.nonce,
            task=frame.task.config.name,
            stream=offer.stream,
            frame=offer.frame,
            content=offer.content,
            route=route.id,
            model=route.model,
            step=step,
            scheduled_ns=offer.scheduled_ns,
            deadline_at_ns=frame.deadline_at_ns,
            warmup=offer.warmup,
            paths=tuple([path.name for path in frame.paths]) if kind == "result" else (),
        )

    def _done(self, event: JobDone, at_ns: int, out: list[Command]) -> None:
        for job, output in zip(event.jobs, event.outputs, strict=True):
            out += self._devices.over(job)
            frame = self._open.get((job.task, job.frame))
            if frame is None:
                out.append(Forget(refs=(output.ref,)))
                continue
            chart = frame.task.chart
            waited = chart.waits[job.step]
            if waited:
                frame.stamps.setdefault(waited, event.began_ns)
            frame.stamps[chart.route.steps[job.step].span] = event.ended_ns
            frame.refs[job.step] = output.ref
            frame.bytes[job.step] = output.bytes
            frame.modelled_ns += event.modelled_ns
            frame.overrun |= event.overrun
            self._dispatch(frame, frame.way.finish(job.step), at_ns, out)

    def _arrived(self, event: MessageArrived, at_ns: int, out: list[Command]) -> None:
        message = event.message
        frame = self._requests.get(message.nonce)
        if frame is None or not self._answers(message, frame):
            out.append(Note(reason="stale", detail=f"{message.task}/{message.frame}"))
            out.append(Forget(refs=(event.ref,)))
            return
        if message.kind == "refusal":
            out.append(Note(reason="refused", detail=message.reason))
            out.append(Forget(refs=(event.ref,)))
            self._settle(frame, "dropped", "refused", at_ns, out)
            return
        frame.seen_cloud = True
        there = frame.task.chart.spans_elsewhere
        frame.stamps.update({span: stamp_ns for span, stamp_ns in message.stamps if span in there})
        frame.stamps["downlink_wait"] = event.crossing.began_ns
        frame.stamps["downlink"] = at_ns
        frame.modelled_ns += message.modelled_ns + event.crossing.modelled_ns
        frame.overrun |= message.overrun
        frame.bytes_down += event.bytes
        frame.refs[message.step] = event.ref
        frame.bytes[message.step] = event.bytes
        self._dispatch(frame, frame.way.arrive(message.step), at_ns, out)

    def _answers(self, message: Message, frame: _Frame) -> bool:
        """Whether a message is the one that an open request still waits for."""
        chart = frame.task.chart
        return (
            message.epoch == self._config.epoch
            and message.task == frame.task.config.name
            and message.frame == frame.offer.frame
            and message.route == chart.route.id
            and message.model == chart.route.model
            and not frame.seen_cloud
            and (
                message.kind == "refusal"
                or (message.kind == "answer" and message.step in chart.entries)
            )
        )

    def _deliver_waiting(self, at_ns: int, out: list[Command]) -> None:
        while self._undelivered and self._consumer_credits > 0:
            frame = self._undelivered.popleft()
            self._consumer_credits -= 1
            last = len(frame.task.chart.route.steps) - 1
            refs = tuple([frame.refs[i] for i in frame.task.chart.route.steps[last].after])
            message = self._message(frame, "result", last)
            sent_bytes = frame.bytes_after(last)
            out.append(Send(message=message, channel=CONSUMER, refs=refs, bytes=sent_bytes))
            self._settle(frame, "cloud" if frame.seen_cloud else "edge", "", at_ns, out)

    # -- a frame ends ----------------------------------------------------------------------------

    def _settle(
        self,
        frame: _Frame,
        fate: Fate,
        cause: str,
        at_ns: int,
        out: list[Command],
        paths: Sequence[PathConfig] | None = None,
    ) -> None:
        """Give paths of a frame their fate, all of them unless said; the last one closes it."""
        delivered = fate in ("cloud", "edge")
        offer, route = frame.offer, frame.task.chart.route
        for path in tuple(frame.paths if paths is None else paths):
            frame.paths.remove(path)
            if offer.warmup:
                continue
            deadline_at_ns = offer.scheduled_ns + path.deadline_ns
            row = Row(
                path=path.name,
                frame=offer.frame,
                content=offer.content,
                scheduled_ns=offer.scheduled_ns,
                deadline_at_ns=deadline_at_ns,
                fate="late" if delivered and at_ns > deadline_at_ns else fate,
                cause=cause,
                route_planned=route.id,
                route_delivered=route.id if delivered else "",
                variant=route.variant if delivered else "",
                stamps=dict(frame.stamps),
                modelled_ns=frame.modelled_ns,
                bytes_up=frame.bytes_up,
                bytes_down=frame.bytes_down,
                overrun=frame.overrun,
            )
            out.append(Settle(row=row))
        if not frame.paths:
            self._close(frame, at_ns, out)

    def _close(self, frame: _Frame, at_ns: int, out: list[Command]) -> None:
        task, offer = frame.task, frame.offer
        if self._open.pop((task.config.name, offer.frame), None) is None:
            return
        out.append(CancelTimer(timer=frame.timer))
        refs = list(frame.refs.values())
        self._pictures[offer.ref] -= 1
        if self._pictures[offer.ref] == 0:
            del self._pictures[offer.ref]
            refs.append(offer.ref)
        self._requests.pop(frame.nonce, None)
        if frame in self._undelivered:
            self._undelivered.remove(frame)
        if task.waiting is frame:
            task.waiting = None
        if frame.admitted:
            self._devices.withdraw(task.config.name, offer.frame)
            task.active -= 1
            if task.chart.crosses and frame.nonce == 0:
                self._cloud_credits += 1  # taken at admission and never used
        out.append(Forget(refs=tuple(refs)))
        if not self._stopped:
            self._admit_waiting(at_ns, out)

    def _set_horizon(self, frame: _Frame, out: list[Command]) -> None:
        at_ns = frame.offer.scheduled_ns + min([path.horizon_ns for path in frame.paths])
        out.append(SetTimer(timer=frame.timer, at_ns=at_ns))

    def _timer(self, timer: str, at_ns: int, out: list[Command]) -> None:
        kind, _, rest = timer.partition("/")
        task, _, number = rest.rpartition("/")
        frame = self._open.get((task, int(number))) if kind == "horizon" else None
        if frame is None:
            return
        due = [p for p in frame.paths if frame.offer.scheduled_ns + p.horizon_ns <= at_ns]
        if not frame.admitted:
            self._settle(frame, "dropped", "expired", at_ns, out, due)
        elif frame.nonce or frame.answered:
            self._settle(frame, "late", "no-answer", at_ns, out, due)
        else:
            self._settle(frame, "failed", "no-answer", at_ns, out, due)
        if frame.paths:
            self._set_horizon(frame, out)

    # -- the rest of the world -------------------------------------------------------------------

    def _credit(self, peer: str, amount: int, at_ns: int, out: list[Command]) -> None:
        if peer == CONSUMER:
            self._consumer_credits += amount
            self._deliver_waiting(at_ns, out)
        elif peer == self._config.sites.cloud:
            self._cloud_credits += amount
        if not self._stopped:
            self._admit_waiting(at_ns, out)

    def _job_failed(self, event: JobFailed, at_ns: int, out: list[Command]) -> None:
        for job in event.jobs:
            frame = self._open.get((job.task, job.frame))
            if frame is not None:
                out.append(Note(reason="job-failed", detail=event.reason))
                self._settle(frame, "failed", "job", at_ns, out)
            out += self._devices.over(job)  # last, so that no job of the frame follows

    def _send_refused(self, event: SendRefused, at_ns: int, out: list[Command]) -> None:
        out.append(Note(reason="send-refused", detail=event.reason))
        if event.message.kind != "work":
            self._credit(CONSUMER, 1, at_ns, out)
            return
        frame = self._requests.get(event.message.nonce)
        if frame is not None:
            self._settle(frame, "failed", "send-refused", at_ns, out)
        self._credit(self._config.sites.cloud, 1, at_ns, out)

    def _gone(self, peer: str, at_ns: int, out: list[Command]) -> None:
        out.append(Note(reason="peer-gone", detail=peer))
        if peer != self._config.sites.cloud:
            return
        for frame in list(self._open.values()):
            if frame.nonce and not frame.seen_cloud:
                self._settle(frame, "failed", "cloud-gone", at_ns, out)

    def _stop(self, reason: str, at_ns: int, out: list[Command]) -> None:
        self._stopped = True
        self._streams_open.clear()
        out.append(Note(reason="stopped", detail=reason))
        for frame in list(self._open.values()):
            self._settle(frame, "interrupted", "", at_ns, out)

    def _note_when_drained(self, out: list[Command]) -> None:
        if not self._drained and not self._streams_open and not self._open:
            self._drained = True
            out.append(Note(reason="drained"))
