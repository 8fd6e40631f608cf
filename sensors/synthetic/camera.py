"""A pinhole camera and the painting of what it sees, farthest first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.world import Paint

Point = tuple[float, float, float]
"""X forward, y left, z up, metres, in the own vehicle's frame."""

_SUBPIXEL_BITS = 4
_SUBPIXELS = 1 << _SUBPIXEL_BITS
_NEAR_M = 1.2  # what is nearer than this plane is cut away
_FAR_PX = 6000.0  # bound of what is handed to OpenCV, whose fixed point ends at 32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinhole:
    """A camera without distortion that looks along x; pixel centres lie at whole numbers.

    Attributes:
        width: Pixels across.
        height: Pixels down.
        focal_px: Focal length in pixels, the same both ways.
        centre_u_px: Column of the optical axis.
        horizon_v_px: Row of the horizon.
        height_m: Height above the ground.
    """

    width: int
    height: int
    focal_px: float
    centre_u_px: float
    horizon_v_px: float
    height_m: float

    def pixel(self, point: Point) -> tuple[float, float]:
        """Return column and row of a point; its x must be above 0."""
        scale = self.focal_px / point[0]
        return (
            self.centre_u_px - scale * point[1],
            self.horizon_v_px - scale * (point[2] - self.height_m),
        )

    def depth_of_row_m(self, row: float) -> float:
        """Return how far ahead flat ground meets a row below the horizon, metres."""
        return self.focal_px * self.height_m / (row - self.horizon_v_px)


def front_camera(*, width: int, height: int) -> Pinhole:
    """Return the camera behind the windscreen: 1.4 m up, about 55 degrees across.

    Args:
        width: Pixels across.
        height: Pixels down.
    """
    return Pinhole(
        width=width,
        height=height,
        focal_px=0.96 * width,
        centre_u_px=(width - 1) / 2,
        horizon_v_px=0.46 * height,
        height_m=1.4,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Air:
    """What distance does to colours.

    Attributes:
        paint: Colour of the haze.
        sight_m: Distance at which 63 % of a colour is haze, metres.
        light: Brightness of things, 1 at noon.
    """

    paint: Paint
    sight_m: float
    light: float

    def seen(self, paint: Paint, depth_m: float, shade: float = 1.0) -> tuple[float, float, float]:
        """Return a colour as it looks from `depth_m` away, after shading by a factor."""
        haze = 1.0 - math.exp(-max(depth_m, 0.0) / self.sight_m)
        lit = shade * self.light * (1.0 - haze)
        blue, green, red = paint
        fog = self.paint
        return (
            min(255.0, blue * lit + fog[0] * haze),
            min(255.0, green * lit + fog[1] * haze),
            min(255.0, red * lit + fog[2] * haze),
        )


class Painter:
    """Paints polygons in space into one picture."""

    def __init__(self, image: NDArray[np.uint8], *, camera: Pinhole, air: Air) -> None:
        """Paint into `image`, shape (height, width, 3), uint8, blue, green, red, in place."""
        self.image, self.camera, self.air = image, camera, air

    def face(self, points: Sequence[Point], paint: Paint, *, shade: float = 1.0) -> None:
        """Paint a flat polygon, cut off near the camera; one colour with the haze of its middle."""
        kept = _in_front(points)
        if len(kept) < 3:  # noqa: PLR2004 - corners of a polygon
            return
        depth_m = sum(point[0] for point in kept) / len(kept)
        self._fill(kept, self.air.seen(paint, depth_m, shade))

    def faces(self, corners: NDArray[np.float64], paint: Paint, *, shade: float = 1.0) -> None:
        """Paint many polygons of one colour at once, as on a wall; they must not overlap.

        Args:
            corners: Shape (polygons, corners, 3), metres; polygons that are not wholly in front of
                the camera are left out.
            paint: Their colour.
            shade: Factor on it.
        """
        kept = corners[(corners[..., 0] > _NEAR_M).all(axis=1)]
        if not len(kept):
            return
        camera = self.camera
        scale = camera.focal_px / kept[..., 0]
        pixels = np.empty((*kept.shape[:2], 2))
        pixels[..., 0] = camera.centre_u_px - scale * kept[..., 1]
        pixels[..., 1] = camera.horizon_v_px - scale * (kept[..., 2] - camera.height_m)
        fixed = np.rint(np.clip(pixels, -_FAR_PX, _FAR_PX) * _SUBPIXELS).astype(np.int32)
        colour = self.air.seen(paint, float(kept[..., 0].mean()), shade)
        cv2.fillPoly(self.image, list(fixed), colour, cv2.LINE_AA, _SUBPIXEL_BITS)

    def ribbon(
        self, left: Sequence[Point], right: Sequence[Point], paint: Paint, *, shade: float = 1.0
    ) -> None:
        """Paint what lies between two edges that run away from the camera, piece by piece."""
        for near in range(len(left) - 1):
            corners = (left[near], left[near + 1], right[near + 1], right[near])
            self.face(corners, paint, shade=shade)

    def shadow(self, points: Sequence[Point], *, opacity: float, softness_m: float) -> None:
        """Darken a flat polygon with soft edges.

        Args:
            points: Its corners.
            opacity: How much light it takes, from 0 to 1.
            softness_m: Width of the soft edge, metres.
        """
        kept = _in_front(points)
        if len(kept) < 3:  # noqa: PLR2004 - corners of a polygon
            return
        pixels = [self.camera.pixel(point) for point in kept]
        depth_m = sum(point[0] for point in kept) / len(kept)
        soft_px = min(25, round(self.camera.focal_px * softness_m / depth_m / 2))
        region = self._region(pixels, margin=soft_px + 1)
        if region is None:
            return
        left, top, right, bottom = region
        mask = np.zeros((bottom - top, right - left), np.uint8)
        corners = [(u - left, v - top) for u, v in pixels]
        depth = 255.0 * opacity * math.exp(-depth_m / self.air.sight_m)
        cv2.fillPoly(mask, [_fixed(corners)], (depth,), cv2.LINE_AA, _SUBPIXEL_BITS)
        if soft_px > 0:
            mask = cv2.blur(mask, (2 * soft_px + 1, 2 * soft_px // 3 * 2 + 1)).astype(np.uint8)
        below = self.image[top:bottom, left:right]
        kept_light = cv2.merge([255 - mask] * 3)
        self.image[top:bottom, left:right] = cv2.multiply(below, kept_light, scale=1 / 255)

    def glow(self, point: Point, paint: Paint, *, radius_m: float) -> None:
        """Paint a lamp as a disc that never gets smaller than a pixel."""
        if point[0] <= _NEAR_M:
            return
        u, v = self.camera.pixel(point)
        radius_px = max(0.6, self.camera.focal_px * radius_m / point[0])
        if abs(u) > _FAR_PX or abs(v) > _FAR_PX:
            return
        centre = (round(u * _SUBPIXELS), round(v * _SUBPIXELS))
        size = round(radius_px * _SUBPIXELS)
        cv2.circle(self.image, centre, size, paint, -1, cv2.LINE_AA, _SUBPIXEL_BITS)

    def _fill(self, points: Sequence[Point], colour: Paint) -> None:
        camera = self.camera
        focal, centre = camera.focal_px * _SUBPIXELS, camera.centre_u_px * _SUBPIXELS
        horizon, height_m = camera.horizon_v_px * _SUBPIXELS, camera.height_m
        columns = [centre - focal * y / x for x, y, _ in points]
        rows = [horizon - focal * (z - height_m) / x for x, _, z in points]
        right, low = max(columns), max(rows)
        if right < 0 or low < 0:
            return
        left, high = min(columns), min(rows)
        if left > camera.width * _SUBPIXELS or high > camera.height * _SUBPIXELS:
            return
        bound = _FAR_PX * _SUBPIXELS
        if left < -bound or high < -bound or right > bound or low > bound:
            columns = [min(max(column, -bound), bound) for column in columns]
            rows = [min(max(row, -bound), bound) for row in rows]
        corners = np.array([*zip(map(round, columns), map(round, rows), strict=True)], np.int32)
        cv2.fillConvexPoly(self.image, corners, colour, cv2.LINE_AA, _SUBPIXEL_BITS)

    def _region(
        self, pixels: Sequence[tuple[float, float]], *, margin: int
    ) -> tuple[int, int, int, int] | None:
        """Return left, top, right, bottom of what is in the picture, None if nothing is."""
        columns, rows = [u for u, _ in pixels], [v for _, v in pixels]
        left = max(0, math.floor(min(columns)) - margin)
        top = max(0, math.floor(min(rows)) - margin)
        right = min(self.camera.width, math.ceil(max(columns)) + margin + 1)
        bottom = min(self.camera.height, math.ceil(max(rows)) + margin + 1)
        return (left, top, right, bottom) if left < right and top < bottom else None


def _in_front(points: Sequence[Point]) -> Sequence[Point]:
    """Cut a polygon off at the near plane."""
    if all(point[0] >= _NEAR_M for point in points):
        return points
    kept: list[Point] = []
    for here, there in zip(points, (*points[1:], points[0]), strict=True):
        if here[0] >= _NEAR_M:
            kept.append(here)
        if (here[0] >= _NEAR_M) != (there[0] >= _NEAR_M):
            share = (_NEAR_M - here[0]) / (there[0] - here[0])
            y_m = here[1] + share * (there[1] - here[1])
            z_m = here[2] + share * (there[2] - here[2])
            kept.append((_NEAR_M, y_m, z_m))
    return kept


def _fixed(pixels: Sequence[tuple[float, float]]) -> NDArray[np.int32]:
    """Return pixels as OpenCV's fixed point, shape (corners, 2)."""
    bounded = [
        (
            round(min(max(u, -_FAR_PX), _FAR_PX) * _SUBPIXELS),
            round(min(max(v, -_FAR_PX), _FAR_PX) * _SUBPIXELS),
        )
        for u, v in pixels
    ]
    return np.array(bounded, dtype=np.int32)
