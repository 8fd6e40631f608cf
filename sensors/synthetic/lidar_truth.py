"""What is true of a LiDAR's sweep: boxes in space, and where their objects go next."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

import numpy as np

from sensors.calibration import Mounting
from sensors.labels import LABEL_CLASSES, Futures, Labels3D

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.moment import EgoState, Moment, Scenery

LEAST_POINTS = 3
"""An object with fewer points in a sweep is labelled to be ignored."""
FUTURE_STEP_NS = 500_000_000
FUTURE_STEPS = 6


def to_ego(ego: EgoState, places_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places of the world in the own vehicle's frame; shape (n, 3), metres."""
    stands = Mounting(
        x_m=ego.x_m,
        y_m=ego.y_m,
        z_m=ego.z_m,
        yaw_rad=ego.yaw_rad,
        pitch_rad=ego.pitch_rad,
        roll_rad=ego.roll_rad,
    )
    return stands.to_sensor(places_m)


def boxes_of(moment: Moment, hits: NDArray[np.int64], *, within_m: float) -> Labels3D:
    """Boxes of the movers near the own vehicle, in its frame.

    Args:
        moment: The world.
        hits: LiDAR points on each mover, in the moment's order.
        within_m: How far from the ego origin a middle may be, metres.
    """
    ego = moment.ego
    rows = [
        row
        for row, mover in enumerate(moment.movers)
        if hypot(mover.x_m - ego.x_m, mover.y_m - ego.y_m) < within_m
    ]
    movers = [moment.movers[row] for row in rows]
    points = hits[rows].astype(np.int64)
    middles = np.array(
        [(mover.x_m, mover.y_m, mover.z_m + 0.5 * mover.height_m) for mover in movers]
    ).reshape(-1, 3)
    yaws = np.array([mover.yaw_rad for mover in movers]) - ego.yaw_rad
    speeds = np.array([mover.speed_mps for mover in movers])
    level = np.stack([speeds * np.cos(yaws), speeds * np.sin(yaws)], axis=1)
    classes = np.array([LABEL_CLASSES.index(mover.kind) for mover in movers], dtype=np.int64)
    return Labels3D(
        names=LABEL_CLASSES,
        tracks=np.array([mover.track for mover in movers], dtype=np.int64),
        classes=np.where(points < LEAST_POINTS, -1, classes),
        centres_m=to_ego(ego, middles).astype(np.float32),
        sizes_m=np.array(
            [(mover.length_m, mover.width_m, mover.height_m) for mover in movers], np.float32
        ).reshape(-1, 3),
        yaws_rad=((yaws + np.pi) % (2.0 * np.pi) - np.pi).astype(np.float32),
        velocities_mps=level.astype(np.float32),
        points=points,
    )


def futures_of(scenery: Scenery, ego: EgoState, at_ns: int, tracks: NDArray[np.int64]) -> Futures:
    """Where movers will be in the frame that the own vehicle has now.

    Args:
        scenery: The world.
        ego: The own vehicle now.
        at_ns: Now, ns after the start of the drive.
        tracks: The movers.
    """
    asked = tuple(int(track) for track in tracks)
    positions = np.zeros((len(asked), FUTURE_STEPS, 2), np.float32)
    valid = np.zeros((len(asked), FUTURE_STEPS), np.bool_)
    for step in range(FUTURE_STEPS):
        then = scenery.movers(at_ns + (step + 1) * FUTURE_STEP_NS, asked)
        rows = [row for row, track in enumerate(asked) if track in then]
        movers = [then[asked[row]] for row in rows]
        places = np.array(
            [(mover.x_m, mover.y_m, mover.z_m) for mover in movers], dtype=np.float64
        ).reshape(-1, 3)
        positions[rows, step] = to_ego(ego, places)[:, :2]
        valid[rows, step] = True
    return Futures(tracks=tracks, step_ns=FUTURE_STEP_NS, positions_m=positions, valid=valid)
