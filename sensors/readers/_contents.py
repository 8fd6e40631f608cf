"""What messages of several families hold alike: plain pictures, and clouds of packed points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.readers._limits import size_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_SHALLOW: Mapping[str, tuple[int, int | None]] = {
    "bgr8": (3, None),
    "8UC3": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "bgra8": (4, cv2.COLOR_BGRA2BGR),
    "8UC4": (4, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, cv2.COLOR_RGBA2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, cv2.COLOR_GRAY2BGR),
    "uyvy": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuyv": (2, cv2.COLOR_YUV2BGR_YUY2),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2BGR_YUY2),
    # OpenCV names a Bayer pattern by the second row's second and third pixel.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2BGR),
}
"""Channels of 8 bits by encoding, and how OpenCV calls the way to blue, green, red."""
_DEEP = ("mono16", "16UC1")
_DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")
_INTENSITIES = ("intensity", "reflectivity", "reflectance", "i")
_RINGS = ("ring", "line", "channel")
_MOST_RINGS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPicture:
    """A picture as plain pixels.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        encoding: How the pixels are laid out, by the names that ROS and Foxglove share.
        step: Bytes from one row to the next.
        big_endian: Whether values of two bytes begin with the higher.
        data: The pixels.
    """

    width: int
    height: int
    encoding: str
    step: int
    big_endian: bool
    data: bytes

    def size(self) -> tuple[int, int]:
        """Width and height.

        Raises:
            ValueError: No camera has that size.
        """
        fault = size_fault(self.width, self.height)
        if fault is not None:
            raise ValueError(fault)
        return self.width, self.height

    def decoded(self) -> NDArray[np.uint8]:
        """The picture, shape (height, width, 3), blue, green, red.

        Raises:
            ValueError: The bytes are too few, or the encoding is unknown.
        """
        width, height = self.size()
        if self.encoding in _DEEP:
            wide = self._rows(height, 2 * width).view(">u2" if self.big_endian else "<u2")
            grey = (wide >> 8).astype(np.uint8)
            return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        if self.encoding == "nv12":
            rows = self._rows(height + height // 2, width)
            return np.asarray(cv2.cvtColor(rows, cv2.COLOR_YUV2BGR_NV12), np.uint8)
        if self.encoding not in _SHALLOW:
            known = ", ".join([*_SHALLOW, *_DEEP, "nv12"])
            msg = f"a picture has the encoding {self.encoding!r}; known: {known}"
            raise ValueError(msg)
        channels, way = _SHALLOW[self.encoding]
        pixels = self._rows(height, channels * width).reshape(height, width, channels)
        if way is None:
            return pixels.copy()
        flat = pixels[:, :, 0] if channels == 1 else pixels
        return np.asarray(cv2.cvtColor(flat, way), np.uint8)

    def _rows(self, rows: int, length: int) -> NDArray[np.uint8]:
        """The first bytes of each row; shape (rows, length)."""
        if self.step < length or len(self.data) < rows * self.step:
            msg = (
                f"a picture of {self.width}x{self.height} {self.encoding} has {len(self.data)}"
                f" bytes in rows of {self.step}"
            )
            raise ValueError(msg)
        found = np.frombuffer(self.data, np.uint8, rows * self.step).reshape(rows, self.step)
        return np.ascontiguousarray(found[:, :length])


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedField:
    """One number of each point of a cloud.

    Attributes:
        name: What it is.
        offset: Where in a point it begins, in bytes.
        number: Its type, from 1: uint8, int8, uint16, int16, uint32, int32, float32, float64.
    """

    name: str
    offset: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCloud:
    """Points packed one behind the other.

    Attributes:
        fields: What a point holds.
        stride: Bytes from one point to the next.
        big_endian: Whether numbers begin with the highest byte.
        data: The points.
    """

    fields: Sequence[PackedField]
    stride: int
    big_endian: bool
    data: bytes

    def unpacked(self) -> UnpackedCloud:
        """The points; those without a place (no return) are left out.

        Intensities of whole numbers are divided by their type's highest; others stay as they are.

        Raises:
            ValueError: Fields are missing, doubled, or reach over the point's end.
        """
        rows = self._rows()
        names = {name.lower(): name for name in rows.dtype.names or ()}
        missing = [axis for axis in "xyz" if axis not in names]
        if missing:
            msg = f"a cloud has no field {missing[0]!r}, only {', '.join(names) or 'none'}"
            raise ValueError(msg)
        points = np.zeros((len(rows), 4), np.float32)
        for number, axis in enumerate("xyz"):
            points[:, number] = rows[names[axis]]
        shines = next((names[name] for name in _INTENSITIES if name in names), None)
        if shines is not None:
            values = rows[shines]
            whole = np.issubdtype(values.dtype, np.integer)
            points[:, 3] = values / np.iinfo(values.dtype).max if whole else values
        kept = np.isfinite(points).all(axis=1)
        offsets = rows["offset_ns"][kept].astype(np.int32) if "offset_ns" in names else None
        ring = next((names[name] for name in _RINGS if name in names), None)
        rings = None if ring is None else rows[ring][kept]
        if rings is not None and rings.size and not 0 <= rings.min() <= rings.max() < _MOST_RINGS:
            rings = None
        return UnpackedCloud(
            points=points[kept],
            offsets_ns=offsets,
            rings=None if rings is None else rings.astype(np.uint8),
        )

    def _rows(self) -> NDArray[np.void]:
        order = ">" if self.big_endian else "<"
        for field in self.fields:
            if not 1 <= field.number <= len(_DTYPES):
                msg = f"field {field.name!r} of a cloud has the unknown type {field.number}"
                raise ValueError(msg)
        if self.stride < 1 or len(self.data) % self.stride:
            msg = f"a cloud has {len(self.data)} bytes, which are no points of {self.stride}"
            raise ValueError(msg)
        dtype = np.dtype(
            {
                "names": [field.name for field in self.fields],
                "formats": [order + _DTYPES[field.number - 1] for field in self.fields],
                "offsets": [field.offset for field in self.fields],
                "itemsize": self.stride,
            }
        )
        return np.frombuffer(self.data, dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnpackedCloud:
    """Points, offsets and rings as `LidarSweep` has them."""

    points: NDArray[np.float32]
    offsets_ns: NDArray[np.int32] | None
    rings: NDArray[np.uint8] | None
