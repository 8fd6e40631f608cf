"""The typed graph of an ONNX file: operators, tensors and who reads what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from accelerators.work import OpWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A live tensor, one that depends on the graph's input; weights are no tensors here.

    Attributes:
        name: Name in the file.
        shape: Static shape, in the file's axis order.
        dtype: numpy name of its element type, such as `float32`.
        producer: Index of the operator that makes it; None for an input of the graph.
        consumers: Indices of the operators that read it, ascending.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    producer: int | None
    consumers: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements."""
        count = 1
        for side in self.shape:
            count *= side
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A node whose outputs depend on the graph's input.

    Attributes:
        index: Its place in topological order, from 0.
        name: Unique name; made up from the operator type and index where the file has none.
        op_type: ONNX operator type.
        inputs: Names of the live tensors it reads, each once.
        outputs: Names of the tensors it makes.
        work: What it has to do.
    """

    index: int
    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    work: OpWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A model's graph, ready to be priced and cut.

    Attributes:
        path: The file it was read from.
        sha256: Hash of that file, hexadecimal.
        operators: In topological order; nodes that depend on constants only are left out.
        tensors: Live tensors by name, the graph's inputs and outputs included.
        inputs: Names of the graph's inputs.
        outputs: Names of the graph's outputs.
    """

    path: Path
    sha256: str
    operators: tuple[Operator, ...]
    tensors: dict[str, Tensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
