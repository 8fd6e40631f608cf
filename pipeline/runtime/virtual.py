"""The virtual driver: the same cores against an event queue, as fast as the machine allows.

Everything has one order: time, then priority, then source, then sequence. Durations come from
`Timing` and crossings from the link model; this driver decides nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.ledger.rows import Delivery
from pipeline.ledger.sealing import Closing
from pipeline.link.model import LinkChannel
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
    FrameOffered,
    JobDone,
    MessageArrived,
    Output,
    StreamEnded,
    TimerFired,
)
from pipeline.runtime.core.messages import Crossing
from pipeline.runtime.core.vehicle import VehicleCore
from pipeline.runtime.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipeline.ledger.rows import Row
    from pipeline.link.model import LinkConfig
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
        schedule: Every frame in the order of its scheduled time; read once.
        frame_bytes: Bytes of one picture per stream.
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
    return _Kernel(setup, on_event, on_row).run()


class _Kernel:
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
        self._channels = {
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
        self._last_ns: dict[str, int] = {}  # arrival of the last message, per channel

    def run(self) -> Outcome:
        # The nodes are up, and the cloud's first credits there, before the first frame is due.
        greeting_ns = max(
            [link.transfer_ns(0, "down") for link in self._setup.links.values()], default=0
        )
        begin_ns = (0 if self._next is None else self._next.scheduled_ns) - greeting_ns
        for index, core in enumerate(self._cores):
            commands = core.start()
            if self._on_event is not None:
                self._on_event(self._names[index], begin_ns, None, commands)
            self._carry_out(index, commands, begin_ns)
        heap, cores = self._heap, self._cores
        while heap:
            at_ns, _, _, _, target, event, version = heapq.heappop(heap)
            if event is None:
                self._play(at_ns)
            elif version == 0 or self._is_due(event, version):
                commands = cores[target].on(event, at_ns)
                if self._on_event is not None:
                    self._on_event(self._names[target], at_ns, event, commands)
                self._carry_out(target, commands, at_ns)
        self._outcome.played = self._played
        return self._outcome

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
        while self._next is not None and self._player_credits > 0:
            frame = self._next
            if frame.scheduled_ns > at_ns:
                if self._player_wakes_ns != frame.scheduled_ns:
                    self._player_wakes_ns = frame.scheduled_ns
                    self._push(frame.scheduled_ns, _OFFERED, _PLAYER, _PLAYER, None)
                return
            self._next = next(self._frames, None)
            self._player_credits -= 1
            size = self._setup.frame_bytes[frame.stream]
            hop_ns = self._setup.timing.hop_ns(size, subject=frame.stream, frame=frame.number)
            arrives_ns = self._in_order(PLAYER, at_ns + hop_ns)
            if not frame.warmup:
                self._played[frame.stream] = frame.number + 1
            offered = FrameOffered(
                stream=frame.stream,
                frame=frame.number,
                content=frame.content,
                scheduled_ns=frame.scheduled_ns,
                ref=f"{frame.stream}/{frame.number}",
                bytes=size,
                warmup=frame.warmup,
            )
            self._push(arrives_ns, _OFFERED, _PLAYER, _VEHICLE, offered)
            if self._next is None:
                for stream in self._setup.core.streams:
                    ended = StreamEnded(stream=stream)
                    self._push(arrives_ns, _TIMER, _PLAYER, _VEHICLE, ended)

    def _in_order(self, channel: str, arrives_ns: int) -> int:
        """When a message really arrives: a channel's messages do not overtake each other."""
        last_ns = self._last_ns.get(channel, arrives_ns)
        self._last_ns[channel] = arrives_ns = max(arrives_ns, last_ns)
        return arrives_ns

    # -- commands --------------------------------------------------------------------------------

    def _carry_out(self, source: int, commands: Sequence[Command], at_ns: int) -> None:
        for command in commands:
            match command:
                case Start():
                    self._start(source, command, at_ns)
                case Send():
                    self._send(source, command, at_ns)
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
        job = command.jobs[0]
        core, sizes = self._setup.core, self._setup.sizes
        duration_ns = self._setup.timing.job_ns(
            core.step_of(job), task=job.task, index=job.step, frame=job.frame
        )
        content = sizes.content(core.tasks[job.task].stream, job.frame)
        output = Output(
            ref=f"{job.task}/{job.frame}/{job.step}",
            bytes=sizes.of(job.task, job.step, content),
        )
        done = JobDone(
            jobs=command.jobs,
            device=command.device,
            began_ns=at_ns,
            ended_ns=at_ns + duration_ns,
            outputs=(output,),
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
            passage = self._channels[channel].cross(size, handed_ns)
            arrived_ns = self._in_order(channel, passage.arrives_ns + out_ns)
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
            passage = self._channels[self._down].cross(0, handed_ns)
            arrives_ns = self._in_order(self._down, passage.arrives_ns)
        else:
            arrives_ns = at_ns
        self._push(arrives_ns, _CREDIT, source, self._targets[peer], granted)
