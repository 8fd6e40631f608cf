"""The calls of DEEPX's `dx_engine` in a release with snake_case names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _silicon import Silicon

if TYPE_CHECKING:
    from _silicon import Array

__version__ = "3.1.0"


class InferenceOption:
    """Which devices to use."""

    def __init__(self) -> None:
        self.devices: list[int] = []


class InferenceEngine:
    """A compiled file on an NPU."""

    def __init__(self, model_path: str, inference_option: InferenceOption | None = None) -> None:
        if not isinstance(model_path, str):
            raise TypeError("model_path must be a string.")
        chosen = inference_option.devices if inference_option else [0]
        if chosen != [0]:
            raise RuntimeError(f"Failed to create InferenceEngine: no device {chosen}")
        self._silicon = Silicon(model_path, b"DXNN")

    def run(self, input_data: list[Array]) -> list[Array]:
        """Run."""
        if not isinstance(input_data, list):
            raise TypeError("Input data must be a list.")
        found: list[Array] = self._silicon.run(input_data)
        return found

    def dispose(self) -> None:
        """Release."""
