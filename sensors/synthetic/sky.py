"""The sky and the hills on the horizon: drawn once from the seed, all round."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.calibration import Intrinsics
    from sensors.synthetic.daylight import Daylight
    from sensors.synthetic.view import Lens

_PX_PER_RAD = 420.0  # finer than clouds and hills are
_TOP, _BOTTOM = 0.62, -0.1  # slopes against the horizon that are painted
_PAD = 8  # columns repeated at the seam, for interpolation


class Sky:
    """A panorama on a cylinder, and its way into one camera's picture."""

    def __init__(self, *, camera: Intrinsics, daylight: Daylight, seed: int) -> None:
        """Draw the panorama and prepare the picture's coordinates on it."""
        self._panorama = _panorama(seed, daylight)
        self._camera = camera
        u = (np.arange(camera.width) - camera.centre_x_px) / camera.focal_x_px
        v = (camera.centre_y_px - np.arange(camera.height)) / camera.focal_y_px
        self._turn = np.arctan(u)
        stretch = np.cos(self._turn)
        self._slope = np.outer(v, stretch).astype(np.float32)

    def paint(self, image: NDArray[np.uint8], lens: Lens, *, rows: int) -> None:
        """Paint the upper rows of a picture, in place."""
        rows = min(rows, self._camera.height)
        if rows <= 0:
            return
        # Positive is nose up: what looks level lies lower in the picture.
        pitch = math.asin(max(-1.0, min(1.0, float(lens.turn[2, 2]))))
        width = self._panorama.shape[1] - 2 * _PAD
        columns = np.mod((self._turn - lens.yaw_rad) * _PX_PER_RAD, width) + _PAD
        across = np.repeat(columns.astype(np.float32)[None], rows, axis=0)
        up = (self._slope[:rows] + np.float32(math.tan(pitch))) * np.float32(-_PX_PER_RAD)
        up += np.float32(_TOP * _PX_PER_RAD)
        image[:rows] = cv2.remap(
            self._panorama, across, up, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


@lru_cache(maxsize=2)
def _panorama(seed: int, light: Daylight) -> NDArray[np.uint8]:
    """Return the sky with hills, shape (rows, columns of the whole round with margins, 3)."""
    noise = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), 0xBAC]))
    rows = round((_TOP - _BOTTOM) * _PX_PER_RAD)
    columns = round(math.tau * _PX_PER_RAD)
    slope = _TOP - np.arange(rows)[:, None] / _PX_PER_RAD
    low = np.clip(1.0 - slope / 0.5, 0.0, 1.0) ** 1.4
    sky = (1 - low) * np.array(light.zenith) + low * np.array(light.horizon)
    picture: NDArray[np.float64] = np.repeat(sky[:, None, :], columns, axis=1)
    cover = _clouds(noise, rows, columns, light.clouds)[..., None]
    picture += (np.array(light.cloud) - picture) * (cover * (1.0 - 0.6 * low[:, :, None]))
    dim = min(1.0, light.light)
    for far, (tall, tint) in enumerate(((0.062, 0.28), (0.034, 0.5))):
        ridge = _ridge(noise, columns) * tall
        inside = np.clip((ridge[None, :] - slope) * _PX_PER_RAD, 0.0, 1.0)[..., None]
        forest = np.array(light.grass) * (0.72 - 0.1 * far) * dim
        colour = tint * forest + (1 - tint) * np.array(light.horizon)
        picture += (colour - picture) * inside
    whole = np.clip(picture, 0, 255).astype(np.uint8)
    return np.concatenate([whole[:, -_PAD:], whole, whole[:, :_PAD]], axis=1)


def _clouds(
    noise: np.random.Generator, rows: int, columns: int, share: float
) -> NDArray[np.float32]:
    """Return how much cloud covers each pixel, 0 to 1; the two ends fit together."""
    field: NDArray[np.float32] = np.zeros((rows, columns), np.float32)
    for octave, weight in ((1, 1.0), (2, 0.55), (4, 0.3), (8, 0.16), (16, 0.08)):
        coarse = noise.random((4 * octave + 2, 14 * octave), dtype=np.float32)
        round_again = np.concatenate([coarse, coarse, coarse], axis=1)
        smooth = cv2.resize(round_again, (3 * columns, rows), interpolation=cv2.INTER_CUBIC)
        field += np.float32(weight) * smooth[:, columns : 2 * columns].astype(np.float32)
    low, high = float(field.min()), float(field.max())
    level = (field.astype(np.float64) - low) / (high - low + 1e-6)
    bound = float(np.quantile(level, 1.0 - share))
    cover: NDArray[np.float32] = np.clip((level - bound) * 3.2, 0.0, 0.85).astype(np.float32)
    return cover


def _ridge(noise: np.random.Generator, columns: int) -> NDArray[np.float64]:
    """Return the height of a line of hills per column, about 0.3 to 1; the ends fit together."""
    at = np.linspace(0.0, 1.0, columns, endpoint=False)
    line = np.zeros(columns)
    for waves, weight in ((9, 1.0), (23, 0.5), (61, 0.22), (157, 0.09), (331, 0.05), (701, 0.03)):
        line += weight * np.sin(math.tau * (waves * at + noise.random()))
    return 0.65 + 0.2 * line
