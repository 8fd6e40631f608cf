"""Pictures with labels turned into a network's input: augmented for training, plain for tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tools.train.rendering import Pictures

PAD = 114
_ZOOM = (0.85, 1.5)  # of the picture against the whole of it in the input
_LEAST_SEEN = 0.35  # share of a box that must stay in view to be learned
_LEAST_SIDE = 2.5  # input pixels


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """An augmented picture.

    Attributes:
        image: Shape (height, width, 3), uint8, blue, green, red.
        boxes: Shape (n, 4), input pixels.
        classes: Shape (n,), -1 to be ignored.
        masks: Shape (masks, height / 2, width / 2), float32, covered shares; None if not asked.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    masks: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What part of a picture a network sees in training.

    Attributes:
        width: Pixels across the input.
        height: Pixels down.
        scale: Input pixels a pixel of the picture at zoom 1.
    """

    width: int
    height: int
    scale: float


def augmented(
    source: Pictures, index: int, window: Window, draws: np.random.Generator, *, masks: bool = False
) -> Sample:
    """Zoom, move, mirror and recolour a picture.

    Args:
        source: The pictures.
        index: Which.
        window: What the network sees.
        draws: Random numbers of this sample alone.
        masks: Whether masks are wanted.
    """
    image = source.images[index]
    boxes, classes = source.boxes[index], source.classes[index]
    zoom = window.scale * float(np.exp(draws.uniform(*np.log(_ZOOM))))
    move = _move(image.shape[1], image.shape[0], boxes, window, zoom, draws)
    if draws.random() < 0.5:  # noqa: PLR2004 - half of them
        move = np.array([[-1.0, 0.0, window.width], [0.0, 1.0, 0.0]]) @ np.vstack([move, [0, 0, 1]])
    seen = cv2.warpAffine(
        image, move, (window.width, window.height), flags=cv2.INTER_LINEAR, borderValue=(PAD,) * 3
    )
    moved, kinds = moved_boxes(boxes, classes, move, window)
    areas = _masks(source, index, move, window) if masks else None
    recoloured = _recoloured(np.asarray(seen, np.uint8), draws)
    return Sample(image=recoloured, boxes=moved, classes=kinds, masks=areas)


def moved_boxes(
    boxes: NDArray[np.float32],
    classes: NDArray[np.int64],
    move: NDArray[np.float64],
    window: Window,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Boxes in the window and their classes; what is cut off too far becomes -1.

    Args:
        boxes: Left, top, right, bottom in the picture; shape (n, 4).
        classes: Shape (n,).
        move: From the picture to the window without turning; shape (2, 3).
        window: Its size counts.
    """
    if not len(boxes):
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    x = boxes[:, 0::2] * move[0, 0] + move[0, 2]
    y = boxes[:, 1::2] * move[1, 1] + move[1, 2]
    whole = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], 1)
    limits = np.array([window.width, window.height] * 2, np.float64)
    cut = np.clip(whole, 0, limits)
    sides = cut[:, 2:] - cut[:, :2]
    share = sides.prod(1) / np.maximum((whole[:, 2:] - whole[:, :2]).prod(1), 1e-6)
    kinds = np.where((share < _LEAST_SEEN) | (sides.min(1) < _LEAST_SIDE), -1, classes)
    inside = sides.min(1) > 0.5  # noqa: PLR2004 - half a pixel is nothing
    return cut[inside].astype(np.float32), kinds[inside].astype(np.int64)


def stacked(samples: list[Sample]) -> NDArray[np.uint8]:
    """Images as a network takes them before scaling: (n, 3, height, width), red, green, blue."""
    return np.ascontiguousarray(
        np.stack([sample.image for sample in samples]).transpose(0, 3, 1, 2)[:, ::-1]
    )


def padded(samples: list[Sample]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Boxes (n, most, 4) and classes (n, most), -2 where there is none; at least one a sample."""
    most = max(1, *(len(sample.classes) for sample in samples))
    boxes = np.zeros((len(samples), most, 4), np.float32)
    classes = np.full((len(samples), most), -2, np.int64)
    for row, sample in enumerate(samples):
        boxes[row, : len(sample.classes)] = sample.boxes
        classes[row, : len(sample.classes)] = sample.classes
    return boxes, classes


def rarity(classes: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Rising bounds by which pictures are drawn: those with rare classes oftener, empty ones less.

    Args:
        classes: Classes of each picture's objects.

    Returns:
        The cumulated share of each picture; shape (pictures,), the last 1.
    """
    kinds = len(LABEL_CLASSES)
    seen = np.array([np.bincount(found[found >= 0], minlength=kinds) for found in classes])
    totals = seen.sum(0)
    usual = np.median(totals[totals > 0]) if totals.any() else 1.0
    bonus = np.clip(np.sqrt(usual / np.maximum(totals, 1)), 1.0, 3.0)
    weights = np.where(seen > 0, bonus, 0.0).max(1)
    weights[weights == 0] = 0.3
    bounds: NDArray[np.float64] = np.cumsum(weights / weights.sum())
    bounds[-1] = 1.0
    return bounds


def bits_to_masks(bits: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Masks, shape (masks, height, width), of bits, shape (masks, height, width / 8)."""
    return np.unpackbits(bits, axis=-1).astype(bool)


def _move(
    width: int,
    height: int,
    boxes: NDArray[np.float32],
    window: Window,
    zoom: float,
    draws: np.random.Generator,
) -> NDArray[np.float64]:
    """Zoom and place: over the picture's extent, mostly with some object in view."""
    corner = draws.random(2) * (
        np.array([window.width, window.height]) - zoom * np.array([width, height])
    )
    if len(boxes) and draws.random() < 0.8:  # noqa: PLR2004 - mostly
        box = boxes[draws.integers(len(boxes))]
        middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2 * zoom
        limits = np.array([window.width, window.height])
        # The object's middle comes to lie inside the window.
        low, high = 0.05 * limits - middle, 0.95 * limits - middle
        corner = np.clip(corner, low, high)
    edge = np.array([window.width - zoom * width, window.height - zoom * height])
    corner = np.clip(corner, np.minimum(edge, 0), np.maximum(edge, 0))
    return np.array([[zoom, 0.0, corner[0]], [0.0, zoom, corner[1]]])


def _masks(
    source: Pictures, index: int, move: NDArray[np.float64], window: Window
) -> NDArray[np.float32]:
    """Covered shares at half the input's sides: warped at full size, then averaged over 2 x 2."""
    areas = []
    for mask in bits_to_masks(source.masks[index]):
        moved = cv2.warpAffine(
            mask.astype(np.uint8) * 255, move, (window.width, window.height), flags=cv2.INTER_LINEAR
        )
        half = cv2.resize(
            moved, (window.width // 2, window.height // 2), interpolation=cv2.INTER_AREA
        )
        areas.append(half.astype(np.float32) / 255)
    return np.stack(areas)


def _recoloured(image: NDArray[np.uint8], draws: np.random.Generator) -> NDArray[np.uint8]:
    """Another exposure, contrast and tint, by a table a channel."""
    levels = np.arange(256, dtype=np.float64) / 255
    gamma = np.exp(draws.normal(0, 0.2))
    gain = np.exp(draws.normal(0, 0.15))
    tint = np.exp(draws.normal(0, 0.05, 3))
    bias = draws.normal(0, 0.03)
    table = np.clip((levels[:, None] ** gamma) * gain * tint + bias, 0, 1) * 255
    return np.asarray(cv2.LUT(image, table.astype(np.uint8)[:, None, :]), np.uint8)
