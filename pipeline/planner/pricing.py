"""Predicted times of steps: devices price segments, hosts price stages and hops, links moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from accelerators.models.bus import BUS_BYTES_PER_MS, BUS_NS
from accelerators.work import weakest
from pipeline.plan.routes import BUS, RouteStep, Sites, span_of
from pipeline.plan.steps import Host, Move, Run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelerators.device import Device
    from accelerators.models.host import HostDevice
    from accelerators.work import Label, Precision, SegmentWork
    from pipeline.link.model import Direction
    from pipeline.link.pricing import LinkQuote
    from pipeline.link.spread import LinkSpread
    from pipeline.runtime.timing import HopKind

HOP_TABLE = "hop"
CARRIES: Mapping[str, HopKind] = {"uplink": "work", "downlink": "answer"}
"""What messages carry in the spans that cross the link."""
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevice:
    """A device of the scenario with the precision that it runs in.

    Attributes:
        name: Name in the scenario.
        device: What prices it.
        precision: Precision that segments are priced at.
        slots: Jobs that it runs at once.
        ops: Operator types that it is given; None for all.
        memory_bytes: Memory that it has; None where nobody knows.
    """

    name: str
    device: Device
    precision: Precision
    slots: int
    ops: frozenset[str] | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What routes are priced against: devices and a host at each end of one link.

    Attributes:
        sites: Where devices stand.
        edge: Device in the car; the first one, where there are several.
        cloud: Device in the cloud; the first one.
        vehicle_host: Host in the car.
        cloud_host: Host in the cloud.
        link: The link between them, as a median message sees it.
        link_late: The same at the percentile that latencies are predicted at.
        spread: How the time on the link spreads, of the task's part of it.
        beside: Further devices of either site, in the scenario's order.
        quantiles: Quantile tables of run times, by id of a device or host.
    """

    sites: Sites
    edge: PlacedDevice
    cloud: PlacedDevice
    vehicle_host: HostDevice
    cloud_host: HostDevice
    link: LinkQuote
    link_late: LinkQuote
    spread: LinkSpread
    beside: tuple[PlacedDevice, ...] = ()
    quantiles: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def placed(self) -> dict[str, PlacedDevice]:
        """Every device by name."""
        return {placed.name: placed for placed in (self.edge, self.cloud, *self.beside)}

    def at(self, site: str) -> tuple[PlacedDevice, ...]:
        """Devices of a site, the first one first."""
        where = self.sites.device_site
        return tuple(placed for placed in self.placed.values() if where[placed.name] == site)

    def host(self, site: str) -> HostDevice:
        """Host of a site; the consumer is served by the car's."""
        return self.cloud_host if site == self.sites.cloud else self.vehicle_host


def host_step(world: World, stage: str, site: str, parts: Sequence[tuple[str, int]]) -> RouteStep:
    """A host stage, priced by its host's curves; `after` is filled in by the route.

    Args:
        world: What to price against.
        stage: `prepare`, `pack`, `unpack`, `post` or `deliver`.
        site: Where it runs.
        parts: Names of curves with the elements that each works on; their times are added.
    """
    host = world.host(site)
    costs = [host.stage_ns(name, elements=elements) for name, elements in parts]
    step = Host(stage=stage, site=site)
    return RouteStep(
        step=step,
        after=(),
        span=span_of(step, world.sites),
        latency_ns=sum(cost.latency_ns for cost in costs),
        label=weakest(*(cost.label for cost in costs)),
        jitter=host.name,
    )


def run_step(
    world: World, segment: str, work: SegmentWork, placed: PlacedDevice, *, batch: int = 1
) -> RouteStep:
    """A segment on a device, priced whole; `after` is filled in by the route."""
    cost = placed.device.price(work, batch=batch, precision=placed.precision)
    step = Run(segment=segment, device=placed.name)
    return RouteStep(
        step=step,
        after=(),
        span=span_of(step, world.sites),
        latency_ns=cost.latency_ns,
        interval_ns=cost.interval_ns,
        energy_pj=cost.energy_pj,
        label=cost.label,
        jitter=placed.device.name,
    )


def move_step(world: World, move: Move, payload_bytes: int) -> RouteStep:
    """A median crossing of the idle link, its hops into and out of the relay included."""
    direction, span = _direction(move), span_of(move, world.sites)
    hop_ns = world.vehicle_host.hop_ns(message_bytes=payload_bytes, kind=CARRIES[span])
    return RouteStep(
        step=move,
        after=(),
        span=span,
        latency_ns=world.link.transfer_ns(payload_bytes, direction) + 2 * hop_ns,
        bytes=payload_bytes,
        label="assumed",  # that the link of the run will be like the scenario's
    )


def bus_step(world: World, site: str, tensors: Mapping[str, int], precision: str) -> RouteStep:
    """Tensors over the bus between two devices of a site; `after` is filled in by the route.

    Args:
        world: What to price against.
        site: The site.
        tensors: Bytes of each tensor as it crosses, by name.
        precision: What they cross as.
    """
    names = tuple(tensors)
    step = Move(tensors=names, channel=f"{site}{BUS}", codecs=(precision,) * len(names))
    size = sum(tensors.values())
    return RouteStep(
        step=step,
        after=(),
        span=span_of(step, world.sites),
        latency_ns=bus_ns(size),
        bytes=size,
        label="assumed",
    )


def bus_ns(payload_bytes: int) -> int:
    """One transfer between two devices of a site, assumed as `accelerators.models.bus` says."""
    return BUS_NS - (-payload_bytes * _NS_PER_MS // BUS_BYTES_PER_MS)


def link_spread_ns(world: World, steps: Sequence[RouteStep]) -> int:
    """What a route's crossings take longer at the plan's percentile than in the median."""
    spread_ns = 0
    for step in steps:
        if isinstance(step.step, Move) and world.sites.site_of(step.step) is None:
            way = _direction(step.step)
            late_ns = world.link_late.transfer_ns(step.bytes, way)
            spread_ns += late_ns - world.link.transfer_ns(step.bytes, way)
    return spread_ns


def _direction(move: Move) -> Direction:
    return "down" if move.channel.endswith(".down") else "up"


def route_label(steps: Sequence[RouteStep]) -> Label:
    """Weakest label of a route's devices and hosts; the link speaks for itself."""
    return weakest(*(label_of(s.label) for s in steps if not isinstance(s.step, Move)))


def label_of(text: str) -> Label:
    """A label as the devices write it."""
    match text:
        case "profiled" | "fitted" | "anchored" | "extrapolated":
            return text
        case _:
            return "assumed"
