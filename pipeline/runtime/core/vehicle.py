"""The vehicle's machine: admission, the way of each frame, hedging, fencing and settling."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.runtime.core.admission import Admission, Admitted
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
from pipeline.runtime.core.frames import (
    Attempt,
    Frame,
    Open,
    TaskState,
    fused_attempt,
    part_of,
    row_of,
)
from pipeline.runtime.core.fusing import Complete, Fusing, Lost, Part, Waiting
from pipeline.runtime.core.hedging import Hedges
from pipeline.runtime.core.requests import is_answer, message_for
from pipeline.runtime.core.scheduler import NEVER_NS, DeviceScheduler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event

_REMEMBERED = 64  # frames per stream by which a second copy is known


class VehicleCore:
    """Owns every decision of the vehicle; alone drops, alone settles.

    Admission: a task has at most `in_flight` frames without an answer; one more waits, the newest,
    and what it overtakes is dropped. A route that crosses a link takes a credit of the cloud at
    admission and gets it back by a grant. A frame may have a second route in the vehicle, its
    hedge; the first valid answer is delivered and fixes the fate, a better one in time improves it.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        self._site = config.sites.vehicle
        self._cloud = config.sites.cloud
        self._epoch = config.epoch
        self._devices = DeviceScheduler(
            {d: n for d, n in config.slots.items() if config.sites.device_site[d] == self._site}
        )
        self._admission = Admission(config)
        self._breaker = self._admission.breaker
        self._drops = config.drops_expired
        self._learns = config.breaker is not None or self._admission.switches
        self._tasks = self._admission.tasks
        self._by_stream: dict[str, list[TaskState]] = {s: [] for s in config.streams}
        for task in self._tasks.values():
            self._by_stream.setdefault(task.config.stream, []).append(task)
        self._hedges = Hedges()
        self._fusing = Fusing(config)
        self._parts = {s: [p for p in config.parts if p.stream == s] for s in self._by_stream}
        self._open: dict[tuple[str, int], Frame] = {}
        self._sets: dict[str, dict[int, Frame]] = {  # the open ones of each fused path
            path.name: {} for path in config.paths if path.fuse is not None
        }
        self._requests: dict[int, tuple[Frame, Attempt]] = {}
        self._pictures: dict[tuple[str, int], int] = {}  # how many tasks still need a picture
        self._seen = {stream: _Recent() for stream in self._by_stream}
        self._undelivered: deque[tuple[Frame, Attempt]] = deque()
        self._nonce = 0
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
        # Told apart by `type`, most frequent first: a pattern that does not match a struct takes
        # ten times as long.
        if type(event) is JobDone:
            self._done(event, at_ns, out)
        elif type(event) is CreditGranted:
            self._credit(event.peer, event.amount, at_ns, out)
        elif type(event) is FrameOffered:
            self._offered(event, at_ns, out)
        elif type(event) is MessageArrived:
            self._arrived(event, at_ns, out)
        elif type(event) is TimerFired:
            self._timer(event.timer, at_ns, out)
        else:
            self._seldom(event, at_ns, out)
        if self._devices.expired:
            self._expire(at_ns, out)
        if not self._streams_open:
            self._note_when_drained(out)
        return out

    def _seldom(self, event: Event, at_ns: int, out: list[Command]) -> None:
        """Events that a run sees a few of."""
        match event:
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

    # -- frames come in --------------------------------------------------------------------------

    def _offered(self, event: FrameOffered, at_ns: int, out: list[Command]) -> None:
        seen = self._seen.setdefault(event.stream, _Recent())
        if not seen.first_time(event.frame):
            out.append(Note(reason="duplicate", detail=f"{event.stream}/{event.frame}"))
            out += (Grant(peer=PLAYER, amount=1), Forget(refs=(event.ref,)))
            return
        for part in self._parts.get(event.stream, ()):
            if part.selects(event.frame):
                self._fusing.offered(part.name, event.frame, event.stamp_ns)
        takers: list[Frame] = []
        scheduled_ns, speed_mm_s = event.scheduled_ns, event.speed_mm_s
        for task in self._by_stream.get(event.stream, ()):
            paths = [
                Open(
                    path,
                    path.deadline_at_ns(scheduled_ns, speed_mm_s),
                    scheduled_ns + path.horizon_ns,
                )
                for path in task.paths
                if event.frame % path.every == 0
            ]
            if paths:
                takers.append(Frame(task, event, paths, at_ns))
        if not takers:
            out += (Grant(peer=PLAYER, amount=1), Forget(refs=(event.ref,)))
            return
        reading = sum([not frame.task.fuses for frame in takers])
        self._pictures[event.stream, event.frame] = reading
        for frame in takers:
            self._open[frame.key] = frame
            if frame.task.fuses:
                self._sets[frame.task.fuses][event.frame] = frame
            if self._stopped:
                self._settle(frame, "interrupted", "", at_ns, out)
                continue
            if not frame.task.fuses:
                self._admit_or_wait(frame, at_ns, out)
            if frame.paths:
                self._set_horizon(frame, out)
        if not self._config.grant_when_settled:
            out.append(Grant(peer=PLAYER, amount=1))  # the frame's own work comes first

    def _admit_or_wait(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        task = frame.task
        admitted = self._admission.admit(task, at_ns)
        if isinstance(admitted, Admitted):
            self._admit(frame, admitted, at_ns, out)
        elif admitted:
            self._settle(frame, "dropped", admitted, at_ns, out)
        else:
            older, newer = task.waiting, frame
            if older is not None and older.offer.frame > newer.offer.frame:
                older, newer = newer, older  # a sensor's frames may come out of order
            task.waiting = newer
            if older is not None:
                self._settle(older, "dropped", "overtaken", at_ns, out)

    def _admit_waiting(self, at_ns: int, out: list[Command]) -> None:
        for task in self._tasks.values():
            frame = task.waiting
            if frame is None:
                continue
            admitted = self._admission.admit(task, at_ns)
            if not admitted:
                continue
            task.waiting = None
            if not isinstance(admitted, Admitted):
                self._settle(frame, "dropped", admitted, at_ns, out)
            elif (
                not self._config.grant_when_settled  # at full speed nothing may be lost
                and at_ns + admitted.chart.predicted_ns > frame.expires_at_ns
            ):
                self._admission.give_back(task, admitted)  # no path's deadline can be met
                self._settle(frame, "dropped", "expired", at_ns, out)
            else:
                self._admit(frame, admitted, at_ns, out)

    def _admit(self, frame: Frame, admitted: Admitted, at_ns: int, out: list[Command]) -> None:
        frame.holds = True
        frame.admitted_ns = at_ns
        frame.planned = admitted.planned
        first = frame.first = Attempt(admitted.chart, frame.time_ns)
        if admitted.note:
            out.append(Note(reason=admitted.note))
        if admitted.hedge is not None:
            frame.hedge, frame.hedge_chart = admitted.hedge, admitted.hedge_chart
            self._hedges.plan(frame, self._open, at_ns, out)
        self._dispatch(frame, first, first.way.ready(), at_ns, out)
        if frame.hedge is not None and frame.hedge.start == "at-once":
            self._begin_hedge(frame, at_ns, out)

    # -- hedging ---------------------------------------------------------------------------------

    def _begin_hedge(self, frame: Frame, at_ns: int, out: list[Command]) -> bool:
        """Start the second route, if there is one that has not begun; returns whether it did."""
        hedge, chart = frame.hedge, frame.hedge_chart
        if hedge is None or chart is None or frame.answer is not None:
            return False
        self._hedges.drop(frame, out)
        second = frame.second = Attempt(chart, frame.time_ns)
        mine = frozenset(chart.places)
        steps = second.way.take_over(
            [i for i in frame.done if i in mine], [i for i in frame.submitted if i in mine]
        )
        out.append(Note(reason="hedged", detail=frame.name))
        self._dispatch(frame, second, steps, at_ns, out)
        return True

    # -- a frame goes its way --------------------------------------------------------------------

    def _dispatch(
        self,
        frame: Frame,
        attempt: Attempt,
        steps: Iterable[int],
        at_ns: int,
        out: list[Command],
    ) -> None:
        chart, offer = attempt.chart, frame.offer
        drops = self._drops and not offer.warmup
        for index in steps:
            step = chart.steps[index]
            device = chart.devices[index]
            if device:
                if index in frame.submitted:  # another attempt shares it
                    continue
                refs = frame.refs_after(step.after) or frame.inputs or (offer.ref,)
                frame.submitted.add(index)
                out += self._devices.submit(
                    Job(offer.frame, frame.key[0], index),
                    device,
                    deadline_at_ns=frame.deadline_at_ns,
                    inputs=refs,
                    at_ns=at_ns,
                    start_by_ns=frame.expires_at_ns - attempt.rest_ns[index] if drops else NEVER_NS,
                    lengths_ns=chart.alone_ns[index],
                )
            elif chart.channels[index]:
                self._send_work(frame, attempt, index, at_ns, out)
            else:
                self._answer(frame, attempt, at_ns, out)

    def _send_work(
        self, frame: Frame, attempt: Attempt, index: int, at_ns: int, out: list[Command]
    ) -> None:
        self._nonce += 1
        attempt.nonce, attempt.sent_ns = self._nonce, at_ns
        self._requests[attempt.nonce] = (frame, attempt)
        self._breaker.asked(at_ns)
        after = attempt.chart.steps[index].after
        sent_bytes = frame.bytes_after(after)
        attempt.bytes_up += sent_bytes
        self._admission.sent(frame.task, sent_bytes, at_ns)
        refs = frame.refs_after(after) or (frame.offer.ref,)
        message = message_for(self._epoch, frame, attempt, "work", index)
        channel = attempt.chart.channels[index]
        out.append(Send(message=message, channel=channel, refs=refs, bytes=sent_bytes))
        if not frame.awaited and (frame.hedge or frame.second or self._learns):
            frame.awaited = True
            out.append(SetTimer(timer=f"deadline/{frame.name}", at_ns=frame.expires_at_ns))

    def _done(self, event: JobDone, at_ns: int, out: list[Command]) -> None:
        for job, output in zip(event.jobs, event.outputs, strict=True):
            out += self._devices.over(job, at_ns)
            frame = self._open.get((job.task, job.frame))
            if frame is None:
                out.append(Forget(refs=(output.ref,)))
                continue
            step = job.step
            frame.done[step] = event
            frame.refs[step] = output.ref
            frame.bytes[step] = output.bytes
            for attempt in frame.attempts:
                if step in attempt.chart.places:
                    self._dispatch(frame, attempt, attempt.way.finish(step), at_ns, out)

    def _arrived(self, event: MessageArrived, at_ns: int, out: list[Command]) -> None:
        message = event.message
        frame, attempt = self._requests.get(message.nonce, (None, None))
        if frame is None or attempt is None or not is_answer(self._epoch, message, frame, attempt):
            out.append(Note(reason="stale", detail=f"{message.task}/{message.frame}"))
            out.append(Forget(refs=(event.ref,)))
            return
        if message.kind == "refusal":
            out.append(Note(reason="refused", detail=message.reason))
            out.append(Forget(refs=(event.ref,)))
            self._breaker.given_back()
            self._lost(frame, attempt, "dropped", "refused", at_ns, out)
            return
        attempt.seen_cloud = True
        there = attempt.chart.spans_elsewhere
        attempt.elsewhere.update({s: stamp_ns for s, stamp_ns in message.stamps if s in there})
        attempt.elsewhere["downlink_wait"] = event.crossing.began_ns
        attempt.elsewhere["downlink"] = at_ns
        attempt.modelled_ns += message.modelled_ns + event.crossing.modelled_ns
        attempt.overrun |= message.overrun
        attempt.bytes_down += event.bytes
        if at_ns <= frame.expires_at_ns and self._breaker.answered():
            out.append(Note(reason="breaker-closed"))
        self._admission.learn(frame.task, attempt, out)
        frame.refs[message.step] = event.ref
        frame.bytes[message.step] = event.bytes
        self._dispatch(frame, attempt, attempt.way.arrive(message.step), at_ns, out)

    # -- answers ---------------------------------------------------------------------------------

    def _answer(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """An attempt has its result: the first is delivered, a better one in time as well."""
        if frame.answer is None:
            frame.answer = attempt
            self._hedges.drop(frame, out)
            if attempt is frame.first and frame.second is not None:
                self._abandon(frame, frame.second, out)
            if self._config.parts:
                self._hand_over(frame, attempt, at_ns, out)
                if not frame.paths:
                    return
        elif not attempt.seen_cloud or at_ns > frame.expires_at_ns:
            return
        self._undelivered.append((frame, attempt))
        self._deliver_waiting(at_ns, out)

    def _abandon(self, frame: Frame, attempt: Attempt, out: list[Command]) -> None:
        """Take an attempt's own waiting jobs back; what runs goes on, and nothing comes of it."""
        attempt.dead = True
        kept = {i for other in frame.attempts for i in other.chart.places}
        for index in frame.submitted - frame.done.keys() - kept:
            job = Job(frame.offer.frame, frame.task.config.name, index)
            self._devices.withdraw_job(job)
        out.append(Note(reason="hedge-not-needed"))

    def _deliver_waiting(self, at_ns: int, out: list[Command]) -> None:
        while self._undelivered and self._consumer_credits > 0:
            frame, attempt = self._undelivered.popleft()
            self._consumer_credits -= 1
            last = attempt.chart.last
            after = attempt.chart.steps[last].after
            refs, sent_bytes = frame.refs_after(after), frame.bytes_after(after)
            message = message_for(self._epoch, frame, attempt, "result", last)
            out.append(Send(message=message, channel=CONSUMER, refs=refs, bytes=sent_bytes))
            if attempt is not frame.answer:
                frame.improved = True
                self._settle_answered(frame, at_ns, out)
                continue
            frame.answered_ns = at_ns
            first = frame.first
            better = (
                first is not None
                and first is not attempt
                and not first.dead
                and first.nonce
                and at_ns < frame.expires_at_ns
            )
            if better:  # the cloud may still improve it; the place in flight is free
                self._free_place(frame, at_ns, out)
            else:
                self._settle_answered(frame, at_ns, out)

    def _settle_answered(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        answer = frame.answer
        fate: Fate = "cloud" if answer is not None and answer.seen_cloud else "edge"
        self._settle(frame, fate, "", at_ns, out)

    def _lost(
        self, frame: Frame, attempt: Attempt, fate: Fate, cause: str, at_ns: int, out: list[Command]
    ) -> None:
        """Nothing will come of an attempt: the hedge begins, or the frame ends with this fate."""
        attempt.dead = True
        if frame.answer is not None:
            if frame.answered_ns:
                self._settle_answered(frame, at_ns, out)
        elif not self._begin_hedge(frame, at_ns, out) and not frame.attempts:
            self._settle(frame, fate, cause, at_ns, out)

    # -- paths from several sensors --------------------------------------------------------------

    def _hand_over(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """An answered frame is a part of fused paths: they keep its result."""
        parts = [opened for opened in frame.paths if opened.path.part_of]
        if not parts:
            return
        part = part_of(frame, attempt, at_ns)
        frame.kept.add(part.ref)
        for opened in parts:
            frame.paths.remove(opened)
            self._part_over(frame, opened, part, at_ns, out)
        if not frame.paths:
            self._close(frame, at_ns, out)

    def _part_over(
        self, frame: Frame, opened: Open, part: Part, at_ns: int, out: list[Command]
    ) -> None:
        """A part has its result or its fate; sets that wait for it are looked at."""
        dropped = self._fusing.over(opened.path.name, frame.offer.frame, part)
        if dropped:
            out.append(Forget(refs=tuple(dropped)))
        path = opened.path.part_of
        for waiting in list(self._sets[path].values()):
            self._try_fuse(waiting, at_ns, out)

    def _try_fuse(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        """Begin to fuse a set, give it up, or set the timer at which it is looked at again."""
        if frame.first is not None:
            return
        path = frame.task.fuses
        found = self._fusing.look(path, frame.offer.frame, frame.offer.stamp_ns, at_ns)
        match found:
            case Lost(fate=fate, cause=cause):
                self._settle(frame, fate, cause, at_ns, out)
            case Waiting(until_ns=until_ns) if until_ns >= 0:
                out.append(SetTimer(timer=f"fuse/{frame.name}", at_ns=until_ns))
            case Complete(parts=parts, partial=partial):
                self._fuse(frame, parts, at_ns, out, partial=partial)
            case _:
                pass

    def _fuse(
        self,
        frame: Frame,
        parts: tuple[Part, ...],
        at_ns: int,
        out: list[Command],
        *,
        partial: bool,
    ) -> None:
        chart = frame.task.courses[0].chart
        attempt = frame.first = fused_attempt(chart, parts, frame.time_ns, at_ns)
        frame.planned, frame.partial = chart, partial
        frame.inputs = tuple(part.ref for part in parts)
        self._dispatch(frame, attempt, attempt.way.ready(), at_ns, out)

    # -- a frame ends ----------------------------------------------------------------------------

    def _settle(
        self,
        frame: Frame,
        fate: Fate,
        cause: str,
        at_ns: int,
        out: list[Command],
        paths: Sequence[Open] | None = None,
    ) -> None:
        """Give paths of a frame their fate, all of them unless said; the last one closes it."""
        for opened in tuple(frame.paths if paths is None else paths):
            frame.paths.remove(opened)
            if opened.path.part_of:
                self._part_over(frame, opened, Part("", fate, cause, at_ns), at_ns, out)
            elif not frame.offer.warmup:
                out.append(Settle(row=row_of(frame, opened, fate, cause)))
        if not frame.paths:
            self._close(frame, at_ns, out)

    def _close(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        task, offer = frame.task, frame.offer
        if self._open.pop(frame.key, None) is None:
            return
        self._hedges.drop(frame, out)
        name = frame.name
        out.append(CancelTimer(timer=f"horizon/{name}"))
        if frame.awaited:
            out.append(CancelTimer(timer=f"deadline/{name}"))
        refs = list(frame.refs.values())
        if frame.kept:
            refs = [ref for ref in refs if ref not in frame.kept]
        if task.fuses:
            self._sets[task.fuses].pop(offer.frame, None)
            refs += self._fusing.forget_anchor(task.fuses, offer.frame)
            out.append(CancelTimer(timer=f"fuse/{name}"))
        else:
            refs += self._give_picture_up(offer, out)
        for attempt in (frame.first, frame.second):
            if attempt is not None:
                self._requests.pop(attempt.nonce, None)
        if self._undelivered:
            self._undelivered = deque(item for item in self._undelivered if item[0] is not frame)
        if task.waiting is frame:
            task.waiting = None
        if frame.submitted - frame.done.keys():
            self._devices.withdraw(task.config.name, offer.frame)
        out.append(Forget(refs=tuple(refs)))
        self._free_place(frame, at_ns, out)

    def _give_picture_up(self, offer: FrameOffered, out: list[Command]) -> list[str]:
        """A task is through with a picture; its ref, where it was the last one."""
        picture = (offer.stream, offer.frame)
        self._pictures[picture] -= 1
        if self._pictures[picture]:
            return []
        del self._pictures[picture]
        if self._config.grant_when_settled:
            out.append(Grant(peer=PLAYER, amount=1))
        return [offer.ref]

    def _free_place(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        if frame.holds:
            frame.holds = False
            first = frame.first
            unused = first is not None and first.chart.crosses and not first.nonce
            self._admission.release(frame.task, unused=unused)
        if not self._stopped:
            self._admit_waiting(at_ns, out)

    def _set_horizon(self, frame: Frame, out: list[Command]) -> None:
        at_ns = min([opened.horizon_at_ns for opened in frame.paths])
        out.append(SetTimer(timer=f"horizon/{frame.name}", at_ns=at_ns))

    def _timer(self, timer: str, at_ns: int, out: list[Command]) -> None:
        kind, _, rest = timer.partition("/")
        task, _, number = rest.rpartition("/")
        frame = self._open.get((task, int(number))) if task else None
        if frame is None:
            return
        match kind:
            case "hedge":
                self._begin_hedge(frame, at_ns, out)
            case "deadline":
                self._deadline(frame, at_ns, out)
            case "fuse":
                self._try_fuse(frame, at_ns, out)
            case "horizon":
                self._horizon(frame, at_ns, out)
            case _:
                pass

    def _deadline(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        """The frame's last deadline has passed."""
        for attempt in (frame.first, frame.second):
            if attempt is not None and attempt.nonce and not attempt.seen_cloud:
                self._admission.missed(frame.task, attempt, at_ns, out)
        if frame.answered_ns:
            self._settle_answered(frame, at_ns, out)

    def _horizon(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        due = [opened for opened in frame.paths if opened.horizon_at_ns <= at_ns]
        if frame.answered_ns:
            self._settle_answered(frame, at_ns, out)
        elif frame.first is None and not frame.task.fuses:
            self._settle(frame, "dropped", "expired", at_ns, out, due)
        elif frame.answer is not None or (frame.first is not None and frame.first.nonce):
            self._settle(frame, "late", "no-answer", at_ns, out, due)
        else:
            self._settle(frame, "failed", "no-answer", at_ns, out, due)
        if frame.paths:
            self._set_horizon(frame, out)

    def _expire(self, at_ns: int, out: list[Command]) -> None:
        """Jobs whose latest useful start has passed are never started."""
        while self._devices.expired:
            job = self._devices.expired.pop()
            frame = self._open.get((job.task, job.frame))
            if frame is None:
                continue
            frame.submitted.discard(job.step)  # a hedge that needs it has to ask for it again
            for attempt in frame.attempts:
                if job.step in attempt.chart.places:
                    self._lost(frame, attempt, "dropped", "expired", at_ns, out)

    # -- the rest of the world -------------------------------------------------------------------

    def _credit(self, peer: str, amount: int, at_ns: int, out: list[Command]) -> None:
        if peer == CONSUMER:
            self._consumer_credits += amount
            self._deliver_waiting(at_ns, out)
        elif peer == self._cloud:
            self._admission.cloud_credits += amount
        if not self._stopped:
            self._admit_waiting(at_ns, out)

    def _job_failed(self, event: JobFailed, at_ns: int, out: list[Command]) -> None:
        for job in event.jobs:
            frame = self._open.get((job.task, job.frame))
            if frame is not None:
                out.append(Note(reason="job-failed", detail=event.reason))
                for attempt in frame.attempts:
                    if job.step in attempt.chart.places:
                        self._lost(frame, attempt, "failed", "job", at_ns, out)
            out += self._devices.over(job, at_ns)  # last, so that no job of the frame follows

    def _send_refused(self, event: SendRefused, at_ns: int, out: list[Command]) -> None:
        out.append(Note(reason="send-refused", detail=event.reason))
        if event.message.kind != "work":
            self._credit(CONSUMER, 1, at_ns, out)
            return
        frame, attempt = self._requests.get(event.message.nonce, (None, None))
        if frame is not None and attempt is not None:
            if self._breaker.failed(at_ns):
                out.append(Note(reason="breaker-open"))
            self._lost(frame, attempt, "failed", "send-refused", at_ns, out)
        self._credit(self._config.sites.cloud, 1, at_ns, out)

    def _gone(self, peer: str, at_ns: int, out: list[Command]) -> None:
        out.append(Note(reason="peer-gone", detail=peer))
        if peer != self._config.sites.cloud:
            return
        if self._breaker.trip(at_ns):
            out.append(Note(reason="breaker-open"))
        for frame in list(self._open.values()):
            for attempt in frame.attempts:
                if attempt.nonce and not attempt.seen_cloud:
                    self._lost(frame, attempt, "failed", "cloud-gone", at_ns, out)

    def _stop(self, reason: str, at_ns: int, out: list[Command]) -> None:
        self._stopped = True
        self._streams_open.clear()
        out.append(Note(reason="stopped", detail=reason))
        for frame in list(self._open.values()):
            if frame.answered_ns:
                self._settle_answered(frame, at_ns, out)
            else:
                self._settle(frame, "interrupted", "", at_ns, out)

    def _note_when_drained(self, out: list[Command]) -> None:
        if not self._drained and not self._open:
            self._drained = True
            out.append(Note(reason="drained"))


class _Recent:
    """The last frames of a stream."""

    __slots__ = ("_frames", "_order")

    def __init__(self) -> None:
        self._frames: set[int] = set()
        self._order: deque[int] = deque()

    def first_time(self, frame: int) -> bool:
        """Whether a frame was not seen lately; it is from now on."""
        if frame in self._frames:
            return False
        self._frames.add(frame)
        self._order.append(frame)
        if len(self._order) > _REMEMBERED:
            self._frames.discard(self._order.popleft())
        return True
