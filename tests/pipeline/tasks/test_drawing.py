"""Drawing of results."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tasks.drawing import annotate
from pipeline.tasks.outputs import Boxes, MaskSet


def boxes() -> Boxes:
    """Make a box in the middle and one in each far corner, where a label has least room."""
    rows = [(300, 200, 500, 320), (0, 0, 30, 20), (940, 520, 960, 540)]
    return Boxes(
        xyxy=np.array(rows, np.float32),
        scores=np.array([0.9, 0.8, 0.7], np.float32),
        classes=np.array([2, 0, 1], np.int64),
        names=("person", "traffic light", "car"),
    )


def test_nothing_to_draw_changes_nothing() -> None:
    """Without results and captions the copy equals the picture."""
    image = np.full((540, 960, 3), 90, np.uint8)
    drawn = annotate(image, [])
    np.testing.assert_array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_boxes_masks_and_captions_are_drawn_on_a_copy() -> None:
    """Edges, tinted area and band change, the inside of a box and the picture do not."""
    image = np.full((540, 960, 3), 90, np.uint8)
    area = np.zeros((1, 360, 640), np.bool_)
    area[0, 300:, 500:600] = True
    drawn = annotate(image, [boxes(), MaskSet(names=("da",), masks=area)], ["frame 1", "ä"])
    assert (image == 90).all()
    assert (drawn[260, 300] != 90).any()
    assert (drawn[260, 400] == 90).all()
    assert (drawn[500, 800] != 90).any()
    assert (drawn[500, 100] == 90).all()
    assert (drawn[2, 955] < 90).all()


@pytest.mark.parametrize("size", [(1, 1), (20, 30), (2160, 3840)])
def test_any_size_of_picture_is_drawn_on(size: tuple[int, int]) -> None:
    """Text that does not fit is cut, not an error."""
    image = np.zeros((*size, 3), np.uint8)
    assert annotate(image, [boxes()], ["a long caption"] * 3).shape == image.shape


def test_a_class_has_one_colour_however_a_result_numbers_it() -> None:
    """Results read back know only the classes of their own picture."""
    image = np.full((540, 960, 3), 90, np.uint8)

    def drawn(names: tuple[str, ...], kind: int) -> tuple[int, ...]:
        one = Boxes(
            xyxy=np.array([(300, 200, 500, 320)], np.float32),
            scores=np.array([0.9], np.float32),
            classes=np.array([kind], np.int64),
            names=names,
        )
        return tuple(annotate(image, [one])[260, 300].tolist())

    assert drawn(("van",), 0) == drawn(("car", "van"), 1)
    assert drawn(("van",), 0) != drawn(("car",), 0)
