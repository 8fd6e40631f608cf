"""Colours and light of one drive: time of day, weather, sun and haze."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Paint
    from sensors.synthetic.parameters import SceneParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What distance and light do to colours.

    Attributes:
        paint: Colour of the haze.
        sight_m: Distance at which 63 % of a colour is haze, metres.
        light: Brightness of things, 1 at noon.
    """

    paint: Paint
    sight_m: float
    light: float

    def haze(self, depth_m: float) -> float:
        """Return the share of a colour that is haze at a distance."""
        return 1.0 - math.exp(-max(depth_m, 0.0) / self.sight_m)

    def seen(self, paint: Paint, depth_m: float, shade: float = 1.0) -> Paint:
        """Return a colour as it looks from `depth_m` away, after shading by a factor."""
        haze = self.haze(depth_m)
        lit = shade * self.light * (1.0 - haze)
        fog = self.paint
        return (
            min(255.0, paint[0] * lit + fog[0] * haze),
            min(255.0, paint[1] * lit + fog[1] * haze),
            min(255.0, paint[2] * lit + fog[2] * haze),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Daylight:
    """The light of one drive.

    Attributes:
        zenith: Sky overhead.
        horizon: Sky at the horizon.
        grass: Ground beside the road.
        cloud: Lit side of clouds.
        clouds: Share of the sky they take, from 0 to 1.
        sight_m: See `Air.sight_m`.
        light: See `Air.light`.
        shadow: How much light cast shadows take, from 0 to 1.
        ambient: Brightness of what the sun does not reach.
        direct: What the sun adds to it where it falls square.
        sun: Direction to the sun, world, length 1.
        lamps: Whether lamps, headlights and windows are lit.
        rain: Whether it rains.
        exposure_s: How long the cameras expose.
        noise: Spread of the sensors' noise, of 255.
    """

    zenith: Paint
    horizon: Paint
    grass: Paint
    cloud: Paint
    clouds: float
    sight_m: float
    light: float
    shadow: float
    ambient: float
    direct: float
    sun: tuple[float, float, float]
    lamps: bool = False
    rain: bool = False
    exposure_s: float = 0.004
    noise: float = 2.2

    def air(self) -> Air:
        """Return the haze that fits the sky."""
        return Air(paint=self.horizon, sight_m=self.sight_m, light=self.light)

    def shades(self, normals: NDArray[np.float64], sun: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the brightness of surfaces.

        Args:
            normals: Outward, shape (n, 3), in axes whose z is up.
            sun: Direction to the sun in the same axes.
        """
        shades = np.maximum(normals @ sun, 0.0)
        shades *= self.direct
        shades += self.ambient
        shades += 0.08 * normals[:, 2]
        return shades


_UP = (0.0, 0.0, 1.0)
_NOON = Daylight(
    zenith=(198, 132, 72),
    horizon=(232, 214, 196),
    grass=(58, 118, 96),
    cloud=(250, 248, 246),
    clouds=0.35,
    sight_m=420.0,
    light=1.0,
    shadow=0.55,
    ambient=0.62,
    direct=0.5,
    sun=_UP,
)
_DAYLIGHTS = (
    _NOON,
    Daylight(
        zenith=(182, 170, 160),
        horizon=(214, 210, 206),
        grass=(62, 104, 90),
        cloud=(226, 224, 222),
        clouds=0.7,
        sight_m=260.0,
        light=0.88,
        shadow=0.25,
        ambient=0.85,
        direct=0.16,
        sun=_UP,
        exposure_s=0.006,
    ),
    Daylight(
        zenith=(172, 122, 92),
        horizon=(168, 198, 238),
        grass=(48, 108, 112),
        cloud=(206, 220, 250),
        clouds=0.45,
        sight_m=330.0,
        light=0.92,
        shadow=0.5,
        ambient=0.58,
        direct=0.5,
        sun=_UP,
    ),
)


def daylight_of(parameters: SceneParameters, *, seed: int) -> Daylight:
    """Return the light of a drive: one of several by the seed, changed by weather and hour."""
    choice, turn, climb = uniforms(seed, "daylight", count=3)
    day = _DAYLIGHTS[int(choice * len(_DAYLIGHTS))]
    azimuth = math.tau * turn
    elevation = math.radians(24.0 + 34.0 * climb)
    sun = (
        math.cos(elevation) * math.cos(azimuth),
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
    )
    day = replace(day, sun=sun)
    if parameters.weather == "rain":
        day = replace(
            day,
            zenith=(150, 142, 136),
            horizon=(178, 174, 170),
            cloud=(188, 186, 184),
            clouds=0.95,
            sight_m=150.0,
            light=0.72,
            shadow=0.12,
            ambient=0.9,
            direct=0.05,
            lamps=True,
            rain=True,
            exposure_s=0.009,
            noise=3.0,
        )
    if parameters.light == "dusk":
        dark = 0.8 if day.rain else 1.0
        day = replace(
            day,
            zenith=(82 * dark, 50 * dark, 38 * dark),
            horizon=(96 * dark, 92 * dark, 112 * dark),
            cloud=(92 * dark, 78 * dark, 92 * dark),
            sight_m=min(day.sight_m, 240.0),
            light=0.36 * dark,
            shadow=0.1,
            ambient=0.92,
            direct=0.04,
            lamps=True,
            exposure_s=0.014,
            noise=5.0,
        )
    return day
