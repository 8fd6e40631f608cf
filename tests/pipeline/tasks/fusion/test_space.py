"""Camera and LiDAR together: boxes in space are confirmed by what cameras see there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.tasks.fusion import FusedDecoder
from pipeline.tasks.fusion.late import OBJECTS, split_results
from pipeline.tasks.fusion.space import View, box_corners, combine, project
from pipeline.tasks.outputs.pillars import Pillars
from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
from pipeline.tasks.outputs.yolox import Yolox
from sensors.calibration import Calibration, Intrinsics, Mounting
from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from pipeline.tasks.outputs.protocol import OutputDecoder

CAMERA = Calibration(
    stream="front",
    mounting=Mounting(x_m=1.5, y_m=0.0, z_m=1.4),
    intrinsics=Intrinsics(
        width=640, height=384, focal_x_px=500, focal_y_px=500, centre_x_px=320, centre_y_px=192
    ),
)


def _space(*places: tuple[float, float, float], classes: list[int] | None = None) -> Boxes3D:
    """Cars at (x, y) with a score, the surest first."""
    count = len(places)
    rows = np.array(places, np.float32).reshape(-1, 3)
    return Boxes3D(
        centres_m=np.column_stack([rows[:, :2], np.full(count, 0.8)]).astype(np.float32),
        sizes_m=np.tile(np.array([4.5, 1.9, 1.6], np.float32), (count, 1)),
        yaws_rad=np.zeros(count, np.float32),
        velocities_mps=np.zeros((count, 2), np.float32),
        scores=rows[:, 2],
        classes=np.array(classes or [0] * count, np.int64),
        names=LABEL_CLASSES,
    )


def _seen(space: Boxes3D, rows: list[int], scores: list[float], classes: list[int]) -> Boxes:
    """What a camera would find of these boxes: exactly their projections."""
    xyxy, seen = project(box_corners(space), CAMERA)
    assert seen[rows].all()
    return Boxes(
        xyxy=xyxy[rows].astype(np.float32),
        scores=np.array(scores, np.float32),
        classes=np.array(classes, np.int64),
        names=LABEL_CLASSES,
    )


def test_a_box_straight_ahead_projects_where_a_pinhole_has_it() -> None:
    """By hand: the rear face, 4.5 m long car whose middle is 20 m ahead of the ego origin."""
    xyxy, seen = project(box_corners(_space((20.0, 0.0, 0.5))), CAMERA)
    near_m = 20.0 - 2.25 - 1.5
    half, top, bottom = 500 * 0.95 / near_m, 500 * (1.4 - 1.6) / near_m, 500 * 1.4 / near_m
    far_top = 500 * (1.4 - 1.6) / (near_m + 4.5)
    assert seen.all()
    np.testing.assert_allclose(
        xyxy[0], [320 - half, 192 + min(top, far_top), 320 + half, 192 + bottom]
    )


def test_two_witnesses_are_surer_than_one() -> None:
    """1 - (1 - 0.4) (1 - 0.5); what no camera sees keeps its score, and order follows."""
    space = _space((30.0, 4.0, 0.6), (20.0, -2.0, 0.4), (-15.0, 0.0, 0.3))
    boxes = _seen(space, [1], [0.5], [0])
    found = combine(space, [View(calibration=CAMERA, boxes=boxes)])
    np.testing.assert_allclose(found.scores, [0.7, 0.6, 0.3], rtol=1e-6)
    np.testing.assert_allclose(found.centres_m[:, 0], [20, 30, -15])


def test_the_surer_one_says_what_it_is_and_only_alike_are_matched() -> None:
    """A van for the camera; a pedestrian in its place is another object."""
    space = _space((20.0, 0.0, 0.4))
    van = _seen(space, [0], [0.9], [LABEL_CLASSES.index("van")])
    found = combine(space, [View(calibration=CAMERA, boxes=van)])
    assert found.names[found.classes[0]] == "van"
    walker = _seen(space, [0], [0.9], [LABEL_CLASSES.index("pedestrian")])
    same = combine(space, [View(calibration=CAMERA, boxes=walker)])
    assert (same.scores[0], same.names[same.classes[0]]) == (np.float32(0.4), "car")


def test_each_camera_box_confirms_one_object() -> None:
    """Two objects behind each other: the better overlap takes it, the other keeps its score."""
    space = _space((20.0, 0.0, 0.5), (22.0, 0.0, 0.5))
    boxes = _seen(space, [1], [0.8], [0])
    found = combine(space, [View(calibration=CAMERA, boxes=boxes)])
    np.testing.assert_allclose(found.scores, [0.9, 0.5], rtol=1e-6)
    assert found.centres_m[0, 0] == pytest.approx(22)


def test_the_fusing_stage_adds_what_they_say_together() -> None:
    """It comes back from the bytes beside the parts; without a camera's place it is left out."""
    space = _space((20.0, 0.0, 0.5))
    decoders: dict[str, OutputDecoder] = {
        "obstacles": Pillars(),
        "objects": Yolox(classes="splitway"),
    }
    parts = [
        ("obstacles", decoders["obstacles"].encode(space)),
        ("objects", decoders["objects"].encode(_seen(space, [0], [0.5], [0]))),
    ]
    decoder = FusedDecoder(decoders, {"objects": CAMERA})
    joined = decoder.join(parts)
    assert [name for name, _ in split_results(joined)] == ["obstacles", "objects", OBJECTS]
    result = decoder.decode_result(joined)
    assert result.objects is not None
    assert result.objects.scores[0] == pytest.approx(0.75)
    assert list(result.parts) == ["obstacles", "objects"]
    assert decoder.decode_result(decoder.join(parts[:1])).objects is None
    blind = FusedDecoder(decoders, {})
    assert blind.decode_result(blind.join(parts)).objects is None
