"""Codec that sends what another codec sends, compressed by zstd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np
import zstandard

from pipeline.codecs.protocol import Encoded
from pipeline.codecs.registry import codec
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.codecs.protocol import Codec
    from pipeline.codecs.tensors import Array

LEVEL = 1
"""Best ratio for its time on tensors of networks: 1 ms has to save 12 kB at 100 Mbit/s."""

_DTYPES = tuple(np.dtype(name) for name in ("u1", "i1", "<u2", "<f2", "<u4", "<f4", "<u8"))
_MOST_BUFFERS = 8
_MOST_SIDES = 8
_MOST_BYTES = 1 << 28  # of one buffer after decompression
_HEAD = np.dtype("<i8")


class Zstd:
    """Sends each buffer of another codec as a zstd frame (RFC 8878) of level 1.

    The first buffer (int64) says what the others are: their number, then for each the number of its
    dtype in a fixed list, its axes and their lengths. Then one buffer (uint8) for each.
    """

    def __init__(self, inner: Codec) -> None:
        self._inner = inner
        self.lossless = inner.lossless

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon: the inner codec's whole name.

        Raises:
            CodecError: No codec, one that is compressed already, or none that is known.
        """
        if not parameter or parameter.partition(":")[0] in ("zstd", "jpeg", "webp"):
            raise CodecError(f"zstd:{parameter}", "goes over another codec, such as zstd:int8")
        return cls(codec(parameter))

    @property
    def name(self) -> str:
        """Such as `zstd:int8`."""
        return f"zstd:{self._inner.name}"

    def encode(self, tensor: Array) -> Encoded:
        """Make a tensor ready to cross.

        Raises:
            CodecError: The inner codec does not take it.
        """
        coded = self._inner.encode(tensor)
        compressor = zstandard.ZstdCompressor(level=LEVEL)
        head, frames = [len(coded.buffers)], []
        for buffer in coded.buffers:
            head += [_DTYPES.index(buffer.dtype), buffer.ndim, *buffer.shape]
            flat = np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)
            frames.append(np.frombuffer(compressor.compress(flat.data), np.uint8))
        return Encoded(
            codec=self.name,
            shape=coded.shape,
            dtype=coded.dtype,
            buffers=(np.array(head, dtype=_HEAD), *frames),
        )

    def decode(self, encoded: Encoded) -> Array:
        """Give the tensor back; decompresses no more than the first buffer declares.

        Raises:
            CodecError: The first buffer or a frame is damaged, or the inner codec refuses what
                they make.
        """
        if encoded.codec != self.name:
            raise CodecError(self.name, f"the tensor was encoded by {encoded.codec}")
        head, *frames = encoded.buffers or (np.zeros(0, np.uint8),)
        forms = self._forms(head)
        if len(forms) != len(frames):
            raise CodecError(self.name, f"{len(frames)} frames instead of {len(forms)}")
        buffers = tuple(self._decompressed(*pair) for pair in zip(frames, forms, strict=True))
        return self._inner.decode(
            Encoded(
                codec=self._inner.name,
                shape=encoded.shape,
                dtype=encoded.dtype,
                buffers=buffers,
            )
        )

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int | None:
        """None: the content decides."""
        self._inner.encoded_bytes(shape, dtype)
        return None

    def _forms(self, head: Array) -> list[tuple[np.dtype[np.generic[object]], tuple[int, ...]]]:
        """Dtype and shape of each buffer of the inner codec."""
        if head.dtype != _HEAD or head.ndim != 1:
            raise CodecError(self.name, "its first buffer is none of int64")
        numbers = [int(number) for number in head.tolist()]
        forms: list[tuple[np.dtype[np.generic[object]], tuple[int, ...]]] = []
        at = 1
        while numbers and at + 1 < len(numbers) and len(forms) < min(numbers[0], _MOST_BUFFERS):
            kind, sides = numbers[at : at + 2]
            shape = tuple(numbers[at + 2 : at + 2 + sides]) if 0 <= sides <= _MOST_SIDES else ()
            if len(shape) != sides or not 0 <= kind < len(_DTYPES) or min(shape, default=0) < 0:
                break
            forms.append((_DTYPES[kind], shape))
            at += 2 + sides
        if not numbers or len(forms) != numbers[0] or at != len(numbers):
            raise CodecError(self.name, "its first buffer describes no buffers")
        return forms

    def _decompressed(
        self, frame: Array, form: tuple[np.dtype[np.generic[object]], tuple[int, ...]]
    ) -> Array:
        dtype, shape = form
        size = math.prod(shape) * dtype.itemsize
        if frame.dtype != np.uint8 or size > _MOST_BYTES:
            raise CodecError(self.name, f"a frame of {frame.dtype} for {size} bytes")
        data: NDArray[np.uint8] = np.ascontiguousarray(frame, dtype=np.uint8)
        try:
            declared = zstandard.get_frame_parameters(data.data).content_size
            if declared != size:
                raise CodecError(self.name, f"a frame says {declared} bytes, expected {size}")
            raw = zstandard.ZstdDecompressor().decompress(data.data, allow_extra_data=False)
        except zstandard.ZstdError as err:
            raise CodecError(self.name, f"a frame does not decompress: {err}") from err
        if len(raw) != size:
            raise CodecError(self.name, f"a frame held {len(raw)} bytes, expected {size}")
        return np.frombuffer(raw, dtype).reshape(shape)
