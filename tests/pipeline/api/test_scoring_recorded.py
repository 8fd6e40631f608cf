"""A labelled frame of a real recording, scored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(os.environ.get("SPLITWAY_DATA", "data"))
SCENARIO = """
splitway: 1
name: kitti
drive:
  path: data:kitti_object
  streams: {front: {period: 100ms}}
sites: {vehicle: {}, cloud: {}}
links:
  cell: {between: [vehicle, cloud], up: 40Mbit/s, down: 100Mbit/s, rtt: 10ms}
devices:
  edge0: {spec: qualcomm-sa8775p, site: vehicle}
  cloud0: {spec: furiosa-warboy, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 416], fit: letterbox}
    variants: {nano: {model: "data:models/yolox_nano.onnx"}}
    output: {decoder: yolox, score: 0.05}
    route: edge
paths:
  all: {from: front, through: [objects], e2e: 200ms}
scoring: {objects: {classes: {person: pedestrian, bicycle: cyclist}}}
gates: {accuracy: {objects: {map: 0.05}}}
run: {seed: 5, loop: 3}
evidence: {images: none}
"""


@pytest.mark.skipif(
    not (DATA / "kitti_object").is_dir(), reason="SPLITWAY_DATA has no kitti_object"
)
def test_a_public_detector_on_a_labelled_frame_of_kitti(tmp_path: Path) -> None:
    """Three passes of one crowded frame: 15 small cyclists and pedestrians, three cars, two areas.

    The large cars are found and the small people are not, which is what a network of 1 M parameters
    on a picture shrunk to a third can do; the figures are bounds, since backends round differently.
    """
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    result = api.run(tmp_path / "scenario.yaml", virtual=True, out=tmp_path / "run")
    task = api.score_run(tmp_path / "run").scores["objects"]
    assert result.document["accuracy"]["objects"]["map"] == task.figures["map"]
    assert (task.labelled, task.results) == (3, 3)
    assert 0.05 < (task.figures["map"] or 0.0) < 0.25
    assert (task.figures["ap_large"] or 0.0) > 0.3
    assert (task.by_class["car"]["map"] or 0.0) > (task.by_class["pedestrian"]["map"] or 0.0)
    assert task.by_class["car"]["objects"] == 9
    assert set(task.unscored) >= {"van", "tram"}
    streaming = task.figures["streaming_map"]
    assert streaming is not None
    assert streaming < (task.figures["map"] or 0.0)  # at the first of three instants there is none
    (gate,) = (gate for gate in result.document["gates"] if gate["name"] == "accuracy")
    assert gate["verdict"] == "pass"
    other = api.ScoreOptions(labels=DATA / "kitti_object")
    assert api.score_run(tmp_path / "run", other).accuracy == {"objects": task.document()}


CLIP = """
splitway: 1
name: clip
drive:
  path: data:camera/udacity_solidWhiteRight.mp4
  streams: {front: {period: 40ms}}
  window: {length: 4s}
sites: {vehicle: {}, cloud: {}}
links:
  cell: {between: [vehicle, cloud], up: 12Mbit/s, down: 50Mbit/s, rtt: 50ms}
devices:
  edge0: {spec: qualcomm-sa8775p, site: vehicle}
  cloud0: {spec: furiosa-warboy, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 416], fit: letterbox}
    variants: {it: {model: "data:models/yolox_nano.onnx"}}
    output: {decoder: yolox, score: 0.3}
    route: edge
paths:
  all: {from: front, through: [objects], e2e: 150ms}
run: {seed: 5}
evidence: {images: none}
"""


@pytest.mark.skipif(
    not (DATA / "camera").is_dir() or not (DATA / "models").is_dir(),
    reason="SPLITWAY_DATA has no camera and models",
)
def test_streaming_accuracy_of_the_real_clip_against_its_largest_model(tmp_path: Path) -> None:
    """No labels: what the float32 network finds is taken for true, offline and in time.

    At 25 frames/s the car's own answer is one frame old when it counts, that over the link two,
    and the int8 network differs besides; so each figure has to be below the one before.
    """
    (tmp_path / "scenario.yaml").write_text(CLIP, encoding="utf-8")

    def figures(name: str, *overrides: str) -> Mapping[str, float | None]:
        options = api.Options(overrides=overrides)
        out = tmp_path / name
        api.run(tmp_path / "scenario.yaml", options, virtual=True, out=out)
        against = api.ScoreOptions(against=tmp_path / "reference")
        return api.score_run(out, against).scores["objects"].figures

    int8 = "tasks.objects.variants.it.model=data:models/yolox_nano_int8_qdq.onnx"
    api.run(tmp_path / "scenario.yaml", virtual=True, out=tmp_path / "reference")
    itself = figures("itself")
    assert itself["map"] == pytest.approx(1.0)
    own = figures("int8", int8)
    far = figures("far", int8, "tasks.objects.route=encoded")
    assert own["mean_lag_frames"] == pytest.approx(1.0)
    assert (far["mean_lag_frames"] or 0.0) > 1.5
    for name in ("map", "streaming_map"):
        assert 0.3 < (own[name] or 0.0) < (itself[name] or 0.0)
    assert 0.1 < (far["streaming_map"] or 0.0) < (own["streaming_map"] or 0.0)
