"""Things that a building hides wholly, so that they need not be drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.canvas import NEAR_M
from sensors.synthetic.moment import Mover, Solid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.shadows import Middle
    from sensors.synthetic.view import Lens

_BOX = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (0.0, 1.0)])


def unhidden(
    lens: Lens, drawn: list[tuple[Mover | Solid, Middle]]
) -> list[tuple[Mover | Solid, Middle]]:
    """Return the things that are not wholly behind one building.

    A building hides what lies beyond its far corner, between its sides in the picture, and below
    its lowest corner of the roof.
    """
    walls = [thing for thing, _ in drawn if isinstance(thing, Solid) and thing.kind == "building"]
    if not walls or len(drawn) < 2:  # noqa: PLR2004 - nothing to hide
        return drawn
    corners = np.concatenate([_corners(wall) for wall in walls])
    seen = lens.to_camera(corners).reshape(-1, 8, 3)
    whole = seen[..., 2].min(axis=1) > NEAR_M
    depths = np.maximum(seen[..., 2], NEAR_M)
    u = seen[..., 0] / depths
    roofs = (seen[..., 1] / depths)[:, 1::2].max(axis=1)
    left, right, far = u.min(axis=1), u.max(axis=1), seen[..., 2].max(axis=1)
    feet = np.array([middle for _, middle in drawn])
    reach = np.array([0.6 * (t.length_m + t.width_m) + 0.3 for t, _ in drawn])
    tall = np.array([t.height_m for t, _ in drawn]) + 3.0  # a roof may stand on a building
    near = feet[:, 2] - reach
    depth = np.maximum(near, NEAR_M)
    low_u = np.minimum((feet[:, 0] - reach) / depth, (feet[:, 0] - reach) / (feet[:, 2] + reach))
    high_u = np.maximum((feet[:, 0] + reach) / depth, (feet[:, 0] + reach) / (feet[:, 2] + reach))
    # Rows grow downwards, so the top of a thing is its least.
    tops = (feet[:, 1] - tall) / np.where(feet[:, 1] > tall, feet[:, 2] + reach, depth)
    hidden = (
        whole[:, None]
        & (left[:, None] < low_u[None])
        & (right[:, None] > high_u[None])
        & (far[:, None] < near[None])
        & (roofs[:, None] < tops[None])
    ).any(axis=0)
    return [drawn[number] for number in np.flatnonzero(~hidden).tolist()]


def _corners(wall: Solid) -> NDArray[np.float64]:
    cos, sin = math.cos(wall.yaw_rad), math.sin(wall.yaw_rad)
    local = _BOX * (wall.length_m, wall.width_m, wall.height_m)
    return np.stack(
        [
            wall.x_m + local[:, 0] * cos - local[:, 1] * sin,
            wall.y_m + local[:, 0] * sin + local[:, 1] * cos,
            wall.z_m + local[:, 2],
        ],
        axis=1,
    )
