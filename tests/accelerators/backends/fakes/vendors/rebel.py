"""The calls of Rebellions' `rebel` that its documents show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _silicon import Silicon

if TYPE_CHECKING:
    from _silicon import Array

__version__ = "0.9.3"


class Runtime:
    """A compiled file on a card."""

    def __init__(self, path: str, *, device: int = 0, tensor_type: str = "pt") -> None:
        if tensor_type != "np":
            raise RuntimeError("this machine has no torch")
        if device != 0:
            raise RuntimeError(f"no RBLN device {device}")
        self._silicon = Silicon(path, b"RBLN")

    def run(self, *inputs: Array) -> Array | tuple[Array, ...]:
        """One output comes as an array of its own."""
        found = self._silicon.run(inputs)
        return found[0] if len(found) == 1 else tuple(found)
