"""The same bytes every time, on every process; and others as soon as anything else is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[3]
TWO_CAMERAS = ROOT / "tests" / "pipeline" / "two_cameras.yaml"
SHORT = (
    "drive.synthetic.length=3s",
    "links.cell.faults=[{at: 1s, for: 1s, kind: blackout}]",
)
NEEDED = ("PATH", "HOME", "SPLITWAY_DATA")


def run(
    directory: Path,
    *,
    cache: Path,
    hash_seed: str = "0",
    settings: Sequence[str] = (),
    seed: int = 7,
) -> tuple[str, bytes]:
    """Replay the urban drive in a process of its own; the ledger's hash and its bytes."""
    command = [
        sys.executable,
        "-c",
        "from pipeline.cli import main; main()",
        "run",
        str(TWO_CAMERAS),
        "--virtual",
        "--json",
    ]
    command += ["--seed", str(seed), "--out", str(directory)]
    for setting in (*SHORT, *settings):
        command += ["--set", setting]
    env = {name: os.environ[name] for name in NEEDED if name in os.environ}
    env |= {"PYTHONHASHSEED": hash_seed, "SPLITWAY_CACHE": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1, 3}, done.stderr
    document = json.loads(done.stdout)
    return document["ledger"]["hash"], (directory / "ledger.csv").read_bytes()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    """A run that filled its cache alone."""
    folder = tmp_path_factory.mktemp("first")
    return run(folder / "run", cache=folder / "cache")


def test_two_processes_at_once_fill_one_cache_and_agree_with_one_alone(
    tmp_path: Path, first: tuple[str, bytes]
) -> None:
    """Hash seeds differ, and both workers find and make results in the same cache."""
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(
                lambda n: run(tmp_path / f"run{n}", cache=tmp_path / "cache", hash_seed=str(n)),
                (1, 4242),
            )
        )
    assert found == [first, first]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that the changed runs share."""
    return tmp_path_factory.mktemp("warm")


CHANGED: Mapping[str, dict[str, object]] = {
    "another seed": {"seed": 8},
    "another link": {"settings": ("links.cell.faults=[{at: 1s, for: 900ms, kind: blackout}]",)},
    "another plan": {"settings": ("tasks.objects.route=raw",)},
    "another policy": {"settings": ("policy.hedge.margin=30ms",)},
    "modelled sizes": {"settings": ("run.sizes=modelled",)},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_anything_else_gives_another_hash(
    tmp_path: Path, warm: Path, first: tuple[str, bytes], change: dict[str, object]
) -> None:
    """A hash that never changed would prove nothing."""
    found, _ = run(tmp_path / "run", cache=warm, **change)  # type: ignore[arg-type]
    assert found != first[0]


def test_a_path_more_changes_no_draw_of_the_others(
    tmp_path: Path, warm: Path, first: tuple[str, bytes]
) -> None:
    """A further path through a task that runs anyway leaves every row as it was."""
    further = (
        "paths.further={from: front, through: [objects], every: 3, e2e: 190ms, horizon: 450ms}"
    )
    _, ledger = run(tmp_path / "run", cache=warm, settings=(further,))
    kept = [line for line in ledger.splitlines() if not line.startswith(b"further,")]
    assert len(kept) < len(ledger.splitlines())
    assert kept == first[1].splitlines()
