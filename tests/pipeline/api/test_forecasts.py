"""The shipped LiDAR detector, tracks and the shipped forecaster on one path, scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """
splitway: 1
name: lidar
drive:
  synthetic: {scene: urban, seed: 2107, length: 4s, size: [640, 384]}
  streams: {lidar: {period: 100ms}}
sites: {vehicle: {}, cloud: {}}
links:
  cell: {between: [vehicle, cloud], up: 40Mbit/s, down: 100Mbit/s, rtt: 20ms}
devices:
  edge0: {spec: qualcomm-sa8775p, site: vehicle}
  cloud0: {spec: rebellions-atom, site: cloud}
tasks:
  obstacles:
    input: {stream: lidar}
    variants: {it: {model: "builtin:pillars"}}
    route: [raw, split, edge]
  motion:
    input: {stream: lidar}
    variants: {it: {model: "builtin:forecaster"}}
paths:
  obstacles: {from: lidar, through: [obstacles, track, motion], e2e: 100ms}
run: {seed: 5}
evidence: {images: none}
"""


@pytest.mark.slow
def test_what_a_path_forecasts_is_scored_with_the_objects_that_it_is_of(tmp_path: Path) -> None:
    """Mean distance over three seconds, and again from the evidence; `check` names the state."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    assert any("motion: its network is stateful" in w for w in api.check(scenario).warnings)
    result = api.run(scenario, virtual=True, out=tmp_path / "run")
    figures = result.document["accuracy"]["obstacles"]
    ade_m, fde_m, share = (figures[name] for name in ("ade_m", "fde_m", "forecast_share"))
    assert isinstance(ade_m, float)
    assert isinstance(fde_m, float)
    assert isinstance(share, float)
    assert 0.1 < ade_m < 2.0
    assert ade_m < fde_m < 4.0
    assert 0.1 < share < 1.0  # tracks begin late and end early
    again = api.score_run(tmp_path / "run").scores["obstacles"].figures
    assert again["ade_m"] == ade_m
