"""The demo: its own run, and the plans that it is held against."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from pipeline import api
from pipeline.cli.app import app

if TYPE_CHECKING:
    from pathlib import Path

SHORT = (
    "drive.synthetic={scene: urban, seed: 2101, length: 2s, size: [320, 192]}",
    "links.cell.faults=[{at: 800ms, for: 600ms, kind: blackout}]",
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> api.Demonstration:
    """Two seconds of the demo in virtual time."""
    out = tmp_path_factory.mktemp("demo") / "run"
    return api.demo(api.Options(overrides=SHORT), virtual=True, out=out)


def test_the_demo_stands_beside_edge_only_and_cloud_only(shown: api.Demonstration) -> None:
    """Each by its route, on the same frames, with deadlines, accuracy, bytes and energy."""
    assert [standing.rival.name for standing in shown.standings] == [
        "planned",
        "edge-only",
        "cloud-only",
    ]
    planned, edge, cloud = shown.standings
    assert edge.entry.route == "edge"
    assert edge.entry.bytes_up == 0
    assert cloud.entry.route.startswith("encoded")
    assert min(planned.entry.bytes_up, cloud.entry.bytes_up) > 0
    for standing in shown.standings:
        assert standing.accuracy is not None
        assert standing.entry.streaming is not None
        assert 0 < standing.entry.streaming < 1
        assert standing.result["ledger"]["offered"] == 20
    # Nothing covers the cloud during the blackout; the car alone answers every frame.
    assert edge.entry.on_time == 1.0
    assert cloud.entry.on_time < planned.entry.on_time


def test_the_plan_once_more_in_virtual_time_is_the_same_run(shown: api.Demonstration) -> None:
    """Same drive, plan, link and draws: the comparison is fair."""
    again = shown.standings[0].result
    assert again["ledger"]["hash"] == shown.result.document["ledger"]["hash"]


def test_the_demo_is_accurate_and_nothing_of_it_is_untrained(shown: api.Demonstration) -> None:
    """The shipped networks find what the drive shows."""
    figures = shown.result.document["accuracy"]["objects"]
    assert figures["map"] is not None
    assert not any("not trained" in note or "untrained" in note for note in shown.result.notes)


def test_the_command_prints_the_run_and_the_plans(tmp_path: Path) -> None:
    """One document, the run's own with the plans beside it; `--alone` leaves them out."""
    words = [word for setting in SHORT for word in ("--set", setting)]
    command = ["demo", "--virtual", "--json", "--quiet", *words]
    answer = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "a")])
    assert answer.exit_code in (0, 1, 3), answer.output
    document = json.loads(answer.stdout)
    assert document["schema"] == "splitway.result/1"
    assert document["plans"]["kind"] == "modelled"
    assert [plan["plan"] for plan in document["plans"]["of"]] == [
        "planned",
        "edge-only",
        "cloud-only",
    ]
    alone = CliRunner().invoke(app, [*command, "--alone", "--out", str(tmp_path / "b")])
    assert json.loads(alone.stdout)["plans"]["of"] == []
    assert not (tmp_path / "b-beside").exists()


def test_a_stop_behind_the_run_leaves_the_comparison_out(tmp_path: Path) -> None:
    """The run itself is whole; what was stopped is said, for the exit code."""

    class Impatient(api.Silent):
        """Stops once the first plan beside the run is being replayed."""

        beside = False

        def stage(self, name: str) -> None:
            """A stage begins."""
            self.beside = self.beside or name.startswith("beside")

        def stop_asked(self) -> str:
            """Enough, then."""
            return "enough" if self.beside else ""

    found = api.demo(
        api.Options(overrides=SHORT), virtual=True, out=tmp_path / "run", observer=Impatient()
    )
    assert not found.result.document["partial"]
    assert found.cut_short
    assert found.standings == ()
