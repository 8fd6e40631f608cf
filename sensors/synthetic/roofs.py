"""What a tunnel does to a picture: its roof, lamps and portals, and the light in it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sensors.synthetic.canvas import SOLID_ID
from sensors.synthetic.daylight import Air
from sensors.synthetic.layout import TUNNEL_HEIGHT_M

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.moment import Mover, Solid
    from sensors.synthetic.view import Lens
    from sensors.synthetic.world import World

_INSIDE_LIGHT = 0.36  # against that outside by day
_OPEN_UP, _ADAPT_M = 0.9, 30.0  # how much longer the camera exposes there, and after how far
_FOG, _SIGHT_M = (62.0, 68.0, 72.0), 220.0
_TUNNEL_M, _PIECE_M = 200.0, 12.0  # how far tunnels are painted, and in what pieces
_ROOF, _PORTAL, _TUBE = (96.0, 100.0, 102.0), (150.0, 154.0, 156.0), (150.0, 225.0, 250.0)
_NO_AIR = Air(paint=(0.0, 0.0, 0.0), sight_m=1e9, light=1.0)


class Airs(NamedTuple):
    """The air outside and in tunnels as the camera's exposure shows it, and that exposure."""

    outside: Air
    inside: Air
    gain: float


class Roof(NamedTuple):
    """A piece of a tunnel above the road: depth of its far end, corners (world), colour."""

    depth_m: float
    corners: NDArray[np.float64]
    paint: Paint
    shines: bool


def airs_of(world: World, air: Air, place_m: float) -> Airs:
    """Return the air to a camera at a place of the road; it opens up slowly in a tunnel."""
    tunnels = world.tunnels
    if not tunnels.length_m:
        return Airs(air, air, 1.0)
    adapted = 0.0
    for first, last in tunnels.between(place_m - 2 * _ADAPT_M, place_m + 1.0):
        if first <= place_m < last:
            adapted = min((place_m - first) / _ADAPT_M, 1.0)
        elif last <= place_m:
            adapted = max(adapted, 1.0 - (place_m - last) / _ADAPT_M)
    gain = 1.0 + _OPEN_UP * adapted
    fog = air.paint
    outside = Air(
        paint=(fog[0] * gain, fog[1] * gain, fog[2] * gain),
        sight_m=air.sight_m,
        light=air.light * gain,
    )
    inside = Air(
        paint=(_FOG[0] * gain, _FOG[1] * gain, _FOG[2] * gain),
        sight_m=_SIGHT_M,
        light=_INSIDE_LIGHT * gain,
    )
    return Airs(outside, inside, gain)


def covered(world: World, things: Sequence[Mover | Solid]) -> NDArray[np.bool_]:
    """Return which things are inside a tunnel."""
    tunnels = world.tunnels
    if not tunnels.length_m or not things:
        return np.zeros(len(things), np.bool_)
    x_m = np.array([thing.x_m for thing in things])
    y_m = np.array([thing.y_m for thing in things])
    s_m, _ = world.course.places(x_m, y_m)
    return np.array([tunnels.inside(place) for place in s_m.tolist()])


def roofs_of(world: World, lens: Lens, here_m: float) -> list[Roof]:
    """Return roofs, lamps and portals of the tunnels near a camera at a place of the road."""
    course, wall_m = world.course, world.layout.wall_m
    found: list[Roof] = []
    for first, last in world.tunnels.between(here_m - _TUNNEL_M, here_m + _TUNNEL_M):
        pieces = max(1, round((last - first) / _PIECE_M))
        edges = [first + (last - first) * piece / pieces for piece in range(pieces + 1)]
        for near, far in pairwise(edges):
            if not here_m - _TUNNEL_M < near < here_m + _TUNNEL_M:
                continue
            corners = _slab(world, (near, far), (wall_m, -wall_m), TUNNEL_HEIGHT_M)
            depth_m = _far_end(lens, corners)
            found.append(Roof(depth_m + 0.02, corners, _ROOF, shines=False))
            for lamp_m in (-0.35 * wall_m, 0.35 * wall_m):
                across = (lamp_m + 0.25, lamp_m - 0.25)
                lamp = _slab(world, (near + 3.0, near + 6.5), across, TUNNEL_HEIGHT_M - 0.1)
                found.append(Roof(depth_m + 0.01, lamp, _TUBE, shines=True))
        for portal in (first, last):
            x, y = course.points(np.array([portal, portal]), np.array([wall_m, -wall_m]))
            z = course.height(portal) + TUNNEL_HEIGHT_M
            lower = [(x[0], y[0], z - 0.1), (x[1], y[1], z - 0.1)]
            corners = np.array([*lower, (x[1], y[1], z + 1.6), (x[0], y[0], z + 1.6)])
            found.append(Roof(_far_end(lens, corners), corners, _PORTAL, shines=False))
    return found


def paint_roof(canvas: Canvas, roof: Roof, inside: Air) -> None:
    """Paint a piece of a tunnel."""
    outside = canvas.air
    canvas.air = _NO_AIR if roof.shines else inside
    canvas.face(roof.corners, roof.paint, owner=SOLID_ID)
    canvas.air = outside


def _slab(
    world: World, along: tuple[float, float], across: tuple[float, float], up_m: float
) -> NDArray[np.float64]:
    s_m = np.array([along[0], along[1], along[1], along[0]])
    d_m = np.array([across[0], across[0], across[1], across[1]])
    x_m, y_m = world.course.points(s_m, d_m)
    return np.stack([x_m, y_m, world.course.heights(s_m) + up_m], axis=1)


def _far_end(lens: Lens, corners: NDArray[np.float64]) -> float:
    return float(lens.to_camera(corners)[:, 2].max())
