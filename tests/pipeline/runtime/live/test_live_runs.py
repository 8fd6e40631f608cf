"""Live runs over ZeroMQ: processes, sockets, holds, a relay; killed, stopped and run again."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from pipeline import api
from pipeline.errors import NodeDiedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.ledger.rows import Row

pytestmark = pytest.mark.live


class _Acting(api.Silent):
    """An observer that does something once so many rows are settled."""

    def __init__(self, after: int, act: Callable[[], None]) -> None:
        self._left, self._act = after, act
        self.reason = ""

    def settled(self, row: Row) -> None:
        del row
        self._left -= 1
        if self._left == 0:
            self._act()

    def stop_asked(self) -> str:
        return self.reason


def _nodes() -> dict[str, psutil.Process]:
    """Live nodes that this process started, by role."""
    found = {}
    for child in psutil.Process().children():
        command = child.cmdline()
        if "pipeline.runtime.live" in command:
            found[command[-1].rpartition("/")[2].removesuffix(".json")] = child
    return found


def _nothing_left(folder: Path) -> None:
    assert _nodes() == {}
    assert not [path for path in folder.iterdir() if path.name.startswith("splitway-")]


@pytest.fixture(autouse=True)
def own_temporary(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Where the sockets of a run lie, watched by itself."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.parametrize("route", ["edge", "raw", "encoded", "split"])
def test_every_route_runs_live_and_reruns_to_the_same_ledger(
    route: str, write_scenario: Callable[..., Path], tmp_path: Path, own_temporary: Path
) -> None:
    """Every frame is settled, answers come from where the route says, cores repeat themselves."""
    out = tmp_path / "run"
    result = api.run(write_scenario(("route: split", f"route: {route}")), out=out)
    assert result.failure is None
    assert result.document["ledger"]["offered"] == 50
    path = result.document["paths"][0]
    assert path["kind"] == "emulated"
    assert sum(path["fates"].values()) == 40
    assert path["fates"]["failed"] == path["fates"]["interrupted"] == 0
    answered = path["fates"]["edge" if route == "edge" else "cloud"]
    assert answered + path["fates"]["late"] + path["fates"]["dropped"] == 40
    assert path["overruns"] == 0
    again = api.rerun(out)
    assert again.same, (again.divergence, again.ledger_difference)
    assert again.hash == result.document["ledger"]["hash"]
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == sum(1 for row in result.ledger.rows() if "deliver" in row.stamps)
    _nothing_left(own_temporary)


def test_live_and_virtual_deliver_the_same_results(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """Time and content are separate: what the network finds does not depend on the driver."""
    scenario = write_scenario(("run: {seed: 5,", "run: {seed: 5, rate: 0.5,"))  # few are dropped
    api.run(scenario, out=tmp_path / "live")
    api.run(scenario, virtual=True, out=tmp_path / "virtual")
    live = set((tmp_path / "live" / "results.jsonl").read_text(encoding="utf-8").splitlines())
    virtual = set((tmp_path / "virtual" / "results.jsonl").read_text(encoding="utf-8").splitlines())
    assert len(live) > 20
    assert live <= virtual


def test_real_backends_compute_during_the_run(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """With the cpu backend on both sides nothing is primed and no device time is modelled."""
    scenario = write_scenario(
        ("{spec: qualcomm-sa8775p, site: vehicle}", "{backend: cpu, site: vehicle}"),
        ("{spec: furiosa-warboy, site: cloud}", "{backend: cpu, site: cloud}"),
        ("run: {seed: 5,", "run: {seed: 5, rate: 0.5,"),
    )
    result = api.run(scenario, out=tmp_path / "run")
    assert result.failure is None
    path = result.document["paths"][0]
    assert sum(path["fates"].values()) == 40
    assert path["fates"]["failed"] == 0
    assert result.document["devices"][0]["compute"] is None
    edge = path["spans"]["edge"]["p50_ms"]
    assert edge is not None
    assert edge > 0
    assert api.rerun(tmp_path / "run").same


@pytest.mark.parametrize("role", ["player", "vehicle", "relay", "cloud", "consumer"])
def test_a_node_that_is_killed_ends_the_run_with_a_ledger_that_balances(
    role: str, write_scenario: Callable[..., Path], tmp_path: Path, own_temporary: Path
) -> None:
    """Exit 4, the node named, every offered frame in one fate, and nothing left behind."""
    watcher = _Acting(8, lambda: _nodes()[role].send_signal(signal.SIGKILL))
    result = api.run(write_scenario(), out=tmp_path / "run", observer=watcher)
    assert result.exit_code == 4
    assert role in (result.failure or "")
    document = result.document
    assert document["partial"]
    assert document["verdict"] == "inconclusive"
    fates = sum(sum(path["fates"].values()) for path in document["paths"])
    assert document["ledger"]["offered"] == fates
    assert 0 < fates < 50
    _nothing_left(own_temporary)


def test_a_run_that_is_stopped_settles_open_frames_as_interrupted(
    write_scenario: Callable[..., Path], tmp_path: Path, own_temporary: Path
) -> None:
    """The wish to stop is taken up, the document is marked partial, and reruns all the same."""
    watcher = _Acting(8, lambda: None)

    def stop() -> None:
        watcher.reason = "test"

    watcher._act = stop
    result = api.run(write_scenario(), out=tmp_path / "run", observer=watcher)
    assert result.exit_code == 130
    assert result.document["partial"]
    assert result.document["inconclusive"][0]["reason"] == "interrupted"
    assert result.document["ledger"]["offered"] < 50
    assert api.rerun(tmp_path / "run").same
    _nothing_left(own_temporary)


def test_a_node_that_cannot_start_says_its_last_words(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node whose interpreter fails is named, with what it wrote, and nothing hangs."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("raise SystemExit('no start today')\n", encoding="utf-8")
    assert os.environ["PYTHONPATH"] == str(tmp_path)
    with pytest.raises(NodeDiedError, match=r"(?s)ended with code.*no start today"):
        api.run(write_scenario(), out=tmp_path / "run")
