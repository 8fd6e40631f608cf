"""Masks: counted over a drive, by hand and against arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.errors import ScoringError
from pipeline.scoring.areas import PackedMasks, count_areas, pack_masks
from pipeline.scoring.tables import Views, each_frame

Bits = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def packed(frames: list[Bits], names: tuple[str, ...] = ("drivable", "lane")) -> PackedMasks:
    """Masks of several frames."""
    _, height, width = frames[0].shape
    return PackedMasks(
        names=names, height=height, width=width, bodies=[pack_masks(one) for one in frames]
    )


def masks(*rows: str) -> Bits:
    """Two masks out of text: `d` and `l` in one of them, `b` in both."""
    return np.array([[[cell in keys for cell in row] for row in rows] for keys in ("db", "lb")])


SAME = [("drivable", "drivable"), ("lane", "lane")]


def test_a_case_by_hand() -> None:
    """Pixels add up over frames before they are divided."""
    truth = packed([masks("dd..", "bb.."), masks("....", "...l")])
    found = packed([masks("ddd.", "b..."), masks("....", "....")])
    counts = count_areas(truth, found, each_frame(2), names=SAME)
    assert counts.shared.sum(axis=0).tolist() == [3, 1]
    assert counts.union.sum(axis=0).tolist() == [5, 3]
    assert counts.ious() == [3 / 5, 1 / 3]
    assert counts.mean() == pytest.approx((3 / 5 + 1 / 3) / 2)


def test_a_smaller_result_is_enlarged_to_the_picture() -> None:
    """Each of its pixels covers a block of two by two."""
    truth = packed([masks("dddd", "dddd", "..dd", "....")])
    found = packed([masks("dd", ".d")])
    (iou, _) = count_areas(truth, found, each_frame(1), names=SAME).ious()
    assert iou == 10 / 12


def test_no_result_misses_all_and_names_may_differ() -> None:
    """A pair without a result has nothing in common with the truth."""
    truth = packed([masks("dd", "ll")])
    found = packed([masks("dd", "ll")], ("road", "lines"))
    views = Views(truths=np.array([0, 0]), found=np.array([-1, 0]))
    names = [("drivable", "road"), ("lane", "lines")]
    assert count_areas(truth, found, views, names=names).ious() == [0.5, 0.5]
    empty = packed([masks("..", "..")])
    assert count_areas(empty, empty, each_frame(1), names=SAME).mean() is None


def test_other_proportions_are_refused() -> None:
    """A result that does not cover the picture is not stretched to it."""
    with pytest.raises(ScoringError, match="masks of 8x2 do not cover a picture of 4x2"):
        count_areas(
            packed([masks("dddd", "dddd")]), packed([masks("d" * 8, "d" * 8)]), each_frame(1),
            names=SAME,
        )  # fmt: skip


@given(arrays(np.bool_, (2, 2, 5, 7)), st.lists(st.integers(0, 1), min_size=1, max_size=5))
def test_counts_are_those_of_the_arrays(frames: Bits, order: list[int]) -> None:
    """Whatever pairs there are, and however often; the truth itself scores one."""
    truth = packed([frames[0], frames[1]])
    other = packed([frames[1], frames[0]])
    picks = np.array(order)
    counts = count_areas(truth, other, Views(truths=picks, found=picks), names=SAME)
    for place, frame in enumerate(order):
        both = frames[frame] & frames[1 - frame]
        assert counts.shared[place].tolist() == both.sum(axis=(1, 2)).tolist()
    own = count_areas(truth, truth, Views(truths=picks, found=picks), names=SAME)
    assert all(iou in (None, 1.0) for iou in own.ious())
