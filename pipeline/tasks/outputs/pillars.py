"""Decoder of a LiDAR network's centre heads over the ground: boxes in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.heatmap import peaks, sigmoid
from pipeline.tasks.outputs.names import class_list, count, length, share
from pipeline.tasks.outputs.protocol import (
    Boxes3D,
    only_output,
    require_finite,
    require_ground,
)
from pipeline.tasks.outputs.space import decode_space, encode_space, require_space, space_f1

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement, Result, ResultKind

FIGURES = 10
"""Channels of `boxes`: dx, dy, z, log length, log width, log height, sin and cos of yaw, vx, vy."""

MOST_BOXES = 1000
_LARGEST_LOG = 5.0  # e**5 m is longer than any vehicle; keeps exp finite
_AXES = 4


class Pillars:
    """Decodes two outputs over a grid on the ground, float32, at a whole stride of the input's.

    `heatmap`, shape (1, classes, rows, columns): logits; an object stands where one is a local
    maximum and its sigmoid is at least `score`. `boxes`, shape (1, 10, rows, columns): dx and dy,
    where in the cell its centre lies, from the cell's least corner, in cells; z of its middle in
    metres; logarithms of length, width and height in metres; sine and cosine of its yaw, of any
    common length; velocity over ground in m/s. Axes and metres are the ego frame's; rows run along
    x, columns along y. The manner is CenterPoint's (Yin et al., 2021, arXiv 2006.11275).

    A result crosses as `space.encode_space` says.

    Args:
        score: Boxes that score less are left out; from 0 to 1.
        classes: `splitway`, or the names of the heat map's channels.
        most: Most boxes of a result, 1 to 1,000.
        apart: Two boxes of one class keep this distance of their centres, m; the surer stays.
        heatmap: Name of the output with the heat map.
        boxes: Name of the output with the figures.

    Raises:
        InputError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        score: float = 0.3,
        classes: str | Sequence[str] = "splitway",
        most: int = 200,
        apart: float = 1.0,
        heatmap: str = "heatmap",
        boxes: str = "boxes",
    ) -> None:
        self.score, self.apart_m = share("pillars: score", score), length("pillars: apart", apart)
        self.most = count("pillars: most", most, MOST_BOXES)
        self.classes = class_list("pillars", classes)
        self._heatmap, self._boxes = heatmap, boxes

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""
        return "pillars"

    @property
    def kind(self) -> ResultKind:
        """Boxes in space."""
        return "boxes_3d"

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Boxes3D:
        """Decode the network's outputs into boxes in space.

        Raises:
            OutputContractError: An output is missing, has another shape or dtype than the grid asks
                for, or a value that is not finite; or the network reads pictures.
        """
        ground = require_ground(self.name, geometry)
        _, heat = only_output(self.name, outputs, self._heatmap)
        _, figures = only_output(self.name, outputs, self._boxes)
        stride = ground.rows // heat.shape[2] if heat.ndim == _AXES and heat.shape[2] else 0
        if not stride or ground.rows % stride or ground.columns % stride:
            raise OutputContractError(
                self.name,
                f"output {self._heatmap} has shape {list(heat.shape)}, which no whole stride makes "
                f"of a grid of {ground.rows}x{ground.columns} cells",
            )
        size = (ground.rows // stride, ground.columns // stride)
        require_finite(self.name, self._heatmap, heat, (1, len(self.classes), *size))
        require_finite(self.name, self._boxes, figures, (1, FIGURES, *size))
        scores = sigmoid(np.asarray(heat, dtype=np.float32)[0])
        found = peaks(scores, least=self.score, most=MOST_BOXES)
        values = np.asarray(figures, np.float32)[0][:, found.rows, found.columns].astype(np.float64)
        cell_m = ground.cell_m * stride
        centres = np.stack(
            [
                ground.x_m + (found.rows + values[0]) * cell_m,
                ground.y_m + (found.columns + values[1]) * cell_m,
                values[2],
            ],
            axis=1,
        )
        kept = _apart(centres, found.classes, self.apart_m)[: self.most]
        return Boxes3D(
            centres_m=centres[kept].astype(np.float32),
            sizes_m=np.exp(np.minimum(values[3:6, kept].T, _LARGEST_LOG)).astype(np.float32),
            yaws_rad=np.arctan2(values[6, kept], values[7, kept]).astype(np.float32),
            velocities_mps=np.ascontiguousarray(values[8:10, kept].T, dtype=np.float32),
            scores=np.clip(found.scores[kept], 0, 1),
            classes=found.classes[kept],
            names=self.classes,
        )

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Write boxes as `space.encode_space` does; shape (bytes,).

        Raises:
            OutputContractError: Not boxes in space, or more than `most` of them.
        """
        return encode_space(self.name, result, self.most)

    def decode_result(self, buffer: NDArray[np.uint8]) -> Boxes3D:
        """Read boxes from bytes.

        Raises:
            OutputContractError: Length, version, a class or a value does not fit.
        """
        return decode_space(self.name, buffer, self.classes, self.most)

    def agreement(self, result: Result, reference: Result) -> float:
        """F1 of boxes whose centres are at most 2 m apart on the ground, class by class.

        Raises:
            OutputContractError: One of them is not boxes in space.
        """
        return space_f1(require_space(self.name, result), require_space(self.name, reference))


def _apart(
    centres: NDArray[np.float64], classes: NDArray[np.int64], apart_m: float
) -> NDArray[np.int64]:
    """Positions of the boxes to keep, the surest first, rising; shape (kept,)."""
    kept: list[int] = []
    for index, (centre, kind) in enumerate(zip(centres, classes, strict=True)):
        rivals = [other for other in kept if classes[other] == kind]
        if rivals and np.hypot(*(centres[rivals, :2] - centre[:2]).T).min() < apart_m:
            continue
        kept.append(index)
    return np.array(kept, dtype=np.int64)
