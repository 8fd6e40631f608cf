"""Codecs of pictures: raw pixels, and JPEG that is checked before it is decoded."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.codecs.frames import Jpeg, Raw, header_shape
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.codecs import Encoded


def smooth_picture(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Make a picture of gentle gradients, which JPEG keeps well; blue, green, red."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = (rows * 255 // height, columns * 255 // width, (rows + columns) % 256)
    return np.stack(planes, axis=2).astype(np.uint8)


def forged(encoded: Encoded, file: bytes) -> Encoded:
    """Put another file into an encoded picture, with a check that fits it."""
    check = np.array([xxhash.xxh3_64_intdigest(file)], dtype=np.uint64)
    return replace(encoded, buffers=(np.frombuffer(file, np.uint8), check))


@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=8)))
def test_raw_gives_back_the_same_pixels(picture: NDArray[np.uint8]) -> None:
    """Raw is lossless, writable on the far side, and of known size."""
    encoded = Raw().encode(picture)
    back = Raw().decode(encoded)
    np.testing.assert_array_equal(back, picture)
    assert back.flags.writeable
    assert Raw().encoded_bytes(picture.shape, "uint8") == encoded.bytes


@given(height=st.integers(1, 60), width=st.integers(1, 60), quality=st.integers(1, 100))
def test_jpeg_gives_back_a_picture_of_the_same_shape(height: int, width: int, quality: int) -> None:
    """Any size and quality makes the way there and back."""
    codec = Jpeg(quality)
    encoded = codec.encode(smooth_picture(height, width))
    back = codec.decode(encoded)
    assert encoded.codec == f"jpeg:{quality}"
    assert back.shape == encoded.shape == (height, width, 3)
    assert back.dtype == np.uint8


def test_jpeg_keeps_colours_in_their_channels() -> None:
    """Channels stay blue, green, red."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[..., 0] = 250
    back = Jpeg(95).decode(Jpeg(95).encode(picture))
    assert np.abs(back.astype(int) - picture.astype(int)).max() < 10


def test_jpeg_says_that_the_content_decides_its_size() -> None:
    """No size is promised, and the shape is still checked."""
    assert Jpeg().encoded_bytes((48, 64, 3), "uint8") is None
    with pytest.raises(CodecError):
        Jpeg().encoded_bytes((48, 64), "uint8")


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(place: int, bit: int) -> None:
    """A decoder would take nearly every such file; the check does not."""
    encoded = Jpeg(80).encode(smooth_picture())
    file = encoded.buffers[0].copy()
    file[place % file.size] ^= 1 << bit
    with pytest.raises(CodecError, match="altered"):
        Jpeg(80).decode(replace(encoded, buffers=(file, encoded.buffers[1])))


@given(kept=st.floats(0, 0.99))
def test_a_file_cut_short_is_refused_even_with_a_fitting_check(kept: float) -> None:
    """A truncated file is never decoded into grey."""
    encoded = Jpeg(80).encode(smooth_picture())
    file = encoded.buffers[0].tobytes()
    with pytest.raises(CodecError):
        Jpeg(80).decode(forged(encoded, file[: int(len(file) * kept)]))


def test_a_file_larger_than_declared_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The header is read first: a small message cannot make a huge picture."""

    def never(*_: object) -> None:
        raise AssertionError

    large = Jpeg(80).encode(np.zeros((2000, 2000, 3), np.uint8))
    monkeypatch.setattr(cv2, "imdecode", never)
    with pytest.raises(CodecError, match="header says"):
        Jpeg(80).decode(replace(large, shape=(48, 64, 3)))


@pytest.mark.parametrize("file", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"GIF89a" * 9, b"\0" * 99])
def test_what_is_no_jpeg_is_refused(file: bytes) -> None:
    """Junk is an error of the codec, never of the decoder."""
    encoded = Jpeg(80).encode(smooth_picture())
    with pytest.raises(CodecError):
        Jpeg(80).decode(forged(encoded, file))


@given(st.binary(max_size=200))
def test_reading_a_header_of_junk_fails_cleanly(junk: bytes) -> None:
    """Any bytes give a shape or a codec error."""
    with contextlib.suppress(CodecError):
        header_shape(np.frombuffer(b"\xff\xd8" + junk, np.uint8))


@pytest.mark.parametrize(
    "tensor",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 3), np.float32)],
)
def test_jpeg_takes_pictures_of_three_channels_only(tensor: NDArray[np.uint8]) -> None:
    """Other shapes and dtypes are refused."""
    with pytest.raises(CodecError, match="takes"):
        Jpeg().encode(tensor)
