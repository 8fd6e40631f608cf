"""Ground truth of a drive: boxes in the picture and in space, masks, and where things go next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import numpy as np
    from numpy.typing import NDArray

LabelClass = Literal["car", "van", "truck", "pedestrian", "cyclist"]

LABEL_CLASSES: tuple[LabelClass, ...] = ("car", "van", "truck", "pedestrian", "cyclist")
"""What is labelled in synthetic drives; a recording may know other names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels2D:
    """Boxes in one picture, one row an object; n may be 0.

    Attributes:
        names: Names of the classes that `classes` counts.
        tracks: One number an object, the same in every frame and sensor; shape (n,), int64.
        classes: Index into `names`; -1 marks an area to be ignored; shape (n,), int64.
        xyxy: Left, top, right, bottom, pixels, cut off at the picture's edge; shape (n, 4),
            float32.
        visibility: Share of the object's outline inside the picture that nothing covers, 0 to 1;
            shape (n,), float32.
        truncation: Share of the uncut box that lies outside the picture, 0 to 1; shape (n,),
            float32.
        distances_m: From the camera to the object's middle; shape (n,), float32.
    """

    names: tuple[str, ...]
    tracks: NDArray[np.int64]
    classes: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    visibility: NDArray[np.float32]
    truncation: NDArray[np.float32]
    distances_m: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labels3D:
    """Boxes in space at one instant, ego frame (x forward, y left, z up), one row an object.

    Attributes:
        names: Names of the classes that `classes` counts.
        tracks: One number an object; shape (n,), int64.
        classes: Index into `names`; -1 marks an object to be ignored; shape (n,), int64.
        centres_m: Middle of the box; shape (n, 3), float32.
        sizes_m: Length, width, height; shape (n, 3), float32.
        yaws_rad: Heading against x, counter-clockwise; shape (n,), float32.
        velocities_mps: Over ground, in ego axes; shape (n, 2), float32; NaN where unknown.
        points: LiDAR points on the object in the sweep that is labelled; -1 where not counted;
            shape (n,), int64.
    """

    names: tuple[str, ...]
    tracks: NDArray[np.int64]
    classes: NDArray[np.int64]
    centres_m: NDArray[np.float32]
    sizes_m: NDArray[np.float32]
    yaws_rad: NDArray[np.float32]
    velocities_mps: NDArray[np.float32]
    points: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMasks:
    """Areas of one picture.

    Attributes:
        names: Names of the masks, such as drivable and lane.
        masks: Shape (names, height, width), bool, of the picture's size.
    """

    names: tuple[str, ...]
    masks: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Futures:
    """Where objects will be, in the ego frame of the labelled instant (which does not move along).

    Attributes:
        tracks: Shape (n,), int64.
        step_ns: Distance of two steps, ns; the first step is one `step_ns` ahead.
        positions_m: X and y of the middle; shape (n, steps, 2), float32.
        valid: Whether the object is still in the world then; shape (n, steps), bool.
    """

    tracks: NDArray[np.int64]
    step_ns: int
    positions_m: NDArray[np.float32]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameLabels:
    """Everything that is known to be true of one frame; None where it is not labelled.

    Attributes:
        stream: Name of the stream whose frame is labelled.
        index: Number of the frame in its stream.
        stamp_ns: When it was recorded, ns on the recording's own clock.
        boxes: Boxes in the picture.
        boxes_3d: Boxes in space.
        masks: Areas of the picture.
        futures: Where the objects of `boxes_3d` will be.
    """

    stream: str
    index: int
    stamp_ns: int
    boxes: Labels2D | None = None
    boxes_3d: Labels3D | None = None
    masks: LabelMasks | None = None
    futures: Futures | None = None


@runtime_checkable
class Labelled(Protocol):
    """A reader of a drive that knows what is true of it."""

    def labels(
        self,
        *,
        streams: Collection[str] | None = None,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[FrameLabels]:
        """Yield labels of the frames that have any, in the order of the frames.

        Only inside the reader's context; the window counts as for `frames`.

        Raises:
            StreamMissingError: A named stream is not in the drive.
            RecordingCorruptError: A label cannot be read.
        """
