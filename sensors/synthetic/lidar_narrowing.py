"""Which columns and rings of a turn may meet which body: all that do, and few others."""

from __future__ import annotations

from math import pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_bodies import Bodies
    from sensors.synthetic.lidar_casting import Rays
    from sensors.synthetic.lidar_spec import LidarSpec

_SLACK_RAD = 0.002  # of elevation, beside the second-order error of a tilt
_TINY = 1e-12


class Pairs(NamedTuple):
    """A body and a column that may meet.

    `origins` is where the column is measured from in the body's own axes, shape (n, 3); `cosines`
    and `sines` turn a direction into them; rings from `below` up to, not including, `above`.
    """

    bodies: NDArray[np.int64]
    columns: NDArray[np.int64]
    origins: NDArray[np.float64]
    cosines: NDArray[np.float64]
    sines: NDArray[np.float64]
    below: NDArray[np.int64]
    above: NDArray[np.int64]


def narrowed(spec: LidarSpec, rays: Rays, bodies: Bodies) -> Pairs:
    """Which columns and rings may meet which body; never leaves out one that does."""
    tilt = float(np.abs(rays.directions[:, spec.rings // 2, 2]).max())
    steepest = max(abs(spec.elevations_rad[0]), abs(spec.elevations_rad[-1]))
    sway = tilt * np.tan(steepest + tilt)  # how far a tilt turns a steep ray aside
    slack = _SLACK_RAD + tilt * sway
    which, columns = _columns(spec, rays, bodies, sway)
    shares = rays.shares[columns][:, None]
    starts, ends = bodies.starts[which], bodies.ends[which]
    poses = starts + (ends - starts) * shares
    offset = rays.origins[columns] - poses[:, :3]
    cosines, sines = np.cos(poses[:, 3]), np.sin(poses[:, 3])
    origins = np.stack(
        [
            cosines * offset[:, 0] + sines * offset[:, 1],
            cosines * offset[:, 1] - sines * offset[:, 0],
            offset[:, 2],
        ],
        axis=1,
    )
    middle = rays.directions[:, spec.rings // 2]
    level = np.hypot(middle[:, 0], middle[:, 1])
    heading = (middle[:, :2] / level[:, None])[columns]
    ahead = cosines * heading[:, 0] + sines * heading[:, 1]
    aside = cosines * heading[:, 1] - sines * heading[:, 0]
    halves = bodies.halves[which]
    wide = sway * np.hypot(origins[:, 0], origins[:, 1])
    near_x, far_x = slab(origins[:, 0], ahead, halves[:, 0] + wide)
    near_y, far_y = slab(origins[:, 1], aside, halves[:, 1] + wide)
    near = np.maximum(np.maximum(near_x, near_y), 0.1)
    far = np.maximum(np.minimum(far_x, far_y), 0.1)
    low, high = -halves[:, 2] - origins[:, 2], halves[:, 2] - origins[:, 2]
    # The middle ring's own elevation is taken off: what is left is the column's tilt.
    tilts = (np.arctan2(middle[:, 2], level) - spec.elevations_rad[spec.rings // 2])[columns]
    table = np.array(spec.elevations_rad)
    lowest = np.arctan2(low, np.where(low < 0.0, near, far)) - tilts - slack
    highest = np.arctan2(high, np.where(high > 0.0, near, far)) - tilts + slack
    below = np.searchsorted(table, lowest, side="left")
    above = np.searchsorted(table, highest, side="right")
    kept = (near <= far) & (near <= spec.range_m) & (above > below)
    return Pairs(
        bodies=which[kept],
        columns=columns[kept],
        origins=origins[kept],
        cosines=cosines[kept],
        sines=sines[kept],
        below=below[kept],
        above=above[kept],
    )


def _columns(
    spec: LidarSpec, rays: Rays, bodies: Bodies, sway: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of bodies and numbers of columns that may meet: one window of azimuth a body."""
    middle = 0.5 * (rays.origins[0] + rays.origins[-1])
    poses = 0.5 * (bodies.starts + bodies.ends)
    moved = bodies.ends - bodies.starts
    lengths, widths = bodies.halves[:, 0], bodies.halves[:, 1]
    reach = np.hypot(lengths, widths)
    # Within the turn body and sensor leave their middle places by at most this much.
    stray = 0.5 * np.hypot(moved[:, 0] - rays.moved_m[0], moved[:, 1] - rays.moved_m[1])
    stray += 0.5 * np.abs(moved[:, 3]) * reach
    cosines, sines = np.cos(poses[:, 3]), np.sin(poses[:, 3])
    offset = poses[:, :2] - middle[:2]
    local_x = -(cosines * offset[:, 0] + sines * offset[:, 1])
    local_y = -(cosines * offset[:, 1] - sines * offset[:, 0])
    beyond_x = np.maximum(np.abs(local_x) - lengths, 0.0)
    beyond_y = np.maximum(np.abs(local_y) - widths, 0.0)
    gap = np.hypot(beyond_x, beyond_y) - stray
    inside = gap <= 0.0
    bearings = np.arctan2(offset[:, 1], offset[:, 0])
    ahead = np.array([1.0, 1.0, -1.0, -1.0])[:, None] * lengths
    aside = np.array([1.0, -1.0, 1.0, -1.0])[:, None] * widths
    corner_x = offset[:, 0] + cosines * ahead - sines * aside
    corner_y = offset[:, 1] + sines * ahead + cosines * aside
    turns = (np.arctan2(corner_y, corner_x) - bearings + pi) % (2.0 * pi) - pi
    blur = np.arcsin(np.minimum(stray / np.maximum(np.hypot(corner_x, corner_y), _TINY), 1.0))
    margin = sway + 0.5 * abs(rays.turned_rad) + 2.0 * pi / spec.columns
    left = bearings + (turns + blur).max(axis=0) + margin - rays.yaw_rad
    right = bearings + (turns - blur).min(axis=0) - margin - rays.yaw_rad
    per_rad = spec.columns / (2.0 * pi)
    first = np.floor((pi - left) * per_rad - 0.5).astype(np.int64)
    last = np.ceil((pi - right) * per_rad - 0.5).astype(np.int64)
    counts = np.where(inside, spec.columns, np.minimum(last - first + 1, spec.columns))
    counts[gap > spec.range_m] = 0
    which = np.repeat(np.arange(len(counts)), counts)
    along = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    return which, (first[which] + along) % spec.columns


def slab(
    origin: NDArray[np.float64], direction: NDArray[np.float64], half: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where rays enter and leave the space between two planes at plus and minus `half`."""
    inverse = 1.0 / np.where(np.abs(direction) < _TINY, _TINY, direction)
    middle, spread = -origin * inverse, np.abs(half * inverse)
    return middle - spread, middle + spread
