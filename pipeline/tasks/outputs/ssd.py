"""Decoder of SSD-style outputs: offsets from priors, or boxes, with a score per class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs.boxes import (
    CANDIDATES,
    BoxDecoder,
    require_scores,
    to_original,
)
from pipeline.tasks.outputs.heatmap import sigmoid
from pipeline.tasks.outputs.names import choice, number_list
from pipeline.tasks.outputs.overlap import suppress
from pipeline.tasks.outputs.protocol import Boxes, only_output, require_finite, require_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Placement
    from pipeline.tasks.prepare import Geometry

_LARGEST_LOG = 12.0  # keeps exp finite
_AXES = 3
_MOST_RATIOS = 16


class Ssd(BoxDecoder):
    """Decodes two outputs, float32: where boxes are, shape (1, n, 4), and scores (1, n, classes).

    With `form: offsets` a row is (tx, ty, tw, th) against a prior (cx, cy, w, h): its centre is
    c + t * variance0 * size, its size is size * e**(t * variance1) (Liu et al., SSD, 2016, arXiv
    1512.02325, and its reference code's variances). With `form: corners` it is the box itself:
    left, top, right, bottom; with `order: yxyx`, top first.

    Priors are those of the paper. Grid k has a cell per `strides[k]` input pixels, rounded up; in
    each cell, row by row, there is a square of `sizes[k]`, one of the geometric mean of `sizes[k]`
    and `sizes[k + 1]`, then for each ratio of grid k a wide and a high box of the area of the
    first. Sizes are input pixels. Grids come in the order of `strides`.

    A result crosses as `boxes.encode_boxes` says.

    Args:
        score: Boxes that score less are left out; from 0 to 1.
        nms: Largest overlap of two boxes of one class.
        classes: `coco`, `splitway`, or names of the score columns, the background left out.
        most: Most boxes of a result, 1 to 1,000.
        form: `offsets` or `corners`.
        units: Of `corners`: `relative` to the input, from 0 to 1, or `pixels` of it.
        order: Of `corners`: `xyxy` or `yxyx`.
        activation: What makes scores of the columns: `none`, `softmax` or `sigmoid`.
        background: Which column is none of the classes: `first`, `last` or `none`.
        strides: Of `offsets`: input pixels per cell of each grid.
        sizes: Of `offsets`: sides of the squares, one more than there are grids.
        ratios: Of `offsets`: ratios above 1 of each grid, parted by `;`, such as `2;2,3;2`.
        variances: Of `offsets`: what offsets and log sizes are multiplied by.
        boxes: Name of the output with the boxes.
        scores: Name of the output with the scores.

    Raises:
        InputError: A value is out of its range, or the priors' lists do not fit each other.
    """

    def __init__(
        self,
        *,
        score: float = 0.3,
        nms: float = 0.45,
        classes: str | Sequence[str] = "coco",
        most: int = 200,
        form: str = "offsets",
        units: str = "relative",
        order: str = "xyxy",
        activation: str = "softmax",
        background: str = "first",
        strides: str | Sequence[float] = "",
        sizes: str | Sequence[float] = "",
        ratios: str = "",
        variances: str | Sequence[float] = "0.1,0.2",
        boxes: str = "boxes",
        scores: str = "scores",
    ) -> None:
        super().__init__("ssd", score=score, nms=nms, classes=classes, most=most)
        self.form = choice("ssd: form", form, ("offsets", "corners"))
        self.units = choice("ssd: units", units, ("relative", "pixels"))
        self.order = choice("ssd: order", order, ("xyxy", "yxyx"))
        self.activation = choice("ssd: activation", activation, ("none", "softmax", "sigmoid"))
        self.background = choice("ssd: background", background, ("first", "last", "none"))
        self._boxes, self._scores = boxes, scores
        self._strides = number_list("ssd: strides", strides)
        self._sizes = number_list("ssd: sizes", sizes)
        self._ratios = [number_list("ssd: ratios", part) for part in str(ratios).split(";")]
        self._variances = number_list("ssd: variances", variances)
        if self.form == "offsets":
            self._require_priors()

    def decode(self, outputs: Mapping[str, Array], geometry: Placement) -> Boxes:
        """Decode the network's outputs into boxes of the original picture.

        Raises:
            OutputContractError: An output is missing, has another shape or dtype, a value that is
                not finite, scores outside 0 to 1, or there are not as many rows as priors.
        """
        picture = require_picture(self.name, geometry)
        _, places = only_output(self.name, outputs, self._boxes)
        _, columns = only_output(self.name, outputs, self._scores)
        rows = places.shape[1] if places.ndim == _AXES else 0
        width = len(self.classes) + (self.background != "none")
        require_finite(self.name, self._boxes, places, (1, rows, 4))
        require_finite(self.name, self._scores, columns, (1, rows, width))
        scores = self._activated(np.asarray(columns, dtype=np.float32)[0])
        require_scores(self.name, scores)
        row, kind = np.nonzero(scores >= self.score)
        sure = scores[row, kind]
        order = np.argsort(-sure, kind="stable")[:CANDIDATES]
        row, kind, sure = row[order], kind[order], np.clip(sure[order], 0, 1)
        xyxy = self._corners(np.asarray(places, np.float32)[0].astype(np.float64), picture)[row]
        kept = suppress(xyxy, kind, limit=self.nms, most=self.most)
        inside = to_original(xyxy[kept], picture)
        seen = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
        return Boxes(
            xyxy=inside[seen],
            scores=sure[kept][seen],
            classes=kind[kept][seen],
            names=self.classes,
        )

    def priors(self, picture: Geometry) -> NDArray[np.float64]:
        """Centre x and y, width and height in input pixels; shape (priors, 4)."""
        found = []
        for grid, stride in enumerate(self._strides):
            side, next_side = self._sizes[grid : grid + 2]
            shapes = [(side, side), (math.sqrt(side * next_side),) * 2]
            for ratio in self._ratios[grid]:
                root = math.sqrt(ratio)
                shapes += [(side * root, side / root), (side / root, side * root)]
            down = math.ceil(picture.input_height / stride)
            across = math.ceil(picture.input_width / stride)
            rows, columns = np.mgrid[0:down, 0:across]
            centres = (np.stack([columns, rows], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
            sizes = np.array(shapes).reshape(1, -1, 2)
            pairs = np.broadcast_arrays(centres, sizes)
            found.append(np.concatenate(pairs, axis=-1).reshape(-1, 4))
        priors: NDArray[np.float64] = np.concatenate(found)
        return priors

    def _require_priors(self) -> None:
        grids = len(self._strides)
        fits = len(self._sizes) == grids + 1 and len(self._ratios) == grids
        if not grids or not fits:
            raise InputError(
                f"ssd: {grids} strides, {len(self._sizes)} sizes and {len(self._ratios)} lists of "
                "ratios do not fit: a grid has a stride and a list of ratios (between `;`, maybe "
                "empty), and there is one size more than grids"
            )
        if min(*self._strides, *self._sizes) <= 0 or len(self._variances) != 2:  # noqa: PLR2004
            raise InputError("ssd: strides and sizes are above 0, and variances are two")
        flat = [ratio for ratios in self._ratios for ratio in ratios]
        if min(flat, default=1) <= 0 or max(map(len, self._ratios)) > _MOST_RATIOS:
            raise InputError(f"ssd: ratios are above 0, and at most {_MOST_RATIOS} a grid")

    def _activated(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of the classes, the background left out; shape (n, classes)."""
        if self.activation == "softmax":
            powers = np.exp(columns - columns.max(axis=1, keepdims=True, initial=-np.inf))
            columns = powers / powers.sum(axis=1, keepdims=True)
        elif self.activation == "sigmoid":
            columns = sigmoid(columns)
        first = 1 if self.background == "first" else 0
        return columns[:, first : first + len(self.classes)]

    def _corners(self, rows: NDArray[np.float64], picture: Geometry) -> NDArray[np.float64]:
        """Left, top, right, bottom in input pixels; shape (n, 4)."""
        if self.form == "corners":
            corners = rows[:, [1, 0, 3, 2]] if self.order == "yxyx" else rows
            if self.units == "relative":
                corners = corners * np.array([picture.input_width, picture.input_height] * 2)
            return corners
        priors = self.priors(picture)
        if len(priors) != len(rows):
            raise OutputContractError(
                self.name,
                f"output {self._boxes} has {len(rows)} rows, its parameters make {len(priors)} "
                f"priors for an input of {picture.input_width}x{picture.input_height}",
            )
        centre_by, size_by = self._variances
        centres = priors[:, :2] + rows[:, :2] * centre_by * priors[:, 2:]
        halves = priors[:, 2:] * np.exp(np.minimum(rows[:, 2:] * size_by, _LARGEST_LOG)) / 2
        boxes: NDArray[np.float64] = np.concatenate([centres - halves, centres + halves], axis=1)
        return boxes
