"""What the tasks of a car share: the link's two ways, each device, and buses between devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.plan.routes import BUS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.plan.routes import RouteStep
    from pipeline.planner.pricing import World

UP, DOWN = "up", "down"
MOST_BUSY = 0.9
"""How busy a shared resource may get; above it, waits grow without end (planning.md 4.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Something that several tasks use.

    Attributes:
        key: What it is called in a joint problem.
        name: What people call it.
        span: The span in which a frame waits for it.
        slots: Jobs that it takes at once.
        is_device: Whether it has a speed of its own to be changed; neither a link nor a bus has.
    """

    key: str
    name: str
    span: str
    slots: int = 1
    is_device: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """All that is shared, and where each step of a route belongs.

    Attributes:
        all: The resources, the link's first.
        keys: Key of each device and bus, by its name.
        memory: Bytes of memory of each device, by its name, as far as they are known.
    """

    all: tuple[Shared, ...]
    keys: Mapping[str, str]
    memory: Mapping[str, int]

    @property
    def names(self) -> dict[str, str]:
        """What people call each."""
        return {one.key: one.name for one in self.all}

    @property
    def capacity(self) -> dict[str, float]:
        """How busy each may get, in units of one slot."""
        return {one.key: MOST_BUSY * one.slots for one in self.all}

    @property
    def spans(self) -> dict[str, str]:
        """The span in which a frame waits for each."""
        return {one.key: one.span for one in self.all}

    def devices_of(self, site_span: str) -> list[str]:
        """Keys of a site's devices, by the span that their runs are in: `edge` or `cloud`."""
        return [one.key for one in self.all if one.is_device and one.span == f"{site_span}_wait"]

    def key_of(self, world: World, step: RouteStep) -> str:
        """Key of what runs a step of a device or a bus."""
        return self.keys[world.sites.device_of(step.step)]


def resources_of(worlds: Sequence[World]) -> Resources:
    """What the tasks share, each of which may be kept to some of the devices.

    A site's only device is called `edge` or `cloud` after its site; several go by their own names,
    with the site's bus beside them.
    """
    shared = [
        Shared(key=UP, name="uplink", span="uplink_wait"),
        Shared(key=DOWN, name="downlink", span="downlink_wait"),
    ]
    keys: dict[str, str] = {}
    memory: dict[str, int] = {}
    sites = worlds[0].sites
    for site, span in ((sites.vehicle, "edge"), (sites.cloud, "cloud")):
        placed = {device.name: device for world in worlds for device in world.at(site)}
        alone = len(placed) == 1
        for name, device in placed.items():
            key = span if alone else name
            keys[name] = key
            shared.append(
                Shared(key=key, name=key, span=f"{span}_wait", slots=device.slots, is_device=True)
            )
            if device.memory_bytes is not None:
                memory[name] = device.memory_bytes
        if not alone:
            bus = f"{site}{BUS}"
            keys[bus] = bus
            shared.append(Shared(key=bus, name=bus, span=f"{span}_wait"))
    return Resources(all=tuple(shared), keys=keys, memory=memory)
