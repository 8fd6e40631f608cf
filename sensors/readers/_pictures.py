"""Decoding of PNG and JPEG pictures, from files and from recordings' messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.errors import RecordingCorruptError
from sensors.readers._limits import size_fault
from sensors.readers._stills import still_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Longest file of a picture or a sweep: above `MAX_PIXELS` of plain 8-bit colour, uncompressed."""


def header_size(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels as a PNG or JPEG claims them; decodes nothing.

    Raises:
        ValueError: It is neither, is damaged, or claims a size that no camera has.
    """
    size = still_size(data)
    fault = size_fault(*size)
    if fault is not None:
        raise ValueError(fault)
    return size


def decode(data: bytes, *, width: int, height: int) -> NDArray[np.uint8]:
    """Return the picture of a PNG or JPEG, shape (height, width, 3), blue, green, red.

    The pixels are taken as stored: grey becomes three equal channels, 16 bits become 8,
    orientation tags are ignored.

    Raises:
        ValueError: It has another size, or cannot be decoded.
    """
    size = header_size(data)
    if size != (width, height):
        msg = f"it has {size[0]}x{size[1]} pixels, the first image {width}x{height}"
        raise ValueError(msg)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image: object
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ValueError("it cannot be decoded") from error
    if not isinstance(image, np.ndarray) or image.shape != (height, width, 3):
        raise ValueError("it cannot be decoded")
    return image.astype(np.uint8, copy=False)


def file_picture(file: Path, *, width: int, height: int) -> NDArray[np.uint8]:
    """Return the picture in a file, as `decode` does.

    Raises:
        RecordingCorruptError: It has another size, is too long, or cannot be decoded.
    """
    data = file_bytes(file)
    try:
        return decode(data, width=width, height=height)
    except ValueError as error:
        raise RecordingCorruptError(file, str(error)) from error


def picture_size(file: Path, data: bytes) -> tuple[int, int]:
    """Return width and height that the bytes of a file claim.

    Raises:
        RecordingCorruptError: They are no picture.
    """
    try:
        return header_size(data)
    except ValueError as error:
        raise RecordingCorruptError(file, str(error)) from error


def file_bytes(file: Path) -> bytes:
    """Return all of a file.

    Raises:
        RecordingCorruptError: It is too long for a frame, or went away.
    """
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise RecordingCorruptError(file, f"it has more than {MAX_FILE_BYTES} bytes")
        return file.read_bytes()
    except FileNotFoundError as error:
        raise RecordingCorruptError(file, "it went away while being read") from error
