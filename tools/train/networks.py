"""The networks of the model family: detector ladder, bottleneck, lanes, pillars, forecaster."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from tools.train.sizes import DetectorShape

STRIDES = (8, 16, 32)
"""Of the detectors' three grids, as the decoder `yolox` has them."""

_PRIOR = 0.01  # share of cells that begin as objects: Lin et al., Focal Loss, 2017, section 4.1
_LARGEST_LOG = 8.0  # of a side in cells; keeps exp finite in training


def conv(taken: int, given: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, `same` padding, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(taken, given, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(given),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A 1x1 and a 3x3 convolution beside a skip: He et al., 2016 (arXiv 1512.03385), shortened."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = conv(channels, channels // 2, size=1)
        self.expand = conv(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Shape stays."""
        return x + self.expand(self.reduce(x))


def stage(taken: int, given: int, blocks: int) -> nn.Sequential:
    """Halve both sides, then residual blocks."""
    return nn.Sequential(conv(taken, given, stride=2), *[Residual(given) for _ in range(blocks)])


class Context(nn.Module):
    """Lets a cell see far: maxima over 5, 9 and 13 cells beside the map, as in YOLOv5's SPPF."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = conv(channels, channels // 2, size=1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = conv(channels // 2 * 4, channels, size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape stays."""
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        return self.join(torch.cat(maps, 1))


class Narrow(nn.Module):
    """Few channels of few whole numbers: what a split sends.

    Values are 0 to `levels` in steps of one, so an int8 code holds each without loss. Rounding has
    no slope; the gradient passes straight through (Bengio et al., 2013, arXiv 1308.3432).
    """

    def __init__(self, channels: int, narrow: int, levels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, narrow, 1)
        self.levels = levels
        self.widen = conv(narrow, channels)
        self.bits = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Shape stays; `bits` then holds about how many bits a value of the last batch takes."""
        values = torch.clamp(self.squeeze(x).float(), 0.0, float(self.levels))
        if self.training:
            # About the bits of an Elias-gamma code: smooth, and small numbers are cheap.
            self.bits = torch.log2(1.0 + values).mul(2.0).mean()
            values = values + (torch.round(values) - values).detach()
        else:
            values = torch.round(values)
        return self.widen(values)


class Head(nn.Module):
    """Boxes, objectness and classes of one grid."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.boxes_trunk = conv(channels, channels)
        self.class_trunk = conv(channels, channels)
        self.boxes = nn.Conv2d(channels, 4, 1)
        self.objectness = nn.Conv2d(channels, 1, 1)
        self.classes = nn.Conv2d(channels, classes, 1)
        with torch.no_grad():
            self.boxes.bias.copy_(torch.tensor([0.5, 0.5, 1.0, 1.0]))
            self.objectness.bias.fill_(-math.log((1 - _PRIOR) / _PRIOR))
            self.classes.bias.fill_(-1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of logits, shape (batch, cells, 5 + classes)."""
        near = self.boxes_trunk(x)
        found = torch.cat(
            [self.boxes(near), self.objectness(near), self.classes(self.class_trunk(x))], 1
        )
        # Whole numbers, so that an exported graph has constants for shapes.
        return found.reshape(int(found.shape[0]), int(found.shape[1]), -1).transpose(1, 2)


class Detector(nn.Module):
    """Anchor-free detector over three grids, in the manner of YOLOX (arXiv 2107.08430).

    Input: (batch, 3, height, width), red, green, blue, 0 to 1. In training it gives logits, for
    export (`decided`) the layout of the decoder `yolox`: scores after their sigmoid.
    """

    def __init__(self, shape: DetectorShape, classes: int) -> None:
        super().__init__()
        self.shape, self.decided = shape, False
        c2, c4, c8, c16, c32 = shape.channels
        self.stem = conv(3, c2, stride=2)
        self.stage4 = stage(c2, c4, shape.blocks[0])
        self.stage8 = stage(c4, c8, shape.blocks[1])
        self.narrow = Narrow(c8, shape.narrow, shape.levels) if shape.narrow else None
        self.after = nn.Sequential(*[Residual(c8) for _ in range(2 if shape.narrow else 0)])
        self.stage16 = stage(c8, c16, shape.blocks[2])
        self.stage32 = stage(c16, c32, shape.blocks[3])
        self.context = Context(c32)
        neck = shape.neck
        self.lateral32 = conv(c32, neck, size=1)
        self.lateral16 = conv(c16, neck, size=1)
        self.lateral8 = conv(c8, neck, size=1)
        self.smooth16 = conv(neck, neck)
        self.smooth8 = conv(neck, neck)
        self.down16 = conv(neck, neck, stride=2)
        self.down32 = conv(neck, neck, stride=2)
        self.heads = nn.ModuleList([Head(neck, classes) for _ in STRIDES])

    def forward(self, images: Tensor) -> Tensor:
        """Rows of all grids, stride 8 first; shape (batch, cells, 5 + classes)."""
        at8 = self.stage8(self.stage4(self.stem(images)))
        if self.narrow is not None:
            at8 = self.after(self.narrow(at8))
        at16 = self.stage16(at8)
        at32 = self.lateral32(self.context(self.stage32(at16)))
        mid = self.smooth16(self.lateral16(at16) + _doubled(at32))
        fine = self.smooth8(self.lateral8(at8) + _doubled(mid))
        mid = mid + self.down16(fine)
        coarse = at32 + self.down32(mid)
        rows = [head(x) for head, x in zip(self.heads, (fine, mid, coarse), strict=True)]
        found = torch.cat(rows, 1)
        if not self.decided:
            return found
        return torch.cat([found[..., :4], torch.sigmoid(found[..., 4:])], -1)


class Lanes(nn.Module):
    """Encoder and decoder with skips (Ronneberger et al., U-Net, 2015), output at half the sides.

    Input as the detectors'; output `masks`: logits, (batch, 2, height / 2, width / 2), drivable
    area and lane lines.
    """

    def __init__(self, channels: tuple[int, int, int, int, int] = (12, 24, 32, 48, 64)) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = channels
        self.stem = conv(3, c2, stride=2)
        self.stage4, self.stage8 = stage(c2, c4, 1), stage(c4, c8, 1)
        self.stage16, self.stage32 = stage(c8, c16, 1), stage(c16, c32, 1)
        self.context = Context(c32)
        self.up16, self.up8 = conv(c32 + c16, c16), conv(c16 + c8, c8)
        self.up4, self.up2 = conv(c8 + c4, c4), conv(c4 + c2, c2)
        self.masks = nn.Conv2d(c2, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of both masks."""
        at2 = self.stem(images)
        at4 = self.stage4(at2)
        at8 = self.stage8(at4)
        at16 = self.stage16(at8)
        x = self.context(self.stage32(at16))
        x = self.up16(torch.cat([_doubled(x), at16], 1))
        x = self.up8(torch.cat([_doubled(x), at8], 1))
        x = self.up4(torch.cat([_doubled(x), at4], 1))
        x = self.up2(torch.cat([_doubled(x), at2], 1))
        return self.masks(x)


@dataclass(frozen=True, slots=True, kw_only=True)
class PillarsShape:
    """Size of the LiDAR detector: channels at strides 1, 2, 4, 8, and of the narrow map."""

    channels: tuple[int, int, int, int] = (16, 32, 48, 64)
    narrow: int = 8
    inputs: int = 8
    classes: int = 5
    blocks: tuple[int, int, int] = field(default=(1, 2, 2))


class Pillars(nn.Module):
    """Bird's-eye detector of centres in the manner of CenterPoint (Yin et al., arXiv 2006.11275).

    Input: a grid of pillars, (batch, channels, height, width). Outputs at half its sides:
    `heatmap` logits a class, and `boxes`: dx, dy (cells), z (m), log length, width, height, sine
    and cosine of the heading, velocity (m/s). Between stem and body lies the `narrow` map at
    stride 2, few channels behind a ReLU, mostly zero where there is nothing: what a split sends.
    """

    def __init__(self, shape: PillarsShape) -> None:
        super().__init__()
        c1, c2, c4, c8 = shape.channels
        self.stem = nn.Sequential(conv(shape.inputs, c1), conv(c1, c2, stride=2))
        self.squeeze = conv(c2, shape.narrow, size=1)
        self.widen = conv(shape.narrow, c2)
        self.body2 = nn.Sequential(*[Residual(c2) for _ in range(shape.blocks[0])])
        self.stage4, self.stage8 = stage(c2, c4, shape.blocks[1]), stage(c4, c8, shape.blocks[2])
        self.context = Context(c8)
        self.up4, self.up2 = conv(c8 + c4, c4), conv(c4 + c2, c2)
        self.heat = nn.Sequential(conv(c2, c2), nn.Conv2d(c2, shape.classes, 1))
        self.boxes = nn.Sequential(conv(c2, c2), nn.Conv2d(c2, 10, 1))
        self.activity = torch.zeros(())
        with torch.no_grad():
            self.heat[1].bias.fill_(-math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, pillars: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmap logits and boxes; `activity` then holds the mean of the narrow map."""
        narrow = self.squeeze(self.stem(pillars))
        if self.training:
            self.activity = narrow.float().mean()
        at2 = self.body2(self.widen(narrow))
        at4 = self.stage4(at2)
        x = self.context(self.stage8(at4))
        x = self.up4(torch.cat([_doubled(x), at4], 1))
        x = self.up2(torch.cat([_doubled(x), at2], 1))
        return self.heat(x), self.boxes(x)


class Forecaster(nn.Module):
    """A gated recurrent unit over the last second of each track; adds to constant velocity.

    Input `histories`: (1, tracks, steps, 3): x and y in the newest ego frame less the newest
    place, metres, oldest first, and 1 where known, else a row of zeros. Output `positions`:
    (1, tracks, future steps, 2), metres from the newest place. Rows of zeros give zeros for nobody.
    """

    def __init__(
        self, *, hidden: int = 48, steps: int = 11, futures: int = 6, period_s: float = 0.1,
        step_s: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Linear(5, hidden)
        self.unit = nn.GRU(hidden, hidden)
        self.out = nn.Sequential(
            nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, futures * 2)
        )
        self.futures, self.period_s, self.steps = futures, period_s, steps
        self.register_buffer("ahead_s", torch.arange(1, futures + 1) * step_s)
        with torch.no_grad():
            self.out[2].weight.mul_(0.1)

    def forward(self, histories: Tensor) -> Tensor:
        """Places ahead."""
        rows = histories[0]
        known = rows[..., 2:3]
        steps = (rows[:, 1:, :2] - rows[:, :-1, :2]) * (known[:, 1:] * known[:, :-1])
        steps = steps / self.period_s
        features = torch.cat([rows[:, 1:, :2], steps, known[:, 1:] * 10], -1).transpose(0, 1) * 0.1
        start = torch.zeros(1, int(rows.shape[0]), self.unit.hidden_size)
        _, state = self.unit(torch.relu(self.embed(features)), start)
        found = self.out(state[0]).reshape(-1, self.futures, 2)
        ahead = self.ahead_s.reshape(1, -1, 1)
        return (straight(rows, self.period_s) * ahead + found * ahead).unsqueeze(0)


def straight(rows: Tensor, period_s: float) -> Tensor:
    """Mean velocity over the known part of the window, m/s; shape (tracks, 1, 2).

    Args:
        rows: Shape (tracks, steps, 3), as the forecaster's input.
        period_s: Distance of two steps.
    """
    known = rows[..., 2:3]
    total = known.sum(1, keepdim=True).clamp(min=1.0)
    ages = torch.arange(rows.shape[1], dtype=rows.dtype).reshape(1, -1, 1) - (rows.shape[1] - 1)
    ages = ages * period_s
    age_mean = (ages * known).sum(1, keepdim=True) / total
    place_mean = (rows[..., :2] * known).sum(1, keepdim=True) / total
    spread = ((ages - age_mean) ** 2 * known).sum(1, keepdim=True)
    slope = ((ages - age_mean) * (rows[..., :2] - place_mean) * known).sum(1, keepdim=True)
    return slope / spread.clamp(min=1e-4)


def decoded(rows: Tensor, cells: Tensor) -> Tensor:
    """Boxes of a detector's rows: left, top, right, bottom in input pixels.

    Args:
        rows: Shape (batch, cells, 5 + classes).
        cells: Column, row and stride of each row, shape (cells, 3).
    """
    stride = cells[:, 2:]
    centre = (rows[..., :2] + cells[:, :2]) * stride
    half = torch.exp(rows[..., 2:4].clamp(max=_LARGEST_LOG)) * stride / 2
    return torch.cat([centre - half, centre + half], -1)


def cells_of(width: int, height: int) -> Tensor:
    """Column, row and stride of each of a detector's rows; shape (cells, 3), float32."""
    grids = []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
        )
        grids.append(
            torch.stack([columns.flatten(), rows.flatten(), torch.full((rows.numel(),), stride)], 1)
        )
    return torch.cat(grids).float()


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
