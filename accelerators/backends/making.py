"""A backend made by its name: in this process, or in one of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from accelerators import registry
from accelerators.backends.hosted import HostedBackend, Limits
from accelerators.backends.naming import BackendName, configured
from accelerators.errors import AcceleratorError, BackendUnavailableError, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from accelerators.device import Backend, Capabilities


_PYTHON, _RUN_LIMIT = "python", "run_limit_s"
_NS_PER_S = 1_000_000_000
_LONGEST_S = 86_400
_EMULATED_RUN_NS = 900 * _NS_PER_S  # bit for bit on a CPU: a minute for a frame has been seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a backend's process is to run, and how long a run may take."""

    python: Path | None = None
    limits: Limits | None = None


class _SaysWhy(Protocol):
    def unavailable(self) -> str | None:
        """Why the backend cannot work here, or None."""


def make_backend(
    name: str,
    now_ns: Callable[[], int],
    *,
    options: Mapping[str, str] | None = None,
    isolated: bool | None = None,
    limits: Limits | None = None,
    python: Path | None = None,
) -> Backend:
    """A backend without an artefact.

    Args:
        name: `ID` or `ID:ARGUMENT`.
        now_ns: Clock of deadlines and completions, ns.
        options: Options by name. `python` and `run_limit_s` go for every backend, as the
            interpreter of its process and the seconds after which a run counts as hung; others are
            the backend's business.
        isolated: Whether it runs in a process of its own; as it says itself where left out.
        limits: When such a process is ended and started again; where left out, a run of an
            emulation may take a quarter of an hour.
        python: Interpreter of the vendor's environment, for a process of its own.

    Raises:
        UnknownDeviceError: No backend has this id; a similar one is suggested.
        PluginError: Its module cannot be imported, or making it fails.
        BackendUnavailableError: It cannot work here, or not with this argument or these options.
    """
    wanted = BackendName.of(name)
    factory = registry.backend_factory(wanted.id)
    options, place = _split(name, options or {})
    limits, python = limits or place.limits, python or place.python
    if python is None and (why := unavailable(name, options)) is not None:
        raise BackendUnavailableError(name, why)
    made_by = configured(factory, wanted, options)
    entry = registry.backends()[wanted.id]
    try:
        made = made_by(now_ns)
        capabilities = made.capabilities
    except AcceleratorError:
        raise
    except Exception as err:
        raise PluginError(wanted.id, entry.origin, str(err) or type(err).__name__) from err
    if capabilities.emulated and limits is None:
        limits = Limits(run_ns=_EMULATED_RUN_NS)
    apart = capabilities.isolated if isolated is None else isolated
    if not apart and python is None:
        return made
    return HostedBackend(
        wanted,
        entry.entry_point.value,
        now_ns,
        capabilities=capabilities,
        options=options,
        limits=limits,
        python=python,
    )


def capabilities_of(name: str, options: Mapping[str, str] | None = None) -> Capabilities:
    """What a backend of this name and with these options says of itself; starts nothing.

    Raises:
        UnknownDeviceError: No backend has this id.
        BackendUnavailableError: It has no such argument or option.
    """
    wanted = BackendName.of(name)
    own, _ = _split(name, options or {})
    return configured(registry.backend_factory(wanted.id), wanted, own)(lambda: 0).capabilities


def unavailable(name: str, options: Mapping[str, str] | None = None) -> str | None:
    """Why a backend cannot work here, or None.

    Raises:
        UnknownDeviceError: No backend has this id.
        PluginError: Its module cannot be imported.
    """
    wanted = BackendName.of(name)
    factory = registry.backend_factory(wanted.id)
    try:
        own, place = _split(name, options or {})
    except BackendUnavailableError as err:
        return err.reason
    if place.python is None and hasattr(factory, "unavailable"):
        why = cast("_SaysWhy", factory).unavailable()
        if why is not None:
            return why
    try:
        configured(factory, wanted, own)
    except BackendUnavailableError as err:
        return err.reason
    return None


def _split(name: str, options: Mapping[str, str]) -> tuple[dict[str, str], _Place]:
    """Options of the backend itself, and those of its process."""
    own = {key: value for key, value in options.items() if key not in {_PYTHON, _RUN_LIMIT}}
    python = None
    if _PYTHON in options:
        python = Path(options[_PYTHON])
        if not python.is_file():
            raise BackendUnavailableError(name, f"python: there is no interpreter {python}")
    limits = None
    if _RUN_LIMIT in options:
        text = options[_RUN_LIMIT]
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= _LONGEST_S:
            raise BackendUnavailableError(
                name, f"run_limit_s is seconds above 0 and at most {_LONGEST_S}, not {text!r}"
            )
        limits = Limits(run_ns=round(seconds * _NS_PER_S))
    return own, _Place(python=python, limits=limits)
