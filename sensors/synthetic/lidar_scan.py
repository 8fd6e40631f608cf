"""One turn of a LiDAR through a world: its points, and how many lie on each mover."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, hypot, sin
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.lidar_bodies import bodies_of
from sensors.synthetic.lidar_casting import cast, rays_of
from sensors.synthetic.lidar_ground import land, land_above
from sensors.synthetic.lidar_returns import draws_of, measure
from sensors.synthetic.lidar_spec import directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_spec import LidarSpec
    from sensors.synthetic.moment import EgoState, Moment, Mover, Scenery


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScannedTurn:
    """One turn of the sensor and what is true of it.

    Attributes:
        points: As in `LidarSweep`.
        offsets_ns: As in `LidarSweep`.
        rings: As in `LidarSweep`.
        hits: Points on each mover of the moment, in its order; shape (movers,), int64.
        moment: The world when the turn ends.
    """

    points: NDArray[np.float32]
    offsets_ns: NDArray[np.int32]
    rings: NDArray[np.uint8]
    hits: NDArray[np.int64]
    moment: Moment


def scan(
    scenery: Scenery, spec: LidarSpec, *, seed: int, stream: str, sweep: int, stamp_ns: int
) -> ScannedTurn:
    """Turn once through a world.

    Args:
        scenery: The world.
        spec: The sensor.
        seed: Seed of the noise.
        stream: Name of the stream; with seed and sweep it keys the noise.
        sweep: Number of the turn.
        stamp_ns: When the turn ends, ns after the start of the drive, at least 0.
    """
    moment = scenery.at(stamp_ns)
    begin_ns = stamp_ns - spec.turn_ns
    tracks = tuple(mover.track for mover in moment.movers)
    before = scenery.movers(max(0, begin_ns), tracks)
    began = scenery.at(max(0, begin_ns)).ego
    if begin_ns < 0:
        # The world begins at 0: before that all went straight on as it does then.
        before = {track: _earlier(mover, -begin_ns) for track, mover in before.items()}
        began = _ego_earlier(began, -begin_ns)
    ego = moment.ego
    origin_m = (ego.x_m, ego.y_m, ego.z_m)
    rays = rays_of(spec, began, ego)
    draws = draws_of(seed, stream, sweep, spec.columns * spec.rings)
    reach_m = spec.range_m + hypot(*rays.moved_m)
    solids = [
        solid
        for solid in moment.solids
        if hypot(solid.x_m - ego.x_m, solid.y_m - ego.y_m)
        < reach_m + 0.5 * (solid.length_m + solid.width_m)
    ]
    bodies = bodies_of(moment.movers, before, solids, origin_m)
    hits = cast(spec, rays, bodies, draws.depths)
    landings = [land(spec, rays, scenery.ground, origin_m, hits.ranges_m)]
    roof = land_above(spec, rays, scenery.ground, origin_m, hits.ranges_m)
    if roof is not None:
        landings.append(roof)
    found = measure(spec, hits, bodies, landings, scenery.ground, draws)
    ray = np.flatnonzero(np.isfinite(found.ranges_m))
    column, ring = np.divmod(ray, spec.rings)
    # The sensor reports where its ray pointed by its own axes at that instant.
    points = np.empty((len(ray), 4), np.float32)
    points[:, :3] = directions(spec).reshape(-1, 3)[ray] * found.ranges_m[ray, None]
    points[:, 3] = found.intensities[ray]
    owners = found.owners[ray]
    return ScannedTurn(
        points=points,
        offsets_ns=spec.offsets_ns()[column],
        rings=ring.astype(np.uint8),
        hits=np.bincount(owners[owners >= 0], minlength=len(moment.movers)),
        moment=moment,
    )


def _earlier(mover: Mover, by_ns: int) -> Mover:
    way_m = mover.speed_mps * by_ns * 1e-9
    return replace(
        mover,
        x_m=mover.x_m - way_m * cos(mover.yaw_rad),
        y_m=mover.y_m - way_m * sin(mover.yaw_rad),
    )


def _ego_earlier(ego: EgoState, by_ns: int) -> EgoState:
    way_m = ego.speed_mps * by_ns * 1e-9
    return replace(
        ego, x_m=ego.x_m - way_m * cos(ego.yaw_rad), y_m=ego.y_m - way_m * sin(ego.yaw_rad)
    )
