"""`splitway agree` as a user calls it: tables, tolerances, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.api import Agreement
from pipeline.cli.agreeing import print_agreement
from pipeline.cli.options import Common
from pipeline.ledger import Ledger, Row
from pipeline.ledger.columns import Columns
from pipeline.verdict.agreement import Tolerances, compare_path
from pipeline.verdict.agreement_document import agreement_document
from pipeline.verdict.agreement_noise import Noise

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND = str(Path(sys.executable).with_name("splitway"))


def _splitway(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _ledger(uplink_ns: int) -> Ledger:
    columns = Columns()
    for frame in range(50):
        due_ns = frame * 10**8
        stamps = {"source": due_ns + 10**6, "uplink": due_ns + 10**6 + uplink_ns}
        columns.add(
            Row(
                path="p",
                frame=frame,
                content=frame,
                scheduled_ns=due_ns,
                deadline_at_ns=due_ns + 10**8,
                fate="cloud",
                route_delivered="r",
                stamps={**stamps, "deliver": stamps["uplink"]},
            )
        )
    return Ledger(columns, driver="virtual")


@pytest.fixture
def agreement(tmp_path: Path) -> Agreement:
    """A live run whose uplink takes 10 ms longer, on a quiet host."""
    path = compare_path(_ledger(20 * 10**6), [_ledger(30 * 10**6)], "p", Tolerances(), seed=1)
    late = Noise(run="live-1", sign="late-holds", value=10**6, limit=4 * 10**6, noisy=False)
    document = agreement_document(
        scenario="s",
        seed=1,
        partial=False,
        runs={"virtual": "virtual", "live-1": "live"},
        tolerances=Tolerances(),
        confidence=0.95,
        noise=[late],
        paths=[path],
        live_kinds={"p": "emulated"},
        costs=[],
        notes=[],
    )
    return Agreement(document=document, directory=tmp_path, results={}, failure=None, exit_code=1)


@pytest.mark.live
def test_agree_prints_one_document_and_answers_with_its_verdict(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The tolerances are those of the options; progress goes to standard error."""
    done = _splitway(
        "agree",
        str(write_scenario()),
        "--repeats",
        "1",
        "--p50",
        "7.5",
        "--floor",
        "2",
        "--json",
        "--out",
        str(tmp_path / "both"),
    )
    document = json.loads(done.stdout)
    assert done.returncode == {"pass": 0, "fail": 1, "inconclusive": 3}[document["verdict"]]
    assert document["tolerances"]["p50"] == 0.075
    assert document["tolerances"]["p99"] == 0.1
    assert document["tolerances"]["spans_floor_ms"] == 2.0
    assert " run     live-1" in done.stderr


@pytest.mark.live
def test_a_wrong_scenario_and_a_timeout_have_codes_of_their_own(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """2 for the file, 3 for a run that was ended by the clock."""
    scenario = str(write_scenario())
    wrong = _splitway("agree", scenario, "--set", "run.nothing=1")
    assert wrong.returncode == 2
    assert "run.nothing" in wrong.stderr
    stopped = _splitway(
        "agree", scenario, "--timeout", "0.1", "--json", "--out", str(tmp_path / "both")
    )
    assert stopped.returncode == 3
    assert json.loads(stopped.stdout)["partial"] is True


def test_the_table_labels_its_columns_and_says_what_differs(
    capsys: pytest.CaptureFixture[str], agreement: Agreement
) -> None:
    """Modelled and emulated stand in columns of their own, under their names."""
    print_agreement(Common(), agreement)
    shown = capsys.readouterr().out
    header = next(line for line in shown.splitlines() if "modelled" in line)
    assert header.split()[:2] == ["modelled", "emulated"]
    assert "differs p: uplink by +10.00 ms" in shown
    assert "live-1: late holds 1.00 ms at p99, limit 4.00" in shown
    assert "fates within: the same for 100.0% of frames" in shown
    assert shown.rstrip().splitlines()[-1].startswith("DIFFER  1 live run ")
