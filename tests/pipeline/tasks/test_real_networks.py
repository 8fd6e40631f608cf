"""Real networks on a real clip; skipped where the recordings are not there."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray  # noqa: TC002 - read by fixtures at run time

from pipeline.tasks.outputs import Boxes, MaskSet
from pipeline.tasks.outputs.masks import Masks
from pipeline.tasks.outputs.yolox import Yolox
from pipeline.tasks.prepare import InputSpec, prepare_image, to_tensor

VEHICLES = {"car", "truck", "bus"}
DETECTOR = InputSpec(width=416, height=416)
SEGMENTER = InputSpec(width=640, height=360, color="rgb", fit="stretch", scale_denominator=255)


def data_file(name: str) -> Path:
    """Find a file of the recordings, or skip the test and say what to set."""
    root = os.environ.get("SPLITWAY_DATA")
    if root is None:
        pytest.skip("SPLITWAY_DATA is not set: no recordings and models to try on")
    path = Path(root) / name
    if not path.exists():
        pytest.skip(f"{name} is not under SPLITWAY_DATA")
    return path


@pytest.fixture(scope="module", params=[0, 110, 220])
def picture(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    """Give a frame of the highway clip, 960x540."""
    video = cv2.VideoCapture(str(data_file("camera/udacity_solidWhiteRight.mp4")))
    image: NDArray[np.uint8] | None = None
    for _ in range(int(request.param) + 1):
        _, frame = video.read()
        image = np.asarray(frame, np.uint8)
    video.release()
    assert image is not None
    assert image.shape == (540, 960, 3)
    return image


def run(model: str, tensor: NDArray[np.float32]) -> dict[str, NDArray[np.generic[object]]]:
    """Run a network on one thread; outputs by name."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        str(data_file(model)), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(None, {session.get_inputs()[0].name: tensor})
    names = [output.name for output in session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def test_a_trained_detector_finds_vehicles_inside_the_picture(
    picture: NDArray[np.uint8],
) -> None:
    """YOLOX-nano sees at least one, on the road and of a vehicle's size, and keeps it in bytes."""
    prepared = prepare_image(picture, DETECTOR)
    outputs = run("models/yolox_nano.onnx", to_tensor(prepared.pixels, DETECTOR))
    decoder = Yolox()
    found = decoder.decode(outputs, prepared.geometry)
    assert isinstance(found, Boxes)
    assert VEHICLES & {found.names[kind] for kind in found.classes}
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= (960, 540, 960, 540)).all()
    middle = (found.xyxy[:, 1] + found.xyxy[:, 3]) / 2
    assert ((middle > 250) & (middle < 400)).all()
    assert decoder.agreement(decoder.decode_result(decoder.encode(found)), found) == 1.0


def test_a_trained_segmenter_finds_the_road_ahead(picture: NDArray[np.uint8]) -> None:
    """TwinLiteNet's drivable area lies before the car and not in the sky; lanes are thin."""
    prepared = prepare_image(picture, SEGMENTER)
    outputs = run("models/twinlitenet_bdd100k.onnx", to_tensor(prepared.pixels, SEGMENTER))
    decoder = Masks("da,ll")
    found = decoder.decode(outputs, prepared.geometry)
    assert isinstance(found, MaskSet)
    drivable, lanes = found.masks
    assert drivable[320:350, 280:360].mean() > 0.9
    assert drivable[:150].mean() < 0.01
    assert 0.005 < lanes.mean() < 0.06
    assert decoder.encode(found).nbytes < 30_000
