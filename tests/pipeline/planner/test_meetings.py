"""Where ladders, several devices, several tasks and plan files meet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest

from pipeline import api
from pipeline.errors import PlanError
from pipeline.link.model import message_bytes
from pipeline.tasks.builtin import demo_network

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.plan.plan import Plan

TEXT = """\
splitway: 1
name: meetings
drive:
  synthetic: {scene: highway, seed: 3, length: 1s, size: [320, 192]}
  streams: {front: {period: 100ms}}
sites: {vehicle: , cloud: }
links:
  cell: {between: [vehicle, cloud], up: 200Mbit/s, down: 200Mbit/s, rtt: 10ms}
devices:
  edge0: {spec: deepx-dx-m1, site: vehicle}
  cloud0: {spec: rebellions-atom, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 256]}
    variants:
      first: {model: "builtin:detector"}
    output: yolox
    route: auto
  again:
    input: {stream: front, size: [416, 256]}
    variants:
      first: {model: "builtin:detector"}
    output: yolox
    route: auto
paths:
  front->objects: {from: front, through: [objects], e2e: 100ms}
  front->again: {from: front, through: [again], e2e: 100ms}
run: {seed: 1, warmup: 0 frames}
"""
RAW = ("tasks.objects.route=raw", "tasks.again.route=raw")


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks on one pair of devices."""
    path = tmp_path_factory.mktemp("meetings") / "s.yaml"
    path.write_text(TEXT, "utf-8")
    return path


def _plan(path: Path, *settings: str) -> Plan:
    return api.check(path, api.Options(overrides=settings)).plan


def test_what_runs_on_a_second_device_is_explained(scenario: Path) -> None:
    """The cloud's quicker device stands second in the file."""
    slow = "devices.cloud0={spec: google-edge-tpu, site: cloud}"
    plan = _plan(scenario, *RAW, slow, "devices.cloud1={spec: nvidia-l4, site: cloud}")
    for task in plan.tasks:
        assert task.candidates[task.run].devices == ("cloud1",)
    assert set(plan.reasons) == {"objects", "again"}


def test_a_transfer_inside_a_site_loads_no_uplink(scenario: Path) -> None:
    """Convolutions go to the NPU and products to the memory, in both tasks."""
    _write_convolutions_and_products(scenario.parent / "mixed.onnx")
    path = scenario.with_name("mixed.yaml")
    camera = """\
    input: {stream: front, size: [416, 256]}
    variants:
      first: {model: "builtin:detector"}
    output: yolox
    route: auto
"""
    timed = """\
    input: {stream: lidar}
    variants:
      first: {model: mixed.onnx, timing_only: true}
    output: pillars
    route: raw
"""
    text = TEXT.replace(camera, timed).replace("run: {", "run: {sizes: modelled, ")
    text = text.replace("front: {", "lidar: {").replace("from: front", "from: lidar")
    path.write_text(text, "utf-8")
    plan = _plan(path, "devices.pim0={spec: skhynix-gddr6-aim, site: cloud, ops: [MatMul]}")
    running = [task.candidates[task.run] for task in plan.tasks]
    assert all(set(c.devices) == {"cloud0", "pim0"} for c in running)
    assert plan.together is not None
    crossing_bits = sum(8 * message_bytes(c.bytes_up) for c in running)
    assert plan.together.busy["uplink"] == pytest.approx(10 * crossing_bits / 200e6, rel=1e-3)


def _write_convolutions_and_products(path: Path) -> None:
    """Two convolutions of many multiply-adds, then three products with one large matrix."""
    shapes = {"w0": (256, 8, 3, 3), "w1": (256, 256, 3, 3), "v": (256, 4096), "m": (4096, 4096)}
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w0"], ["a"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Conv", ["a", "w1"], ["b"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        onnx.helper.make_node("Flatten", ["c"], ["d"]),
        onnx.helper.make_node("MatMul", ["d", "v"], ["p0"]),
        *(onnx.helper.make_node("MatMul", [f"p{i}", "m"], [f"p{i + 1}"]) for i in range(3)),
    ]
    weights = [
        onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name)
        for name, shape in shapes.items()
    ]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", (1, 8, 64, 64)), ("p3", (1, 4096)))
    ]
    graph = onnx.helper.make_graph(nodes, "mixed", ends[:1], ends[1:], weights)
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_tasks_together_keep_to_what_each_must(scenario: Path) -> None:
    """The picture may not leave the car, though only as a JPEG it would be in time."""
    privacy = "tasks.objects.raw_pixels_stay=true"
    routes = ("tasks.objects.route=[encoded, split]", "tasks.again.route=[encoded, split]")
    wide = ("tasks.objects.wire={codec: float32, lossless: none}", "links.cell.up=2Mbit/s")
    plan = _plan(scenario, privacy, "paths.front->objects.e2e=60ms", *wide, *routes)
    (objects,) = [task for task in plan.tasks if task.task == "objects"]
    in_time = {c.name for c in objects.candidates if c.allowed and c.latency_ns <= 60_000_000}
    assert in_time == {"encoded"}
    assert objects.candidates[objects.run].name == "split"


def test_a_variant_chosen_by_hand_in_a_plan_file_runs_its_own_network(
    scenario: Path, tmp_path: Path
) -> None:
    """The second model has one operator more than the first."""
    model = demo_network()
    graph, pixels = model.graph, model.graph.input[0].name
    for node in graph.node:
        node.input[:] = ["dimmed" if name == pixels else name for name in node.input]
    graph.initializer.append(onnx.numpy_helper.from_array(np.full(1, 0.9, np.float32), "dimming"))
    graph.node.insert(0, onnx.helper.make_node("Mul", [pixels, "dimming"], ["dimmed"], name="dim"))
    (scenario.parent / "second.onnx").write_bytes(model.SerializeToString())
    settings = ("tasks.objects.variants.second={model: second.onnx}",)
    options = api.Options(overrides=settings)
    _, document = api.plan(scenario, options, as_file=True)
    (objects,) = [task for task in document["tasks"] if task["name"] == "objects"]
    second = next(
        i
        for i, c in enumerate(objects["candidates"])
        if c["variant"] == "second" and c["route"] == "split"
    )
    objects["run"] = second
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(document), "utf-8")
    result = api.run(scenario, options, virtual=True, plan_file=file, out=tmp_path / "run")
    ledger = (result.directory / "ledger.csv").read_text("utf-8").splitlines()
    variant = ledger[0].split(",").index("variant")
    ran = {row.split(",")[variant] for row in ledger[1:] if row.startswith("front->objects")}
    assert ran == {"second"}


def test_a_picture_that_has_to_stay_is_not_sent_by_hand_either(
    scenario: Path, tmp_path: Path
) -> None:
    """A plan file that runs the raw route is refused, with the reason."""
    options = api.Options(overrides=("tasks.objects.raw_pixels_stay=true",))
    _, document = api.plan(scenario, options, as_file=True)
    (objects,) = [task for task in document["tasks"] if task["name"] == "objects"]
    routes = [candidate["route"] for candidate in objects["candidates"]]
    objects["run"] = routes.index("raw")
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(document), "utf-8")
    with pytest.raises(PlanError, match="rules out: forbidden by `raw_pixels_stay`"):
        api.run(scenario, options, virtual=True, plan_file=file, out=tmp_path / "run")
