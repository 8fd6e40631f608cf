"""Predicted times of steps: devices price segments, hosts price stages and hops, links moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.work import weakest
from pipeline.plan.routes import RouteStep, Sites, span_of
from pipeline.plan.steps import Host, Move, Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.device import Device
    from accelerators.models.host import HostDevice
    from accelerators.work import Label, Precision, SegmentWork
    from pipeline.link.model import Direction, LinkConfig

HOP_TABLE = "hop"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedDevice:
    """A device of the scenario with the precision that it runs in.

    Attributes:
        name: Name in the scenario.
        device: What prices it.
        precision: Precision that segments are priced at.
        slots: Jobs that it runs at once.
    """

    name: str
    device: Device
    precision: Precision
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What routes are priced against: one device and one host at each end of one link.

    Attributes:
        sites: Where devices stand.
        edge: Device in the car.
        cloud: Device in the cloud.
        vehicle_host: Host in the car.
        cloud_host: Host in the cloud.
        link: The link between them.
    """

    sites: Sites
    edge: PlacedDevice
    cloud: PlacedDevice
    vehicle_host: HostDevice
    cloud_host: HostDevice
    link: LinkConfig

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


def run_step(world: World, segment: str, work: SegmentWork, placed: PlacedDevice) -> RouteStep:
    """A segment on a device, priced whole; `after` is filled in by the route."""
    cost = placed.device.price(work, batch=1, precision=placed.precision)
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
    """A crossing of the link on an idle channel, its hops into and out of the relay included."""
    direction: Direction = "down" if move.channel.endswith(".down") else "up"
    hop_ns = world.vehicle_host.hop_ns(message_bytes=payload_bytes)
    return RouteStep(
        step=move,
        after=(),
        span=span_of(move, world.sites),
        latency_ns=world.link.transfer_ns(payload_bytes, direction) + 2 * hop_ns,
        bytes=payload_bytes,
        label="assumed",  # a constant link is what the scenario's author assumes
    )


def route_label(steps: Sequence[RouteStep]) -> Label:
    """Weakest label of a route's devices and hosts; the link speaks for itself."""
    return weakest(*(_label(s.label) for s in steps if not isinstance(s.step, Move)))


def _label(text: str) -> Label:
    match text:
        case "profiled" | "fitted" | "anchored" | "extrapolated":
            return text
        case _:
            return "assumed"
