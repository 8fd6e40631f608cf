"""The highway examples on the real clip and networks, where the data lies beside the checkout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Iterator

HIGHWAY = Path(__file__).parents[3] / "examples" / "highway"
CLIP = "camera/udacity_solidWhiteRight.mp4"

pytestmark = pytest.mark.skipif(
    not (Path(os.environ.get("SPLITWAY_DATA", "data")) / CLIP).is_file(),
    reason=f"SPLITWAY_DATA names no folder with {CLIP}",
)


@pytest.fixture(scope="module", autouse=True)
def _one_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All tests of this module prime once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPLITWAY_CACHE", str(tmp_path_factory.mktemp("highway")))
        yield


def test_the_detector_is_cut_inside_and_agrees_with_itself_uncut() -> None:
    """The best int8 split sends less than a tenth of the raw frame's share and finds the same."""
    _, document = api.plan(HIGHWAY / "scenario.yaml")
    objects = document["tasks"][0]
    chosen = objects["candidates"][objects["chosen"] or 0]
    assert chosen["route"] == "split"
    assert chosen["agreement"] is not None
    assert chosen["agreement"] >= 0.94  # the cloud's device knows int8 alone
    raw = next(c for c in objects["candidates"] if c["route"] == "raw")
    assert chosen["bytes_up"] < raw["bytes_up"] / 4
    assert all(step["do"] in ("run", "host", "move") for step in chosen["steps"])


def test_the_clip_is_replayed_twice_to_the_same_bytes_with_cars_in_it(tmp_path: Path) -> None:
    """266 path-frames, both gates pass, and most frames show a car where there is one."""
    first = api.run(HIGHWAY / "scenario.yaml", virtual=True, out=tmp_path / "a")
    second = api.run(HIGHWAY / "scenario.yaml", virtual=True, out=tmp_path / "b")
    assert first.exit_code == second.exit_code == 0
    assert first.document["ledger"]["offered"] == 266
    ledger = (tmp_path / "a" / "ledger.csv").read_bytes()
    assert ledger == (tmp_path / "b" / "ledger.csv").read_bytes()
    lines = (tmp_path / "a" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    boxes = [line for line in found if "boxes" in line]
    assert len(boxes) == 221
    with_car = [line for line in boxes if {"car", "truck"} & set(line["classes"])]
    assert len(with_car) > 200
    for line in boxes:
        for left, top, right, bottom in line["boxes"]:
            assert 0 <= left < right <= 960
            assert 0 <= top < bottom <= 540
    assert sum("masks" in line for line in found) == 45


def test_the_plan_chooses_the_edge_when_it_may() -> None:
    """With these devices nothing that crosses the link is faster; the table says so."""
    _, document = api.plan(HIGHWAY / "auto.yaml")
    for task in document["tasks"]:
        assert task["candidates"][task["chosen"] or 0]["route"] == "edge"
        assert "beats the runner-up" in task["explanation"]
