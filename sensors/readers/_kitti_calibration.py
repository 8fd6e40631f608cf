"""KITTI's calibration files as places and projections of sensors.

Ego frame of KITTI drives: origin on the ground under the velodyne, axes those of the velodyne,
which stands 1.73 m above the ground. (Geiger, Lenz, Stiller, Urtasun, "Vision meets robotics: the
KITTI dataset", IJRR 2013, figure 3, gives heights and axes; the place of the vehicle's middle is
not published there, so x and y are the velodyne's.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sensors.calibration import Intrinsics, Mounting
from sensors.errors import RecordingCorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

VELODYNE_HEIGHT_M = 1.73
VELODYNE = Mounting(x_m=0.0, y_m=0.0, z_m=VELODYNE_HEIGHT_M)
"""Place of the velodyne in the ego frame."""

_CAMERA_TO_SENSOR = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_TURN_TOLERANCE = 1e-3  # the files give seven digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rigid:
    """A turn and a shift: `turn @ point + shift_m`; shapes (3, 3) and (3,), metres."""

    turn: NDArray[np.float64]
    shift_m: NDArray[np.float64]

    def moved(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points, shape (n, 3), moved."""
        return np.asarray(points @ self.turn.T + self.shift_m, np.float64)

    def back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points, shape (n, 3), moved the other way."""
        return np.asarray((points - self.shift_m) @ self.turn, np.float64)

    def then(self, later: Rigid) -> Rigid:
        """This one first, then the other."""
        return Rigid(turn=later.turn @ self.turn, shift_m=later.turn @ self.shift_m + later.shift_m)


def read_lines(path: Path) -> Mapping[str, NDArray[np.float64]]:
    """Return the numbers of each line `name: number number …`; lines of other words are left out.

    Raises:
        RecordingCorruptError: There is no such file, or a name stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecordingCorruptError(path, "this calibration file is missing") from error
    except UnicodeDecodeError as error:
        raise RecordingCorruptError(path, f"no text: {error.reason}") from error
    found: dict[str, NDArray[np.float64]] = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        try:
            numbers = np.array([float(word) for word in rest.split()])
        except ValueError:
            continue  # calib_time and the like
        if not colon or not numbers.size:
            continue
        if name.strip() in found:
            raise RecordingCorruptError(path, f"line {name.strip()} stands twice")
        found[name.strip()] = numbers
    return found


def matrix(
    path: Path, lines: Mapping[str, NDArray[np.float64]], name: str, *shape: int
) -> NDArray[np.float64]:
    """Return the numbers of a line in a shape.

    Raises:
        RecordingCorruptError: There is no such line, or it has more or fewer numbers.
    """
    if name not in lines:
        raise RecordingCorruptError(path, f"there is no line {name} with numbers in it")
    numbers = lines[name]
    if numbers.size != np.prod(shape) or not np.isfinite(numbers).all():
        reason = f"line {name} has {numbers.size} numbers where {np.prod(shape)} finite ones belong"
        raise RecordingCorruptError(path, reason)
    return numbers.reshape(shape)


def turn_of(path: Path, lines: Mapping[str, NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """Return a line that is a rotation, shape (3, 3).

    Raises:
        RecordingCorruptError: It is none.
    """
    return _checked(path, name, matrix(path, lines, name, 3, 3))


def rigid_of(path: Path, lines: Mapping[str, NDArray[np.float64]], name: str) -> Rigid:
    """Return a line that is a rotation with a shift beside it, three rows of four.

    Raises:
        RecordingCorruptError: It is none.
    """
    whole = matrix(path, lines, name, 3, 4)
    return Rigid(turn=_checked(path, name, whole[:, :3]), shift_m=whole[:, 3])


def camera(
    path: Path, projection: NDArray[np.float64], to_rectified: Rigid, size: tuple[int, int]
) -> tuple[Mounting, Intrinsics]:
    """Place in the ego frame and projection of a rectified camera.

    Args:
        path: What errors name.
        projection: P of KITTI, shape (3, 4), from the rectified reference camera to pixels.
        to_rectified: From the velodyne to the rectified reference camera.
        size: Width and height of the pictures.

    Raises:
        RecordingCorruptError: The projection is not a pinhole camera's.
    """
    focal = projection[:, :3]
    if focal[0, 0] <= 0 or focal[1, 1] <= 0 or abs(focal[2, 2] - 1) > _TURN_TOLERANCE:
        raise RecordingCorruptError(path, "a projection is not that of a pinhole camera")
    # The camera stands beside the reference camera by what the projection's last column says.
    beside = Rigid(
        turn=np.eye(3), shift_m=np.asarray(np.linalg.solve(focal, projection[:, 3]), np.float64)
    )
    to_camera = to_rectified.then(beside)
    place = to_camera.back(np.zeros((1, 3)))[0]
    # From the sensor's axes to the ego's: the other way of ego to camera to sensor.
    axes = (_CAMERA_TO_SENSOR @ to_camera.turn).T
    mounting = Mounting(
        x_m=float(place[0]),
        y_m=float(place[1]),
        z_m=float(place[2]) + VELODYNE_HEIGHT_M,
        yaw_rad=float(np.arctan2(axes[1, 0], axes[0, 0])),
        pitch_rad=float(-np.arcsin(np.clip(axes[2, 0], -1.0, 1.0))),
        roll_rad=float(np.arctan2(axes[2, 1], axes[2, 2])),
    )
    intrinsics = Intrinsics(
        width=size[0],
        height=size[1],
        focal_x_px=float(focal[0, 0]),
        focal_y_px=float(focal[1, 1]),
        centre_x_px=float(focal[0, 2]),
        centre_y_px=float(focal[1, 2]),
    )
    return mounting, intrinsics


def raw_camera(
    cameras: Path, velodyne: Path, number: str, size: tuple[int, int]
) -> tuple[Mounting, Intrinsics]:
    """Place and projection of a camera of a raw drive, from the two files of its day.

    Args:
        cameras: The file `calib_cam_to_cam.txt`.
        velodyne: The file `calib_velo_to_cam.txt`.
        number: Of the camera, such as 02.
        size: Width and height of its pictures.

    Raises:
        RecordingCorruptError: A file or a line is missing, or the pictures have another size than
            the rectified ones that the projection is for.
    """
    lines, mounted = read_lines(cameras), read_lines(velodyne)
    told = matrix(cameras, lines, f"S_rect_{number}", 2)
    if (round(told[0]), round(told[1])) != size:
        reason = (
            f"S_rect_{number} says {told[0]:g}x{told[1]:g} pixels, the pictures have"
            f" {size[0]}x{size[1]}"
        )
        raise RecordingCorruptError(cameras, reason)
    placed = Rigid(turn=turn_of(velodyne, mounted, "R"), shift_m=matrix(velodyne, mounted, "T", 3))
    upright = Rigid(turn=turn_of(cameras, lines, "R_rect_00"), shift_m=np.zeros(3))
    projection = matrix(cameras, lines, f"P_rect_{number}", 3, 4)
    return camera(cameras, projection, placed.then(upright), size)


def object_reference(path: Path) -> Rigid:
    """From the velodyne to the rectified reference camera, by the calibration of an object frame.

    Raises:
        RecordingCorruptError: The file or a line of it is missing or wrong.
    """
    lines = read_lines(path)
    upright = Rigid(turn=turn_of(path, lines, "R0_rect"), shift_m=np.zeros(3))
    return rigid_of(path, lines, "Tr_velo_to_cam").then(upright)


def object_camera(path: Path, number: str, size: tuple[int, int]) -> tuple[Mounting, Intrinsics]:
    """Place and projection of a camera, by the calibration of an object frame.

    Args:
        path: The calibration.
        number: Of the camera, such as 2.
        size: Width and height of its pictures.

    Raises:
        RecordingCorruptError: The file or a line of it is missing or wrong.
    """
    projection = matrix(path, read_lines(path), f"P{number}", 3, 4)
    return camera(path, projection, object_reference(path), size)


def _checked(path: Path, name: str, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.abs(turn @ turn.T - np.eye(3)).max() > _TURN_TOLERANCE or np.linalg.det(turn) < 0:
        raise RecordingCorruptError(path, f"line {name} is no rotation")
    return turn
