"""What is scored, as columns: objects of many frames, found and true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ScoringError
from pipeline.scoring.rows import pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

IGNORE = -1
"""In place of a class: whatever is found here counts neither way."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundBoxes:
    """Boxes that were found in pictures, one row a box, frame by frame.

    Attributes:
        offsets: Where each frame's rows begin, and the end of all; shape (frames + 1,).
        xyxy: Left, top, right, bottom, pixels; shape (n, 4).
        scores: Shape (n,).
        classes: Shape (n,).
        tracks: Number of each object's track; shape (n,); None without tracks.
    """

    offsets: Ints
    xyxy: Floats
    scores: Floats
    classes: Ints
    tracks: Ints | None = None

    def __post_init__(self) -> None:
        require_finite("box", self.offsets, self.xyxy)
        require_finite("score", self.offsets, self.scores)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueBoxes:
    """Boxes that are there, one row a box, frame by frame.

    Attributes:
        offsets: Where each frame's rows begin, and the end of all; shape (frames + 1,).
        xyxy: Left, top, right, bottom, pixels; shape (n, 4).
        classes: `IGNORE` for an area that is to be ignored; shape (n,).
        tracks: One number an object, the same in every frame; shape (n,).
        distances_m: How far away it is; NaN where unknown; shape (n,).
    """

    offsets: Ints
    xyxy: Floats
    classes: Ints
    tracks: Ints
    distances_m: Floats

    def __post_init__(self) -> None:
        require_finite("labelled box", self.offsets, self.xyxy)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundBoxes3D:
    """Boxes that were found in space, one row a box, frame by frame; ego frame of their frame.

    Attributes:
        offsets: Where each frame's rows begin, and the end of all; shape (frames + 1,).
        centres_m: Shape (n, 3).
        sizes_m: Length, width, height; shape (n, 3).
        yaws_rad: Shape (n,).
        velocities_mps: Over ground; NaN where unknown; shape (n, 2).
        scores: Shape (n,).
        classes: Shape (n,).
        tracks: Number of each object's track; shape (n,); None without tracks.
    """

    offsets: Ints
    centres_m: Floats
    sizes_m: Floats
    yaws_rad: Floats
    velocities_mps: Floats
    scores: Floats
    classes: Ints
    tracks: Ints | None = None

    def __post_init__(self) -> None:
        require_finite("box", self.offsets, self.centres_m)
        require_finite("box", self.offsets, self.sizes_m)
        require_finite("heading", self.offsets, self.yaws_rad)
        require_finite("score", self.offsets, self.scores)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueBoxes3D:
    """Boxes that are there in space, one row a box, frame by frame; ego frame of their frame.

    Attributes:
        offsets: Where each frame's rows begin, and the end of all; shape (frames + 1,).
        centres_m: Shape (n, 3).
        sizes_m: Length, width, height; shape (n, 3).
        yaws_rad: Shape (n,).
        velocities_mps: Over ground; NaN where unknown; shape (n, 2).
        classes: `IGNORE` for an object that is to be ignored; shape (n,).
        tracks: One number an object, the same in every frame; shape (n,).
    """

    offsets: Ints
    centres_m: Floats
    sizes_m: Floats
    yaws_rad: Floats
    velocities_mps: Floats
    classes: Ints
    tracks: Ints

    def __post_init__(self) -> None:
        require_finite("labelled box", self.offsets, self.centres_m)
        require_finite("labelled box", self.offsets, self.sizes_m)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.offsets) - 1


def require_finite(what: str, offsets: Ints, values: Floats) -> None:
    """Refuse a value that is not finite.

    Raises:
        ScoringError: There is one; its frame is named by its place.
    """
    finite = np.isfinite(values)
    rows = finite.all(axis=1) if finite.ndim > 1 else finite
    if not rows.all():
        wrong = int(np.flatnonzero(~rows)[0])
        frame = int(np.searchsorted(offsets, wrong, side="right")) - 1
        raise ScoringError(
            f"{what} number {wrong - int(offsets[frame])} of frame {frame} is not finite; "
            f"{int((~rows).sum())} in all"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Views:
    """Which labelled frame is compared with which result, pair by pair.

    Attributes:
        truths: Frame of the truth; shape (pairs,).
        found: Frame of the results, `NOTHING` for the empty set; shape (pairs,).
    """

    truths: Ints
    found: Ints

    def __len__(self) -> int:
        return len(self.truths)

    def only(self, kept: NDArray[np.bool_]) -> Views:
        """Some of the pairs."""
        return Views(truths=self.truths[kept], found=self.found[kept])


def each_frame(frames: int) -> Views:
    """Every frame's results against that frame's own truth."""
    every = np.arange(frames, dtype=np.int64)
    return Views(truths=every, found=every)


def pick_found(found: FoundBoxes, frames: Ints) -> FoundBoxes:
    """The boxes of some frames, which may recur; the picks are the new frames."""
    picked = pick(found.offsets, frames)
    counts = np.bincount(picked.places, minlength=len(frames))
    return FoundBoxes(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        xyxy=found.xyxy[picked.rows],
        scores=found.scores[picked.rows],
        classes=found.classes[picked.rows],
        tracks=None if found.tracks is None else found.tracks[picked.rows],
    )


def pick_found_3d(found: FoundBoxes3D, frames: Ints) -> FoundBoxes3D:
    """The boxes of some frames, which may recur; the picks are the new frames."""
    picked = pick(found.offsets, frames)
    counts = np.bincount(picked.places, minlength=len(frames))
    return FoundBoxes3D(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        centres_m=found.centres_m[picked.rows],
        sizes_m=found.sizes_m[picked.rows],
        yaws_rad=found.yaws_rad[picked.rows],
        velocities_mps=found.velocities_mps[picked.rows],
        scores=found.scores[picked.rows],
        classes=found.classes[picked.rows],
        tracks=None if found.tracks is None else found.tracks[picked.rows],
    )
