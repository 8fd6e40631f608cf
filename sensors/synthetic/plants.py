"""Trees and bushes: drawn once from the seed, then put in at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.canvas import SOLID_ID

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.daylight import Air

_SIDE_PX = 256
_LEAST_PX = 2.0
_LOOKS = 4  # sprites of each sort


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """A cut-out picture at several sizes.

    Attributes:
        levels: Each half as large as the one before; shape (side, side, 4), uint8: blue, green and
            red times opacity, then opacity.
    """

    levels: tuple[NDArray[np.uint8], ...]


@lru_cache(maxsize=2)
def draw_sprites(*, seed: int, leaf: Paint) -> dict[str, tuple[Sprite, ...]]:
    """Return the sprites by kind, "tree" and "bush".

    Args:
        seed: Seed of the drive.
        leaf: Mean colour of leaves.
    """
    noise = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), 0x1EAF]))
    trees = [_broad_tree(noise, leaf) for _ in range(_LOOKS)] + [_fir(noise, leaf)]
    bushes = [_bush(noise, leaf) for _ in range(_LOOKS)]
    return {"tree": tuple(trees), "bush": tuple(bushes)}


def put(
    canvas: Canvas,
    sprite: Sprite,
    foot: NDArray[np.float64],
    height_m: float,
    *,
    light: float,
    air: Air,
) -> None:
    """Paint a sprite that stands on `foot` and faces the camera.

    Args:
        canvas: Where to.
        sprite: What.
        foot: Middle of its lower edge, world, shape (3,), metres.
        height_m: Height of the picture, as wide as tall.
        light: Brightness, 1 as drawn.
        air: Haze and light there.
    """
    seen = canvas.lens.to_camera(foot[None])[0]
    if seen[2] < 1.5:  # noqa: PLR2004 - metres; nearer ones are out of view
        return
    camera = canvas.lens.camera
    scale_px = camera.focal_x_px / float(seen[2])
    size_px = scale_px * height_m
    u = camera.centre_x_px + scale_px * float(seen[0])
    v = camera.centre_y_px + scale_px * float(seen[1])
    left, top = u - size_px / 2, v - size_px
    first_column, first_row = max(0, math.floor(left)), max(0, math.floor(top))
    last_column = min(camera.width, math.ceil(left + size_px) + 1)
    last_row = min(camera.height, math.ceil(v) + 1)
    if size_px < _LEAST_PX or first_column >= last_column or first_row >= last_row:
        return
    level = min(max(0, math.floor(math.log2(_SIDE_PX / size_px))), len(sprite.levels) - 1)
    picture = sprite.levels[level]
    scale = picture.shape[0] / size_px
    place = np.array(
        [
            [scale, 0.0, (first_column - left) * scale],
            [0.0, scale, (first_row - top) * scale],
        ]
    )
    extent = (last_column - first_column, last_row - first_row)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut_out = cv2.warpAffine(picture, place, extent, flags=flags)
    rows, columns = slice(first_row, last_row), slice(first_column, last_column)
    if canvas.owners is not None:
        canvas.owners[rows, columns][cut_out[..., 3] > 127] = SOLID_ID  # noqa: PLR2004 - half
    if canvas.image is None:
        return
    haze = air.haze(float(seen[2]))
    lit = (1.0 - haze) * air.light * light
    mix = np.zeros((3, 4), np.float32)
    for channel, fog in enumerate(air.paint):
        mix[channel, channel], mix[channel, 3] = lit, haze * fog / 255
    region = canvas.image[rows, columns]
    see_through = cv2.cvtColor(255 - cut_out[..., 3], cv2.COLOR_GRAY2BGR)
    behind = cv2.multiply(region, see_through, scale=1 / 255)
    cv2.add(behind, cv2.transform(cut_out, mix), dst=region)


def _broad_tree(noise: np.random.Generator, leaf: Paint) -> Sprite:
    canvas = np.zeros((_SIDE_PX, _SIDE_PX, 4), np.uint8)
    middle = _SIDE_PX // 2
    bark = (48, 62, 78, 255)
    trunk = [(middle - 9, _SIDE_PX), (middle + 9, _SIDE_PX), (middle + 5, 130), (middle - 5, 130)]
    cv2.fillPoly(canvas, [np.array(trunk, np.int32)], bark, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.line(canvas, (middle, 175), (middle + side * 40, 120), bark, 5, cv2.LINE_AA)
    wide, tall = 62 + 22 * noise.random(), 62 + 18 * noise.random()
    for _ in range(260):
        turn, out = noise.random() * math.tau, math.sqrt(noise.random())
        x = middle + wide * out * math.cos(turn)
        y = 96 + tall * out * math.sin(turn)
        _leaves(canvas, noise, leaf, (x, y), light=0.5 - (y - 96) / (2 * tall) - (x - middle) / 500)
    return _sprite(canvas)


def _bush(noise: np.random.Generator, leaf: Paint) -> Sprite:
    canvas = np.zeros((_SIDE_PX, _SIDE_PX, 4), np.uint8)
    for _ in range(240):
        turn, out = math.pi * noise.random(), math.sqrt(noise.random())
        x = _SIDE_PX / 2 + 104 * out * math.cos(turn)
        y = _SIDE_PX - 14 - 150 * out * math.sin(turn) * (0.75 + 0.25 * noise.random())
        _leaves(canvas, noise, leaf, (x, y), light=(_SIDE_PX - y) / 190)
    return _sprite(canvas)


def _fir(noise: np.random.Generator, leaf: Paint) -> Sprite:
    canvas = np.zeros((_SIDE_PX, _SIDE_PX, 4), np.uint8)
    middle = _SIDE_PX // 2
    cv2.rectangle(canvas, (middle - 6, 200), (middle + 6, _SIDE_PX), (40, 52, 66, 255), -1)
    dark = (leaf[0] * 0.8, leaf[1] * 0.78, leaf[2] * 0.6)
    for row in range(300):
        down = row / 300
        y = 14 + 208 * down
        x = middle + (noise.random() - 0.5) * 2 * (6 + 66 * down) * (
            0.65 + 0.35 * ((row % 50) / 50)
        )
        _leaves(canvas, noise, dark, (x, y), light=0.55 - (x - middle) / 220, size=5 + 5 * down)
    return _sprite(canvas)


def _leaves(
    canvas: NDArray[np.uint8],
    noise: np.random.Generator,
    leaf: Paint,
    at: tuple[float, float],
    *,
    light: float,
    size: float = 12.0,
) -> None:
    shade = 0.5 + 0.62 * min(max(light, 0.0), 1.0) + 0.22 * (noise.random() - 0.5)
    tint = 1.0 + 0.16 * (noise.random() - 0.5)
    colour = (leaf[0] * shade, leaf[1] * shade, leaf[2] * shade * tint, 255.0)
    radius = round(size * (0.5 + 0.6 * noise.random()))
    cv2.circle(canvas, (round(at[0]), round(at[1])), radius, colour, -1, cv2.LINE_AA)


def _sprite(canvas: NDArray[np.uint8]) -> Sprite:
    opacity = canvas[..., 3:].astype(np.float32) / 255
    canvas[..., :3] = np.rint(canvas[..., :3] * opacity)
    levels = []
    while canvas.shape[0] >= 4:  # noqa: PLR2004 - pixels of the smallest
        levels.append(canvas)
        half = (canvas.shape[1] // 2, canvas.shape[0] // 2)
        canvas = cv2.resize(canvas, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return Sprite(levels=tuple(levels))
