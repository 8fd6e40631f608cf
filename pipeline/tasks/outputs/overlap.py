"""Overlap of boxes: intersection over union, suppression, agreement of two sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.tasks.outputs.protocol import Boxes

MATCH_IOU = 0.5
"""Overlap from which two boxes are one object: PASCAL VOC's rule (Everingham et al., 2010)."""


def iou(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of one box with others; 0 where both are empty.

    Args:
        box: Left, top, right, bottom; shape (4,).
        others: The same; shape (n, 4).

    Returns:
        From 0 to 1; shape (n,).
    """
    across = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    down = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    areas = (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1])
    union = (box[2] - box[0]) * (box[3] - box[1]) + areas - shared
    overlap = np.zeros(len(others))
    np.divide(shared, union, out=overlap, where=union > 0)
    return overlap


def suppress(
    boxes: NDArray[np.float64], classes: NDArray[np.int64], *, limit: float, most: int
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression inside each class.

    Takes the first box, drops later ones of its class that overlap it by more than `limit`, and
    goes on.

    Args:
        boxes: Left, top, right, bottom, the surest first; shape (n, 4).
        classes: Shape (n,).
        limit: Largest overlap that two kept boxes of one class may have.
        most: Most boxes to keep.

    Returns:
        Positions of the kept boxes, rising; shape (kept,).
    """
    kept: list[int] = []
    left = np.arange(len(boxes))
    while left.size and len(kept) < most:
        first, rest = int(left[0]), left[1:]
        kept.append(first)
        rivals = classes[rest] == classes[first]
        rivals[rivals] = iou(boxes[first], boxes[rest[rivals]]) > limit
        left = rest[~rivals]
    return np.array(kept, dtype=np.int64)


def box_f1(found: Boxes, reference: Boxes) -> float:
    """F1 of two sets of boxes at an overlap of one half, class by class.

    Found boxes are matched in their order, the surest first, each to the free reference box of its
    class that it overlaps most. F1 is twice the matches over the boxes of both sets; 1 where both
    are empty.
    """
    if not len(found) and not len(reference):
        return 1.0
    free = np.ones(len(reference), dtype=bool)
    matches = 0
    references = reference.xyxy.astype(np.float64)
    for box, kind in zip(found.xyxy.astype(np.float64), found.classes, strict=True):
        rivals = np.flatnonzero(free & (reference.classes == kind))
        if not rivals.size:
            continue
        overlaps = iou(box, references[rivals])
        best = int(np.argmax(overlaps))
        if overlaps[best] >= MATCH_IOU:
            free[rivals[best]] = False
            matches += 1
    return 2 * matches / (len(found) + len(reference))
