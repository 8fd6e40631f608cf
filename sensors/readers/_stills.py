"""What a PNG or JPEG file says about itself before it is decoded."""

from __future__ import annotations

import zlib

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_START = b"\xff\xd8"
_JPEG_END = b"\xff\xd9"
_SCAN = 0xDA  # entropy-coded data follows
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length (ITU-T T.81, table B.1)
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOFn; not DHT, JPG, DAC


def still_size(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels as the header claims them, having checked the structure.

    A PNG is walked chunk by chunk with its checksums; a JPEG is walked to its first scan and must
    have an end after it. Nothing is decoded, so the size can be judged before memory is taken.

    Args:
        data: The whole file.

    Raises:
        ValueError: It is neither PNG nor JPEG, is cut off, or is damaged; the text says which.
    """
    if data.startswith(_PNG_SIGNATURE):
        return _png_size(data)
    if data.startswith(_JPEG_START):
        return _jpeg_size(data)
    msg = "it is neither PNG nor JPEG" if data else "the file is empty"
    raise ValueError(msg)


def _png_size(data: bytes) -> tuple[int, int]:
    """Walk the chunks: length, type, body, CRC-32 of type and body; all big-endian."""
    size: tuple[int, int] | None = None
    at = len(_PNG_SIGNATURE)
    while True:
        length = int.from_bytes(data[at : at + 4], "big")
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if len(data) < end + 4:
            msg = f"the PNG is cut off after {len(data)} bytes"
            raise ValueError(msg)
        if zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            msg = f"the PNG is damaged: wrong checksum of the chunk at byte {at}"
            raise ValueError(msg)
        if size is None:
            if kind != b"IHDR":
                msg = "the PNG does not begin with its header"
                raise ValueError(msg)
            body = data[at + 8 : end]
            size = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        if kind == b"IEND":
            return size
        at = end + 4


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Walk the segments: 0xFF, marker, big-endian length that counts itself, body."""
    size: tuple[int, int] | None = None
    at = len(_JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004 - the marker prefix
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill byte
            at += 1
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in _FRAME_HEADERS:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            size = int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == _SCAN:
            if size is None:
                break
            if data.rfind(_JPEG_END, at) < 0:
                msg = f"the JPEG is cut off after {len(data)} bytes"
                raise ValueError(msg)
            return size
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    msg = "the JPEG is cut off or damaged: no picture begins in it"
    raise ValueError(msg)
