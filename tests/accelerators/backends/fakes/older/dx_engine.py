"""The calls of DEEPX's `dx_engine` in an older release, with CamelCase names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _silicon import Silicon

if TYPE_CHECKING:
    from _silicon import Array


class InferenceEngine:
    """A compiled file on an NPU."""

    def __init__(self, model_path: str) -> None:
        self._silicon = Silicon(model_path, b"DXNN")

    def Run(self, input_data: list[Array]) -> list[Array]:  # noqa: N802 - the vendor's name
        """Run."""
        found: list[Array] = self._silicon.run(input_data)
        return found
