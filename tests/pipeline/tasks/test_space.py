"""Boxes in space: the decoder of centre heads, their bytes, and how far two sets agree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError, OutputContractError
from pipeline.tasks.outputs.pillars import Pillars
from pipeline.tasks.outputs.protocol import Boxes3D
from pipeline.tasks.outputs.yolox import Yolox
from pipeline.tasks.prepare import Geometry, Ground
from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GROUND = Ground(x_m=-8.0, y_m=-16.0, cell_m=0.5, rows=32, columns=64)
STRIDE = 2
PICTURE = Geometry(
    source_width=8, source_height=8, placed_width=8, placed_height=8, input_width=8, input_height=8
)


def _blank() -> dict[str, NDArray[np.float32]]:
    heat = np.full((1, 5, GROUND.rows // STRIDE, GROUND.columns // STRIDE), -9, np.float32)
    boxes = np.zeros((1, 10, *heat.shape[2:]), np.float32)
    return {"heatmap": heat, "boxes": boxes}


def _put(
    outputs: dict[str, NDArray[np.float32]],
    kind: int,
    cell: tuple[int, int],
    figures: list[float],
    logit: float = 3.0,
) -> None:
    outputs["heatmap"][0, kind, *cell] = logit
    outputs["boxes"][0, :, *cell] = figures


CAR = [0.25, 0.5, 0.8, np.log(4.5), np.log(1.9), np.log(1.6), 1.0, 1.0, 7.0, -2.0]


def test_a_cell_becomes_a_box_in_metres_of_the_ego_frame() -> None:
    """Rows run along x, columns along y; the yaw needs no sine and cosine of length one."""
    outputs = _blank()
    _put(outputs, 0, (4, 10), CAR)
    found = Pillars().decode(outputs, GROUND)
    assert len(found) == 1
    np.testing.assert_allclose(found.centres_m[0], [-8 + 4.25, -16 + 10.5, 0.8], rtol=1e-6)
    np.testing.assert_allclose(found.sizes_m[0], [4.5, 1.9, 1.6], rtol=1e-6)
    assert found.yaws_rad[0] == pytest.approx(np.pi / 4)
    np.testing.assert_allclose(found.velocities_mps[0], [7.0, -2.0])
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-5)
    assert found.names == LABEL_CLASSES


def test_only_local_maxima_count_the_surest_first() -> None:
    """A neighbour that is less sure is the same object; another class may lie beside it."""
    outputs = _blank()
    _put(outputs, 0, (4, 10), CAR, logit=2.0)
    _put(outputs, 0, (4, 11), CAR, logit=1.0)
    _put(outputs, 3, (5, 11), CAR, logit=2.5)
    _put(outputs, 0, (12, 30), CAR, logit=1.5)
    found = Pillars().decode(outputs, GROUND)
    assert [found.names[kind] for kind in found.classes] == ["pedestrian", "car", "car"]
    assert (np.diff(found.scores) <= 0).all()
    assert len(Pillars(most=2).decode(outputs, GROUND)) == 2
    assert len(Pillars(score=0.9).decode(outputs, GROUND)) == 1


def test_two_maxima_of_one_object_are_one() -> None:
    """Cells two apart whose figures put the centre in one place."""
    outputs = _blank()
    _put(outputs, 0, (4, 10), [1.0, *CAR[1:]], logit=2.0)
    _put(outputs, 0, (6, 10), [-1.0, *CAR[1:]], logit=1.0)
    assert len(Pillars().decode(outputs, GROUND)) == 1
    assert len(Pillars(apart=0).decode(outputs, GROUND)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o.pop("boxes"), "no output boxes; the network has heatmap"),
        (lambda o: o.update(heatmap=o["heatmap"][:, :4]), r"expected \[1, 5, 16, 32\]"),
        (lambda o: o.update(boxes=o["boxes"][:, :9]), r"expected \[1, 10, 16, 32\]"),
        (lambda o: o.update(heatmap=o["heatmap"][:, :, :5]), "no whole stride"),
        (lambda o: o.update(heatmap=o["heatmap"][0]), "no whole stride"),
        (lambda o: o.update(boxes=o["boxes"].astype(np.float64)), "float64, expected float32"),
        (lambda o: o["boxes"].fill(np.nan), "not finite"),
    ],
)
def test_an_output_that_does_not_fit_is_refused_by_name(
    change: Callable[[dict[str, NDArray[np.float32]]], object], message: str
) -> None:
    """Never a silent zero."""
    outputs = _blank()
    change(outputs)
    with pytest.raises(OutputContractError, match=message):
        Pillars().decode(outputs, GROUND)


def test_a_decoder_of_the_other_sensor_is_refused() -> None:
    """Pictures have no ground, and pillars no picture."""
    with pytest.raises(OutputContractError, match="read the pillars of a LiDAR"):
        Pillars().decode(_blank(), PICTURE)
    with pytest.raises(OutputContractError, match="read pictures"):
        Yolox().decode({"output": np.zeros((1, 1, 85), np.float32)}, GROUND)


@pytest.mark.parametrize("wrong", [{"score": 2}, {"apart": -1}, {"most": 0}, {"classes": "a,a"}])
def test_parameters_have_their_ranges(wrong: dict[str, float]) -> None:
    """Said by name."""
    with pytest.raises(InputError, match="pillars: "):
        Pillars(**wrong)  # type: ignore[arg-type]


REAL = st.floats(-1e4, 1e4, width=32)


@st.composite
def spaces(draw: st.DrawFn) -> Boxes3D:
    """Boxes in space as a decoder may give them."""
    count = draw(st.integers(0, 12))

    def rows(width: int) -> NDArray[np.float32]:
        values = draw(st.lists(REAL, min_size=count * width, max_size=count * width))
        return np.array(values, np.float32).reshape(count, width)

    scores = draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count))
    velocities = rows(2)
    if count and draw(st.booleans()):
        velocities[0] = np.nan
    return Boxes3D(
        centres_m=rows(3),
        sizes_m=rows(3),
        yaws_rad=rows(1)[:, 0],
        velocities_mps=velocities,
        scores=np.sort(np.array(scores, np.float32))[::-1],
        classes=np.array(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)), int),
        names=LABEL_CLASSES,
    )


@given(spaces())
def test_a_result_crosses_without_loss(boxes: Boxes3D) -> None:
    """Unknown velocities included."""
    decoder = Pillars()
    coded = decoder.encode(boxes)
    assert coded.nbytes == 4 + 42 * len(boxes)
    back = decoder.decode_result(coded)
    for name in ("centres_m", "sizes_m", "yaws_rad", "velocities_mps", "scores", "classes"):
        np.testing.assert_array_equal(getattr(back, name), getattr(boxes, name))
    assert back.names == boxes.names


@given(spaces(), spaces())
def test_agreement_goes_from_0_to_1_and_is_1_with_itself(one: Boxes3D, other: Boxes3D) -> None:
    """F1 over both sets; order of the arguments may matter only through greedy matching."""
    decoder = Pillars()
    assert decoder.agreement(one, one) == 1
    assert 0 <= decoder.agreement(one, other) <= 1


def test_agreement_counts_what_lies_within_two_metres() -> None:
    """One of two boxes moved by three metres, and one of another class."""
    outputs = _blank()
    _put(outputs, 0, (4, 10), CAR)
    _put(outputs, 0, (12, 30), CAR)
    boxes = Pillars().decode(outputs, GROUND)
    moved = replace(boxes, centres_m=boxes.centres_m + np.array([[1.9, 0, 9], [3, 0, 0]], "f4"))
    assert Pillars().agreement(moved, boxes) == pytest.approx(0.5)
    other = replace(boxes, classes=boxes.classes + 1)
    assert Pillars().agreement(other, boxes) == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:3],
        lambda b: b[:-1],
        lambda b: np.append(b, np.uint8(0)),
        lambda b: np.concatenate([[9], b[1:]]).astype(np.uint8),
        lambda b: np.concatenate([b[:-2], [200, 0]]).astype(np.uint8),
        lambda b: np.concatenate([b[:4], np.array([np.nan], "<f4").view("u1"), b[8:]]),
    ],
)
def test_damaged_bytes_are_refused(
    damage: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> None:
    """By the decoder's own error."""
    outputs = _blank()
    _put(outputs, 0, (4, 10), CAR)
    decoder = Pillars()
    coded = decoder.encode(decoder.decode(outputs, GROUND))
    with pytest.raises(OutputContractError):
        decoder.decode_result(damage(coded))
