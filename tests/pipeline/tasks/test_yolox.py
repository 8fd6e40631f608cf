"""The YOLOX decoder: boxes where they belong, junk refused, results to bytes and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray  # noqa: TC002 - read by fixtures at run time

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs import Boxes, MaskSet
from pipeline.tasks.outputs.overlap import iou, suppress
from pipeline.tasks.outputs.yolox import Yolox
from pipeline.tasks.prepare import InputSpec, place

SPEC = InputSpec(width=416, height=416)
GEOMETRY = place(960, 540, SPEC)
ANCHORS = 52 * 52 + 26 * 26 + 13 * 13
STARTS = {8: (0, 52), 16: (52 * 52, 26), 32: (52 * 52 + 26 * 26, 13)}
CAR, TRUCK = 2, 7


def silence() -> NDArray[np.float32]:
    """Make an output that says nothing is there."""
    return np.zeros((1, ANCHORS, 85), np.float32)


def say(
    output: NDArray[np.float32],
    xyxy: tuple[float, float, float, float],
    *,
    stride: int = 16,
    kind: int = CAR,
    score: float = 0.9,
    row_shift: int = 0,
) -> None:
    """Write a box in original pixels the way the network would say it."""
    left, top, right, bottom = (
        value * scale
        for value, scale in zip(xyxy, (GEOMETRY.scale_x, GEOMETRY.scale_y) * 2, strict=True)
    )
    x, y = (left + right) / 2 / stride, (top + bottom) / 2 / stride
    column, row = int(x), int(y) + row_shift
    start, across = STARTS[stride]
    cell = output[0, start + row * across + column]
    cell[:2] = x - column, y - row
    cell[2:4] = math.log((right - left) / stride), math.log((bottom - top) / stride)
    cell[4], cell[5 + kind] = 1.0, score


def boxes(*rows: tuple[float, float, float, float], kind: int = CAR) -> Boxes:
    """Make a result of boxes of one class."""
    return Boxes(
        xyxy=np.array(rows, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, len(rows), dtype=np.float32),
        classes=np.full(len(rows), kind, np.int64),
        names=Yolox().classes,
    )


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_box_comes_back_in_pixels_of_the_original(stride: int) -> None:
    """Grid, stride, exponent and letterbox are undone for every stride."""
    output = silence()
    say(output, (100, 200, 300, 320), stride=stride)
    found = Yolox().decode({"output": output}, GEOMETRY)
    assert len(found) == 1
    assert found.names[found.classes[0]] == "car"
    assert found.scores[0] == pytest.approx(0.9)
    np.testing.assert_allclose(found.xyxy[0], (100, 200, 300, 320), atol=0.01)


def test_a_box_is_clipped_to_the_picture_and_one_outside_is_left_out() -> None:
    """Pad is no part of the picture."""
    output = silence()
    say(output, (-50, 100, 80, 200))
    say(output, (400, 600, 500, 700))
    found = Yolox().decode({"output": output}, GEOMETRY)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], (0, 100, 80, 200), atol=0.01)


def test_of_two_that_overlap_the_surer_stays_within_its_class() -> None:
    """Suppression is by class: a truck over a car is another object."""
    output = silence()
    say(output, (100, 200, 300, 320), score=0.6)
    say(output, (102, 200, 302, 320), score=0.8, row_shift=1)
    say(output, (101, 200, 301, 320), score=0.7, row_shift=-1, kind=TRUCK)
    found = Yolox().decode({"output": output}, GEOMETRY)
    assert found.classes.tolist() == [CAR, TRUCK]
    np.testing.assert_allclose(found.scores, (0.8, 0.7), rtol=1e-6)


def test_what_scores_less_than_the_limit_is_left_out() -> None:
    """The limit is on objectness times class score, and belongs to the result."""
    output = silence()
    say(output, (100, 200, 300, 320), score=0.5)
    assert len(Yolox(score=0.5).decode({"output": output}, GEOMETRY)) == 1
    assert len(Yolox(score=0.51).decode({"output": output}, GEOMETRY)) == 0


@pytest.mark.parametrize("score", [1.0072, 1.0])
def test_what_int8_rounds_beyond_one_counts_as_one(score: float) -> None:
    """A step or two of int8 is no missing sigmoid; a tenth is."""
    output = silence()
    say(output, (100, 200, 300, 320), score=score)
    (found,) = Yolox().decode({"output": output}, GEOMETRY).scores
    assert found == 1.0
    say(output, (100, 200, 300, 320), score=1.1)
    with pytest.raises(OutputContractError, match="before its sigmoid"):
        Yolox().decode({"output": output}, GEOMETRY)


def test_no_more_boxes_than_asked_for() -> None:
    """A network gone wild is bounded."""
    output = silence()
    output[..., 4:6] = 1
    found = Yolox(most=7).decode({"output": output}, GEOMETRY)
    assert len(found) == 7


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value: float) -> None:
    """One is enough, wherever it stands."""
    output = silence()
    output[0, 1234, 1] = value
    with pytest.raises(OutputContractError, match="not finite"):
        Yolox().decode({"output": output}, GEOMETRY)


def test_an_output_of_another_form_is_refused() -> None:
    """Number of outputs, dtype, anchors, classes and score range are the contract."""
    decoder = Yolox()
    wrong: tuple[dict[str, NDArray[np.generic[object]]], ...] = (
        {},
        {"a": silence(), "b": silence()},
        {"a": silence().astype(np.float64)},
        {"a": silence()[:, :-1]},
        {"a": silence()[..., :-1]},
        {"a": silence()[0]},
        {"a": silence() + 3},
        {"a": silence() - 3},
    )
    for outputs in wrong:
        with pytest.raises(OutputContractError):
            decoder.decode(outputs, GEOMETRY)
    with pytest.raises(OutputContractError, match="multiple of 32"):
        decoder.decode({"a": silence()}, place(960, 540, InputSpec(width=400, height=416)))


def test_a_huge_size_stays_finite() -> None:
    """The exponential of any finite number is bounded by the picture."""
    output = silence()
    output[0, 700] = 0
    output[0, 700, :5] = (3e38, -3e38, 3e38, 80, 1)
    output[0, 700, 5] = 1
    found = Yolox().decode({"output": output}, GEOMETRY)
    assert np.isfinite(found.xyxy).all()


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 200), st.integers(0, 79)), max_size=40)
)
def test_a_result_makes_the_way_to_bytes_and_back(rows: list[tuple[int, int, int]]) -> None:
    """Nothing is lost: 4 bytes and 22 a box."""
    decoder = Yolox()
    result = Boxes(
        xyxy=np.array([(x, y, x + 9.25, y + 5.5) for x, y, _ in rows], np.float32).reshape(-1, 4),
        scores=np.linspace(1, 0, len(rows), dtype=np.float32),
        classes=np.array([kind for *_, kind in rows], np.int64),
        names=decoder.classes,
    )
    buffer = decoder.encode(result)
    back = decoder.decode_result(buffer)
    assert buffer.nbytes == 4 + 22 * len(rows)
    np.testing.assert_array_equal(back.xyxy, result.xyxy)
    np.testing.assert_array_equal(back.scores, result.scores)
    np.testing.assert_array_equal(back.classes, result.classes)
    assert decoder.agreement(back, result) == 1.0


@given(data=st.binary(max_size=120))
def test_bytes_that_are_no_result_are_refused(data: bytes) -> None:
    """Any bytes give boxes in range or a contract error."""
    decoder = Yolox()
    try:
        result = decoder.decode_result(np.frombuffer(data, np.uint8))
    except OutputContractError:
        return
    assert len(data) == 4 + 22 * len(result)


def test_altered_bytes_are_refused() -> None:
    """A class beyond the names, a score above one, a value not finite, a byte too many."""
    decoder = Yolox()
    good = decoder.encode(boxes((0, 0, 10, 10)))
    for place_at, value in ((0, 2), (1, 1), (2, 2), (23, 0x7F), (25, 0x7F)):
        bad = good.copy()
        bad[place_at] = value
        with pytest.raises(OutputContractError):
            decoder.decode_result(bad)
    with pytest.raises(OutputContractError):
        decoder.decode_result(np.append(good, np.uint8(0)))


def test_agreement_is_the_f1_of_matched_boxes() -> None:
    """Two of three found and one too many: 2·2/(3+3); class and overlap decide a match."""
    decoder = Yolox()
    reference = boxes((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10))
    found = boxes((0, 0, 10, 10), (21, 0, 31, 10), (46, 0, 56, 10))
    assert decoder.agreement(found, reference) == pytest.approx(2 / 3)
    assert decoder.agreement(boxes(), boxes()) == 1.0
    assert decoder.agreement(boxes(), reference) == 0.0
    assert decoder.agreement(boxes((0, 0, 9, 9)), boxes((0, 0, 9, 9), kind=TRUCK)) == 0.0
    twice = boxes((0, 0, 10, 10), (0, 0, 10, 10))
    assert decoder.agreement(twice, boxes((0, 0, 10, 10))) == pytest.approx(2 / 3)


def test_another_kind_of_result_is_refused() -> None:
    """Masks are no boxes."""
    masks = MaskSet(names=("da",), masks=np.zeros((1, 2, 2), bool))
    with pytest.raises(OutputContractError, match="takes boxes"):
        Yolox().encode(masks)
    with pytest.raises(OutputContractError, match="takes boxes"):
        Yolox().agreement(boxes(), masks)


def test_classes_may_be_named() -> None:
    """A network of two classes has seven columns."""
    decoder = Yolox(classes="car, truck")
    assert decoder.classes == ("car", "truck")
    assert len(decoder.decode({"o": silence()[..., :7]}, GEOMETRY)) == 0
    assert len(Yolox().classes) == 80
    with pytest.raises(InputError, match="different names"):
        Yolox(classes="car,car")


@pytest.mark.parametrize("bad", [{"score": 1.5}, {"nms": -0.1}, {"most": 0}])
def test_a_parameter_out_of_range_is_refused(bad: dict[str, float]) -> None:
    """The message names the parameter."""
    with pytest.raises(InputError, match=next(iter(bad))):
        Yolox(score=bad.get("score", 0.3), nms=bad.get("nms", 0.45), most=int(bad.get("most", 300)))


def test_overlap_of_boxes_without_area_is_zero() -> None:
    """Nothing divides by zero."""
    empty = np.zeros(4)
    assert iou(empty, np.zeros((2, 4))).tolist() == [0, 0]
    assert suppress(np.zeros((0, 4)), np.zeros(0, np.int64), limit=0.5, most=9).size == 0
