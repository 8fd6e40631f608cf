"""The calls of Mobilint's `qbruntime` that its documents show: pictures HWC, no batch axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from _silicon import Silicon

if TYPE_CHECKING:
    from _silicon import Array

__version__ = "1.5.0"

PICTURE = 4


class Accelerator:
    """A device."""

    def __init__(self, number: int = 0) -> None:
        if number != 0:
            raise RuntimeError(f"no accelerator {number}")


class Model:
    """A compiled file."""

    def __init__(self, path: str) -> None:
        self._silicon = Silicon(path, b"MXQ1")
        self._launched = False

    def launch(self, accelerator: Accelerator) -> None:
        """Put it on a device."""
        self._launched = isinstance(accelerator, Accelerator)

    def infer(self, inputs: list[Array]) -> list[Array] | None:
        """Run; None where it was not launched."""
        if not self._launched:
            return None
        turned = []
        for array, shape in zip(inputs, self._silicon.shapes, strict=True):
            whole = array[np.newaxis]
            turned.append(whole.transpose(0, 3, 1, 2) if len(shape) == PICTURE else whole)
        return [
            (array.transpose(0, 2, 3, 1) if array.ndim == PICTURE else array)[0]
            for array in self._silicon.run(turned)
        ]

    def dispose(self) -> None:
        """Release."""
        self._launched = False
