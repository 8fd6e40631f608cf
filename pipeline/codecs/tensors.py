"""Codecs of float32 tensors that cross at a cut: as they are, halved, or quantised to int8."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Self

import numpy as np

from pipeline.codecs.protocol import Encoded
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Array = NDArray[np.generic[object]]

_FLOAT32 = np.dtype("<f4")
_FLOAT16 = np.dtype("<f2")
_INT8 = np.dtype("i1")

LEVELS = 127
"""Largest magnitude of a symmetric int8 code; -128 is left out so that codes are symmetric."""

_SMALLEST_SCALE = np.float32(np.finfo(np.float32).tiny)
"""Smallest normal float32: below it a scale loses bits and its inverse overflows."""

_LARGEST_SCALE = np.float32(np.finfo(np.float32).max / 128)
"""Largest scale whose product with any int8 code is finite."""


class Float32:
    """Sends a float32 tensor as it is; one buffer of the tensor's own shape.

    The buffer is the tensor itself where that is C-contiguous, so the caller leaves it unchanged
    until it is sent. Bits are kept, not-a-number and infinities included.
    """

    name = "float32"
    lossless = True

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon, which must be empty."""
        refuse_parameter(cls.name, parameter)
        return cls()

    def encode(self, tensor: Array) -> Encoded:
        """Make a float32 tensor of any shape ready to cross.

        Raises:
            CodecError: The tensor is not float32.
        """
        values = _float32(self.name, tensor)
        return Encoded(codec=self.name, shape=values.shape, dtype="float32", buffers=(values,))

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Give the tensor back as a copy of its own.

        Raises:
            CodecError: The buffer's dtype or shape is not the declared one.
        """
        (values,) = checked_buffers(self.name, encoded, "float32", [(_FLOAT32, encoded.shape)])
        return np.array(values, dtype=np.float32, order="C")

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int:
        """Four bytes a value."""
        _require_float32(self.name, dtype)
        return math.prod(shape) * _FLOAT32.itemsize


class Float16:
    """Sends a float32 tensor as IEEE 754 half floats, rounded to nearest, ties to even.

    The error is at most 2**-11 of a value, and 2**-25 below the smallest normal half (2**-14).
    """

    name = "float16"
    lossless = False

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon, which must be empty."""
        refuse_parameter(cls.name, parameter)
        return cls()

    def encode(self, tensor: Array) -> Encoded:
        """Make a float32 tensor of any shape ready to cross.

        Raises:
            CodecError: The tensor is not float32, or a value is not finite or beyond 65,504, the
                largest half float.
        """
        values = _float32(self.name, tensor)
        with np.errstate(over="ignore", invalid="ignore"):
            halves = values.astype(_FLOAT16)
        if not np.isfinite(halves).all():
            raise CodecError(
                self.name, "a value is not finite or beyond 65504; use float32 or int8 here"
            )
        return Encoded(codec=self.name, shape=values.shape, dtype="float32", buffers=(halves,))

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Give the rounded tensor back.

        Raises:
            CodecError: The buffer's dtype or shape is not the declared one.
        """
        (halves,) = checked_buffers(self.name, encoded, "float32", [(_FLOAT16, encoded.shape)])
        return np.ascontiguousarray(halves, dtype=np.float32).reshape(encoded.shape)

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int:
        """Two bytes a value."""
        _require_float32(self.name, dtype)
        return math.prod(shape) * _FLOAT16.itemsize


class Int8:
    """Sends a float32 tensor as symmetric int8 codes with scales found per tensor at run time.

    A tensor of rank 3 or more has one scale per channel, channels being axis 1 as in NCHW; a
    smaller one has a single scale. Two buffers: the codes in the tensor's shape (int8, -127 to
    127), then the scales (float32, shape (channels,) or (1,)). A value is `code * scale`, so the
    error is at most half its channel's scale; a channel of zeros has scale 0 and comes back exact.
    """

    name = "int8"
    lossless = False

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon, which must be empty."""
        refuse_parameter(cls.name, parameter)
        return cls()

    def encode(self, tensor: Array) -> Encoded:
        """Make a float32 tensor ready to cross.

        Raises:
            CodecError: The tensor is not float32, or a value is not finite or beyond 3.37e38.
        """
        values = _float32(self.name, tensor)
        grouped = _by_channel(values)
        highest = np.max(grouped, axis=(0, 2), initial=0)
        lowest = np.min(grouped, axis=(0, 2), initial=0)
        scales = np.maximum(highest, -lowest) / np.float32(LEVELS)
        if not (scales <= _LARGEST_SCALE).all():  # not-a-number compares false
            raise CodecError(self.name, "a value is not finite or beyond 3.37e38")
        scales[(scales < _SMALLEST_SCALE) & ((highest > 0) | (lowest < 0))] = _SMALLEST_SCALE
        inverse = np.zeros_like(scales)
        np.divide(np.float32(1), scales, out=inverse, where=scales > 0)
        scaled = grouped * inverse[:, np.newaxis]
        np.rint(scaled, out=scaled)
        codes = scaled.astype(_INT8).reshape(values.shape)
        return Encoded(
            codec=self.name,
            shape=values.shape,
            dtype="float32",
            buffers=(codes, scales.astype(_FLOAT32, copy=False)),
        )

    def decode(self, encoded: Encoded) -> NDArray[np.float32]:
        """Give the rounded tensor back.

        Raises:
            CodecError: Codes or scales have another dtype or shape than declared, or a scale is
                negative or not finite.
        """
        codes, scales = checked_buffers(
            self.name,
            encoded,
            "float32",
            [(_INT8, encoded.shape), (_FLOAT32, (_channels(encoded.shape),))],
        )
        factors = np.array(scales, dtype=np.float32)
        if not ((factors >= 0) & (factors <= _LARGEST_SCALE)).all():
            raise CodecError(self.name, "a scale is negative, not finite or too large")
        values = codes.astype(np.float32)
        grouped = _by_channel(values)
        grouped *= factors[:, np.newaxis]
        return values

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int:
        """One byte a value and four a scale."""
        _require_float32(self.name, dtype)
        return math.prod(shape) + _channels(shape) * _FLOAT32.itemsize


def refuse_parameter(name: str, parameter: str) -> None:
    """Refuse text after the colon for a codec that takes none.

    Raises:
        CodecError: `parameter` is not empty.
    """
    if parameter:
        raise CodecError(f"{name}:{parameter}", f"{name} takes no parameter")


def checked_buffers(
    name: str,
    encoded: Encoded,
    dtype: str,
    expected: list[tuple[np.dtype[np.generic[object]], tuple[int, ...]]],
) -> tuple[Array, ...]:
    """Return the buffers after comparing their count, dtypes and shapes with what is expected.

    Raises:
        CodecError: Something differs, or `encoded` was made by another codec or declares another
            dtype.
    """
    if encoded.codec != name:
        raise CodecError(name, f"the tensor was encoded by {encoded.codec}")
    if encoded.dtype != dtype:
        raise CodecError(name, f"decodes to {dtype}, not to {encoded.dtype}")
    if len(encoded.buffers) != len(expected):
        raise CodecError(name, f"{len(encoded.buffers)} buffers instead of {len(expected)}")
    for number, (buffer, (wanted, shape)) in enumerate(zip(encoded.buffers, expected, strict=True)):
        if buffer.dtype != wanted or buffer.shape != shape:
            raise CodecError(
                name,
                f"buffer {number} is {buffer.dtype}{list(buffer.shape)}, "
                f"expected {wanted}{list(shape)}",
            )
    return encoded.buffers


def _float32(name: str, tensor: Array) -> NDArray[np.float32]:
    _require_float32(name, tensor.dtype)
    return np.asarray(tensor, dtype=np.float32, order="C")


def _require_float32(name: str, dtype: DTypeLike) -> None:
    if np.dtype(dtype) != _FLOAT32:
        raise CodecError(name, f"takes float32, not {np.dtype(dtype)}")


def _channels(shape: tuple[int, ...]) -> int:
    return shape[1] if len(shape) > 2 else 1  # noqa: PLR2004 - ranks below 3 have no channel axis


def _by_channel(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """View as (samples, channels, rest), so that one scale covers axes 0 and 2 of a channel."""
    shape = values.shape
    if len(shape) < 3:  # noqa: PLR2004 - ranks below 3 have no channel axis
        return values.reshape(1, 1, values.size)
    return values.reshape(shape[0], shape[1], math.prod(shape[2:]))
