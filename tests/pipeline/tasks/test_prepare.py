"""Preparing of pictures: where they land, what the tensor holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.tasks.prepare import InputSpec, place, prepare_image, to_tensor

SQUARE = InputSpec(width=416, height=416)
SIDES = st.integers(1, 3000)


def test_a_wide_picture_lies_at_the_top_with_pad_below() -> None:
    """As in YOLOX: top left, proportions kept, the rest filled."""
    image = np.full((540, 960, 3), 7, np.uint8)
    prepared = prepare_image(image, SQUARE)
    assert prepared.pixels.shape == (416, 416, 3)
    assert (prepared.pixels[:234] == 7).all()
    assert (prepared.pixels[234:] == 114).all()
    assert prepared.geometry.scale_x == pytest.approx(416 / 960)
    assert prepared.geometry.scale_y == pytest.approx(234 / 540)


def test_a_tall_picture_lies_at_the_left_with_pad_beside() -> None:
    """The other side decides, and another pad is kept to."""
    image = np.full((800, 400, 3), 9, np.uint8)
    prepared = prepare_image(image, InputSpec(width=200, height=200, pad=0))
    assert (prepared.pixels[:, :100] == 9).all()
    assert (prepared.pixels[:, 100:] == 0).all()


def test_stretching_fills_the_whole_input() -> None:
    """Both sides scale by themselves."""
    geometry = place(960, 540, InputSpec(width=640, height=384, fit="stretch"))
    assert (geometry.placed_width, geometry.placed_height) == (640, 384)
    assert geometry.scale_x == pytest.approx(2 / 3)
    assert geometry.scale_y == pytest.approx(384 / 540)


@given(source_width=SIDES, source_height=SIDES, width=SIDES, height=SIDES)
def test_a_letterboxed_picture_fits_and_touches_one_side(
    source_width: int, source_height: int, width: int, height: int
) -> None:
    """It never sticks out, fills one side, and keeps proportions to a pixel."""
    spec = InputSpec(width=width, height=height)
    geometry = place(source_width, source_height, spec)
    assert 1 <= geometry.placed_width <= width
    assert 1 <= geometry.placed_height <= height
    assert geometry.placed_width == width or geometry.placed_height == height
    off_down = abs(geometry.placed_height - source_height * width / source_width)
    off_across = abs(geometry.placed_width - source_width * height / source_height)
    assert min(off_down, off_across) <= 1


@pytest.mark.parametrize("color", ["bgr", "rgb"])
def test_a_tensor_has_planes_in_the_network_s_order(color: str) -> None:
    """Pixels stay blue, green, red; the order changes on the way into the tensor only."""
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[:] = (10, 20, 30)
    spec = InputSpec(width=6, height=4, color="bgr" if color == "bgr" else "rgb")
    tensor = to_tensor(pixels, spec)
    assert tensor.shape == (1, 3, 4, 6)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor[0, :, 0, 0].tolist() == ([10, 20, 30] if color == "bgr" else [30, 20, 10])


def test_scaled_values_are_the_correctly_rounded_quotients() -> None:
    """1/255 divides, so that the values are those of `pixel / 255` in float32."""
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = to_tensor(pixels, InputSpec(width=16, height=16, scale_denominator=255))
    expected = (np.arange(256) / 255).astype(np.float32)
    np.testing.assert_array_equal(tensor[0, 0].ravel(), expected)


def test_preparing_twice_gives_the_same_bytes() -> None:
    """Preparing is a function of picture and specification."""
    image = np.random.Generator(np.random.Philox(3)).integers(0, 256, (123, 457, 3), np.uint8)
    first, second = (prepare_image(image, SQUARE).pixels for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_what_is_no_picture_is_refused() -> None:
    """Shape and dtype are checked, as are a specification's numbers."""
    grey, empty = np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)
    for image in (grey, empty):
        with pytest.raises(InputError, match="picture"):
            prepare_image(image, SQUARE)
    with pytest.raises(InputError, match="prepared pixels"):
        to_tensor(np.zeros((4, 4, 3), np.uint8), SQUARE)
    with pytest.raises(InputError, match="empty"):
        InputSpec(width=0, height=4)
    with pytest.raises(InputError, match="pad"):
        InputSpec(width=4, height=4, pad=256)
    with pytest.raises(InputError, match="scale"):
        InputSpec(width=4, height=4, scale_denominator=0)
