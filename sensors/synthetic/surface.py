"""Which place of the ground each pixel sees, and the ground as it is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.synthetic.asphalt import (
    LEVELS_D,
    LEVELS_S,
    TEXEL_D_M,
    TEXEL_S_M,
    TEXTURE_M,
    RoadTexture,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.calibration import Intrinsics
    from sensors.synthetic.course import Course
    from sensors.synthetic.view import Lens

SIGHT_M = 400.0
"""Ground further away counts as horizon."""

_ACROSS_PX, _DOWN_PX = 32, 4  # of the grid at which places are found; between them they are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """The ground as one camera sees it at one instant.

    Attributes:
        top: First row of the picture that has ground; the arrays below begin there.
        inverse: One over the depth along the optical axis, 1/m; shape (rows, width), float32;
            below `1 / SIGHT_M` where a pixel sees no ground.
        s_m: Along the road, less a multiple of `TEXTURE_M` (see `base_m`); same shape, float32.
        d_m: To its left; same shape, float32.
        base_m: What was taken off `s_m`.
        hit: Whether a pixel sees ground; same shape, bool.
        depths_m: Depth in the middle of each row.
    """

    top: int
    inverse: NDArray[np.float32]
    s_m: NDArray[np.float32]
    d_m: NDArray[np.float32]
    base_m: float
    hit: NDArray[np.bool_]
    depths_m: NDArray[np.float64]


class Surface:
    """Finds the ground of one camera's pixels."""

    def __init__(self, *, camera: Intrinsics, course: Course) -> None:
        """Prepare what only depends on the camera's size."""
        self._camera, self._course = camera, course
        columns = -(-(camera.width - 1) // _ACROSS_PX) + 1
        self._columns = np.arange(columns) * float(_ACROSS_PX)
        place = np.arange(camera.width) / _ACROSS_PX
        self._across = _hats(place, columns).T.astype(np.float32)

    def footing(self, lens: Lens, *, place_m: float) -> Footing:
        """Return the ground that a camera sees; `place_m` is where along the road it is."""
        camera = self._camera
        top = self._top_row(lens)
        rows = camera.height - top
        coarse = -(-max(rows - 1, 1) // _DOWN_PX) + 1
        at_rows = top + np.arange(coarse) * float(_DOWN_PX)
        u = (self._columns - camera.centre_x_px) / camera.focal_x_px
        v = (at_rows - camera.centre_y_px) / camera.focal_y_px
        rays = np.empty((coarse, len(u), 3))
        rays[..., 0], rays[..., 1], rays[..., 2] = u[None], v[:, None], 1.0
        rays = rays.reshape(-1, 3) @ lens.turn
        inverse, s_m, d_m = self._meet(lens, rays, place_m)
        base_m = math.floor(place_m / TEXTURE_M - 4) * TEXTURE_M
        shape = (coarse, len(u))
        down = _hats(np.arange(rows) / _DOWN_PX, coarse).astype(np.float32)
        # Places times inverse depth are linear in the picture as far as the ground is flat.
        whole = [
            down @ (field.reshape(shape).astype(np.float32) @ self._across)
            for field in (inverse, (s_m - base_m) * inverse, d_m * inverse)
        ]
        hit = whole[0] > 1.0 / SIGHT_M
        depth = 1.0 / np.maximum(whole[0], np.float32(1.0 / (4 * SIGHT_M)))
        middle = depth[:, camera.width // 2]
        return Footing(
            top=top,
            inverse=whole[0],
            s_m=(whole[1] * depth).astype(np.float32, copy=False),
            d_m=(whole[2] * depth).astype(np.float32, copy=False),
            base_m=base_m,
            hit=hit,
            depths_m=middle.astype(np.float64),
        )

    def _top_row(self, lens: Lens) -> int:
        """Return the first row in which a flat horizon, or a hill's, may lie."""
        camera = self._camera
        slope = lens.turn[:, 2]  # the world's up in the camera frame
        rows = []
        for column in (0.0, camera.width - 1.0):
            across = (column - camera.centre_x_px) / camera.focal_x_px
            # Where a ray is level: across * up_x + down * up_y + up_z = 0.
            down = -(across * slope[0] + slope[2]) / slope[1]
            rows.append(camera.centre_y_px + down * camera.focal_y_px)
        margin = 0.025 * camera.focal_y_px
        return int(min(max(math.floor(min(rows) - margin), 0), camera.height - 2))

    def _meet(
        self, lens: Lens, rays: NDArray[np.float64], place_m: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return inverse depth, s and d where rays (world, depth 1 long) meet the ground."""
        course, eye = self._course, lens.eye
        height_m = eye[2] - course.height(place_m)
        down = -rays[:, 2]
        # A first guess on the plane of the ground below the camera, then Newton's method.
        slope = course.slope(place_m)
        theta = course.heading(place_m)
        along = rays[:, 0] * math.cos(theta) + rays[:, 1] * math.sin(theta)
        plane = (down + slope * along) / height_m
        inverse = np.maximum(plane, 1.0 / SIGHT_M)
        depth = 1.0 / inverse
        s_m, d_m = course.places(eye[0] + depth * rays[:, 0], eye[1] + depth * rays[:, 1])
        for _ in range(3):
            over = eye[2] - depth * down - course.heights(s_m)
            grazing = np.maximum(down + _slopes(course, s_m) * along, 0.004)
            step = np.clip(depth + over / grazing, 0.5, SIGHT_M) - depth
            depth += step
            x_m, y_m = eye[0] + depth * rays[:, 0], eye[1] + depth * rays[:, 1]
            s_m, d_m = course.places(x_m, y_m, near=s_m + step * along)
        inverse = 1.0 / depth
        missed = (inverse < 1.02 / SIGHT_M) & (plane < 1.0 / SIGHT_M)
        inverse[missed] = np.minimum(plane[missed], 0.9 / SIGHT_M)
        return inverse, s_m, d_m


def course_place(course: Course, lens: Lens) -> float:
    """Return how far along the road a camera is."""
    s_m, _ = course.places(lens.eye[:1], lens.eye[1:2])
    return float(s_m[0])


def _slopes(course: Course, s_m: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(course.heights(s_m + 0.5) - course.heights(s_m - 0.5))


def _hats(place: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the matrix that draws values between grid points, shape (places, count)."""
    low = np.minimum(place.astype(np.int64), count - 2) if count > 1 else np.zeros(len(place), int)
    share = place - low
    matrix = np.zeros((len(place), count))
    at = np.arange(len(place))
    matrix[at, low] = 1.0 - share
    if count > 1:
        matrix[at, low + 1] = share
    return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounding:
    """Where on the road's texture the pixels of bands of rows lie.

    Attributes:
        bands: First row and one past the last, level along and across, columns and rows on that
            level of the texture.
    """

    bands: tuple[tuple[int, int, int, int, NDArray[np.float32], NDArray[np.float32]], ...]

    def look_up(
        self, levels: dict[tuple[int, int], NDArray[np.uint8]], shape: tuple[int, ...]
    ) -> NDArray[np.uint8]:
        """Return what a texture has there; shape as given."""
        seen = np.empty(shape, np.uint8)
        for start, stop, along, across, columns, rows in self.bands:
            cv2.remap(
                levels[along, across],
                columns,
                rows,
                cv2.INTER_LINEAR,
                dst=seen[start:stop],
                borderMode=cv2.BORDER_REPLICATE,
            )
        return seen


def ground_on(
    footing: Footing, *, focal_px: float, aside: bool, blur_m: float, height_m: float
) -> Grounding:
    """Return where on the road's texture each pixel lies.

    Args:
        footing: Which place each pixel sees.
        focal_px: The camera's focal length.
        aside: Whether it looks across the road, else along it.
        blur_m: How far it moves along the road while it exposes.
        height_m: How high it is above the ground.
    """
    depths = footing.depths_m
    near, far = depths / focal_px, depths * depths / (focal_px * height_m)
    along_m, across_m = (near, far) if aside else (far, near)
    along = _levels(np.hypot(along_m, blur_m) / TEXEL_S_M, LEVELS_S)
    across = _levels(across_m / TEXEL_D_M, LEVELS_D)
    changes = np.flatnonzero((np.diff(along) != 0) | (np.diff(across) != 0)) + 1
    edges = [0, *changes.tolist(), len(depths)]
    bands = []
    for start, stop in pairwise(edges):
        fine_s, fine_d = int(along[start]), int(across[start])
        bands.append(
            (
                start,
                stop,
                fine_s,
                fine_d,
                RoadTexture.columns(footing.d_m[start:stop], fine_d),
                RoadTexture.rows(footing.s_m[start:stop], fine_s),
            )
        )
    return Grounding(bands=tuple(bands))


def _levels(texels: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the levels whose texels are about as large as what pixels see."""
    fineness = np.floor(np.log2(np.maximum(texels, 1.0)) + 0.4).astype(np.int64)
    return np.minimum(fineness, count - 1)
