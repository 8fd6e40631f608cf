"""What a sensor's frame is on its way into the network: a picture, or a sweep of a LiDAR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError
from sensors.frames import CameraFrame, LidarSweep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.frames import Frame, StreamKind

    Array = NDArray[np.generic[object]]

SAMPLED: tuple[StreamKind, ...] = ("camera", "lidar")
"""Kinds of streams whose frames a network can read."""

POINT_BYTES = 16
"""Bytes of a point: x, y, z and intensity, float32."""

_COLORS = 3
_PICTURE_AXES = 3
_SWEEP_AXES = 2
_FIGURES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture of the drive; shape (height, width, 3), uint8, blue, green, red."""

    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep of the drive: x, y, z in metres, sensor frame, and intensity; shape (n, 4), float32.

    The number of points differs from sweep to sweep.
    """

    points: NDArray[np.float32]


Sample = Picture | Sweep


def sample_of(array: Array) -> Sample:
    """A sample, told by its dtype and axes.

    Raises:
        InputError: It is neither.
    """
    if array.dtype == np.uint8 and array.ndim == _PICTURE_AXES and array.shape[2] == _COLORS:
        return Picture(pixels=np.asarray(array, np.uint8))
    if array.dtype == np.float32 and array.ndim == _SWEEP_AXES and array.shape[1] == _FIGURES:
        return Sweep(points=np.asarray(array, np.float32))
    raise InputError(
        f"a frame is uint8 (height, width, 3) or float32 (points, 4), not {array.dtype}"
        f"{list(array.shape)}"
    )


def array_of(frame: Frame) -> Array | None:
    """What a network reads of a frame; None where that is nothing, as of poses.

    The points of a sweep are C-contiguous.
    """
    match frame:
        case CameraFrame(image=image):
            return image
        case LidarSweep(points=points):
            return np.ascontiguousarray(points, dtype=np.float32)
        case _:
            return None
