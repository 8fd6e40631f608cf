"""A live node around a core: carries out commands, posts what comes of them, decides nothing."""

from __future__ import annotations

import heapq
import json
from collections import Counter, deque
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import WireError
from pipeline.ledger.rows import Delivery
from pipeline.runtime.core.commands import (
    CancelTimer,
    Deliver,
    Forget,
    Grant,
    Note,
    Send,
    SetTimer,
    Settle,
    Start,
)
from pipeline.runtime.core.config import PLAYER
from pipeline.runtime.core.events import (
    CreditGranted,
    FaultMarked,
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
from pipeline.runtime.journal import Journal
from pipeline.runtime.live.config import SUPERVISOR
from pipeline.runtime.live.letters import (
    crossing_of,
    letter,
    message_of,
    report,
    value_of,
)
from pipeline.runtime.live.reports import result_line
from pipeline.runtime.stages import Decoded, Packed
from pipeline.transport.channels import Poller
from pipeline.transport.header import Header
from pipeline.transport.wire import decode, encode, encode_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from pipeline.runtime.core.cloud import CloudCore
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.consumer import ConsumerCore
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.vehicle import VehicleCore
    from pipeline.runtime.live.config import NodeConfig
    from pipeline.runtime.live.devices import Executor, Finished
    from pipeline.runtime.stages import Value
    from pipeline.transport.channels import Channel, Frame, Wakeup
    from pipeline.transport.wire import Received
    from replay.clock import Clock

    Core = VehicleCore | CloudCore | ConsumerCore

EVIDENCE_LOST = "evidence-lost"
"""Counted for each time that something could not be written down, on a full disk."""

_IDLE_NS = 200_000_000  # a beat of life for the supervisor
_RETRY_NS = 2_000_000  # until a credit that is owed is tried again
_QUIET_NS = 3_000_000  # nothing happened for so long: a moment to write the log
_BACKLOG = 512  # log entries that may wait for a quiet moment
_LOG_AT_ONCE = 128  # entries written before the sockets are looked at again, in some 0.4 ms
_PARTING_NS = 2_000_000_000  # how long a node that has ended waits to be told so


class Node:
    """The loop of one process: sockets, timers, completions, one core.

    Args:
        config: The node's orders.
        core: Its core.
        channels: Channels by the name that commands give them; `supervisor` is one.
        peers: Name of the peer at the other end of each channel, as the core calls it.
        executors: What runs jobs, by device.
        clock: The run's clock: its zero is t0.
        wakeup: Posted whenever something was put into `finished`.
        finished: Where executors put what is over.
    """

    def __init__(
        self,
        config: NodeConfig,
        core: Core,
        *,
        channels: Mapping[str, Channel],
        peers: Mapping[str, str],
        executors: Mapping[str, Executor],
        clock: Clock,
        wakeup: Wakeup,
        finished: deque[Finished],
    ) -> None:
        self._config, self._core = config, core
        self._run, self._role = config.spec.run, config.role
        self._channels, self._executors, self._clock = channels, executors, clock
        self._peers = {id(channel): peers[name] for name, channel in channels.items()}
        self._by_peer = {peers[name]: channel for name, channel in channels.items()}
        self._supervisor = channels[SUPERVISOR]
        self._poller = Poller(tuple(channels.values()), wakeup, clock.now_ns)
        self._finished = finished
        self._values: dict[str, Value] = {}
        self._timers: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._serial = 0
        self._journal = Journal(Path(config.events), clock.now_ns)
        self._results: TextIO | None = (
            Path(config.results).open("w", encoding="utf-8")  # noqa: SIM115 - closed in _part
            if config.results
            else None
        )
        self._counts: Counter[str] = Counter()
        self._owed: dict[str, int] = {}
        self._holds_late_ns: list[int] = []
        self._stopping = False
        self._next_beat_ns = 0

    def run(self) -> None:
        """Serve until the supervisor says stop."""
        self._apply(None, self._core.start(), self._clock.now_ns())
        while not self._stopping:
            ready = self._poller.wait(self._until_next_ns())
            if not ready.channels and not ready.woken:
                self._write_when_due()
            for channel in ready.channels:
                while (pieces := channel.receive()) is not None:
                    self._take(channel, pieces)
            while self._finished:
                self._complete(self._finished.popleft())
            self._fire_timers()
            for peer in tuple(self._owed):
                self._grant(peer, 0)
            self._beat()
        self._part()

    # -- what comes in ---------------------------------------------------------------------------

    def _take(self, channel: Channel, pieces: Sequence[Frame]) -> None:
        now_ns = self._clock.now_ns()
        try:
            event = self._event_of(channel, decode(pieces), now_ns)
        except WireError as err:
            self._counts[f"refused:{err.code}"] += 1
            return
        if event is not None:
            self._tell(event, now_ns)

    def _event_of(self, channel: Channel, received: Received, now_ns: int) -> Event | None:
        header = received.header
        if header.run != self._run:
            raise WireError("run", f"belongs to run {header.run}")
        match header.kind:
            case "frame":
                return FrameOffered(
                    stream=header.stream or "",
                    frame=header.frame,
                    content=header.content,
                    scheduled_ns=header.scheduled_ns,
                    ref=self._keep(value_of(received)),
                    bytes=received.bytes,
                    warmup=header.warmup,
                    stamp_ns=header.stamp_ns,
                    speed_mm_s=header.speed_mm_s,
                )
            case "note" if self._peers[id(channel)] == PLAYER:
                return FaultMarked(what=header.reason)
            case "work" | "answer" | "refusal" | "result":
                value = value_of(received)
                return MessageArrived(
                    message=message_of(header),
                    ref=self._keep(value),
                    bytes=value.bytes if isinstance(value, Packed) else 0,
                    sent_ns=header.sent_ns,
                    crossing=crossing_of(received, now_ns),
                )
            case "credit":
                return CreditGranted(peer=self._peers[id(channel)], amount=header.amount)
            case "ended" if header.stream is not None:
                return StreamEnded(stream=header.stream)
            case "stop" if header.reason.startswith("gone:"):
                return PeerGone(peer=header.reason.removeprefix("gone:"))
            case "stop":
                self._stopping = True
                return StopAsked(reason=header.reason or "stopped")
            case _:
                self._counts[f"ignored:{header.kind}"] += 1
                return None

    def _complete(self, finished: Finished) -> None:
        now_ns = self._clock.now_ns()
        jobs = finished.jobs
        if finished.values is None:
            failed = JobFailed(
                jobs=jobs, device=finished.device, reason=(finished.failure or "failed")[:200]
            )
            self._tell(failed, now_ns)
            return
        if finished.modelled_ns and not finished.warmup:
            self._holds_late_ns.append(finished.late_ns)
        outputs = [
            Output(ref=self._keep(v), bytes=v.bytes if isinstance(v, Packed) else 0)
            for v in finished.values
        ]
        done = JobDone(
            jobs=jobs,
            device=finished.device,
            began_ns=finished.began_ns,
            ended_ns=finished.ended_ns,
            outputs=tuple(outputs),
            modelled_ns=finished.modelled_ns,
            overrun=finished.overrun,
        )
        self._tell(done, now_ns)

    def _tell(self, event: Event, at_ns: int) -> None:
        self._apply(event, self._core.on(event, at_ns), at_ns)

    def _keep(self, value: Value) -> str:
        self._serial += 1
        ref = str(self._serial)
        self._values[ref] = value
        return ref

    # -- what goes out ---------------------------------------------------------------------------

    def _apply(self, event: Event | None, commands: Sequence[Command], at_ns: int) -> None:
        """Carry out commands, then write down what led to them."""
        self._journal.record(at_ns, event, commands)
        for command in commands:
            match command:
                case Start(jobs=jobs, device=device, inputs=inputs):
                    values = [[self._values[ref] for ref in refs] for refs in inputs]
                    self._executors[device].start(jobs, values)
                case Send():
                    self._send(command)
                case Grant(peer=peer, amount=amount):
                    self._grant(peer, amount)
                case SetTimer(timer=timer, at_ns=fires_ns):
                    self._timers[timer] = fires_ns
                    heapq.heappush(self._heap, (fires_ns, timer))
                case CancelTimer(timer=timer):
                    self._timers.pop(timer, None)
                case Settle(row=row):
                    self._report("settle", row)
                case Deliver():
                    self._deliver(command)
                case Forget(refs=refs):
                    for ref in refs:
                        self._values.pop(ref, None)
                case Note(reason=reason):
                    self._note(reason)
                case _:
                    self._counts[f"unserved:{type(command).__name__}"] += 1

    def _send(self, command: Send) -> None:
        value = self._values[command.refs[0]] if command.refs else None
        now_ns = self._clock.now_ns()
        parts = letter(command.message, value, run=self._run, sender=self._role, sent_ns=now_ns)
        if not self._channels[command.channel].send(parts):
            self._tell(SendRefused(message=command.message, reason="no peer"), now_ns)

    def _grant(self, peer: str, amount: int) -> None:
        """Send a credit; one that a peer is not there for yet is owed, never lost."""
        amount += self._owed.pop(peer, 0)
        fields: dict[str, object] = {"kind": "credit", "run": self._run, "sender": self._role}
        if not self._by_peer[peer].send(encode_fields({**fields, "amount": amount})):
            self._owed[peer] = amount

    def _deliver(self, command: Deliver) -> None:
        self._report(
            "delivered",
            Delivery(path=command.path, frame=command.frame, delivered_ns=command.at_ns),
        )
        value = self._values.get(command.ref)
        if self._results is not None and isinstance(value, Decoded):
            line = dict(result_line(command.path, command.frame, value.result))
            if command.improves:
                line["improves"] = True
            try:
                self._results.write(json.dumps(line, separators=(",", ":")) + "\n")
            except OSError:
                self._counts[EVIDENCE_LOST] += 1

    def _note(self, reason: str) -> None:
        self._counts[f"note:{reason}"] += 1
        header = Header(kind="note", run=self._run, sender=self._role, reason=reason[:200])
        self._supervisor.send(encode(header))

    def _report(self, kind: str, what: object) -> None:
        parts = report(
            "settle" if kind == "settle" else "delivered", what, run=self._run, sender=self._role
        )
        if not self._supervisor.send(parts):
            self._counts["report-lost"] += 1

    # -- time ------------------------------------------------------------------------------------

    def _until_next_ns(self) -> int:
        longest_ns = _RETRY_NS if self._owed else _IDLE_NS
        due_ns = self._journal.due_ns()
        if due_ns is not None:
            longest_ns = min(longest_ns, max(_QUIET_NS, due_ns - self._clock.now_ns()))
        while self._heap and self._timers.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        if not self._heap:
            return longest_ns
        return min(longest_ns, max(0, self._heap[0][0] - self._clock.now_ns()))

    def _fire_timers(self) -> None:
        now_ns = self._clock.now_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            at_ns, timer = heapq.heappop(self._heap)
            if self._timers.get(timer) == at_ns:
                del self._timers[timer]
                self._tell(TimerFired(timer=timer), now_ns)

    def _beat(self) -> None:
        now_ns = self._clock.now_ns()
        if now_ns >= self._next_beat_ns:
            self._next_beat_ns = now_ns + _IDLE_NS
            self._supervisor.send(
                encode(Header(kind="heartbeat", run=self._run, sender=self._role))
            )
        if self._journal.waiting > _BACKLOG or self._journal.overdue(now_ns):
            self._write_log(_BACKLOG // 2)

    def _write_when_due(self) -> None:
        """Write the log in a quiet moment, if enough of it waits, or waits for long."""
        due_ns = self._journal.due_ns()
        if due_ns is not None and due_ns <= self._clock.now_ns():
            self._write_log()

    def _write_log(self, most: int = _LOG_AT_ONCE) -> None:
        try:
            self._journal.flush(most)
        except OSError:
            self._counts[EVIDENCE_LOST] += 1

    def _part(self) -> None:
        """Say goodbye: evidence on disk first, then wait until the supervisor has heard it."""
        try:
            self._journal.close()
            if self._results is not None:
                self._results.close()
        except OSError:
            self._counts[EVIDENCE_LOST] += 1
        figures = {
            "counts": dict(self._counts),
            "holds_late_ns": self._holds_late_ns,
            "tracing_ns": self._journal.spent_ns,
        }
        self._supervisor.send(report("ended", figures, run=self._run, sender=self._role))
        ends_ns = self._clock.now_ns() + _PARTING_NS
        while (left_ns := ends_ns - self._clock.now_ns()) > 0:
            for channel in self._poller.wait(left_ns).channels:
                while channel.receive() is not None:
                    if channel is self._supervisor:
                        return
