"""A host file written from a live run, and refusals before one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from accelerators.models.host import load_host
from pipeline import api
from pipeline.api import calibrating, replaying
from pipeline.cli.app import app
from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.api.calls import Observer
    from pipeline.assembly import Assembled
    from pipeline.verdict.agreement_costs import Cost

SLOWLY = ("run.loop=3", "run.rate=0.4")  # enough frames in time, also on a host that is very busy


@pytest.mark.live
def test_the_file_holds_what_the_live_run_cost(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Every stage that was used has the run's median, and a scenario can name the file."""
    scenario = write_scenario()
    file = scenario.parent / "mine.toml"
    passes = api.Options(overrides=SLOWLY)
    found = api.calibrate_host(file, scenario=scenario, options=passes, out=tmp_path / "run")
    assert found.exit_code == 0
    host = load_host(file, source="mine.toml")
    assert "cores of" in host.machine
    costs = {(cost.what, cost.where): cost for cost in found.costs}
    hop = costs["hop", "work"]
    assert hop.size_bytes is not None
    assert host.hop_ns(message_bytes=hop.size_bytes) == pytest.approx(hop.live_ns, rel=0.5)
    live = {name for name, stage in host.spec.stages.items() if stage.label == "profiled"}
    assert {name.partition(":")[0] for name in live} >= {"prepare", "pack", "unpack", "hop"}
    assert "post:yolox" in live
    for name in live:
        assert "measured live" in host.spec.stages[name].source
    options = api.Options(overrides=("sites.vehicle.host=mine.toml", "sites.cloud.host=mine.toml"))
    slower = api.run(scenario, options, virtual=True, out=tmp_path / "slower")
    before = api.run(scenario, virtual=True, out=tmp_path / "before")
    assert slower.ledger.hash() != before.ledger.hash()


@pytest.mark.parametrize(("fewer", "most"), [("pack", 0), ("", 19)])
def test_what_was_used_less_than_twenty_times_is_left_out(
    write_scenario: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fewer: str,
    most: int,
) -> None:
    """Its curve stays the old host's, and where that is all there is nothing is written."""
    run, costs_of = replaying.replay_scenario, calibrating._costs

    def virtually(
        assembled: Assembled, *, virtual: bool, out: Path, annotate: bool, observer: Observer
    ) -> api.Result:
        assert not virtual
        return run(assembled, virtual=True, out=out, annotate=annotate, observer=observer)

    def seldom(assembled: Assembled, result: api.Result) -> list[Cost]:
        return [
            replace(cost, seen=19) if cost.what.startswith(fewer) else cost
            for cost in costs_of(assembled, result)
        ]

    monkeypatch.setattr(replaying, "replay_scenario", virtually)
    monkeypatch.setattr(calibrating, "_costs", seldom)
    scenario, file = write_scenario(), tmp_path / "mine.toml"
    if most:
        with pytest.raises(InputError, match=f"used its stages and hops {most} times at most"):
            api.calibrate_host(file, scenario=scenario, out=tmp_path / "run")
        assert not file.exists()
        return
    api.calibrate_host(file, scenario=scenario, out=tmp_path / "run")
    labels = {name: stage.label for name, stage in load_host(file, source="").spec.stages.items()}
    assert labels["prepare"] == labels["post:yolox"] == "profiled"
    packs = {label for name, label in labels.items() if name.partition(":")[0] == "pack"}
    assert packs
    assert "profiled" not in packs


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mine.txt", "NAME.toml"),
        ("Mine.toml", "NAME.toml"),
        ("there.toml", "--force"),
        ("nowhere/mine.toml", "no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, name: str, reason: str
) -> None:
    """Nobody waits for a run and loses it."""
    (tmp_path / "there.toml").write_text("kept", "utf-8")
    with pytest.raises(InputError, match=reason):
        api.calibrate_host(tmp_path / name)
    assert (tmp_path / "there.toml").read_text("utf-8") == "kept"


@pytest.mark.live
def test_the_verb_prints_one_document(write_scenario: Callable[..., Path], tmp_path: Path) -> None:
    """With before and after of every stage and hop."""
    scenario = write_scenario()
    file = tmp_path / "mine.toml"
    answer = CliRunner().invoke(
        app,
        [
            "calibrate",
            str(scenario),
            "--host",
            str(file),
            "--json",
            "--quiet",
            *(word for override in SLOWLY for word in ("--set", override)),
            "--out",
            str(tmp_path / "run"),
        ],
    )
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert document["schema"] == "splitway.calibrate-host/1"
    assert document["file"] == str(file)
    assert file.is_file()
    assert {"prepare", "pack", "post", "deliver", "hop"} <= {c["what"] for c in document["costs"]}
