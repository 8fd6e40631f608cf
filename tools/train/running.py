"""A network file as a function of arrays, through the project's own backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from accelerators.backends.ort import OrtBackend
from replay.clock import WallClock

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Network(Protocol):
    """A network with one input and one output as a function."""

    def __call__(self, tensor: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Return the output."""


class OnnxNetwork:
    """An ONNX file with one input; a context manager."""

    def __init__(self, path: Path, taken: str, given: str, *, threads: int = 1) -> None:
        """Load nothing yet.

        Args:
            path: The file.
            taken: Name of its input.
            given: Name of the output that a call returns.
            threads: Threads inside an operator.
        """
        self._path, self._taken, self._given = path, taken, given
        self._backend = OrtBackend(WallClock().now_ns, threads=threads)

    def __enter__(self) -> Self:
        self._backend.load(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.close()

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the named output."""
        return np.asarray(self.outputs(tensor)[self._given], np.float32)

    def outputs(self, tensor: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return every output by name.

        Raises:
            RuntimeError: The run failed.
        """
        done = self._backend.wait(self._backend.submit({self._taken: tensor}))
        if done is None or done.outputs is None:
            msg = f"{self._path}: {done.failure if done else 'no answer'}"
            raise RuntimeError(msg)
        names = [spec.name for spec in self._backend.describe().outputs]
        return {
            name: np.asarray(values, np.float32)
            for name, values in zip(names, done.outputs, strict=True)
        }
