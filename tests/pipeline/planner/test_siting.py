"""Operators shared among the devices of a site, and the chunks that run in turn."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from accelerators import registry
from pipeline.graph import load_graph, segment_work
from pipeline.planner.parts import chunks, named
from pipeline.planner.pricing import PlacedDevice
from pipeline.planner.siting import allowed, costs_ns, lost, moved_ns, sited

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from accelerators.work import Precision
    from pipeline.graph.model import Graph


def device(name: str, spec: str, precision: Precision, *ops: str) -> PlacedDevice:
    """A device of a site."""
    return PlacedDevice(
        name=name,
        device=registry.device(spec),
        precision=precision,
        slots=1,
        ops=frozenset(ops) or None,
    )


NPU = device("cloud0", "rebellions-atom", "float16")
PIM = device("pim0", "skhynix-gddr6-aim", "float16")


def chain(path: Path, width: int, kinds: Sequence[str], *, steps: int = 1) -> Graph:
    """A chain of layers on `steps` vectors in a row: products of `width`, and what is named."""
    nodes, weights, last = [], [], "x"
    shape = (steps, 1, width)
    for at, kind in enumerate(kinds):
        made = f"t{at}"
        if kind == "MatMul":
            weights.append(numpy_helper.from_array(np.ones((width, width), np.float32), f"w{at}"))
            nodes.append(helper.make_node("MatMul", [last, f"w{at}"], [made], name=made))
        elif kind == "GRU":
            for name, sides in (("w", (1, 3 * width, width)), ("r", (1, 3 * width, width))):
                weights.append(numpy_helper.from_array(np.ones(sides, np.float32), f"{name}{at}"))
            inner = f"{made}_4d"
            nodes.append(
                helper.make_node(
                    "GRU", [last, f"w{at}", f"r{at}"], [inner], name=made, hidden_size=width
                )
            )
            axes = numpy_helper.from_array(np.array([1], np.int64), f"axes{at}")
            weights.append(axes)
            nodes.append(
                helper.make_node("Squeeze", [inner, f"axes{at}"], [made], name=f"{made}_flat")
            )
        else:
            nodes.append(helper.make_node(kind, [last], [made], name=made))
        last = made
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model, strict_mode=True), path)
    return load_graph(path)


def devices_of(graph: Graph, devices: Sequence[PlacedDevice]) -> dict[str, str]:
    """Device of each operator by its name, in the best placement."""
    found = sited(graph, range(len(graph.operators)), devices)
    assert found is not None
    places, gap = found
    assert gap == 0.0
    return {graph.operators[index].name: name for index, name in places.items()}


def test_wide_products_of_one_vector_go_to_the_memory(tmp_path: Path) -> None:
    """Their weights are read once each, which the memory does where they lie."""
    graph = chain(tmp_path / "wide.onnx", 4096, ["MatMul"] * 4)
    assert set(devices_of(graph, [NPU, PIM]).values()) == {"pim0"}


@pytest.mark.parametrize("main", ["rebellions-atom", "nvidia-l4", "npu-pim-package"])
@pytest.mark.parametrize("width", [64, 256])
def test_a_small_recurrent_cell_stays_off_the_memory(main: str, width: int, tmp_path: Path) -> None:
    """It would pay for a start of the units at every step; inside a package likewise.

    `rebellions-atom` leaves it to its host, at more than the units take: still it does not move,
    since the processor before the units would be done with it sooner than they are.
    """
    graph = chain(tmp_path / "gru.onnx", width, ["GRU", "GRU"], steps=8)
    first = device("cloud0", main, "float16")
    cells = [op.index for op in graph.operators if op.op_type == "GRU"]
    assert set(devices_of(graph, [first, PIM]).values()) == {"cloud0"}
    everything = range(len(graph.operators))
    barred = cells if main == "rebellions-atom" else []
    assert lost(graph, everything, [first, PIM]) == {
        "cloud0": frozenset(),
        "pim0": frozenset(barred),
    }
    own, units = (costs_ns(graph, everything, placed) for placed in (first, PIM))
    dearer = [(own[cell] or 0) > (units[cell] or 0) for cell in cells]
    assert all(dearer) if main == "rebellions-atom" else not any(dearer)
    work = segment_work(graph, range(len(graph.operators)), "all")
    shares = registry.device("npu-pim-package").price(work, batch=1, precision="float16").ops
    assert {share.on for share in shares} == {"package-npu"}


def test_a_large_recurrent_cell_goes_to_the_memory_beside_a_host_too(tmp_path: Path) -> None:
    """There the units are quicker than the processor before them."""
    graph = chain(tmp_path / "gru.onnx", 2048, ["GRU"], steps=8)
    everything = range(len(graph.operators))
    assert not any(lost(graph, everything, [NPU, PIM]).values())
    assert devices_of(graph, [NPU, PIM])["t0"] == "pim0"


def test_a_small_product_is_compared_by_price_with_an_npu_that_runs_it(tmp_path: Path) -> None:
    """The units lose to their processor; but there is no host in the comparison."""
    graph = chain(tmp_path / "narrow.onnx", 512, ["MatMul"])
    assert PIM.device.price(segment_work(graph, [0], "one"), batch=1, precision="float16").warnings
    assert not any(lost(graph, [0], [NPU, PIM]).values())


def test_what_loses_in_a_memory_stays_there_where_nothing_else_takes_it(tmp_path: Path) -> None:
    """Alone at its site, or beside another memory alone."""
    graph = chain(tmp_path / "gru.onnx", 64, ["GRU"], steps=8)
    everything = range(len(graph.operators))
    assert lost(graph, everything, [PIM]) == {"pim0": frozenset()}
    other = device("pim1", "samsung-hbm-pim", "float16")
    assert not any(lost(graph, everything, [PIM, other]).values())
    assert set(devices_of(graph, [PIM, other]).values()) <= {"pim0", "pim1"}


def test_a_device_is_given_only_what_its_ops_name(tmp_path: Path) -> None:
    """Everything else goes elsewhere, and back."""
    graph = chain(tmp_path / "mixed.onnx", 4096, ["MatMul", "Softmax", "MatMul", "Softmax"])
    only = device("pim0", "skhynix-gddr6-aim", "float16", "MatMul")
    places = devices_of(graph, [NPU, only])
    kinds = {operator.name: operator.op_type for operator in graph.operators}
    assert all(kinds[name] == "MatMul" for name, at in places.items() if at == "pim0")
    lonely = device("pim1", "skhynix-gddr6-aim", "float16", "MatMul")
    assert sited(graph, range(len(graph.operators)), [lonely]) is None


@pytest.mark.parametrize("kinds", ["MSM", "MRMS", "SMMRM", "MMSS"])
@pytest.mark.parametrize("width", [256, 1024, 4096])
def test_no_other_sharing_out_costs_less(kinds: str, width: int, tmp_path: Path) -> None:
    """Against every assignment of the operators, priced one by one."""
    layers = {"M": "MatMul", "S": "Softmax", "R": "Softsign"}
    graph = chain(tmp_path / "g.onnx", width, [layers[kind] for kind in kinds])
    devices = [NPU, PIM]
    everything = range(len(graph.operators))
    found = sited(graph, everything, devices)
    assert found is not None
    costs = {d.name: costs_ns(graph, everything, d) for d in devices}
    work = segment_work(graph, everything, "site")
    fixed = {
        d.name: d.device.price(work, batch=1, precision=d.precision).overhead_ns for d in devices
    }
    by_name = {d.name: d for d in devices}

    def total(places: Sequence[str]) -> int:
        cost = 0
        for index, name in enumerate(places):
            own = costs[name][index]
            assert own is not None
            cost += own
            for made in graph.operators[index].outputs:
                tensor = graph.tensors[made]
                for there in {places[v] for v in tensor.consumers} - {name}:
                    cost += moved_ns(tensor, by_name[name], by_name[there]) + fixed[there]
        return cost

    # Fused operators are placed together, so that an assignment that parts them is no rival.
    mine = total([found[0][index] for index in everything])
    rivals = [total(places) for places in product(by_name, repeat=len(graph.operators))]
    together = [
        total(places)
        for places in product(by_name, repeat=len(graph.operators))
        if all(
            places[i] == places[i + 1]
            for i in everything
            if i + 1 < len(graph.operators) and graph.operators[i + 1].op_type == "Softsign"
        )
    ]
    assert mine == min(together)
    assert min(rivals) <= mine


def test_chunks_are_convex_and_in_an_order_that_runs(tmp_path: Path) -> None:
    """Each holds one device's operators; what it reads was made before or comes in."""
    graph = chain(tmp_path / "c.onnx", 64, ["MatMul", "Softmax", "MatMul", "Softmax", "MatMul"])
    places = {0: "a", 1: "b", 2: "a", 3: "a", 4: "b"}
    found = chunks(graph, places, places)
    assert [(name, sorted(ops)) for name, ops in found] == [
        ("a", [0]),
        ("b", [1]),
        ("a", [2, 3]),
        ("b", [4]),
    ]
    over: set[int] = set()
    for _, operators in found:
        segment_work(graph, operators, "convex")  # raises where it is not
        for index in operators:
            makers = {graph.tensors[name].producer for name in graph.operators[index].inputs}
            assert makers - {None} <= over | operators
        over |= operators
    names = [part.segment for part in named("t/v", 5, found, {})]
    assert len(set(names)) == len(names)


def test_what_is_allowed_is_by_operator_type(tmp_path: Path) -> None:
    """None means everything."""
    graph = chain(tmp_path / "a.onnx", 64, ["MatMul", "Softmax"])
    only = device("p", "skhynix-gddr6-aim", "float16", "MatMul")
    assert [allowed(graph, index, only) for index in (0, 1)] == [True, False]
    assert allowed(graph, 1, PIM)
