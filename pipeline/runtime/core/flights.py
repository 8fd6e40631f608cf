"""Frames under way in the vehicle: admission, routes, hedges, answers and how they end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.runtime.core.admission import Admission, Admitted
from pipeline.runtime.core.commands import CancelTimer, Forget, Note, SetTimer, Settle
from pipeline.runtime.core.events import Job
from pipeline.runtime.core.frames import Attempt, row_of
from pipeline.runtime.core.fusing import Fusing, Part
from pipeline.runtime.core.hedging import Hedges
from pipeline.runtime.core.intake import Intake
from pipeline.runtime.core.requests import Requests
from pipeline.runtime.core.scheduler import NEVER_NS, DeviceScheduler
from pipeline.runtime.core.sets import FusedSets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.frames import Frame, Open


class Flights:
    """Frames of the vehicle from admission to their fate.

    Admission: a task has at most `in_flight` frames without an answer; one more waits, the newest,
    and what it overtakes is dropped. A route that crosses a link takes a credit of the cloud at
    admission and gets it back by a grant. A frame may have a second route in the vehicle, its
    hedge, whose answer may be kept back until it has to go; the first that is delivered fixes the
    fate, a better one that follows improves it.
    """

    def __init__(self, config: CoreConfig) -> None:
        self._config = config
        site = config.sites.vehicle
        self._cloud = config.sites.cloud
        self._devices = DeviceScheduler(
            {d: n for d, n in config.slots.items() if config.sites.device_site[d] == site}
        )
        self._admission = Admission(config)
        self._breaker = self._admission.breaker
        self._drops = config.drops_expired
        self._late_grants = config.grant_when_settled
        self._learns = config.breaker is not None or self._admission.switches
        self._tasks = tuple(self._admission.tasks.values())
        self._hedges = Hedges()
        self._fusing = Fusing(config)
        self._intake = Intake(config, self._admission.tasks, self._fusing)
        self._sets = FusedSets(config, self._fusing, self._settle, self._begin)
        self._hands_over = bool(config.parts)
        self._requests = Requests(config.epoch)
        self._open: dict[tuple[str, int], Frame] = {}
        self._undelivered: deque[tuple[Frame, Attempt]] = deque()
        self._consumer_credits = config.consumer_credits
        self._streams_open = self._intake.streams
        self._stopped = False
        self._drained = False

    # -- admission --------------------------------------------------------------------------------

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
        for task in self._tasks:
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
                not self._late_grants  # at full speed nothing may be lost
                and admitted.chart.predicted_ns <= frame.time_ns  # else all run, and are late
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
        self._begin(frame, first, at_ns, out)
        if frame.hedge is not None and frame.hedge.start == "at-once":
            self._begin_hedge(frame, at_ns, out)

    # -- a frame goes its way ---------------------------------------------------------------------

    def _begin_hedge(self, frame: Frame, at_ns: int, out: list[Command]) -> bool:
        """Start the second route, if there is one that has not begun; returns whether it did."""
        hedge, chart = frame.hedge, frame.hedge_chart
        if hedge is None or chart is None or frame.answer is not None:
            return False
        self._hedges.drop(frame, out)
        if hedge.kept_ns:
            frame.goes_at_ns = frame.deadline_at_ns - hedge.kept_ns
        second = frame.second = Attempt(chart, frame.time_ns)
        steps = second.way.take_over(frame.over & chart.mine, frame.submitted & chart.mine)
        out.append(Note(reason="hedged", detail=frame.name))
        self._dispatch(frame, second, steps, at_ns, out)
        return True

    def _begin(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        self._dispatch(frame, attempt, attempt.way.ready(), at_ns, out)

    def _dispatch(
        self,
        frame: Frame,
        attempt: Attempt,
        steps: Sequence[int],
        at_ns: int,
        out: list[Command],
    ) -> None:
        chart = attempt.chart
        for index in steps:
            device = chart.devices[index]
            if device:
                bit = 1 << index
                if frame.submitted & bit:  # another attempt shares it
                    continue
                frame.submitted |= bit
                task, number = frame.key
                hurries = self._drops and attempt.hurries and not frame.offer.warmup
                out += self._devices.submit(
                    Job(number, task, index),
                    device,
                    deadline_at_ns=frame.deadline_at_ns,
                    inputs=frame.refs_after(chart.steps[index].after),
                    at_ns=at_ns,
                    start_by_ns=frame.expires_at_ns - chart.rest_ns[index] if hurries else NEVER_NS,
                    lengths_ns=chart.alone_ns[index],
                )
            elif chart.channels[index]:
                self._send_work(frame, attempt, index, at_ns, out)
            else:
                self._answer(frame, attempt, at_ns, out)

    def _send_work(
        self, frame: Frame, attempt: Attempt, index: int, at_ns: int, out: list[Command]
    ) -> None:
        self._breaker.asked(at_ns)
        send = self._requests.ask(frame, attempt, index, at_ns)
        self._admission.sent(frame.task, send.bytes, at_ns)
        out.append(send)
        if not frame.awaited and (frame.hedge or frame.second or self._learns):
            frame.awaited = True
            out.append(SetTimer(timer=f"deadline/{frame.name}", at_ns=frame.expires_at_ns))

    # -- answers ----------------------------------------------------------------------------------

    def _answer(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """An attempt has its result: the first is delivered, a better one that follows as well."""
        if frame.answer is None:
            if attempt is frame.second and self._keeps_back(frame, at_ns, out):
                return
            frame.answer = attempt
            self._hedges.drop(frame, out)
            if attempt is frame.first and frame.second is not None:
                self._abandon(frame, frame.second, out)
            if self._hands_over:
                self._sets.hand_over(frame, attempt, at_ns, out)
                if not frame.paths:
                    self._close(frame, at_ns, out)
                    return
        elif not attempt.seen_cloud:
            return
        self._undelivered.append((frame, attempt))
        self._deliver_waiting(at_ns, out)

    def _keeps_back(self, frame: Frame, at_ns: int, out: list[Command]) -> bool:
        """Whether the hedge's answer waits for a better one that may still come in time."""
        first = frame.first
        if at_ns >= frame.goes_at_ns or first is None or first.dead:
            return False
        frame.kept_back = True
        out.append(SetTimer(timer=f"keep/{frame.name}", at_ns=frame.goes_at_ns))
        return True

    def _let_go(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        """The hedge's answer goes, if it was kept back and no other has gone."""
        second = frame.second
        if frame.kept_back and frame.answer is None and second is not None:
            second.elsewhere["downlink_wait"] = at_ns  # what it waited for did not come down
            self._answer(frame, second, at_ns, out)

    def _abandon(self, frame: Frame, attempt: Attempt, out: list[Command]) -> None:
        """Take an attempt's own waiting jobs back; what runs goes on, and nothing comes of it."""
        attempt.dead = True
        kept = 0
        for other in frame.attempts:
            kept |= other.chart.mine
        idle = frame.submitted & ~frame.over & ~kept
        for index in attempt.chart.places:
            if idle >> index & 1:
                self._devices.withdraw_job(Job(frame.offer.frame, frame.task.config.name, index))
        out.append(Note(reason="hedge-not-needed"))

    def _deliver_waiting(self, at_ns: int, out: list[Command]) -> None:
        while self._undelivered and self._consumer_credits > 0:
            frame, attempt = self._undelivered.popleft()
            self._consumer_credits -= 1
            out.append(self._requests.deliver(frame, attempt))
            if attempt is not frame.answer:
                frame.improved = True
                self._settle_answered(frame, at_ns, out)
                continue
            frame.answered_ns = at_ns
            first = frame.first
            better = first is not None and first is not attempt and not first.dead and first.nonce
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
        elif frame.kept_back:
            self._let_go(frame, at_ns, out)
        elif not self._begin_hedge(frame, at_ns, out) and not frame.attempts:
            self._settle(frame, fate, cause, at_ns, out)

    # -- a frame ends -----------------------------------------------------------------------------

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
                self._sets.part_over(frame, opened, Part("", fate, cause, at_ns), at_ns, out)
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
        if frame.kept_back:
            out.append(CancelTimer(timer=f"keep/{name}"))
        refs = [output.ref for output in frame.outputs.values()]
        if frame.kept:
            refs = [ref for ref in refs if ref not in frame.kept]
        if task.fuses:
            refs += self._sets.close(frame, out)
        else:
            refs += self._intake.give_picture_up(offer, out)
        self._requests.close(frame)
        if self._undelivered:
            self._undelivered = deque(item for item in self._undelivered if item[0] is not frame)
        if task.waiting is frame:
            task.waiting = None
        if frame.submitted & ~frame.over:
            self._devices.withdraw(task.config.name, offer.frame)
        out.append(Forget(refs=tuple(refs)))
        self._free_place(frame, at_ns, out)

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
