"""Where sensors sit and how cameras project; reference frames and their axes.

Frames: *world* — right-handed, z up, metres, fixed; *ego* — the own vehicle's: origin on the ground
under the middle of its footprint, x forward, y left, z up (ISO 8855), metres; a *sensor* frame has
the ego axes, turned and moved by its mounting; a *camera* frame as OpenCV has it: x right, y down,
z along the optical axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """A pinhole camera without distortion; pixel centres lie at whole numbers.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        focal_x_px: Focal length across, pixels.
        focal_y_px: Focal length down, pixels.
        centre_x_px: Column of the optical axis.
        centre_y_px: Row of the optical axis.
    """

    width: int
    height: int
    focal_x_px: float
    focal_y_px: float
    centre_x_px: float
    centre_y_px: float

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return pixels of points in the camera frame.

        Args:
            points: Shape (n, 3), metres, camera frame (x right, y down, z forward), z above 0.

        Returns:
            Columns and rows, shape (n, 2).
        """
        inverse = 1.0 / points[:, 2]
        return np.stack(
            [
                self.centre_x_px + self.focal_x_px * points[:, 0] * inverse,
                self.centre_y_px + self.focal_y_px * points[:, 1] * inverse,
            ],
            axis=1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounting:
    """Place of a sensor in the ego frame; yaw, pitch and roll turn about z, then y, then x.

    Attributes:
        x_m: Forward of the ego origin.
        y_m: Left of it.
        z_m: Above the ground.
        yaw_rad: Direction against x, counter-clockwise seen from above.
        pitch_rad: Nose down is above 0.
        roll_rad: Right side down is above 0.
    """

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0

    def rotation(self) -> NDArray[np.float64]:
        """Matrix, shape (3, 3), that turns a vector of the sensor frame into the ego frame."""
        cos_y, sin_y = np.cos(self.yaw_rad), np.sin(self.yaw_rad)
        cos_p, sin_p = np.cos(self.pitch_rad), np.sin(self.pitch_rad)
        cos_r, sin_r = np.cos(self.roll_rad), np.sin(self.roll_rad)
        about_z = np.array([[cos_y, -sin_y, 0.0], [sin_y, cos_y, 0.0], [0.0, 0.0, 1.0]])
        about_y = np.array([[cos_p, 0.0, sin_p], [0.0, 1.0, 0.0], [-sin_p, 0.0, cos_p]])
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos_r, -sin_r], [0.0, sin_r, cos_r]])
        return np.asarray(about_z @ about_y @ about_x, np.float64)

    def to_sensor(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the ego frame in the sensor frame; shape (n, 3), metres."""
        moved = points - np.array([self.x_m, self.y_m, self.z_m])
        return np.asarray(moved @ self.rotation(), np.float64)

    def to_ego(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the sensor frame in the ego frame; shape (n, 3), metres."""
        turned = points @ self.rotation().T
        return np.asarray(turned + np.array([self.x_m, self.y_m, self.z_m]), np.float64)

    def to_camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the ego frame in the camera frame (x right, y down, z forward)."""
        seen = self.to_sensor(points)
        return np.stack([-seen[:, 1], -seen[:, 2], seen[:, 0]], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A sensor's place and, of a camera, its projection.

    Attributes:
        stream: Name of the stream.
        mounting: Where the sensor sits.
        intrinsics: How it projects; None for what is no camera.
    """

    stream: str
    mounting: Mounting
    intrinsics: Intrinsics | None = None


@runtime_checkable
class Calibrated(Protocol):
    """A reader that may know where its sensors sit and how its cameras project."""

    def calibrations(self) -> tuple[Calibration, ...]:
        """Those that are known, at most one a stream; only inside the context."""
