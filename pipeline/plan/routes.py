"""A route: a small graph of steps, with names and spans derived from its shape."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from pipeline.plan.steps import Host, Move, Run, Step
from pipeline.values import Value

RouteName = Literal["edge", "raw", "encoded", "split"]

RESULT = "result"  # the name of what comes back, in Move.tensors
UP, DOWN = ".up", ".down"  # a link's two channels are named after it
BUS = ".bus"  # and what joins the devices of a site, after the site

_PICTURE_CODECS = ("jpeg", "webp")

_HOST_SPANS = {
    "prepare": "prepare",
    "pack": "pack",
    "unpack": "unpack",
    "post": "post",
    "fuse": "fuse",
    "track": "fuse",
    "forecast": "fuse",
    "deliver": "deliver",
}


class Sites(Value, frozen=True, kw_only=True):
    """Where the devices of a run stand.

    Attributes:
        vehicle: Name of the vehicle's site.
        cloud: Name of the cloud's site.
        device_site: Site of each device, hosts and the buses between a site's devices included.
        host: Name of the host device of each site.
    """

    vehicle: str = "vehicle"
    cloud: str = "cloud"
    device_site: dict[str, str] = field(default_factory=dict)
    host: dict[str, str] = field(default_factory=dict)

    def site_of(self, step: Step) -> str | None:
        """Site that a step runs at; None for a move over a link, which runs at no site."""
        match step:
            case Run(device=device):
                return self.device_site[device]
            case Host(site=site):
                return site
            case Move(channel=channel):
                return self.device_site.get(channel)

    def device_of(self, step: Step) -> str:
        """Device that runs a step: the site's host for a host stage, for a move its channel."""
        match step:
            case Run(device=device):
                return device
            case Host(site=site):
                return self.host[site]
            case Move(channel=channel):
                return channel


class RouteStep(Value, frozen=True, kw_only=True):
    """A step in its place on a route, with what the plan predicts for it.

    Attributes:
        step: What is done.
        after: Indices of the steps that have to be over first, all smaller than its own.
        span: Span that the step's end closes.
        latency_ns: Predicted median latency, waiting left out.
        interval_ns: The same at the 10 % and the 90 % quantile of the device's bias; (0, 0) where
            the step has no device of its own.
        bytes: Predicted bytes that cross, for a move; 0 otherwise.
        energy_pj: Predicted energy; None where the device has no power figure.
        label: How far the prediction can be believed.
        jitter: Name of the quantile table of the step's run time, in the plan; "" for none.
        batch_ns: Predicted median latency of two, three … frames run together, where the device
            takes batches.
        variant: Name of the model variant, where it is not the task's first.
    """

    step: Step
    after: tuple[int, ...]
    span: str
    latency_ns: int
    interval_ns: tuple[int, int] = (0, 0)
    bytes: int = 0
    energy_pj: int | None = None
    label: str = "assumed"
    jitter: str = ""
    batch_ns: tuple[int, ...] = ()
    variant: str = ""

    @property
    def lengths_ns(self) -> tuple[int, ...]:
        """Predicted median latency of one, two … frames run together."""
        return (self.latency_ns, *self.batch_ns)


class Route(Value, frozen=True, kw_only=True):
    """How one task's frame becomes a result: a small graph of steps.

    Attributes:
        id: Short stable id, the hash of the steps, sent on the wire as the cut id.
        task: Name of the task.
        variant: Name of the model variant.
        model: Hash of the model's file.
        steps: Steps in topological order; the last one is the consumer's `deliver`.
    """

    id: str
    task: str
    variant: str
    model: str
    steps: tuple[RouteStep, ...]


def span_of(step: Step, sites: Sites) -> str:
    """The span that the end of a step closes."""
    match step:
        case Host(stage=stage):
            return _HOST_SPANS[stage]
        case Run(device=device):
            return "edge" if sites.device_site[device] == sites.vehicle else "cloud"
        case Move(channel=channel) if channel in sites.device_site:
            return "edge" if sites.device_site[channel] == sites.vehicle else "cloud"
        case Move(channel=channel):
            return "downlink" if channel.endswith(DOWN) else "uplink"


def route_name(steps: tuple[Step, ...], sites: Sites) -> RouteName:
    """The name that people give a route of this shape; no code branches on it."""
    moves = [step for step in steps if isinstance(step, Move)]
    up = next((move for move in moves if move.channel.endswith(UP)), None)
    if up is None:
        return "edge"
    runs = [step for step in steps if isinstance(step, Run)]
    if any(sites.device_site[run.device] == sites.vehicle for run in runs):
        return "split"
    return "encoded" if all(codec.startswith(_PICTURE_CODECS) for codec in up.codecs) else "raw"
