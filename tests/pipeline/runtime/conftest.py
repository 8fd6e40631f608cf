"""Small vehicles, clouds and consumers for the runtime's tests, and the events that they see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest
from msgspec.structs import replace

from pipeline.ledger import seal
from pipeline.link import LinkConfig
from pipeline.plan import Host, Move, Route, RouteStep, Run, Sites, span_of
from pipeline.runtime.core.commands import Start
from pipeline.runtime.core.config import (
    CoreConfig,
    FuseConfig,
    Hedge,
    Partner,
    PathConfig,
    TaskConfig,
    Way,
)
from pipeline.runtime.core.events import FrameOffered, JobDone, MessageArrived, Output
from pipeline.runtime.core.messages import Crossing
from pipeline.runtime.outcome import offers
from pipeline.runtime.sizes import Sizes
from pipeline.runtime.timing import Hops, Timing
from pipeline.runtime.virtual import run_virtual
from pipeline.runtime.virtual_setup import VirtualSetup
from replay.schedule import StreamTimes, build_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.ledger import Ledger
    from pipeline.plan import Step
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import HedgeStart
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.messages import Message
    from pipeline.runtime.outcome import Outcome

MS = 1_000_000
PERIOD_NS = 40 * MS

SITES = Sites(
    device_site={
        "edge0": "vehicle",
        "cloud0": "cloud",
        "edge1": "vehicle",
        "vehicle.bus": "vehicle",
        "pim0": "cloud",
        "cloud.bus": "cloud",
        "vehicle-host": "vehicle",
        "cloud-host": "cloud",
        "consumer-host": "consumer",
    },
    host={"vehicle": "vehicle-host", "cloud": "cloud-host", "consumer": "consumer-host"},
)

_UP = Move(tensors=("x",), channel="cell.up", codecs=("int8",))
_DOWN = Move(tensors=("result",), channel="cell.down", codecs=("raw",))
_BACK: tuple[Step, ...] = (
    Host(stage="post", site="cloud"),
    _DOWN,
    Host(stage="deliver", site="consumer"),
)
SHAPES: dict[str, tuple[Step, ...]] = {
    "edge": (
        Host(stage="prepare", site="vehicle"),
        Run(segment="whole", device="edge0"),
        Host(stage="post", site="vehicle"),
        Host(stage="deliver", site="consumer"),
    ),
    "raw": (
        Host(stage="prepare", site="vehicle"),
        Host(stage="pack", site="vehicle"),
        replace(_UP, codecs=("raw",)),
        Host(stage="unpack", site="cloud"),
        Run(segment="whole", device="cloud0"),
        *_BACK,
    ),
    "split": (
        Host(stage="prepare", site="vehicle"),
        Run(segment="head", device="edge0"),
        Host(stage="pack", site="vehicle"),
        _UP,
        Host(stage="unpack", site="cloud"),
        Run(segment="tail", device="cloud0"),
        *_BACK,
    ),
    "parts": (
        Host(stage="prepare", site="vehicle"),
        Run(segment="first", device="edge0"),
        Move(tensors=("a",), channel="vehicle.bus", codecs=("int8",)),
        Run(segment="second", device="edge1"),
        Host(stage="pack", site="vehicle"),
        _UP,
        Host(stage="unpack", site="cloud"),
        Run(segment="third", device="cloud0"),
        Move(tensors=("b",), channel="cloud.bus", codecs=("float16",)),
        Run(segment="fourth", device="pim0"),
        Move(tensors=("c",), channel="cloud.bus", codecs=("float16",)),
        Run(segment="fifth", device="cloud0"),
        *_BACK,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Makes configurations and events; every figure that a test does not name is a small one."""

    sites: Sites = SITES

    def route(
        self, shape: str, *, task: str = "objects", step_ns: int = MS, jitter: str = "j"
    ) -> Route:
        """A route whose every step is predicted to take `step_ns`."""
        return Route(
            id=f"{task}-{shape}",
            task=task,
            variant="only",
            model=f"{task}-model",
            steps=tuple(
                RouteStep(
                    step=step,
                    after=(index - 1,) if index else (),
                    span=span_of(step, self.sites),
                    latency_ns=step_ns,
                    interval_ns=(step_ns * 9 // 10, step_ns * 12 // 10),
                    jitter=jitter,
                )
                for index, step in enumerate(SHAPES[shape])
            ),
        )

    def path(
        self,
        name: str = "camera",
        *,
        task: str = "objects",
        every: int = 1,
        deadline_ms: int = 100,
        horizon_ms: int = 300,
    ) -> PathConfig:
        """A path from the front camera through a task."""
        return PathConfig(
            name=name,
            stream="front",
            task=task,
            every=every,
            deadline_ns=deadline_ms * MS,
            horizon_ns=horizon_ms * MS,
        )

    def config(
        self,
        shapes: str | Mapping[str, str] = "split",
        *,
        paths: Sequence[PathConfig] = (),
        in_flight: int = 2,
        cloud_credits: int = 4,
        consumer_credits: int = 4,
        step_ns: int = MS,
    ) -> CoreConfig:
        """A run of one task `objects`, or of tasks by name with the shape of their routes."""
        named = {"objects": shapes} if isinstance(shapes, str) else shapes
        return CoreConfig(
            tasks={
                task: TaskConfig.of(
                    task,
                    "front",
                    self.route(shape, task=task, step_ns=step_ns),
                    in_flight=in_flight,
                )
                for task, shape in named.items()
            },
            paths=tuple(paths) or tuple(self.path(f"{task}-path", task=task) for task in named),
            sites=self.sites,
            slots=dict.fromkeys(self.sites.device_site, 1),
            epoch=7,
            cloud_credits=cloud_credits,
            consumer_credits=consumer_credits,
            streams=("front",),
        )

    def fused(
        self,
        shapes: tuple[str, str] = ("split", "edge"),
        *,
        every: int = 1,
        wait_ms: int = 20,
        partial: bool = True,
        offset_ms: int = 0,
    ) -> CoreConfig:
        """Front and left camera, each through a task of its own, joined in the car."""
        config = self.config({"objects": shapes[0], "crossing": shapes[1]})
        crossing = replace(config.tasks["crossing"], stream="left")
        front = replace(self.path("fused/front", every=every), part_of="fused")
        left = replace(self.path("fused/left", task="crossing"), stream="left", part_of="fused")
        steps = (Host(stage="fuse", site="vehicle"), Host(stage="deliver", site="consumer"))
        route = Route(
            id="fused:fuse",
            task="fused:fuse",
            variant="",
            model="",
            steps=tuple(
                RouteStep(
                    step=step,
                    after=(index - 1,) if index else (),
                    span=span_of(step, self.sites),
                    latency_ns=MS,
                    jitter="j",
                )
                for index, step in enumerate(steps)
            ),
        )
        partner = Partner(
            part=left.name,
            offset_ns=offset_ms * MS,
            within_ns=PERIOD_NS // 2,
            wait_ns=wait_ms * MS,
            partial=partial,
        )
        fuse = FuseConfig(anchor=front.name, partners=(partner,))
        path = replace(
            self.path("fused", task="fused:fuse", every=every, deadline_ms=150), fuse=fuse
        )
        return replace(
            config,
            tasks={
                "objects": config.tasks["objects"],
                "crossing": crossing,
                "fused:fuse": TaskConfig.of("fused:fuse", "front", route, in_flight=1),
            },
            paths=(path,),
            parts=(front, left),
            streams=("front", "left"),
        )

    def hedged(
        self,
        *,
        start: HedgeStart = "latest",
        blocking_ns: int = 0,
        margin_ns: int = 0,
        kept_ns: int = 0,
        in_flight: int = 2,
    ) -> CoreConfig:
        """The split with the tail of its own network in the car as hedge."""
        config = self.config("split", in_flight=in_flight)
        split = config.tasks["objects"].route
        tail: tuple[Step, ...] = (
            Run(segment="tail", device="edge0"),
            Host(stage="post", site="vehicle"),
            Host(stage="deliver", site="consumer"),
        )
        count = len(split.steps)
        own = tuple(
            RouteStep(
                step=step,
                after=(1 if index == 0 else count + index - 1,),
                span=span_of(step, self.sites),
                latency_ns=MS,
                jitter="j",
            )
            for index, step in enumerate(tail)
        )
        route = Route(
            id="objects-tail",
            task="objects",
            variant="only",
            model="objects-model",
            steps=(*split.steps[:2], *own),
        )
        hedge = Hedge(
            route=route,
            places=(0, 1, *range(count, count + len(own))),
            start=start,
            length_ns=6 * MS,
            device="edge0",
            device_ns=2 * MS,
            blocking_ns=blocking_ns,
            margin_ns=margin_ns,
            kept_ns=kept_ns,
        )
        task = TaskConfig(
            name="objects",
            stream="front",
            steps=(*split.steps, *own),
            ways=(Way(route=split, places=tuple(range(count)), hedge=hedge),),
            in_flight=in_flight,
        )
        return replace(config, tasks={"objects": task})

    def offered(self, frame: int, *, stream: str = "front") -> FrameOffered:
        """A frame of a 25 Hz camera; warm-up when its number is negative."""
        return FrameOffered(
            stream=stream,
            frame=frame,
            content=abs(frame),
            scheduled_ns=frame * PERIOD_NS,
            ref=f"{stream}/{frame}",
            bytes=1_000,
            warmup=frame < 0,
            stamp_ns=frame * PERIOD_NS,
        )

    def done(
        self, start: Command, *, began_ns: int, ended_ns: int, size: int = 0, modelled_ns: int = 0
    ) -> JobDone:
        """The end of what a `Start` began; its output's ref names task, frame and step."""
        assert isinstance(start, Start)
        (job,) = start.jobs
        return JobDone(
            jobs=start.jobs,
            device=start.device,
            began_ns=began_ns,
            ended_ns=ended_ns,
            outputs=(Output(ref=f"{job.task}/{job.frame}/{job.step}", bytes=size),),
            modelled_ns=modelled_ns,
        )

    def arrived(
        self, message: Message, *, began_ns: int = 0, at_ns: int = 0, size: int = 0
    ) -> MessageArrived:
        """A message that crossed; its payload's ref names its kind and nonce."""
        return MessageArrived(
            message=message,
            ref=f"{message.kind}/{message.nonce}",
            bytes=size,
            sent_ns=began_ns,
            crossing=Crossing(began_ns=began_ns, arrived_ns=at_ns, modelled_ns=at_ns - began_ns),
        )


@pytest.fixture(scope="session")
def build() -> Build:
    """A maker of configurations and events."""
    return Build()


class Machine(Protocol):
    """One of the three cores."""

    def on(self, event: Event, at_ns: int) -> Sequence[Command]:
        """What the machine wants done."""


@dataclass(slots=True, kw_only=True)
class Local:
    """Carries a machine's own jobs out, each taking 1 ms, and keeps every command."""

    build: Build
    machine: Machine
    said: list[Command] = field(default_factory=list)

    def tell(self, event: Event, at_ns: int) -> Sequence[Command]:
        """One event; returns what came of it."""
        commands = self.machine.on(event, at_ns)
        self.said.extend(commands)
        return commands

    def work_off(self, commands: Sequence[Command], at_ns: int) -> int:
        """End every started job 1 ms after it began, one after the other; returns the time."""
        starts = [command for command in commands if isinstance(command, Start)]
        while starts:
            start = starts.pop(0)
            done = self.build.done(start, began_ns=at_ns, ended_ns=at_ns + MS, size=10)
            at_ns += MS
            starts += [c for c in self.tell(done, at_ns) if isinstance(c, Start)]
        return at_ns


@pytest.fixture(scope="session")
def local(build: Build) -> type[Local]:
    """The class that carries a machine's own jobs out."""
    del build
    return Local


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualRun:
    """What came of a virtual run: its outcome and its sealed ledger."""

    outcome: Outcome
    ledger: Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Virtually:
    """Runs configurations in virtual time over short drives."""

    build: Build

    def setup(
        self,
        core: CoreConfig,
        *,
        frames: int = 12,
        loop: int = 1,
        warmup: int = 0,
        seed: int = 1,
        up_bits_per_s: int = 50_000_000,
        rtt_ms: int = 20,
        size: int = 50_000,
        spread: int = 100_000,
        period_ns: int = PERIOD_NS,
    ) -> VirtualSetup:
        """A run over `frames` pictures; `spread` is that of every jitter, in ppm either way."""
        times = StreamTimes(
            stream="front", offsets_ns=range(0, frames * period_ns, period_ns), period_ns=period_ns
        )
        table = tuple(1_000_000 - spread + 2 * spread * i // 100 for i in range(101))
        return VirtualSetup(
            core=core,
            schedule=tuple(build_schedule([times], loop=loop, warmup=warmup)),
            frame_bytes={"front": 1_000_000},
            sizes=Sizes(
                frames={"front": frames},
                warmup=warmup,
                bytes={
                    (task, step): [size + 10 * content for content in range(frames)]
                    for task, config in core.tasks.items()
                    for step in range(len(config.route.steps))
                },
            ),
            timing=Timing(
                seed=seed,
                quantiles={"j": table},
                hops=Hops.line(fixed_ns=300_000, ns_per_mib=500_000, jitter="j"),
            ),
            links={
                "cell": LinkConfig(
                    name="cell",
                    up_bits_per_s=up_bits_per_s,
                    down_bits_per_s=2 * up_bits_per_s,
                    rtt_ns=rtt_ms * MS,
                )
            },
        )

    def run(self, setup: VirtualSetup) -> VirtualRun:
        """Run and seal."""
        outcome = run_virtual(setup)
        ledger = seal(
            offers(setup.schedule, setup.core.paths, outcome.played),
            outcome.rows,
            outcome.deliveries,
            closing=outcome.closing,
            predicted_ns={},
            driver="virtual",
        )
        return VirtualRun(outcome=outcome, ledger=ledger)


@pytest.fixture(scope="session")
def virtually(build: Build) -> Virtually:
    """A runner in virtual time."""
    return Virtually(build=build)
