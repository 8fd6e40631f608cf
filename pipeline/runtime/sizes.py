"""Bytes that each step makes for each picture of a recording, as the priming pass found them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Encoded sizes by task, step and picture.

    Attributes:
        frames: Number of pictures of each stream's recording.
        warmup: Number of warm-up frames, which show the first pictures.
        bytes: Per (task, step) the bytes of each picture, where they cross.
        samples: Per stream whose frames differ in size the bytes of each, as the player sends it.
    """

    frames: Mapping[str, int]
    warmup: int = 0
    bytes: Mapping[tuple[str, int], Sequence[int]] = field(default_factory=dict)
    samples: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def content(self, stream: str, frame: int) -> int:
        """Picture that a frame of a looped stream shows."""
        return frame + self.warmup if frame < 0 else frame % self.frames[stream]

    def of(self, task: str, step: int, content: int) -> int:
        """Bytes that a step makes for a picture; 0 where nothing crosses after it."""
        sizes = self.bytes.get((task, step))
        return 0 if sizes is None else sizes[content]

    def sample(self, stream: str, content: int, otherwise: int) -> int:
        """Bytes of a frame as the player sends it; `otherwise` where all are of one size."""
        sizes = self.samples.get(stream)
        return otherwise if sizes is None else sizes[content]
