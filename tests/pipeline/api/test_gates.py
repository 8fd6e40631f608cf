"""Gates, advice and moving deadlines through whole runs in virtual time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.api import Result

NS_PER_MS = 1_000_000
GATES = (
    "e2e: 200ms,",
    "e2e: 200ms, max_age: 1s, weakly_hard: {misses: 2, in: 10}, consecutive: 3,",
)
BUDGETS = ("run: {seed: 5,", "budgets: {all: {uplink: 1us, edge: 1s}}\nrun: {seed: 5,")
MOVING = ("e2e: 400ms", "e2e: {base: 400ms, from: 0m/s, per_m_s: 1ms, floor: 50ms}")


def run(scenario: Path, out: Path, *sets: str) -> Result:
    """A virtual run with settings."""
    return api.run(scenario, api.Options(overrides=sets), virtual=True, out=out)


def test_every_gate_of_a_scenario_is_judged_and_every_budget_compared(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """In the order of the scenario's paths, and the same document byte by byte once more."""
    scenario = write_scenario(GATES, BUDGETS)
    document = run(scenario, tmp_path / "a").document
    gates = {(gate["path"], gate["name"]): gate for gate in document["gates"]}
    assert list(gates) == [
        ("all", "max_miss"), ("all", "max_age"), ("all", "weakly_hard"), ("all", "consecutive"),
    ]  # fmt: skip
    assert {gate["verdict"] for gate in gates.values()} == {"pass"}
    everything, some = document["paths"]
    assert everything["age_max_ms"] == everything["freshness"]["reaction_max_ms"]
    assert 50 < (everything["age_max_ms"] or 0) < 200
    assert everything["intervals"]["p50_ms"] is not None
    assert some["intervals"]["p50_ms"] is None
    assert everything["budgets"]["uplink"]["frames_over"] == 40
    assert everything["budgets"]["edge"]["frames_over"] == 0
    assert some["budgets"] == {}
    run(scenario, tmp_path / "b")
    first, again = ((tmp_path / name / "result.json").read_bytes() for name in "ab")
    assert first == again


def test_the_verdict_at_bias_is_that_of_the_same_gates(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Slower devices make results older: one limit is held at one end and not at the other."""
    scenario = write_scenario(GATES)
    age_ms = run(scenario, tmp_path / "a").document["paths"][0]["age_max_ms"]
    assert age_ms is not None
    age_ns = round(age_ms * NS_PER_MS)
    at_it = run(scenario, tmp_path / "b", f"paths.all.max_age={age_ns}ns").document["paths"][0]
    assert at_it["verdict_at_bias"] == {"low": "pass", "zero": "pass", "high": "fail"}
    under = run(scenario, tmp_path / "c", f"paths.all.max_age={age_ns - 1}ns").document["paths"][0]
    assert under["verdict_at_bias"] == {"low": "pass", "zero": "fail", "high": "fail"}
    assert (at_it["verdict"], under["verdict"]) == ("pass", "fail")


def test_check_warns_of_what_the_drive_cannot_decide_or_the_plan_not_meet(
    write_scenario: Callable[..., Path],
) -> None:
    """With the line of the deadline, and the frames that are wanting; a good scenario is quiet."""
    assert api.check(write_scenario()).warnings == ()
    scenario = write_scenario(("max_miss: 50%", "max_miss: 0.2%"), ("e2e: 400ms", "e2e: 1ms"))
    warnings = api.check(scenario, api.Options(overrides=("run.min_samples=300",))).warnings
    assert any(
        "run.min_samples 300 cannot support max_miss 0.2 % at 95 %" in warning
        and "1497 frames" in warning
        for warning in warnings
    )
    assert any("all: the run offers 40 frames" in warning for warning in warnings)
    best = [warning for warning in warnings if "paths.some.e2e" in warning]
    assert len(best) == 1
    assert best[0].startswith(f"{scenario}:")
    assert "1 ms is shorter than the plan's best case" in best[0]


def test_check_warns_of_faults_that_come_when_all_is_over(
    write_scenario: Callable[..., Path],
) -> None:
    """Of links and of devices; those that some frame may meet are no reason."""
    late = (
        "links.cell.faults=[{at: 1s, for: 1s, kind: blackout}, {at: 60s, for: 1s, kind: blackout}]"
    )
    slow = "devices.edge0.faults=[{at: 61s, for: 1s, factor: 2}]"
    warnings = api.check(write_scenario(), api.Options(overrides=(late, slow))).warnings
    idle = [warning for warning in warnings if "changes nothing" in warning]
    assert len(idle) == 2
    assert (
        "links.cell.faults.1.at: 60 s is behind the last frame, which is due at 1.95 s" in idle[0]
    )
    assert "devices.edge0.faults.0.at: 61 s is behind" in idle[1]


def test_a_deadline_that_follows_the_speed_is_in_every_row(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """At 25 m/s, 25 ms come off 400 ms; what is resolved says the same again."""
    result = run(write_scenario(MOVING), tmp_path / "a", "drive.speed=25m/s")
    some = [row for row in result.ledger.rows() if row.path == "some"]
    assert {row.deadline_at_ns - row.scheduled_ns for row in some} == {375 * NS_PER_MS}
    path = result.document["paths"][1]
    assert (path["deadline_min_ms"], path["deadline_ms"]) == (375.0, 400.0)
    core = json.loads((tmp_path / "a" / "core.json").read_text("utf-8"))
    assert core["core"]["paths"][1]["deadline"]["floor_ns"] == 50 * NS_PER_MS
    assert api.rerun(tmp_path / "a").same
