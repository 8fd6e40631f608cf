"""Centres of objects in a heat map: its local maxima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """Local maxima, the surest first.

    Attributes:
        classes: Channel; shape (n,), int64.
        rows: Row of the cell; shape (n,), int64.
        columns: Column of the cell; shape (n,), int64.
        scores: Its value; shape (n,), float32.
    """

    classes: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: NDArray[np.float32]


def peaks(heat: NDArray[np.float32], *, least: float, most: int) -> Peaks:
    """Find cells that no neighbour of the eight exceeds, class by class.

    Taking them in place of suppressing boxes is CenterNet's way (Zhou et al., Objects as Points,
    2019, arXiv 1904.07850).

    Args:
        heat: Scores, shape (classes, height, width).
        least: Cells below it are left out.
        most: Most cells to return.
    """
    highest = np.stack([cv2.dilate(plane, _NEIGHBOURS) for plane in heat])
    classes, rows, columns = np.nonzero((heat >= highest) & (heat >= np.float32(least)))
    scores = heat[classes, rows, columns]
    order = np.argsort(-scores, kind="stable")[:most]
    return Peaks(
        classes=classes[order], rows=rows[order], columns=columns[order], scores=scores[order]
    )


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e**-x) without overflow, float32."""
    halves = np.tanh(values * np.float32(0.5))
    shares: NDArray[np.float32] = np.float32(0.5) + np.float32(0.5) * halves
    return shares
