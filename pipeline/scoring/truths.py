"""What is true of a drive, as columns: collected from its reader, kept with a run, read again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import LabelsError
from pipeline.scoring.areas import PackedMasks, pack_masks
from pipeline.scoring.rows import offsets_of
from pipeline.scoring.tables import IGNORE, TrueBoxes, TrueBoxes3D

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from pipeline.scoring.poses import Poses
    from sensors.labels import FrameLabels, Futures, Labels2D, Labels3D

    Ints = NDArray[np.int64]

_OUTSIDE_PX = 2.0  # that a labelled box may reach over the picture's edge
_FEW = 0.5  # share of labels that find their frame, below which they are another drive's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamTruth:
    """What is true of the frames of one stream.

    Attributes:
        stream: Name of the stream.
        frames: Number of frames of the stream that are replayed in one pass.
        names: Names of the classes of boxes.
        boxes: Boxes in pictures, of every frame; None where no frame has any labelled.
        boxes_3d: Boxes in space, likewise.
        masks: Areas, likewise; the body of a frame without is empty.
        futures: Where objects go, by frame.
        known: For each kind of label the frames that have it.
        poses: Ego pose at each frame; None where unknown.
        strangers: Labels in the time that is replayed whose stamp no frame has.
    """

    stream: str
    frames: int
    names: tuple[str, ...] = ()
    boxes: TrueBoxes | None = None
    boxes_3d: TrueBoxes3D | None = None
    masks: PackedMasks | None = None
    futures: dict[int, Futures]
    known: dict[str, NDArray[np.bool_]]
    poses: Poses | None = None
    strangers: int = 0

    def labelled(self, kind: str) -> NDArray[np.bool_]:
        """Which frames have labels of a kind; shape (frames,)."""
        return self.known.get(kind, np.zeros(self.frames, np.bool_))


def names_of(label: FrameLabels, kind: str) -> tuple[str, ...] | None:
    """Names of the classes or masks of a frame's labels of a kind; None where it has none."""
    match kind:
        case "boxes":
            return None if label.boxes is None else label.boxes.names
        case "boxes_3d":
            return None if label.boxes_3d is None else label.boxes_3d.names
        case "masks":
            return None if label.masks is None else label.masks.names
        case _:
            return None if label.futures is None else ()


def collect(
    stream: str,
    labels: Iterable[FrameLabels],
    *,
    stamps_ns: Sequence[int],
    size: tuple[int, int],
    poses: Poses | None = None,
    kinds: Collection[str] | None = None,
) -> StreamTruth:
    """Gather labels of a stream; each belongs to the replayed frame of its own stamp.

    Args:
        stream: Name of the stream.
        labels: Its labels, in any order.
        stamps_ns: Recorded stamp of each replayed frame, on the labels' clock.
        size: Width and height of its pictures; zeros where it has none.
        poses: Ego poses at its frames, by the same clock.
        kinds: Kinds of labels that are wanted; all where None.

    Raises:
        LabelsError: No label has the stamp of a frame, most have none, two are of one frame, or one
            does not fit the picture.
    """
    place_of = {stamp_ns: place for place, stamp_ns in enumerate(stamps_ns)}
    found: dict[int, FrameLabels] = {}
    strangers, seen, low, high = 0, 0, 0, 0
    for label in labels:
        low = label.stamp_ns if not seen else min(low, label.stamp_ns)
        high = label.stamp_ns if not seen else max(high, label.stamp_ns)
        seen += 1
        place = place_of.get(label.stamp_ns)
        if place is None:
            inside = len(stamps_ns) and stamps_ns[0] <= label.stamp_ns <= stamps_ns[-1]
            strangers += bool(inside)
            continue
        if place in found:
            raise LabelsError(f"stream {stream}: two labels of one frame, at {label.stamp_ns} ns")
        found[place] = label if kinds is None else _only(label, kinds)
        _check_size(stream, label, size)
    known = len(found) + strangers
    if seen and (not found or len(found) < _FEW * known):
        span = f"{stamps_ns[0]} to {stamps_ns[-1]} ns" if len(stamps_ns) else "no frame"
        raise LabelsError(
            f"stream {stream}: labels are of another drive: {len(found)} of {seen} have the stamp "
            f"of a frame; labels lie at {low} to {high} ns, frames at {span}"
        )
    return _table(stream, found, len(stamps_ns), size, poses, strangers)


def _only(label: FrameLabels, kinds: Collection[str]) -> FrameLabels:
    """A frame's labels of some kinds; masks of a long drive are large."""
    return replace(
        label,
        boxes=label.boxes if "boxes" in kinds else None,
        boxes_3d=label.boxes_3d if "boxes_3d" in kinds else None,
        masks=label.masks if "masks" in kinds else None,
        futures=label.futures if "forecasts" in kinds else None,
    )


def _check_size(stream: str, label: FrameLabels, size: tuple[int, int]) -> None:
    width, height = size
    if not width or not height:
        return
    at = f"stream {stream}, frame at {label.stamp_ns} ns"
    if label.boxes is not None and len(label.boxes):
        limits = np.array([width, height, width, height]) + _OUTSIDE_PX
        beyond = (label.boxes.xyxy > limits).any(axis=1) | (label.boxes.xyxy < -_OUTSIDE_PX).any(
            axis=1
        )
        if beyond.any():
            worst = label.boxes.xyxy[int(np.flatnonzero(beyond)[0])].tolist()
            shown = ", ".join(f"{value:.1f}" for value in worst)
            raise LabelsError(
                f"{at}: a labelled box [{shown}] lies outside the picture of {width}x{height}: "
                "labels of another size?"
            )
    if label.masks is not None and label.masks.masks.shape[1:] != (height, width):
        high, wide = label.masks.masks.shape[1:]
        raise LabelsError(f"{at}: labelled masks of {wide}x{high} on a picture of {width}x{height}")


def _table(
    stream: str,
    found: dict[int, FrameLabels],
    frames: int,
    size: tuple[int, int],
    poses: Poses | None,
    strangers: int,
) -> StreamTruth:
    names: dict[str, int] = {}
    boxes = {place: label.boxes for place, label in found.items() if label.boxes is not None}
    space = {place: label.boxes_3d for place, label in found.items() if label.boxes_3d is not None}
    masks = {place: label.masks for place, label in found.items() if label.masks is not None}
    futures = {place: label.futures for place, label in found.items() if label.futures is not None}
    known: dict[str, NDArray[np.bool_]] = {}
    for kind, some in (
        ("boxes", set(boxes)), ("boxes_3d", set(space)), ("masks", set(masks)),
        ("forecasts", set(futures)),
    ):  # fmt: skip
        known[kind] = np.zeros(frames, np.bool_)
        known[kind][sorted(some)] = True
    every = (one.names for one in boxes.values()), (one.names for one in space.values())
    for name in chain.from_iterable(chain(*every)):
        names.setdefault(name, len(names))
    mask_names = tuple(dict.fromkeys(n for mask in masks.values() for n in mask.names))
    if any(mask.names != mask_names for mask in masks.values()):
        raise LabelsError(f"stream {stream}: labelled masks have several sets of names")
    packed = None
    if masks:
        bodies = [b"" if n not in masks else pack_masks(masks[n].masks) for n in range(frames)]
        packed = PackedMasks(names=mask_names, width=size[0], height=size[1], bodies=bodies)
    return StreamTruth(
        stream=stream,
        frames=frames,
        names=tuple(names),
        boxes=_boxes(boxes, frames, names) if boxes else None,
        boxes_3d=_boxes_3d(space, frames, names) if space else None,
        masks=packed,
        futures=futures,
        known=known,
        poses=poses,
        strangers=strangers,
    )


def _boxes(found: dict[int, Labels2D], frames: int, names: dict[str, int]) -> TrueBoxes:
    some = [found[place] for place in sorted(found)]
    return TrueBoxes(
        offsets=_offsets(found, frames),
        xyxy=np.concatenate([label.xyxy for label in some]).astype(np.float64).reshape(-1, 4),
        classes=np.concatenate([_coded(label, names) for label in some]),
        tracks=np.concatenate([label.tracks for label in some]).astype(np.int64),
        distances_m=np.concatenate([label.distances_m for label in some]).astype(np.float64),
    )


def _boxes_3d(found: dict[int, Labels3D], frames: int, names: dict[str, int]) -> TrueBoxes3D:
    """Boxes in space; what no point of the LiDAR lies on cannot be asked for, and is ignored."""
    some = [found[place] for place in sorted(found)]
    return TrueBoxes3D(
        offsets=_offsets(found, frames),
        centres_m=np.concatenate([x.centres_m for x in some]).astype(np.float64).reshape(-1, 3),
        sizes_m=np.concatenate([x.sizes_m for x in some]).astype(np.float64).reshape(-1, 3),
        yaws_rad=np.concatenate([label.yaws_rad for label in some]).astype(np.float64),
        velocities_mps=np.concatenate([x.velocities_mps for x in some])
        .astype(np.float64)
        .reshape(-1, 2),
        classes=np.concatenate(
            [np.where(label.points == 0, IGNORE, _coded(label, names)) for label in some]
        ),
        tracks=np.concatenate([label.tracks for label in some]).astype(np.int64),
    )


def _offsets(found: dict[int, Labels2D] | dict[int, Labels3D], frames: int) -> Ints:
    counts = np.zeros(frames, np.int64)
    for place, label in found.items():
        counts[place] = len(label)
    return offsets_of(counts)


def _coded(label: Labels2D | Labels3D, names: dict[str, int]) -> Ints:
    """Classes of a label as places among all names."""
    if not len(label):
        return np.zeros(0, np.int64)
    codes = np.array([*(names[name] for name in label.names), IGNORE], np.int64)
    if (label.classes >= len(label.names)).any() or (label.classes < IGNORE).any():
        raise LabelsError(f"a label has a class that is none of {', '.join(label.names)}")
    return codes[label.classes]
