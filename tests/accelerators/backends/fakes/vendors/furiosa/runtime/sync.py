"""The calls of `furiosa.runtime.sync` that its documents show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _silicon import Silicon

if TYPE_CHECKING:
    from _silicon import Array


class Runner:
    """A compiled file on processing elements."""

    def __init__(self, model: str) -> None:
        self._silicon: Silicon | None = Silicon(model, b"ENF1")

    def run(self, inputs: list[Array]) -> list[Array]:
        """Run."""
        if self._silicon is None:
            raise RuntimeError("the runner is closed")
        if not isinstance(inputs, list):
            raise TypeError("inputs must be a list")
        found: list[Array] = self._silicon.run(inputs)
        return found

    def close(self) -> bool:
        """Release."""
        self._silicon = None
        return True


def create_runner(
    model: str, *, device: str | None = None, worker_num: int | None = None
) -> Runner:
    """Open a compiled file."""
    if device not in {"warboy(2)*1", "warboy(1)*1"} or worker_num != 1:
        raise RuntimeError(f"DeviceBusy: {device}")
    return Runner(model)
