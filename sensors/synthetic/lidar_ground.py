"""Where the rays of a turn meet the ground and the roof of a tunnel.

Along every few columns the surface is sampled once, at distances that grow. The angle under which
the sensor sees each sample, made monotone, says between which two samples a ray meets the surface;
there it is followed to the surface itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_casting import Rays
    from sensors.synthetic.lidar_spec import LidarSpec
    from sensors.synthetic.moment import Ground

_COLUMNS_A_PROFILE = 8
_PROFILE_SAMPLES = 56
_NEAREST_M = 0.5
_STEPS = 2  # of following a ray to the surface
_STEP_M = 0.05  # over which the slope there is taken, at least
_LEAST_SLOPE = 1e-3
_CLOSE_M = 0.01  # that near to the surface, a ray has met it
_HALVINGS = 13


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landings:
    """Where rays meet a surface; one row a ray that was asked for.

    Attributes:
        rays: Numbers of the rays, shape (n,), int64.
        ranges_m: Way to the surface; shape (n,), float64.
        normals: Cosine between ray and surface normal, 0 to 1; shape (n,), float64.
        places_m: X and y, world; shape (n, 2), float64.
    """

    rays: NDArray[np.int64]
    ranges_m: NDArray[np.float64]
    normals: NDArray[np.float64]
    places_m: NDArray[np.float64]


class _Flat(NamedTuple):
    """Rays seen from above: a metre ahead on the map is `1 / level` metres of the ray."""

    origin_x: NDArray[np.float64]
    origin_y: NDArray[np.float64]
    origin_z: NDArray[np.float64]
    ahead_x: NDArray[np.float64]
    ahead_y: NDArray[np.float64]
    rise: NDArray[np.float64]
    level: NDArray[np.float64]


def land(
    spec: LidarSpec,
    rays: Rays,
    ground: Ground,
    origin_m: tuple[float, float, float],
    hidden_m: NDArray[np.float64],
) -> Landings:
    """Find where rays meet the ground, as far as nothing nearer hides it.

    Args:
        spec: The sensor.
        rays: Its rays.
        ground: The surface.
        origin_m: The place of the world that the rays are told from.
        hidden_m: Way of each ray to what hides the ground, infinity for nothing; shape
            (columns * rings,).
    """
    far = _samples(spec)
    angles, columns = _profiles(spec, rays, ground, origin_m, far, roof=False)
    np.maximum.accumulate(angles, axis=1, out=angles)
    flat = _flat(rays, origin_m)
    seen = _crossings(angles, flat.rise.reshape(spec.columns, spec.rings), columns)
    ray = np.flatnonzero(seen < len(far))
    begin = far[np.maximum(seen[ray] - 1, 0)]
    ray = ray[begin < hidden_m[ray] * flat.level[ray]]
    place = seen[ray]
    rows = _Flat(*(values[ray] for values in flat))
    # Between two samples the monotone angle is followed on a straight line.
    low, high = far[np.maximum(place - 1, 0)], far[place]
    before = angles[columns[ray // spec.rings], np.maximum(place - 1, 0)]
    after = angles[columns[ray // spec.rings], place]
    ahead = low + np.clip((rows.rise - before) / np.maximum(after - before, 1e-9), 0, 1) * (
        high - low
    )
    # How fast the gap between ray and surface closes; at first as the two samples tell it.
    slope = rows.rise - (after * high - before * low) / np.maximum(high - low, 1e-9)
    gap = _gap(rows, ahead, ground)
    for _ in range(_STEPS):
        slope = np.minimum(slope, -_LEAST_SLOPE)
        moved = np.clip(ahead - gap / slope, low, high) - ahead
        ahead = ahead + moved
        now = _gap(rows, ahead, ground)
        told = np.abs(moved) > _STEP_M
        slope = np.where(told, (now - gap) / np.where(told, moved, 1.0), slope)
        gap = now
    met = np.abs(gap) < _CLOSE_M
    lost = np.flatnonzero(~met)
    if len(lost):  # crests that a ray grazes: looked for between the samples around
        low, high = (
            far[np.maximum(place[lost] - 2, 0)],
            far[np.minimum(place[lost] + 1, len(far) - 1)],
        )
        few = _Flat(*(values[lost] for values in rows))
        ahead[lost], met[lost] = _halved(few, low, high, ground)
    slope = np.minimum(slope, 0.0)
    ray, ahead, rows = ray[met], ahead[met], _Flat(*(values[met] for values in rows))
    return Landings(
        rays=ray,
        ranges_m=ahead / rows.level,
        normals=np.minimum(-slope[met] / np.hypot(rows.rise, 1.0), 1.0),
        places_m=np.stack(_places(rows, ahead), axis=1),
    )


def land_above(
    spec: LidarSpec,
    rays: Rays,
    ground: Ground,
    origin_m: tuple[float, float, float],
    hidden_m: NDArray[np.float64],
) -> Landings | None:
    """Find where rays meet a tunnel's roof; None where no roof is near. Arguments as in `land`."""
    far = _samples(spec)
    angles, columns = _profiles(spec, rays, ground, origin_m, far, roof=True)
    if not np.isfinite(angles).any():
        return None
    np.minimum.accumulate(angles, axis=1, out=angles)
    flat = _flat(rays, origin_m)
    rises = flat.rise.reshape(spec.columns, spec.rings)
    seen = _crossings(-angles, -rises, columns)
    ray = np.flatnonzero(seen < len(far))
    ray = ray[far[np.maximum(seen[ray] - 1, 0)] < hidden_m[ray] * flat.level[ray]]
    place = seen[ray]
    rows = _Flat(*(values[ray] for values in flat))
    low, high = np.where(place > 0, far[np.maximum(place - 1, 0)], 0.0), far[place]
    # A column beside that of the profile may pass the roof's edge, or meet it a little earlier.
    met = _through(rows, high, ground)
    low = np.where(_through(rows, low, ground), 0.8 * low, low)
    ray, low, high = ray[met], low[met], high[met]
    rows = _Flat(*(values[met] for values in rows))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        through = _through(rows, middle, ground)
        low, high = np.where(through, low, middle), np.where(through, middle, high)
    return Landings(
        rays=ray,
        ranges_m=high / rows.level,
        normals=np.abs(rows.rise) / np.hypot(rows.rise, 1.0),
        places_m=np.stack(_places(rows, high), axis=1),
    )


def _places(
    rows: _Flat, ahead: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """X and y of the world, so far ahead on the map."""
    return rows.origin_x + ahead * rows.ahead_x, rows.origin_y + ahead * rows.ahead_y


def _gap(rows: _Flat, ahead: NDArray[np.float64], ground: Ground) -> NDArray[np.float64]:
    """How far rays are above the ground, so far ahead; metres."""
    return rows.origin_z + ahead * rows.rise - ground.heights_m(*_places(rows, ahead))


def _through(rows: _Flat, ahead: NDArray[np.float64], ground: Ground) -> NDArray[np.bool_]:
    """Whether rays are at or above the roof, so far ahead."""
    height = rows.origin_z + ahead * rows.rise
    return height >= ground.ceilings_m(*_places(rows, ahead))


def _halved(
    rows: _Flat, low: NDArray[np.float64], high: NDArray[np.float64], ground: Ground
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where rays come down to the ground between two distances, and whether they do."""
    crosses = (_gap(rows, low, ground) >= 0.0) & (_gap(rows, high, ground) <= 0.0)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = _gap(rows, middle, ground) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high, crosses


def _samples(spec: LidarSpec) -> NDArray[np.float64]:
    """Distances of the samples on the map, metres, growing."""
    return np.geomspace(_NEAREST_M, spec.range_m, _PROFILE_SAMPLES)


def _flat(rays: Rays, origin_m: tuple[float, float, float]) -> _Flat:
    columns, rings, _ = rays.directions.shape
    ways = rays.directions.reshape(-1, 3)
    level = np.hypot(ways[:, 0], ways[:, 1])
    origins = rays.origins + np.array(origin_m)
    x, y, z = (np.repeat(values, rings) for values in origins.T)
    assert len(x) == columns * rings  # noqa: S101 - our invariant
    return _Flat(
        origin_x=x,
        origin_y=y,
        origin_z=z,
        ahead_x=ways[:, 0] / level,
        ahead_y=ways[:, 1] / level,
        rise=ways[:, 2] / level,
        level=level,
    )


def _profiles(
    spec: LidarSpec,
    rays: Rays,
    ground: Ground,
    origin_m: tuple[float, float, float],
    far: NDArray[np.float64],
    *,
    roof: bool,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Tangents of elevation under which samples are seen, and which profile serves a column.

    Returns:
        Shape (profiles, samples), and per column the row in it.
    """
    middles = np.arange(_COLUMNS_A_PROFILE // 2, spec.columns, _COLUMNS_A_PROFILE)
    ways = rays.directions[middles, spec.rings // 2]
    level = np.hypot(ways[:, 0], ways[:, 1])
    origins = rays.origins[middles] + np.array(origin_m)
    x = origins[:, :1] + (ways[:, 0] / level)[:, None] * far
    y = origins[:, 1:2] + (ways[:, 1] / level)[:, None] * far
    heights = (ground.ceilings_m if roof else ground.heights_m)(x, y)
    columns = np.minimum(np.arange(spec.columns) // _COLUMNS_A_PROFILE, len(middles) - 1)
    return (heights - origins[:, 2:]) / far, columns


def _crossings(
    angles: NDArray[np.float64], rises: NDArray[np.float64], columns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """First sample seen at or above a ray; shape (columns * rings,), number of samples if none.

    Args:
        angles: Rising along each profile; shape (profiles, samples).
        rises: Tangent of each ray's elevation; shape (columns, rings).
        columns: Which profile serves a column.
    """
    samples = angles.shape[1]
    # One sorted list for all profiles: each lies in a band of its own.
    bands = 4.0 * np.arange(len(angles))
    table = (np.clip(angles, -1.9, 1.9) + bands[:, None]).ravel()
    asked = np.clip(rises, -1.8, 1.8) + bands[columns][:, None]
    found = np.searchsorted(table, asked.ravel(), side="left").astype(np.int64)
    skipped: NDArray[np.int64] = np.repeat(columns * samples, rises.shape[1])
    return found - skipped
