"""Codecs that make others' bytes fewer without loss: mostly zeros left out, or zstd behind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np

from pipeline.codecs.protocol import Encoded
from pipeline.codecs.tensors import Float16, Float32, Int8
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.codecs.tensors import Array

_UINT8 = np.dtype("u1")
_FORMS = ("float32", "float16", "int8")
_MOST_BYTES = 1 << 28  # a dense tensor; a bitmap is a 32nd of float32, so a liar is stopped here


class Sparse:
    """Sends the places of a tensor's values that are not zero, and those values alone.

    The values are first coded by `float32`, `float16` or `int8` (`sparse:int8`). Buffers: a bitmap
    (uint8), a bit a value in C order, the most significant first, the last byte filled with zeros;
    the codes whose bits are not all zero, in that order; then what the inner codec sends besides,
    the scales of `int8`. A negative zero counts as a value, so `sparse` alone keeps every bit.
    """

    def __init__(self, inner: Float32 | Float16 | Int8) -> None:
        self._inner = inner
        self.lossless = inner.lossless

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon: the inner codec, `float32` where empty.

        Raises:
            CodecError: Not one of `float32`, `float16`, `int8`.
        """
        match parameter:
            case "" | "float32":
                return cls(Float32())
            case "float16":
                return cls(Float16())
            case "int8":
                return cls(Int8())
            case _:
                raise CodecError(f"sparse:{parameter}", f"goes over one of {', '.join(_FORMS)}")

    @property
    def name(self) -> str:
        """Such as `sparse` or `sparse:int8`."""
        return "sparse" if isinstance(self._inner, Float32) else f"sparse:{self._inner.name}"

    def encode(self, tensor: Array) -> Encoded:
        """Make a float32 tensor of any shape ready to cross.

        Raises:
            CodecError: The inner codec does not take it.
        """
        coded = self._inner.encode(tensor)
        codes, *rest = coded.buffers
        words = np.ascontiguousarray(codes).reshape(-1)
        there = _filled(words)
        buffers = (np.packbits(there), words[np.flatnonzero(there)], *rest)
        return Encoded(codec=self.name, shape=coded.shape, dtype=coded.dtype, buffers=buffers)

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Give the tensor back.

        Raises:
            CodecError: Bitmap and values contradict the shape or each other, or the inner codec
                refuses what they make.
        """
        name, count = self.name, math.prod(encoded.shape)
        if encoded.codec != name:
            raise CodecError(name, f"the tensor was encoded by {encoded.codec}")
        if not 0 <= count * 4 <= _MOST_BYTES or len(encoded.buffers) < 2:  # noqa: PLR2004
            raise CodecError(name, f"{len(encoded.buffers)} buffers for {list(encoded.shape)}")
        bitmap, values, *rest = encoded.buffers
        if bitmap.dtype != _UINT8 or bitmap.shape != ((count + 7) // 8,):
            raise CodecError(name, f"the bitmap of {count} values is {bitmap.size} bytes long")
        bits = np.unpackbits(np.ascontiguousarray(bitmap, dtype=np.uint8))
        if bits[count:].any():
            raise CodecError(name, "the bitmap says more than the tensor holds")
        there = bits[:count].view(np.bool_)
        dtype = self._dtype()
        if values.dtype != dtype or values.shape != (int(np.count_nonzero(there)),):
            raise CodecError(name, f"{values.dtype}{list(values.shape)} does not fill the bitmap")
        dense = np.zeros(count, dtype)
        dense[np.flatnonzero(there)] = values
        return self._inner.decode(
            Encoded(
                codec=self._inner.name,
                shape=encoded.shape,
                dtype=encoded.dtype,
                buffers=(dense.reshape(encoded.shape), *rest),
            )
        )

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int | None:
        """None: the content decides."""
        self._inner.encoded_bytes(shape, dtype)
        return None

    def _dtype(self) -> np.dtype[np.generic[object]]:
        match self._inner:
            case Float32():
                return np.dtype("<f4")
            case Float16():
                return np.dtype("<f2")
            case _:
                return np.dtype("i1")


def _filled(words: Array) -> NDArray[np.bool_]:
    """Whether any bit of each word is set; of floats a comparison of bits, so -0.0 is filled."""
    match words.itemsize:
        case 1:
            filled = words.view(np.uint8) != 0
        case 2:
            filled = words.view(np.uint16) != 0
        case _:
            filled = words.view(np.uint32) != 0
    return np.asarray(filled, dtype=np.bool_)
