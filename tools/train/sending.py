"""What crosses where a network is split at its narrow tensor."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from onnx.utils import Extractor

from pipeline.codecs.sparse import Sparse
from pipeline.codecs.tensors import Int8
from pipeline.codecs.zstd import Zstd
from tools.train.running import OnnxNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.codecs.protocol import Codec, Encoded

NARROW = "narrow"
CODECS: tuple[Codec, ...] = (Zstd(Int8()), Zstd(Sparse(Int8())))
"""Those of the project that suit whole numbers and zeros; the smaller counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """A network in two parts, loaded."""

    head: OnnxNetwork
    tail: OnnxNetwork


@contextmanager
def halves(path: Path) -> Iterator[Halves]:
    """Cut a network with one input at `NARROW`, and load both parts.

    Args:
        path: An ONNX file that has a tensor of that name.
    """
    whole = onnx.load(str(path))
    outputs = [value.name for value in whole.graph.output]
    (taken,) = (value.name for value in whole.graph.input)
    parts = Extractor(whole)
    with tempfile.TemporaryDirectory() as folder:
        head, tail = Path(folder) / "head.onnx", Path(folder) / "tail.onnx"
        onnx.save(parts.extract_model([taken], [NARROW]), str(head))
        onnx.save(parts.extract_model([NARROW], outputs), str(tail))
        with (
            OnnxNetwork(head, taken, NARROW) as first,
            OnnxNetwork(tail, NARROW, outputs[0]) as second,
        ):
            yield Halves(head=first, tail=second)


def size_of(encoded: Encoded) -> int:
    """Bytes of all buffers; the header of a message is not among them."""
    return sum(int(buffer.nbytes) for buffer in encoded.buffers)
