"""What a LiDAR's rays can hit besides the ground: boxes, cylinders and ellipsoids, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from sensors.synthetic.bodies import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from sensors.synthetic.moment import Mover, Solid

BOX, CYLINDER, ELLIPSOID = 0, 1, 2

Surface = Literal["matt", "paint", "glazed", "leaves", "retro"]
"""How a body answers: `paint` has a bright plate and lamps at its two ends, `glazed` is glass but
for its top, `leaves` let rays into their depth, `retro` throws them back."""
SURFACES: tuple[Surface, ...] = ("matt", "paint", "glazed", "leaves", "retro")

_POST_M = 0.08  # what carries a sign
_CLEARANCE_M = 0.2  # between road and body of a vehicle
_CAB_M = 2.0  # length of a truck's cab

# Of each shape of car, as shares of its length, length and height: how far the cabin's middle lies
# ahead of the car's, how long the cabin is, and where it begins above the body.
_CABINS = {
    "hatchback": (-0.14, 0.62, 0.58),
    "saloon": (-0.05, 0.5, 0.6),
    "estate": (-0.13, 0.66, 0.6),
    "suv": (-0.12, 0.64, 0.58),
    "coupe": (-0.06, 0.46, 0.6),
    "pickup": (0.05, 0.36, 0.58),
}


class _Part(NamedTuple):
    """A convex part of a mover or solid, in its own frame: middle of the footprint, ground, yaw.

    `ahead` and `aside` move it, `low` and `high` are heights, `length` and `width` whole extents.
    """

    shape: int
    surface: Surface
    reflects: float
    ahead: float
    aside: float
    low: float
    high: float
    length: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bodies:
    """Convex bodies and where they are at the beginning and the end of a turn; n may be 0.

    A cylinder stands upright, an ellipsoid has one axis upright.

    Attributes:
        shapes: `BOX`, `CYLINDER` or `ELLIPSOID`; shape (n,), uint8.
        starts: X, y, z of the middle and yaw when the turn begins; metres, radians, world axes;
            shape (n, 4), float64.
        ends: The same when the turn ends; the yaw is not wrapped against `starts`.
        halves: Half of length, width and height; shape (n, 3), float64.
        surfaces: Index into `SURFACES`; shape (n,), uint8.
        reflects: Share of the light that a matt surface reflects, 0 to 1; shape (n,), float64.
        owners: Row of the mover a body belongs to; -1 for what stands still; shape (n,), int32.
    """

    shapes: NDArray[np.uint8]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    halves: NDArray[np.float64]
    surfaces: NDArray[np.uint8]
    reflects: NDArray[np.float64]
    owners: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.shapes)


def bodies_of(
    movers: Iterable[Mover],
    before: Mapping[int, Mover],
    solids: Iterable[Solid],
    origin_m: tuple[float, float, float],
) -> Bodies:
    """Take movers and solids apart into bodies.

    Args:
        movers: What moves, as it is when the turn ends.
        before: The same by track when the turn began; one that is missing did not move.
        solids: What stands still.
        origin_m: A place of the world that all places are told from.
    """
    rows: list[tuple[float, ...]] = []
    for owner, mover in enumerate(movers):
        was = before.get(mover.track, mover)
        turned = (mover.yaw_rad - was.yaw_rad + pi) % (2.0 * pi) - pi
        begin = (was.x_m, was.y_m, was.z_m, mover.yaw_rad - turned)
        end = (mover.x_m, mover.y_m, mover.z_m, mover.yaw_rad)
        rows += [_row(part, begin, end, owner, origin_m) for part in _PARTS[mover.kind](mover)]
    for solid in solids:
        place = (solid.x_m, solid.y_m, solid.z_m, solid.yaw_rad)
        rows += [_row(part, place, place, -1, origin_m) for part in _solid_parts(solid)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 15)
    return Bodies(
        shapes=table[:, 0].astype(np.uint8),
        surfaces=table[:, 1].astype(np.uint8),
        reflects=table[:, 2],
        owners=table[:, 3].astype(np.int32),
        starts=table[:, 4:8],
        ends=table[:, 8:12],
        halves=table[:, 12:15],
    )


def _row(
    part: _Part,
    begin: tuple[float, float, float, float],
    end: tuple[float, float, float, float],
    owner: int,
    origin_m: tuple[float, float, float],
) -> tuple[float, ...]:
    half_height = 0.5 * (part.high - part.low)
    poses: list[float] = []
    for x, y, z, yaw in (begin, end):
        ahead_x, ahead_y = cos(yaw), sin(yaw)
        poses += [
            x - origin_m[0] + part.ahead * ahead_x - part.aside * ahead_y,
            y - origin_m[1] + part.ahead * ahead_y + part.aside * ahead_x,
            z - origin_m[2] + part.low + half_height,
            yaw,
        ]
    surface = SURFACES.index(part.surface)
    halves = (0.5 * part.length, 0.5 * part.width, half_height)
    return (part.shape, surface, part.reflects, owner, *poses, *halves)


def _car(mover: Mover) -> list[_Part]:
    length, width, height = mover.length_m, mover.width_m, mover.height_m
    ahead, share, waist = _CABINS[shape_of("car", mover.look)]
    paint = _paint(mover)
    cabin = share * length
    return [
        _Part(BOX, "paint", paint, 0.0, 0.0, _CLEARANCE_M, waist * height, length, width),
        _Part(
            BOX, "glazed", paint, ahead * length, 0.0, waist * height, height, cabin, 0.86 * width
        ),
    ]


def _van(mover: Mover) -> list[_Part]:
    length, width, height = mover.length_m, mover.width_m, mover.height_m
    waist = 0.5 * height
    paint = _paint(mover)
    return [
        _Part(BOX, "paint", paint, 0.0, 0.0, _CLEARANCE_M, waist, length, width),
        _Part(BOX, "matt", paint, -0.1 * length, 0.0, waist, height, 0.8 * length, 0.96 * width),
    ]


def _truck(mover: Mover) -> list[_Part]:
    length, width, height = mover.length_m, mover.width_m, mover.height_m
    paint, bed, low = _paint(mover), 0.3 * height, 0.1 * height
    front = 0.5 * (length - _CAB_M)
    load = length - _CAB_M - 0.3
    back = 0.5 * (load - length)
    return [
        _Part(BOX, "paint", paint, front, 0.0, low, 0.85 * height, _CAB_M, width),
        _Part(BOX, "matt", 0.5, back, 0.0, bed, height, load, width),
        _Part(BOX, "paint", 0.1, 0.0, 0.0, low, bed, 0.94 * length, 0.8 * width),
    ]


def _pedestrian(mover: Mover) -> list[_Part]:
    height = mover.height_m
    wide = min(mover.length_m, mover.width_m)
    clothes = 0.1 + 0.5 * mover.look[1]
    return [
        _Part(CYLINDER, "matt", clothes, 0.0, 0.0, 0.0, 0.85 * height, 0.9 * wide, 0.9 * wide),
        _Part(ELLIPSOID, "matt", 0.5, 0.0, 0.0, 0.85 * height, height, 0.2, 0.2),
    ]


def _cyclist(mover: Mover) -> list[_Part]:
    length, height = mover.length_m, mover.height_m
    clothes = 0.1 + 0.5 * mover.look[1]
    wide = min(mover.width_m, 0.5)
    return [
        _Part(BOX, "paint", 0.2, 0.0, 0.0, 0.05, 0.45 * height, length, 0.12),
        _Part(ELLIPSOID, "matt", clothes, 0.0, 0.0, 0.3 * height, 0.9 * height, 0.6, wide),
        _Part(ELLIPSOID, "matt", 0.5, 0.1, 0.0, 0.86 * height, height, 0.22, 0.2),
    ]


_PARTS: dict[str, Callable[[Mover], list[_Part]]] = {
    "car": _car,
    "van": _van,
    "truck": _truck,
    "pedestrian": _pedestrian,
    "cyclist": _cyclist,
}


def _paint(mover: Mover) -> float:
    """Near-infrared reflectance of a livery, from a black car to a white one; assumed."""
    return 0.06 + 0.64 * mover.look[1]


def _solid_parts(solid: Solid) -> list[_Part]:
    low, high, wide = solid.bottom_m, solid.height_m, solid.width_m
    shade = solid.look[0]
    if solid.kind == "tree":
        crown = solid.length_m
        return [
            _Part(CYLINDER, "matt", 0.3, 0.0, 0.0, 0.0, low + 0.2 * (high - low), wide, wide),
            _Part(ELLIPSOID, "leaves", 0.45, 0.0, 0.0, low, high, crown, crown),
        ]
    if solid.kind == "bush":
        return [_Part(ELLIPSOID, "leaves", 0.45, 0.0, 0.0, low, high, solid.length_m, wide)]
    if solid.kind in ("lamp", "post"):
        return [_Part(CYLINDER, "matt", 0.45, 0.0, 0.0, 0.0, high, wide, wide)]
    plate = _Part(
        BOX,
        "retro" if solid.kind == "sign" else "matt",
        0.45 if solid.kind == "rail" else 0.2 + 0.4 * shade,
        0.0,
        0.0,
        low,
        high,
        solid.length_m,
        wide,
    )
    if solid.kind == "sign" and low > 0.0:
        return [plate, _Part(CYLINDER, "matt", 0.45, 0.0, 0.0, 0.0, low, _POST_M, _POST_M)]
    return [plate]
