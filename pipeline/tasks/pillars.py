"""Preparing of a LiDAR sweep for a network: figures of the points in each cell of a ground grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, log1p
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError
from sensors.calibration import Mounting

if TYPE_CHECKING:
    from numpy.typing import NDArray

PILLAR_CHANNELS = (
    "count",
    "top",
    "bottom",
    "mean",
    "intensity",
    "ahead",
    "left",
    "low",
    "middle",
    "high",
)
"""What the channels of a pillar tensor hold, in their order; see `pillarise`."""

_FIGURES = 4
_MOST_CELLS = 1 << 22
_COUNT_SCALE = log1p(31.0)  # a cell with 31 points counts 1
_SLICES_M = (0.3, 0.9, 1.6, 3.0)  # heights that part low, middle and high: wheels, bodies, trucks
# Sums are of whole numbers, so that the order of the points changes no bit.
_Z_TICKS = 1024.0  # a metre
_PLACE_TICKS = 4096.0  # a cell
_LIGHT_TICKS = 4096.0
_AT_ORIGIN = Mounting(x_m=0.0, y_m=0.0, z_m=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PillarSpec:
    """What a network takes of a sweep: a grid on the ground, in the ego frame, and its heights.

    Attributes:
        x_m: Least x of the grid, metres; rows run along x from there.
        y_m: Least y of the grid, metres; columns run along y from there.
        cell_m: Side of a cell.
        rows: Cells along x.
        columns: Cells along y.
        low_m: Points below this height over the ego origin are left out.
        high_m: The same, above.
        mounting: Where the sensor sits, whose frame the points are in; the default is for points
            in the ego frame.
    """

    x_m: float = -12.8
    y_m: float = -32.0
    cell_m: float = 0.4
    rows: int = 192
    columns: int = 160
    low_m: float = -1.5
    high_m: float = 4.0
    mounting: Mounting = _AT_ORIGIN

    def __post_init__(self) -> None:
        numbers = (self.x_m, self.y_m, self.cell_m, self.low_m, self.high_m)
        if not all(isfinite(number) for number in numbers) or self.cell_m <= 0.0:
            raise InputError(f"pillars: a grid is of finite numbers and cells above 0, not {self}")
        if self.rows < 1 or self.columns < 1 or self.rows * self.columns > _MOST_CELLS:
            raise InputError(
                f"pillars: a grid of {self.rows}x{self.columns} cells; it has 1 to {_MOST_CELLS}"
            )
        if self.low_m >= self.high_m:
            raise InputError(f"pillars: low_m {self.low_m:g} is not below high_m {self.high_m:g}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the tensor: batch of one, channels, rows, columns."""
        return (1, len(PILLAR_CHANNELS), self.rows, self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnMotion:
    """How the own vehicle moves while a sweep is measured.

    Attributes:
        speed_mps: Along its heading.
        yaw_rate_radps: Counter-clockwise.
    """

    speed_mps: float
    yaw_rate_radps: float = 0.0


def pillarise(
    points: NDArray[np.float32],
    spec: PillarSpec,
    *,
    offsets_ns: NDArray[np.int32] | None = None,
    motion: OwnMotion | None = None,
) -> NDArray[np.float32]:
    """Turn a sweep into the network's tensor.

    A cell without points is 0 in every channel. Else, with heights over the ego origin in metres:
    `count`, the logarithm of one plus the number of points, 1 for 31 of them; `top`, `bottom` and
    `mean` of the heights; mean `intensity`; `ahead` and `left`, where in the cell the points lie on
    average, from its middle, in cells along x and y; `low`, `middle` and `high`, as `count` but for
    points from 0.3, 0.9 and 1.6 m (up to 3.0 m). The order of the points changes nothing.

    Args:
        points: X, y, z in metres, sensor frame, and intensity from 0 to 1; shape (n, 4), float32.
            Points that are not finite are left out.
        spec: What the network takes.
        offsets_ns: When each point was measured, less the sweep's stamp; shape (n,). With `motion`,
            points are put where they lie at the stamp if they stand still.
        motion: How the own vehicle moved meanwhile.

    Returns:
        Shape (1, channels, rows, columns), float32, C-contiguous.

    Raises:
        InputError: Not such points or offsets.
    """
    if points.ndim != 2 or points.shape[1] != _FIGURES or points.dtype != np.float32:  # noqa: PLR2004
        raise InputError(f"a sweep is float32 (n, 4), not {points.dtype}{list(points.shape)}")
    if offsets_ns is not None and offsets_ns.shape != (len(points),):
        raise InputError(f"{len(points)} points have offsets of shape {list(offsets_ns.shape)}")
    x, y, z = _in_ego(points, spec.mounting)
    if motion is not None and offsets_ns is not None:
        x, y = at_stamp(x, y, offsets_ns, motion)
    with np.errstate(invalid="ignore"):
        row = (x - np.float32(spec.x_m)) * np.float32(1.0 / spec.cell_m)
        column = (y - np.float32(spec.y_m)) * np.float32(1.0 / spec.cell_m)
        inside = (row >= 0.0) & (row < spec.rows) & (column >= 0.0) & (column < spec.columns)
        inside &= (z >= spec.low_m) & (z < spec.high_m) & np.isfinite(points[:, 3])
    kept = np.flatnonzero(inside)
    return _figures(row[kept], column[kept], z[kept], points[kept, 3], spec)


def at_stamp(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    offsets_ns: NDArray[np.int32],
    motion: OwnMotion,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where points that stand still lie when the sweep is stamped.

    The own vehicle drives on an arc: constant speed and yaw rate.

    Args:
        x: X in the ego frame of when each point was measured, metres; shape (n,), float32.
        y: Y likewise.
        offsets_ns: When each was measured, less the stamp, ns; shape (n,).
        motion: How the own vehicle moved meanwhile.

    Returns:
        X and y in the ego frame of the stamp.
    """
    after_s = offsets_ns.astype(np.float32) * np.float32(-1e-9)
    turned = np.float32(motion.yaw_rate_radps) * after_s
    way = np.float32(motion.speed_mps) * after_s
    # Chord of the arc: its length and direction; sinc keeps both right where nothing turns.
    chord = way * np.sinc(turned / np.float32(2.0 * np.pi)).astype(np.float32)
    rest_x = x - chord * np.cos(0.5 * turned)
    rest_y = y - chord * np.sin(0.5 * turned)
    cosine, sine = np.cos(turned), np.sin(turned)
    return cosine * rest_x + sine * rest_y, cosine * rest_y - sine * rest_x


def _in_ego(
    points: NDArray[np.float32], mounting: Mounting
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """X, y and z in the ego frame."""
    turn = mounting.rotation().astype(np.float32)
    if np.array_equal(turn, np.eye(3, dtype=np.float32)):
        moved = (points[:, axis] for axis in range(3))
    else:
        # Written out: a matrix product may round otherwise on another machine.
        moved = (
            turn[axis, 0] * points[:, 0]
            + turn[axis, 1] * points[:, 1]
            + turn[axis, 2] * points[:, 2]
            for axis in range(3)
        )
    x, y, z = moved
    return (
        x + np.float32(mounting.x_m),
        y + np.float32(mounting.y_m),
        z + np.float32(mounting.z_m),
    )


def _figures(
    row: NDArray[np.float32],
    column: NDArray[np.float32],
    z: NDArray[np.float32],
    light: NDArray[np.float32],
    spec: PillarSpec,
) -> NDArray[np.float32]:
    """The tensor of points that all lie inside the grid; `row` and `column` with fractions."""
    cells = spec.rows * spec.columns
    tensor = np.zeros((len(PILLAR_CHANNELS), cells), np.float32)
    if not len(z):
        return tensor.reshape(spec.shape)
    whole_row, whole_column = row.astype(np.int32), column.astype(np.int32)
    cell = whole_row * spec.columns + whole_column
    heights = np.rint((z - np.float32(spec.low_m)) * _Z_TICKS).astype(np.int64)
    # Sorted by cell, then height: the first of a cell is its lowest point, the last its highest.
    span = int(np.ceil((spec.high_m - spec.low_m) * _Z_TICKS)) + 1
    order = np.sort(cell * np.int64(span) + heights)
    owner = order // span
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    filled = owner[first]
    counts = np.diff(first, append=len(order))
    share = 1.0 / counts
    height = order - owner * span
    bottom, top = height[first], height[np.append(first[1:], len(order)) - 1]
    mean = np.add.reduceat(height, first) * share
    into = (tensor[channel] for channel in range(len(PILLAR_CHANNELS)))
    next(into)[filled] = np.log1p(counts) / _COUNT_SCALE
    for values in (top, bottom, mean):
        next(into)[filled] = values / _Z_TICKS + spec.low_m
    for values, ticks, middle in (
        (light, _LIGHT_TICKS, 0.0),
        (row - whole_row, _PLACE_TICKS, 0.5),
        (column - whole_column, _PLACE_TICKS, 0.5),
    ):
        sums = np.bincount(cell, weights=np.rint(values * ticks), minlength=cells)
        next(into)[filled] = sums[filled] * share / ticks - middle
    for low, high in pairwise(_SLICES_M):
        within = np.bincount(cell[(z >= low) & (z < high)], minlength=cells)
        next(into)[:] = np.log1p(within) / _COUNT_SCALE
    return tensor.reshape(spec.shape)
