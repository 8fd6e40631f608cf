"""Codecs of tensors: what comes back, how far off, in how many bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.codecs.tensors import Float16, Float32, Int8
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.codecs import Codec, Encoded

SHAPES = array_shapes(min_dims=0, max_dims=5, max_side=6)
FINITE = st.floats(width=32, min_value=-(2.0**127), max_value=2.0**127)
SMALL = st.floats(width=32, min_value=-65504, max_value=65504)
EVERY: tuple[Codec, ...] = (Float32(), Float16(), Int8())
each_codec = pytest.mark.parametrize("codec", EVERY, ids=lambda codec: str(codec.name))


@given(arrays(np.float32, SHAPES, elements=st.floats(width=32)))
def test_float32_gives_back_the_same_bits(tensor: NDArray[np.float32]) -> None:
    """Float32 is lossless for any bits, not-a-number and infinities included."""
    codec = Float32()
    back = codec.decode(codec.encode(tensor))
    assert back.tobytes() == tensor.tobytes()
    assert back.shape == tensor.shape
    assert back.flags.writeable
    assert not np.shares_memory(back, tensor)


@given(arrays(np.float32, SHAPES, elements=SMALL))
def test_float16_rounds_to_the_nearest_half(tensor: NDArray[np.float32]) -> None:
    """The error is at most 2**-11 of the value, or 2**-25 below the normal range."""
    codec = Float16()
    back = codec.decode(codec.encode(tensor))
    assert back.shape == tensor.shape
    assert (np.abs(back - tensor) <= np.maximum(np.abs(tensor) * 2.0**-11, 2.0**-25)).all()


@given(arrays(np.float32, SHAPES, elements=FINITE))
def test_int8_is_off_by_half_a_scale_at_most(tensor: NDArray[np.float32]) -> None:
    """Each value comes back within half its channel's scale, float32 rounding aside."""
    codec = Int8()
    encoded = codec.encode(tensor)
    back = codec.decode(encoded).astype(np.float64)
    scales = encoded.buffers[1].astype(np.float64)
    bound = scales.reshape(-1, *([1] * (tensor.ndim - 2))) if tensor.ndim > 2 else scales[0]
    assert back.shape == tensor.shape
    assert (np.abs(back - tensor.astype(np.float64)) <= bound * (0.5 + 1e-4)).all()
    assert (np.abs(encoded.buffers[0].astype(np.int16)) <= 127).all()


@each_codec
@given(shape=SHAPES)
def test_bytes_are_known_before_encoding(codec: Codec, shape: tuple[int, ...]) -> None:
    """The predicted size is the size, for every shape."""
    encoded = codec.encode(np.ones(shape, np.float32))
    assert codec.encoded_bytes(shape, "float32") == encoded.bytes


def test_int8_has_one_scale_per_channel_of_nchw() -> None:
    """A loud channel does not coarsen a quiet one, and zeros come back as zeros."""
    tensor = np.zeros((2, 3, 4, 5), np.float32)
    tensor[:, 0] = 1000.0
    tensor[1, 1, 2, 3] = 0.01
    codec = Int8()
    encoded = codec.encode(tensor)
    assert encoded.buffers[1].shape == (3,)
    assert encoded.buffers[1][2] == 0
    np.testing.assert_allclose(codec.decode(encoded), tensor, rtol=1e-6)


def test_int8_takes_a_tensor_without_values() -> None:
    """An axis of length 0 is odd, not an error."""
    codec = Int8()
    assert codec.decode(codec.encode(np.zeros((1, 0, 3), np.float32))).shape == (1, 0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("codec", [Float16(), Int8()], ids=lambda codec: str(codec.name))
def test_a_lossy_codec_refuses_values_that_are_not_finite(codec: Codec, bad: float) -> None:
    """Not-a-number and infinities cannot be rounded."""
    tensor = np.ones((1, 4, 3, 3), np.float32)
    tensor[0, 2, 1, 1] = bad
    with pytest.raises(CodecError, match="not finite"):
        codec.encode(tensor)


def test_float16_refuses_what_it_cannot_hold() -> None:
    """A value beyond the largest half is an error, not an infinity."""
    with pytest.raises(CodecError, match="65504"):
        Float16().encode(np.full((1, 2), 7e4, np.float32))


@each_codec
def test_another_dtype_is_refused(codec: Codec) -> None:
    """Tensor codecs take float32 and nothing else."""
    with pytest.raises(CodecError, match="takes float32"):
        codec.encode(np.ones((1, 2), np.float64))
    with pytest.raises(CodecError, match="takes float32"):
        codec.encoded_bytes((1, 2), "uint8")


@each_codec
def test_buffers_that_contradict_the_description_are_refused(codec: Codec) -> None:
    """Shape, dtype, count and codec name are compared before anything is decoded."""
    good = codec.encode(np.ones((1, 2, 3, 4), np.float32))
    wrong: tuple[Encoded, ...] = (
        replace(good, shape=(1, 2, 3, 5)),
        replace(good, dtype="float64"),
        replace(good, codec="other"),
        replace(good, buffers=()),
        replace(good, buffers=(*good.buffers, np.zeros(1, np.uint8))),
        replace(good, buffers=(good.buffers[0].astype(np.float64), *good.buffers[1:])),
    )
    for encoded in wrong:
        with pytest.raises(CodecError):
            codec.decode(encoded)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, 3e38])
def test_int8_refuses_scales_that_no_encoder_makes(scale: float) -> None:
    """A scale that would give values that are not finite is refused."""
    codec = Int8()
    good = codec.encode(np.ones((1, 2, 3, 4), np.float32))
    bad = np.full(2, scale, np.float32)
    with pytest.raises(CodecError, match="scale"):
        codec.decode(replace(good, buffers=(good.buffers[0], bad)))


@each_codec
def test_unaligned_read_only_buffers_are_decoded(codec: Codec) -> None:
    """Buffers that came over a wire may begin at any address and cannot be written."""
    tensor = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    good = codec.encode(tensor)
    received = tuple(
        np.frombuffer(b"x" + b.tobytes(), dtype=b.dtype, offset=1, count=b.size).reshape(b.shape)
        for b in good.buffers
    )
    back = codec.decode(replace(good, buffers=received))
    assert back.flags.aligned
    assert back.flags.writeable
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, codec.decode(good))
