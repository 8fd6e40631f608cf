"""Whole runs over links that vary: the same bytes, the trace in the plan, trouble in the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.api import Result

MS = 1_000_000
TABLE = "t_s,up_mbps,down_mbps,rtt_ms,loss\n0,{up},40,20,0\n0.5,{up},60,20,0.01\n"


def _run(scenario: Path, out: Path, link: str, *, seed: int | None = None) -> Result:
    setting = f"links.cell={{between: [vehicle, cloud], {link}}}"
    options = api.Options(seed=seed, overrides=(setting,))
    return api.run(scenario, options, virtual=True, out=out)


def _hashes(out: Path) -> Mapping[str, str]:
    found: dict[str, str] = json.loads((out / "plan.json").read_text("utf-8"))["hashes"]
    return found


def test_a_profile_is_a_run_of_its_own_and_the_same_twice(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The plan names the trace by its hash, which follows the seed; the result says synthetic."""
    scenario = write_scenario()
    names = {"a": "lte-urban", "b": "lte-urban", "c": "{name: lte-urban, seed: 99}", "d": "tunnel"}
    runs = {
        name: _run(scenario, tmp_path / name, f"profile: {profile}")
        for name, profile in names.items()
    }
    ledgers = {name: (tmp_path / name / "ledger.csv").read_bytes() for name in names}
    traces = {name: _hashes(tmp_path / name)["trace:cell"] for name in names}
    assert ledgers["a"] == ledgers["b"]
    assert traces["a"] == traces["b"]
    assert len(set(ledgers.values())) == len(set(traces.values())) == 3
    notes = json.dumps(runs["a"].notes)
    assert "link cell: profile lte-urban, synthetic" in notes
    rerun = api.rerun(tmp_path / "a")
    assert rerun.same


def test_a_trace_and_its_jitter_follow_the_seed_of_the_run(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A recorded trace stays, its draws change."""
    scenario = write_scenario()
    (scenario.parent / "lte.csv").write_text(TABLE.format(up=20), "utf-8")
    link = "trace: lte.csv, jitter: {dist: lognormal, sigma: 0.5}"
    for name, seed in (("a", 3), ("b", 4)):
        _run(scenario, tmp_path / name, link, seed=seed)
    assert _hashes(tmp_path / "a")["trace:cell"] == _hashes(tmp_path / "b")["trace:cell"]
    one, other = ((tmp_path / name / "ledger.csv").read_bytes() for name in "ab")
    assert one != other
    (scenario.parent / "lte.csv").write_text(TABLE.format(up=21), "utf-8")
    _run(scenario, tmp_path / "c", link, seed=3)
    assert _hashes(tmp_path / "a")["trace:cell"] != _hashes(tmp_path / "c")["trace:cell"]


def test_a_blackout_is_seen_in_the_ledger_and_not_in_the_plan(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """What crosses meanwhile waits for its end; the plan predicts what it did."""
    figures = "up: 40Mbit/s, down: 100Mbit/s, rtt: 20ms"
    fault = "faults: [{at: 400ms, for: 200ms, kind: blackout}]"
    calm = _run(write_scenario(), tmp_path / "calm", figures)
    dark = _run(write_scenario(), tmp_path / "dark", f"{figures}, {fault}")
    plans = [
        json.loads((tmp_path / name / "plan.json").read_text("utf-8")) for name in ("calm", "dark")
    ]
    assert plans[0]["tasks"] == plans[1]["tasks"]
    crossed = {
        name: [row.stamps["uplink"] for row in result.ledger.rows() if row.stamps.get("uplink")]
        for name, result in (("calm", calm), ("dark", dark))
    }
    low, high = 410 * MS, 600 * MS  # those that had left the bottleneck still arrive
    assert any(low < stamp <= high for stamp in crossed["calm"])
    assert not any(low < stamp <= high for stamp in crossed["dark"])
    assert dark.document["ledger"]["offered"] == calm.document["ledger"]["offered"]
