"""The models of a scenario file: what may stand in it, with units and defaults."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.scenario.units import Duration, Frames, Rate, Ratio, Share

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.>-]{0,63}$")]
Scalar = str | int | float | bool


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Synthetic(_Model):
    """The built-in drive: a seeded road scene, rendered while it is read."""

    scene: str = "highway"
    seed: int = Field(default=1, ge=0)
    length: Duration = 10_000_000_000
    size: tuple[Annotated[int, Field(ge=64, le=4096)], Annotated[int, Field(ge=64, le=4096)]] = (
        640,
        384,
    )


class StreamModel(_Model):
    """One sensor's sequence; a declared period is the grid that deadlines count from."""

    period: Duration | None = Field(default=None, gt=0)


class Drive(_Model):
    """Where the frames come from: a recording, or the synthetic drive."""

    path: str | None = None
    synthetic: Synthetic | None = None
    streams: dict[Name, StreamModel | None] = Field(min_length=1)


class Site(_Model):
    """A place with devices; its host prices host stages and hops."""

    host: str = "host-reference"


class Link(_Model):
    """What joins two sites: a constant rate each way and a constant round trip."""

    between: tuple[str, str]
    up: Rate
    down: Rate
    rtt: Duration


class Device(_Model):
    """An emulated accelerator (`spec`), or a real one (`backend`)."""

    spec: str | None = None
    backend: str | None = None
    site: str
    compute: Literal["ahead"] = "ahead"
    slots: int = Field(default=1, ge=1, le=64)
    precision: Literal["float32", "float16", "int8"] | None = None


class TaskInput(_Model):
    """What the network reads, and how a picture is made into it."""

    stream: str
    size: tuple[Annotated[int, Field(ge=8, le=8192)], Annotated[int, Field(ge=8, le=8192)]]
    layout: Literal["NCHW"] = "NCHW"
    color: Literal["bgr", "rgb"] = "bgr"
    fit: Literal["letterbox", "stretch"] = "stretch"
    pad: int = Field(default=114, ge=0, le=255)
    scale: Ratio = 1.0

    @property
    def scale_ratio(self) -> tuple[int, int]:
        """Numerator and denominator of `scale`."""
        return Fraction(self.scale).limit_denominator(100_000).as_integer_ratio()


class Variant(_Model):
    """A model of the task's ladder."""

    model: str
    sha256: str | None = Field(default=None, pattern="^[0-9a-f]{8,64}$")


class Output(BaseModel):
    """The decoder of the network's output, with its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    decoder: str

    def parameters(self) -> dict[str, Scalar]:
        """Parameters of the decoder, by name."""
        extra = self.__pydantic_extra__ or {}
        return {k: v for k, v in extra.items() if isinstance(v, str | int | float | bool)}


class Wire(_Model):
    """How cut tensors are coded."""

    codec: Literal["auto", "float32", "float16", "int8"] = "auto"
    lossless: Literal["none"] = "none"


class Task(_Model):
    """What has to be known: an input, a model, a decoder and the routes that are allowed."""

    input: TaskInput
    variants: dict[Name, Variant] = Field(min_length=1)
    output: str | Output
    route: str | list[str] = "auto"
    wire: Wire = Wire()
    raw_pixels_stay: Literal[False] = False

    @property
    def decoder(self) -> Output:
        """The decoder, in its long form."""
        return Output(decoder=self.output) if isinstance(self.output, str) else self.output

    @property
    def routes(self) -> tuple[str, ...]:
        """Allowed routes, as written."""
        return (self.route,) if isinstance(self.route, str) else tuple(self.route)


class PathModel(_Model):
    """A stream through a task to a delivered output, with its deadline."""

    source: str = Field(alias="from")
    through: list[str] = Field(min_length=1, max_length=1)
    every: int = Field(default=1, ge=1)
    e2e: Duration = Field(gt=0)
    max_miss: Share | None = None
    confidence: Share = 0.95
    horizon: Duration | None = Field(default=None, gt=0)


class Hedge(_Model):
    """A second route started by a timer; this version starts none."""

    start: Literal["never"] = "never"


class Policy(_Model):
    """What the cores decide by."""

    in_flight: int = Field(default=2, ge=1, le=64)
    hedge: Hedge = Hedge()


class RunModel(_Model):
    """How the drive is replayed."""

    rate: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    loop: int = Field(default=1, ge=1, le=1_000_000)
    seed: int = Field(default=1, ge=0, le=2**63 - 1)
    warmup: Frames = 0
    min_samples: int = Field(default=0, ge=0)
    security: Literal["none"] = "none"


class Evidence(_Model):
    """What a run directory keeps of the pictures."""

    images: Literal["none", "thumbnails", "full"] = "thumbnails"


class Scenario(_Model):
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
    policy: Policy = Policy()
    run: RunModel = RunModel()
    evidence: Evidence = Evidence()
    outputs: list[Literal["json"]] = ["json"]


# Keys of the scenario language that this version knows of and does not carry out. They are
# refused by name, so that nobody believes that they took effect.
LATER: dict[str, str] = {
    "drive.window": "replaying a part of the drive",
    "drive.faults": "sensor faults",
    "drive.streams.*.topic": "streams of a multi-stream recording",
    "sites.*.profile": "site profiles",
    "links.*.trace": "recorded link traces",
    "links.*.profile": "link profiles",
    "links.*.jitter": "link jitter",
    "links.*.loss": "packet loss",
    "links.*.faults": "link faults",
    "devices.*.faults": "device faults",
    "devices.*.ops": "devices for some operators only",
    "paths.*.max_age": "freshness gates",
    "paths.*.weakly_hard": "weakly hard rules",
    "budgets": "span budgets",
    "policy.breaker": "the circuit breaker",
    "policy.hedge.with": "hedging",
    "gates": "quality and regression gates",
    "run.keys": "CURVE keys",
    "run.pause": "pausing",
}
# Values that belong to later features, by key.
# For each key the values that are of a later version, None for any value that is refused there; a
# wrong value that is not listed gets the ordinary message.
LATER_VALUES: dict[str, tuple[str, tuple[str | bool, ...] | None]] = {
    "devices.*.compute": ("computing inside the hold", ("inline",)),
    "policy.hedge.start": ("hedging", ("latest", "at-once", "cost-based", "deadline")),
    "run.rate": ("full speed", ("max",)),
    "run.security": ("CURVE security", ("curve",)),
    "tasks.*.raw_pixels_stay": ("privacy rules", (True,)),
    "tasks.*.wire.lossless": ("a lossless stage on cut tensors", ("zstd",)),
    "outputs.*": ("outputs other than json", ("html", "junit", "trace", "mcap")),
    "links": ("several links", None),
    "paths.*.through": ("paths through several tasks", None),
    "paths.*.from": ("paths from several streams", None),
}
