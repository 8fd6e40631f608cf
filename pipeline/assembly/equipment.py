"""The devices, hosts and link of a run, found by the names that the scenario gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from accelerators import registry
from accelerators.backends.making import capabilities_of, unavailable
from accelerators.errors import AcceleratorError
from accelerators.models.host import HostDevice
from accelerators.models.pim import limited
from pipeline.assembly.fingerprints import device_hash
from pipeline.assembly.links import link_hashes, link_of
from pipeline.assembly.places import resolve
from pipeline.draws import PPM
from pipeline.errors import InputError, Problem, ScenarioError
from pipeline.link.pricing import LinkQuote
from pipeline.link.spread import LinkSpread
from pipeline.plan.routes import BUS, Sites
from pipeline.planner.limits import memory_bytes
from pipeline.planner.pricing import HOP_TABLE, PlacedDevice, World
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.spec import DeviceSpec
from pipeline.runtime.timing import Slowed
from pipeline.scenario.references import CLOUD, VEHICLE

if TYPE_CHECKING:
    from accelerators.device import Device
    from accelerators.work import Precision
    from pipeline.link.model import LinkConfig
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.models import Device as DeviceModel
    from pipeline.scenario.models import Scenario

Numerics = Literal["int8", "float32"]

_TOML = ".toml"
REFERENCE = "host-reference"
"""The host of a site that names none."""

_HOST_SLOTS = 1  # a node runs its host stages one at a time, in order of deadline
_BUS_SLOTS = 1  # a bus takes one transfer at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a run's steps are priced by and run on.

    Attributes:
        world: Devices, hosts and link, for the planner.
        link: The link itself.
        devices: Devices by name, hosts left out.
        slots: Slots of each device, hosts included.
        quantiles: Quantile tables of run times, by device id.
        hashes: Hash of each device's figures and of the link's trace.
        numerics: What each emulated device that is priced in int8 computes, by name, as far as that
            is settled: `int8`, or `float32` where it knows int8 alone and the scenario wants that.
    """

    world: World
    link: LinkConfig
    devices: dict[str, DeviceSpec]
    slots: dict[str, int]
    quantiles: dict[str, tuple[int, ...]]
    hashes: dict[str, str]
    numerics: dict[str, Numerics]


def equip(
    loaded: LoadedScenario, *, seed: int | None = None, allow_outside: bool = False
) -> Equipment:
    """Find every device and host, and the link.

    Args:
        loaded: The scenario.
        seed: Seed of the run in place of the scenario's.
        allow_outside: Whether relative paths may leave the scenario's folder.

    Raises:
        ScenarioError: A device, backend or host is unknown, unavailable or does not compute in the
            wanted precision, or the link's trace is wrong; all problems together.
    """
    scenario = loaded.scenario
    problems: list[Problem] = []
    hosts: dict[str, HostDevice] = {}
    for site, model in scenario.sites.items():
        name = REFERENCE if model is None else model.host
        try:
            hosts[site] = host_named(name, loaded, allow_outside=allow_outside)
        except (AcceleratorError, InputError) as err:
            problems.append(loaded.problem(("sites", site, "host"), str(err)))
    placed: dict[str, list[PlacedDevice]] = {VEHICLE: [], CLOUD: []}
    devices: dict[str, DeviceSpec] = {}
    numerics: dict[str, Numerics] = {}
    for name in _in_order(scenario):
        wanted = scenario.devices[name]
        host = hosts.get(wanted.site)
        if host is None:
            continue
        try:
            device = _device(wanted, host, loaded, allow_outside=allow_outside)
            placed[wanted.site].append(
                PlacedDevice(
                    name=name,
                    device=device,
                    precision=_precision(wanted, device),
                    slots=wanted.slots,
                    ops=None if wanted.ops is None else frozenset(wanted.ops),
                    memory_bytes=wanted.memory or memory_bytes(device),
                )
            )
        except (AcceleratorError, InputError) as err:
            key = "spec" if wanted.spec is not None else "backend"
            key = key if wanted.ops is None else "ops"
            problems.append(loaded.problem(("devices", name, key), str(err)))
            continue
        computes = _numerics(wanted, placed[wanted.site][-1])
        if computes is not None:
            numerics[name] = computes
        elif wanted.numerics == "int8":
            reason = (
                f"{device.name} is priced in {placed[wanted.site][-1].precision}, so it does not "
                "compute int8; add `precision: int8`, or leave `numerics` out"
            )
            problems.append(loaded.problem(("devices", name, "numerics"), reason))
        devices[name] = DeviceSpec(
            name=name,
            id=wanted.backend or device.name,
            site=wanted.site,
            real=wanted.backend is not None,
            label=device.label,
            options={key: _option(value) for key, value in wanted.options.items()},
            compute="" if wanted.backend is not None else wanted.compute,
            slowed=tuple(
                Slowed(
                    device=name,
                    at_ns=fault.at,
                    until_ns=fault.at + fault.span,
                    factor_ppm=round(fault.factor * PPM),
                )
                for fault in wanted.faults
            ),
        )
    link = None
    try:
        link = link_of(loaded, seed=seed, allow_outside=allow_outside)
    except ScenarioError as err:
        problems.extend(err.problems)
    if problems or link is None:
        raise ScenarioError(problems)
    for found in placed.values():
        if len(found) == 1:  # alone, it leaves what its units do not run to its own processor
            found[0] = replace(found[0], ops=None)
    buses = {f"{site}{BUS}": site for site, found in placed.items() if len(found) > 1}
    host_of = {VEHICLE: "vehicle-host", CLOUD: "cloud-host", CONSUMER: "consumer-host"}
    sites = Sites(
        vehicle=VEHICLE,
        cloud=CLOUD,
        device_site={
            **{name: spec.site for name, spec in devices.items()},
            **{host: site for site, host in host_of.items()},
            **buses,
        },
        host=host_of,
    )
    quote = LinkQuote(link)
    everything = [*placed[VEHICLE], *placed[CLOUD]]
    used = [hosts[VEHICLE], hosts[CLOUD], *(p.device for p in everything)]
    quantiles = {
        **{device.name: device.jitter_ppm for device in used},
        HOP_TABLE: hosts[VEHICLE].jitter_ppm,
    }
    world = World(
        sites=sites,
        edge=placed[VEHICLE][0],
        cloud=placed[CLOUD][0],
        beside=(*placed[VEHICLE][1:], *placed[CLOUD][1:]),
        quantiles=quantiles,
        vehicle_host=hosts[VEHICLE],
        cloud_host=hosts[CLOUD],
        link=quote,
        link_late=quote,
        spread=LinkSpread(link),
    )
    return Equipment(
        world=world,
        link=link,
        devices=devices,
        slots={
            **dict.fromkeys(host_of.values(), _HOST_SLOTS),
            **dict.fromkeys(buses, _BUS_SLOTS),
            **{p.name: p.slots for p in everything},
        },
        quantiles=quantiles,
        hashes={f"device:{d.name}": device_hash(d) for d in used} | link_hashes(link),
        numerics=numerics,
    )


def host_named(name: str, loaded: LoadedScenario, *, allow_outside: bool) -> HostDevice:
    """The host of a name in a scenario: one that is installed, or a file.

    Raises:
        InputError: It is there and no host.
        AcceleratorError: There is none, or its file is not valid.
    """
    if not name.endswith(_TOML):
        return registry.host(name)
    found = registry.load_spec(resolve(name, beside=loaded.path, allow_outside=allow_outside))
    if not isinstance(found, HostDevice):
        raise InputError(f"{name}: describes a device of kind {found.kind}, not a host")
    return found


def _device(
    wanted: DeviceModel, host: HostDevice, loaded: LoadedScenario, *, allow_outside: bool
) -> Device:
    """What prices a device: its spec; for a real one the site's host, since it runs there."""
    if wanted.backend is not None:
        options = {key: _option(value) for key, value in wanted.options.items()}
        why = unavailable(wanted.backend, options)
        if why:
            raise InputError(f"backend {wanted.backend!r} is not available: {why}")
        if capabilities_of(wanted.backend, options).emulated:
            raise InputError(
                f"backend {wanted.backend!r} computes on an emulation of the device, so its time "
                "would be taken for the device's; compare its answers with `splitway devices "
                f"--conformance {wanted.backend} --network FILE`"
            )
        return host
    spec = wanted.spec or ""
    device: Device
    if spec.endswith(_TOML):
        device = registry.load_spec(resolve(spec, beside=loaded.path, allow_outside=allow_outside))
    else:
        device = registry.device(spec)
    return device if wanted.ops is None else limited(device, wanted.ops)


def _in_order(scenario: Scenario) -> list[str]:
    """Devices as they are written, those with `ops` last: the first of a site can do it all."""
    return sorted(scenario.devices, key=lambda name: scenario.devices[name].ops is not None)


def _option(value: str | float) -> str:
    """A backend's option as text; YAML makes numbers and truth values of some."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _numerics(wanted: DeviceModel, placed: PlacedDevice) -> Numerics | None:
    """What an emulated device computes in; None where that is what a network's file has."""
    if wanted.backend is not None or placed.precision != "int8":
        return None
    if wanted.numerics == "int8":
        return "int8"
    if any(precision.startswith("float") for precision in placed.device.precisions):
        return None
    return "float32" if wanted.numerics == "float32" else "int8"


def _precision(wanted: DeviceModel, device: Device) -> Precision:
    if wanted.precision is None:
        return "float32" if wanted.backend is not None else device.precisions[0]
    if wanted.precision not in device.precisions:
        raise InputError(
            f"{device.name} does not compute in {wanted.precision}; "
            f"it has {', '.join(device.precisions)}"
        )
    return wanted.precision
