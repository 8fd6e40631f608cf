"""FuriosaAI's Warboy through `furiosa.runtime`, whose import needs `libfuriosa_hal.so`.

Written against the documented `furiosa.runtime.sync.create_runner(model, device=…, worker_num=…)`
and its `run(list)` and `close()`; tried with a module that has these calls, not yet on a card. The
package pins numpy below 2: name the interpreter of its environment with the option `python`.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from accelerators.backends.compiled import CompiledBackend, VendorSettings
from accelerators.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.backends.compiled import VendorSession

    Array = NDArray[np.generic[object]]

_DEVICE = re.compile(r"warboy\((\d+)\)\*(\d+)|npu:\d+(:\d+(-\d+)?)?")


class _Runner(Protocol):
    def run(self, inputs: list[Array]) -> Sequence[Array]:
        """Run."""

    def close(self) -> bool:
        """Release the device."""


class _Sync(Protocol):
    def create_runner(self, model: str, *, device: str, worker_num: int) -> _Runner:
        """Open a compiled file."""


class FuriosaBackend(CompiledBackend):
    """A `Backend` on a Warboy card.

    `furiosa:warboy(1)*1` is one processing element, the default `warboy(2)*1` two that are fused.
    """

    ID: ClassVar[str] = "furiosa"
    MODULE: ClassVar[str] = "furiosa.runtime"
    SUFFIX: ClassVar[str] = ".enf"
    MISSING: ClassVar[str] = (
        "pip install furiosa-runtime==0.10.* in an environment of its own (it pins numpy < 2), "
        "with the driver, and name its interpreter with the option python"
    )
    COMPILER: ClassVar[str] = "furiosa-compiler"
    DEFAULTS: ClassVar[VendorSettings] = VendorSettings(device="warboy(2)*1")
    INT8_ONLY: ClassVar[bool] = True

    @classmethod
    def _check_device(cls, device: str | None) -> None:
        if device is not None and _DEVICE.fullmatch(device) is None:
            raise BackendUnavailableError(
                cls.ID, f"takes a device such as warboy(2)*1 behind its id, not {device!r}"
            )

    def _open_session(
        self, module: ModuleType, compiled: Path, settings: VendorSettings
    ) -> VendorSession:
        sync = cast("_Sync", importlib.import_module(f"{module.__name__}.sync"))
        return _Session(
            sync.create_runner(str(compiled), device=settings.device or "", worker_num=1)
        )


class _Session:
    def __init__(self, runner: _Runner) -> None:
        self._runner = runner

    def run(self, inputs: Sequence[Array]) -> Sequence[Array]:
        return self._runner.run(list(inputs))

    def close(self) -> None:
        self._runner.close()
