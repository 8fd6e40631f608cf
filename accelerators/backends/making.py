"""A backend made by its name: in this process, or in one of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from accelerators import registry
from accelerators.backends.hosted import HostedBackend
from accelerators.backends.naming import BackendName, configured
from accelerators.errors import AcceleratorError, BackendUnavailableError, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from accelerators.backends.hosted import Limits
    from accelerators.device import Backend


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
        options: Options by name; which ones there are is the backend's business.
        isolated: Whether it runs in a process of its own; as it says itself where left out.
        limits: When such a process is ended and started again.
        python: Interpreter of the vendor's environment, for a process of its own.

    Raises:
        UnknownDeviceError: No backend has this id; a similar one is suggested.
        PluginError: Its module cannot be imported, or making it fails.
        BackendUnavailableError: It cannot work here, or not with this argument or these options.
    """
    wanted = BackendName.of(name)
    factory = registry.backend_factory(wanted.id)
    if python is None and (why := unavailable(name, options)) is not None:
        raise BackendUnavailableError(name, why)
    made_by = configured(factory, wanted, options or {})
    entry = registry.backends()[wanted.id]
    try:
        made = made_by(now_ns)
        capabilities = made.capabilities
    except AcceleratorError:
        raise
    except Exception as err:
        raise PluginError(wanted.id, entry.origin, str(err) or type(err).__name__) from err
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


def unavailable(name: str, options: Mapping[str, str] | None = None) -> str | None:
    """Why a backend cannot work here, or None.

    Raises:
        UnknownDeviceError: No backend has this id.
        PluginError: Its module cannot be imported.
    """
    wanted = BackendName.of(name)
    factory = registry.backend_factory(wanted.id)
    if hasattr(factory, "unavailable"):
        why = cast("_SaysWhy", factory).unavailable()
        if why is not None:
            return why
    try:
        configured(factory, wanted, options or {})
    except BackendUnavailableError as err:
        return err.reason
    return None
