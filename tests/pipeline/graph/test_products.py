"""Shapes of the matrix products that are read from a graph: what a memory that computes needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators import registry
from accelerators.work import MatrixWork
from pipeline.graph import load_graph, segment_work

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from accelerators.work import OpWork

    class Sketch(Protocol):
        """What the fixture `sketch` offers."""

        outputs: list[str]

        def input(self, name: str, *shape: int | str) -> str:
            """Declare an input."""

        def weight(self, *shape: int) -> str:
            """Add an initializer of random numbers."""

        def add(self, op: str, *inputs: str, **attributes: float | str) -> str:
            """Add an operator."""

        def save(self, path: Path) -> Path:
            """Write the finished model."""


def work(sketch: Sketch, folder: Path, output: str) -> OpWork:
    """What is read of the only operator; its products make up its multiply-adds."""
    sketch.outputs = [output]
    (operator,) = load_graph(sketch.save(folder / "m.onnx")).operators
    read = operator.work
    assert read.macs == sum(
        p.rows * p.depth * p.vectors * p.matrices * p.steps for p in read.products
    )
    return read


@pytest.mark.parametrize("left", [(3, 7), (2, 3, 7), (1, 2, 3, 7), (7,)])
def test_weights_are_the_matrix_and_the_rest_are_vectors(
    left: tuple[int, ...], sketch: Sketch, tmp_path: Path
) -> None:
    """However many axes the vectors come in."""
    y = sketch.add("MatMul", sketch.input("x", *left), sketch.weight(7, 5))
    vectors = {1: 1, 2: 3, 3: 6, 4: 6}[len(left)]
    assert work(sketch, tmp_path, y).products == (MatrixWork(rows=5, depth=7, vectors=vectors),)


def test_weights_on_the_left_are_the_matrix_too(sketch: Sketch, tmp_path: Path) -> None:
    """A matrix of 5 x 7 meets two batches of three columns."""
    y = sketch.add("MatMul", sketch.weight(5, 7), sketch.input("x", 2, 7, 3))
    assert work(sketch, tmp_path, y).products == (MatrixWork(rows=5, depth=7, vectors=6),)


@pytest.mark.parametrize(("trans_a", "trans_b"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_gemm_may_be_transposed(
    trans_a: int, trans_b: int, sketch: Sketch, tmp_path: Path
) -> None:
    """The bias is no product."""
    x = sketch.input("x", *((7, 3) if trans_a else (3, 7)))
    w = sketch.weight(*((5, 7) if trans_b else (7, 5)))
    y = sketch.add("Gemm", x, w, sketch.weight(5), transA=trans_a, transB=trans_b)
    assert work(sketch, tmp_path, y).products == (MatrixWork(rows=5, depth=7, vectors=3),)


def test_a_step_of_attention_meets_its_cache(sketch: Sketch, tmp_path: Path) -> None:
    """Four heads, one query each; the keys are the matrix, and no weights."""
    q, k = sketch.input("q", 1, 4, 1, 8), sketch.input("k", 1, 4, 8, 60)
    assert work(sketch, tmp_path, sketch.add("MatMul", q, k)).products == (
        MatrixWork(rows=60, depth=8, vectors=1, matrices=4, constant=False),
    )


def test_the_larger_of_two_live_factors_is_the_matrix(sketch: Sketch, tmp_path: Path) -> None:
    """The same attention written the other way round."""
    k, q = sketch.input("k", 4, 60, 8), sketch.input("q", 4, 8, 1)
    assert work(sketch, tmp_path, sketch.add("MatMul", k, q)).products == (
        MatrixWork(rows=60, depth=8, vectors=1, matrices=4, constant=False),
    )


def test_a_stack_that_meets_one_matrix_is_one_tall_matrix(sketch: Sketch, tmp_path: Path) -> None:
    """Whichever side it is on; it is vectors where the other factor is larger."""
    stack, one = sketch.input("stack", 4, 6, 8), sketch.input("one", 8, 5)
    (tall,) = work(sketch, tmp_path, sketch.add("MatMul", stack, one)).products
    assert tall == MatrixWork(rows=24, depth=8, vectors=5, constant=False)


@pytest.mark.parametrize("device", ["skhynix-gddr6-aim", "samsung-hbm-pim"])
def test_a_price_in_memory_does_not_fall_where_the_other_factor_becomes_the_larger(
    device: str, sketch: Sketch, tmp_path: Path
) -> None:
    """64 matrices of 7 rows against one of ever more columns: 448 are as large as all of them."""
    prices = []
    for columns in (420, 447, 448, 449, 470):
        fresh = type(sketch)()
        stack, one = fresh.input("stack", 64, 7, 128), fresh.input("one", 128, columns)
        fresh.outputs = [fresh.add("MatMul", stack, one)]
        graph = load_graph(fresh.save(tmp_path / f"{columns}.onnx"))
        segment = segment_work(graph, range(len(graph.operators)), "product")
        cost = registry.device(device).price(segment, batch=1, precision="float16")
        prices.append(cost.latency_ns)
    assert prices == sorted(prices)
    assert prices[-1] < 1.2 * prices[0]


@pytest.mark.parametrize(("kind", "gates"), [("GRU", 3), ("LSTM", 4), ("RNN", 1)])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_cell_has_two_products_and_waits_for_the_second(
    kind: str, gates: int, directions: int, sketch: Sketch, tmp_path: Path
) -> None:
    """Nine steps of two sequences; the input's product need not wait."""
    y = sketch.add(
        kind,
        sketch.input("x", 9, 2, 6),
        sketch.weight(directions, gates * 5, 6),
        sketch.weight(directions, gates * 5, 5),
        hidden_size=5,
        direction="forward" if directions == 1 else "bidirectional",
    )
    assert work(sketch, tmp_path, y).products == (
        MatrixWork(rows=gates * 5, depth=6, vectors=18, matrices=directions),
        MatrixWork(rows=gates * 5, depth=5, vectors=2, matrices=directions, steps=9),
    )


def test_an_element_wise_operator_has_no_product(sketch: Sketch, tmp_path: Path) -> None:
    """Nothing is multiplied by a matrix."""
    y = sketch.add("Relu", sketch.input("x", 1, 3))
    assert work(sketch, tmp_path, y).products == ()
