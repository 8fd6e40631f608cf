"""Models drawn where they stand, with the light and haze there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from sensors.synthetic.canvas import NEAR_M, in_front
from sensors.synthetic.meshes import DETAIL_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.synthetic.canvas import Canvas, Paint
    from sensors.synthetic.daylight import Air, Daylight
    from sensors.synthetic.meshes import Lamp, Mesh, Model

_STOPPING = ("tail", "brake")
_FAR_PX, _BITS = 6000.0, 4  # bound and fixed point of what is handed to OpenCV
_SUBPIXELS = 1 << _BITS
_LIT: dict[Lamp, Paint] = {
    "tail": (50, 50, 215),
    "head": (225, 245, 255),
    "brake": (70, 70, 255),
    "window": (120, 190, 235),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a mesh stands and what state it is in.

    Attributes:
        x_m: Origin of its axes, world.
        y_m: The same.
        z_m: The same.
        yaw_rad: Direction of its x axis.
        owner: Who covers its pixels.
        air: Haze and light there.
        braking: Whether brake lights are on.
        lamps: Whether its other lights are on.
    """

    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    owner: int
    air: Air
    braking: bool = False
    lamps: bool = False


class Seen(NamedTuple):
    """What became of a drawn mesh: the bounds of its outline, uncut, in pixels; and its depth."""

    left: float
    top: float
    right: float
    bottom: float
    depth_m: float


def draw(canvas: Canvas, model: Model, placed: Placed, daylight: Daylight) -> Seen | None:
    """Draw a thing; None if nothing of it is in front of the camera."""
    lens = canvas.lens
    camera = lens.camera
    cos, sin = math.cos(placed.yaw_rad), math.sin(placed.yaw_rad)
    to_world = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    away = np.array([placed.x_m, placed.y_m, placed.z_m]) - lens.eye
    middle = lens.turn @ away
    size_px = camera.focal_x_px * model.detail_m / max(float(middle[2]), NEAR_M)
    level = 2 if size_px > DETAIL_PX[2] else int(size_px > DETAIL_PX[1])
    mesh = model.meshes[level]
    seen = mesh.points @ (lens.turn @ to_world).T
    seen += middle
    depths = seen[:, 2]
    nearest, farthest = float(depths.min()), float(depths.max())
    if farthest < NEAR_M:
        return None
    eye = -away @ to_world
    depth_m = max(0.5 * (nearest + farthest), NEAR_M)
    order = mesh.from_ahead if eye[0] > 0 else mesh.from_behind
    shown = mesh.normals @ eye > mesh.offsets
    chosen = order[shown[order]]
    if nearest < NEAR_M:
        return _draw_cut(canvas, mesh, placed, seen, chosen, daylight, to_world, depth_m)
    pixels = seen[:, :2] * (camera.focal_x_px / depths)[:, None]
    pixels += (camera.centre_x_px, camera.centre_y_px)
    (left, top), (right, bottom) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    outline = Seen(left, top, right, bottom, depth_m)
    if right < 0 or left > camera.width or bottom < 0 or top > camera.height:
        return outline
    if min(left, top) < -_FAR_PX or max(right, bottom) > _FAR_PX:
        np.clip(pixels, -_FAR_PX, _FAR_PX, out=pixels)
    pixels *= _SUBPIXELS
    fixed = np.rint(pixels).astype(np.int32)
    starts, counts = mesh.starts, mesh.counts
    image, owners = canvas.image, canvas.owners
    numbers = chosen.tolist()
    if image is not None:
        colours = _colours(mesh, placed, daylight, to_world, depth_m)[chosen].tolist()
        for number, colour in zip(numbers, colours, strict=True):
            corners = fixed[starts[number] : starts[number + 1]]
            if counts[number]:
                polygons = list(corners.reshape(counts[number], 4, 2))
                cv2.fillPoly(image, polygons, colour, cv2.LINE_AA, _BITS)
            else:
                cv2.fillConvexPoly(image, corners, colour, cv2.LINE_AA, _BITS)
    if owners is not None:
        owner = placed.owner
        for number in numbers:
            if mesh.solid[number]:
                corners = fixed[starts[number] : starts[number + 1]]
                cv2.fillConvexPoly(owners, corners, owner, cv2.LINE_8, _BITS)
    return outline


def _draw_cut(
    canvas: Canvas,
    mesh: Mesh,
    placed: Placed,
    seen: NDArray[np.float64],
    chosen: NDArray[np.int64],
    daylight: Daylight,
    to_world: NDArray[np.float64],
    depth_m: float,
) -> Seen | None:
    """Draw a mesh that reaches behind the near plane, each face cut off there."""
    camera = canvas.lens.camera
    wanted = canvas.image is not None
    colours = _colours(mesh, placed, daylight, to_world, depth_m) if wanted else mesh.paints
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for number in chosen.tolist():
        corners = seen[mesh.starts[number] : mesh.starts[number + 1]]
        parts = corners.reshape(mesh.counts[number], 4, 3) if mesh.counts[number] else (corners,)
        for polygon in parts:
            cut = in_front(polygon)
            if len(cut) < 3:  # noqa: PLR2004 - corners of a polygon
                continue
            pixels = cut[:, :2] * (camera.focal_x_px / cut[:, 2])[:, None]
            pixels += (camera.centre_x_px, camera.centre_y_px)
            np.clip(pixels, -_FAR_PX, _FAR_PX, out=pixels)
            solid = mesh.solid[number]
            if solid:
                low = np.minimum(low, pixels.min(axis=0))
                high = np.maximum(high, pixels.max(axis=0))
            fixed = np.rint(pixels * _SUBPIXELS).astype(np.int32)
            owner = placed.owner if solid else None
            canvas.fill(fixed, colours[number].tolist(), owner=owner)
    if not np.isfinite(low).all():
        return None
    return Seen(float(low[0]), float(low[1]), float(high[0]), float(high[1]), depth_m)


def _colours(
    mesh: Mesh,
    placed: Placed,
    daylight: Daylight,
    to_world: NDArray[np.float64],
    depth_m: float,
) -> NDArray[np.float64]:
    """Return the colour of each face as it is seen, shape (faces, 3)."""
    air = placed.air
    haze = air.haze(depth_m)
    shades = daylight.shades(mesh.normals, np.array(daylight.sun) @ to_world)
    shades *= air.light * (1.0 - haze)
    fog = np.array(air.paint) * haze
    colours = mesh.paints * shades[:, None]
    colours += fog
    if placed.braking or placed.lamps:
        for number, lamp in mesh.lamps:
            if (placed.lamps and lamp != "brake") or (placed.braking and lamp in _STOPPING):
                lit = _LIT["brake" if placed.braking and lamp == "tail" else lamp]
                colours[number] = np.array(lit) * (1.0 - haze) + fog
    np.minimum(colours, 255.0, out=colours)
    return colours
