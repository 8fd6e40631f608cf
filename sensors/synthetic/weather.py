"""What the camera and the weather do to a picture: light, bloom, rain, blur and noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.draws import uniforms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Glow

_MARGIN_PX = 64  # how far noise and rain may be shifted, each way
_POINT_PX = 3.5
_BLOOM = 4  # the bloom is painted so many times smaller
_NS_PER_S = 1_000_000_000
_DROP_NS = 900_000_000  # so long a drop stays where it is


class Sensor:
    """Noise and rain of one camera, drawn once from the seed and shifted frame by frame."""

    def __init__(
        self, *, seed: int, camera: str, width: int, height: int, noise: float, rain: bool
    ) -> None:
        """Draw them for a picture size.

        Args:
            seed: Seed of the drive.
            camera: Name of the camera, which keys them.
            width: Pixels across.
            height: Pixels down.
            noise: Spread of the noise, of 255.
            rain: Whether there is rain.
        """
        self._seed, self._camera, self._rain = seed, camera, rain
        source = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), 0x5E5]))
        shape = (height + _MARGIN_PX, width + _MARGIN_PX, 3)
        levels = np.rint(source.standard_normal(shape, dtype=np.float32) * noise)
        self._lighter = np.maximum(levels, 0).astype(np.uint8)
        self._darker = np.maximum(-levels, 0).astype(np.uint8)
        self._streaks = _streaks(source, shape[0], shape[1]) if rain else None

    def expose(self, image: NDArray[np.uint8], *, frame: int, at_ns: int) -> NDArray[np.uint8]:
        """Return the picture with rain and noise of a frame."""
        purpose = f"noise {self._camera}"
        draws = uniforms(self._seed, purpose, frame, count=4)
        if self._streaks is not None:
            streaks = self._window(self._streaks, image, draws[2:])
            image = cv2.addWeighted(image, 1.0, streaks, 0.55, 0.0).astype(np.uint8, copy=False)
            self._drops(image, at_ns)
        cv2.add(image, self._window(self._lighter, image, draws), dst=image)
        cv2.subtract(image, self._window(self._darker, image, draws), dst=image)
        return image

    def _window(
        self, whole: NDArray[np.uint8], image: NDArray[np.uint8], draws: tuple[float, ...]
    ) -> NDArray[np.uint8]:
        left, top = int(draws[0] * _MARGIN_PX), int(draws[1] * _MARGIN_PX)
        return whole[top : top + image.shape[0], left : left + image.shape[1]]

    def _drops(self, image: NDArray[np.uint8], at_ns: int) -> None:
        """Blur what lies behind drops on the lens, in place."""
        height, width = image.shape[:2]
        for number in range(7):
            since = at_ns + number * _DROP_NS // 7
            x, y, size = uniforms(
                self._seed, f"drop {self._camera}", number, since // _DROP_NS, count=3
            )
            radius = round((0.008 + 0.016 * size) * width)
            left, top = int(x * (width - 2 * radius)), int(y * (height - 2 * radius))
            if radius < 3 or top < 0:  # noqa: PLR2004 - pixels
                continue
            patch = image[top : top + 2 * radius, left : left + 2 * radius]
            turned = cv2.GaussianBlur(patch[::-1], (0, 0), radius / 3)
            mask = np.zeros(patch.shape[:2], np.uint8)
            cv2.circle(mask, (radius, radius), radius - 1, 170, -1, cv2.LINE_AA)
            share = (mask / np.float32(255.0))[..., None]
            patch[:] = np.rint(patch * (1.0 - share) + turned * share).astype(np.uint8)


def bloom(
    image: NDArray[np.uint8],
    glows: list[Glow],
    *,
    strength: float,
    wet: bool,
) -> None:
    """Let lights shine over their surroundings, in place.

    Args:
        image: The picture.
        glows: The lights.
        strength: Brightness of the halo, about 1 in the dark.
        wet: Whether the road throws the light back.
    """
    if not glows:
        return
    height, width = image.shape[:2]
    small = np.zeros((-(-height // _BLOOM), -(-width // _BLOOM), 3), np.uint8)
    for u, v, radius, paint, _ in glows:
        at = (round(u / _BLOOM * 16), round(v / _BLOOM * 16))
        size = max(6, round(1.4 * radius / _BLOOM * 16))
        colour = tuple(min(255.0, strength * channel) for channel in paint)
        cv2.circle(small, at, size, colour, -1, cv2.LINE_AA, 4)
        if wet:
            low = (at[0], at[1] + round((0.08 * height + 10 * radius) / _BLOOM * 16))
            faint = tuple(0.35 * channel for channel in colour)
            cv2.line(small, at, low, faint, max(1, round(radius / _BLOOM)), cv2.LINE_AA, 4)
    halo = cv2.GaussianBlur(small, (0, 0), 2.2)
    whole = cv2.resize(halo, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.add(image, whole.astype(np.uint8, copy=False), dst=image)
    for u, v, radius, paint, _ in glows:
        # Near lamps are drawn as they are; only far ones are points.
        if radius < _POINT_PX and -20 < u < width + 20 and -20 < v < height + 20:  # noqa: PLR2004
            at = (round(u * 16), round(v * 16))
            size = max(10, round(0.8 * radius * 16))
            core = tuple(0.35 * channel + 160.0 for channel in paint)
            cv2.circle(image, at, size, core, -1, cv2.LINE_AA, 4)


def _streaks(source: np.random.Generator, rows: int, columns: int) -> NDArray[np.uint8]:
    """Return falling rain as bright strokes on black, shape (rows, columns, 3)."""
    picture = np.zeros((rows, columns, 3), np.uint8)
    for _ in range(rows * columns // 900):
        x, y, size, light = source.random(4)
        long = rows * (0.015 + 0.05 * size)
        start = (round(x * columns * 16), round(y * rows * 16))
        end = (round((x * columns + 0.12 * long) * 16), round((y * rows + long) * 16))
        level = 30.0 + 80.0 * light
        thick = 1 if size < 0.93 else 2  # noqa: PLR2004 - few are near
        cv2.line(picture, start, end, (level, level, level), thick, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(picture, (3, 3), 0.6).astype(np.uint8, copy=False)


def spread(image: NDArray[np.uint8], *, along_px: float) -> NDArray[np.uint8]:
    """Return the picture blurred sideways by the own motion."""
    width = math.floor(along_px)
    if width < 2:  # noqa: PLR2004 - pixels
        return image
    return cv2.blur(image, (min(width, 31), 1)).astype(np.uint8, copy=False)
