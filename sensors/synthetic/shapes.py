"""Vehicles and roadside things as solids with details."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from sensors.synthetic.camera import Painter, Point
    from sensors.synthetic.world import Paint, Thing, Vehicle

_GLASS: Paint = (58, 50, 44)
_TYRE: Paint = (26, 26, 26)
_STEEL: Paint = (170, 168, 166)
_DETAIL_PX = 14.0  # what is smaller than this on the screen gets no details
_SHADE = {"rear": 0.78, "front": 0.86, "left": 1.0, "right": 0.62, "top": 1.12}
"""Brightness of a solid's sides as the camera stands to them; the sun is ahead to the left."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a solid stands: its own axes are l along its length, w to its left, z up."""

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float

    def point(self, along: float, left: float, up: float) -> Point:
        """Return a point of the solid in the own vehicle's frame, metres."""
        cosine, sine = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return (
            self.x_m + along * cosine - left * sine,
            self.y_m + along * sine + left * cosine,
            self.z_m + up,
        )


@dataclass(frozen=True, slots=True)
class Solid:
    """A block whose upper face may be smaller than its lower: two rectangles over each other."""

    rear: float
    front: float
    half: float
    base: float
    top: float
    rear_in: float = 0.0
    front_in: float = 0.0
    half_in: float = 0.0

    def faces(self, frame: Frame, eye_m: float) -> Iterator[tuple[str, tuple[Point, ...]]]:
        """Yield name and corners (lower left, lower right, upper right, upper left) if visible.

        Args:
            frame: Where the solid stands.
            eye_m: Height of the camera above the ground.
        """
        low = (self.rear, self.front, self.half, self.base)
        high = (
            self.rear + self.rear_in,
            self.front - self.front_in,
            self.half - self.half_in,
            self.top,
        )
        at = frame.point
        a, b = at(low[0], low[2], low[3]), at(low[0], -low[2], low[3])
        c, d = at(low[1], -low[2], low[3]), at(low[1], low[2], low[3])
        e, f = at(high[0], high[2], high[3]), at(high[0], -high[2], high[3])
        g, h = at(high[1], -high[2], high[3]), at(high[1], high[2], high[3])
        for name, corners in (
            ("rear", (a, b, f, e)),
            ("right", (b, c, g, f)),
            ("front", (c, d, h, g)),
            ("left", (d, a, e, h)),
            ("top", (e, f, g, h)),
        ):
            if _visible(corners, eye_m):
                yield name, corners


def paint_vehicle(painter: Painter, vehicle: Vehicle) -> None:
    """Paint a vehicle with wheels, windows and lights; its shadow is `paint_shadow`'s."""
    frame = Frame(vehicle.x_m, vehicle.y_m, vehicle.z_m, vehicle.yaw_rad)
    detailed = painter.camera.focal_px * vehicle.width_m / max(vehicle.x_m, 2.0) > _DETAIL_PX
    _wheels(painter, vehicle, frame, detailed=detailed)
    half, end = vehicle.width_m / 2, vehicle.length_m / 2
    if vehicle.kind == "truck":
        _truck(painter, vehicle, frame)
    else:
        waist = 0.56 * vehicle.height_m if vehicle.kind == "car" else 0.48 * vehicle.height_m
        body = Solid(-end, end, half, 0.27, waist, 0.06, 0.12, 0.05)
        _solid(painter, frame, body, vehicle.paint)
        van = vehicle.kind == "van"
        cabin = Solid(
            -end + (0.08 if van else 0.1 * end),
            end - (0.75 if van else 1.15),
            half - 0.06,
            waist,
            vehicle.height_m,
            0.08 if van else 0.5,
            0.55 if van else 0.7,
            0.08 if van else 0.17,
        )
        _cabin(painter, frame, cabin, vehicle, detailed=detailed)
        if detailed:
            _trim(painter, frame, body)
    if detailed:
        _rims(painter, vehicle, frame)
    _lights(painter, vehicle, frame, detailed=detailed)


def paint_shadow(painter: Painter, vehicle: Vehicle, *, opacity: float) -> None:
    """Darken the road under a vehicle and to its right."""
    frame = Frame(vehicle.x_m, vehicle.y_m, vehicle.z_m, vehicle.yaw_rad)
    half, end = vehicle.width_m / 2, vehicle.length_m / 2
    under = [frame.point(*corner) for corner in _rectangle(-end, end, half + 0.05, -half - 0.05)]
    painter.shadow(under, opacity=min(1.0, opacity + 0.3), softness_m=0.25)
    throw = 0.35 * vehicle.height_m
    ground = vehicle.z_m
    cast = [(x - throw * 0.5, y - throw, ground) for x, y, _ in under]
    painter.shadow(cast, opacity=0.7 * opacity, softness_m=0.3)


def paint_thing(painter: Painter, thing: Thing) -> None:
    """Paint a post, lamp, sign or building; trees and bushes are sprites."""
    frame = Frame(thing.x_m, thing.y_m, thing.z_m, thing.yaw_rad)
    if thing.kind == "post":
        _solid(painter, frame, Solid(-0.06, 0.06, 0.06, 0.0, 1.0), (228, 230, 230))
        _solid(painter, frame, Solid(-0.065, 0.065, 0.065, 0.72, 0.88), (40, 40, 40))
    elif thing.kind == "lamp":
        _solid(painter, frame, Solid(-0.08, 0.08, 0.08, 0.0, 7.6), (120, 120, 118))
        inward = -1.0 if thing.on_left else 1.0
        arm = Frame(*frame.point(0.0, inward * 0.9, 0.0), thing.yaw_rad)
        _solid(painter, arm, Solid(-0.06, 0.06, 0.95, 7.5, 7.62), (120, 120, 118))
    elif thing.kind == "sign":
        _sign(painter, frame, thing)
    else:
        _building(painter, frame, thing)


def _solid(painter: Painter, frame: Frame, solid: Solid, paint: Paint) -> None:
    for name, corners in solid.faces(frame, painter.camera.height_m):
        painter.face(corners, paint, shade=_shade(name, frame))


def _shade(name: str, frame: Frame) -> float:
    """Return the brightness of a side; what faces us is what counts, not the solid's own name."""
    if math.cos(frame.yaw_rad) >= 0:
        return _SHADE[name]
    turned = {"rear": "front", "front": "rear", "left": "right", "right": "left", "top": "top"}
    return _SHADE[turned[name]]


def _axles(vehicle: Vehicle) -> tuple[float, tuple[float, ...]]:
    """Return the wheels' radius and where along the vehicle they are, metres."""
    reach = 0.31 * vehicle.length_m
    if vehicle.kind == "truck":
        return 0.5, (-reach, -reach + 1.3, reach)
    return 0.33, (-reach, reach)


def _wheels(painter: Painter, vehicle: Vehicle, frame: Frame, *, detailed: bool) -> None:
    half, radius, axles = vehicle.width_m / 2, *_axles(vehicle)
    tub = Solid(-0.46 * vehicle.length_m, 0.46 * vehicle.length_m, half - 0.18, 0.15, 0.45)
    _solid(painter, frame, tub, (24, 24, 24))
    if not detailed:
        return
    for along in axles:
        for side in (-1.0, 1.0):
            hub = Frame(*frame.point(along, side * (half - 0.12), 0.0), frame.yaw_rad)
            _solid(painter, hub, Solid(-radius * 0.8, radius * 0.8, 0.12, 0.0, 2 * radius), _TYRE)


def _rims(painter: Painter, vehicle: Vehicle, frame: Frame) -> None:
    """Paint the outsides of the wheels on the flank that can be seen."""
    half, radius, axles = vehicle.width_m / 2, *_axles(vehicle)
    side = 1.0 if _faces_us(frame, 1.0, half) else -1.0
    if not _faces_us(frame, side, half):
        return
    for along in axles:
        for size, paint in ((1.0, _TYRE), (0.6, _STEEL), (0.18, _TYRE)):
            rim = [
                frame.point(
                    along + radius * size * math.cos(turn),
                    side * (half + 0.01),
                    radius + radius * size * math.sin(turn),
                )
                for turn in (math.tau * corner / 12 for corner in range(12))
            ]
            painter.face(rim, paint, shade=0.85)


def _faces_us(frame: Frame, side: float, half: float) -> bool:
    """Return whether the left (side 1) or right (side -1) flank can be seen."""
    x_m, y_m, _ = frame.point(0.0, side * half, 0.0)
    out_x, out_y = -side * math.sin(frame.yaw_rad), side * math.cos(frame.yaw_rad)
    return out_x * x_m + out_y * y_m < 0


def _cabin(
    painter: Painter, frame: Frame, cabin: Solid, vehicle: Vehicle, *, detailed: bool
) -> None:
    for name, corners in cabin.faces(frame, painter.camera.height_m):
        shade = _shade(name, frame)
        painter.face(corners, vehicle.paint, shade=shade)
        if name == "top" or not detailed:
            continue
        if name in ("rear", "front"):
            painter.face(_patch(corners, 0.07, 0.93, 0.1, 0.88), _GLASS, shade=shade)
            painter.face(_patch(corners, 0.12, 0.5, 0.5, 0.82), (96, 84, 72), shade=shade)
        else:
            for first, last in ((0.1, 0.48), (0.53, 0.9)):
                painter.face(_patch(corners, first, last, 0.12, 0.85), _GLASS, shade=shade)


def _trim(painter: Painter, frame: Frame, body: Solid) -> None:
    """Paint bumper, number plate and the line of the doors onto the body."""
    for name, corners in body.faces(frame, painter.camera.height_m):
        if name in ("rear", "front"):
            painter.face(_patch(corners, 0.02, 0.98, 0.0, 0.3), (44, 44, 44), shade=0.9)
            painter.face(_patch(corners, 0.37, 0.63, 0.34, 0.54), (215, 222, 224), shade=0.85)
        elif name in ("left", "right"):
            painter.face(_patch(corners, 0.0, 1.0, 0.0, 0.2), (48, 48, 48), shade=0.9)
            painter.face(_patch(corners, 0.495, 0.503, 0.2, 1.0), (50, 50, 50), shade=0.9)


def _truck(painter: Painter, vehicle: Vehicle, frame: Frame) -> None:
    half, end, top = vehicle.width_m / 2, vehicle.length_m / 2, vehicle.height_m
    box = Solid(-end, end - 2.6, half, 0.95, top)
    cab = Solid(end - 2.3, end, half - 0.05, 0.5, 0.86 * top, 0.0, 0.25, 0.05)
    oncoming = math.cos(frame.yaw_rad) < 0
    for solid, is_cab in ((box, False), (cab, True)) if oncoming else ((cab, True), (box, False)):
        paint = vehicle.paint if is_cab else _tarpaulin(vehicle.paint)
        for name, corners in solid.faces(frame, painter.camera.height_m):
            shade = _shade(name, frame)
            painter.face(corners, paint, shade=shade)
            if is_cab and name == "front":
                painter.face(_patch(corners, 0.06, 0.94, 0.5, 0.88), _GLASS, shade=shade)
                painter.face(_patch(corners, 0.1, 0.9, 0.12, 0.34), (50, 50, 50), shade=shade)
            elif not is_cab and name == "rear":
                painter.face(_patch(corners, 0.495, 0.505, 0.02, 0.97), (70, 70, 70), shade=shade)
                painter.face(_patch(corners, 0.0, 1.0, 0.0, 0.05), (40, 40, 160), shade=shade)
            elif not is_cab and name in ("left", "right"):
                painter.face(_patch(corners, 0.0, 1.0, 0.4, 0.62), vehicle.paint, shade=shade)
    bar = Solid(-end, -end + 0.15, half, 0.5, 0.75)
    _solid(painter, frame, bar, (40, 40, 44))


def _tarpaulin(paint: Paint) -> Paint:
    """Return the colour of a box behind a cab: light, with a touch of the cab's paint."""
    return (190 + 0.2 * paint[0], 190 + 0.2 * paint[1], 190 + 0.2 * paint[2])


def _lights(painter: Painter, vehicle: Vehicle, frame: Frame, *, detailed: bool) -> None:
    half, end = vehicle.width_m / 2, vehicle.length_m / 2
    up = 0.62 if vehicle.kind == "truck" else 0.47 * min(vehicle.height_m, 1.8)
    if math.cos(frame.yaw_rad) < 0:
        for side in (-1.0, 1.0):
            lamp = frame.point(end, side * (half - 0.24), up)
            painter.glow(lamp, (236, 244, 248), radius_m=0.1)
        return
    paint: Paint = (60, 60, 250) if vehicle.braking else (38, 34, 168)
    for side in (-1.0, 1.0):
        inner, outer = side * (half - 0.36), side * (half - 0.04)
        corners = [
            frame.point(-end - 0.01, inner, up - 0.07),
            frame.point(-end - 0.01, outer, up - 0.07),
        ]
        corners += [
            frame.point(-end + 0.02, outer, up + 0.1),
            frame.point(-end + 0.02, inner, up + 0.1),
        ]
        painter.face(corners, paint)
    if vehicle.braking and detailed and vehicle.kind == "car":
        painter.glow(frame.point(-end + 0.4, 0.0, 0.93 * vehicle.height_m), paint, radius_m=0.05)


def _sign(painter: Painter, frame: Frame, thing: Thing) -> None:
    _solid(painter, frame, Solid(-0.05, 0.05, 0.05, 0.0, 2.2), (130, 130, 128))
    if thing.look[0] < 0.5:  # noqa: PLR2004 - half of them are round
        for radius, paint in ((0.45, (40, 40, 190)), (0.35, (235, 235, 235))):
            disc = [
                frame.point(-0.07, radius * math.cos(turn), 2.5 + radius * math.sin(turn))
                for turn in (math.tau * corner / 20 for corner in range(20))
            ]
            painter.face(disc, paint)
        return
    board = [
        frame.point(-0.07, *corner) for corner in ((1.1, 1.7), (-1.1, 1.7), (-1.1, 3.1), (1.1, 3.1))
    ]
    painter.face(board, (238, 238, 238))
    painter.face(_patch(tuple(board), 0.03, 0.97, 0.05, 0.95), (140, 84, 20))
    for row in (0.25, 0.55):
        painter.face(
            _patch(tuple(board), 0.12, 0.4 + 0.5 * thing.look[1], row, row + 0.14), (238, 238, 238)
        )


def _building(painter: Painter, frame: Frame, thing: Thing) -> None:
    length, depth = 13.0 + 3.0 * thing.look[1], 5.0 + 2.0 * thing.look[2]
    height = thing.height_m
    block = Solid(-length / 2, length / 2, depth, 0.0, height)
    floors = max(2, round(height / 3.1))
    size_px = painter.camera.focal_px * height / max(thing.x_m, 6.0)
    for name, corners in block.faces(frame, painter.camera.height_m):
        shade = _shade(name, frame)
        painter.face(corners, thing.paint, shade=shade)
        if name == "top" or size_px < 2 * _DETAIL_PX:
            continue
        across = round((length if name in ("left", "right") else 2 * depth) / 2.6)
        painter.faces(_windows(corners, across, floors), (96, 80, 66), shade=0.75 * shade)
    if thing.look[3] < 0.6:  # noqa: PLR2004 - share of pitched roofs
        roof = Solid(
            -length / 2 - 0.3, length / 2 + 0.3, depth + 0.3, height, height + 2.6, 2.0, 2.0, depth
        )
        _solid(painter, frame, roof, (62, 72, 118))


def _windows(corners: tuple[Point, ...], across: int, floors: int) -> NDArray[np.float64]:
    """Return the windows of a wall, shape (across * floors, 4, 3), metres."""
    low_left, low_right, up_right, up_left = np.array(corners)
    first = (np.arange(across) + 0.25) / across
    low = (np.arange(floors) + 0.28) / floors
    wide, tall = 0.5 / across, 0.48 / floors
    holes = []
    for right, up in ((0.0, 0.0), (wide, 0.0), (wide, tall), (0.0, tall)):
        share, climb = (first + right)[:, None, None], (low + up)[None, :, None]
        below = low_left + share * (low_right - low_left)
        above = up_left + share * (up_right - up_left)
        holes.append((below + climb * (above - below)).reshape(-1, 3))
    return np.stack(holes, axis=1)


def _rectangle(
    rear: float, front: float, left: float, right: float
) -> tuple[tuple[float, float, float], ...]:
    return ((rear, left, 0.0), (rear, right, 0.0), (front, right, 0.0), (front, left, 0.0))


def _patch(
    corners: tuple[Point, ...], first: float, last: float, low: float, high: float
) -> tuple[Point, ...]:
    """Return a part of a four-cornered face, by shares of its width and height."""
    lower_left, lower_right, upper_right, upper_left = corners

    def at(across: float, up: float) -> Point:
        below = _between(lower_left, lower_right, across)
        return _between(below, _between(upper_left, upper_right, across), up)

    return (at(first, low), at(last, low), at(last, high), at(first, high))


def _between(start: Point, end: Point, share: float) -> Point:
    return (
        start[0] + share * (end[0] - start[0]),
        start[1] + share * (end[1] - start[1]),
        start[2] + share * (end[2] - start[2]),
    )


def _visible(corners: tuple[Point, ...], eye_m: float) -> bool:
    """Return whether a face is turned to the camera; corners run counter-clockwise from outside."""
    a, b, c = corners[0], corners[1], corners[2]
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    normal = (uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    return normal[0] * a[0] + normal[1] * a[1] + normal[2] * (a[2] - eye_m) < 0
