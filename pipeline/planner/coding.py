"""What coding a tensor costs: the curves of a host that a codec goes through, and its bytes."""

from __future__ import annotations

import math

from pipeline.codecs.frames import Compressed
from pipeline.codecs.registry import codec

_ZSTD, _SPARSE = "zstd", "sparse"
_DENSE = "float32"


def coding_parts(
    stage: str, coded: str, shape: tuple[int, ...], dtype: str
) -> list[tuple[str, int]]:
    """Curves of a host, each with the elements that it works on.

    A codec over another costs the other's time and its own: `zstd:sparse:int8` is `int8`, then
    `sparse` over as many values, then `zstd` over the bytes that there are before it.

    Args:
        stage: `pack` or `unpack`.
        coded: The codec as a plan writes it.
        shape: Shape of the tensor.
        dtype: numpy name of its dtype.
    """
    stem, _, inner = coded.partition(":")
    elements = math.prod(shape)
    kind = codec(coded)
    if isinstance(kind, Compressed) and kind.divisor > 1:
        small = math.prod(kind.crossing_shape(shape))
        return [(f"{stage}:resize", elements), (f"{stage}:{stem}", small)]
    if stem == _ZSTD:
        under = coding_parts(stage, inner, shape, dtype)
        return [*under, (f"{stage}:{_ZSTD}", most_bytes(inner, shape, dtype))]
    if stem == _SPARSE:
        under = [(f"{stage}:{inner}", elements)] if inner not in ("", _DENSE) else []
        return [*under, (f"{stage}:{_SPARSE}", elements)]
    return [(f"{stage}:{coded}", elements)]


def carrying_curve(stage: str, coded: str) -> str:
    """The one curve of a codec that every stage with it has, whatever else it goes through.

    What a stage costs by itself, whatever its size, is that curve's; scaling a picture and packing
    what another codec made are added to it.

    Args:
        stage: `pack` or `unpack`.
        coded: The codec as a plan writes it.
    """
    stem, _, inner = coded.partition(":")
    if stem == _ZSTD:
        return carrying_curve(stage, inner)
    if stem == _SPARSE and inner not in ("", _DENSE):
        return f"{stage}:{inner}"
    return f"{stage}:{coded}"


def most_bytes(coded: str, shape: tuple[int, ...], dtype: str) -> int:
    """Bytes that a tensor encodes to; where the content decides, those of what the codec is over.

    A picture's JPEG is taken for as large as its pixels, which it never is; planning measures the
    candidates on frames of the drive.
    """
    exact = codec(coded).encoded_bytes(shape, dtype)
    if exact is not None:
        return exact
    stem, _, inner = coded.partition(":")
    if stem in (_ZSTD, _SPARSE):
        return most_bytes(inner or _DENSE, shape, dtype)
    return math.prod(shape)
