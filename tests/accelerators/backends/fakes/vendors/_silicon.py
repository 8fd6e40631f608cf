"""What the made-up vendors' modules run on: ONNX Runtime, behind a file that names its vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnxruntime

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]


class Silicon:
    """A compiled file: a vendor's magic word, then an ONNX file."""

    def __init__(self, path: str, magic: bytes) -> None:
        with open(path, "rb") as stream:  # noqa: PTH123 - as a vendor's C code would
            content = stream.read()
        if not content.startswith(magic):
            raise RuntimeError(f"bad magic in {path}")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = onnxruntime.InferenceSession(
            content[len(magic) :], options, providers=["CPUExecutionProvider"]
        )
        self.shapes = [tuple(each.shape) for each in self._session.get_inputs()]

    def run(self, arrays: Sequence[Array]) -> list[Array]:
        """Outputs in order, from inputs in order."""
        names = [each.name for each in self._session.get_inputs()]
        if len(arrays) != len(names):
            raise RuntimeError(f"{len(arrays)} inputs instead of {len(names)}")
        return list(self._session.run(None, dict(zip(names, arrays, strict=True))))
