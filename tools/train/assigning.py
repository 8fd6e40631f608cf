"""Which cell of a detector answers for which object, and what the answer costs.

Dynamic top-k in the manner of SimOTA (Ge et al., YOLOX, 2021, arXiv 2107.08430, section 2.1), with
the task-aligned measure of Feng et al., 2021 (arXiv 2108.07755), for a whole batch at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tools.train.networks import decoded

_RADIUS = 1.5  # cells around an object's middle that may answer, besides those inside it
_MOST = 10  # cells an object may have; SimOTA's
_POWER = 3.0  # of the overlap in the measure
_WEIGHTS = (5.0, 1.0, 1.0)  # boxes, objectness, classes; YOLOX's


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Objects of a batch, padded to the same number.

    Attributes:
        boxes: Left, top, right, bottom, input pixels; shape (batch, most, 4).
        classes: Shape (batch, most), int64; -1 an area to be ignored, -2 padding.
    """

    boxes: Tensor
    classes: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What each cell answers for.

    Attributes:
        positive: Whether it answers for an object; shape (batch, cells), bool.
        ignored: Whether it lies in an area to be ignored and answers for nothing; the same.
        owner: Number of the object in its picture; shape (batch, cells), int64.
        overlap: Intersection over union with it now; shape (batch, cells), float32.
    """

    positive: Tensor
    ignored: Tensor
    owner: Tensor
    overlap: Tensor


@torch.no_grad()
def assign(rows: Tensor, boxes: Tensor, cells: Tensor, targets: Targets) -> Assignment:
    """Say which cells answer for which objects.

    Args:
        rows: Logits, shape (batch, cells, 5 + classes), float32.
        boxes: Their boxes, shape (batch, cells, 4).
        cells: Column, row, stride; shape (cells, 3).
        targets: The objects.
    """
    stride = cells[:, 2]
    middles = (cells[:, :2] + 0.5) * cells[:, 2:]
    left_top = middles - targets.boxes[:, :, None, :2]
    right_bottom = targets.boxes[:, :, None, 2:] - middles
    inside = torch.cat([left_top, right_bottom], -1).amin(-1) > 0  # (batch, objects, cells)
    centres = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2
    far = (middles - centres[:, :, None]).abs().amax(-1)
    real = (targets.classes >= 0)[:, :, None]
    near = (far < _RADIUS * stride) & real
    overlap = overlaps(targets.boxes[:, :, None], boxes[:, None])
    kinds = targets.classes.clamp(min=0)
    scores = torch.sigmoid(rows[..., 5:]).gather(2, kinds[:, None].expand(-1, rows.shape[1], -1))
    scores = scores.transpose(1, 2) * torch.sigmoid(rows[..., 4])[:, None]
    measure = scores.clamp(min=1e-6).sqrt() * (overlap + 1e-3) ** _POWER
    measure = measure * (near | (inside & real & (far < 4 * stride)))
    best, at = measure.topk(_MOST, 2)
    wanted = (overlap * (measure > 0)).topk(_MOST, 2).values.sum(2).int().clamp(1, _MOST)
    taken = (torch.arange(_MOST) < wanted[..., None]) & (best > 0)
    chosen = torch.zeros_like(measure).scatter_(2, at, taken.to(measure.dtype))
    claims = chosen * measure
    most, owner = claims.max(1)
    positive = most > 0
    ignored = (inside & (targets.classes == -1)[:, :, None]).any(1) & ~positive
    owned = overlap.gather(1, owner[:, None]).squeeze(1)
    return Assignment(positive=positive, ignored=ignored, owner=owner, overlap=owned)


def detection_loss(rows: Tensor, cells: Tensor, targets: Targets) -> Tensor:
    """Loss of a batch, per object: generalised IoU of boxes, cross-entropy of scores.

    Objectness learns who answers, classes learn the overlap of the right one, as in YOLOX.

    Args:
        rows: Logits, shape (batch, cells, 5 + classes).
        cells: Column, row, stride; shape (cells, 3).
        targets: The objects.
    """
    rows = rows.float()
    boxes = decoded(rows, cells)
    found = assign(rows.detach(), boxes.detach(), cells, targets)
    count = found.positive.sum().clamp(min=1)
    objectness = functional.binary_cross_entropy_with_logits(
        rows[..., 4], found.positive.float(), reduction="none"
    )
    objectness = (objectness * ~found.ignored).sum() / count
    picture, cell = found.positive.nonzero(as_tuple=True)
    if not len(picture):
        return _WEIGHTS[1] * objectness
    owner = found.owner[picture, cell]
    shape_loss = (1 - generalised(boxes[picture, cell], targets.boxes[picture, owner])).sum()
    wanted = functional.one_hot(targets.classes[picture, owner], rows.shape[2] - 5).float()
    wanted = wanted * found.overlap[picture, cell].clamp(min=0.05)[:, None]
    classes = functional.binary_cross_entropy_with_logits(
        rows[picture, cell, 5:], wanted, reduction="sum"
    )
    return (
        _WEIGHTS[0] * shape_loss / count + _WEIGHTS[1] * objectness + _WEIGHTS[2] * classes / count
    )


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union, axes but the last broadcast; 0 where both are empty."""
    shared = _sides(torch.maximum(first[..., :2], second[..., :2]),
                    torch.minimum(first[..., 2:], second[..., 2:]))  # fmt: skip
    union = _area(first) + _area(second) - shared
    return shared / union.clamp(min=1e-6)


def generalised(first: Tensor, second: Tensor) -> Tensor:
    """Generalised IoU, pairwise: Rezatofighi et al., 2019 (arXiv 1902.09630); shape (n,)."""
    shared = _sides(torch.maximum(first[:, :2], second[:, :2]),
                    torch.minimum(first[:, 2:], second[:, 2:]))  # fmt: skip
    union = (_area(first) + _area(second) - shared).clamp(min=1e-6)
    hull = _sides(torch.minimum(first[:, :2], second[:, :2]),
                  torch.maximum(first[:, 2:], second[:, 2:])).clamp(min=1e-6)  # fmt: skip
    return shared / union - (hull - union) / hull


def _area(boxes: Tensor) -> Tensor:
    return _sides(boxes[..., :2], boxes[..., 2:])


def _sides(left_top: Tensor, right_bottom: Tensor) -> Tensor:
    return (right_bottom - left_top).clamp(min=0).prod(-1)
