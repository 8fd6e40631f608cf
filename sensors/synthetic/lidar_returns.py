"""What a LiDAR measures of what its rays meet: ranges with noise, intensity, and what it misses."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.lidar_bodies import SURFACES
from sensors.synthetic.moment import MATERIALS
from sensors.synthetic.noise import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.lidar_bodies import Bodies
    from sensors.synthetic.lidar_casting import Hits
    from sensors.synthetic.lidar_ground import Landings
    from sensors.synthetic.lidar_spec import LidarSpec
    from sensors.synthetic.moment import Ground, Material

# Shares of near-infrared light (about 900 nm) that surfaces reflect. Assumed, in the order of what
# spectral libraries have for them.
_GROUND: dict[Material, float] = {
    "asphalt": 0.17,
    "marking": 0.7,
    "kerb": 0.35,
    "pavement": 0.3,
    "gravel": 0.25,
    "grass": 0.5,
}
_ROOF = 0.3
_GLASS = 0.04
_PLATE = 0.8  # number plates and lamps at a vehicle's ends
_RETRO = 5.0  # a sign's sheeting, whatever the angle
_WET = 0.5  # a wet road mirrors away about half; assumed
_WET_COVER = 0.6  # share of the light that drops on the sensor's cover let through; assumed
_REFERENCE = 0.1  # what `LidarSpec.half_range_m` is told for
_SHARPNESS = 2.0  # how suddenly detection ends with falling power; assumed
_SPECKLE = 0.05  # standard deviation of an intensity, as a share of it; assumed
_CLUTTER = 0.0012  # share of rays that a drop answers, at 1 mm/h; assumed
_CLUTTER_M = 4.0  # mean way to such a drop
_DROP_INTENSITY = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """The random numbers of one sweep, one a ray; shape (columns * rings,).

    Attributes:
        depths: Exponential, mean 1: how far a ray gets into leaves.
        losses: Uniform in [0, 1): whether it is answered.
        errors: Normal: of its range.
        speckles: Normal: of its intensity.
        drops: Uniform in [0, 1): whether a rain drop answers it.
        drop_ways: Exponential, mean 1: how far away that drop is.
    """

    depths: NDArray[np.float64]
    losses: NDArray[np.float64]
    errors: NDArray[np.float64]
    speckles: NDArray[np.float64]
    drops: NDArray[np.float64]
    drop_ways: NDArray[np.float64]


def draws_of(seed: int, stream: str, sweep: int, count: int) -> Draws:
    """Draw the numbers of a sweep: they depend on the arguments only."""
    source = generator(seed, f"lidar {stream}", sweep)
    return Draws(
        depths=source.standard_exponential(count),
        losses=source.random(count),
        errors=source.standard_normal(count),
        speckles=source.standard_normal(count),
        drops=source.random(count),
        drop_ways=source.standard_exponential(count),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Returns:
    """What each ray measures; shape (columns * rings,).

    Attributes:
        ranges_m: Measured range; infinity where nothing was measured.
        intensities: From 0 to 1, corrected for range.
        owners: Row of the mover that was hit, -1 for all else.
    """

    ranges_m: NDArray[np.float64]
    intensities: NDArray[np.float64]
    owners: NDArray[np.int32]


def measure(
    spec: LidarSpec,
    hits: Hits,
    bodies: Bodies,
    landings: list[Landings],
    ground: Ground,
    draws: Draws,
) -> Returns:
    """Say what is measured of what the rays meet.

    The power that comes back falls with the square of the range, with the angle as Lambert's law
    has it, and in R mm of rain an hour by 1.076 R^0.67 dB a kilometre each way (Carbonneau's fit in
    Recommendation ITU-R P.1814, for optical links).

    Args:
        spec: The sensor.
        hits: Which body each ray hits.
        bodies: The bodies.
        landings: Where rays meet the ground and, second, a roof.
        ground: The surface.
        draws: The sweep's random numbers.
    """
    ranges, normals = hits.ranges_m.copy(), hits.normals.copy()
    reflects, retro = _bodies_reflect(hits, bodies)
    owners = (
        np.where(hits.bodies >= 0, bodies.owners[hits.bodies], -1) if len(bodies) else hits.bodies
    )
    owners = owners.astype(np.int32)
    for number, landing in enumerate(landings):
        nearer = (landing.ranges_m < ranges[landing.rays]) & (landing.ranges_m > 0.0)
        rays = landing.rays[nearer]
        ranges[rays], normals[rays] = landing.ranges_m[nearer], landing.normals[nearer]
        owners[rays], retro[rays] = -1, False
        reflects[rays] = (
            _ROOF if number else _ground_reflects(ground, landing.places_m[nearer], spec.rain_mm_h)
        )
    with np.errstate(over="ignore", invalid="ignore"):
        faded = np.exp(-_fading_per_m(spec.rain_mm_h) * ranges)
        faded[np.isinf(ranges)] = 0.0
        if spec.rain_mm_h:
            faded *= _WET_COVER
        bright = np.where(retro, _RETRO, reflects * normals) * faded
        power = bright / _REFERENCE * np.square(spec.half_range_m / ranges)
        sure = np.power(power, _SHARPNESS)
        answered = draws.losses < (1.0 - spec.dropout) * (sure / (1.0 + sure))
    answered &= (ranges >= spec.least_range_m) & (ranges <= spec.range_m)
    ranges = np.where(answered, ranges + spec.noise_m * draws.errors, np.inf)
    intensities = np.clip(bright * (1.0 + _SPECKLE * draws.speckles), 0.0, 1.0)
    if spec.rain_mm_h:
        way = spec.least_range_m + _CLUTTER_M * draws.drop_ways
        wet = (draws.drops < _CLUTTER * spec.rain_mm_h**0.6) & (
            way < np.minimum(ranges, spec.range_m)
        )
        ranges[wet], intensities[wet], owners[wet] = way[wet], _DROP_INTENSITY, -1
    owners[np.isinf(ranges)] = -1
    return Returns(ranges_m=ranges, intensities=intensities, owners=owners)


def _fading_per_m(rain_mm_h: float) -> float:
    """Exponent by which rain dims what comes back from a metre farther away."""
    both_ways_db_per_m = 2.0 * 1.076e-3 * rain_mm_h**0.67
    return float(both_ways_db_per_m * log(10.0) / 10.0)


def _bodies_reflect(hits: Hits, bodies: Bodies) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Reflectance of what each ray hits, and whether it throws the ray back."""
    if not len(bodies):
        return np.zeros(len(hits.bodies)), np.zeros(len(hits.bodies), np.bool_)
    reflects = bodies.reflects[hits.bodies]
    surfaces = bodies.surfaces[hits.bodies]
    painted = (surfaces == SURFACES.index("paint")) & (hits.sides == 0)
    glazed = (surfaces == SURFACES.index("glazed")) & (hits.sides != 2)  # noqa: PLR2004 - its top
    reflects = np.where(painted, np.maximum(reflects, _PLATE * 0.5), reflects)
    reflects = np.where(glazed, _GLASS, reflects)
    return reflects, (surfaces == SURFACES.index("retro")) & (hits.bodies >= 0)


def _ground_reflects(
    ground: Ground, places_m: NDArray[np.float64], rain_mm_h: float
) -> NDArray[np.float64]:
    table = np.array([_GROUND[name] for name in MATERIALS])
    if rain_mm_h:
        table *= _WET
    return table[ground.materials(places_m[:, 0], places_m[:, 1])]
