"""Plan files: written, compared, run, and refused where they do not fit."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.cli import main
from pipeline.errors import PlanError
from pipeline.plan.file import PlanMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.plan.document import PlanDocument

ANY = "tasks.objects.route=auto"


def _write(path: Path, document: PlanDocument) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


def _plan(scenario: Path, *settings: str, mapped: bool = False) -> PlanDocument:
    options = api.Options(overrides=settings)
    return api.plan(scenario, options, as_file=True, mapped=mapped)[1]


def test_a_run_obeys_a_plan_file_that_was_changed_by_hand(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Another candidate than the planner's own runs, and the evidence says so."""
    scenario = write_scenario()
    document = _plan(scenario, ANY)
    (task,) = document["tasks"]
    own = task["run"]
    other = next(i for i, c in enumerate(task["candidates"]) if c["route"] == "encoded")
    assert own != other
    task["run"] = other
    plan = _write(tmp_path / "mine.json", document)
    options = api.Options(overrides=(ANY,))
    result = api.run(scenario, options, virtual=True, out=tmp_path / "run", plan_file=plan)
    routes = {row.route_planned for row in result.ledger.rows() if row.route_planned}
    assert routes == {task["candidates"][other]["id"]}
    kept = json.loads((tmp_path / "run" / "plan.json").read_text("utf-8"))
    assert kept["tasks"][0]["run"] == other
    assert "mine.json" in kept["tasks"][0]["explanation"]
    assert api.rerun(tmp_path / "run").same


def test_a_run_with_its_own_plan_gives_the_same_ledger(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Also from the directory of a run; the seed is no part of a plan on a link of constants."""
    scenario = write_scenario()
    first = api.run(scenario, virtual=True, out=tmp_path / "a")
    again = api.run(scenario, virtual=True, out=tmp_path / "b", plan_file=tmp_path / "a")
    assert again.document["ledger"]["hash"] == first.document["ledger"]["hash"]
    other = api.Options(seed=99, overrides=("run.loop=2", "name=renamed"))
    api.run(scenario, other, virtual=True, out=tmp_path / "c", plan_file=tmp_path / "a")


def test_the_draws_are_those_of_the_file(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A table of ones takes the jitter out of a device."""
    scenario = write_scenario()
    document = _plan(scenario)
    tables = document["quantiles"]
    for name in tables:
        tables[name] = [1_000_000] * len(tables[name])
    plan = _write(tmp_path / "calm.json", document)
    result = api.run(scenario, virtual=True, out=tmp_path / "run", plan_file=plan)
    spans = result.document["paths"][0]["spans"]
    assert spans["edge"]["p50_ms"] is not None
    lengths = {
        row.stamps["edge"] - row.stamps["edge_wait"]
        for row in result.ledger.rows()
        if "edge" in row.stamps
    }
    assert len(lengths) == 1


def test_a_plan_map_comes_back_from_its_file(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Borders and cells as the core has them."""
    settings = ("tasks.objects.route=[raw, encoded, split]", "policy={switch: {patience: 2}}")
    scenario = write_scenario()
    document = _plan(scenario, *settings)
    mapped = document["map"]
    assert mapped is not None
    plan = _write(tmp_path / "plan.json", document)
    options = api.Options(overrides=(*settings, "run.sizes=modelled"))
    api.run(scenario, options, virtual=True, out=tmp_path / "run", plan_file=plan)
    kept = json.loads((tmp_path / "run" / "plan.json").read_text("utf-8"))
    assert kept["map"] == mapped
    mapped["tasks"][0]["cells"][0][0][0] = 77
    broken = _write(tmp_path / "broken.json", document)
    with pytest.raises(PlanError, match="map: cells and borders do not match"):
        api.run(scenario, options, virtual=True, out=tmp_path / "x", plan_file=broken)


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("links.cell.up=41Mbit/s", {"link", "scenario"}),
        (
            "devices.cloud0.spec=nvidia-t4",
            {"scenario", "device:nvidia-t4", "device:furiosa-warboy"},
        ),
        ("tasks.objects.importance=2", {"scenario"}),
        ("paths.all.e2e=150ms", {"scenario"}),
    ],
)
def test_a_plan_of_something_else_is_refused_and_each_difference_named(
    write_scenario: Callable[..., Path], tmp_path: Path, setting: str, names: set[str]
) -> None:
    """With what the plan has and what there is now."""
    scenario = write_scenario()
    plan = _write(tmp_path / "plan.json", _plan(scenario))
    with pytest.raises(PlanMismatchError) as caught:
        api.run(
            scenario,
            api.Options(overrides=(setting,)),
            virtual=True,
            out=tmp_path / "run",
            plan_file=plan,
        )
    assert set(caught.value.differing) == names
    assert all(f"  {name}: " in str(caught.value) for name in names)
    assert not (tmp_path / "run").exists()


def test_another_fit_of_a_device_is_another_device(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Its id and label are the same, one rate is not."""
    text = (files("accelerators") / "specs" / "furiosa-warboy.toml").read_text("utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text, "utf-8")
    scenario = write_scenario(("{spec: furiosa-warboy,", "{spec: mine.toml,"))
    plan = _write(tmp_path / "plan.json", _plan(scenario))
    head, rate = text.split("[rates.int8.run_ns]")
    changed = re.sub(r"value = (\d+)", r"value = \g<1>0", rate, count=1)
    assert changed != rate
    mine.write_text(f"{head}[rates.int8.run_ns]{changed}", "utf-8")
    with pytest.raises(PlanMismatchError) as caught:
        api.run(scenario, virtual=True, out=tmp_path / "run", plan_file=plan)
    assert set(caught.value.differing) == {"device:furiosa-warboy"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": "splitway.plan/2"}, "this version reads 'splitway.plan/1'"),
        ({"hashes": None}, "hashes"),
        ({"tasks": []}, "tasks: "),
        ({"quantiles": {}}, "quantiles."),
    ],
)
def test_what_is_no_plan_file_is_refused_by_name(
    write_scenario: Callable[..., Path],
    tmp_path: Path,
    change: dict[str, object],
    reason: str,
) -> None:
    """One line with the file and the key."""
    scenario = write_scenario()
    document = {**_plan(scenario), **change}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document), "utf-8")
    with pytest.raises(PlanError) as caught:
        api.run(scenario, virtual=True, out=tmp_path / "run", plan_file=path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_plan_printed_as_json_or_with_a_route_that_is_not_there_is_refused(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """What to do stands beside."""
    scenario = write_scenario()
    printed = api.plan(scenario)[1]
    with pytest.raises(PlanError, match="`plan --out DIR` writes"):
        api.run(scenario, virtual=True, plan_file=_write(tmp_path / "printed.json", printed))
    document = _plan(scenario)
    candidate = document["tasks"][0]["candidates"][document["tasks"][0]["run"]]
    candidate["id"] = "0123456789ab"
    with pytest.raises(PlanError, match="runs route 0123456789ab"):
        api.run(scenario, virtual=True, plan_file=_write(tmp_path / "gone.json", document))
    document["tasks"][0]["run"] = 0  # edge, and the scenario allows split
    with pytest.raises(PlanError, match="runs edge, which `route` does not allow"):
        api.run(scenario, virtual=True, plan_file=_write(tmp_path / "barred.json", document))
    document["tasks"][0]["run"] = 99
    with pytest.raises(PlanError, match="there is no candidate 99"):
        api.run(scenario, virtual=True, plan_file=_write(tmp_path / "far.json", document))
    (tmp_path / "text.json").write_text("{", "utf-8")
    with pytest.raises(PlanError, match="is no JSON"):
        api.run(scenario, virtual=True, plan_file=tmp_path / "text.json")


def test_two_plans_are_compared_with_an_exit_code(
    write_scenario: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 for the same, 1 where they differ, 2 where one cannot be read."""
    scenario = write_scenario()
    one = _write(tmp_path / "one.json", _plan(scenario))
    two = _write(tmp_path / "two.json", _plan(scenario, "links.cell.up=1Mbit/s"))

    def diff(*arguments: Path | str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["plan", "--diff", *map(str, arguments)])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    assert diff(one, one) == 0
    assert diff(one, scenario) == 0
    assert diff(scenario.parent, one) == 0  # a directory with a scenario.yaml
    capsys.readouterr()
    assert diff(one, two) == 1
    shown = capsys.readouterr().out
    assert "made from another link" in shown
    assert "objects: runs split zstd:int8 in place of" in shown
    assert diff(one, two, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "splitway.plan-diff/1"
    assert document["tasks"][0]["route_changed"] is True
    assert {change["what"] for change in document["made_from"]} == {"link", "scenario"}
    assert diff(one, tmp_path / "none.json") == 2
    assert diff(one) == 2
    (tmp_path / "empty").mkdir()
    assert diff(one, tmp_path / "empty") == 2
    assert "neither a plan.json nor a scenario.yaml" in capsys.readouterr().err
