"""The road from above, painted once: colours and paint by place, at several finenesses."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Paint
    from sensors.synthetic.daylight import Daylight
    from sensors.synthetic.layout import Layout
    from sensors.synthetic.moment import Material

TEXTURE_M = 72.0
"""After so much road the texture repeats; every marking's cycle divides it."""

TEXEL_S_M, TEXEL_D_M = TEXTURE_M / 768, 0.05  # rows can be halved at every level
LEVELS_S, LEVELS_D = 6, 4
"""Each level is half as fine as the one before it."""

FINE_M = 25.0
"""Distance from the centre line beyond which the texture is drawn together across the road."""

_COARSE, _FAR_M = 8.0, 230.0
_HALF_COLUMNS = round((FINE_M + (_FAR_M - FINE_M) / _COARSE) / TEXEL_D_M)
PAD = 16
"""Rows repeated at each end, for interpolation."""

_PAINTS: dict[Material, Paint] = {
    "asphalt": (108, 106, 104),
    "gravel": (118, 134, 142),
    "kerb": (168, 170, 170),
    "pavement": (142, 147, 152),
    "marking": (228, 230, 230),
    "grass": (0, 0, 0),
}
_YELLOW: Paint = (70, 190, 226)
_CYCLE_LANE: Paint = (84, 92, 128)


class RoadTexture:
    """Colours and how much is marking, by place.

    Attributes:
        colours: By fineness along and across; shape (rows + 2 margins, columns, 3), uint8: rows
            along the road, columns from left of it to right.
        marks: The same for how much is marking, from 0 to 255, without channels.
    """

    def __init__(self, *, layout: Layout, daylight: Daylight, seed: int) -> None:
        """Paint it."""
        noise = np.random.Generator(np.random.Philox(key=[seed & (2**64 - 1), 0x9A5]))
        base = _paint(layout, daylight, noise)
        self.colours: dict[tuple[int, int], NDArray[np.uint8]] = {}
        self.marks: dict[tuple[int, int], NDArray[np.uint8]] = {}
        for along in range(LEVELS_S):
            fine = base
            for across in range(LEVELS_D):
                whole = np.concatenate([fine[-PAD:], fine, fine[:PAD]])
                self.colours[along, across] = np.ascontiguousarray(whole[..., :3])
                self.marks[along, across] = np.ascontiguousarray(whole[..., 3])
                fine = _halved(fine, across=True)
            base = _halved(base, across=False)

    @staticmethod
    def columns(d_m: NDArray[np.float32], level: int) -> NDArray[np.float32]:
        """Return columns of places d metres left of the centre line."""
        scale = -1.0 / (TEXEL_D_M * 2**level)
        near = np.clip(d_m, -FINE_M, FINE_M)
        near *= np.float32(scale * (1.0 - 1.0 / _COARSE))
        near += d_m * np.float32(scale / _COARSE)
        near += np.float32(_HALF_COLUMNS / 2**level - 0.5)
        return near

    @staticmethod
    def rows(s_m: NDArray[np.float32], level: int) -> NDArray[np.float32]:
        """Return rows of places s metres along the road, any s."""
        turns = s_m * np.float32(1.0 / TEXTURE_M)
        turns -= np.floor(turns)
        turns *= np.float32(TEXTURE_M / (TEXEL_S_M * 2**level))
        turns += np.float32(PAD - 0.5)
        return turns


@lru_cache(maxsize=2)
def road_texture(layout: Layout, daylight: Daylight, seed: int) -> RoadTexture:
    """Return the texture of a drive, which all of its cameras share."""
    return RoadTexture(layout=layout, daylight=daylight, seed=seed)


def _halved(texture: NDArray[np.uint8], *, across: bool) -> NDArray[np.uint8]:
    rows, columns = texture.shape[:2]
    size = (columns // 2, rows) if across else (columns, rows // 2)
    return cv2.resize(texture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _paint(layout: Layout, daylight: Daylight, noise: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = round(TEXTURE_M / TEXEL_S_M), 2 * _HALF_COLUMNS
    drawn = (_HALF_COLUMNS - np.arange(columns) - 0.5) * TEXEL_D_M
    beyond = np.maximum(np.abs(drawn) - FINE_M, 0.0)
    d_m = drawn + np.sign(drawn) * beyond * (_COARSE - 1.0)
    colours, rough = _strips(layout, daylight, d_m)
    picture = np.repeat(colours[None], rows, axis=0)
    fine = _grain(noise, rows, columns)
    broad = _broad(noise, rows, columns)
    stripes = np.sin(d_m * math.tau / 18.0) * 3.0  # mown grass
    on_grass = rough > 8.0  # noqa: PLR2004 - levels of 255
    picture += (fine * rough + broad * 0.9 * rough)[..., None]
    picture += (stripes * on_grass)[None, :, None]
    _wear(picture, layout, d_m, noise)
    cover = np.zeros((rows, columns), np.float32)
    s_m = (np.arange(rows) + 0.5) * TEXEL_S_M
    worn = np.clip(1.05 - 0.25 * np.maximum(broad + 0.6 * fine, 0.0), 0.45, 1.0)
    for line in layout.lines:
        near = np.abs(d_m - line.d_m) < line.width_m / 2 + TEXEL_D_M
        across = np.clip((line.width_m / 2 - np.abs(d_m[near] - line.d_m)) / TEXEL_D_M + 0.5, 0, 1)
        on = np.ones(rows)
        if line.dash_m:
            on = (np.mod(s_m, line.cycle_m) < line.dash_m).astype(np.float64)
        share = np.outer(on, across)
        paint = np.array(_YELLOW if line.yellow else _PAINTS["marking"])
        visible = (share * worn[:, near])[..., None]
        picture[:, near] += (paint - picture[:, near]) * visible
        cover[:, near] = np.maximum(cover[:, near], share.astype(np.float32))
    texture = np.empty((rows, columns, 4), np.uint8)
    texture[..., :3] = np.clip(picture, 0, 255)
    texture[..., 3] = 255.0 * cover
    return texture


def _strips(
    layout: Layout, daylight: Daylight, d_m: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return colour and roughness by place across the road."""
    kinds: list[Material] = [*(strip.material for strip in layout.strips), "grass"]
    edges = np.array([strip.to_m for strip in layout.strips])
    which = np.searchsorted(edges, np.abs(d_m), side="right")
    paints = {**_PAINTS, "grass": daylight.grass}
    table = np.array([paints[kind] for kind in kinds], np.float64)
    rough = np.array([9.0 if kind in ("grass", "gravel") else 4.0 for kind in kinds])
    colours = table[which]
    for lane in layout.lanes:
        if lane.use == "cycle":
            colours[np.abs(d_m - lane.d_m) < 0.62] = _CYCLE_LANE  # noqa: PLR2004 - metres
    return colours, rough[which]


def _wear(
    picture: NDArray[np.float64],
    layout: Layout,
    d_m: NDArray[np.float64],
    noise: np.random.Generator,
) -> None:
    """Add tracks of tyres, patches, cracks, covers and the pavement's slabs, in place."""
    rows = picture.shape[0]
    for lane in layout.lanes:
        if lane.use == "drive":
            for track in (-0.75, 0.75):
                share = np.exp(-(((d_m - lane.d_m - track) / 0.3) ** 2))
                picture -= (6.0 * share)[None, :, None]
            oil = np.exp(-(((d_m - lane.d_m) / 0.35) ** 2))
            picture -= (4.0 * oil)[None, :, None]
    for _ in range(16):
        s, d = noise.random() * rows, (noise.random() - 0.5) * 2 * (layout.road_half_m - 0.6)
        long, wide = 10 + noise.random() * 60, 0.3 + noise.random() * 1.2
        strip = np.abs(d_m - d) < wide / 2
        if np.abs(d_m[strip]).max(initial=0.0) < layout.road_half_m:
            picture[int(s) : int(s + long), strip] += 26.0 * (noise.random() - 0.62)
    for _ in range(14):
        s = noise.random() * rows
        d = (noise.random() - 0.5) * 2 * layout.road_half_m
        course = d + np.cumsum(noise.standard_normal(60)) * 0.06
        for step, at in enumerate(course):
            column = int(np.argmin(np.abs(d_m - at)))
            row = int(s + step * 0.6) % rows
            picture[row, column : column + 1] -= 30.0
    for _ in range(5):
        row = int(noise.random() * (rows - 10))
        d = (noise.random() - 0.5) * 2 * (layout.road_half_m - 1.0)
        disc = (np.arange(-4, 5)[:, None] * TEXEL_S_M) ** 2 + ((d_m - d) ** 2)[None] < 0.3**2
        picture[row : row + 9][disc] = (70.0, 70.0, 72.0)
    if layout.street:
        paved = (np.abs(d_m) > layout.road_half_m + 0.25) & (np.abs(d_m) < layout.edge_m)
        joints = paved & (np.mod(np.abs(d_m), 0.6) < TEXEL_D_M)
        picture[:, joints] -= 14.0
        rows_of = np.arange(0, rows, 6)
        picture[np.ix_(rows_of, np.flatnonzero(paved))] -= 14.0


def _grain(noise: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Return fine roughness, mean 0, spread 1; the ends along the road fit together."""
    white = noise.standard_normal((rows, columns), dtype=np.float32)
    wide = np.concatenate([white[-4:], white, white[:4]])
    soft = cv2.GaussianBlur(wide, (5, 3), 0.8)[4:-4]
    return np.asarray(soft / np.float32(soft.std() + 1e-6), np.float32)


def _broad(noise: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Return broad stains, mean 0, spread about 1; the ends along the road fit together."""
    field = np.zeros((rows, columns), np.float32)
    for along, across, weight in ((8, 24, 1.0), (24, 90, 0.7), (72, 260, 0.5)):
        coarse = noise.standard_normal((along, across), dtype=np.float32)
        round_again = np.concatenate([coarse, coarse, coarse])
        smooth = cv2.resize(round_again, (columns, 3 * rows), interpolation=cv2.INTER_CUBIC)
        field += np.float32(weight) * smooth[rows : 2 * rows].astype(np.float32)
    return np.asarray(field / np.float32(field.std() + 1e-6), np.float32)
