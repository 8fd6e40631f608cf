"""Sizes of the camera detectors; without PyTorch, for scripts that only run them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorShape:
    """Size of a camera detector.

    Attributes:
        width: Pixels across its input, a multiple of 32.
        height: Pixels down its input, the same.
        channels: Of the maps at strides 2, 4, 8, 16 and 32.
        blocks: Residual blocks at strides 4, 8, 16 and 32.
        neck: Channels of the maps behind the backbone.
        narrow: Channels of the bottleneck at stride 8; 0 for none.
        levels: Largest whole number that a value of the bottleneck takes.
    """

    width: int
    height: int
    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int]
    neck: int
    narrow: int = 0
    levels: int = 15


DETECTORS = {
    "nano": DetectorShape(
        width=416, height=256, channels=(16, 24, 32, 56, 80), blocks=(0, 1, 1, 1), neck=32
    ),
    "small": DetectorShape(
        width=512, height=320, channels=(16, 32, 48, 72, 96), blocks=(1, 2, 2, 1), neck=40
    ),
    "large": DetectorShape(
        width=640, height=384, channels=(24, 40, 64, 88, 112), blocks=(1, 3, 3, 2), neck=56
    ),
    "bottleneck": DetectorShape(
        width=512, height=320, channels=(16, 32, 48, 72, 96), blocks=(1, 2, 2, 1), neck=40,
        narrow=6,
    ),
}  # fmt: skip
"""The ladder, and the variant with a narrow layer; size and MACs stand in the cards."""
