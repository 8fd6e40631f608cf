"""The models of a scenario file: what may stand in it, with units and defaults."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from pipeline.scenario.base import Name, ScenarioModel
from pipeline.scenario.links import Link
from pipeline.scenario.policies import Policy
from pipeline.scenario.units import (
    Duration,
    Frames,
    Pace,
    Ratio,
    Share,
    Shift,
    Size,
    Speed,
)

Scalar = str | int | float | bool
Setting = Scalar | list[Scalar]
FUSE = "fuse"
"""The built-in stage that joins the results of several sensors."""
TRACK = "track"
"""The built-in stage that follows objects from frame to frame."""


class Synthetic(ScenarioModel):
    """The built-in drive: a seeded road scene, rendered while it is read."""

    scene: str = "highway"
    seed: int = Field(default=1, ge=0)
    parameters: dict[str, float | str] = Field(default_factory=dict)
    length: Duration = 10_000_000_000
    size: tuple[Annotated[int, Field(ge=64, le=4096)], Annotated[int, Field(ge=64, le=4096)]] = (
        640,
        384,
    )


class StreamModel(ScenarioModel):
    """One sensor's sequence; a declared period is the grid that deadlines count from."""

    period: Duration | None = Field(default=None, gt=0)
    phase: Duration = 0
    kind: Literal["camera", "lidar"] | None = None
    camera: Literal["front", "left", "right", "rear"] | None = None
    file: str | None = None
    topic: str | None = None


class Window(ScenarioModel):
    """The part of the drive that is replayed."""

    start: Duration = 0
    length: Duration | None = Field(default=None, gt=0)


class SensorFault(ScenarioModel):
    """What goes wrong with one sensor for a while."""

    stream: str
    kind: Literal["drop", "duplicate", "freeze", "late", "reorder", "clock-step"]
    at: Duration
    span: Duration | None = Field(default=None, alias="for", gt=0)
    by: Shift | None = None
    probability: Share = 1.0


class SpeedAt(ScenarioModel):
    """The vehicle's speed from a moment of the drive on."""

    at: Duration
    speed: Speed


def _speed_form(value: object) -> str:
    return "list" if isinstance(value, list) else "text"


Speeds = Annotated[
    Annotated[Speed, Tag("text")] | Annotated[list[SpeedAt], Tag("list")],
    Discriminator(_speed_form),
]


class Drive(ScenarioModel):
    """Where the frames come from: a recording, or the synthetic drive."""

    path: str | None = None
    synthetic: Synthetic | None = None
    streams: dict[Name, StreamModel | None] = Field(min_length=1)
    window: Window = Window()
    faults: list[SensorFault] = Field(default_factory=list)
    speed: Speeds | None = None


class Site(ScenarioModel):
    """A place with devices; its host prices host stages and hops."""

    profile: str | None = None
    host: str = "host-reference"


class DeviceFault(ScenarioModel):
    """An emulated device is slower for a while."""

    kind: Literal["slow"] = "slow"
    at: Duration
    span: Duration = Field(alias="for", gt=0)
    factor: float = Field(gt=0, le=1000, allow_inf_nan=False)


class Device(ScenarioModel):
    """An emulated accelerator (`spec`), or a real one (`backend`)."""

    spec: str | None = None
    backend: str | None = None
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    site: str
    compute: Literal["ahead"] = "ahead"
    slots: int = Field(default=1, ge=1, le=64)
    precision: Literal["float32", "float16", "int8", "w8a16"] | None = None
    numerics: Literal["auto", "float32", "int8"] = "auto"
    batch: int = Field(default=1, ge=1, le=64)
    ops: list[str] | None = Field(default=None, min_length=1)
    memory: Size | None = Field(default=None, gt=0)
    faults: list[DeviceFault] = Field(default_factory=list)


_Side = Annotated[int, Field(ge=8, le=8192)]


class TaskInput(ScenarioModel):
    """What the network reads, and how a frame is made into it; the model's card says the rest."""

    stream: str
    size: tuple[_Side, _Side] | None = None
    layout: Literal["NCHW"] = "NCHW"
    color: Literal["bgr", "rgb"] | None = None
    fit: Literal["letterbox", "stretch"] | None = None
    pad: int | None = Field(default=None, ge=0, le=255)
    scale: Ratio | None = None
    pillars: dict[str, Setting] | None = None

    @property
    def ratio(self) -> Fraction | None:
        """`scale` as a fraction; None where it is left out."""
        return None if self.scale is None else Fraction(self.scale).limit_denominator(100_000)


class Variant(ScenarioModel):
    """A model of the task's ladder."""

    model: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{8,64}$")
    timing_only: bool = False


class Output(BaseModel):
    """The decoder of the network's output, with its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    decoder: str

    __pydantic_extra__: dict[str, Setting]

    def parameters(self) -> dict[str, Setting]:
        """Parameters of the decoder, by name."""
        return dict(self.__pydantic_extra__)


class Wire(ScenarioModel):
    """How cut tensors are coded."""

    codec: Literal[
        "auto", "float32", "float16", "int8", "sparse", "sparse:float16", "sparse:int8"
    ] = "auto"
    lossless: Literal["auto", "none", "zstd"] = "auto"


class Task(ScenarioModel):
    """What has to be known: an input, a model, a decoder and the routes that are allowed."""

    input: TaskInput
    variants: dict[Name, Variant] = Field(min_length=1)
    output: str | Output | None = None
    route: str | list[str] = "auto"
    wire: Wire = Wire()
    importance: float = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)
    raw_pixels_stay: bool = False
    min_agreement: Share | None = None
    devices: list[str] | None = Field(default=None, min_length=1)
    calibration_frames: int = Field(default=16, ge=1, le=512)

    @property
    def decoder(self) -> Output | None:
        """The decoder, in its long form; None where the model's card says it."""
        return Output(decoder=self.output) if isinstance(self.output, str) else self.output

    @property
    def routes(self) -> tuple[str, ...]:
        """Allowed routes, as written."""
        return (self.route,) if isinstance(self.route, str) else tuple(self.route)


class MovingDeadline(ScenarioModel):
    """A deadline that follows the vehicle's speed: so much less for each m/s above a speed."""

    base: Duration = Field(gt=0)
    start: Speed = Field(default=0, alias="from")
    per_m_s: Duration = Field(gt=0)
    floor: Duration = Field(gt=0)


def _deadline_form(value: object) -> str:
    return "map" if isinstance(value, dict | MovingDeadline) else "text"


EndToEnd = Annotated[
    Annotated[Duration, Field(gt=0), Tag("text")] | Annotated[MovingDeadline, Tag("map")],
    Discriminator(_deadline_form),
]


class WeaklyHard(ScenarioModel):
    """At most so many misses in any so many frames in a row."""

    misses: int = Field(ge=0, le=1_000_000)
    window: int = Field(alias="in", ge=1, le=1_000_000)


class PartnerModel(ScenarioModel):
    """A further sensor of a path: which of its frames belongs to the anchor's, and the wait."""

    offset: Shift = 0
    wait: Duration = 20_000_000
    partial: Literal["allowed", "refused"] = "allowed"


class Sensors(ScenarioModel):
    """Where a path from several sensors starts: frames are grouped around the anchor's."""

    anchor: str
    partners: dict[Name, PartnerModel | None] = Field(alias="with", min_length=1, max_length=8)


def _source_form(value: object) -> str:
    return "map" if isinstance(value, dict | Sensors) else "text"


class PathModel(ScenarioModel):
    """A stream through a task to a delivered output, with its deadline; or several, fused."""

    source: Annotated[
        Annotated[str, Tag("text")] | Annotated[Sensors, Tag("map")], Discriminator(_source_form)
    ] = Field(alias="from")
    through: list[str] = Field(min_length=1, max_length=10)
    every: int = Field(default=1, ge=1)
    e2e: EndToEnd
    max_miss: Share | None = None
    confidence: Share = 0.95
    max_age: Duration | None = Field(default=None, gt=0)
    weakly_hard: WeaklyHard | None = None
    consecutive: int | None = Field(default=None, ge=0, le=1_000_000)
    horizon: Duration | None = Field(default=None, gt=0)

    @property
    def anchor(self) -> str:
        """The stream whose frames are offered to the path."""
        return self.source if isinstance(self.source, str) else self.source.anchor

    @property
    def streams(self) -> tuple[str, ...]:
        """Every stream of the path, the anchor first."""
        partners = () if isinstance(self.source, str) else tuple(self.source.partners)
        return (self.anchor, *partners)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that read frames, in the path's order."""
        later = (FUSE, TRACK, self.forecaster)
        return tuple(name for name in self.through if name not in later)

    @property
    def forecaster(self) -> str | None:
        """The task that says where followed objects will be, behind `track`; None without one."""
        behind = self.through[self.through.index(TRACK) + 1 :] if TRACK in self.through else []
        return behind[-1] if behind and behind[-1] not in (FUSE, TRACK) else None

    @property
    def tracked(self) -> bool:
        """Whether its objects are followed from frame to frame."""
        return TRACK in self.through

    @property
    def fused(self) -> bool:
        """Whether it joins several sensors."""
        return not isinstance(self.source, str)

    @property
    def deadline_ns(self) -> int:
        """The longest deadline of a frame, that of a slow vehicle where it follows the speed."""
        return self.e2e.base if isinstance(self.e2e, MovingDeadline) else self.e2e

    @property
    def tightest_ns(self) -> int:
        """The shortest deadline that a frame can have."""
        return self.e2e.floor if isinstance(self.e2e, MovingDeadline) else self.e2e


class PauseModel(ScenarioModel):
    """The drive stands still for a while."""

    at: Duration
    span: Duration = Field(alias="for", gt=0)


class RunModel(ScenarioModel):
    """How the drive is replayed."""

    rate: Pace = 1.0
    pause: list[PauseModel] = Field(default_factory=list)
    loop: int = Field(default=1, ge=1, le=1_000_000)
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    warmup: Frames = 0
    min_samples: int = Field(default=0, ge=0)
    sizes: Literal["exact", "modelled"] = "exact"
    security: Literal["none"] = "none"

    @property
    def full_speed(self) -> bool:
        """Whether frames go as fast as they are settled."""
        return self.rate == "max"

    @property
    def factor(self) -> float:
        """Speed of the schedule; 1 at full speed, whose schedule is only an order."""
        return 1.0 if self.rate == "max" else self.rate


class Evidence(ScenarioModel):
    """What a run directory keeps of the pictures."""

    images: Literal["none", "thumbnails", "full"] = "thumbnails"


Metric = Literal[
    "map", "map_all", "streaming_map", "streaming_forecast_map", "edge_map", "cloud_map",
    "ap50", "ap75", "streaming_ap50", "nds", "streaming_nds",
    "miou", "streaming_miou", "edge_miou", "cloud_miou",
    "mota", "idf1", "hota", "coverage",
]  # fmt: skip
"""Figures of accuracy that a gate may ask a minimum of; a test compares them with the scoring's."""
Minimum = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Gates(ScenarioModel):
    """What a run must keep beside its paths' deadlines."""

    accuracy: dict[Name, dict[Metric, Minimum]] = Field(default_factory=dict)


class ScoringModel(ScenarioModel):
    """How a task's results are held against labels."""

    classes: dict[str, str] = Field(default_factory=dict)


class Scenario(ScenarioModel):
    """A scenario: drive, sites, link, devices, tasks, paths and how to run them."""

    splitway: Literal[1]
    name: Name
    description: str = ""
    drive: Drive
    sites: dict[Name, Site | None]
    links: dict[Name, Link] = Field(min_length=1, max_length=1)
    devices: dict[Name, Device] = Field(min_length=1)
    tasks: dict[Name, Task] = Field(min_length=1)
    paths: dict[Name, PathModel] = Field(min_length=1)
    budgets: dict[Name, dict[str, Duration]] = Field(default_factory=dict)
    scoring: dict[Name, ScoringModel] = Field(default_factory=dict)
    gates: Gates = Gates()
    policy: Policy = Policy()
    run: RunModel = RunModel()
    evidence: Evidence = Evidence()
    outputs: list[Literal["json"]] = Field(default=["json"])

    @property
    def forecasters(self) -> frozenset[str]:
        """Tasks that stand behind `track` in a path."""
        return frozenset(p.forecaster for p in self.paths.values() if p.forecaster is not None)


# Keys of the scenario language that this version knows of and does not carry out. They are
# refused by name, so that nobody believes that they took effect.
LATER: dict[str, str] = {
    "sites.*.failover": "failing over between sites during a drive",
    "policy.failover": "failing over between sites during a drive",
    "run.keys": "CURVE keys",
}
# Values that belong to later features, by key.
# For each key the values that are of a later version, None for any value that is refused there; a
# wrong value that is not listed gets the ordinary message.
LATER_VALUES: dict[str, tuple[str, tuple[str | bool, ...] | None]] = {
    "devices.*.compute": ("computing inside the hold", ("inline",)),
    "run.security": ("CURVE security", ("curve",)),
    "outputs.*": ("outputs other than json", ("html", "junit", "trace", "mcap")),
    "links": ("several links", None),
}
