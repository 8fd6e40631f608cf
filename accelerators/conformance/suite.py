"""Every check of what an id names: a backend, or a device that prices work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from accelerators import registry
from accelerators.backends.making import make_backend
from accelerators.backends.naming import BackendName
from accelerators.conformance.backends import backend_checks, network_checks
from accelerators.conformance.devices import device_checks
from accelerators.conformance.findings import run_checks
from accelerators.conformance.networks import write_networks
from accelerators.conformance.subject import Subject
from accelerators.errors import UnknownDeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from accelerators.conformance.findings import Finding
    from accelerators.device import Backend, Device

_EMULATED_TIMES = 30  # what an emulation may take longer, at every limit
_LIMIT_S = 180.0  # a check of a slow emulation makes some twenty runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """What all checks found.

    Attributes:
        subject: Id that was examined.
        kind: Whether it is a backend or a device.
        tolerance_ppm: How far answers may be off, in ppm of the largest value; None for a device.
        isolated: Whether the backend ran in a process of its own; None for a device.
        emulated: Whether a backend computes on an emulation; None for a device.
        findings: What each check found.
    """

    subject: str
    kind: Literal["backend", "device"]
    tolerance_ppm: int | None
    isolated: bool | None
    emulated: bool | None
    findings: tuple[Finding, ...]


def examine(
    subject: str,
    folder: Path,
    now_ns: Callable[[], int],
    *,
    options: Mapping[str, str] | None = None,
    networks: Sequence[Path] = (),
) -> Conformance:
    """Run every check on an installed device or backend, or on a device file.

    Args:
        subject: Id of a device or backend, or path of a device's TOML file.
        folder: Where the small networks are written that a backend is checked with; a backend of
            compiled files looks for those beside them, unless its options say otherwise.
        now_ns: A monotonic clock, ns.
        options: Options of a backend.
        networks: Networks of one's own to compare answers on.

    Raises:
        AcceleratorError: There is no such device or backend, or it cannot work here.
        OSError: The folder cannot be written.
    """
    if BackendName.of(subject).id not in registry.backends():
        device = _device(subject)
        return Conformance(
            subject=device.name,
            kind="device",
            tolerance_ppm=None,
            isolated=None,
            emulated=None,
            findings=run_checks(device_checks(device), limit_s=_LIMIT_S),
        )
    isolated: list[bool] = []

    def make() -> Backend:
        made = make_backend(subject, now_ns, options=options)
        isolated.append(made.capabilities.isolated)
        return made

    found = examine_backend(make, folder, now_ns, networks=networks)
    return Conformance(
        subject=subject,
        kind="backend",
        tolerance_ppm=found.tolerance_ppm,
        isolated=isolated[0],
        emulated=found.emulated,
        findings=found.findings,
    )


def _device(subject: str) -> Device:
    """A device by its id or file; what else there is to check is named where it is neither."""
    if subject.endswith(".toml"):
        return registry.load_spec(Path(subject))
    try:
        return registry.device(subject)
    except UnknownDeviceError as err:
        known = (*err.known, *registry.backends())
        raise UnknownDeviceError(subject, known, registry.similar(subject, known)) from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What the checks of a backend found, and what it says of itself."""

    tolerance_ppm: int
    emulated: bool
    findings: tuple[Finding, ...]


def examine_backend(
    make: Callable[[], Backend],
    folder: Path,
    now_ns: Callable[[], int],
    *,
    networks: Sequence[Path] = (),
    limit_s: float = _LIMIT_S,
    wait_ns: int = 30_000_000_000,
) -> Examined:
    """Run every check on a backend that need not be installed: what a vendor calls in its tests.

    Args:
        make: Makes a backend without an artefact; called once per check or more.
        folder: Where the small networks are written.
        now_ns: The clock that the backends are given, ns.
        networks: Networks of one's own to compare answers on.
        limit_s: Longest that one check may take; thirty times as long for an emulation.
        wait_ns: Longest wait for one completion; likewise.
    """
    emulated = make().capabilities.emulated
    if emulated:
        limit_s, wait_ns = limit_s * _EMULATED_TIMES, wait_ns * _EMULATED_TIMES
    subject = Subject(make, write_networks(folder), now_ns, wait_ns=wait_ns)
    names = {path.name: path for path in networks}
    checks = (*backend_checks(subject), *network_checks(subject, names))
    return Examined(
        tolerance_ppm=subject.tolerance_ppm,
        emulated=emulated,
        findings=run_checks(checks, limit_s=limit_s),
    )
