"""Packing of several named tensors, as they cross at a cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.codecs.registry import codec
from pipeline.errors import CodecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.codecs.protocol import Encoded
    from pipeline.codecs.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedTensor:
    """A tensor's name in the graph, and the tensor made ready to cross."""

    name: str
    encoded: Encoded


def pack(tensors: Mapping[str, Array], codecs: Mapping[str, str]) -> tuple[PackedTensor, ...]:
    """Encode tensors by name, in the order of `tensors`.

    Args:
        tensors: Tensors by their name in the graph.
        codecs: For each tensor the codec's name as a plan writes it.

    Raises:
        CodecError: A tensor has no codec, or its codec does not take it.
    """
    packed = []
    for name, tensor in tensors.items():
        if name not in codecs:
            raise CodecError("none", f"the plan names no codec for tensor {name}")
        packed.append(PackedTensor(name=name, encoded=codec(codecs[name]).encode(tensor)))
    return tuple(packed)


def unpack(packed: Iterable[PackedTensor]) -> dict[str, Array]:
    """Decode tensors, by name, in order; each is writable and C-contiguous.

    Raises:
        CodecError: A name comes twice, a codec is unknown, or buffers contradict their shape.
    """
    tensors: dict[str, Array] = {}
    for part in packed:
        if part.name in tensors:
            raise CodecError(part.encoded.codec, f"tensor {part.name} comes twice")
        tensors[part.name] = codec(part.encoded.codec).decode(part.encoded)
    return tensors
