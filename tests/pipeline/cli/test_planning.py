"""What `splitway plan` shows of many candidates: those that matter, or all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Plan = dict[str, Any]


@pytest.fixture
def shown(
    write_scenario: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What the command prints of the small scenario, free to choose."""
    scenario = str(write_scenario())

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["plan", scenario, "--set", "tasks.objects.route=auto", "-q", *arguments])
        assert ended.value.code == 0
        return capsys.readouterr().out

    return run


def _rows(text: str) -> list[str]:
    shapes = {"edge", "raw", "encoded", "split"}
    return [
        line
        for line in text.splitlines()
        if line[:3].strip("▶▷ ") == "" and line[3:10].strip() in shapes
    ]


def test_the_plan_shows_what_matters_and_says_how_much_more_there_is(
    shown: Callable[..., str],
) -> None:
    """What runs is marked; each shape is there with its best; the rest comes with --all."""
    (task,) = json.loads(shown("--json"))["tasks"]
    count = len(task["candidates"])
    short, pareto, whole = shown(), shown("--pareto"), shown("--all")
    assert len(_rows(whole)) == count
    assert len(_rows(pareto)) <= len(_rows(short)) < count
    assert {row[3:].split()[0] for row in _rows(short)} == {
        candidate["route"] for candidate in task["candidates"]
    }
    more = count - len(_rows(short))
    assert f"{more} candidates more" in short
    assert "candidates more" not in whole
    for text in (short, pareto, whole):
        assert sum(row.startswith("▶") for row in _rows(text)) == 1


def test_spans_have_columns_where_more_is_asked_for(shown: Callable[..., str]) -> None:
    """Those of what runs stand in a line as well."""
    said = shown("-v")
    assert "\n  spans      source " in said
    assert "\n  spans      source " in shown()
    assert {"source", "prepare", "uplink", "deliver"} <= set(said.splitlines()[1].split())


def test_the_first_line_says_what_runs(shown: Callable[..., str]) -> None:
    """By its title, with its latency at the percentile."""
    (task,) = json.loads(shown("--json", "--percentile", "90"))["tasks"]
    run = task["candidates"][task["run"]]
    head = shown("--percentile", "90").splitlines()[0]
    assert head == f"objects: {run['title']}  (p90 {run['latency_ms']:.1f} ms)"
