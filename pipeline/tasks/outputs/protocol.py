"""Results of tasks, and the protocol of what decodes a network's output into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.errors import OutputContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.tasks.prepare import Geometry

    Array = NDArray[np.generic[object]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Objects found in one picture, the surest first.

    Attributes:
        xyxy: Left, top, right, bottom in pixels of the original picture, from the top left corner,
            inside the picture; shape (n, 4), float32.
        scores: From 0 to 1, falling; shape (n,), float32.
        classes: Index into `names`; shape (n,), int64.
        names: Names of all classes the network knows.
    """

    xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskSet:
    """Areas found in one picture, one mask a name.

    Attributes:
        names: Names of the masks, in order.
        masks: Shape (names, height, width), bool; covers the whole original picture at the
            network's own, usually lower, resolution.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]


Result = Boxes | MaskSet


class OutputDecoder(Protocol):
    """Turns a network's output into a result, and a result into bytes and back; stateless."""

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""

    def decode(self, outputs: Mapping[str, Array], geometry: Geometry) -> Result:
        """Decode a network's outputs, given by their names in the graph.

        Raises:
            OutputContractError: Number, shape, dtype or values do not fit this decoder; values
                that are not finite never pass.
        """

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Make a result ready to cross, without loss; shape (bytes,).

        Raises:
            OutputContractError: The result is not of this decoder's kind.
        """

    def decode_result(self, buffer: NDArray[np.uint8]) -> Result:
        """Give a result back from its bytes.

        Raises:
            OutputContractError: The bytes are no result of this decoder.
        """

    def agreement(self, result: Result, reference: Result) -> float:
        """How far a result agrees with another of the same picture; from 0 to 1.

        Raises:
            OutputContractError: One of them is not of this decoder's kind.
        """


def require_finite(decoder: str, name: str, values: Array, shape: tuple[int | None, ...]) -> None:
    """Refuse an output of another dtype than float32, another shape, or with a value not finite.

    Args:
        decoder: Name for the message.
        name: The output's name in the graph, for the message.
        values: The output.
        shape: Expected lengths of the axes; None where any length is right.

    Raises:
        OutputContractError: It does not fit.
    """
    wanted = ", ".join("any" if length is None else str(length) for length in shape)
    if values.dtype != np.float32:
        raise OutputContractError(decoder, f"output {name} is {values.dtype}, expected float32")
    if len(values.shape) != len(shape) or any(
        length is not None and length != found
        for length, found in zip(shape, values.shape, strict=True)
    ):
        raise OutputContractError(
            decoder, f"output {name} has shape {list(values.shape)}, expected [{wanted}]"
        )
    if not np.isfinite(np.asarray(values, dtype=np.float32)).all():
        raise OutputContractError(decoder, f"output {name} has values that are not finite")
