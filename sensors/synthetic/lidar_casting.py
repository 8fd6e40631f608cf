"""Which body each ray of a turn hits first, and where.

Every ray has its own instant: the sensor and what moves stand where a straight line between the
turn's beginning and its end puts them then. Bodies are narrowed to columns, these to rings, and
only the rays that are left are intersected, all bodies at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensors.synthetic.lidar_bodies import BOX, CYLINDER, ELLIPSOID, SURFACES
from sensors.synthetic.lidar_narrowing import narrowed, slab
from sensors.synthetic.lidar_spec import directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_bodies import Bodies
    from sensors.synthetic.lidar_narrowing import Pairs
    from sensors.synthetic.lidar_spec import LidarSpec
    from sensors.synthetic.moment import EgoState

_LEAVES = SURFACES.index("leaves")
_LEAF_DEPTH_M = 0.5  # mean way of a ray into leaves; assumed
_TINY = 1e-12
_TICK_M = 2.0**-14  # ranges are compared in steps of 0.06 mm
_ROW_BITS = 32
_NOTHING = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rays:
    """All rays of a turn, world axes, told from the ego origin when the turn ends.

    Attributes:
        origins: Where each column is measured from; shape (columns, 3), float64, metres.
        directions: Shape (columns, rings, 3), float64, of length 1.
        shares: When each column is measured, as a share of the turn; shape (columns,).
        yaw_rad: Heading of the sensor in the middle of the turn.
        turned_rad: How far it turned during the turn, counter-clockwise.
        moved_m: How far it moved; shape (3,).
    """

    origins: NDArray[np.float64]
    directions: NDArray[np.float64]
    shares: NDArray[np.float64]
    yaw_rad: float
    turned_rad: float
    moved_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """What each ray hits first; shape (columns * rings,), the rings of a column together.

    Attributes:
        ranges_m: Way to it, infinity where there is nothing; float64.
        bodies: Row of the body, -1 where there is none; int32.
        normals: Cosine between ray and surface normal, 0 to 1, 0 where there is nothing; float64.
        sides: Which pair of faces of a box: 0 its two ends, 1 its sides, 2 top and bottom; else -1;
            int8.
    """

    ranges_m: NDArray[np.float64]
    bodies: NDArray[np.int32]
    normals: NDArray[np.float64]
    sides: NDArray[np.int8]


def rays_of(spec: LidarSpec, begin: EgoState, end: EgoState) -> Rays:
    """Lay out the rays of a turn.

    Args:
        spec: The sensor.
        begin: The own vehicle when the turn begins.
        end: The own vehicle when it ends.
    """
    shares = spec.shares()
    back = 1.0 - shares  # how far each column lies before the end
    turned = (end.yaw_rad - begin.yaw_rad + pi) % (2.0 * pi) - pi
    moved = np.array([end.x_m - begin.x_m, end.y_m - begin.y_m, end.z_m - begin.z_m])
    turns = _rotations(
        end.yaw_rad - turned * back,
        end.pitch_rad - (end.pitch_rad - begin.pitch_rad) * back,
        end.roll_rad - (end.roll_rad - begin.roll_rad) * back,
    )
    mounting = spec.mounting
    place = np.array([mounting.x_m, mounting.y_m, mounting.z_m])
    whole = turns @ mounting.rotation()
    return Rays(
        origins=turns @ place - moved * back[:, None],
        directions=directions(spec) @ whole.transpose(0, 2, 1),
        shares=shares,
        yaw_rad=end.yaw_rad - 0.5 * turned + mounting.yaw_rad,
        turned_rad=turned,
        moved_m=moved,
    )


def cast(spec: LidarSpec, rays: Rays, bodies: Bodies, depths: NDArray[np.float64]) -> Hits:
    """Find what each ray hits first.

    Args:
        spec: The sensor.
        rays: Its rays.
        bodies: What they can hit, told from the same place.
        depths: How far each ray gets into leaves, in mean ways; shape (columns * rings,).
    """
    pairs = narrowed(spec, rays, bodies)
    sizes = pairs.above - pairs.below
    pair = np.repeat(np.arange(len(sizes)), sizes)
    ring = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes - pairs.below, sizes)
    ray = pairs.columns[pair] * spec.rings + ring
    found = _Found(
        ranges=np.full(len(pair), np.inf),
        normals=np.zeros(len(pair)),
        sides=np.full(len(pair), -1, np.int8),
    )
    flat = rays.directions.reshape(-1, 3)
    shapes = bodies.shapes[pairs.bodies][pair]
    for shape in (BOX, CYLINDER, ELLIPSOID):
        rows = np.flatnonzero(shapes == shape)
        if len(rows):
            own = ray[rows]
            _intersect(shape, rows, pair[rows], flat[own], depths[own], pairs, bodies, found)
    hit = np.flatnonzero((found.ranges >= spec.least_range_m) & (found.ranges <= spec.range_m))
    # One number orders by range, then by body, so that equal ranges fall the same way always.
    ticks = np.round(found.ranges[hit] / _TICK_M).astype(np.int64)
    nearest = np.full(spec.columns * spec.rings, _NOTHING)
    np.minimum.at(nearest, ray[hit], (ticks << _ROW_BITS) | hit)
    met = np.flatnonzero(nearest != _NOTHING)
    first = nearest[met] & ((1 << _ROW_BITS) - 1)
    hits = Hits(
        ranges_m=np.full(len(nearest), np.inf),
        bodies=np.full(len(nearest), -1, np.int32),
        normals=np.zeros(len(nearest)),
        sides=np.full(len(nearest), -1, np.int8),
    )
    hits.ranges_m[met], hits.bodies[met] = found.ranges[first], pairs.bodies[pair[first]]
    hits.normals[met], hits.sides[met] = found.normals[first], found.sides[first]
    return hits


class _Found(NamedTuple):
    """Intersections of rays with bodies, one row a ray and body; filled shape by shape."""

    ranges: NDArray[np.float64]
    normals: NDArray[np.float64]
    sides: NDArray[np.int8]


def _rotations(
    yaw: NDArray[np.float64], pitch: NDArray[np.float64], roll: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matrices as `Mounting.rotation` makes them, one a column; shape (n, 3, 3)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    return np.stack(
        [
            np.stack([cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr], axis=1),
            np.stack([sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr], axis=1),
            np.stack([-sp, cp * sr, cp * cr], axis=1),
        ],
        axis=1,
    )


def _intersect(
    shape: int,
    rows: NDArray[np.int64],
    pair: NDArray[np.int64],
    directions_: NDArray[np.float64],
    depths: NDArray[np.float64],
    pairs: Pairs,
    bodies: Bodies,
    found: _Found,
) -> None:
    """Intersect rays with bodies of one shape and write the result into `found`."""
    cosines, sines = pairs.cosines[pair], pairs.sines[pair]
    along = cosines * directions_[:, 0] + sines * directions_[:, 1]
    aside = cosines * directions_[:, 1] - sines * directions_[:, 0]
    up = directions_[:, 2]
    body = pairs.bodies[pair]
    halves = bodies.halves[body].T
    x, y, z = pairs.origins[pair].T
    sides: NDArray[np.int8] | np.int8 = np.int8(-1)
    if shape == BOX:
        in_x, out_x = slab(x, along, halves[0])
        in_y, out_y = slab(y, aside, halves[1])
        in_z, out_z = slab(z, up, halves[2])
        enters = np.maximum(np.maximum(in_x, in_y), in_z)
        leaves = np.minimum(np.minimum(out_x, out_y), out_z)
        sides = np.where(
            enters == in_z, np.int8(2), np.where(enters == in_y, np.int8(1), np.int8(0))
        )
        normals = np.choose(sides, [np.abs(along), np.abs(aside), np.abs(up)])
    elif shape == CYLINDER:
        flat = np.hypot(along, aside)
        closest = -(x * along + y * aside) / flat
        miss = (x * aside - y * along) / flat
        chord = np.sqrt(np.maximum(halves[0] ** 2 - miss**2, 0.0)) / flat
        in_z, out_z = slab(z, up, halves[2])
        round_in = closest / flat - chord
        enters = np.maximum(round_in, in_z)
        leaves = np.where(chord > 0.0, np.minimum(closest / flat + chord, out_z), -np.inf)
        normals = np.where(enters == in_z, np.abs(up), chord * flat * flat / halves[0])
    else:
        scaled = [o / half for o, half in zip((x, y, z), halves, strict=True)]
        ways = [d / half for d, half in zip((along, aside, up), halves, strict=True)]
        square = ways[0] ** 2 + ways[1] ** 2 + ways[2] ** 2
        closest = -(scaled[0] * ways[0] + scaled[1] * ways[1] + scaled[2] * ways[2]) / square
        nearest = [o + closest * way for o, way in zip(scaled, ways, strict=True)]
        miss_square = nearest[0] ** 2 + nearest[1] ** 2 + nearest[2] ** 2
        chord = np.sqrt(np.maximum(1.0 - miss_square, 0.0) / square)
        enters = closest - chord
        leaves = np.where(chord > 0.0, closest + chord, -np.inf)
        normal = [
            (o + enters * way) / half for o, way, half in zip(scaled, ways, halves, strict=True)
        ]
        steep = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
        faced = along * normal[0] + aside * normal[1] + up * normal[2]
        normals = np.abs(faced) / np.maximum(steep, _TINY)
    into = np.where(bodies.surfaces[body] == _LEAVES, depths * _LEAF_DEPTH_M, 0.0)
    ranges = np.maximum(enters, 0.0) + into
    met = (enters <= leaves) & (leaves > 0.0) & (ranges <= leaves)
    # A ray that begins inside a body has no surface to meet; leaves are met in their depth.
    met &= (enters > 0.0) | (into > 0.0)
    found.ranges[rows] = np.where(met, ranges, np.inf)
    found.normals[rows] = np.minimum(normals, 1.0)
    found.sides[rows] = sides
