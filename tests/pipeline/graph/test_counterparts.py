"""Parts of an int8 form: the bits of the whole, on the grid of int8, refused with a reason."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelerators.backends.ort import optimise, run_once
from accelerators.backends.quantising import quantise
from pipeline.errors import ModelError
from pipeline.graph import differs, is_quantised, load_graph, partings, write_counterpart

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.graph import Graph

SHAPE = (1, 3, 16, 16)


def _network(path: Path) -> Graph:
    """Three convolutions, a branch around the second, an output that is made on the way."""
    draws = np.random.default_rng(3)
    weights = [
        draws.normal(0, 0.2, shape).astype(np.float32)
        for shape in ((8, 3, 3, 3), (8, 8, 3, 3), (4, 8, 3, 3))
    ]
    pads = [1] * 4
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="first", pads=pads),
        helper.make_node("Relu", ["a"], ["b"], name="act"),
        helper.make_node("Conv", ["b", "w1"], ["c"], name="second", pads=pads),
        helper.make_node("Add", ["b", "c"], ["d"], name="join"),
        helper.make_node("Sigmoid", ["d"], ["early"], name="gate"),
        helper.make_node("Conv", ["d", "w2"], ["y"], name="last", pads=pads),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [
            helper.make_tensor_value_info("early", TensorProto.FLOAT, (1, 8, 16, 16)),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 16, 16)),
        ],
        [numpy_helper.from_array(values, f"w{k}") for k, values in enumerate(weights)],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, str(path))
    return load_graph(path)


def _feeds(count: int) -> list[dict[str, NDArray[np.float32]]]:
    draws = np.random.default_rng(4)
    return [{"x": draws.random(SHAPE, dtype=np.float32)} for _ in range(count)]


@pytest.fixture(params=["as made", "optimised"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Graph, Graph]:
    """A network and its int8 form, as quantising made it and as optimising left it."""
    graph = _network(tmp_path / "small.onnx")
    made = tmp_path / "small-int8.onnx"
    quantise(graph.path, made, _feeds(8), scheme="asymmetric")
    if request.param == "optimised":
        optimise(made, tmp_path / "optimised.onnx", level="basic")
        made = tmp_path / "optimised.onnx"
    return graph, load_graph(made)


@pytest.mark.parametrize("borders", [(1,), (2,), (3,), (4,), (5,), (1, 3), (2, 4, 5)])
def test_parts_in_a_row_give_the_bits_of_the_whole_form(
    pair: tuple[Graph, Graph], borders: tuple[int, ...], tmp_path: Path
) -> None:
    """Wherever it is parted, one tensor crossing or two; and they differ from float32."""
    graph, form = pair
    assert differs(graph, form) == ""
    edges = (0, *borders, len(graph.operators))
    order = [frozenset(range(*ends)) for ends in itertools.pairwise(edges)]
    feed = _feeds(9)[-1]
    held: dict[str, NDArray[np.generic[object]]] = {**feed}
    for parting in partings(graph, order):
        path = write_counterpart(form, parting.inputs, parting.outputs, tmp_path / "parts")
        made = run_once(path, {name: held[name] for name in parting.inputs}, optimise=False)
        assert tuple(made) == parting.outputs
        held |= made
    whole = run_once(form.path, feed, optimise=False)
    exact = run_once(graph.path, feed, optimise=False)
    for name in graph.outputs:
        assert np.array_equal(held[name], whole[name])
        assert not np.array_equal(held[name], exact[name])


def test_what_a_part_hands_on_has_int8s_values_alone(
    pair: tuple[Graph, Graph], tmp_path: Path
) -> None:
    """At most 256 different values, where float32 has some thousand."""
    graph, form = pair
    part = write_counterpart(form, ("x",), ("b",), tmp_path / "parts")
    feed = _feeds(9)[-1]
    values = run_once(part, feed, optimise=False)["b"]
    assert len(np.unique(values)) <= 256
    whole = tmp_path / "float.onnx"
    onnx.utils.extract_model(str(graph.path), str(whole), ["x"], ["b"])
    assert len(np.unique(run_once(whole, feed, optimise=False)["b"])) > 256


def test_a_part_that_is_there_is_taken_as_it_is_and_a_changed_form_refused(
    pair: tuple[Graph, Graph], tmp_path: Path
) -> None:
    """Names hold a hash of the form; its file is read only where a part is missing."""
    _, form = pair
    folder = tmp_path / "parts"
    part = write_counterpart(form, ("x",), ("b",), folder)
    changed = onnx.load(str(form.path))
    changed.producer_name = "another"
    onnx.save(changed, str(form.path))
    assert write_counterpart(form, ("x",), ("b",), folder) == part
    with pytest.raises(ModelError, match="was changed since"):
        write_counterpart(form, ("x",), ("d",), folder)
    assert list(folder.iterdir()) == [part]


def test_what_cannot_stand_in_is_named(pair: tuple[Graph, Graph]) -> None:
    """A float32 network, other ends, a missing tensor, another shape."""
    graph, form = pair
    assert is_quantised(form)
    assert not is_quantised(graph)
    assert "no operator that is computed in int8" in differs(graph, graph)
    assert "other names" in differs(replace(graph, outputs=("y",)), form)
    fewer = {name: tensor for name, tensor in form.tensors.items() if name != "c"}
    assert "no tensor 'c'" in differs(graph, replace(form, tensors=fewer))
    other = form.tensors | {"c": replace(form.tensors["c"], shape=(1, 8, 8, 16))}
    assert "tensor 'c' has another shape" in differs(graph, replace(form, tensors=other))
