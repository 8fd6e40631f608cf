"""Accuracy is worth what it is worth when it arrives: the larger network loses on a slow device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Mapping

ECU = Path(__file__).resolve().parents[3] / "examples" / "urban" / "ecu.toml"
SCENARIO = """
splitway: 1
name: slow
drive:
  synthetic: {scene: urban, seed: 5, length: 10s, size: [640, 384]}
  streams: {front: {camera: front, period: 100ms}}
sites: {vehicle: {}, cloud: {}}
links:
  cell: {between: [vehicle, cloud], up: 10Mbit/s, down: 50Mbit/s, rtt: 40ms}
devices:
  edge0: {spec: ecu.toml, site: vehicle, faults: [{kind: slow, at: 0s, for: 60s, factor: 2}]}
  cloud0: {spec: furiosa-warboy, site: cloud}
tasks:
  objects:
    input: {stream: front}
    variants: {it: {model: "builtin:camera-large"}}
    route: edge
paths:
  front: {from: front, through: [objects], e2e: 200ms, horizon: 2s}
policy: {in_flight: 1}
run: {seed: 5}
evidence: {images: none}
"""


@pytest.mark.slow
def test_a_large_network_on_a_slow_device_wins_offline_and_loses_in_time(tmp_path: Path) -> None:
    """By three points each way, in the urban scene, on a control unit at half its clock.

    Of the large network a quarter of the frames is answered, all of them late, and each answer is
    better; the small one answers more of them sooner. The world moves on meanwhile.
    """
    (tmp_path / "scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    (tmp_path / "ecu.toml").write_text(ECU.read_text(encoding="utf-8"), encoding="utf-8")

    def figures(size: str) -> Mapping[str, float | None]:
        options = api.Options(overrides=(f"tasks.objects.variants.it.model=builtin:camera-{size}",))
        out = tmp_path / size
        (path,) = api.run(tmp_path / "scenario.yaml", options, virtual=True, out=out).document[
            "paths"
        ]
        if size == "large":  # nothing could be in time, so nothing is given up as too late
            assert set(path["causes"]) <= {"late(edge)", "late(edge_wait)", "dropped(overtaken)"}
        return api.score_run(out).scores["objects"].figures

    large, small = figures("large"), figures("small")
    assert (large["map"] or 0.0) > (small["map"] or 0.0) + 0.03
    assert (large["streaming_map"] or 0.0) < (small["streaming_map"] or 0.0) - 0.03
    assert (large["mean_lag_frames"] or 0.0) > 3.0
