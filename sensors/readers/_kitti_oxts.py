"""KITTI's OXTS packets as poses and inertial samples.

A packet is a line of 30 numbers; the first ones are latitude and longitude (degrees), altitude (m),
roll, pitch and yaw (rad, yaw 0 is east), velocities north and east (m/s); the eleventh is the
velocity up, the next three are accelerations along the unit's axes (m/s²), the eighteenth to
twentieth angular rates about them (rad/s) (KITTI raw, dataformat.txt). Places are laid out flat by
the Mercator projection at the first packet's latitude, as in KITTI's own development kit.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from sensors.errors import RecordingCorruptError
from sensors.frames import EgoPose, ImuSample
from sensors.readers._kitti_calibration import VELODYNE_HEIGHT_M, Rigid, matrix, read_lines, turn_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_NUMBERS = 30
_EARTH_M = 6_378_137.0  # equatorial radius, WGS 84


class Oxts:
    """The packets of a drive."""

    def __init__(self, files: Sequence[Path], calibration: Path) -> None:
        """Remember where they lie.

        Args:
            files: One packet each.
            calibration: The file `calib_imu_to_velo.txt`, which only poses need.
        """
        self._files, self._calibration = files, calibration

    def frame(
        self,
        kind: Literal["pose", "imu"],
        stream: str,
        index: int,
        stamp_ns: int,
        scheduled_ns: int,
    ) -> EgoPose | ImuSample:
        """Return the pose or the sample of a packet; stamps in ns as in `sensors.frames`.

        Raises:
            RecordingCorruptError: The packet or the calibration cannot be read.
        """
        packet = _packet(self._files[index])
        if kind == "imu":
            return ImuSample(
                stream=stream,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=scheduled_ns,
                acceleration_mps2=(packet[11], packet[12], packet[13]),
                angular_velocity_radps=(packet[17], packet[18], packet[19]),
            )
        from scipy.spatial.transform import Rotation  # noqa: PLC0415 - slow to import, rarely needed

        roll, pitch, yaw = packet[3:6]
        turn = np.asarray(Rotation.from_euler("ZYX", [yaw, pitch, roll]).as_matrix())
        x, y, z = (self._place_m(packet) + turn @ self._ego_origin_m).tolist()
        # From ego axes, which are the velodyne's, to the unit's and on to the world's.
        quaternion = Rotation.from_matrix(turn @ self._mounted.turn.T).as_quat()
        qx, qy, qz, qw = quaternion.tolist()
        return EgoPose(
            stream=stream,
            index=index,
            stamp_ns=stamp_ns,
            scheduled_ns=scheduled_ns,
            position_m=(x, y, z),
            quaternion=(qx, qy, qz, qw),
            velocity_mps=(packet[7], packet[6], packet[10]),
        )

    @cached_property
    def _mounted(self) -> Rigid:
        """From the unit's frame to the velodyne's."""
        lines = read_lines(self._calibration)
        return Rigid(
            turn=turn_of(self._calibration, lines, "R"),
            shift_m=matrix(self._calibration, lines, "T", 3),
        )

    @cached_property
    def _ego_origin_m(self) -> NDArray[np.float64]:
        """The ego origin, which lies under the velodyne, in the unit's frame."""
        return self._mounted.back(np.array([[0.0, 0.0, -VELODYNE_HEIGHT_M]])).reshape(3)

    @cached_property
    def _first(self) -> Sequence[float]:
        return _packet(self._files[0])

    def _place_m(self, packet: Sequence[float]) -> NDArray[np.float64]:
        """East, north and up of the unit, from where it was first."""
        scale = math.cos(math.radians(self._first[0]))
        ends = [np.array(_mercator(one, scale)) for one in (self._first, packet)]
        return np.asarray(ends[1] - ends[0], np.float64)


def _mercator(packet: Sequence[float], scale: float) -> tuple[float, float, float]:
    latitude, longitude, altitude = packet[:3]
    east = scale * _EARTH_M * math.radians(longitude)
    north = scale * _EARTH_M * math.log(math.tan(math.radians(90.0 + latitude) / 2.0))
    return east, north, altitude


def _packet(file: Path) -> Sequence[float]:
    try:
        numbers = [float(word) for word in file.read_text(encoding="ascii").split()]
    except (ValueError, FileNotFoundError) as error:
        raise RecordingCorruptError(file, f"no OXTS packet: {error}") from error
    if len(numbers) != _NUMBERS or not all(map(math.isfinite, numbers)):
        reason = f"a packet has {_NUMBERS} finite numbers, this one has {len(numbers)}"
        raise RecordingCorruptError(file, reason)
    if not abs(numbers[0]) < 89.0:  # noqa: PLR2004 - Mercator has no poles, and no road leads there
        raise RecordingCorruptError(file, f"its latitude is {numbers[0]:g} degrees")
    return numbers
