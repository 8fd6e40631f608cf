"""Codecs of pictures that cross whole: raw pixels, or an image file such as JPEG."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

import cv2
import numpy as np
import xxhash

from pipeline.codecs.protocol import Encoded
from pipeline.codecs.tensors import checked_buffers, refuse_parameter
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from pipeline.codecs.tensors import Array

_UINT8 = np.dtype("u1")
_CHECK = np.dtype("<u8")
_COLORS = 3
_LARGEST_SIDE = 65_500  # libjpeg's JPEG_MAX_DIMENSION

DEFAULT_QUALITY = 80
"""JPEG quality where a plan names none: about a quarter of the raw size on noisy pictures."""

MOST_DIVISOR = 8
"""A picture's sides are divided by no more than this before it crosses."""

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_SCAN = 0xDA
_FRAME_HEADERS = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; ITU-T T.81, table B.1
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))  # TEM and restart markers


class Raw:
    """Sends a picture's pixels as they are: uint8, shape (height, width, channels), one buffer."""

    name = "raw"
    lossless = True

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon, which must be empty."""
        refuse_parameter(cls.name, parameter)
        return cls()

    def encode(self, tensor: Array) -> Encoded:
        """Make a picture ready to cross; a C-contiguous one is not copied.

        Raises:
            CodecError: Not uint8 of shape (height, width, channels).
        """
        _require_picture(self.name, tensor.dtype, tensor.shape)
        pixels = np.asarray(tensor, dtype=np.uint8, order="C")
        return Encoded(codec=self.name, shape=pixels.shape, dtype="uint8", buffers=(pixels,))

    def decode(self, encoded: Encoded) -> NDArray[np.uint8]:
        """Give the picture back as a copy of its own.

        Raises:
            CodecError: The buffer's dtype or shape is not the declared one.
        """
        _require_picture(self.name, encoded.dtype, encoded.shape)
        (pixels,) = checked_buffers(self.name, encoded, "uint8", [(_UINT8, encoded.shape)])
        return np.array(pixels, dtype=np.uint8, order="C")

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int:
        """One byte a value."""
        _require_picture(self.name, dtype, shape)
        return math.prod(shape)


class Compressed:
    """Sends a picture as an image file: uint8, shape (height, width, 3), channels blue, green, red.

    Two buffers: the file (uint8, shape (bytes,)), then its xxh3-64 (uint64, shape (1,)), because
    a decoder takes most altered files without a word and gives altered pixels. With a divisor the
    picture crosses with sides that many times shorter, rounded up, and is stretched back.
    """

    stem: ClassVar[str]
    lossless = False

    def __init__(self, quality: int = DEFAULT_QUALITY, divisor: int = 1) -> None:
        if not 1 <= quality <= 100:  # noqa: PLR2004 - the libraries' own scale
            raise CodecError(f"{self.stem}:{quality}", "quality goes from 1 to 100")
        if not 1 <= divisor <= MOST_DIVISOR:
            raise CodecError(
                f"{self.stem}:{quality}/{divisor}", f"sides are divided by 1 to {MOST_DIVISOR}"
            )
        self.quality, self.divisor = quality, divisor

    @classmethod
    def parse(cls, parameter: str) -> Self:
        """Make the codec from the text after the colon, such as `80`, or `80/2` for half sides.

        The quality is a number from 1 to 100, 80 where empty.

        Raises:
            CodecError: Not such a text.
        """
        if not parameter:
            return cls()
        quality, slash, divisor = parameter.partition("/")
        if not all(part.isascii() and part.isdigit() for part in (quality, divisor or "1")) or (
            slash and not divisor
        ):
            reason = f"quality goes from 1 to 100, such as {cls.stem}:80, or {cls.stem}:80/2"
            raise CodecError(f"{cls.stem}:{parameter}", reason)
        return cls(int(quality), int(divisor or "1"))

    @property
    def name(self) -> str:
        """Such as `jpeg:80`, or `jpeg:80/2`."""
        tail = f"/{self.divisor}" if self.divisor > 1 else ""
        return f"{self.stem}:{self.quality}{tail}"

    def crossing_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Shape of the picture in the file, of one of this shape."""
        height, width, channels = shape
        return -(-height // self.divisor), -(-width // self.divisor), channels

    def encode(self, tensor: Array) -> Encoded:
        """Make a picture ready to cross.

        Raises:
            CodecError: Not uint8 of shape (height, width, 3), or a side is beyond the format.
        """
        require_colors(self.name, tensor.dtype, tensor.shape)
        pixels = np.asarray(tensor, dtype=np.uint8, order="C")
        height, width, _ = self.crossing_shape(pixels.shape)
        shrunk = pixels
        if self.divisor > 1:
            shrunk = np.asarray(
                cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8
            )
        try:
            done, data = self._file(shrunk)
        except cv2.error as err:
            raise CodecError(self.name, f"the picture was not encoded: {err.err}") from err
        if not done:
            raise CodecError(self.name, "the picture was not encoded")
        file = np.asarray(data, dtype=np.uint8).reshape(-1)
        return Encoded(
            codec=self.name,
            shape=pixels.shape,
            dtype="uint8",
            buffers=(file, np.array([xxhash.xxh3_64_intdigest(file.data)], dtype=_CHECK)),
        )

    def decode(self, encoded: Encoded) -> NDArray[np.uint8]:
        """Give the picture back; the declared shape caps what is decoded.

        Raises:
            CodecError: The file was altered or cut short, or its own header contradicts the
                declared shape (read before any pixel is decoded).
        """
        require_colors(self.name, encoded.dtype, encoded.shape)
        size = encoded.buffers[0].size if encoded.buffers else 0
        file, check = checked_buffers(
            self.name, encoded, "uint8", [(_UINT8, (size,)), (_CHECK, (1,))]
        )
        data = np.ascontiguousarray(file, dtype=np.uint8)
        if xxhash.xxh3_64_intdigest(data.data) != int(check[0]):
            raise CodecError(self.name, "the file was altered on its way")
        declared = self._header(data)
        wanted = self.crossing_shape(encoded.shape)
        if declared != wanted:
            raise CodecError(self.name, f"the file's header says {declared}, the message {wanted}")
        if not self._whole(data):
            raise CodecError(self.name, "the file is cut short")
        try:
            pixels = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error as err:
            raise CodecError(self.name, f"the file was not decoded: {err.err}") from err
        if pixels is None or pixels.shape != wanted or pixels.dtype != np.uint8:
            raise CodecError(self.name, "the file was not decoded")
        if self.divisor > 1:
            height, width, _ = encoded.shape
            pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(pixels, dtype=np.uint8, order="C")

    def encoded_bytes(self, shape: tuple[int, ...], dtype: str) -> int | None:
        """None: the content decides."""
        require_colors(self.name, dtype, shape)
        return None

    @abstractmethod
    def _file(self, pixels: NDArray[np.uint8]) -> tuple[bool, Array]:
        """Whether a picture was written, and the file."""

    @abstractmethod
    def _header(self, data: NDArray[np.uint8]) -> tuple[int, int, int]:
        """Shape that the file itself says it has."""

    @abstractmethod
    def _whole(self, data: NDArray[np.uint8]) -> bool:
        """Whether the file ends as its format does."""


class Jpeg(Compressed):
    """Sends a picture as JPEG."""

    stem = "jpeg"

    def _file(self, pixels: NDArray[np.uint8]) -> tuple[bool, Array]:
        return cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, self.quality))

    def _header(self, data: NDArray[np.uint8]) -> tuple[int, int, int]:
        return header_shape(data)

    def _whole(self, data: NDArray[np.uint8]) -> bool:
        return bytes(data[-2:]) == _END


def header_shape(file: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Read (height, width, channels) from a JPEG's frame header, decoding nothing.

    Walks the marker segments up to the first scan (ITU-T T.81, annex B).

    Args:
        file: The file, uint8, shape (bytes,).

    Raises:
        CodecError: Not a JPEG, no frame header before the first scan, or not 8 bits a channel.
    """
    data = np.ascontiguousarray(file).data
    if bytes(data[:2]) != _START:
        raise CodecError("jpeg", "the file does not begin like a JPEG")
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # noqa: PLR2004 - a marker's first byte
            break
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill byte before a marker
            at += 1
            continue
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAME_HEADERS and at + 10 <= len(data):
            if data[at + 4] != 8:  # noqa: PLR2004 - bits a channel
                break
            height = int.from_bytes(data[at + 5 : at + 7], "big")
            width = int.from_bytes(data[at + 7 : at + 9], "big")
            return height, width, data[at + 9]
        if marker == _SCAN or length < 2:  # noqa: PLR2004 - a length counts itself
            break
        at += 2 + length
    raise CodecError("jpeg", "the file has no readable frame header")


def _require_picture(name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    if np.dtype(dtype) != _UINT8 or len(shape) != 3:  # noqa: PLR2004 - height, width, channels
        raise CodecError(name, f"takes uint8 (height, width, channels), not {dtype}{list(shape)}")


def require_colors(name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Refuse what is no picture of three channels and sides that the formats can hold."""
    _require_picture(name, dtype, shape)
    height, width, channels = shape
    if channels != _COLORS or not 1 <= height <= _LARGEST_SIDE or not 1 <= width <= _LARGEST_SIDE:
        raise CodecError(
            name, f"takes sides from 1 to {_LARGEST_SIDE} and 3 channels, not {list(shape)}"
        )
