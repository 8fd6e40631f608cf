"""The virtual driver: the same cores against an event queue, as fast as the machine allows.

Everything has one order: time, then priority, then source, then sequence. Durations come from
`Timing` and crossings from the link model; this driver decides nothing.
"""

from __future__ import annotations

import copy
import heapq
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, cast

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
    Forget,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipeline.ledger.rows import Row
    from pipeline.link.model import LinkConfig, Passage
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.outcome import EventSink
    from pipeline.runtime.sizes import Sizes
    from pipeline.runtime.timing import Timing
    from replay.schedule import ScheduledFrame

# At one instant: what is over comes before what arrives, and timers come last.
_DONE, _ARRIVED, _CREDIT, _OFFERED, _TIMER = range(5)
_VEHICLE, _CLOUD, _CONSUMER, _PLAYER = range(4)
_CREDITS = kind_subject("credit")
_TABLES = (tuple, list, Capacity, Draws)
FOREVER_NS = 1 << 62


class _Core(Protocol):
    """What the three machines have in common."""

    def start(self) -> Sequence[Command]: ...

    def on(self, event: Event, at_ns: int) -> Sequence[Command]: ...


# An event to come: time, priority, source, sequence, target, the event (None wakes the player) and
# the version of its timer. No two have one sequence number, so events are never compared.
_Entry = tuple[int, int, int, int, int, "Event | None", int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualSetup:
    """What a virtual run needs.

    Attributes:
        core: Configuration of the machines.
        schedule: Every frame in the order of sending; read once.
        frame_bytes: Bytes of one frame per stream, where `sizes` does not know each.
        sizes: Bytes that each step makes for each picture of the recording.
        timing: Modelled durations.
        links: The links of the run by name.
    """

    core: CoreConfig
    schedule: Iterable[ScheduledFrame]
    frame_bytes: Mapping[str, int]
    sizes: Sizes
    timing: Timing
    links: Mapping[str, LinkConfig]


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


class Relay(Protocol):
    """One direction of a link, as `LinkChannel` is one."""

    def cross(
        self,
        payload_bytes: int,
        at_ns: int,
        *,
        subject: str = "",
        frame: int | None = None,
        attempt: int = 0,
    ) -> Passage:
        """How a message passes that is handed over now."""


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
        self._cores: tuple[_Core, ...] = (VehicleCore(core), CloudCore(core), ConsumerCore(core))
        self._names = (core.sites.vehicle, core.sites.cloud, CONSUMER)
        self._targets = {name: index for index, name in enumerate(self._names)}
        self._channels: dict[str, Relay] = {
            f"{name}.{way}": LinkChannel(link, way)
            for name, link in setup.links.items()
            for way in ("up", "down")
        }
        self._down = core.down_channel
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
        for index, core in enumerate(self._cores):
            commands = core.start()
            if self._on_event is not None:
                self._on_event(self._names[index], begin_ns, None, commands)
            self._carry_out(index, commands, begin_ns)

    def advance(self, until_ns: int = FOREVER_NS) -> None:
        """Go on with every event before a run time; without one, to the end."""
        heap, cores = self._heap, self._cores
        while heap and heap[0][0] < until_ns:
            at_ns, _, _, _, target, event, version = heapq.heappop(heap)
            if event is None:
                self._play(at_ns)
            elif version == 0 or self._is_due(event, version):
                commands = cores[target].on(event, at_ns)
                if self._on_event is not None:
                    self._on_event(self._names[target], at_ns, event, commands)
                self._carry_out(target, commands, at_ns)

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
        own = ("_setup", "_on_event", "_on_row", "_outcome")
        state = {name: value for name, value in vars(self).items() if name not in own}
        twin = object.__new__(Kernel)
        vars(twin).update(copy.deepcopy(state, memo))
        twin._setup = replace(setup, timing=timing)
        twin._on_event, twin._on_row = on_event, None
        twin._outcome = Outcome(closing=self._outcome.closing, notes=Counter())
        twin._channels = {name: relays(name, relay) for name, relay in twin._channels.items()}
        return twin

    def _push(
        self,
        at_ns: int,
        priority: int,
        source: int,
        target: int,
        event: Event | None,
        version: int = 0,
    ) -> None:
        self._sequence += 1
        heapq.heappush(
            self._heap, (at_ns, priority, source, self._sequence, target, event, version)
        )

    def _is_due(self, event: Event, version: int) -> bool:
        """Whether a timer has been neither moved nor cancelled since it was set."""
        if not isinstance(event, TimerFired) or self._timers.get(event.timer) != version:
            return False
        del self._timers[event.timer]
        return True

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
            size = self._setup.sizes.sample(
                frame.stream, frame.content, self._setup.frame_bytes[frame.stream]
            )
            hop_ns = self._setup.timing.hop_ns(size, subject=frame.stream, frame=frame.number)
            arrives_ns = self._in_order(PLAYER, at_ns + hop_ns)
            offered = FrameOffered(
                stream=frame.stream,
                frame=frame.number,
                content=frame.content,
                scheduled_ns=frame.scheduled_ns,
                ref=f"{frame.stream}/{frame.number}",
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
        return self._setup.sizes.content(stream, frame) if shown is None else shown

    def _in_order(self, channel: str, arrives_ns: int) -> int:
        """When a message really arrives: a channel's messages do not overtake each other."""
        last_ns = self._last_ns.get(channel, arrives_ns)
        self._last_ns[channel] = arrives_ns = max(arrives_ns, last_ns)
        return arrives_ns

    # -- commands --------------------------------------------------------------------------------

    def _carry_out(self, source: int, commands: Sequence[Command], at_ns: int) -> None:
        for command in commands:
            kind = type(command)  # quicker than matching on a dozen classes in turn
            if kind is Start:
                self._start(source, cast("Start", command), at_ns)
            elif kind is Send:
                self._send(source, cast("Send", command), at_ns)
            elif kind is not Forget:  # nothing is kept here
                self._note(source, command, at_ns)

    def _note(self, source: int, command: Command, at_ns: int) -> None:
        match command:
            case Settle(row=row):
                self._outcome.rows.append(row)
                if self._on_row is not None:
                    self._on_row(row)
            case SetTimer(timer=timer, at_ns=fires_ns):
                version = self._timers[timer] = self._sequence + 1
                event = TimerFired(timer=timer)
                self._push(max(fires_ns, at_ns), _TIMER, source, source, event, version)
            case CancelTimer(timer=timer):
                self._timers.pop(timer, None)
            case Grant(peer=peer, amount=amount):
                self._grant(source, peer, amount, at_ns)
            case Deliver(path=path, frame=frame, at_ns=delivered_ns):
                self._outcome.deliveries.append(
                    Delivery(path=path, frame=frame, delivered_ns=delivered_ns)
                )
            case Note(reason=reason):
                self._outcome.notes[reason] += 1
            case _:
                pass

    def _start(self, source: int, command: Start, at_ns: int) -> None:
        first = command.jobs[0]
        core, sizes = self._setup.core, self._setup.sizes
        task = core.tasks[first.task]
        duration_ns = self._setup.timing.job_ns(
            task.steps[first.step],
            task=first.task,
            index=first.step,
            frame=first.frame,
            batch=len(command.jobs),
            at_ns=at_ns,
        )
        outputs = [
            Output(
                ref=f"{job.task}/{job.frame}/{job.step}",
                bytes=sizes.of(job.task, job.step, self._content(task.stream, job.frame)),
            )
            for job in command.jobs
        ]
        done = JobDone(
            jobs=command.jobs,
            device=command.device,
            began_ns=at_ns,
            ended_ns=at_ns + duration_ns,
            outputs=tuple(outputs),
            modelled_ns=duration_ns,
        )
        self._push(at_ns + duration_ns, _DONE, source, source, done)

    def _send(self, source: int, command: Send, at_ns: int) -> None:
        message, timing = command.message, self._setup.timing
        subject = f"{message.task}/{command.channel}"
        if command.channel == CONSUMER:
            hop_ns = timing.hop_ns(command.bytes, subject=subject, frame=message.frame)
            arrived_ns = self._in_order(CONSUMER, at_ns + hop_ns)
            crossing = Crossing(
                began_ns=at_ns, arrived_ns=arrived_ns, modelled_ns=arrived_ns - at_ns
            )
            target = _CONSUMER
        else:
            size, frame, channel = command.bytes, message.frame, command.channel
            in_ns = timing.hop_ns(size, subject=f"{subject}/in", frame=frame)
            out_ns = timing.hop_ns(size, subject=f"{subject}/out", frame=frame)
            handed_ns = self._in_order(f"{channel}/in", at_ns + in_ns)
            passage = self._channels[channel].cross(
                size, handed_ns, subject=message.task, frame=frame
            )
            arrived_ns = self._in_order(channel + passage.lane, passage.arrives_ns + out_ns)
            crossing = Crossing(
                began_ns=passage.began_ns, arrived_ns=arrived_ns, modelled_ns=arrived_ns - at_ns
            )
            target = _CLOUD if source == _VEHICLE else _VEHICLE
        event = MessageArrived(
            message=message,
            ref=f"{message.task}/{message.frame}/{message.kind}",
            bytes=command.bytes,
            sent_ns=at_ns,
            crossing=crossing,
        )
        self._push(crossing.arrived_ns, _ARRIVED, source, target, event)

    def _grant(self, source: int, peer: str, amount: int, at_ns: int) -> None:
        if peer == PLAYER:
            self._player_credits += amount
            self._play(at_ns)
            return
        granted = CreditGranted(peer=self._names[source], amount=amount)
        if source == _CLOUD:
            handed_ns = self._in_order(f"{self._down}/in", at_ns)
            passage = self._channels[self._down].cross(0, handed_ns, subject=_CREDITS)
            arrives_ns = self._in_order(self._down, passage.arrives_ns)
        else:
            arrives_ns = at_ns
        self._push(arrives_ns, _CREDIT, source, self._targets[peer], granted)
