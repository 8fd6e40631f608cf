"""Machines of a run whose driver does what comes to mind: any order of events, and failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.runtime.core.cloud import CloudCore
from pipeline.runtime.core.commands import (
    CancelTimer,
    Deliver,
    Forget,
    Grant,
    Send,
    SetTimer,
    Settle,
    Start,
)
from pipeline.runtime.core.config import CONSUMER, PLAYER, BreakerConfig, CloudConfig
from pipeline.runtime.core.consumer import ConsumerCore
from pipeline.runtime.core.events import (
    CreditGranted,
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
from pipeline.runtime.core.messages import Crossing
from pipeline.runtime.core.vehicle import VehicleCore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig, HedgeStart
    from pipeline.runtime.core.events import Event
    from tests.pipeline.runtime.conftest import Build, Machine

VEHICLE, CLOUD = "vehicle", "cloud"
FRAMES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """What a vehicle with hedges and its cloud may be told to do."""

    start: HedgeStart
    kept_ms: int
    breaker: bool
    drops: bool
    refuses: bool
    batch: int
    settled: bool
    in_flight: int
    cloud_credits: int

    def config(self, build: Build) -> CoreConfig:
        """Two paths of one task under these policies."""
        hedged = build.hedged(
            start=self.start,
            blocking_ns=2_000_000,
            kept_ns=self.kept_ms * 1_000_000,
            in_flight=self.in_flight,
        )
        breaker = BreakerConfig(open_after=2, half_open_every_ns=90_000_000)
        return replace(
            hedged,
            paths=(
                build.path("tight", deadline_ms=60, horizon_ms=180),
                build.path("loose", every=2, deadline_ms=200, horizon_ms=700),
            ),
            breaker=breaker if self.breaker else None,
            drops_expired=self.drops,
            cloud=CloudConfig(refuses=self.refuses, batch={"cloud0": self.batch}),
            cloud_credits=self.cloud_credits,
            grant_when_settled=self.settled,
        )


POLICIES = st.builds(
    Policies,
    start=st.sampled_from(["latest", "at-once", "after"]),
    kept_ms=st.sampled_from([0, 0, 5, 30, 60]),
    breaker=st.booleans(),
    drops=st.booleans(),
    refuses=st.booleans(),
    batch=st.integers(1, 3),
    settled=st.booleans(),
    in_flight=st.integers(1, 3),
    cloud_credits=st.integers(1, 3),
)


@dataclass(slots=True, kw_only=True)
class World:
    """Carries commands out in an order that a tape of numbers decides; some things fail."""

    config: CoreConfig
    build: Build
    tape: list[int]
    machines: dict[str, Machine] = field(init=False)
    pending: list[tuple[str, Event]] = field(default_factory=list)
    timers: dict[str, int] = field(default_factory=dict)
    running: Counter[str] = field(default_factory=Counter)
    held: dict[str, Counter[str]] = field(default_factory=dict)
    released: dict[str, Counter[str]] = field(default_factory=dict)
    settled: Counter[tuple[str, int]] = field(default_factory=Counter)
    delivered: Counter[tuple[str, int]] = field(default_factory=Counter)
    improved: Counter[tuple[str, int]] = field(default_factory=Counter)
    vehicle: VehicleCore = field(init=False)
    offered: Counter[str] = field(default_factory=Counter)
    player_credits: int = 0
    refs: int = 0
    now_ns: int = -1_000_000_000

    def __post_init__(self) -> None:
        self.vehicle = VehicleCore(self.config)
        cloud, consumer = CloudCore(self.config), ConsumerCore(self.config)
        self.machines = {VEHICLE: self.vehicle, CLOUD: cloud, CONSUMER: consumer}
        self.held = {name: Counter() for name in self.machines}
        self.released = {name: Counter() for name in self.machines}
        self.carry_out(VEHICLE, self.vehicle.start())
        self.carry_out(CLOUD, cloud.start())
        self.carry_out(CONSUMER, consumer.start())

    def choose(self, count: int) -> int:
        """A number below `count`; 0, the ordinary course, when the tape is at its end."""
        return self.tape.pop() % count if self.tape else 0

    def ref(self, node: str) -> str:
        """A new ref in a node's store."""
        self.refs += 1
        name = f"{node}-{self.refs}"
        self.held[node][name] += 1
        return name

    def tell(self, node: str, event: Event) -> None:
        """Pass one event on, and carry out what comes of it."""
        self.now_ns += 1 + self.choose(20) * 1_000_000
        self.carry_out(node, self.machines[node].on(event, self.now_ns))

    def carry_out(self, node: str, commands: Sequence[Command]) -> None:
        """What a driver would do, but for the order in which it ends."""
        for command in commands:
            match command:
                case Start(device=device, inputs=inputs):
                    self.running[device] += 1
                    assert self.running[device] <= self.config.slots[device]
                    self.check_held(node, [ref for each in inputs for ref in each])
                    self.pending.append((node, self.end_of(node, command)))
                case Send(refs=refs):
                    self.check_held(node, refs)
                    self.pending.append(self.sent(node, command))
                case Grant(peer=peer, amount=amount) if peer == PLAYER:
                    self.player_credits += amount
                case Grant(peer=peer, amount=amount):
                    self.pending.append((peer, CreditGranted(peer=node, amount=amount)))
                case SetTimer(timer=timer, at_ns=at_ns):
                    self.timers[timer] = at_ns
                case CancelTimer(timer=timer):
                    self.timers.pop(timer, None)
                case Forget(refs=refs):
                    self.released[node].update(refs)
                case Settle(row=row):
                    self.settled[row.path, row.frame] += 1
                case Deliver(path=path, frame=frame, improves=improves):
                    (self.improved if improves else self.delivered)[path, frame] += 1
                case _:
                    pass

    def check_held(self, node: str, refs: Sequence[str]) -> None:
        """What a command names must be there still."""
        for ref in refs:
            assert self.held[node][ref] == 1
            assert self.released[node][ref] == 0

    def end_of(self, node: str, start: Start) -> Event:
        """How a started job will end."""
        if self.choose(12) == 11:
            return JobFailed(jobs=start.jobs, device=start.device, reason="injected")
        return JobDone(
            jobs=start.jobs,
            device=start.device,
            began_ns=self.now_ns,
            ended_ns=self.now_ns,
            outputs=tuple(Output(ref=self.ref(node), bytes=5) for _ in start.jobs),
        )

    def sent(self, node: str, send: Send) -> tuple[str, Event]:
        """What becomes of a message."""
        if self.choose(12) == 11:
            return node, SendRefused(message=send.message, reason="injected")
        target = CONSUMER if send.channel == CONSUMER else CLOUD if node == VEHICLE else VEHICLE
        crossing = Crossing(began_ns=self.now_ns, arrived_ns=self.now_ns)
        return target, MessageArrived(
            message=send.message,
            ref=self.ref(target),
            bytes=send.bytes,
            sent_ns=self.now_ns,
            crossing=crossing,
        )

    def offer(self) -> None:
        """The next frame of the drive, the first two of them warm-up."""
        left = [s for s in self.config.streams if self.offered[s] < FRAMES + 2]
        stream = left[self.choose(len(left))]
        number = self.offered[stream] - 2
        if self.choose(9) == 8 and self.offered[stream]:
            number -= 1  # a sensor that says the same thing twice
        else:
            self.offered[stream] += 1
        self.player_credits -= 1
        event = replace(self.build.offered(number, stream=stream), ref=self.ref(VEHICLE))
        self.now_ns = max(self.now_ns, event.scheduled_ns)
        self.tell(VEHICLE, event)

    def step(self) -> bool:
        """Let one thing happen; False when nothing is left."""
        if self.pending and self.choose(3) != 2:
            node, event = self.pending.pop(self.choose(len(self.pending)))
            if isinstance(event, JobDone | JobFailed):
                self.running[event.device] -= 1
            self.tell(node, event)
        elif self.player_credits > 0 and any(
            self.offered[stream] < FRAMES + 2 for stream in self.config.streams
        ):
            self.offer()
        elif self.timers:
            timer = sorted(self.timers)[self.choose(len(self.timers))]
            self.now_ns = max(self.now_ns, self.timers.pop(timer))
            self.tell(VEHICLE, TimerFired(timer=timer))
        else:
            return bool(self.pending)
        if self.choose(60) == 59:
            self.tell(VEHICLE, PeerGone(peer=CLOUD))
        if self.choose(120) == 119:
            self.tell(VEHICLE, StopAsked())
        return True

    def play(self) -> None:
        """Everything until nothing is left to happen."""
        while self.step():
            pass
        for stream in self.config.streams:
            self.tell(VEHICLE, StreamEnded(stream=stream))


def check_the_end(world: World) -> None:
    """Play to the end: one fate per frame and path, no ref, credit, timer or slot left over."""
    config = world.config
    world.play()
    expected = {(path.name, n) for path in config.paths for n in range(FRAMES) if path.selects(n)}
    assert world.settled == Counter(expected)
    assert set(world.delivered) <= expected
    assert set(world.delivered.values()) <= {1}
    assert set(world.improved) <= expected
    assert set(world.improved.values()) <= {1}
    kept = Counter(world.vehicle._fusing.kept)
    world.released[VEHICLE] += kept
    assert world.released == world.held
    assert world.vehicle._admission.cloud_credits == config.cloud_credits
    assert world.vehicle._consumer_credits == config.consumer_credits
    assert world.player_credits == config.player_credits
    assert world.timers == {}
    assert not +world.running
