"""What the machines of a run are told before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import field

from pipeline.plan.deadlines import Deadline
from pipeline.plan.maps import RegionMap
from pipeline.plan.routes import Route, RouteStep, Sites
from pipeline.values import Value

if TYPE_CHECKING:
    from pipeline.runtime.core.events import Job

CONSUMER = "consumer"
PLAYER = "player"

HedgeStart = Literal["latest", "at-once", "after"]


class Partner(Value, frozen=True, kw_only=True):
    """A further sensor of a fused path.

    Attributes:
        part: Name of its part, an entry of `CoreConfig.parts`.
        offset_ns: Where its frame's stamp should lie against the anchor's.
        within_ns: How far from there it may lie.
        wait_ns: How long a set waits for it once the anchor's own result is there.
        partial: Whether the set goes on without it.
    """

    part: str
    offset_ns: int
    within_ns: int
    wait_ns: int
    partial: bool


class FuseConfig(Value, frozen=True, kw_only=True):
    """How a fused path waits.

    Attributes:
        anchor: Name of the anchor's part.
        partners: The others.
    """

    anchor: str
    partners: tuple[Partner, ...]


class PathConfig(Value, frozen=True, kw_only=True):
    """A path: a stream through a task to a delivered output.

    Attributes:
        name: Name of the path.
        stream: Stream it starts from.
        task: Task it goes through.
        every: Takes frames whose number is a multiple of this; the rest are not offered.
        deadline_ns: From the scheduled time to the decoded result at the consumer.
        horizon_ns: From the scheduled time to when an open frame settles.
        deadline: A deadline that follows the vehicle's speed, in place of `deadline_ns`.
        fuse: Of a path from several sensors, how it waits for them; its task is the fusing one.
        part_of: Of a part of such a path, that path's name; a part settles in no row.
    """

    name: str
    stream: str
    task: str
    every: int
    deadline_ns: int
    horizon_ns: int
    deadline: Deadline | None = None
    fuse: FuseConfig | None = None
    part_of: str = ""

    def selects(self, frame: int) -> bool:
        """Whether the path takes this frame of its stream."""
        return frame % self.every == 0

    def deadline_at_ns(self, scheduled_ns: int, speed_mm_s: int) -> int:
        """Run time by which the consumer must have the result of a frame."""
        if self.deadline is None:
            return scheduled_ns + self.deadline_ns
        return scheduled_ns + self.deadline.at(speed_mm_s)


class Hedge(Value, frozen=True, kw_only=True):
    """A second route of the same frame, started by a timer on the vehicle.

    Attributes:
        route: The route; it stays in the vehicle.
        places: Where each of its steps stands among the task's steps; those that it shares with the
            frame's first route stand there once.
        start: `latest` at `D - L - B - margin`, `at-once` at admission, `after` a fixed while.
        after_ns: That while, from the scheduled time; never later than `latest`.
        length_ns: L: 99.9 % quantile of what is left of it once the shared steps are over, host
            stages and the hop to the consumer included.
        device: Device of that rest; "" where it needs none.
        device_ns: Part of L that holds the device.
        blocking_ns: B: the longest other job that may hold the device when the timer runs out.
        margin_ns: To spare.
        kept_ns: How long before the deadline its answer is let go, if none has come from the cloud
            by then; 0 where it goes as soon as it is there.
    """

    route: Route
    places: tuple[int, ...]
    start: HedgeStart = "latest"
    after_ns: int = 0
    length_ns: int = 0
    device: str = ""
    device_ns: int = 0
    blocking_ns: int = 0
    margin_ns: int = 0
    kept_ns: int = 0


class Way(Value, frozen=True, kw_only=True):
    """A route that a task may take, and from which uplink rate on it is the one to take.

    Attributes:
        route: The route.
        places: Where each of its steps stands among the task's steps.
        hedge: Its second route; None for none.
        from_bits_per_s: Least estimated uplink rate of its region of the plan map.
    """

    route: Route
    places: tuple[int, ...]
    hedge: Hedge | None = None
    from_bits_per_s: int = 0


class TaskConfig(Value, frozen=True, kw_only=True):
    """A task: its stream, its routes and how many of its frames may be under way.

    Attributes:
        name: Name of the task.
        stream: Stream it reads.
        steps: Steps of all its routes, each once; `after` counts in these. A job names one of them.
        ways: What it may take, the first one's route is what the plan chose; without a map they are
            regions from the highest uplink rate down.
        in_flight: Most frames admitted and not yet answered.
        map: Its plan map, whose cells name ways; None where `from_bits_per_s` of the ways says it.
    """

    name: str
    stream: str
    steps: tuple[RouteStep, ...]
    ways: tuple[Way, ...]
    in_flight: int
    map: RegionMap | None = None

    @property
    def regions(self) -> RegionMap:
        """Its plan map, made of the ways where there is none."""
        if self.map is not None:
            return self.map
        return RegionMap(
            rate_borders=tuple(way.from_bits_per_s for way in self.ways[:-1]),
            cells=tuple(range(len(self.ways))),
        )

    @property
    def route(self) -> Route:
        """The route that the plan chose."""
        return self.ways[0].route

    @property
    def routes(self) -> tuple[tuple[Route, tuple[int, ...]], ...]:
        """Every route with the places of its steps, hedges included."""
        found = [(way.route, way.places) for way in self.ways]
        found += [(w.hedge.route, w.hedge.places) for w in self.ways if w.hedge is not None]
        return tuple(found)

    @classmethod
    def of(cls, name: str, stream: str, route: Route, *, in_flight: int) -> TaskConfig:
        """A task of one route."""
        way = Way(route=route, places=tuple(range(len(route.steps))))
        return cls(name=name, stream=stream, steps=route.steps, ways=(way,), in_flight=in_flight)


class BreakerConfig(Value, frozen=True, kw_only=True):
    """When the vehicle stops asking a cloud.

    Attributes:
        open_after: Requests in a row without an answer in time.
        half_open_every_ns: How often one frame is sent all the same, to see whether it is back.
    """

    open_after: int
    half_open_every_ns: int


class SwitchConfig(Value, frozen=True, kw_only=True):
    """How the vehicle moves between regions of the plan map.

    Attributes:
        patience: Estimates in a row that must be in a better region before it is entered.
        margin_ppm: By how much they must lie above its border.
        probe_every_ns: How often a frame takes a route over the link where the region has none.
        nominal_bits_per_s: Uplink rate that is believed before the first answer.
        one_way_ns: Time that an empty message takes upward.
        down_bits_per_s: Downlink rate that is believed; 0 leaves a result's own bits out.
    """

    patience: int = 3
    margin_ppm: int = 150_000
    probe_every_ns: int = 1_000_000_000
    nominal_bits_per_s: int = 0
    one_way_ns: int = 0
    down_bits_per_s: int = 0


class UplinkShare(Value, frozen=True, kw_only=True):
    """A task's part of the uplink, which it may not exceed while others want it.

    Attributes:
        share_ppm: The part, in parts per million of the rate.
        frame_bits: What a frame of it is planned to send, in bits.
    """

    share_ppm: int
    frame_bits: int


class CloudConfig(Value, frozen=True, kw_only=True):
    """What a cloud takes and how it serves it.

    Attributes:
        refuses: Whether work that cannot be answered in time is refused at once.
        batch: Most jobs of one step that a device runs together, by device; 1 where absent.
    """

    refuses: bool = True
    batch: dict[str, int] = field(default_factory=dict)


class CoreConfig(Value, frozen=True, kw_only=True):
    """Everything the three machines need to know.

    Attributes:
        tasks: Tasks by name.
        paths: Paths in the scenario's order.
        parts: Parts of the paths from several sensors, each a stream through a task.
        sites: Where devices stand.
        slots: Slots of each device, hosts included.
        epoch: The vehicle's registration number.
        player_credits: Frames that the player may send ahead of their being taken.
        cloud_credits: Requests that may be open at the cloud, over all tasks.
        consumer_credits: Results that may be on their way to the consumer.
        consumer_host: Name of the device that decodes results at the consumer.
        down_channel: Channel that refusals go back on.
        streams: Names of the streams that the player offers.
        breaker: When the cloud is no longer asked; None for never.
        switch: How the plan map's regions are moved between.
        shares: Part of the uplink of each task that has one, by name.
        cloud: What the cloud takes.
        drops_expired: Whether work that can no longer be in time is left undone.
        grant_when_settled: Whether the player gets a frame's credit back when the frame is settled
            instead of when it is taken: full speed, and nothing is dropped.
    """

    tasks: dict[str, TaskConfig]
    paths: tuple[PathConfig, ...]
    sites: Sites
    slots: dict[str, int]
    parts: tuple[PathConfig, ...] = ()
    epoch: int = 1
    player_credits: int = 4
    cloud_credits: int = 4
    consumer_credits: int = 4
    consumer_host: str = "consumer-host"
    down_channel: str = "cell.down"
    streams: tuple[str, ...] = field(default=())
    breaker: BreakerConfig | None = None
    switch: SwitchConfig = field(default_factory=SwitchConfig)
    shares: dict[str, UplinkShare] = field(default_factory=dict)
    cloud: CloudConfig = field(default_factory=CloudConfig)
    drops_expired: bool = True
    grant_when_settled: bool = False

    def paths_of(self, task: str, frame: int) -> tuple[PathConfig, ...]:
        """Paths through a task that take this frame, parts of fused ones included."""
        every = (*self.paths, *self.parts)
        return tuple(path for path in every if path.task == task and path.selects(frame))

    def step_of(self, job: Job) -> RouteStep:
        """The step that a job carries out."""
        return self.tasks[job.task].steps[job.step]
