"""The content of host stages: what really happens to a picture on its way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import CodecError, OutputContractError, PipelineError
from pipeline.plan import Host, Move, Route, RouteStep, Run
from pipeline.runtime.samples import Picture
from pipeline.runtime.spec import PictureInput, SegmentSpec, TaskSpec
from pipeline.runtime.stages import Decoded, Packed, Stages, Tensors, packed_result
from pipeline.tasks.outputs.protocol import MaskSet
from pipeline.tasks.prepare import InputSpec, prepare_image, to_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.plan import Step

INPUT = InputSpec(width=16, height=8, fit="stretch", scale_denominator=255)
TASK = TaskSpec(
    name="lanes",
    input=PictureInput(spec=INPUT),
    input_name="images",
    source_width=32,
    source_height=16,
    decoder="masks",
    parameters={"names": "da,ll"},
)
SEGMENTS = {
    "head": SegmentSpec(
        name="head", artefact="head.onnx", sha256="0", inputs=("images",), outputs=("x",)
    ),
    "tail": SegmentSpec(
        name="tail",
        artefact="tail.onnx",
        sha256="1",
        inputs=("x",),
        outputs=("da",),
        passes=("ll",),
    ),
}
_RUN_HEAD, _RUN_TAIL = Run(segment="head", device="edge0"), Run(segment="tail", device="cloud0")
_END: tuple[Step, ...] = (
    Host(stage="post", site="cloud"),
    Move(tensors=("result",), channel="cell.down", codecs=("raw",)),
    Host(stage="deliver", site="consumer"),
)


def _stages(*steps: Step) -> Stages:
    """The stages of a task whose route is these steps in a line."""
    route = Route(
        id="r",
        task="lanes",
        variant="only",
        model="m",
        steps=tuple(
            RouteStep(step=step, after=(i - 1,) if i else (), span="pack", latency_ns=1)
            for i, step in enumerate(steps)
        ),
    )
    return Stages(tasks={"lanes": TASK}, steps={"lanes": route.steps}, segments=SEGMENTS)


@pytest.fixture
def split() -> Stages:
    """Cut behind the head, two tensors cross."""
    return _stages(
        Host(stage="prepare", site="vehicle"),
        _RUN_HEAD,
        Host(stage="pack", site="vehicle"),
        Move(tensors=("x", "ll"), channel="cell.up", codecs=("float16", "float32")),
        Host(stage="unpack", site="cloud"),
        _RUN_TAIL,
        *_END,
    )


@pytest.fixture
def whole() -> Stages:
    """The prepared picture crosses as it is."""
    return _stages(
        Host(stage="prepare", site="vehicle"),
        Host(stage="pack", site="vehicle"),
        Move(tensors=("images",), channel="cell.up", codecs=("raw",)),
        Host(stage="unpack", site="cloud"),
        _RUN_HEAD,
        *_END,
    )


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    """A picture of the drive."""
    return np.random.default_rng(1).integers(0, 256, (16, 32, 3), np.uint8)


def _outputs() -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(2)
    return {name: random.standard_normal((1, 2, 8, 16)).astype(np.float32) for name in ("da", "ll")}


def test_preparing_before_a_segment_makes_the_tensor(
    split: Stages, pixels: NDArray[np.uint8]
) -> None:
    """Under the network's input name, ready to be run."""
    value = split.run("lanes", 0, [Picture(pixels=pixels)])
    assert isinstance(value, Tensors)
    tensor = to_tensor(prepare_image(pixels, INPUT).pixels, INPUT)
    np.testing.assert_array_equal(value.by_name["images"], tensor)


def test_preparing_before_packing_keeps_pixels(whole: Stages, pixels: NDArray[np.uint8]) -> None:
    """A frame crosses as uint8, a quarter of the tensor's size."""
    value = whole.run("lanes", 0, [Picture(pixels=pixels)])
    assert isinstance(value, Tensors)
    np.testing.assert_array_equal(value.by_name["images"], prepare_image(pixels, INPUT).pixels)


def test_a_raw_frame_is_made_a_tensor_on_the_other_side(
    whole: Stages, pixels: NDArray[np.uint8], split: Stages
) -> None:
    """What the cloud's network reads is bit for bit what the car's would."""
    prepared = whole.run("lanes", 0, [Picture(pixels=pixels)])
    packed = whole.run("lanes", 1, [prepared])
    assert isinstance(packed, Packed)
    assert packed.bytes == 16 * 8 * 3
    unpacked = whole.run("lanes", 3, [packed])
    there = whole.segment_inputs("head", [unpacked])
    here = split.segment_inputs("head", [split.run("lanes", 0, [Picture(pixels=pixels)])])
    np.testing.assert_array_equal(there["images"], here["images"])


def test_each_tensor_of_a_cut_is_packed_with_its_codec(split: Stages) -> None:
    """In the move's order, and only what crosses."""
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(1, 4, 6)
    tensors = Tensors(by_name={"unused": x, "ll": x * 3, "x": x})
    packed = split.run("lanes", 2, [tensors])
    assert isinstance(packed, Packed)
    assert [(part.name, part.encoded.codec) for part in packed.parts] == [
        ("x", "float16"),
        ("ll", "float32"),
    ]
    assert packed.bytes == 24 * 2 + 24 * 4
    unpacked = split.run("lanes", 4, [packed])
    assert isinstance(unpacked, Tensors)
    np.testing.assert_array_equal(unpacked.by_name["ll"], x * 3)
    np.testing.assert_array_equal(unpacked.by_name["x"], x.astype(np.float16).astype(np.float32))


def test_tensors_of_several_steps_are_packed_together(split: Stages) -> None:
    """A stage after two branches reads them all."""
    x = np.ones((1, 2), np.float32)
    packed = split.run("lanes", 2, [Tensors(by_name={"x": x}), Tensors(by_name={"ll": x})])
    assert isinstance(packed, Packed)
    assert len(packed.parts) == 2


def test_a_segment_hands_on_what_it_makes_and_what_it_passes(split: Stages) -> None:
    """An output that the head has made already goes past the tail."""
    made = _outputs()
    before = [Tensors(by_name={"x": made["da"], "ll": made["ll"], "other": made["da"]})]
    assert split.segment_inputs("tail", before).keys() == {"x"}
    value = split.segment_value("tail", before, {"da": made["da"]})
    assert value.by_name.keys() == {"ll", "da"}


def test_a_result_crosses_and_is_decoded_as_it_was(split: Stages) -> None:
    """Post-processing ends with bytes, delivering with the same masks."""
    outputs = _outputs()
    packed = split.run("lanes", 6, [Tensors(by_name=outputs)])
    assert isinstance(packed, Packed)
    assert [part.name for part in packed.parts] == ["result:lanes"]
    assert packed.bytes == packed.parts[0].encoded.bytes > 0
    decoded = split.run("lanes", 8, [packed])
    assert isinstance(decoded, Decoded)
    expected = split.decoder("lanes").decode(outputs, TASK.placement)
    assert isinstance(decoded.result, MaskSet)
    assert isinstance(expected, MaskSet)
    assert decoded.result.names == ("da", "ll")
    np.testing.assert_array_equal(decoded.result.masks, expected.masks)


def test_the_same_input_gives_the_same_bytes(split: Stages) -> None:
    """Stages keep nothing, so what was computed ahead is what the run computes."""
    outputs = Tensors(by_name=_outputs())
    first, second = split.run("lanes", 6, [outputs]), split.run("lanes", 6, [outputs])
    assert isinstance(first, Packed)
    assert isinstance(second, Packed)
    one, other = (np.asarray(p.parts[0].encoded.buffers[0]) for p in (first, second))
    np.testing.assert_array_equal(one, other)


def test_a_stage_refuses_what_it_cannot_take(split: Stages, pixels: NDArray[np.uint8]) -> None:
    """The message names stage, task and what came."""
    picture = Picture(pixels=pixels)
    with pytest.raises(PipelineError, match="stage pack of lanes cannot take Picture"):
        split.run("lanes", 2, [picture])
    with pytest.raises(PipelineError, match="stage prepare of lanes cannot take Picture, Picture"):
        split.run("lanes", 0, [picture, picture])
    with pytest.raises(PipelineError, match="step 1 of lanes is no host stage"):
        split.run("lanes", 1, [picture])


def test_foreign_bytes_are_errors_of_the_pipeline(split: Stages) -> None:
    """A node can fail the job; nothing else gets out."""
    nonsense = packed_result(np.arange(9, dtype=np.uint8), "lanes")
    with pytest.raises(OutputContractError):
        split.run("lanes", 8, [nonsense])
    part = nonsense.parts[0]
    unknown = replace(part, encoded=replace(part.encoded, codec="nonsense"))
    with pytest.raises(CodecError):
        split.run("lanes", 4, [Packed(parts=(unknown,))])


def test_the_route_of_a_task_can_be_asked_for(split: Stages) -> None:
    """The priming pass walks it."""
    assert len(split.steps("lanes")) > 2
