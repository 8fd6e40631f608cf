"""A picture being painted, farthest things first, and beside it who covers which pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sensors.synthetic.daylight import Air
    from sensors.synthetic.view import Lens

Paint = tuple[float, float, float]
"""Blue, green, red, each from 0 to 255."""

NEAR_M = 0.6
"""What is nearer than this plane before the camera is cut away."""

SOLID_ID = 65535
"""Covers what is behind it and is nothing that is labelled."""

_BITS = 4
_SUBPIXELS = 1 << _BITS
_FAR_PX = 6000.0  # bound of what is handed to OpenCV, whose fixed point ends at 32768


class Glow(NamedTuple):
    """A light in the picture: column, row and radius in pixels, colour, and whose it is."""

    u: float
    v: float
    radius: float
    paint: Paint
    owner: int


class Canvas:
    """What is painted on: a picture, the owners of its pixels, or both.

    Attributes:
        image: Shape (height, width, 3), uint8, blue, green, red; None if only owners count.
        owners: Shape (height, width), uint16: 0 for ground and sky, `SOLID_ID` for what is not
            labelled, else the number given with what was painted; None if only the picture counts.
        lens: The camera.
        air: Haze and light.
        glows: Lights seen.
    """

    __slots__ = ("air", "glows", "image", "lens", "owners")

    def __init__(
        self,
        *,
        lens: Lens,
        air: Air,
        image: NDArray[np.uint8] | None,
        owners: NDArray[np.uint16] | None,
    ) -> None:
        """Paint into arrays of the lens's size, in place."""
        self.lens, self.air = lens, air
        self.image, self.owners = image, owners
        self.glows: list[Glow] = []

    def face(
        self, points: NDArray[np.float64], paint: Paint, *, owner: int | None, shade: float = 1.0
    ) -> None:
        """Paint a flat convex polygon of the world, cut off near the camera.

        Args:
            points: Corners, shape (n, 3), world, metres.
            paint: Its colour; the haze is that of its middle.
            owner: Who covers the pixels then; None leaves that as it is.
            shade: Factor on the colour.
        """
        self.flat(self.lens.to_camera(points), paint, owner=owner, shade=shade)

    def flat(
        self,
        seen: NDArray[np.float64],
        paint: Paint,
        *,
        owner: int | None = None,
        shade: float = 1.0,
    ) -> None:
        """Paint the same from corners in the camera frame."""
        seen = in_front(seen)
        if len(seen) < 3:  # noqa: PLR2004 - corners of a polygon
            return
        fixed = self.fixed(seen)
        if fixed is None:
            return
        if self.image is not None:
            colour = self.air.seen(paint, float(seen[:, 2].mean()), shade)
            cv2.fillConvexPoly(self.image, fixed, colour, cv2.LINE_AA, _BITS)
        if self.owners is not None and owner is not None:
            cv2.fillConvexPoly(self.owners, fixed, owner, cv2.LINE_8, _BITS)

    def fixed(self, seen: NDArray[np.float64]) -> NDArray[np.int32] | None:
        """Return pixels of points in front of the camera as OpenCV's fixed point; None outside."""
        camera = self.lens.camera
        inverse = camera.focal_x_px / seen[:, 2]
        pixels = np.empty((len(seen), 2))
        pixels[:, 0] = camera.centre_x_px + inverse * seen[:, 0]
        pixels[:, 1] = camera.centre_y_px + inverse * seen[:, 1]
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        if high[0] < 0 or high[1] < 0 or low[0] > camera.width or low[1] > camera.height:
            return None
        return np.rint(np.clip(pixels, -_FAR_PX, _FAR_PX) * _SUBPIXELS).astype(np.int32)

    def fill(self, fixed: NDArray[np.int32], colour: Sequence[float], *, owner: int | None) -> None:
        """Paint a convex polygon of the picture, in fixed point, in a colour as it is seen."""
        if self.image is not None:
            cv2.fillConvexPoly(self.image, fixed, colour, cv2.LINE_AA, _BITS)
        if self.owners is not None and owner is not None:
            cv2.fillConvexPoly(self.owners, fixed, owner, cv2.LINE_8, _BITS)

    def limb(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        *,
        thick_px: float,
        colour: Sequence[float],
        owner: int | None,
    ) -> None:
        """Paint a rounded stroke between two pixels."""
        if max(abs(start[0]), abs(start[1]), abs(end[0]), abs(end[1])) > _FAR_PX:
            return
        ends = [(round(u * _SUBPIXELS), round(v * _SUBPIXELS)) for u, v in (start, end)]
        thick = max(1, round(thick_px))
        if self.image is not None:
            cv2.line(self.image, ends[0], ends[1], colour, thick, cv2.LINE_AA, _BITS)
        if self.owners is not None and owner is not None:
            cv2.line(self.owners, ends[0], ends[1], owner, thick, cv2.LINE_8, _BITS)

    def disc(
        self,
        centre: tuple[float, float],
        *,
        radius_px: float,
        colour: Sequence[float],
        owner: int | None,
    ) -> None:
        """Paint a disc."""
        if max(abs(centre[0]), abs(centre[1])) > _FAR_PX:
            return
        at = (round(centre[0] * _SUBPIXELS), round(centre[1] * _SUBPIXELS))
        size = max(1, round(radius_px * _SUBPIXELS))
        if self.image is not None:
            cv2.circle(self.image, at, size, colour, -1, cv2.LINE_AA, _BITS)
        if self.owners is not None and owner is not None:
            cv2.circle(self.owners, at, size, owner, -1, cv2.LINE_8, _BITS)

    def glow(
        self, point: NDArray[np.float64], paint: Paint, *, radius_m: float, owner: int
    ) -> None:
        """Remember a light of the world; it shines if its owner covers the pixel at the end."""
        seen = self.lens.to_camera(point[None])[0]
        if seen[2] < NEAR_M:
            return
        camera = self.lens.camera
        scale = camera.focal_x_px / seen[2]
        u, v = camera.centre_x_px + scale * seen[0], camera.centre_y_px + scale * seen[1]
        if -40 < u < camera.width + 40 and -40 < v < camera.height + 40:  # noqa: PLR2004
            radius = max(0.7, float(scale) * radius_m)
            self.glows.append(Glow(float(u), float(v), radius, paint, owner))

    def shining(self) -> list[Glow]:
        """Return the lights that nothing has been painted over."""
        owners = self.owners
        if owners is None:
            return self.glows
        height, width = owners.shape
        found = []
        for glow in self.glows:
            column, row = round(glow.u), round(glow.v)
            inside = 0 <= column < width and 0 <= row < height
            if not inside or int(owners[row, column]) == glow.owner:
                found.append(glow)
        return found


def in_front(seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a polygon in the camera frame off at the near plane; shape (n, 3)."""
    if seen[:, 2].min() >= NEAR_M:
        return seen
    kept: list[tuple[float, float, float]] = []
    corners = seen.tolist()
    x0, y0, z0 = corners[-1]
    for x1, y1, z1 in corners:
        if (z0 >= NEAR_M) != (z1 >= NEAR_M):
            share = (NEAR_M - z0) / (z1 - z0)
            kept.append((x0 + share * (x1 - x0), y0 + share * (y1 - y0), NEAR_M))
        if z1 >= NEAR_M:
            kept.append((x1, y1, z1))
        x0, y0, z0 = x1, y1, z1
    return np.array(kept) if kept else np.zeros((0, 3))
