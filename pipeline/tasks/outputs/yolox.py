"""Decoder of YOLOX's output: boxes over a grid, undecoded."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs import coco
from pipeline.tasks.outputs.names import name_list
from pipeline.tasks.outputs.overlap import box_f1, suppress
from pipeline.tasks.outputs.protocol import Boxes, require_finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Array, Result
    from pipeline.tasks.prepare import Geometry

STRIDES = (8, 16, 32)
"""Input pixels per cell of the three grids, in the order of a network's rows (YOLOX, `decode`)."""

CANDIDATES = 1000
"""Most boxes that enter suppression, the surest; bounds its time on a network gone wild."""

_LARGEST_LOG = 12.0  # e**12 cells are wider than any picture; keeps exp finite
_TOLERANCE = 1e-3  # sigmoid in int8 or float16 may leave 0..1 by rounding

_MOST_CLASSES = 65_536  # a class crosses as uint16
_VERSION = 1
_HEAD = np.dtype([("version", "u1"), ("reserved", "u1"), ("count", "<u2")])
_ROW = np.dtype([("xyxy", "<f4", (4,)), ("score", "<f4"), ("class", "<u2")])


class Yolox:
    """Decodes one output of shape (1, anchors, 5 + classes), float32.

    A row is cx, cy, log width, log height in cells relative to its own, then objectness and class
    scores after their sigmoid. A box's centre is (cx + column, cy + row) * stride, its size
    e**(w, h) * stride; its score is objectness * the best class's score (Ge et al., YOLOX, 2021,
    arXiv 2107.08430, and the project's `demo_postprocess`). Rows of stride 8 come first, row by
    row of the picture, then 16, then 32.

    A result crosses as little-endian bytes: version (uint8, 1), reserved (uint8, 0), count
    (uint16), then for each box four float32 (left, top, right, bottom), score (float32) and class
    (uint16): 4 + 22 * boxes in all. Class names are the decoder's and do not cross.

    Args:
        score: Boxes that score less are left out; from 0 to 1.
        nms: Largest overlap (intersection over union) of two boxes of one class; from 0 to 1.
        classes: `coco`, or the names of the class columns, as a list or parted by commas.
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
        for key, value in (("score", score), ("nms", nms)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"yolox: {key} is a number, not {value!r}")
            if not 0 <= value <= 1:
                raise InputError(f"yolox: {key} goes from 0 to 1, not {value}")
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= CANDIDATES:
            raise InputError(f"yolox: most goes from 1 to {CANDIDATES}, not {most!r}")
        self.score, self.nms, self.most = float(score), float(nms), most
        self.classes = _names(classes)

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""
        return "yolox"

    def decode(self, outputs: Mapping[str, Array], geometry: Geometry) -> Boxes:
        """Decode the network's only output into boxes of the original picture.

        Raises:
            OutputContractError: Not one output, another shape or dtype than the input's size
                asks for, a value that is not finite, or scores outside 0 to 1.
        """
        if len(outputs) != 1:
            raise OutputContractError(self.name, f"takes one output, not {len(outputs)}")
        ((output_name, output),) = outputs.items()
        anchors = _anchors(geometry.input_width, geometry.input_height)
        if not len(anchors):
            raise OutputContractError(
                self.name,
                f"an input of {geometry.input_width}x{geometry.input_height} pixels is no "
                f"multiple of {STRIDES[-1]}",
            )
        require_finite(self.name, output_name, output, (1, len(anchors), 5 + len(self.classes)))
        rows = np.asarray(output, dtype=np.float32)[0]
        objectness = rows[:, 4]
        self._require_scores(objectness)
        likely = np.flatnonzero(objectness >= self.score)
        class_scores = rows[likely, 5:]
        self._require_scores(class_scores)
        classes = np.argmax(class_scores, axis=1)
        scores = np.clip(objectness[likely] * class_scores[np.arange(len(likely)), classes], 0, 1)
        sure = scores >= self.score
        likely, classes, scores = likely[sure], classes[sure], scores[sure]
        order = np.argsort(-scores, kind="stable")[:CANDIDATES]
        likely, classes, scores = likely[order], classes[order], scores[order]
        xyxy = _corners(rows[likely, :4], anchors[likely])
        kept = suppress(xyxy, classes, limit=self.nms, most=self.most)
        inside = _to_original(xyxy[kept], geometry)
        seen = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
        return Boxes(
            xyxy=inside[seen],
            scores=scores[kept][seen],
            classes=classes[kept][seen].astype(np.int64),
            names=self.classes,
        )

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Write boxes as described above; shape (bytes,).

        Raises:
            OutputContractError: Not boxes, or more than `most` of them.
        """
        boxes = self._boxes(result)
        if len(boxes) > self.most:
            raise OutputContractError(self.name, f"{len(boxes)} boxes, at most {self.most}")
        buffer = np.zeros(_HEAD.itemsize + len(boxes) * _ROW.itemsize, np.uint8)
        buffer[: _HEAD.itemsize].view(_HEAD)[0] = (_VERSION, 0, len(boxes))
        rows = buffer[_HEAD.itemsize :].view(_ROW)
        rows["xyxy"], rows["score"], rows["class"] = boxes.xyxy, boxes.scores, boxes.classes
        return buffer

    def decode_result(self, buffer: NDArray[np.uint8]) -> Boxes:
        """Read boxes from bytes.

        Raises:
            OutputContractError: Length, version, a class or a value does not fit.
        """
        data = np.array(buffer, dtype=np.uint8, order="C")
        if data.ndim != 1 or data.size < _HEAD.itemsize:
            raise OutputContractError(self.name, "the result is cut short")
        head = data[: _HEAD.itemsize].view(_HEAD)[0]
        count = int(head["count"])
        if int(head["version"]) != _VERSION or int(head["reserved"]) != 0:
            raise OutputContractError(self.name, f"version {int(head['version'])} is unknown")
        if count > self.most or data.size != _HEAD.itemsize + count * _ROW.itemsize:
            raise OutputContractError(self.name, f"{data.size} bytes cannot hold {count} boxes")
        rows = data[_HEAD.itemsize :].view(_ROW)
        xyxy, scores = rows["xyxy"].astype(np.float32), rows["score"].astype(np.float32)
        classes = rows["class"].astype(np.int64)
        if not (np.isfinite(xyxy).all() and ((scores >= 0) & (scores <= 1)).all()):
            raise OutputContractError(self.name, "a box or a score is out of its range")
        if (classes >= len(self.classes)).any():
            raise OutputContractError(self.name, f"a class is beyond {len(self.classes)}")
        return Boxes(xyxy=xyxy, scores=scores, classes=classes, names=self.classes)

    def agreement(self, result: Result, reference: Result) -> float:
        """F1 of the boxes at an overlap of one half, class by class; 1 where both are empty.

        Raises:
            OutputContractError: One of them is not boxes.
        """
        return box_f1(self._boxes(result), self._boxes(reference))

    def _boxes(self, result: Result) -> Boxes:
        if not isinstance(result, Boxes):
            raise OutputContractError(self.name, f"takes boxes, not {type(result).__name__}")
        return result

    def _require_scores(self, scores: NDArray[np.float32]) -> None:
        low, high = np.min(scores, initial=0), np.max(scores, initial=0)
        if low < -_TOLERANCE or high > 1 + _TOLERANCE:
            raise OutputContractError(
                self.name,
                f"scores go from {low:.3g} to {high:.3g}, not from 0 to 1: does the network end "
                "before its sigmoid?",
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


def _to_original(boxes: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float32]:
    """Map boxes from input pixels to the original picture's, clipped to the picture."""
    scale = np.array([geometry.scale_x, geometry.scale_y] * 2)
    limits = np.array([geometry.source_width, geometry.source_height] * 2, dtype=np.float64)
    clipped: NDArray[np.float64] = np.clip(boxes / scale, 0.0, limits)
    return clipped.astype(np.float32)


def _names(classes: str | Sequence[str]) -> tuple[str, ...]:
    if classes == "coco":
        return coco.NAMES
    names = name_list("yolox: classes", classes)
    if not 1 <= len(names) <= _MOST_CLASSES:
        raise InputError(f"yolox: classes are 1 to {_MOST_CLASSES} names, not {len(names)}")
    return names
