"""Accuracy of what the training scripts compare: perfect is 1, nothing is 0, curves and fronts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.tasks.outputs.protocol import Boxes, Boxes3D
from sensors.labels import LABEL_CLASSES, Labels3D
from tools.train.baseline_handmade import detect
from tools.train.measuring import MaskCounts, accuracy, accuracy_3d
from tools.train.rate_curve import Point, front, smallest, through_jpeg


def boxes(xyxy: list[list[float]], classes: list[int]) -> Boxes:
    """Boxes of these classes, surest first."""
    return Boxes(
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, len(classes), dtype=np.float32),
        classes=np.array(classes, np.int64),
        names=LABEL_CLASSES,
    )


def test_perfect_boxes_score_one_and_none_score_nothing() -> None:
    """By class, and classes that are nowhere count in no mean."""
    found = boxes([[10, 10, 50, 40], [60, 10, 80, 70]], [0, 3])
    perfect = accuracy([found], [found.xyxy], [found.classes])
    assert perfect.at_half == pytest.approx(1)
    assert perfect.by_class == pytest.approx({"car": 1.0, "pedestrian": 1.0})
    nothing = accuracy([boxes([], [])], [found.xyxy], [found.classes])
    assert nothing.at_half == 0


def test_what_lies_in_an_ignored_area_costs_nothing() -> None:
    """Class -1 is an area where anything may be found."""
    found = boxes([[10, 10, 50, 40], [100, 100, 140, 140]], [0, 1])
    truth = np.array([[10, 10, 50, 40], [90, 90, 150, 150], [200, 10, 250, 60]], np.float32)
    judged = accuracy([found], [truth], [np.array([0, -1, 1])])
    assert judged.by_class["car"] == pytest.approx(1)
    assert judged.by_class["van"] == 0  # the one van was missed, the box in the area is no error
    without = accuracy([boxes([[10, 10, 50, 40]], [0])], [truth], [np.array([0, -1, 1])])
    assert without == judged


def test_perfect_boxes_in_space_score_one() -> None:
    """Centre distances of nothing."""
    labels = Labels3D(
        names=LABEL_CLASSES,
        tracks=np.array([1, 2]),
        classes=np.array([0, 4]),
        centres_m=np.array([[10, 0, 1], [20, 5, 1]], np.float32),
        sizes_m=np.ones((2, 3), np.float32),
        yaws_rad=np.zeros(2, np.float32),
        velocities_mps=np.zeros((2, 2), np.float32),
        points=np.array([9, 9]),
    )
    found = Boxes3D(
        centres_m=labels.centres_m,
        sizes_m=labels.sizes_m,
        yaws_rad=labels.yaws_rad,
        velocities_mps=labels.velocities_mps,
        scores=np.array([0.9, 0.8], np.float32),
        classes=labels.classes,
        names=LABEL_CLASSES,
    )
    judged = accuracy_3d([found], [labels])
    assert judged.at_half == pytest.approx(1)
    assert judged.by_class == pytest.approx({"car": 1.0, "cyclist": 1.0})


def test_overlaps_of_masks_add_up_over_pictures() -> None:
    """Pixels are counted over all pictures, not averaged picture by picture."""
    counts = MaskCounts.empty(1)
    counts.add(np.array([[[True, True, False]]]), np.array([[[True, False, False]]]))
    counts.add(np.array([[[False, True, False]]]), np.array([[[False, True, False]]]))
    assert counts.overlaps.tolist() == [2 / 3]


def test_a_red_blob_of_a_cars_proportions_is_called_a_car() -> None:
    """The hand-made detector does what it claims."""
    image = np.full((384, 640, 3), 110, np.uint8)
    image[230:290, 300:381] = (20, 20, 220)
    found = detect(image)
    assert LABEL_CLASSES[found.classes[0]] == "car"
    assert found.xyxy[0] == pytest.approx([300, 230, 381, 290], abs=4)
    assert not len(detect(np.full((384, 640, 3), 110, np.uint8)))


points = st.builds(
    Point, way=st.just("x"), sent_bytes=st.floats(1, 1e5), ap50=st.floats(0, 1)
)  # fmt: skip


@given(st.lists(points, min_size=1, max_size=30), st.floats(0, 1))
def test_the_front_reaches_every_accuracy_with_the_fewest_bytes(
    known: list[Point], least: float
) -> None:
    """No point of the front is beaten, and it answers as the whole set does."""
    kept = front(known)
    for point in kept:
        assert not any(
            other.sent_bytes <= point.sent_bytes and other.ap50 > point.ap50 for other in known
        )
    whole, some = smallest(known, least), smallest(kept, least)
    assert (whole and whole.sent_bytes) == (some and some.sent_bytes)


def test_jpeg_keeps_the_size_and_fewer_bytes_show_less() -> None:
    """A smaller picture and a lower quality send less, and come back at the network's size."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    seen, whole = through_jpeg(pixels, scale=1.0, quality=90)
    assert seen.shape == pixels.shape
    small, less = through_jpeg(pixels, scale=0.5, quality=90)
    assert small.shape == pixels.shape
    assert less < whole
    assert through_jpeg(pixels, scale=1.0, quality=20)[1] < whole
