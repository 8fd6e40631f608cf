"""How objects of a picture and objects in space are compared, and how far each is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.outputs.boxes import require_boxes
from pipeline.tasks.outputs.overlap import iou
from pipeline.tasks.outputs.space import require_space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result

    Floats = NDArray[np.float64]

_LEAST_SIDE_PX = 1.0


class PictureMeasure:
    """Boxes in a picture: middle, width and height, compared by their overlap.

    A pair costs 1 less its intersection over union, so what overlaps not at all costs 1 and does
    not fit; an overlap of a fifth is asked for, as in ByteTrack's first matching. Standard
    deviations are shares of the box's height, as in DeepSORT (Wojke et al., 2017, arXiv
    1703.07402): 0.05 of a measurement; 3 heights/s² of acceleration and 1 height/s of an unknown
    rate are assumed.
    """

    least_overlap = 0.2

    def coordinates(self, result: Result) -> Floats:
        """Middle x, middle y, width, height; shape (n, 4).

        Raises:
            OutputContractError: Not boxes in a picture.
        """
        corners = require_boxes("track", result).xyxy.astype(np.float64)
        middle = (corners[:, :2] + corners[:, 2:]) / 2
        places: Floats = np.concatenate([middle, corners[:, 2:] - corners[:, :2]], axis=1)
        return places

    def noises(self, place: Floats) -> tuple[Floats, Floats, Floats]:
        """Standard deviations: measured, acceleration, unknown rate; shape (n, 4) each."""
        height = np.maximum(place[:, 3:], _LEAST_SIDE_PX)
        heights = np.broadcast_to(height, place.shape)
        return 0.05 * heights, 3.0 * heights, 1.0 * heights

    def costs(self, expected: Floats, seen: Floats) -> Floats:
        """1 less the overlap; infinity below a fifth."""
        here, there = _corners(expected), _corners(seen)
        overlaps = np.stack([iou(box, there) for box in here])
        return np.where(overlaps >= self.least_overlap, 1.0 - overlaps, np.inf)


class GroundMeasure:
    """Boxes in space: x and y of the middle, ego frame, compared by their distance.

    A pair costs its distance as a share of `gate_m`, CenterPoint's of cars (Yin et al., 2021, arXiv
    2006.11275). The velocity that a result tells is over ground, and the frame moves with the own
    vehicle, so rates are learnt and not taken from it. Standard deviations are 0.3 m of a
    measurement, 6 m/s² of acceleration (braking hard, and the own vehicle turning) and 10 m/s of
    an unknown rate; assumed.
    """

    gate_m = 4.0

    def coordinates(self, result: Result) -> Floats:
        """X and y; shape (n, 2).

        Raises:
            OutputContractError: Not boxes in space.
        """
        return require_space("track", result).centres_m[:, :2].astype(np.float64)

    def noises(self, place: Floats) -> tuple[Floats, Floats, Floats]:
        """Standard deviations: measured, acceleration, unknown rate; shape (n, 2) each."""
        return np.full_like(place, 0.3), np.full_like(place, 6.0), np.full_like(place, 10.0)

    def costs(self, expected: Floats, seen: Floats) -> Floats:
        """Distance over the gate; infinity beyond it."""
        apart = np.hypot(*(expected[:, np.newaxis] - seen).transpose(2, 0, 1))
        return np.where(apart <= self.gate_m, apart / self.gate_m, np.inf)


def _corners(places: Floats) -> Floats:
    half = np.maximum(places[:, 2:], 0) / 2
    corners: Floats = np.concatenate([places[:, :2] - half, places[:, :2] + half], axis=1)
    return corners
