"""Where the own vehicle was, so that what was seen from one place can be put before another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ScoringError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poses:
    """Poses of the ego frame in the world.

    Attributes:
        stamps_ns: When it was there, rising; shape (n,).
        positions_m: X, y, z of the ego origin; shape (n, 3).
        quaternions: X, y, z, w of the turn from ego to world axes; shape (n, 4).
    """

    stamps_ns: Ints
    positions_m: Floats
    quaternions: Floats

    def at(self, stamps_ns: Ints) -> Poses:
        """Poses in between, on straight lines and great circles; the ends hold outside.

        Raises:
            ScoringError: There is no pose.
        """
        from scipy.spatial.transform import Rotation, Slerp  # noqa: PLC0415 - heavy, rarely needed

        own, places = np.unique(self.stamps_ns, return_index=True)
        if not len(own):
            raise ScoringError("the drive has no pose of the own vehicle")
        inside = np.clip(stamps_ns, own[0], own[-1])
        positions = np.stack(
            [np.interp(inside, own, self.positions_m[places, axis]) for axis in range(3)], axis=1
        )
        turns = Rotation.from_quat(self.quaternions[places])
        if len(own) > 1:
            turned = Slerp(own - own[0], turns)(inside - own[0]).as_quat()
        else:
            turned = np.repeat(self.quaternions[places], len(stamps_ns), axis=0)
        return Poses(stamps_ns=stamps_ns, positions_m=positions, quaternions=turned)

    def of(self, frames: Ints) -> Poses:
        """Poses of these frames, by their places."""
        return Poses(
            stamps_ns=self.stamps_ns[frames],
            positions_m=self.positions_m[frames],
            quaternions=self.quaternions[frames],
        )

    def rotations(self) -> Floats:
        """Matrices that turn ego axes into world axes; shape (n, 3, 3)."""
        x, y, z, w = (self.quaternions / np.linalg.norm(self.quaternions, axis=1, keepdims=True)).T
        rows = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        return np.moveaxis(np.array(rows), 2, 0)

    def yaws_rad(self) -> Floats:
        """Heading in the world, counter-clockwise; shape (n,)."""
        turn = self.rotations()
        yaws: Floats = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
        return yaws
