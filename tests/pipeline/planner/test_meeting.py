"""What is predicted of paths that join several sensors, and how it is held against a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import api
from pipeline.planner.meeting import shifts_ns

TWO_CAMERAS = Path(__file__).parents[1] / "two_cameras.yaml"
STEADY = (
    *("drive.synthetic.length=5s", "run.sizes=modelled", "links.cell.profile=null"),
    *("links.cell.up=20Mbit/s", "links.cell.down=50Mbit/s", "links.cell.rtt=20ms"),
    *("links.cell.faults=[]", "policy.hedge={start: never}"),
)


def test_a_partner_s_frame_is_due_when_the_nearest_of_its_stream_is() -> None:
    """Twice a tenth of a second against 30 ms later, and one of an offset."""
    anchor = [(0, 0), (100, 100), (200, 200)]
    partner = [(-70, -70), (30, 30), (130, 130), (230, 231)]
    assert shifts_ns(anchor, partner, 0) == (30, 30, 31)
    assert shifts_ns(anchor, partner, -60) == (-70, -70, -70)
    assert shifts_ns(anchor, [], 0) == (0,)


def test_a_fused_path_is_predicted_and_held_against_the_run(tmp_path: Path) -> None:
    """The anchor waits for the partner's later frame, and no span is off."""
    options = api.Options(overrides=STEADY)
    result = api.run(TWO_CAMERAS, options, virtual=True, out=tmp_path / "run")
    found = result.document["paths"]
    surround = next(path for path in found if path["name"] == "surround")["prediction"]
    assert surround is not None
    assert surround["frames"] > 20
    assert surround["off"] == []
    waited = surround["spans"]["fuse_wait"]
    assert waited["observed_ms"] == pytest.approx(waited["predicted_ms"][1], abs=2.0)
    assert waited["predicted_ms"][1] > 15  # the left camera's frames come 20 ms later
    assert surround["observed_ms"] == pytest.approx(surround["predicted_ms"][1], rel=0.05)
    anchor = next(path for path in found if path["name"] == "front->objects")["prediction"]
    assert anchor is not None
    assert surround["predicted_ms"][1] > anchor["predicted_ms"][1] + 15


def test_a_set_that_waits_for_nobody_is_not_predicted_to(tmp_path: Path) -> None:
    """At most as long as the path waits, whatever the partner takes."""
    path = "paths.surround.from={anchor: front, with: {left: {wait: 5ms, partial: allowed}}}"
    options = api.Options(overrides=(*STEADY, path))
    result = api.run(TWO_CAMERAS, options, virtual=True, out=tmp_path / "run")
    paths = result.document["paths"]
    surround = next(p for p in paths if p["name"] == "surround")["prediction"]
    assert surround is not None
    assert surround["spans"]["fuse_wait"]["predicted_ms"][2] == pytest.approx(5.0)
    assert "fuse_wait" not in surround["off"]
