"""What hardly changes from frame to frame: sky, distant hills, the grain of the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.camera import Air
from sensors.synthetic.draws import uniforms
from sensors.synthetic.view import VIEWS, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.camera import Pinhole
    from sensors.synthetic.world import Paint

_TEXTURE_PX = 512  # side of the ground's texture, a power of two; it repeats
_TEXTURE_PX_PER_M = 24.0
_PANORAMA_VIEWS = 2  # how many pictures wide the sky is


@dataclass(frozen=True, slots=True, kw_only=True)
class Daylight:
    """Colours of one time of day.

    Attributes:
        zenith: Sky overhead.
        horizon: Sky at the horizon.
        grass: Ground beside the road.
        cloud: Lit side of clouds.
        clouds: Share of the sky they take, from 0 to 1.
        sight_m: See `Air.sight_m`.
        light: See `Air.light`.
        shadow: How much light shadows take, from 0 to 1.
    """

    zenith: Paint
    horizon: Paint
    grass: Paint
    cloud: Paint
    clouds: float
    sight_m: float
    light: float
    shadow: float

    def air(self) -> Air:
        """Return the haze that fits the sky."""
        return Air(paint=self.horizon, sight_m=self.sight_m, light=self.light)


_DAYLIGHTS = (
    Daylight(
        zenith=(198, 132, 72),
        horizon=(232, 214, 196),
        grass=(58, 118, 96),
        cloud=(250, 248, 246),
        clouds=0.35,
        sight_m=420.0,
        light=1.0,
        shadow=0.55,
    ),
    Daylight(
        zenith=(182, 170, 160),
        horizon=(214, 210, 206),
        grass=(62, 104, 90),
        cloud=(226, 224, 222),
        clouds=0.7,
        sight_m=260.0,
        light=0.88,
        shadow=0.3,
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
    ),
)


def daylight_of(seed: int) -> Daylight:
    """Return the time of day that a seed stands for."""
    return _DAYLIGHTS[int(uniforms(seed, "daylight", count=1)[0] * len(_DAYLIGHTS))]


class Backdrop:
    """Paints sky and bare ground; everything in it is drawn once from the seed."""

    def __init__(
        self, *, camera: Pinhole, daylight: Daylight, seed: int, view: View = VIEWS["front"]
    ) -> None:
        """Draw panorama and textures for one camera that looks in one direction."""
        self._camera, self._daylight = camera, daylight
        key = [seed & (2**64 - 1), 0xBAC + (view.number << 32)]
        noise = np.random.Generator(np.random.Philox(key=key))
        self._panorama = self._draw_panorama(noise)
        self._horizon = max(1, math.ceil(camera.horizon_v_px + 0.02 * camera.height))
        self._first_row = math.ceil(camera.horizon_v_px) + 2
        self._grain = _grain(noise)
        rows = np.arange(self._first_row, camera.height, dtype=np.float32)
        depth_m = camera.focal_px * camera.height_m / (rows - camera.horizon_v_px)
        columns = np.arange(camera.width, dtype=np.float32) - camera.centre_u_px
        aside_m = -np.outer(depth_m / camera.focal_px, columns)
        ahead_m = np.repeat(depth_m[:, None], camera.width, axis=1)
        if not view.ahead:
            ahead_m, aside_m = (
                view.cosine * ahead_m - view.sine * aside_m,
                view.sine * ahead_m + view.cosine * aside_m,
            )
        self._grain_x = (aside_m * _TEXTURE_PX_PER_M).astype(np.float32)
        self._grain_y = (ahead_m * _TEXTURE_PX_PER_M).astype(np.float32)
        # Far away one pixel spans many texture pixels, whose mean is nothing.
        fade = np.clip(14.0 / depth_m, 0.05, 1.0).astype(np.float32)
        self._fade = np.repeat(fade[:, None], camera.width, axis=1)

    def sky(self, image: NDArray[np.uint8], *, heading_rad: float) -> None:
        """Paint the sky and the hills on the horizon into the picture's upper part, in place."""
        width = self._camera.width
        spare = self._panorama.shape[1] - width
        shift = spare / 2 - heading_rad * self._camera.focal_px
        shift = min(max(shift, 0.0), spare - 1.0)
        left = math.floor(shift)
        share = shift - left
        here = self._panorama[: self._horizon, left : left + width]
        beside = self._panorama[: self._horizon, left + 1 : left + 1 + width]
        image[: self._horizon] = cv2.addWeighted(here, 1.0 - share, beside, share, 0.0)

    def grain(self, *, along_m: float, aside_m: float) -> NDArray[np.float32]:
        """Return the ground's grain as it lies under the own vehicle at a place.

        Args:
            along_m: Distance driven.
            aside_m: How far left of the lane's middle the own vehicle is.

        Returns:
            Shape (rows below the horizon, width), mean 0, spread 1 near by and less far away.
        """
        offset = math.fmod(along_m * _TEXTURE_PX_PER_M, _TEXTURE_PX)
        grain = cv2.remap(
            self._grain,
            self._grain_x + np.float32(aside_m * _TEXTURE_PX_PER_M),
            self._grain_y + np.float32(offset),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        return cv2.multiply(grain, self._fade).astype(np.float32, copy=False)

    def roughen(
        self, image: NDArray[np.uint8], grain: NDArray[np.float32], *, strength: float
    ) -> None:
        """Add grain below the horizon, in place.

        Args:
            image: The picture, shape (height, width, 3), uint8.
            grain: From `grain`.
            strength: Spread of the change near by, in levels of 255.
        """
        change = grain * np.float32(strength)
        lighter = np.maximum(change, 0).astype(np.uint8)
        darker = np.maximum(-change, 0).astype(np.uint8)
        ground = image[self._first_row :]
        cv2.add(ground, cv2.merge([lighter] * 3), dst=ground)
        cv2.subtract(ground, cv2.merge([darker] * 3), dst=ground)

    def _draw_panorama(self, noise: np.random.Generator) -> NDArray[np.uint8]:
        """Return the sky with hills, shape (rows to below the horizon, views * width + 1, 3)."""
        camera, light = self._camera, self._daylight
        rows = math.ceil(camera.horizon_v_px + 0.03 * camera.height) + 1
        columns = _PANORAMA_VIEWS * camera.width + 1
        climb = np.clip(np.arange(rows)[:, None] / camera.horizon_v_px, 0.0, 1.0) ** 1.4
        sky = (1 - climb) * np.array(light.zenith) + climb * np.array(light.horizon)
        picture: NDArray[np.float64] = np.repeat(sky[:, None, :], columns, axis=1)
        cover = _clouds(noise, rows, columns, light.clouds)[..., None]
        thinned = cover * (1.0 - 0.6 * climb[:, :, None])
        picture += (np.array(light.cloud) - picture) * thinned
        for far, (tall, tint) in enumerate(((0.062, 0.28), (0.036, 0.5))):
            ridge = _ridge(noise, columns) * tall * camera.height
            top = camera.horizon_v_px - ridge[None, :]
            inside = np.clip(np.arange(rows)[:, None] - top, 0.0, 1.0)[..., None]
            forest = np.array(light.grass) * (0.72 - 0.1 * far)
            colour = tint * forest + (1 - tint) * np.array(light.horizon)
            picture += (colour - picture) * inside
        panorama: NDArray[np.uint8] = np.clip(picture, 0, 255).astype(np.uint8)
        return panorama


def _clouds(
    noise: np.random.Generator, rows: int, columns: int, share: float
) -> NDArray[np.float32]:
    """Return how much cloud covers each pixel, shape (rows, columns), 0 to 1, wider than tall."""
    field: NDArray[np.float32] = np.zeros((rows, columns), np.float32)
    for octave, weight in ((1, 1.0), (2, 0.55), (4, 0.3), (8, 0.16), (16, 0.08)):
        coarse = noise.random((5 * octave + 2, 7 * octave + 2), dtype=np.float32)
        smooth = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
        field += np.float32(weight) * smooth.astype(np.float32)
    low, high = float(field.min()), float(field.max())
    level = (field.astype(np.float64) - low) / (high - low + 1e-6)
    bound = float(np.quantile(level, 1.0 - share))
    cover: NDArray[np.float32] = np.clip((level - bound) * 3.2, 0.0, 0.85).astype(np.float32)
    return cover


def _ridge(noise: np.random.Generator, columns: int) -> NDArray[np.float64]:
    """Return the height of a line of hills per column, about 0.3 to 1."""
    at = np.linspace(0.0, 1.0, columns)
    line = np.zeros(columns)
    for waves, weight in ((3, 1.0), (7, 0.5), (17, 0.22), (41, 0.09), (97, 0.04), (211, 0.025)):
        phase = noise.random() * math.tau
        line += weight * np.sin(math.tau * waves * at * (0.9 + 0.2 * noise.random()) + phase)
    return 0.65 + 0.2 * line


def _grain(noise: np.random.Generator) -> NDArray[np.float32]:
    """Return the ground's texture, shape (side, side), mean 0, spread 1, repeating seamlessly."""
    field = np.zeros((_TEXTURE_PX, _TEXTURE_PX), np.float32)
    for size, weight in ((3, 1.0), (9, 1.0), (41, 1.2)):
        white = noise.standard_normal((_TEXTURE_PX, _TEXTURE_PX), dtype=np.float32)
        wide = np.pad(white, size, mode="wrap")
        soft = cv2.GaussianBlur(wide, (2 * size + 1, 2 * size + 1), size / 3)
        soft = soft[size:-size, size:-size]
        field += weight * soft / (soft.std() + 1e-6)
    grain: NDArray[np.float32] = (field / field.std()).astype(np.float32)
    return grain
