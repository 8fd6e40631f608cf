"""Sweeps turned into grids and the targets of centre heads: mirrored and turned for training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.pillars import PillarSpec, pillarise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sensors.labels import Labels3D
    from tools.train.sweeps import Sweeps

STRIDE = 2
"""Cells of the grid a cell of the heads."""

FIGURES = 10
_SPREAD_CELLS = 0.8  # standard deviation of a centre's bump in the heat map
_REACH = 2  # cells around a centre that its bump covers
_TURN_RAD = 0.12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What the heads should say.

    Attributes:
        heat: Bumps, 1 at centres; shape (classes, rows, columns), float32.
        care: 0 where anything goes, else 1; shape (rows, columns), float32.
        rows: Row of each object's cell; shape (n,), int64.
        columns: Its column.
        figures: Its ten figures in the order of the decoder `pillars`; shape (n, 10), float32.
    """

    heat: NDArray[np.float32]
    care: NDArray[np.float32]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    figures: NDArray[np.float32]


def answers(labels: Labels3D, spec: PillarSpec) -> Answers:
    """Targets of a sweep; objects outside the grid are left out.

    Args:
        labels: Boxes in space, ego frame.
        spec: The grid.
    """
    rows, columns = spec.rows // STRIDE, spec.columns // STRIDE
    cell_m = spec.cell_m * STRIDE
    heat = np.zeros((len(labels.names), rows, columns), np.float32)
    care = np.ones((rows, columns), np.float32)
    at = (labels.centres_m[:, :2].astype(np.float64) - [spec.x_m, spec.y_m]) / cell_m
    cell = np.floor(at).astype(np.int64)
    inside = ((cell >= 0) & (cell < [rows, columns])).all(axis=1)
    for index in np.flatnonzero(inside):
        row, column = cell[index]
        top, left = max(row - _REACH, 0), max(column - _REACH, 0)
        part = np.s_[top : row + _REACH + 1, left : column + _REACH + 1]
        if labels.classes[index] < 0:
            care[part] = 0
            continue
        near = np.mgrid[0:rows, 0:columns][(slice(None), *part)]
        away = (near[0] - row) ** 2 + (near[1] - column) ** 2
        bump = np.exp(-away / (2 * _SPREAD_CELLS**2)).astype(np.float32)
        plane = heat[labels.classes[index]]
        plane[part] = np.maximum(plane[part], bump)
    real = np.flatnonzero(inside & (labels.classes >= 0))
    care[cell[real, 0], cell[real, 1]] = 1
    figures = np.concatenate(
        [
            at[real] - cell[real],
            labels.centres_m[real, 2:],
            np.log(labels.sizes_m[real]),
            np.sin(labels.yaws_rad[real])[:, None],
            np.cos(labels.yaws_rad[real])[:, None],
            np.nan_to_num(labels.velocities_mps[real]),
        ],
        axis=1,
    )
    return Answers(
        heat=heat,
        care=care,
        rows=cell[real, 0],
        columns=cell[real, 1],
        figures=figures.astype(np.float32),
    )


def sample(
    source: Sweeps, index: int, spec: PillarSpec, draws: np.random.Generator
) -> tuple[NDArray[np.float32], Answers]:
    """A sweep mirrored and turned by chance, as a grid, and its targets.

    Args:
        source: The sweeps.
        index: Which.
        spec: The grid; points are taken as being in the ego frame after the turn.
        draws: Random numbers of this sample alone.

    Returns:
        The grid, shape (1, channels, rows, columns), and the targets.
    """
    mounting = source.mounting
    points, labels = np.array(source.points[index]), source.labels[index]
    points[:, :3] += np.array([mounting.x_m, mounting.y_m, mounting.z_m], np.float32)
    mirror = -1.0 if draws.random() < 0.5 else 1.0  # noqa: PLR2004 - half of them
    turn = draws.uniform(-_TURN_RAD, _TURN_RAD)
    points[:, :2] = turned(points[:, :2], turn, mirror)
    centres = labels.centres_m.copy()
    centres[:, :2] = turned(centres[:, :2], turn, mirror)
    moved = replace(
        labels,
        centres_m=centres,
        yaws_rad=(mirror * labels.yaws_rad + turn).astype(np.float32),
        velocities_mps=turned(labels.velocities_mps, turn, mirror),
    )
    return pillarise(points, spec), answers(moved, spec)


def turned(places: NDArray[np.float32], turn_rad: float, mirror: float) -> NDArray[np.float32]:
    """Places or velocities mirrored left to right (`mirror` -1), then turned; shape (n, 2)."""
    x, y = places[:, 0], places[:, 1] * mirror
    cosine, sine = np.cos(turn_rad), np.sin(turn_rad)
    return np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1).astype(np.float32)
