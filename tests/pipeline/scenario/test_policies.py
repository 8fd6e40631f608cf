"""Policies that contradict each other are refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ScenarioError
from pipeline.scenario.loading import load_scenario

TWO_CAMERAS = Path(__file__).parents[1] / "two_cameras.yaml"

BAD = {
    "policy.hedge={start: never, with: tail}": ("policy.hedge", "says how to hedge"),
    "policy.hedge={start: sometimes}": ("policy.hedge.start", "'sometimes' is unknown; known"),
    "policy.hedge={start: latets}": ("policy.hedge.start", "did you mean 'latest'?"),
    "policy.hedge={start: latest, edge_cost: 5%}": (
        "policy.hedge.edge_cost",
        "is for `start: cost-based` alone",
    ),
    "policy.hedge={start: cost-based, edge_cost: 100%}": (
        "policy.hedge.edge_cost",
        "between 0% and 100%",
    ),
    "policy.hedge={start: deadline - 160ms}": ("policy.hedge.start", "before the frame is there"),
    "policy.hedge={start: deadline - soon}": (
        "policy.hedge.start",
        "must be a duration with a unit",
    ),
    "policy.hedge={start: latest, with: head}": ("policy.hedge.with", "is tail, variant:NAME"),
    "policy.hedge={start: latest, with: 'variant:tiny'}": (
        "policy.hedge.with",
        "has no variant 'tiny'; it has untrained",
    ),
    "policy.hedge={start: latest, with: 'variant:untrained'}": (
        "policy.hedge.with",
        "runs anyway",
    ),
    "policy.switch={patience: 2}": ("policy.switch", "has nothing to switch between"),
    "policy.breaker={open_after: 0}": ("policy.breaker.open_after", "greater than or equal to 1"),
    "policy={expired: drop, cloud: {refuse: never}}": ("policy.cloud.refuse", "choose one"),
    "devices.edge0.batch=2": ("devices.edge0.batch", "is for the cloud's device"),
    "devices.cloud0={backend: cpu, site: cloud, batch: 2}": (
        "devices.cloud0.batch",
        "a real one runs no batches",
    ),
    "devices.cloud0={backend: cpu, site: cloud, faults: [{at: 1s, for: 1s, factor: 2}]}": (
        "devices.cloud0.faults",
        "a real one is not slowed",
    ),
    "paths.surround.through=[objects, crossing]": ("paths.surround.through", "ends with 'fuse'"),
    "paths.surround.through=[objects, fuse]": (
        "paths.surround.through",
        "needs one task that reads 'left'; there is none",
    ),
    "paths.surround.from={anchor: front, with: {rear: {}}}": (
        "paths.surround.from",
        "there is no stream 'rear'",
    ),
    "paths.surround.from={anchor: front, with: {front: {}}}": (
        "paths.surround.from",
        "names a stream twice",
    ),
    "paths.left->crossing.through=[crossing, objects]": (
        "paths.left->crossing.through",
        "name sensors with `anchor`",
    ),
}


@pytest.mark.parametrize("setting", BAD)
def test_what_contradicts_itself_is_named_with_its_key(setting: str) -> None:
    """Nothing runs, and the key and the reason are said."""
    key, reason = BAD[setting]
    with pytest.raises(ScenarioError) as caught:
        load_scenario(TWO_CAMERAS, overrides=[setting])
    found = [(problem.key, problem.reason) for problem in caught.value.problems]
    assert any(at == key and reason in text for at, text in found), found


def test_problems_carry_the_file_and_the_line(tmp_path: Path) -> None:
    """As every problem of a scenario."""
    text = TWO_CAMERAS.read_text(encoding="utf-8").replace("start: latest", "start: never")
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if "hedge:" in row)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(path), line)


def test_a_hedge_is_taken_back_with_null() -> None:
    """From the command line, or by a file that extends another, whatever the hedge was."""
    loaded = load_scenario(TWO_CAMERAS, overrides=["policy.hedge=null"])
    assert loaded.scenario.policy.hedge.start == "never"
    assert load_scenario(TWO_CAMERAS).scenario.policy.hedge.start == "latest"
