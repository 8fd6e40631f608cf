"""Codecs by name, and several tensors at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.codecs import codec, pack, unpack
from pipeline.codecs.registry import installed
from pipeline.errors import CodecError


def test_every_built_in_codec_is_found_by_its_entry_point() -> None:
    """Built-ins come the way a stranger's codec comes."""
    assert {"float32", "float16", "int8", "raw", "jpeg"} <= set(installed())
    for name in ("float32", "float16", "int8", "raw", "jpeg:80"):
        assert codec(name).name == name


def test_a_parameter_follows_the_colon() -> None:
    """The name that a codec gives is the one that finds it again; a default is written out."""
    assert codec("jpeg:35").name == "jpeg:35"
    assert codec("jpeg").name == "jpeg:80"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int9", "did you mean int8"),
        ("", "known are"),
        ("zzz", "known are"),
        ("int8:4", "takes no parameter"),
        ("raw:1", "takes no parameter"),
        ("jpeg:0", "1 to 100"),
        ("jpeg:101", "1 to 100"),
        ("jpeg:best", "1 to 100"),
        ("jpeg:-5", "1 to 100"),
    ],
)
def test_a_wrong_name_says_what_to_write(name: str, message: str) -> None:
    """The error carries a suggestion or the range."""
    with pytest.raises(CodecError, match=message):
        codec(name)


def test_named_tensors_make_the_way_there_and_back() -> None:
    """Each tensor crosses by its own codec, in order."""
    tensors = {
        "a": np.arange(12, dtype=np.float32).reshape(1, 3, 4),
        "b": np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 2, 2, 2),
    }
    packed = pack(tensors, {"b": "int8", "a": "float32"})
    assert [part.name for part in packed] == ["a", "b"]
    back = unpack(packed)
    assert list(back) == ["a", "b"]
    np.testing.assert_array_equal(back["a"], tensors["a"])
    assert np.abs(back["b"].astype(np.float64) - tensors["b"]).max() <= 0.5 / 127 + 1e-6


def test_a_tensor_without_a_codec_is_refused() -> None:
    """A plan names a codec for every tensor of a cut."""
    with pytest.raises(CodecError, match="no codec for tensor a"):
        pack({"a": np.zeros(1, np.float32)}, {})


def test_a_name_that_comes_twice_is_refused() -> None:
    """Two tensors cannot have one name."""
    (part,) = pack({"a": np.zeros(1, np.float32)}, {"a": "float32"})
    with pytest.raises(CodecError, match="comes twice"):
        unpack([part, replace(part)])
