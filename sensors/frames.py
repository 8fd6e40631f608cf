"""Frames and streams: the frozen values that every reader yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

StreamKind = Literal["camera", "lidar", "pose", "imu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One sensor's sequence in a drive.

    Attributes:
        name: Name of the stream, unique in its drive.
        kind: What the sensor is.
        period_ns: Nominal period in ns, the grid that deadlines count from; None where unknown.
        frames: Number of frames, where the recording tells; None where only reading tells.
        width: Pixels across of a camera, columns of a turn of a spinning LiDAR, else 0.
        height: Pixels down of a camera, rings of a LiDAR, else 0.
    """

    name: str
    kind: StreamKind
    period_ns: int | None
    frames: int | None
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFrame:
    """One picture of one camera.

    Attributes:
        stream: Name of the stream.
        index: Number in the stream, from 0, without gaps.
        stamp_ns: When it was recorded, in ns on the recording's own clock.
        scheduled_ns: Its place on the stream's nominal grid where the stream has a period, else
            `stamp_ns`; same clock.
        image: Picture, shape (height, width, 3), uint8, channels blue, green, red.
    """

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int
    image: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarSweep:
    """One turn of a spinning LiDAR; stream, index and stamps as in `CameraFrame`.

    The stamp is that of the turn's end, when the sweep is there as a whole.

    Attributes:
        stream: Name of the stream.
        index: Number in the stream, from 0.
        stamp_ns: When the turn ended.
        scheduled_ns: Its place on the stream's nominal grid.
        points: X, y, z in metres in the sensor frame (x forward, y left, z up), and intensity from
            0 to 1; shape (n, 4), float32. Each point is where it was measured from, not corrected
            for the own motion during the turn.
        offsets_ns: When each point was measured, less `stamp_ns`, at most 0; shape (n,), int32;
            None where the recording does not tell.
        rings: Which laser measured it, from the lowest; shape (n,), uint8; None where not told.
    """

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int
    points: NDArray[np.float32]
    offsets_ns: NDArray[np.int32] | None = None
    rings: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EgoPose:
    """Where the own vehicle was; stream, index and stamps as in `CameraFrame`.

    Attributes:
        stream: Name of the stream.
        index: Number in the stream, from 0.
        stamp_ns: When it was there.
        scheduled_ns: Its place on the stream's nominal grid.
        position_m: X, y, z of the ego origin in the world frame.
        quaternion: X, y, z, w of the turn from ego to world axes; length 1.
        velocity_mps: Over ground, world axes.
    """

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int
    position_m: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    velocity_mps: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImuSample:
    """What an inertial unit at the ego origin measures; stream, index and stamps as above.

    Attributes:
        stream: Name of the stream.
        index: Number in the stream, from 0.
        stamp_ns: When it was measured.
        scheduled_ns: Its place on the stream's nominal grid.
        acceleration_mps2: Specific force in ego axes; gravity included, so z is about 9.81 at rest.
        angular_velocity_radps: About ego axes.
    """

    stream: str
    index: int
    stamp_ns: int
    scheduled_ns: int
    acceleration_mps2: tuple[float, float, float]
    angular_velocity_radps: tuple[float, float, float]


Frame = CameraFrame | LidarSweep | EgoPose | ImuSample
