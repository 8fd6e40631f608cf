"""Decoder of centre heads over a picture: a heat map, where in the cell, how large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.boxes import (
    CANDIDATES,
    BoxDecoder,
    require_scores,
    to_original,
)
from pipeline.tasks.outputs.heatmap import peaks, sigmoid
from pipeline.tasks.outputs.names import choice
from pipeline.tasks.outputs.overlap import suppress
from pipeline.tasks.outputs.protocol import Boxes, only_output, require_finite, require_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement

_AXES = 4


class Centers(BoxDecoder):
    """Decodes three outputs over a grid in the picture, float32, at a whole stride of the input's.

    `heatmap`, shape (1, classes, rows, columns): scores, or logits with `form: logits`; an object
    lies where one is a local maximum. `offset`, shape (1, 2, rows, columns): where in the cell its
    centre lies, across and down, in cells. `size`, the same shape: width and height in cells. The
    layout is CenterNet's (Zhou et al., Objects as Points, 2019, arXiv 1904.07850).

    A result crosses as `boxes.encode_boxes` says.

    Args:
        score: Boxes that score less are left out; from 0 to 1.
        nms: Largest overlap of two boxes of one class; 1 leaves the local maxima as they are.
        classes: `coco`, `splitway`, or the names of the heat map's channels.
        most: Most boxes of a result, 1 to 1,000.
        form: What the heat map holds: `logits` or `scores`.
        heatmap: Name of the output with the heat map.
        offset: Name of the output with the offsets.
        size: Name of the output with the sizes.

    Raises:
        InputError: A value is out of its range.
    """

    def __init__(
        self,
        *,
        score: float = 0.3,
        nms: float = 1.0,
        classes: str | Sequence[str] = "coco",
        most: int = 300,
        form: str = "logits",
        heatmap: str = "heatmap",
        offset: str = "offset",
        size: str = "size",
    ) -> None:
        super().__init__("centers", score=score, nms=nms, classes=classes, most=most)
        self.form = choice("centers: form", form, ("logits", "scores"))
        self._heatmap, self._offset, self._size = heatmap, offset, size

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Boxes:
        """Decode the network's outputs into boxes of the original picture.

        Raises:
            OutputContractError: An output is missing, has another shape or dtype than the input's
                size asks for, a value that is not finite, or scores outside 0 to 1.
        """
        picture = require_picture(self.name, geometry)
        _, heat = only_output(self.name, outputs, self._heatmap)
        stride = picture.input_height // heat.shape[2] if heat.ndim == _AXES and heat.size else 0
        if not stride or picture.input_height % stride or picture.input_width % stride:
            raise OutputContractError(
                self.name,
                f"output {self._heatmap} has shape {list(heat.shape)}, which no whole stride makes "
                f"of an input of {picture.input_width}x{picture.input_height}",
            )
        grid = (picture.input_height // stride, picture.input_width // stride)
        require_finite(self.name, self._heatmap, heat, (1, len(self.classes), *grid))
        scores = np.asarray(heat, dtype=np.float32)[0]
        if self.form == "logits":
            scores = sigmoid(scores)
        require_scores(self.name, scores)
        found = peaks(scores, least=self.score, most=CANDIDATES)
        columns = []
        for name in (self._offset, self._size):
            _, output = only_output(self.name, outputs, name)
            require_finite(self.name, name, output, (1, 2, *grid))
            plane = np.asarray(output, dtype=np.float32)[0][:, found.rows, found.columns]
            columns.append(plane.astype(np.float64).T)
        offset, size = columns
        centre = (np.stack([found.columns, found.rows], axis=1) + offset) * stride
        half = np.maximum(size, 0) * stride / 2
        xyxy: NDArray[np.float64] = np.concatenate([centre - half, centre + half], axis=1)
        kept = suppress(xyxy, found.classes, limit=self.nms, most=self.most)
        inside = to_original(xyxy[kept], picture)
        seen = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
        return Boxes(
            xyxy=inside[seen],
            scores=np.clip(found.scores[kept][seen], 0, 1),
            classes=found.classes[kept][seen],
            names=self.classes,
        )
