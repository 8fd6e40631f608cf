"""The virtual driver: the same cores against an event queue, as fast as the machine allows.

Everything has one order: time, then priority, then source, then sequence. Durations come from
`Timing` and crossings from the link model; this driver decides nothing.
"""

from __future__ import annotations

import copy
import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Never

from pipeline.draws import Draws
from pipeline.ledger.rows import Delivery
from pipeline.ledger.sealing import Closing
from pipeline.link.channel import LinkChannel, lead_ns
from pipeline.link.model import kind_subject
from pipeline.link.steps import Capacity
from pipeline.runtime.core.cloud import CloudCore
from pipeline.runtime.core.commands import (
    CancelTimer,
    Deliver,
    Grant,
    Note,
    Send,
    SetTimer,
    Settle,
    Start,
)
from pipeline.runtime.core.config import CONSUMER, PLAYER
from pipeline.runtime.core.consumer import ConsumerCore
from pipeline.runtime.core.events import (
    CreditGranted,
    FaultMarked,
    FrameOffered,
    JobDone,
    MessageArrived,
    Output,
    StreamEnded,
    TimerFired,
)
from pipeline.runtime.core.messages import Crossing
from pipeline.runtime.core.vehicle import VehicleCore
from pipeline.runtime.outcome import Outcome, fault_mark
from pipeline.runtime.virtual_facts import CrossingFacts, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.outcome import EventSink
    from pipeline.runtime.timing import HopKind, HopTime, Timing
    from pipeline.runtime.virtual_facts import Relay, StepFacts
    from pipeline.runtime.virtual_setup import VirtualSetup
    from replay.schedule import ScheduledFrame

# At one instant: what is over comes before what arrives, and timers come last.
_DONE, _ARRIVED, _CREDIT, _OFFERED, _TIMER = range(5)
_VEHICLE, _CLOUD, _CONSUMER, _PLAYER = range(4)
_CREDITS = kind_subject("credit")
_TABLES = (tuple, list, Capacity, Draws)
_LOOKED_UP = ("_hands", "_steps", "_crossings", "_player_hops")  # kept for speed
FOREVER_NS = 1 << 62


# An event to come: time, priority, source, sequence, target, and the event; a timer's name in its
# place, and nothing to wake the player. No two have one sequence number, so events are never
# compared. That of a timer is its version as well: one that was moved or cancelled has another, or
# none.
_Entry = tuple[int, int, int, int, int, "Event | str | None"]

_Hand = Callable[[int, Never, int], None]
"""Carries out one kind of command: of which machine, the command, run time in ns."""


def run_virtual(
    setup: VirtualSetup,
    *,
    on_event: EventSink | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> Outcome:
    """Run to the end in virtual time.

    Args:
        setup: What to run.
        on_event: Told of every event a core sees.
        on_row: Told of every row as it is settled.
    """
    kernel = Kernel(setup, on_event, on_row)
    kernel.begin()
    kernel.advance()
    return kernel.outcome()


def _tables(channel: object) -> Iterator[object]:
    """Parts of a channel that may be large and never change."""
    for value in vars(channel).values():
        if isinstance(value, _TABLES):
            yield value
        elif isinstance(value, LinkChannel):
            yield from _tables(value)


class Kernel:
    """A run in virtual time that can be stopped at any time, and gone on with in several ways."""

    def __init__(
        self,
        setup: VirtualSetup,
        on_event: EventSink | None,
        on_row: Callable[[Row], None] | None,
    ) -> None:
        core = setup.core
        self._setup = setup
        self._on_event = on_event
        self._on_row = on_row
        self._timing, self._sizes = setup.timing, setup.sizes
        self._vehicle, self._cloud = VehicleCore(core), CloudCore(core)
        self._consumer = ConsumerCore(core)
        self._names = (core.sites.vehicle, core.sites.cloud, CONSUMER)
        self._targets = {name: index for index, name in enumerate(self._names)}
        self._channels: dict[str, Relay] = {
            f"{name}.{way}": LinkChannel(link, way)
            for name, link in setup.links.items()
            for way in ("up", "down")
        }
        self._steps: dict[str, tuple[StepFacts, ...]] = {}
        self._crossings: dict[tuple[str, str], CrossingFacts] = {}
        self._player_hops: dict[str, HopTime] = {}
        self._down, self._handed_down = core.down_channel, f"{core.down_channel}/in"
        self._hands = self._table()
        self._heap: list[_Entry] = []
        self._sequence = 0
        self._timers: dict[str, int] = {}  # the version that counts
        self._frames: Iterator[ScheduledFrame] = iter(setup.schedule)
        self._next = next(self._frames, None)
        self._player_credits = 0
        self._player_wakes_ns: int | None = None
        self._outcome = Outcome(closing=Closing(fate="failed", cause="unsettled"), notes=Counter())
        self._played = dict.fromkeys(core.streams, 0)
        self._shown: dict[tuple[str, int], int] = {}  # pictures of frozen frames
        self._last_ns: dict[str, int] = {}  # arrival of the last message, per channel

    def begin(self) -> None:
        """Start the machines, once."""
        # The nodes are up, and the cloud's first credits there, before the first frame is due.
        first_ns = 0 if self._next is None else self._next.sends_ns
        links = self._setup.links.values()
        begin_ns = first_ns - max([lead_ns(link, "down", first_ns) for link in links], default=0)
        started = self._vehicle.start(), self._cloud.start(), self._consumer.start()
        for index, commands in enumerate(started):
            if self._on_event is not None:
                self._on_event(self._names[index], begin_ns, None, commands)
            self._carry_out(index, commands, begin_ns)

    def advance(self, until_ns: int = FOREVER_NS) -> None:
        """Go on with every event before a run time; without one, to the end."""
        heap, timers, on_event = self._heap, self._timers, self._on_event
        machines = (self._vehicle.on, self._cloud.on, self._consumer.on)
        carry_out, pop = self._carry_out, heapq.heappop
        while heap and heap[0][0] < until_ns:
            at_ns, _, _, sequence, target, due = pop(heap)
            if isinstance(due, str):
                if timers.get(due) != sequence:
                    continue
                del timers[due]
                event: Event = TimerFired(timer=due)
            elif due is None:
                self._play(at_ns)
                continue
            else:
                event = due
            commands = machines[target](event, at_ns)
            if on_event is not None:
                on_event(self._names[target], at_ns, event, commands)
            carry_out(target, commands, at_ns)

    def outcome(self) -> Outcome:
        """What has happened by now."""
        self._outcome.played = self._played
        return self._outcome

    def branch(
        self,
        *,
        timing: Timing,
        relays: Callable[[str, Relay], Relay],
        on_event: EventSink,
    ) -> Kernel:
        """A copy that goes on by itself under other durations; this one stays where it is.

        Args:
            timing: Durations of jobs and hops from here on.
            relays: Makes what messages cross by from the name of a channel and a copy of it.
            on_event: Told of every event a core of the copy sees.
        """
        setup = self._setup
        fixed: list[object] = [setup, setup.core, setup.schedule]
        for channel in self._channels.values():
            fixed.extend(_tables(channel))
        memo: dict[int, object] = {id(value): value for value in fixed}
        own = ("_setup", "_timing", "_sizes", "_on_event", "_on_row", "_outcome", *_LOOKED_UP)
        state = {name: value for name, value in vars(self).items() if name not in own}
        twin = object.__new__(Kernel)
        vars(twin).update(copy.deepcopy(state, memo))
        twin._setup = replace(setup, timing=timing)
        twin._timing, twin._sizes = timing, setup.sizes
        twin._on_event, twin._on_row = on_event, None
        twin._outcome = Outcome(closing=self._outcome.closing, notes=Counter())
        twin._hands = twin._table()
        twin._steps, twin._crossings, twin._player_hops = {}, {}, {}
        twin._channels = {name: relays(name, relay) for name, relay in twin._channels.items()}
        return twin

    def _push(
        self, at_ns: int, priority: int, source: int, target: int, event: Event | None
    ) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_ns, priority, source, self._sequence, target, event))

    # -- the player ------------------------------------------------------------------------------

    def _play(self, at_ns: int) -> None:
        """Send what is due and allowed; frames are offered in order, at most one credit each."""
        while (frame := self._next) is not None and (frame.lost or self._player_credits > 0):
            if frame.sends_ns > at_ns:
                if self._player_wakes_ns != frame.sends_ns:
                    self._player_wakes_ns = frame.sends_ns
                    self._push(frame.sends_ns, _OFFERED, _PLAYER, _PLAYER, None)
                return
            self._next = next(self._frames, None)
            if frame.fault:
                self._mark(frame, at_ns)
            if not frame.warmup:
                stream = frame.stream
                self._played[stream] = max(self._played[stream], frame.number + 1)
            if frame.lost:
                self._end_streams(at_ns)
                continue
            self._player_credits -= 1
            stream = frame.stream
            size = self._sizes.sample(stream, frame.content, self._setup.frame_bytes[stream])
            hop_ns = self._player_hops.get(stream)
            if hop_ns is None:
                hop_ns = self._player_hops[stream] = self._timing.of_hop(stream, "frame")
            arrives_ns = self._in_order(PLAYER, at_ns + hop_ns(size, frame.number))
            offered = FrameOffered(
                stream=stream,
                frame=frame.number,
                content=frame.content,
                scheduled_ns=frame.scheduled_ns,
                ref=f"{stream}/{frame.number}",
                bytes=size,
                warmup=frame.warmup,
                stamp_ns=frame.stamp_ns,
                speed_mm_s=frame.speed_mm_s,
            )
            self._push(arrives_ns, _OFFERED, _PLAYER, _VEHICLE, offered)
            self._end_streams(arrives_ns)

    def _end_streams(self, at_ns: int) -> None:
        """Say that all streams are over, once nothing comes any more."""
        if self._next is None:
            at_ns = max(at_ns, self._last_ns.get(PLAYER, at_ns))
            for stream in self._setup.core.streams:
                self._push(at_ns, _TIMER, _PLAYER, _VEHICLE, StreamEnded(stream=stream))

    def _mark(self, frame: ScheduledFrame, at_ns: int) -> None:
        """Note an injected fault in the vehicle's log, and what a frozen picture shows."""
        if "freeze" in frame.fault:
            self._shown[frame.stream, frame.number] = frame.content
        self._push(at_ns, _OFFERED, _PLAYER, _VEHICLE, FaultMarked(what=fault_mark(frame)))

    def _content(self, stream: str, frame: int) -> int:
        shown = self._shown.get((stream, frame)) if self._shown else None
        return self._sizes.content(stream, frame) if shown is None else shown

    def _in_order(self, channel: str, arrives_ns: int) -> int:
        """When a message really arrives: a channel's messages do not overtake each other."""
        last_ns = self._last_ns.get(channel, arrives_ns)
        if last_ns > arrives_ns:
            return last_ns
        self._last_ns[channel] = arrives_ns
        return arrives_ns

    # -- commands --------------------------------------------------------------------------------

    def _carry_out(self, source: int, commands: Sequence[Command], at_ns: int) -> None:
        hands = self._hands
        for command in commands:
            hand = hands.get(type(command))
            if hand is not None:
                hand(source, command, at_ns)  # type: ignore[arg-type] # each under its own type

    def _table(self) -> dict[type[Command], _Hand]:
        """What carries each kind of command out; those without one leave nothing to do here."""
        return {
            Start: self._start,
            Send: self._send,
            SetTimer: self._set_timer,
            CancelTimer: self._cancel_timer,
            Grant: self._grant,
            Settle: self._settle,
            Deliver: self._deliver,
            Note: self._note,
        }

    def _settle(self, _source: int, command: Settle, _at_ns: int) -> None:
        self._outcome.rows.append(command.row)
        if self._on_row is not None:
            self._on_row(command.row)

    def _deliver(self, _source: int, command: Deliver, _at_ns: int) -> None:
        self._outcome.deliveries.append(
            Delivery(path=command.path, frame=command.frame, delivered_ns=command.at_ns)
        )

    def _note(self, _source: int, command: Note, _at_ns: int) -> None:
        self._outcome.notes[command.reason] += 1

    def _set_timer(self, source: int, command: SetTimer, at_ns: int) -> None:
        timer, fires_ns = command.timer, command.at_ns
        self._sequence = sequence = self._sequence + 1
        self._timers[timer] = sequence
        fires_ns = max(fires_ns, at_ns)
        heapq.heappush(self._heap, (fires_ns, _TIMER, source, sequence, source, timer))

    def _cancel_timer(self, _source: int, command: CancelTimer, _at_ns: int) -> None:
        self._timers.pop(command.timer, None)

    def _start(self, source: int, command: Start, at_ns: int) -> None:
        jobs = command.jobs
        first = jobs[0]
        try:
            facts = self._steps[first.task][first.step]
        except KeyError:
            facts = self._look_up(first.task)[first.step]
        duration_ns = facts.length_ns(first.frame, len(jobs), at_ns)
        ends_ns = at_ns + duration_ns
        done = JobDone(
            jobs=jobs,
            device=command.device,
            began_ns=at_ns,
            ended_ns=ends_ns,
            outputs=tuple([self._output(facts, job.frame) for job in jobs])
            if len(jobs) > 1 or facts.made is not None
            else (Output(ref=f"{facts.head}{first.frame}{facts.tail}"),),  # nearly always
            modelled_ns=duration_ns,
        )
        self._sequence = sequence = self._sequence + 1
        heapq.heappush(self._heap, (ends_ns, _DONE, source, sequence, source, done))

    def _look_up(self, task: str) -> tuple[StepFacts, ...]:
        found = steps_of(self._setup.core.tasks[task], self._timing, self._sizes)
        self._steps[task] = found
        return found

    def _output(self, facts: StepFacts, frame: int) -> Output:
        """What a step makes of a frame."""
        made = facts.made
        size = 0 if made is None else made[self._content(facts.stream, frame)]
        return Output(ref=f"{facts.head}{frame}{facts.tail}", bytes=size)

    def _send(self, source: int, command: Send, at_ns: int) -> None:
        message, channel, size = command.message, command.channel, command.bytes
        task, frame = message.task, message.frame
        facts = self._crossings.get((task, channel))
        if facts is None:
            carries: HopKind = "work" if source == _VEHICLE else "answer"
            facts = CrossingFacts(
                task, channel, self._channels.get(channel), self._timing, carries=carries
            )
            self._crossings[task, channel] = facts
        if facts.relay is None:
            began_ns, target = at_ns, _CONSUMER
            arrived_ns = self._in_order(CONSUMER, at_ns + facts.hop_ns(size, frame))
        else:
            target = _CLOUD if source == _VEHICLE else _VEHICLE
            handed_ns = self._in_order(facts.handed, at_ns + facts.hop_in_ns(size, frame))
            passage = facts.relay.cross(size, handed_ns, subject=task, frame=frame)
            began_ns, lane = passage.began_ns, passage.lane
            arrived_ns = self._in_order(
                channel + lane if lane else channel,
                passage.arrives_ns + facts.hop_out_ns(size, frame),
            )
        event = MessageArrived(
            message=message,
            ref=f"{task}/{frame}/{message.kind}",
            bytes=size,
            sent_ns=at_ns,
            crossing=Crossing(
                began_ns=began_ns, arrived_ns=arrived_ns, modelled_ns=arrived_ns - at_ns
            ),
        )
        self._sequence = sequence = self._sequence + 1
        heapq.heappush(self._heap, (arrived_ns, _ARRIVED, source, sequence, target, event))

    def _grant(self, source: int, command: Grant, at_ns: int) -> None:
        peer = command.peer
        if peer == PLAYER:
            self._player_credits += command.amount
            self._play(at_ns)
            return
        granted = CreditGranted(peer=self._names[source], amount=command.amount)
        arrives_ns = at_ns
        if source == _CLOUD:
            handed_ns = self._in_order(self._handed_down, at_ns)
            passage = self._channels[self._down].cross(0, handed_ns, subject=_CREDITS)
            arrives_ns = self._in_order(self._down, passage.arrives_ns)
        self._push(arrives_ns, _CREDIT, source, self._targets[peer], granted)
