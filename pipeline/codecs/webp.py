"""A picture as lossy WebP: smaller than a JPEG that looks the same, and slower to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from pipeline.codecs.frames import Compressed
from pipeline.errors import CodecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.codecs.tensors import Array

LARGEST_SIDE = 16_383
"""Of a picture in WebP, 14 bits (RFC 9649, section 2.5)."""

# Of a simple lossy file, RFC 9649, sections 2.4 and 2.5: RIFF, the size of what follows, WEBP,
# VP8 and a space, the chunk's size, a frame tag of three bytes, and the start code of a key frame.
_RIFF, _FORM, _START_CODE = b"RIFF", b"WEBPVP8 ", b"\x9d\x01\x2a"
_HEADER_BYTES = 30
_SIDE_BITS = 0x3FFF


class Webp(Compressed):
    """Sends a picture as WebP."""

    stem = "webp"

    def _file(self, pixels: NDArray[np.uint8]) -> tuple[bool, Array]:
        if max(pixels.shape) > LARGEST_SIDE:
            raise CodecError(self.name, f"takes sides up to {LARGEST_SIDE}")
        return cv2.imencode(".webp", pixels, (cv2.IMWRITE_WEBP_QUALITY, self.quality))

    def _header(self, data: NDArray[np.uint8]) -> tuple[int, int, int]:
        head = bytes(data[:_HEADER_BYTES])
        if (head[:4], head[8:16], head[23:26]) != (_RIFF, _FORM, _START_CODE):
            raise CodecError(self.name, "the file has no readable frame header")
        width = int.from_bytes(head[26:28], "little") & _SIDE_BITS
        height = int.from_bytes(head[28:30], "little") & _SIDE_BITS
        return height, width, 3

    def _whole(self, data: NDArray[np.uint8]) -> bool:
        return int.from_bytes(bytes(data[4:8]), "little") + 8 == data.size
