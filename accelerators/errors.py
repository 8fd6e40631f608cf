"""Errors of the accelerators room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class AcceleratorError(Exception):
    """Base of everything that can be wrong with a device, a spec or a backend."""


class UnknownDeviceError(AcceleratorError):
    """No device or backend of this id is registered."""

    def __init__(self, device: str, known: Iterable[str], suggestion: str | None = None) -> None:
        self.device, self.known, self.suggestion = device, tuple(known), suggestion
        hint = (
            f", did you mean {suggestion!r}?" if suggestion else f"; known: {', '.join(self.known)}"
        )
        super().__init__(f"unknown device {device!r}{hint}")


class DuplicateDeviceError(AcceleratorError):
    """Two registrations claim one id; both origins are named."""

    def __init__(self, device: str, origins: Iterable[str]) -> None:
        self.device, self.origins = device, tuple(origins)
        super().__init__(
            f"device {device!r} is registered twice, by {' and by '.join(self.origins)}"
        )


class PluginError(AcceleratorError):
    """An entry point cannot be loaded; it is named instead of being skipped."""

    def __init__(self, entry_point: str, origin: str, reason: str) -> None:
        self.entry_point, self.origin, self.reason = entry_point, origin, reason
        super().__init__(f"plug-in {entry_point} of {origin} cannot be loaded: {reason}")


class SpecError(AcceleratorError):
    """A device spec or host file is not valid."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class CalibrationDataError(AcceleratorError):
    """Published figures cannot be read, or are too few for a fit."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"{source}: {reason}")


class UnsupportedPrecisionError(AcceleratorError):
    """The device does not compute in this precision."""

    def __init__(self, device: str, precision: str, known: Iterable[str]) -> None:
        self.device, self.precision, self.known = device, precision, tuple(known)
        super().__init__(
            f"{device} does not compute in {precision}; it has {', '.join(self.known)}"
        )


class ModelLoadError(AcceleratorError):
    """A backend cannot load this artefact."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class BackendRunError(AcceleratorError):
    """A backend failed while running, or was cancelled."""

    def __init__(self, backend: str, reason: str) -> None:
        self.backend, self.reason = backend, reason
        super().__init__(f"{backend}: {reason}")


class BackendUnavailableError(AcceleratorError):
    """A backend cannot work on this machine, or not with these settings."""

    def __init__(self, backend: str, reason: str) -> None:
        self.backend, self.reason = backend, reason
        super().__init__(f"backend {backend!r}: {reason}")
