"""A scenario run both ways and compared: the smoke test, and what makes it answer otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.errors import InputError, ScenarioError
from pipeline.verdict.agreement import Tolerances
from replay.errors import ReplayError
from replay.evidence import verify_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

WIDE = Tolerances(p50=20, p90=20, p99=20, spans=1, floor_ns=10**10, fates=1)


@pytest.mark.live
def test_an_idle_link_agrees_in_everything_that_no_clock_decides(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The smoke test: both runs there, all frames compared, kinds labelled; no time is judged."""
    out = tmp_path / "both"
    found = api.agree(write_scenario(), repeats=1, tolerances=WIDE, out=out)
    document = found.document
    assert found.failure is None
    assert document == json.loads((out / "agreement.json").read_text("utf-8"))
    assert document["schema"] == "splitway.agree/1"
    assert document["runs"] == {"virtual": "virtual", "live-1": "live"}
    assert sorted(found.results) == ["live-1", "virtual"]
    assert [(path["name"], path["frames"]) for path in document["paths"]] == [
        ("all", 40),
        ("some", 10),
    ]
    for path in document["paths"]:
        assert (path["virtual_kind"], path["live_kind"]) == ("modelled", "emulated")
        p50, _, p99 = path["percentiles"]
        assert p50["modelled_ms"] is not None
        # A host that is very busy may drop half of the frames; then the figure says so.
        assert p50["live_ms"] is not None or p50["reason"]
        assert p99["reason"] == f"needs 299 frames, has {path['frames']}"
        spans = {span["name"] for span in path["spans"]}
        assert spans >= {"source", "prepare", "edge", "pack", "uplink", "cloud", "post", "deliver"}
    signs = {sign["sign"] for sign in document["noise"] if sign["unit"] == "ms"}
    assert signs == {"late-holds", "late-hops", "player-lag"}
    costs = {(cost["what"], cost["where"]) for cost in document["host_costs"]}
    assert costs >= {
        ("prepare", "vehicle-host"),
        ("pack", "vehicle-host"),
        ("unpack", "cloud-host"),
        ("post", "cloud-host"),
        ("deliver", "consumer-host"),
        ("hop", "frame"),
        ("hop", "work"),
        ("hop", "answer"),
        ("hop", "result"),
    }
    assert all(cost["modelled_ms"] > 0 and cost["live_ms"] > 0 for cost in document["host_costs"])
    assert document["differ"] == []
    assert document["verdict"] != "fail"
    virtual = api.load_result(out / "virtual")
    assert virtual["driver"] == "virtual"
    assert api.load_result(out / "live-1")["driver"] == "live"
    assert not verify_manifest(out)
    again = api.run(write_scenario(), virtual=True, out=tmp_path / "again")
    assert again.ledger.hash() == virtual["ledger"]["hash"]


def test_a_stop_compares_nothing(write_scenario: Callable[..., Path], tmp_path: Path) -> None:
    """The runs are kept as far as they came, and the answer is neither yes nor no."""

    class Impatient(api.Silent):
        def stop_asked(self) -> str:
            return "enough"

    found = api.agree(write_scenario(), out=tmp_path / "both", observer=Impatient())
    assert found.exit_code == 130
    assert found.document["partial"]
    assert found.document["verdict"] == "inconclusive"
    assert found.document["paths"] == []
    assert list(found.results) == ["virtual"]


def test_what_cannot_be_compared_is_refused_before_anything_runs(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """No live run, full speed, a directory that holds something, a scenario that is wrong."""
    scenario = write_scenario()
    with pytest.raises(InputError, match="--repeats: at least one"):
        api.agree(scenario, repeats=0, out=tmp_path / "a")
    full = api.Options(overrides=("run.rate=max",))
    with pytest.raises(ScenarioError, match="max is for live runs"):
        api.agree(scenario, full, out=tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine").write_text("", "utf-8")
    with pytest.raises(ReplayError, match="not empty"):
        api.agree(scenario, out=tmp_path / "c")
    (tmp_path / "d").write_text("", "utf-8")
    with pytest.raises(ReplayError, match="no directory"):
        api.agree(scenario, out=tmp_path / "d")
    with pytest.raises(ScenarioError):
        api.agree(scenario, api.Options(overrides=("run.nothing=1",)), out=tmp_path / "e")


def test_directories_are_numbered_like_those_of_runs(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runs/<scenario>-agree-<seed>`, then `-2`."""

    class Impatient(api.Silent):
        def stop_asked(self) -> str:
            return "enough"

    scenario = write_scenario()
    monkeypatch.chdir(tmp_path)
    found = [api.agree(scenario, observer=Impatient()).directory for _ in range(2)]
    assert found == [Path("runs/small-agree-5"), Path("runs/small-agree-5-2")]
