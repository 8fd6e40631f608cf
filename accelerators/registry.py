"""Devices and backends by id, from the entry points of every installed distribution."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, cast

from accelerators.errors import (
    AcceleratorError,
    DuplicateDeviceError,
    PluginError,
    SpecError,
    UnknownDeviceError,
)
from accelerators.models.host import HostDevice
from accelerators.models.npu import NpuDevice
from accelerators.models.package import PackageDevice, make_package
from accelerators.models.pim import PimDevice
from accelerators.specs_schema import HostSpec, read_spec
from accelerators.specs_schema_npu import SegmentNpuSpec
from accelerators.specs_schema_pim import PackageSpec, PimSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from accelerators.device import Backend, Device, DeviceKind
    from accelerators.work import Label

DEVICE_GROUP = "splitway.devices"
BACKEND_GROUP = "splitway.backends"


class BackendFactory(Protocol):
    """Makes a backend that reads the given clock (ns); may have a method `unavailable`."""

    def __call__(self, now_ns: Callable[[], int]) -> Backend:
        """A backend without an artefact yet."""


class _SaysWhy(Protocol):
    def unavailable(self) -> str | None:
        """Why the backend cannot work here, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitError:
    """Share of latency by which a fitted device is off, on models left out of the fit.

    Attributes:
        median: Median of the absolute relative error.
        p90: Its 90 % quantile.
        n: Number of figures of those models.
    """

    median: float
    p90: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """A device or real backend that is installed, as `splitway devices` lists it.

    Attributes:
        id: Stable id.
        kind: What sort it is; `real` for a backend that runs artefacts here.
        label: How far its latencies can be believed; `profiled` for a real one, whose latencies
            are only ever measured.
        source: File of its figures; for a real one, the entry point.
        origin: Entry point and distribution that registered it.
        fit_error: None unless it was fitted.
        available: Whether it can be used on this machine.
        why: Why it cannot, or None.
        device: What prices segments; None for a real one.
    """

    id: str
    kind: DeviceKind
    label: Label
    source: str
    origin: str
    fit_error: FitError | None
    available: bool
    why: str | None
    device: Device | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendEntry:
    """A backend that is installed; its module has not been imported yet.

    Attributes:
        id: Stable id, as a scenario names it.
        origin: Entry point and distribution that registered it.
        entry_point: What resolves to its factory.
    """

    id: str
    origin: str
    entry_point: EntryPoint


def devices(found: Iterable[EntryPoint] | None = None) -> Mapping[str, DeviceEntry]:
    """Devices that price segments, by id: what the entry points `splitway.devices` give.

    An entry point resolves to a callable without parameters that returns devices, or callables
    that each return one.

    Args:
        found: Entry points to use instead of the installed ones.

    Raises:
        DuplicateDeviceError: Two registrations claim one id.
        PluginError: An entry point cannot be loaded or fails.
    """
    return _installed_devices() if found is None else _collect(found)


def device(device_id: str) -> Device:
    """The installed device of this id.

    Raises:
        UnknownDeviceError: There is none; a similar id is suggested.
        AcceleratorError: The id is a real backend's, which is measured and never priced.
        DuplicateDeviceError: Two registrations claim one id.
        PluginError: An entry point cannot be loaded or fails.
    """
    known = devices()
    entry = known.get(device_id)
    if entry is None or entry.device is None:
        if device_id in backends():
            raise AcceleratorError(f"{device_id} is a real backend: it is measured, never priced")
        raise UnknownDeviceError(device_id, known, similar(device_id, known))
    return entry.device


def host(host_id: str) -> HostDevice:
    """The installed host of this id: a device that also prices host stages and hops.

    Raises:
        UnknownDeviceError: There is no host of this id; a similar one is suggested.
        DuplicateDeviceError: Two registrations claim one id.
        PluginError: An entry point cannot be loaded or fails.
    """
    hosts = {
        entry.id: entry.device
        for entry in devices().values()
        if isinstance(entry.device, HostDevice)
    }
    if host_id not in hosts:
        raise UnknownDeviceError(host_id, hosts, similar(host_id, hosts))
    return hosts[host_id]


def listing() -> tuple[DeviceEntry, ...]:
    """Everything installed, priced devices and real backends, by id: what `devices` reports.

    Raises:
        DuplicateDeviceError: Two registrations claim one id.
        PluginError: An entry point cannot be loaded or fails.
    """
    entries = dict(devices())
    for entry in backends().values():
        if entry.id in entries:
            raise DuplicateDeviceError(entry.id, (entries[entry.id].origin, entry.origin))
        entries[entry.id] = _real(entry)
    return tuple(entries[key] for key in sorted(entries))


def backends(found: Iterable[EntryPoint] | None = None) -> Mapping[str, BackendEntry]:
    """Backends by id: the names of the entry points `splitway.backends`, none of them imported.

    Args:
        found: Entry points to use instead of the installed ones.

    Raises:
        DuplicateDeviceError: Two entry points have one name.
    """
    entries: dict[str, BackendEntry] = {}
    for point in _ordered(entry_points(group=BACKEND_GROUP) if found is None else found):
        origin = _origin(point)
        if point.name in entries:
            raise DuplicateDeviceError(point.name, (entries[point.name].origin, origin))
        entries[point.name] = BackendEntry(id=point.name, origin=origin, entry_point=point)
    return entries


def backend_factory(backend_id: str, found: Iterable[EntryPoint] | None = None) -> BackendFactory:
    """What makes backends of this id; imports its module, and no vendor library yet.

    Raises:
        UnknownDeviceError: There is none; a similar id is suggested.
        PluginError: Its module cannot be imported, or does not give a callable.
    """
    known = backends(found)
    if backend_id not in known:
        raise UnknownDeviceError(backend_id, known, similar(backend_id, known))
    entry = known[backend_id]
    return cast("BackendFactory", _resolve(entry.entry_point, entry.origin))


def load_spec(path: Path) -> NpuDevice | HostDevice | PimDevice | PackageDevice:
    """Make a device or host of a TOML file of the user's; `kind` in the file decides which.

    Raises:
        SpecError: There is no such file, or it is not TOML or contradicts the schema; every problem
            is named at once.
    """
    source = str(path)
    try:
        spec = read_spec(path, source=source)
    except (FileNotFoundError, IsADirectoryError) as err:
        raise SpecError(source, "there is no such file; installed devices go by id") from err
    if isinstance(spec, HostSpec):
        return HostDevice(spec, source=source)
    if isinstance(spec, PimSpec):
        return PimDevice(spec, source=source)
    if isinstance(spec, PackageSpec):
        return make_package(spec, source=source)
    return NpuDevice(spec, source=source)


@cache
def _installed_devices() -> Mapping[str, DeviceEntry]:
    return _collect(entry_points(group=DEVICE_GROUP))


def _collect(found: Iterable[EntryPoint]) -> Mapping[str, DeviceEntry]:
    entries: dict[str, DeviceEntry] = {}
    for point in _ordered(found):
        origin = _origin(point)
        for made in _made_by(point, origin):
            if made.name in entries:
                raise DuplicateDeviceError(made.name, (entries[made.name].origin, origin))
            entries[made.name] = DeviceEntry(
                id=made.name,
                kind=made.kind,
                label=made.label,
                source=made.source,
                origin=origin,
                fit_error=_fit_error(made),
                available=True,
                why=None,
                device=made,
            )
    return entries


def _fit_error(made: Device) -> FitError | None:
    """What a fitted file says of models left out; None where it says nothing."""
    spec = made.spec if isinstance(made, NpuDevice) else None
    fit = spec.fit if isinstance(spec, SegmentNpuSpec) else None
    if fit is None or fit.median_permille is None or fit.p90_permille is None:
        return None
    return FitError(median=fit.median_permille / 1000, p90=fit.p90_permille / 1000, n=fit.held_out)


def _made_by(point: EntryPoint, origin: str) -> tuple[Device, ...]:
    """Devices of one entry point; a plug-in may raise anything, so everything is caught."""
    make = cast("Callable[[], Iterable[Device | Callable[[], Device]]]", _resolve(point, origin))
    try:
        made = tuple(item() if callable(item) else item for item in make())
    except Exception as err:
        raise PluginError(point.name, origin, _reason(err)) from err
    strangers = [type(item).__name__ for item in made if not hasattr(item, "price")]
    if strangers:
        raise PluginError(point.name, origin, f"{strangers[0]} is no device")
    return made


def _resolve(point: EntryPoint, origin: str) -> Callable[[], object]:
    try:
        loaded: object = point.load()
    except Exception as err:  # a stranger's module may fail in any way, and is named
        raise PluginError(point.name, origin, _reason(err)) from err
    if not callable(loaded):
        raise PluginError(point.name, origin, f"{point.value} is not callable")
    return cast("Callable[[], object]", loaded)


def _real(entry: BackendEntry) -> DeviceEntry:
    factory = backend_factory(entry.id)
    why = None
    if hasattr(factory, "unavailable"):
        why = cast("_SaysWhy", factory).unavailable()
    return DeviceEntry(
        id=entry.id,
        kind="real",
        label="profiled",
        source=entry.entry_point.value,
        origin=entry.origin,
        fit_error=None,
        available=why is None,
        why=why,
        device=None,
    )


def _ordered(found: Iterable[EntryPoint]) -> list[EntryPoint]:
    """By name and value, so that what is reported does not depend on the order of discovery."""
    return sorted(found, key=lambda point: (point.name, point.value))


def _origin(point: EntryPoint) -> str:
    owner = point.dist.name if point.dist is not None else "no distribution"
    return f"{point.value} ({owner})"


def _reason(err: Exception) -> str:
    text = " ".join(str(err).split())
    return f"{type(err).__name__}: {text}" if text else type(err).__name__


def similar(wanted: str, known: Iterable[str]) -> str | None:
    """The one of the known ids that looks like what was wanted; None where none does."""
    return next(iter(difflib.get_close_matches(wanted, list(known), n=1)), None)
