"""Pictures of labels: what is drawn lies where it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.drawing import PALETTE
from pipeline.tasks.drawing_labels import picture_with_labels, sweep_from_above
from sensors.calibration import Mounting
from sensors.frames import LidarSweep
from sensors.labels import FrameLabels, Futures, LabelMasks, Labels2D, Labels3D

if TYPE_CHECKING:
    from numpy.typing import NDArray

AHEAD_M, ASIDE_M, SCALE = 70.0, 30.0, 8.0


def boxes(xyxy: list[list[float]], classes: list[int]) -> Labels2D:
    """Boxes of two classes, all seen."""
    ones = np.ones(len(classes), np.float32)
    return Labels2D(
        names=("car", "pedestrian"),
        tracks=np.arange(len(classes)),
        classes=np.array(classes, np.int64),
        xyxy=np.array(xyxy, np.float32),
        visibility=ones,
        truncation=ones * 0,
        distances_m=ones,
    )


def labels(**parts: object) -> FrameLabels:
    """Labels of one frame."""
    return FrameLabels(stream="front", index=0, stamp_ns=0, **parts)  # type: ignore[arg-type]


def sweep(points: list[list[float]]) -> LidarSweep:
    """A sweep of these points, without intensity."""
    found = np.zeros((len(points), 4), np.float32)
    found[:, :3] = np.reshape(points, (-1, 3))
    return LidarSweep(stream="top", index=0, stamp_ns=0, scheduled_ns=0, points=found)


def cell(x_m: float, y_m: float) -> tuple[int, int]:
    """Row and column of a place in the drawing from above."""
    return int((AHEAD_M - x_m) * SCALE), int((ASIDE_M - y_m) * SCALE)


def hue(pixel: NDArray[np.uint8]) -> int:
    """The palette's colour that a pixel has, edges being smoothed; -1 for none."""
    away = np.abs(np.array(PALETTE) - pixel.astype(int)).max(axis=1)
    return int(away.argmin()) if away.min() < 40 else -1


def test_boxes_lie_on_the_picture_in_their_class_colour() -> None:
    """The original stays as it is, ignored areas are grey."""
    image = np.zeros((384, 640, 3), np.uint8)
    found = boxes([[100, 100, 200, 300], [400, 100, 500, 300], [300, 50, 350, 60]], [0, -1, 1])
    drawn = picture_with_labels(image, labels(boxes=found))
    assert not image.any()
    assert hue(drawn[200, 100]) == 0
    assert len(set(drawn[200, 400].tolist())) == 1
    assert hue(drawn[55, 300]) == 1
    assert not drawn[:40, 290:360].any()  # a low box has no tab


def test_masks_tint_their_areas_only() -> None:
    """Pixels outside stay as they are."""
    image = np.full((40, 60, 3), 100, np.uint8)
    area = np.zeros((1, 40, 60), np.bool_)
    area[0, 20:, :30] = True
    drawn = picture_with_labels(image, labels(masks=LabelMasks(names=("drivable",), masks=area)))
    changed = (drawn != image).any(axis=2)
    assert np.array_equal(changed, area[0])


def test_a_frame_without_labels_is_only_captioned() -> None:
    """Below the band nothing is drawn."""
    image = np.full((100, 200, 3), 90, np.uint8)
    drawn = picture_with_labels(image, None, ["nothing known"])
    assert (drawn[40:] == 90).all()
    assert (drawn[:15] != 90).any()


def test_a_sweep_is_seen_from_above_ahead_upwards() -> None:
    """Points stand where the mounting puts them; those outside are left out."""
    found = sweep([[19.03, 5.03, 0.0], [500.0, 0.0, 0.0]])
    drawn = sweep_from_above(found, Mounting(x_m=1.0, y_m=0.0, z_m=1.8), None)
    assert drawn.shape == (720, 480, 3)
    empty = sweep_from_above(sweep([]), None, None)
    changed = np.argwhere((drawn != empty).any(axis=2))
    assert changed.tolist() == [list(cell(20.03, 5.03))]


def test_boxes_in_space_are_drawn_with_their_ways() -> None:
    """Sides lie half a width beside the middle, and dots where the object will be."""
    one = np.ones(1, np.float32)
    box = Labels3D(
        names=("car",),
        tracks=np.array([7]),
        classes=np.array([0]),
        centres_m=np.array([[20.0, 5.0, 0.8]], np.float32),
        sizes_m=np.array([[4.0, 2.0, 1.6]], np.float32),
        yaws_rad=one * 0,
        velocities_mps=np.zeros((1, 2), np.float32),
        points=np.array([5]),
    )
    ways = Futures(
        tracks=np.array([7]),
        step_ns=1,
        positions_m=np.array([[[30.0, 5.0], [40.0, 5.0]]], np.float32),
        valid=np.array([[True, False]]),
    )
    drawn = sweep_from_above(sweep([]), None, labels(boxes_3d=box, futures=ways))
    assert hue(drawn[cell(20.0, 6.0)]) == 0
    assert hue(drawn[cell(22.0, 5.5)]) == 0
    assert drawn[cell(30.0, 5.0)].min() > 200
    assert drawn[cell(40.03, 5.03)].max() < 100
