"""Codecs over codecs: what is mostly zero, and what is compressed, comes back as it went in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.codecs import codec
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pipeline.codecs import Encoded

SHAPES = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
MOSTLY_ZERO = st.one_of(st.just(0.0), st.just(0.0), st.floats(width=32))
FINITE = st.one_of(st.just(0.0), st.floats(width=32, min_value=-1000, max_value=1000))
INNER = ("float32", "float16", "int8")
OVER = ("sparse", "sparse:float16", "sparse:int8", "zstd:float32", "zstd:int8", "zstd:sparse:int8")


@given(arrays(np.float32, SHAPES, elements=MOSTLY_ZERO), st.sampled_from(["sparse", "zstd:sparse"]))
def test_sparse_alone_gives_back_the_same_bits(tensor: NDArray[np.float32], name: str) -> None:
    """Negative zeros, not-a-number and infinities included, whatever the shape."""
    found = codec(name)
    back = found.decode(found.encode(tensor))
    assert found.lossless
    assert back.tobytes() == tensor.tobytes()
    assert back.shape == tensor.shape
    assert back.flags.writeable
    assert back.flags.c_contiguous


@given(
    arrays(np.float32, SHAPES, elements=FINITE),
    st.sampled_from(INNER),
    st.sampled_from(["sparse", "zstd", "zstd:sparse"]),
)
def test_what_is_laid_over_a_codec_changes_nothing_that_it_gives(
    tensor: NDArray[np.float32], inner: str, over: str
) -> None:
    """The rounding is the inner codec's and no more."""
    plain, laid = codec(inner), codec(f"{over}:{inner}")
    wanted = plain.decode(plain.encode(tensor))
    back = laid.decode(laid.encode(tensor))
    assert back.tobytes() == wanted.tobytes()
    assert (back.shape, back.dtype) == (wanted.shape, wanted.dtype)
    assert laid.lossless == plain.lossless


def test_zeros_cost_an_eighth_of_a_byte() -> None:
    """A bitmap, the few values that there are, and for int8 the scales."""
    tensor = np.zeros((1, 4, 100, 100), np.float32)
    tensor[0, :, 3, :5] = 1.5
    assert codec("sparse").encode(tensor).bytes == 5_000 + 4 * 20
    assert codec("sparse:int8").encode(tensor).bytes == 5_000 + 20 + 4 * 4
    assert codec("zstd:sparse").encode(tensor).bytes < 400


def test_names_and_parameters() -> None:
    """The name that a codec gives is the one that finds it again."""
    for name in OVER:
        assert codec(name).name == name
        assert codec(name).encoded_bytes((2, 3), "float32") is None
    assert codec("sparse:float32").name == "sparse"
    for name in ("sparse:jpeg", "sparse:zstd", "zstd", "zstd:zstd:int8", "zstd:jpeg:80", "zstd:x"):
        with pytest.raises(CodecError):
            codec(name)
    with pytest.raises(CodecError, match="float32"):
        codec("sparse").encode(np.zeros(3, np.int64))


def _cut(encoded: Encoded, which: int, change: Callable[[NDArray[np.generic]], object]) -> Encoded:
    buffers = list(encoded.buffers)
    buffers[which] = np.asarray(change(buffers[which]))
    return replace(encoded, buffers=tuple(buffers))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda e: replace(e, codec="float32"),
        lambda e: replace(e, buffers=e.buffers[:1]),
        lambda e: replace(e, shape=(1 << 40,)),
        lambda e: replace(e, shape=(9,)),
        lambda e: _cut(e, 0, lambda b: b[:-1]),
        lambda e: _cut(e, 0, lambda b: np.bitwise_or(b, 1)),
        lambda e: _cut(e, 0, lambda b: b.astype(np.uint16)),
        lambda e: _cut(e, 1, lambda b: b[:-1]),
        lambda e: _cut(e, 1, lambda b: b.astype(np.float64)),
    ],
)
def test_a_damaged_sparse_tensor_is_refused(break_it: Callable[[Encoded], Encoded]) -> None:
    """By the codec's own error; nothing large is made of a lie."""
    found = codec("sparse")
    encoded = found.encode(np.array([0, 1, 0, 2, 3], np.float32))
    with pytest.raises(CodecError):
        found.decode(break_it(encoded))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda e: replace(e, buffers=()),
        lambda e: replace(e, buffers=e.buffers[:1]),
        lambda e: replace(e, codec="zstd:int8"),
        lambda e: _cut(e, 0, lambda b: b.astype(np.int32)),
        lambda e: _cut(e, 0, lambda b: b[:-1]),
        lambda e: _cut(e, 0, lambda b: np.append(b, 0)),
        lambda e: _cut(e, 0, lambda b: np.array([1, 99, 1, 300], b.dtype)),
        lambda e: _cut(e, 0, lambda b: np.array([1, 5, 1, 1 << 60], b.dtype)),
        lambda e: _cut(e, 0, lambda b: np.array([1, 5, 1, -1], b.dtype)),
        lambda e: _cut(e, 0, lambda b: np.array([1, 5, 1, 299], b.dtype)),
        lambda e: _cut(e, 1, lambda b: b[:-2]),
        lambda e: _cut(e, 1, lambda b: np.append(b, b[:3])),
        lambda e: _cut(e, 1, lambda b: b.astype(np.uint16)),
        lambda e: _cut(e, 1, np.zeros_like),
    ],
)
def test_a_damaged_compressed_tensor_is_refused(break_it: Callable[[Encoded], Encoded]) -> None:
    """By the codec's own error, before anything large is decompressed."""
    found = codec("zstd:float32")
    encoded = found.encode(np.arange(300, dtype=np.float32))
    with pytest.raises(CodecError):
        found.decode(break_it(encoded))
