"""Decoders of SSD-style outputs and of centre heads in a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs import output_decoder
from pipeline.tasks.outputs.centers import Centers
from pipeline.tasks.outputs.ssd import Ssd
from pipeline.tasks.prepare import InputSpec, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Outputs = dict[str, NDArray[np.float32]]

PICTURE = place(320, 160, InputSpec(width=160, height=96))  # letterboxed: 160 x 80
PRIORS = {"strides": "16,32", "sizes": "20,40,60", "ratios": "2;2,3"}
NAMES = ["car", "bus"]


def _ssd(**more: object) -> Ssd:
    settings = {"classes": NAMES, **PRIORS, **more}
    return Ssd(**settings)  # type: ignore[arg-type]


def _nothing(rows: int, columns: int = 3) -> Outputs:
    scores = np.zeros((1, rows, columns), np.float32)
    scores[..., 0] = 9
    return {"boxes": np.zeros((1, rows, 4), np.float32), "scores": scores}


def test_priors_are_counted_and_laid_as_in_the_paper() -> None:
    """Each cell: two squares, then a wide and a high box a ratio; grids one after the other."""
    priors = _ssd().priors(PICTURE)
    assert len(priors) == 10 * 6 * 4 + 5 * 3 * 6
    np.testing.assert_allclose(priors[0], [8, 8, 20, 20])
    np.testing.assert_allclose(priors[1], [8, 8, np.sqrt(800), np.sqrt(800)])
    np.testing.assert_allclose(priors[2], [8, 8, 20 * np.sqrt(2), 20 / np.sqrt(2)])
    np.testing.assert_allclose(priors[4], [24, 8, 20, 20])
    np.testing.assert_allclose(priors[240], [16, 16, 40, 40])


def test_offsets_are_taken_against_their_prior() -> None:
    """By hand: a shift of one variance of the size, and twice the width."""
    decoder = _ssd()
    outputs = _nothing(len(decoder.priors(PICTURE)))
    at = 4 * (10 * 2 + 3)  # the first prior of row 2, column 3: middle (56, 40), 20 x 20
    outputs["boxes"][0, at] = [1, -1, np.log(2) / 0.2, 0]
    outputs["scores"][0, at] = [0, 0, 5]
    found = decoder.decode(outputs, PICTURE)
    assert len(found) == 1
    assert found.names[found.classes[0]] == "bus"
    assert found.scores[0] == pytest.approx(np.exp(5) / (2 + np.exp(5)), rel=1e-5)
    wanted = [58 - 20, 38 - 10, 58 + 20, 38 + 10]
    np.testing.assert_allclose(found.xyxy[0], np.array(wanted) * 2, rtol=1e-5)


def test_decoded_boxes_come_in_any_order_and_unit() -> None:
    """Relative or in pixels, x or y first, background in front, behind or not at all."""
    box = np.array([[[0.25, 0.5, 0.5, 0.75]]], np.float32)
    pixels = box * np.array([160, 96, 160, 96], np.float32)
    scores = np.array([[[0.9, 0.05]]], np.float32)
    common = {"classes": NAMES, "form": "corners", "activation": "none", "background": "none"}
    found = [
        output_decoder("ssd", {**common, **more}).decode({"boxes": rows, "scores": scores}, PICTURE)
        for more, rows in (
            ({}, box),
            ({"units": "pixels"}, pixels),
            ({"order": "yxyx"}, box[..., [1, 0, 3, 2]]),
        )
    ]
    for boxes in found:
        np.testing.assert_allclose(boxes.xyxy, [[80, 96, 160, 144]], rtol=1e-6)  # type: ignore[union-attr]
    last = np.array([[[0.9, 0.05, 0.6]]], np.float32)
    behind = Ssd(classes=NAMES, form="corners", activation="none", background="last")
    assert list(behind.decode({"boxes": box, "scores": last}, PICTURE).classes) == [0]


def test_overlapping_boxes_of_one_class_are_one() -> None:
    """And of two classes two."""
    box = np.tile(np.array([0.1, 0.1, 0.5, 0.5], np.float32), (1, 2, 1))
    scores = np.array([[[0.9, 0.7], [0.8, 0.0]]], np.float32)
    decoder = Ssd(classes=NAMES, form="corners", activation="none", background="none")
    found = decoder.decode({"boxes": box, "scores": scores}, PICTURE)
    assert list(zip(found.classes, found.scores.round(2), strict=True)) == [(0, 0.9), (1, 0.7)]
    np.testing.assert_array_equal(decoder.decode_result(decoder.encode(found)).xyxy, found.xyxy)
    assert decoder.agreement(found, found) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.update(boxes=o["boxes"][:, 1:]), "expected .1, 329, 3"),
        (lambda o: o.update({k: v[:, 1:] for k, v in o.items()}), "has 329 rows, .* make 330"),
        (lambda o: o.update(scores=o["scores"][..., :2]), r"expected \[1, 330, 3\]"),
        (lambda o: o["scores"].fill(np.inf), "not finite"),
        (lambda o: o.pop("scores"), "no output scores"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(
    change: Callable[[Outputs], object], message: str
) -> None:
    """The number of priors included."""
    outputs = _nothing(330)
    change(outputs)
    with pytest.raises(OutputContractError, match=message):
        _ssd().decode(outputs, PICTURE)


def test_scores_that_are_no_scores_are_refused() -> None:
    """Logits where `activation: none` says scores."""
    outputs = _nothing(330)
    with pytest.raises(OutputContractError, match="not from 0 to 1"):
        _ssd(activation="none", background="last").decode(outputs, PICTURE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sizes": "20,40"},
        {"strides": ""},
        {"ratios": "2"},
        {"ratios": "2;-1"},
        {"strides": "16,0"},
        {"variances": "0.1"},
        {"variances": "x"},
        {"form": "other"},
        {"order": "xy"},
        {"sizes": "20,nan,60"},
    ],
)
def test_priors_that_do_not_fit_are_refused(wrong: dict[str, str]) -> None:
    """Before anything is decoded."""
    with pytest.raises(InputError, match="ssd: "):
        _ssd(**wrong)


def _heads() -> Outputs:
    return {
        "heatmap": np.full((1, 2, 12, 20), -9, np.float32),
        "offset": np.zeros((1, 2, 12, 20), np.float32),
        "size": np.zeros((1, 2, 12, 20), np.float32),
    }


def test_a_peak_becomes_a_box() -> None:
    """Cell (3, 5) of stride 8, its middle half a cell on, 4 cells wide and 2 high."""
    outputs = _heads()
    outputs["heatmap"][0, 1, 3, 5] = 2
    outputs["heatmap"][0, 1, 3, 6] = 1  # a neighbour: the same object
    outputs["offset"][0, :, 3, 5] = [0.5, 0.25]
    outputs["size"][0, :, 3, 5] = [4, 2]
    decoder = Centers(classes=NAMES)
    found = decoder.decode(outputs, PICTURE)
    middle = np.array([5.5, 3.25]) * 8
    half = np.array([16.0, 8.0])
    wanted = np.concatenate([middle - half, middle + half]) * 2
    np.testing.assert_allclose(found.xyxy, [wanted], rtol=1e-6)
    assert list(found.classes) == [1]
    np.testing.assert_array_equal(decoder.decode_result(decoder.encode(found)).xyxy, found.xyxy)
    assert decoder.agreement(found, found) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.update(heatmap=o["heatmap"][..., :7]), r"expected \[1, 2, 12, 20\]"),
        (lambda o: o.update(heatmap=o["heatmap"][:, :, :7]), "no whole stride"),
        (lambda o: o.update(size=o["size"][:, :1]), "output size has shape"),
        (lambda o: o.pop("offset"), "no output offset"),
    ],
)
def test_heads_that_do_not_fit_are_refused(
    change: Callable[[Outputs], object], message: str
) -> None:
    """By name."""
    outputs = _heads()
    change(outputs)
    with pytest.raises(OutputContractError, match=message):
        Centers(classes=NAMES).decode(outputs, PICTURE)


def test_logits_where_scores_are_declared_are_refused() -> None:
    """A score of -9 is none."""
    with pytest.raises(OutputContractError, match="not from 0 to 1"):
        Centers(classes=NAMES, form="scores").decode(_heads(), PICTURE)
