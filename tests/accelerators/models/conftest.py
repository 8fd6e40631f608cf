"""Operators for the tests of PIM devices and packages, with the shapes of their products."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from accelerators.work import MatrixWork, OpWork, SegmentWork


def matmul(
    name: str,
    *,
    rows: int,
    depth: int,
    vectors: int = 1,
    matrices: int = 1,
    constant: bool = True,
    producers: tuple[str, ...] = (),
) -> OpWork:
    """Vectors of `depth` elements by matrices of `rows` x `depth`."""
    held = rows * depth * matrices
    return OpWork(
        name=name,
        op_type="MatMul",
        macs=held * vectors,
        weight_elements=held if constant else 0,
        input_elements=matrices * vectors * depth + (0 if constant else held),
        output_elements=matrices * vectors * rows,
        producers=producers,
        products=(
            MatrixWork(
                rows=rows, depth=depth, vectors=vectors, matrices=matrices, constant=constant
            ),
        ),
    )


def gru(name: str, *, hidden: int, steps: int) -> OpWork:
    """A GRU whose input is as wide as its state."""
    rows = 3 * hidden
    return OpWork(
        name=name,
        op_type="GRU",
        macs=2 * steps * rows * hidden,
        weight_elements=2 * rows * hidden,
        input_elements=(steps + 1) * hidden,
        output_elements=steps * hidden,
        products=(
            MatrixWork(rows=rows, depth=hidden, vectors=steps),
            MatrixWork(rows=rows, depth=hidden, vectors=1, steps=steps),
        ),
    )


def plain(name: str, op_type: str, elements: int, *producers: str) -> OpWork:
    """An operator without products, of as many results as each of its inputs has elements."""
    return OpWork(
        name=name,
        op_type=op_type,
        macs=0,
        weight_elements=0,
        input_elements=elements * max(1, len(producers)),
        output_elements=elements,
        producers=producers,
    )


def segment(*ops: OpWork) -> SegmentWork:
    """A segment of these operators."""
    return SegmentWork(
        name="segment",
        ops=ops,
        input_elements=ops[0].input_elements,
        output_elements=ops[-1].output_elements,
    )


def decoder_layer(width: int, *, past: int = 512, heads: int = 32) -> SegmentWork:
    """One token through a decoder layer: attention over `past` tokens, and a block of 4 x width."""
    head = width // heads
    ops = [
        plain("norm1", "LayerNormalization", width),
        *(matmul(x, rows=width, depth=width, producers=("norm1",)) for x in ("q", "k", "v")),
        matmul(
            "scores", rows=past, depth=head, matrices=heads, constant=False, producers=("q", "k")
        ),
        plain("softmax", "Softmax", heads * past, "scores"),
        matmul(
            "mixed",
            rows=head,
            depth=past,
            matrices=heads,
            constant=False,
            producers=("softmax", "v"),
        ),
        matmul("out", rows=width, depth=width, producers=("mixed",)),
        plain("add1", "Add", width, "norm1", "out"),
        plain("norm2", "LayerNormalization", width, "add1"),
        matmul("up", rows=4 * width, depth=width, producers=("norm2",)),
        plain("gelu", "Gelu", 4 * width, "up"),
        matmul("down", rows=width, depth=4 * width, producers=("gelu",)),
        plain("add2", "Add", width, "add1", "down"),
    ]
    return segment(*ops)


@pytest.fixture(scope="session")
def made() -> SimpleNamespace:
    """Makers of operators and segments."""
    return SimpleNamespace(
        matmul=matmul, gru=gru, plain=plain, segment=segment, decoder_layer=decoder_layer
    )
