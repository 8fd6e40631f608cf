"""What decoders of boxes in a picture share: their bytes, their scores, the way to the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import OutputContractError
from pipeline.tasks.outputs.names import class_list, count, share
from pipeline.tasks.outputs.overlap import box_f1
from pipeline.tasks.outputs.protocol import Boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Result, ResultKind
    from pipeline.tasks.prepare import Geometry

CANDIDATES = 1000
"""Most boxes that enter suppression, the surest; bounds its time on a network gone wild."""

# A sigmoid in int8 may leave 0..1 by its rounding, some two steps of 1/256: 1.007 was seen where a
# concatenation behind it has a range of its own. Logits, which this is to find, go far beyond.
_TOLERANCE = 1 / 64
_VERSION = 1
_HEAD = np.dtype([("version", "u1"), ("reserved", "u1"), ("count", "<u2")])
_ROW = np.dtype([("xyxy", "<f4", (4,)), ("score", "<f4"), ("class", "<u2")])


class BoxDecoder:
    """What decoders of boxes in a picture have in common: how a result crosses and is compared.

    A subclass decodes.

    Args:
        name: Name as a scenario writes it.
        score: Boxes that score less are left out; from 0 to 1.
        nms: Largest overlap of two boxes of one class; from 0 to 1.
        classes: Names of the classes, or the name of a list of them.
        most: Most boxes of a result, 1 to 1,000.

    Raises:
        InputError: A value is out of its range.
    """

    def __init__(
        self, name: str, *, score: float, nms: float, classes: str | Sequence[str], most: int
    ) -> None:
        self._name = name
        self.score, self.nms = share(f"{name}: score", score), share(f"{name}: nms", nms)
        self.most = count(f"{name}: most", most, CANDIDATES)
        self.classes = class_list(name, classes)

    @property
    def name(self) -> str:
        """Name as a scenario writes it."""
        return self._name

    @property
    def kind(self) -> ResultKind:
        """Boxes in a picture."""
        return "boxes"

    def encode(self, result: Result) -> NDArray[np.uint8]:
        """Write boxes as `encode_boxes` does; shape (bytes,).

        Raises:
            OutputContractError: Not boxes, or more than `most` of them.
        """
        return encode_boxes(self.name, result, self.most)

    def decode_result(self, buffer: NDArray[np.uint8]) -> Boxes:
        """Read boxes from bytes.

        Raises:
            OutputContractError: Length, version, a class or a value does not fit.
        """
        return decode_boxes(self.name, buffer, self.classes, self.most)

    def agreement(self, result: Result, reference: Result) -> float:
        """F1 of the boxes at an overlap of one half, class by class; 1 where both are empty.

        Raises:
            OutputContractError: One of them is not boxes.
        """
        return box_f1(require_boxes(self.name, result), require_boxes(self.name, reference))


def encode_boxes(decoder: str, result: Result, most: int) -> NDArray[np.uint8]:
    """Write boxes as little-endian bytes; shape (bytes,).

    Version (uint8, 1), reserved (uint8, 0), count (uint16), then for each box four float32 (left,
    top, right, bottom), score (float32) and class (uint16): 4 + 22 * boxes in all. Class names are
    the decoder's and do not cross.

    Raises:
        OutputContractError: Not boxes, or more than `most` of them.
    """
    boxes = require_boxes(decoder, result)
    if len(boxes) > most:
        raise OutputContractError(decoder, f"{len(boxes)} boxes, at most {most}")
    buffer = np.zeros(_HEAD.itemsize + len(boxes) * _ROW.itemsize, np.uint8)
    buffer[: _HEAD.itemsize].view(_HEAD)[0] = (_VERSION, 0, len(boxes))
    rows = buffer[_HEAD.itemsize :].view(_ROW)
    rows["xyxy"], rows["score"], rows["class"] = boxes.xyxy, boxes.scores, boxes.classes
    return buffer


def decode_boxes(
    decoder: str, buffer: NDArray[np.uint8], names: tuple[str, ...], most: int
) -> Boxes:
    """Read boxes from their bytes.

    Raises:
        OutputContractError: Length, version, a class or a value does not fit.
    """
    data = np.array(buffer, dtype=np.uint8, order="C")
    if data.ndim != 1 or data.size < _HEAD.itemsize:
        raise OutputContractError(decoder, "the result is cut short")
    head = data[: _HEAD.itemsize].view(_HEAD)[0]
    boxes = int(head["count"])
    if int(head["version"]) != _VERSION or int(head["reserved"]) != 0:
        raise OutputContractError(decoder, f"version {int(head['version'])} is unknown")
    if boxes > most or data.size != _HEAD.itemsize + boxes * _ROW.itemsize:
        raise OutputContractError(decoder, f"{data.size} bytes cannot hold {boxes} boxes")
    rows = data[_HEAD.itemsize :].view(_ROW)
    xyxy, scores = rows["xyxy"].astype(np.float32), rows["score"].astype(np.float32)
    classes = rows["class"].astype(np.int64)
    if not (np.isfinite(xyxy).all() and ((scores >= 0) & (scores <= 1)).all()):
        raise OutputContractError(decoder, "a box or a score is out of its range")
    if (classes >= len(names)).any():
        raise OutputContractError(decoder, f"a class is beyond {len(names)}")
    return Boxes(xyxy=xyxy, scores=scores, classes=classes, names=names)


def require_boxes(decoder: str, result: Result) -> Boxes:
    """The result, which must be boxes in a picture.

    Raises:
        OutputContractError: It is something else.
    """
    if not isinstance(result, Boxes):
        raise OutputContractError(decoder, f"takes boxes, not {type(result).__name__}")
    return result


def require_scores(decoder: str, scores: NDArray[np.float32]) -> None:
    """Refuse scores outside 0 to 1, beyond what rounding does.

    Raises:
        OutputContractError: There are some.
    """
    low, high = np.min(scores, initial=0), np.max(scores, initial=0)
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise OutputContractError(
            decoder,
            f"scores go from {low:.3g} to {high:.3g}, not from 0 to 1: does the network end "
            "before its sigmoid?",
        )


def to_original(boxes: NDArray[np.float64], picture: Geometry) -> NDArray[np.float32]:
    """Map boxes from input pixels to the original picture's, clipped to the picture."""
    scale = np.array([picture.scale_x, picture.scale_y] * 2)
    limits = np.array([picture.source_width, picture.source_height] * 2, dtype=np.float64)
    clipped: NDArray[np.float64] = np.clip(boxes / scale, 0.0, limits)
    return clipped.astype(np.float32)
