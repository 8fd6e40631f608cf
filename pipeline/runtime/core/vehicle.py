"""The vehicle's machine: what happens to it, and what that means for its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.runtime.core.commands import Forget, Grant, Note
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.core.events import (
    CreditGranted,
    FrameOffered,
    JobDone,
    JobFailed,
    MessageArrived,
    Output,
    PeerGone,
    SendRefused,
    StopAsked,
    StreamEnded,
    TimerFired,
)
from pipeline.runtime.core.flights import Flights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.frames import Frame


class VehicleCore(Flights):
    """Owns every decision of the vehicle; alone drops, alone settles."""

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

    def _offered(self, event: FrameOffered, at_ns: int, out: list[Command]) -> None:
        takers = self._intake.take(event, at_ns, out)
        for frame in takers:
            self._open[frame.key] = frame
            fuses = frame.task.fuses
            if fuses:
                self._sets.open(frame)
            if self._stopped:
                self._settle(frame, "interrupted", "", at_ns, out)
                continue
            if not fuses:
                self._admit_or_wait(frame, at_ns, out)
            if frame.paths:
                self._set_horizon(frame, out)
        if takers and not self._late_grants:
            out.append(Grant(peer=PLAYER, amount=1))  # the frame's own work comes first

    def _done(self, event: JobDone, at_ns: int, out: list[Command]) -> None:
        for job, output in zip(event.jobs, event.outputs, strict=True):
            out += self._devices.over(job, at_ns)
            frame = self._open.get((job.task, job.frame))
            if frame is None:
                out.append(Forget(refs=(output.ref,)))
                continue
            step = job.step
            bit = 1 << step
            frame.done[step], frame.outputs[step] = event, output
            frame.over |= bit
            first, second = frame.first, frame.second
            if first is not None and not first.dead and first.chart.mine & bit:
                self._dispatch(frame, first, first.way.finish(step), at_ns, out)
            if second is not None and not second.dead and second.chart.mine & bit:
                self._dispatch(frame, second, second.way.finish(step), at_ns, out)

    def _arrived(self, event: MessageArrived, at_ns: int, out: list[Command]) -> None:
        message = event.message
        found = self._requests.answered(message)
        if found is None:
            out.append(Note(reason="stale", detail=f"{message.task}/{message.frame}"))
            out.append(Forget(refs=(event.ref,)))
            return
        frame, attempt = found
        if message.kind == "refusal":
            out.append(Note(reason="refused", detail=message.reason))
            out.append(Forget(refs=(event.ref,)))
            self._breaker.given_back()
            self._lost(frame, attempt, "dropped", "refused", at_ns, out)
            return
        attempt.seen_cloud = True
        elsewhere = attempt.elsewhere
        elsewhere |= attempt.chart.stamped(message.stamps)
        elsewhere["downlink_wait"] = event.crossing.began_ns
        elsewhere["downlink"] = at_ns
        attempt.modelled_ns += message.modelled_ns + event.crossing.modelled_ns
        attempt.overrun |= message.overrun
        attempt.bytes_down += event.bytes
        if at_ns <= frame.expires_at_ns and self._breaker.answered():
            out.append(Note(reason="breaker-closed"))
        self._admission.learn(frame.task, attempt, out)
        frame.outputs[message.step] = Output(ref=event.ref, bytes=event.bytes)
        self._dispatch(frame, attempt, attempt.way.arrive(message.step), at_ns, out)

    def _timer(self, timer: str, at_ns: int, out: list[Command]) -> None:
        kind, _, rest = timer.partition("/")
        task, _, number = rest.rpartition("/")
        frame = self._open.get((task, int(number))) if task else None
        if frame is None:
            return
        match kind:
            case "hedge":
                self._begin_hedge(frame, at_ns, out)
            case "keep":
                self._let_go(frame, at_ns, out)
            case "deadline":
                self._deadline(frame, at_ns, out)
            case "fuse":
                self._sets.look(frame, at_ns, out)
            case "horizon":
                self._horizon(frame, at_ns, out)
            case _:
                pass

    def _deadline(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        """The frame's last deadline has passed; what was asked of a cloud may still improve it."""
        for attempt in (frame.first, frame.second):
            if attempt is not None and attempt.nonce and not attempt.seen_cloud:
                self._admission.missed(frame.task, attempt, at_ns, out)
        if frame.answered_ns and self._late_grants:  # at full speed the player waits for it
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
            frame.submitted &= ~(1 << job.step)  # a hedge that needs it has to ask for it again
            for attempt in frame.attempts:
                if job.step in attempt.chart.places:
                    self._lost(frame, attempt, "dropped", "expired", at_ns, out)

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
        asked = self._requests.asked(event.message)
        if asked is not None:
            frame, attempt = asked
            if self._breaker.failed(at_ns):
                out.append(Note(reason="breaker-open"))
            self._lost(frame, attempt, "failed", "send-refused", at_ns, out)
        self._credit(self._cloud, 1, at_ns, out)

    def _gone(self, peer: str, at_ns: int, out: list[Command]) -> None:
        out.append(Note(reason="peer-gone", detail=peer))
        if peer != self._cloud:
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
