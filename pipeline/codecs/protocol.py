"""The protocol of a codec: a tensor in, buffers and a short description out, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A tensor made ready to cross.

    Attributes:
        codec: Name of the codec as a plan writes it, parameters included, such as `jpeg:80`.
        shape: Shape of the tensor that `decode` gives back.
        dtype: numpy name of the dtype that `decode` gives back.
        buffers: C-contiguous little-endian arrays to send, in order; the codec knows what each is.
    """

    codec: str
    shape: tuple[int, ...]
    dtype: str
    buffers: tuple[NDArray[np.generic[object]], ...]

    @property
    def bytes(self) -> int:
        """Bytes of all buffers together."""
        return sum(buffer.nbytes for buffer in self.buffers)


class Codec(Protocol):
    """Encodes one kind of tensor; stateless, so results may be cached by content."""

    @property
    def name(self) -> str:
        """Name as a plan writes it, parameters included."""

    @property
    def lossless(self) -> bool:
        """Whether `decode` gives back the same bits."""

    def encode(self, tensor: NDArray[np.generic[object]]) -> Encoded:
        """Make a tensor ready to cross.

        Raises:
            CodecError: The codec does not take this dtype or shape.
        """

    def decode(self, encoded: Encoded) -> NDArray[np.generic[object]]:
        """Give the tensor back, writable and C-contiguous.

        Raises:
            CodecError: The buffers contradict shape, dtype or the codec's own form.
        """

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int | None:
        """Bytes that a tensor of this shape encodes to; None where the content decides."""
