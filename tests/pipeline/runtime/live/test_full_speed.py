"""Live runs at full speed, and with faulty sensors: nothing is lost, and the ledger says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MS = 1_000_000


@pytest.mark.live
def test_at_full_speed_every_recorded_frame_is_settled(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Two passes, an order that faults disturb: every frame has one fate, in the order sent."""
    fault = "  streams: {front: {period: 50ms}}\n"
    scenario = write_scenario(
        (fault, f"{fault}  faults: [{{stream: front, at: 1s, for: 300ms, kind: reorder}}]\n")
    )
    out = tmp_path / "run"
    options = api.Options(overrides=("run.rate=max", "run.loop=2"))
    result = api.run(scenario, options, out=out)
    rows = [row for row in result.ledger.rows() if row.path == "all"]
    assert sorted(row.frame for row in rows) == list(range(80))
    assert [row.frame for row in rows][20:26] == [21, 20, 23, 22, 25, 24]
    assert {row.fate for row in rows} <= {"cloud", "late"}
    assert all(one.stamps["source"] >= one.scheduled_ns for one in rows)
    taken_ns = rows[-1].scheduled_ns - rows[0].scheduled_ns
    assert taken_ns != 80 * 50 * MS
    document = result.document
    assert [reason["reason"] for reason in document["inconclusive"]][:1] == ["full-speed"]
    assert {gate["verdict"] for gate in document["gates"]} == {"inconclusive"}
    assert any(note.startswith("at full speed 80 frames") for note in result.notes)
    assert result.exit_code == 3
    assert api.rerun(out).same


@pytest.mark.live
def test_a_live_run_with_faulty_sensors_balances(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The player passes over what is lost; what comes twice is taken once."""
    streams = "  streams: {front: {period: 50ms}}\n"
    faults = """  faults:
    - {stream: front, at: 300ms, for: 200ms, kind: drop}
    - {stream: front, at: 700ms, for: 200ms, kind: duplicate}
    - {stream: front, at: 1700ms, kind: drop}
"""
    out = tmp_path / "run"
    result = api.run(write_scenario((streams, streams + faults)), out=out)
    rows = {row.frame: row for row in result.ledger.rows() if row.path == "all"}
    assert sorted(rows) == list(range(40))
    lost = [number for number, row in rows.items() if row.cause == "sensor"]
    assert lost == [6, 7, 8, 9, *range(34, 40)]
    assert any(note == "duplicate: 4" for note in result.notes)
    marks = [
        event["what"]
        for line in (out / "events/vehicle.jsonl").read_text("utf-8").splitlines()
        if (event := json.loads(line)["event"]) and event["is"] == "FaultMarked"
    ]
    assert marks == [
        *(f"front/{number} drop" for number in range(6, 10)),
        *(f"front/{number} duplicate" for number in range(14, 18)),
        *(f"front/{number} drop" for number in range(34, 40)),
    ]
    assert api.rerun(out).same


def test_at_full_speed_the_cloud_refuses_nothing(write_scenario: Callable[..., Path]) -> None:
    """However late: a frame that it refused would be lost."""
    options = api.Options(overrides=("run.rate=max",))
    assert not api.check(write_scenario(), options).spec.core.cloud.refuses
    assert api.check(write_scenario()).spec.core.cloud.refuses
