"""The built-in network: the same bytes, a sound graph, an output that its decoder takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort

from pipeline.tasks.builtin import (
    DEMO_INPUT,
    INPUT_NAME,
    NARROW_NAME,
    OUTPUT_NAME,
    build_demo_network,
    demo_network,
)
from pipeline.tasks.outputs.yolox import Yolox
from pipeline.tasks.prepare import prepare_image, to_tensor

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def street() -> NDArray[np.uint8]:
    """Make a picture with sky, road and two boxes on it."""
    image = np.full((540, 960, 3), (200, 170, 140), np.uint8)
    image[270:] = 80
    image[250:330, 400:500] = (30, 30, 200)
    image[270:390, 100:280] = (200, 60, 30)
    return image


def test_the_same_bytes_are_written_every_time(tmp_path: Path) -> None:
    """Weights come from a seed, the file is replaced whole, and nothing is left beside it."""
    first = build_demo_network(tmp_path / "new" / "a.onnx")
    second = build_demo_network(tmp_path / "new" / "b.onnx")
    data = first.read_bytes()
    assert data == second.read_bytes()
    assert build_demo_network(first) == first
    assert sorted(path.name for path in first.parent.iterdir()) == ["a.onnx", "b.onnx"]
    assert len(data) < 2_000_000


def test_the_graph_is_sound_and_static() -> None:
    """The full check passes, and every tensor has a known shape."""
    model = demo_network()
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        info.name: [axis.dim_value for axis in info.type.tensor_type.shape.dim]
        for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)
    }
    for node in model.graph.node:
        for name in node.output:
            assert all(length > 0 for length in shapes[name])
    assert shapes[INPUT_NAME] == [1, 3, DEMO_INPUT.height, DEMO_INPUT.width]
    assert shapes[OUTPUT_NAME] == [1, 2184, 85]
    assert max(opset.version for opset in model.opset_import) <= 17
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 23


def test_everything_passes_through_the_narrow_tensor() -> None:
    """Without it the output cannot be reached, so one tensor makes a cut."""
    graph = demo_network().graph
    reached = {INPUT_NAME}
    for node in graph.node:
        if reached & set(node.input) and NARROW_NAME not in node.output:
            reached.update(node.output)
    assert OUTPUT_NAME not in reached


def test_its_output_suits_the_decoder_and_holds_some_boxes(tmp_path: Path) -> None:
    """It is untrained, so what it finds means nothing, but it finds something."""
    path = build_demo_network(tmp_path / "demo.onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    prepared = prepare_image(street(), DEMO_INPUT)
    (output,) = session.run(None, {INPUT_NAME: to_tensor(prepared.pixels, DEMO_INPUT)})
    found = Yolox().decode({OUTPUT_NAME: np.asarray(output)}, prepared.geometry)
    assert 1 <= len(found) <= 100
