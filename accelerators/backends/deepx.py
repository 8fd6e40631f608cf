"""DEEPX's DX-M1 through `dx_engine`, which needs `libdxrt`.

Written against `dx_engine.InferenceEngine("x.dxnn").run([arrays])`. Names moved from CamelCase to
snake_case between releases, so each is looked for under both. Tried with modules that have these
calls, not yet on a card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from accelerators.backends.compiled import CompiledBackend, VendorSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.backends.compiled import VendorSession

    Array = NDArray[np.generic[object]]


class _Call(Protocol):
    def __call__(self, *arguments: object) -> object:
        """Whatever the vendor's function does."""


class DeepxBackend(CompiledBackend):
    """A `Backend` on a DX-M1; `deepx:1` is the second device."""

    ID: ClassVar[str] = "deepx"
    MODULE: ClassVar[str] = "dx_engine"
    SUFFIX: ClassVar[str] = ".dxnn"
    MISSING: ClassVar[str] = "install DX-RT with its driver and its Python package dx-engine"
    COMPILER: ClassVar[str] = "DX-COM (dxcom)"
    DEFAULTS: ClassVar[VendorSettings] = VendorSettings()
    INT8_ONLY: ClassVar[bool] = True

    def _open_session(
        self, module: ModuleType, compiled: Path, settings: VendorSettings
    ) -> VendorSession:
        make = _named(module, "InferenceEngine")
        if settings.device is None:
            return _Session(make(str(compiled)))
        option = _named(module, "InferenceOption")()
        option_names = [name for name in ("devices", "Devices") if hasattr(option, name)]
        if not option_names:
            raise AttributeError("InferenceOption has no devices in this release")
        setattr(option, option_names[0], [int(settings.device)])
        return _Session(make(str(compiled), option))


class _Session:
    def __init__(self, engine: object) -> None:
        self._run = _named(engine, "run", "Run")
        self._close = next(
            (
                cast("_Call", getattr(engine, name))
                for name in ("dispose", "Dispose")
                if hasattr(engine, name)
            ),
            None,
        )

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        return cast("Sequence[Array]", self._run(list(inputs)))

    def close(self) -> None:
        if self._close is not None:
            self._close()


def _named(owner: object, *names: str) -> _Call:
    """The first of these that the release has."""
    for name in names:
        if hasattr(owner, name):
            return cast("_Call", getattr(owner, name))
    raise AttributeError(f"{type(owner).__name__} has no {' or '.join(names)} in this release")
