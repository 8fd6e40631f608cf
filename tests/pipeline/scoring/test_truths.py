"""Labels: gathered, refused where they are another drive's, kept and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import EvidenceError, LabelsError
from pipeline.scoring.keeping import pack_truths, read_truths, unpack_truths
from pipeline.scoring.poses import Poses
from pipeline.scoring.tables import IGNORE
from pipeline.scoring.truths import StreamTruth, collect
from sensors.labels import FrameLabels, Futures, LabelMasks, Labels2D, Labels3D

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STAMPS_NS = (0, 100, 200, 300)
SIZE = (64, 48)


def boxes(
    *rows: tuple[int, float, float, float, float], names: Sequence[str] = ("car", "truck")
) -> Labels2D:
    """Boxes as (class, left, top, right, bottom)."""
    count = len(rows)
    return Labels2D(
        names=tuple(names),
        tracks=np.arange(count),
        classes=np.array([row[0] for row in rows], np.int64),
        xyxy=np.array([row[1:] for row in rows], np.float32).reshape(-1, 4),
        visibility=np.ones(count, np.float32),
        truncation=np.zeros(count, np.float32),
        distances_m=np.full(count, 12.5, np.float32),
    )


def space(points: Sequence[int]) -> Labels3D:
    """As many boxes in space, all of class 0."""
    count = len(points)
    return Labels3D(
        names=("car",),
        tracks=np.arange(count),
        classes=np.zeros(count, np.int64),
        centres_m=np.full((count, 3), 5.0, np.float32),
        sizes_m=np.ones((count, 3), np.float32),
        yaws_rad=np.zeros(count, np.float32),
        velocities_mps=np.full((count, 2), np.nan, np.float32),
        points=np.array(points, np.int64),
    )


def frame(index: int, stamp_ns: int, found: Labels2D | None = None) -> FrameLabels:
    """A labelled frame."""
    return FrameLabels(stream="front", index=index, stamp_ns=stamp_ns, boxes=found)


def gathered(*labels: FrameLabels) -> StreamTruth:
    """Labels of four frames."""
    return collect("front", labels, stamps_ns=STAMPS_NS, size=SIZE)


def test_labels_belong_to_the_frame_of_their_stamp_and_names_are_brought_together() -> None:
    """Whatever their order, and although one recording numbers its classes otherwise."""
    truth = gathered(
        frame(2, 200, boxes((0, 1, 1, 9, 9), names=("truck", "van"))),
        frame(0, 0, boxes((0, 1, 1, 9, 9), (1, 2, 2, 5, 5), (IGNORE, 0, 0, 3, 3))),
        frame(3, 300, boxes()),
    )
    assert truth.boxes is not None
    assert truth.names == ("truck", "van", "car")
    assert truth.boxes.offsets.tolist() == [0, 3, 3, 4, 4]
    assert [*map(int, truth.boxes.classes)] == [2, 0, IGNORE, 0]
    assert truth.labelled("boxes").tolist() == [True, False, True, True]
    assert not truth.labelled("masks").any()


def test_what_no_point_lies_on_is_ignored_and_what_was_not_counted_is_not() -> None:
    """An object that the LiDAR cannot see is not asked for."""
    label = FrameLabels(stream="lidar", index=0, stamp_ns=0, boxes_3d=space([3, 0, -1]))
    truth = collect("lidar", [label], stamps_ns=STAMPS_NS, size=(0, 0))
    assert truth.boxes_3d is not None
    assert truth.boxes_3d.classes.tolist() == [0, IGNORE, 0]


def test_labels_of_other_stamps_are_another_drive_s() -> None:
    """None that fits, or fewer than half of them; a few strangers are counted."""
    with pytest.raises(LabelsError, match=r"another drive: 0 of 2 have.* at 50 to 150 ns, frames"):
        gathered(frame(0, 50, boxes()), frame(1, 150, boxes()))
    with pytest.raises(LabelsError, match="another drive: 1 of 4"):
        gathered(*(frame(n, at, boxes()) for n, at in enumerate((0, 10, 20, 30))))
    truth = gathered(*(frame(n, at, boxes()) for n, at in enumerate((0, 100, 150, 900))))
    assert truth.strangers == 1  # 900 lies outside of what is replayed
    assert truth.labelled("boxes").tolist() == [True, True, False, False]


def test_labels_of_another_size_are_refused() -> None:
    """Boxes that lie outside the picture, and masks that do not cover it."""
    with pytest.raises(LabelsError, match=r"box \[10.0, 10.0, 90.0, 40.0\] lies outside.* 64x48"):
        gathered(frame(0, 0, boxes((0, 10, 10, 90, 40))))
    masks = LabelMasks(names=("lane",), masks=np.zeros((1, 24, 32), np.bool_))
    label = FrameLabels(stream="front", index=0, stamp_ns=0, masks=masks)
    with pytest.raises(LabelsError, match="labelled masks of 32x24 on a picture of 64x48"):
        gathered(label)


def test_two_labels_of_a_frame_and_classes_without_a_name_are_refused() -> None:
    """Neither is guessed at."""
    with pytest.raises(LabelsError, match="two labels of one frame, at 100 ns"):
        gathered(frame(1, 100, boxes()), frame(1, 100, boxes()))
    with pytest.raises(LabelsError, match="a class that is none of car, truck"):
        gathered(frame(1, 100, boxes((2, 0, 0, 5, 5))))


def everything() -> StreamTruth:
    """Labels of every kind."""
    masks = LabelMasks(
        names=("drivable", "lane"), masks=np.random.default_rng(1).random((2, 48, 64)) > 0.5
    )
    futures = Futures(
        tracks=np.array([4, 9]),
        step_ns=500,
        positions_m=np.arange(12, dtype=np.float32).reshape(2, 3, 2),
        valid=np.array([[True, True, False], [True, False, False]]),
    )
    label = FrameLabels(
        stream="front", index=1, stamp_ns=100, boxes=boxes((1, 0, 0, 5, 5)),
        boxes_3d=space([2, 5]), masks=masks, futures=futures,
    )  # fmt: skip
    poses = Poses(
        stamps_ns=np.array(STAMPS_NS),
        positions_m=np.ones((4, 3)),
        quaternions=np.tile([0.0, 0, 0, 1], (4, 1)),
    )
    return collect("front", [label], stamps_ns=STAMPS_NS, size=SIZE, poses=poses)


def test_kept_labels_are_the_same_again_and_the_same_bytes(tmp_path: Path) -> None:
    """Every kind of them, and none that is not there."""
    truth, bare = everything(), gathered(frame(0, 0, boxes()))
    packed = pack_truths([truth])
    assert packed == pack_truths([everything()])
    (tmp_path / "labels.npz").write_bytes(packed)
    again = read_truths(tmp_path / "labels.npz")["front"]
    assert again.boxes is not None
    assert truth.boxes is not None
    assert again.boxes.xyxy.tolist() == truth.boxes.xyxy.tolist()
    assert again.boxes_3d is not None
    assert again.boxes_3d.offsets.tolist() == [0, 0, 2, 2, 2]
    assert again.masks is not None
    assert truth.masks is not None
    assert again.masks.bodies == truth.masks.bodies
    assert (again.masks[1] == truth.masks[1]).all()
    assert again.futures[1].positions_m.tolist() == truth.futures[1].positions_m.tolist()
    assert again.futures[1].valid.tolist() == truth.futures[1].valid.tolist()
    assert again.poses is not None
    assert again.poses.positions_m.tolist() == np.ones((4, 3)).tolist()
    plain = unpack_truths(pack_truths([bare]))["front"]
    assert (plain.boxes_3d, plain.masks, plain.futures, plain.poses) == (None, None, {}, None)
    assert plain.names == truth.names


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_broken_labels_are_named(damage: str, tmp_path: Path) -> None:
    """Cut off, empty, or another archive."""
    file = tmp_path / "labels.npz"
    whole = pack_truths([everything()])
    if damage == "other":
        np.savez(file, some=np.zeros(3))
    else:
        file.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"")
    with pytest.raises(EvidenceError, match=r"labels\.npz: are no labels of a run"):
        read_truths(file)
