"""Mobilint's ARIES and REGULUS through `qbruntime`.

Written against `qbruntime.Accelerator(n)`, `Model(path)`, `launch(accelerator)`, `infer(list)` and
`dispose()`. Compiled files take pictures as height, width, channels and without a batch axis, so
arrays are turned, unless the option `layout` says nchw. Tried with a module that has these calls,
not yet on a card.
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


class _Model(Protocol):
    def launch(self, accelerator: object) -> object:
        """Put the model on a device."""

    def infer(self, inputs: list[Array]) -> Sequence[Array] | None:
        """Run."""

    def dispose(self) -> None:
        """Release the device."""


class _Runtime(Protocol):
    def Accelerator(self, number: int) -> object:  # noqa: N802 - the vendor's name
        """A device."""

    def Model(self, path: str) -> _Model:  # noqa: N802 - the vendor's name
        """A compiled file."""


class MobilintBackend(CompiledBackend):
    """A `Backend` on a Mobilint NPU; `mobilint:1` is the second device."""

    ID: ClassVar[str] = "mobilint"
    MODULE: ClassVar[str] = "qbruntime"
    SUFFIX: ClassVar[str] = ".mxq"
    MISSING: ClassVar[str] = "pip install mobilint-qb-runtime, and the vendor's driver"
    COMPILER: ClassVar[str] = "qbcompiler"
    DEFAULTS: ClassVar[VendorSettings] = VendorSettings(device="0", layout="nhwc", batch_axis=False)
    INT8_ONLY: ClassVar[bool] = True

    def _open_session(
        self, module: ModuleType, compiled: Path, settings: VendorSettings
    ) -> VendorSession:
        runtime = cast("_Runtime", module)
        accelerator = runtime.Accelerator(int(settings.device or 0))
        model = runtime.Model(str(compiled))
        model.launch(accelerator)
        return _Session(model, accelerator)


class _Session:
    def __init__(self, model: _Model, accelerator: object) -> None:
        self._model = model
        self._accelerator: object | None = accelerator  # must outlive the model

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        found = self._model.infer(list(inputs))
        if found is None:
            raise RuntimeError("infer gave nothing")
        return found

    def close(self) -> None:
        self._model.dispose()
        self._accelerator = None
