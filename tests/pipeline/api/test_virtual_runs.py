"""Runs in virtual time through the public API: the same bytes, every time, and explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.errors import EvidenceError, ScenarioError
from pipeline.ledger import SPANS
from replay.errors import ReplayError
from replay.evidence import verify_manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _run(
    scenario: Path, out: Path, *, seed: int | None = None, sets: tuple[str, ...] = ()
) -> bytes:
    result = api.run(scenario, api.Options(seed=seed, overrides=sets), virtual=True, out=out)
    assert result.directory == out
    return (out / "ledger.csv").read_bytes()


def test_two_runs_give_the_same_ledger_bytes_and_another_seed_gives_others(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Virtual time is deterministic; the seed, the link and the route all count."""
    scenario = write_scenario()
    first = _run(scenario, tmp_path / "a")
    assert _run(scenario, tmp_path / "b") == first
    assert _run(scenario, tmp_path / "c", seed=6) != first
    assert _run(scenario, tmp_path / "d", sets=("links.cell.rtt=30ms",)) != first
    assert _run(scenario, tmp_path / "e", sets=("tasks.objects.route=edge",)) != first
    hashes = {api.load_result(tmp_path / name)["ledger"]["hash"] for name in ("a", "c", "d", "e")}
    assert len(hashes) == 4


def test_the_result_has_every_frame_in_one_fate_and_every_key(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """40 frames on one path and every fourth on the other; warm-up settles in no row."""
    out = tmp_path / "run"
    result = api.run(write_scenario(), virtual=True, out=out)
    document = result.document
    assert document == api.load_result(out)
    assert document["ledger"]["offered"] == document["ledger"]["settled"] == 50
    everything, some = document["paths"]
    assert (everything["n"], everything["not_selected"]) == (40, 0)
    assert (some["n"], some["not_selected"]) == (10, 30)
    for path in document["paths"]:
        assert sum(path["fates"].values()) == path["n"]
        assert path["kind"] == "modelled"
        assert list(path["spans"]) == list(SPANS)
        assert path["verdict_at_bias"] is not None
    assert everything["p99_ms"] is None
    assert everything["reasons"]["p99_ms"] == "needs 299 frames, has 40"
    assert document["devices"][0]["label"] == "fitted"
    assert not verify_manifest(out)


def test_two_paths_share_the_jobs_of_one_task(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A frame on both paths goes once over the link: bytes and stamps of both rows are equal."""
    result = api.run(write_scenario(), virtual=True, out=tmp_path / "run")
    rows: dict[int, list[tuple[int, int]]] = {}
    for row in result.ledger.rows():
        rows.setdefault(row.frame, []).append((row.bytes_up, row.stamps["downlink"]))
    both = [found for found in rows.values() if len(found) == 2]
    assert len(both) == 10
    assert all(one == other for one, other in both)


def test_rerun_of_a_virtual_run_gives_the_same_and_names_an_altered_event(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The event logs carry the whole run; changing one stamp is found, by node, line and field."""
    out = tmp_path / "run"
    api.run(write_scenario(), virtual=True, out=out)
    same = api.rerun(out)
    assert same.same
    assert same.rows == 50
    assert same.altered == ()
    log = out / "events" / "vehicle.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines()
    index = next(i for i, line in enumerate(lines) if '"is":"JobDone"' in line and i > 40)
    entry = json.loads(lines[index])
    entry["event"]["ended_ns"] += 1_000
    lines[index] = json.dumps(entry)
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    altered = api.rerun(out)
    assert not altered.same
    assert altered.divergence is not None
    assert altered.divergence.node == "vehicle"
    assert altered.divergence.line > index
    assert "stamps" in altered.divergence.what
    assert altered.altered == ("events/vehicle.jsonl: changed",)


def test_rerun_names_files_altered_since_the_run(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The cores do the same, and the verdict that somebody improved is found all the same."""
    out = tmp_path / "run"
    api.run(write_scenario(), virtual=True, out=out)
    (out / "result.json").write_text("{}", encoding="utf-8")
    (out / "plan.json").unlink()
    found = api.rerun(out)
    assert found.same
    assert found.altered == ("plan.json: missing", "result.json: changed")
    (out / "MANIFEST").unlink()
    assert "nothing vouches" in api.rerun(out).altered[0]


def test_rerun_refuses_what_is_no_run(tmp_path: Path) -> None:
    """A missing directory, and one without evidence, are named."""
    with pytest.raises(EvidenceError, match="no such directory"):
        api.rerun(tmp_path / "nothing")
    with pytest.raises(EvidenceError, match=r"core\.json"):
        api.rerun(tmp_path)


def test_a_plan_lists_every_route_and_says_why(write_scenario: Callable[..., Path]) -> None:
    """Edge, raw, pictures in two formats and sizes, a split per codec; the choice explained."""
    plan, document = api.plan(write_scenario(("route: split", "route: auto")))
    (task,) = document["tasks"]
    routes = [(c["route"], *c["codecs"].values()) for c in task["candidates"]]
    assert routes[:2] == [("edge",), ("raw", "raw")]
    pictures = [
        ("encoded", f"{kind}:{quality}{tail}")
        for kind in ("jpeg", "webp")
        for tail in ("", "/2")
        for quality in (60, 80, 90)
    ]
    assert routes[2:14] == pictures
    assert list(dict.fromkeys(route[:2] for route in routes[14:])) == [
        ("split", f"{lossless}{name}")
        for lossless in ("", "zstd:")
        for name in ("float32", "float16", "int8")
    ]
    edge, float32 = task["candidates"][0], task["candidates"][14]
    assert edge["agreement"] == float32["agreement"] == 1.0
    assert (edge["cut"], edge["bytes_up"]) == ([], 0)
    assert (float32["pin"] or "").startswith("split@")
    for candidate in task["candidates"]:
        total = sum(value for value in candidate["spans"].values() if value is not None)
        assert total == pytest.approx(candidate["latency_ms"], rel=0.2)
    assert task["chosen"] == task["run"]
    assert "beats the runner-up" in task["explanation"]
    assert plan.tasks[0].route.id


def test_a_pin_forces_its_cut(write_scenario: Callable[..., Path]) -> None:
    """`split@NODE` puts that node and all it depends on into the car."""
    scenario = write_scenario()
    _, document = api.plan(scenario)
    pins = {c["pin"] for c in document["tasks"][0]["candidates"] if c["route"] == "split"}
    (pin,) = pins
    _, pinned = api.plan(scenario, api.Options(overrides=(f"tasks.objects.route={pin}",)))
    (task,) = pinned["tasks"]
    assert task["candidates"][task["run"]]["pin"] == pin


def test_a_pin_on_an_unknown_node_is_refused(write_scenario: Callable[..., Path]) -> None:
    """The key is named, and a close name suggested."""
    with pytest.raises(ScenarioError, match=r"tasks\.objects.*no operator is named"):
        api.plan(write_scenario(("route: split", "route: split@nowhere")))


def test_no_feasible_route_runs_the_fastest_and_warns(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A deadline shorter than any route: chosen is null, the run goes on and fails its gate."""
    scenario = write_scenario(("e2e: 200ms", "e2e: 1ms"))
    _, document = api.plan(scenario)
    assert document["tasks"][0]["chosen"] is None
    result = api.run(scenario, virtual=True, out=tmp_path / "run")
    assert result.exit_code == 1
    assert result.document["paths"][0]["fates"]["late"] == 40
    assert any("no allowed route meets 1 ms" in note for note in result.notes)


def test_an_overloaded_uplink_drops_what_is_overtaken_and_balances(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """At a tenth of the needed rate frames are dropped with a reason, and none is lost."""
    scenario = write_scenario(("up: 40Mbit/s", "up: 1Mbit/s"), ("route: split", "route: raw"))
    result = api.run(scenario, virtual=True, out=tmp_path / "run")
    path = result.document["paths"][0]
    assert path["fates"]["dropped"] > 20
    assert path["causes"]["dropped(overtaken)"] > 20
    assert sum(path["fates"].values()) == 40
    assert api.rerun(tmp_path / "run").same


def test_evidence_is_never_written_over(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """A directory that holds something is refused before anything runs."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(ReplayError, match="not empty"):
        api.run(write_scenario(), virtual=True, out=tmp_path / "run")


def test_annotated_pictures_are_kept_when_asked_for(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """With `annotate` a video and one picture a second are written; the document says full."""
    out = tmp_path / "run"
    result = api.run(write_scenario(), virtual=True, out=out, annotate=True)
    assert result.document["evidence"]["images"] == "full"
    assert [path.name for path in sorted((out / "annotated").iterdir())] == [
        "frame-000000.jpg",
        "frame-000020.jpg",
    ]
    assert (out / "annotated.mp4").stat().st_size > 10_000


def test_a_route_that_nothing_fits_is_an_error_of_the_scenario(
    write_scenario: Callable[..., Path],
) -> None:
    """A wrong model size is found while checking, with file, line and key."""
    with pytest.raises(ScenarioError, match=r"scenario\.yaml:\d+: tasks\.objects\.variants"):
        api.check(write_scenario(("size: [416, 256]", "size: [640, 384]")))
