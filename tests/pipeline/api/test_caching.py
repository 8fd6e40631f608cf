"""The cache from outside: shared by two runs, refused by a disk, looked at and emptied."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RUN = (
    "import sys\nfrom pathlib import Path\nfrom pipeline import api\n"
    "result = api.run(Path(sys.argv[1]), virtual=True, out=Path(sys.argv[2]))\n"
    "print(result.document['ledger']['hash'])\n"
)


def test_two_processes_fill_one_cache_and_get_what_one_gets(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Side by side on an empty cache, with different hash seeds; then alone on another one."""
    scenario = write_scenario()

    def start(name: str, cache: str, hash_seed: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "SPLITWAY_CACHE": str(tmp_path / cache),
            "PYTHONHASHSEED": hash_seed,
        }
        return subprocess.Popen(
            [sys.executable, "-c", _RUN, str(scenario), str(tmp_path / name)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    together = [start("a", "shared", "1"), start("b", "shared", "2")]
    hashes = {run.communicate(timeout=120)[0] for run in together}
    alone = start("c", "alone", "3")
    hashes.add(alone.communicate(timeout=120)[0])
    assert [run.returncode for run in (*together, alone)] == [0, 0, 0]
    assert len(hashes) == 1
    ledgers = {(tmp_path / name / "ledger.csv").read_bytes() for name in "abc"}
    assert len(ledgers) == 1
    results = {(tmp_path / name / "results.jsonl").read_bytes() for name in "abc"}
    assert len(results) == 1
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "shared"))
    shared = api.cache()
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "alone"))
    assert (shared.results, shared.bytes) == (api.cache().results, api.cache().bytes)
    assert shared.unfinished == 0


def test_a_run_keeps_to_the_limit_and_still_finds_its_own(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run left goes; what this one has used stays, though it is over the limit."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "cache"))
    old = tmp_path / "cache" / "results" / "ab" / f"{'ab' * 16}.tensors"
    old.parent.mkdir(parents=True)
    old.write_bytes(bytes(1_000))
    os.utime(old, ns=(1, 1))
    monkeypatch.setenv("SPLITWAY_CACHE_LIMIT", "1kB")
    scenario = write_scenario()
    first = api.run(scenario, virtual=True, out=tmp_path / "a")
    assert not old.exists()
    assert api.cache().bytes > 1_000
    second = api.run(scenario, virtual=True, out=tmp_path / "b")
    assert any("40 from the cache" in note for note in second.notes)
    assert first.document["ledger"]["hash"] == second.document["ledger"]["hash"]
    monkeypatch.setenv("SPLITWAY_CACHE_LIMIT", "a lot")
    with pytest.raises(InputError, match="SPLITWAY_CACHE_LIMIT"):
        api.run(scenario, virtual=True, out=tmp_path / "c")


def test_a_cache_that_cannot_be_written_stops_a_live_run_alone(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Virtual time goes on with a note and the same figures; a live run says what to do."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "cache"))
    scenario = write_scenario()
    usual = api.run(scenario, virtual=True, out=tmp_path / "a")
    api.cache(clear=True)
    results = tmp_path / "cache" / "results"
    for path in sorted(results.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    results.rmdir()
    results.write_text("in the way", "utf-8")
    odd = api.run(scenario, virtual=True, out=tmp_path / "b")
    assert odd.document["ledger"]["hash"] == usual.document["ledger"]["hash"]
    assert any("cannot be written: Not a directory" in note for note in odd.notes)
    with pytest.raises(InfrastructureError, match=r"cannot be written.*SPLITWAY_CACHE"):
        api.run(scenario, out=tmp_path / "c")


def test_the_command_shows_the_cache_and_empties_it(
    tmp_path: Path, write_scenario: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the documented shape; after emptying, nothing is left, and the run computes again."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "cache"))

    def cache(*arguments: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", "from pipeline.cli import main; main()", "cache", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        found: dict[str, object] = json.loads(done.stdout) if "--json" in arguments else {}
        assert found or str(tmp_path / "cache") in done.stdout
        return found

    assert cache("--json")["results"] == 0
    scenario = write_scenario()
    api.run(scenario, virtual=True, out=tmp_path / "a")
    before = cache("--json")
    assert before["schema"] == "splitway.cache/1"
    assert before["limit_bytes"] == 20_000_000_000
    report = api.cache()
    assert (before["results"], before["bytes"]) == (report.results, report.bytes)
    assert report.results >= 80
    assert report.models > 0
    cache()
    after = cache("--json", "--clear")
    assert (after["results"], after["bytes"], after["models"]) == (0, 0, 0)
    assert after["removed"] == report.results + report.models
    again = api.run(scenario, virtual=True, out=tmp_path / "b")
    assert any("primed 40 pictures, 0 from the cache" in note for note in again.notes)
