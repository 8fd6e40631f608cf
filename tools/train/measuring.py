"""Accuracy of detectors and masks on rendered data, by the project's own scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.scoring.detection import score_boxes
from pipeline.scoring.space import score_boxes_3d
from pipeline.scoring.tables import (
    FoundBoxes,
    FoundBoxes3D,
    TrueBoxes,
    TrueBoxes3D,
    each_frame,
)
from pipeline.tasks.outputs.pillars import Pillars
from pipeline.tasks.outputs.yolox import Yolox
from pipeline.tasks.pillars import PillarSpec, pillarise
from pipeline.tasks.prepare import Ground, InputSpec, place, prepare_image, to_tensor
from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from pipeline.tasks.outputs.masks import Masks
    from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
    from sensors.labels import Labels3D
    from tools.train.rendering import Pictures
    from tools.train.running import Network
    from tools.train.sweeps import Sweeps

    Heads = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]

DECODER = Yolox(score=0.01, nms=0.55, classes=LABEL_CLASSES, most=100)
"""For measuring: low scores count too. A run asks for a higher one."""

SWEEP_DECODER = Pillars(score=0.02, classes=LABEL_CLASSES)
"""The same for boxes in space."""

_GRID = PillarSpec()
_GROUND = Ground(
    x_m=_GRID.x_m, y_m=_GRID.y_m, cell_m=_GRID.cell_m, rows=_GRID.rows, columns=_GRID.columns
)
_HALF = 0.5  # overlap
_NEAR_M = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Average precision.

    Attributes:
        at_half: Mean over the classes at an overlap of one half, or at a distance of 2 m.
        mean: Mean over classes and overlaps 0.5, 0.55 … 0.95, or distances 0.5, 1, 2 and 4 m.
        by_class: As `at_half`, of each class that there is; `mean` in space.
    """

    at_half: float
    mean: float
    by_class: dict[str, float]

    def __str__(self) -> str:
        classes = " ".join(f"{name} {value:.2f}" for name, value in self.by_class.items())
        return f"AP {self.at_half:.3f}, mean AP {self.mean:.3f} ({classes})"


def input_spec(width: int, height: int) -> InputSpec:
    """What the camera networks take: letterbox, red, green, blue, 0 to 1."""
    return InputSpec(width=width, height=height, color="rgb", scale_denominator=255)


def detections(
    network: Network, images: Iterable[NDArray[np.uint8]], spec: InputSpec
) -> list[Boxes]:
    """Run a detector picture by picture, with the preparing and the decoder of a run.

    Args:
        network: From (1, 3, height, width) to (1, cells, 5 + classes).
        images: Pictures, shape (height, width, 3), uint8, blue, green, red.
        spec: What the network takes.
    """
    found = []
    for image in images:
        prepared = prepare_image(np.asarray(image), spec)
        output = network(to_tensor(prepared.pixels, spec))
        geometry = place(image.shape[1], image.shape[0], spec)
        found.append(DECODER.decode({"output": output}, geometry))
    return found


def accuracy(
    found: Sequence[Boxes],
    boxes: Sequence[NDArray[np.float32]],
    classes: Sequence[NDArray[np.int64]],
) -> Accuracy:
    """Average precision of boxes in pictures, as COCO counts it.

    Args:
        found: A result a picture.
        boxes: Labelled boxes a picture; shape (n, 4).
        classes: Their classes, -1 to be ignored; shape (n,).
    """
    offsets = _offsets([len(rows) for rows in classes])
    truth = TrueBoxes(
        offsets=offsets,
        xyxy=np.concatenate([np.zeros((0, 4)), *boxes]).astype(np.float64),
        classes=np.concatenate([np.zeros(0, np.int64), *classes]),
        tracks=np.arange(offsets[-1]),
        distances_m=np.full(offsets[-1], np.nan),
    )
    results = FoundBoxes(
        offsets=_offsets([len(result) for result in found]),
        xyxy=np.concatenate([np.zeros((0, 4)), *[r.xyxy for r in found]]).astype(np.float64),
        scores=np.concatenate([np.zeros(0), *[r.scores for r in found]]).astype(np.float64),
        classes=np.concatenate([np.zeros(0, np.int64), *[r.classes for r in found]]),
    )
    judged = score_boxes(truth, results, each_frame(truth.frames), classes=len(LABEL_CLASSES))
    by_class = {
        str(name): value
        for number, name in enumerate(LABEL_CLASSES)
        if (value := judged.ap_of(number, overlap=_HALF)) is not None
    }
    return Accuracy(
        at_half=judged.ap(overlap=_HALF) or 0.0, mean=judged.ap() or 0.0, by_class=by_class
    )


def accuracy_3d(found: Sequence[Boxes3D], truths: Sequence[Labels3D]) -> Accuracy:
    """Average precision of boxes in space, as nuScenes counts it, within its 50 m."""
    offsets = _offsets([len(labels) for labels in truths])
    truth = TrueBoxes3D(
        offsets=offsets,
        centres_m=_joined([labels.centres_m for labels in truths], 3),
        sizes_m=_joined([labels.sizes_m for labels in truths], 3),
        yaws_rad=_joined([labels.yaws_rad for labels in truths]),
        velocities_mps=_joined([labels.velocities_mps for labels in truths], 2),
        classes=np.concatenate([np.zeros(0, np.int64), *[labels.classes for labels in truths]]),
        tracks=np.arange(offsets[-1]),
    )
    results = FoundBoxes3D(
        offsets=_offsets([len(result) for result in found]),
        centres_m=_joined([result.centres_m for result in found], 3),
        sizes_m=_joined([result.sizes_m for result in found], 3),
        yaws_rad=_joined([result.yaws_rad for result in found]),
        velocities_mps=_joined([result.velocities_mps for result in found], 2),
        scores=_joined([result.scores for result in found]),
        classes=np.concatenate([np.zeros(0, np.int64), *[result.classes for result in found]]),
    )
    judged = score_boxes_3d(truth, results, each_frame(truth.frames), classes=len(LABEL_CLASSES))
    by_class = {
        str(name): value
        for number, name in enumerate(LABEL_CLASSES)
        if (value := judged.ap_of(number)) is not None
    }
    return Accuracy(
        at_half=judged.ap(distance_m=_NEAR_M) or 0.0, mean=judged.ap() or 0.0, by_class=by_class
    )


def sweeps_accuracy(heads: Heads, source: Sweeps, *, most: int | None = None) -> Accuracy:
    """Accuracy of a LiDAR detector on sweeps, with the gathering and the decoder of a run.

    Args:
        heads: From pillars to `heatmap` and `boxes`.
        source: Sweeps with labels.
        most: Sweeps to look at, spread over all; all where None.
    """
    chosen = range(len(source)) if most is None else range(0, len(source), -(-len(source) // most))
    spec = PillarSpec(mounting=source.mounting)
    found = [
        SWEEP_DECODER.decode(heads(pillarise(np.array(source.points[k]), spec)), _GROUND)
        for k in chosen
    ]
    return accuracy_3d(found, [source.labels[k] for k in chosen])


@dataclass(slots=True)
class MaskCounts:
    """Pixels shared by and in the union of found and true masks, over many pictures."""

    shared: NDArray[np.int64]
    union: NDArray[np.int64]

    @classmethod
    def empty(cls, masks: int) -> MaskCounts:
        """Nothing counted yet."""
        return cls(np.zeros(masks, np.int64), np.zeros(masks, np.int64))

    def add(self, found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
        """Count a picture; both of shape (masks, height, width)."""
        self.shared += np.count_nonzero(found & truth, axis=(1, 2))
        self.union += np.count_nonzero(found | truth, axis=(1, 2))

    @property
    def overlaps(self) -> NDArray[np.float64]:
        """Intersection over union of each mask."""
        shares: NDArray[np.float64] = self.shared / np.maximum(self.union, 1)
        return shares


def mask_overlaps(
    network: Network,
    source: Pictures,
    decoder: Masks,
    spec: InputSpec,
    *,
    most: int | None = None,
) -> NDArray[np.float64]:
    """Overlap of each mask on pictures, in the pixels of the picture, decoded as in a run.

    Args:
        network: From (1, 3, height, width) to the decoder's `masks`.
        source: Pictures with masks.
        decoder: Of the network's output.
        spec: What the network takes.
        most: Pictures to look at, spread over all; all where None.

    Returns:
        Intersection over union over all pictures, shape (masks,).
    """
    counts = MaskCounts.empty(source.masks.shape[1])
    chosen = range(len(source)) if most is None else range(0, len(source), -(-len(source) // most))
    for index in chosen:
        prepared = prepare_image(np.asarray(source.images[index]), spec)
        logits = network(to_tensor(prepared.pixels, spec))
        found = decoder.decode({"masks": logits}, prepared.geometry).masks
        truth = np.unpackbits(source.masks[index], axis=-1).astype(bool)
        rows = np.arange(truth.shape[1]) * found.shape[1] // truth.shape[1]
        columns = np.arange(truth.shape[2]) * found.shape[2] // truth.shape[2]
        counts.add(found[:, rows][:, :, columns], truth)
    return counts.overlaps


def _offsets(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def _joined(parts: Sequence[NDArray[np.float32]], columns: int = 0) -> NDArray[np.float64]:
    empty = np.zeros((0, columns) if columns else 0)
    return np.concatenate([empty, *parts]).astype(np.float64)
