"""What decoders of a recording's messages share: their shape, and the frames that they make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensors.frames import CameraFrame, EgoPose, ImuSample, LidarSweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from sensors.frames import Frame, StreamKind
    from sensors.readers._contents import PackedCloud

Three = tuple[float, float, float]
Size = tuple[int, int]
_LENGTH_TOLERANCE = 1e-3  # a quaternion kept as float32 differs from length 1 by less


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a frame stands; fields as in `sensors.frames`."""

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """Decodes the messages of one channel; what is wrong with a message is a ValueError.

    Attributes:
        size: Width and height of the stream, from its first message; None where it has none.
        frame: The frame of a message; a picture of another size than the given one is refused.
    """

    frame: Callable[[bytes, Place, Size], Frame]
    size: Callable[[bytes], Size] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """A channel that is understood.

    Attributes:
        kind: What its messages are frames of.
        make: Makes its decoder; raises a `ReaderExtraError` where a package is missing.
    """

    kind: StreamKind
    make: Callable[[], Decoder]


def camera_frame(place: Place, image: NDArray[np.uint8], size: Size) -> CameraFrame:
    """A picture of the stream's size.

    Raises:
        ValueError: It has another.
    """
    height, width = image.shape[:2]
    if (width, height) != size:
        msg = f"it has {width}x{height} pixels, the stream {size[0]}x{size[1]}"
        raise ValueError(msg)
    return CameraFrame(
        stream=place.stream,
        index=place.index,
        stamp_ns=place.stamp_ns,
        scheduled_ns=place.scheduled_ns,
        image=image,
    )


def lidar_sweep(
    place: Place,
    cloud: PackedCloud,
    *,
    turn: NDArray[np.float64] | None = None,
    shift_m: Three = (0.0, 0.0, 0.0),
) -> LidarSweep:
    """A sweep, moved to the sensor's frame where the message gives its points in another.

    Raises:
        ValueError: The cloud cannot be unpacked.
    """
    found = cloud.unpacked()
    points = found.points
    if turn is not None:
        points = points.copy()
        points[:, :3] = points[:, :3].astype(np.float64) @ turn.T + np.array(shift_m)
    return LidarSweep(
        stream=place.stream,
        index=place.index,
        stamp_ns=place.stamp_ns,
        scheduled_ns=place.scheduled_ns,
        points=points,
        offsets_ns=found.offsets_ns,
        rings=found.rings,
    )


def ego_pose(
    place: Place,
    position_m: Three,
    quaternion: tuple[float, float, float, float],
    velocity_mps: Three,
) -> EgoPose:
    """A pose with a velocity in world axes.

    Raises:
        ValueError: The quaternion is not of length 1.
    """
    length = math.hypot(*quaternion)
    if not abs(length - 1.0) < _LENGTH_TOLERANCE:
        msg = f"a pose has a quaternion of length {length:g}"
        raise ValueError(msg)
    return EgoPose(
        stream=place.stream,
        index=place.index,
        stamp_ns=place.stamp_ns,
        scheduled_ns=place.scheduled_ns,
        position_m=position_m,
        quaternion=quaternion,
        velocity_mps=velocity_mps,
    )


def imu_sample(place: Place, acceleration_mps2: Three, turning_radps: Three) -> ImuSample:
    """An inertial sample."""
    return ImuSample(
        stream=place.stream,
        index=place.index,
        stamp_ns=place.stamp_ns,
        scheduled_ns=place.scheduled_ns,
        acceleration_mps2=acceleration_mps2,
        angular_velocity_radps=turning_radps,
    )


def three(values: Sequence[float]) -> Three:
    """Three numbers.

    Raises:
        ValueError: There are more or fewer.
    """
    x, y, z = (float(value) for value in values)
    return x, y, z


def turned(quaternion: tuple[float, float, float, float], vector: Three) -> Three:
    """A vector in body axes, in the axes that a pose turns to."""
    x, y, z = (rotation(quaternion) @ np.array(vector)).tolist()
    return x, y, z


def rotation(quaternion: tuple[float, float, float, float]) -> NDArray[np.float64]:
    """The matrix of a quaternion x, y, z, w; shape (3, 3)."""
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - slow to import, rarely needed

    return np.asarray(Rotation.from_quat(quaternion).as_matrix(), np.float64)
