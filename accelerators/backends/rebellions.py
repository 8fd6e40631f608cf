"""Rebellions' ATOM through `rebel`, which comes from the vendor's own package index.

Written against the documented calls `rebel.Runtime(path, device=N, tensor_type="np")` and
`run(*arrays)`; tried with a module that has these calls, not yet on a card.
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


class _Runtime(Protocol):
    def run(self, *inputs: Array) -> Sequence[Array]:
        """Run; one output comes as an array of its own."""


class _Rebel(Protocol):
    def Runtime(self, path: str, *, device: int, tensor_type: str) -> _Runtime:  # noqa: N802
        """Open a compiled file."""


class RebelBackend(CompiledBackend):
    """A `Backend` on an ATOM card; `rebel:1` is the second card."""

    ID: ClassVar[str] = "rebel"
    MODULE: ClassVar[str] = "rebel"
    SUFFIX: ClassVar[str] = ".rbln"
    MISSING: ClassVar[str] = (
        "install rebel-compiler from Rebellions' index (an account is needed), with the driver"
    )
    COMPILER: ClassVar[str] = "rebel.compile_from_torch(…).save(…)"
    DEFAULTS: ClassVar[VendorSettings] = VendorSettings(device="0")

    def _open_session(
        self, module: ModuleType, compiled: Path, settings: VendorSettings
    ) -> VendorSession:
        rebel = cast("_Rebel", module)
        return _Session(
            rebel.Runtime(str(compiled), device=int(settings.device or 0), tensor_type="np")
        )


class _Session:
    def __init__(self, runtime: _Runtime) -> None:
        self._runtime: _Runtime | None = runtime

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        if self._runtime is None:
            raise RuntimeError("the runtime is closed")
        return self._runtime.run(*inputs)

    def close(self) -> None:
        """The card is released with the last reference; there is no call for it."""
        self._runtime = None
