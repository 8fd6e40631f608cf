"""The cameras of the own vehicle: where they sit, how they project, where they look from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sensors.calibration import Calibration, Intrinsics, Mounting
from sensors.errors import SensorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.moment import EgoState

VIEWS: dict[str, Mounting] = {
    "front": Mounting(x_m=0.6, y_m=0.0, z_m=1.4),
    "left": Mounting(x_m=0.4, y_m=0.7, z_m=1.45, yaw_rad=math.pi / 2),
    "right": Mounting(x_m=0.4, y_m=-0.7, z_m=1.45, yaw_rad=-math.pi / 2),
    "rear": Mounting(x_m=-1.9, y_m=0.0, z_m=1.2, yaw_rad=math.pi),
}
"""Every camera of the own vehicle by name: behind the windscreen, on the roof, over the boot."""

# About 55 degrees across, with a little more ground than sky.
_FOCAL_SHARE, _HORIZON_SHARE = 0.96, 0.46


class CameraUnknownError(SensorError):
    """The synthetic vehicle has no such camera."""

    def __init__(self, camera: str) -> None:
        super().__init__(f"no synthetic camera {camera!r}; there are {', '.join(VIEWS)}")
        self.camera = camera


def camera_of(camera: str, *, stream: str, width: int, height: int) -> Calibration:
    """Return the calibration of a camera.

    Args:
        camera: A key of `VIEWS`.
        stream: Name of the stream it is for.
        width: Pixels across.
        height: Pixels down.

    Raises:
        CameraUnknownError: There is no such camera; the error lists them.
    """
    if camera not in VIEWS:
        raise CameraUnknownError(camera)
    return Calibration(
        stream=stream,
        mounting=VIEWS[camera],
        intrinsics=Intrinsics(
            width=width,
            height=height,
            focal_x_px=_FOCAL_SHARE * width,
            focal_y_px=_FOCAL_SHARE * width,
            centre_x_px=(width - 1) / 2,
            centre_y_px=_HORIZON_SHARE * height,
        ),
    )


def ego_rotation(ego: EgoState) -> NDArray[np.float64]:
    """Matrix, shape (3, 3), that turns a vector of the ego frame into the world frame."""
    return Mounting(
        x_m=0.0,
        y_m=0.0,
        z_m=0.0,
        yaw_rad=ego.yaw_rad,
        pitch_rad=ego.pitch_rad,
        roll_rad=ego.roll_rad,
    ).rotation()


class Lens:
    """A camera at one instant: from the world into its picture.

    Attributes:
        camera: How it projects.
        eye: Its place in the world, shape (3,), metres.
        turn: Matrix, shape (3, 3), from world axes to camera axes (x right, y down, z forward).
        yaw_rad: Direction it looks in, counter-clockwise from the world's x.
    """

    __slots__ = ("camera", "eye", "turn", "yaw_rad")

    def __init__(self, calibration: Calibration, ego: EgoState) -> None:
        """Put the camera where the own vehicle is; the calibration must have intrinsics."""
        camera = calibration.intrinsics
        assert camera is not None, "a camera has intrinsics"  # noqa: S101 - our invariant
        mounting = calibration.mounting
        to_world = ego_rotation(ego)
        place = np.array([mounting.x_m, mounting.y_m, mounting.z_m])
        origin = np.array([ego.x_m, ego.y_m, ego.z_m])
        self.camera = camera
        self.eye = origin + to_world @ place
        axes = (to_world @ mounting.rotation()).T
        self.turn: NDArray[np.float64] = np.stack([-axes[1], -axes[2], axes[0]])
        self.yaw_rad = ego.yaw_rad + mounting.yaw_rad

    def to_camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the world in the camera frame; shape (n, 3), metres."""
        seen: NDArray[np.float64] = (points - self.eye) @ self.turn.T
        return seen
