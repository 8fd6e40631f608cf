"""Decoder of YOLOX's output: boxes over a grid, undecoded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.boxes import (
    CANDIDATES,
    BoxDecoder,
    require_scores,
    to_original,
)
from pipeline.tasks.outputs.overlap import suppress
from pipeline.tasks.outputs.protocol import Boxes, only_output, require_finite, require_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement

STRIDES = (8, 16, 32)
"""Input pixels per cell of the three grids, in the order of a network's rows (YOLOX, `decode`)."""

_LARGEST_LOG = 12.0  # e**12 cells are wider than any picture; keeps exp finite


class Yolox(BoxDecoder):
    """Decodes one output of shape (1, anchors, 5 + classes), float32.

    A row is cx, cy, log width, log height in cells relative to its own, then objectness and class
    scores after their sigmoid. A box's centre is (cx + column, cy + row) * stride, its size
    e**(w, h) * stride; its score is objectness * the best class's score (Ge et al., YOLOX, 2021,
    arXiv 2107.08430, and the project's `demo_postprocess`). Rows of stride 8 come first, row by
    row of the picture, then 16, then 32.

    A result crosses as `boxes.encode_boxes` says.

    Args:
        score: Boxes that score less are left out; from 0 to 1.
        nms: Largest overlap (intersection over union) of two boxes of one class; from 0 to 1.
        classes: `coco`, `splitway` (the classes of synthetic drives), or the names of the class
            columns, as a list or parted by commas.
        most: Most boxes of a result, 1 to 1,000.

    Raises:
        InputError: A value is out of its range.
    """

    def __init__(
        self,
        score: float = 0.3,
        nms: float = 0.45,
        classes: str | Sequence[str] = "coco",
        most: int = 300,
    ) -> None:
        super().__init__("yolox", score=score, nms=nms, classes=classes, most=most)

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Boxes:
        """Decode the network's only output into boxes of the original picture.

        Raises:
            OutputContractError: Not one output, another shape or dtype than the input's size
                asks for, a value that is not finite, or scores outside 0 to 1.
        """
        picture = require_picture(self.name, geometry)
        output_name, output = only_output(self.name, outputs)
        anchors = _anchors(picture.input_width, picture.input_height)
        if not len(anchors):
            raise OutputContractError(
                self.name,
                f"an input of {picture.input_width}x{picture.input_height} pixels is no "
                f"multiple of {STRIDES[-1]}",
            )
        require_finite(self.name, output_name, output, (1, len(anchors), 5 + len(self.classes)))
        rows = np.asarray(output, dtype=np.float32)[0]
        objectness = rows[:, 4]
        require_scores(self.name, objectness)
        likely = np.flatnonzero(objectness >= self.score)
        class_scores = rows[likely, 5:]
        require_scores(self.name, class_scores)
        classes = np.argmax(class_scores, axis=1)
        scores = np.clip(objectness[likely] * class_scores[np.arange(len(likely)), classes], 0, 1)
        sure = scores >= self.score
        likely, classes, scores = likely[sure], classes[sure], scores[sure]
        order = np.argsort(-scores, kind="stable")[:CANDIDATES]
        likely, classes, scores = likely[order], classes[order], scores[order]
        xyxy = _corners(rows[likely, :4], anchors[likely])
        kept = suppress(xyxy, classes, limit=self.nms, most=self.most)
        inside = to_original(xyxy[kept], picture)
        seen = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
        return Boxes(
            xyxy=inside[seen],
            scores=scores[kept][seen],
            classes=classes[kept][seen].astype(np.int64),
            names=self.classes,
        )


@cache
def _anchors(width: int, height: int) -> NDArray[np.float64]:
    """Column, row, stride of each of the network's rows, shape (anchors, 3); empty if none fit."""
    if width % STRIDES[-1] or height % STRIDES[-1]:
        return np.zeros((0, 3))
    grids = []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        strides = np.full(rows.size, stride)
        grids.append(np.stack([columns.ravel(), rows.ravel(), strides], axis=1))
    anchors = np.concatenate(grids).astype(np.float64)
    anchors.setflags(write=False)
    return anchors


def _corners(cells: NDArray[np.float32], anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (cx, cy, log w, log h) in cells into left, top, right, bottom in input pixels."""
    stride = anchors[:, 2:]
    centre = (cells[:, :2].astype(np.float64) + anchors[:, :2]) * stride
    half = np.exp(np.minimum(cells[:, 2:].astype(np.float64), _LARGEST_LOG)) * stride / 2
    corners: NDArray[np.float64] = np.concatenate([centre - half, centre + half], axis=1)
    return corners
