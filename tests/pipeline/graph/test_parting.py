"""A graph in several files that run one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from accelerators.backends.ort import optimise, run_once
from pipeline.graph import load_graph, partings, write_parts
from pipeline.tasks.builtin import build_demo_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.graph.model import Graph


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The built-in detector, optimised once."""
    folder = tmp_path_factory.mktemp("model")
    plain = build_demo_network(folder / "plain.onnx")
    optimise(plain, folder / "model.onnx", level="basic")
    return load_graph(folder / "model.onnx")


def cut(graph: Graph, *ends: int) -> list[frozenset[int]]:
    """The operators in runs up to each of these, and to the end."""
    bounds = [0, *ends, len(graph.operators)]
    return [frozenset(range(a, b)) for a, b in pairwise(bounds)]


@pytest.mark.parametrize("ends", [(3,), (2, 5), (1, 4, 9, 12)])
def test_parts_in_a_chain_give_the_same_bits_as_the_whole(
    graph: Graph, ends: tuple[int, ...], tmp_path: Path
) -> None:
    """Each reads what it needs of what was handed on, and hands on what is needed behind it."""
    parts = cut(graph, *ends)
    shape = graph.tensors[graph.inputs[0]].shape
    values = {graph.inputs[0]: np.random.default_rng(1).normal(size=shape).astype(np.float32)}
    whole = run_once(graph.path, values, optimise=False)
    known: dict[str, NDArray[np.generic[object]]] = {graph.inputs[0]: values[graph.inputs[0]]}
    for parting, file in zip(
        partings(graph, parts), write_parts(graph, parts, tmp_path), strict=True
    ):
        made = run_once(file, {name: known[name] for name in parting.inputs}, optimise=False)
        assert list(made) == list(parting.outputs)
        known = {name: known[name] for name in parting.passes} | made
    assert known.keys() == whole.keys()
    for name, expected in whole.items():
        assert np.array_equal(np.asarray(known[name]), np.asarray(expected))


def test_the_same_parts_are_the_same_files(graph: Graph, tmp_path: Path) -> None:
    """And what is there is not written again."""
    parts = cut(graph, 2, 5)
    first = write_parts(graph, parts, tmp_path)
    stamps = [path.stat().st_mtime_ns for path in first]
    assert write_parts(graph, parts, tmp_path) == first
    assert [path.stat().st_mtime_ns for path in first] == stamps
    assert len(set(first)) == len(parts)
