"""The cache's limit: what goes first, what stays, and what a killed writer leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.runtime.keeping import (
    DEFAULT_LIMIT_BYTES,
    cache_limit,
    clear,
    in_use,
    trim,
    usage,
)
from pipeline.runtime.results import ResultCache

if TYPE_CHECKING:
    from pathlib import Path

_HOUR_NS = 3_600_000_000_000


def _fill(directory: Path, count: int, *, first: int = 0) -> list[Path]:
    """Keep so many results of one size, the first one used longest ago."""
    cache = ResultCache(directory)
    files = []
    for number in range(first, first + count):
        key = f"{number:02x}{number:030x}"
        cache.put(key, {"x": np.full(1_000, number, np.uint8)})
        (file,) = directory.glob(f"*/{key}.tensors")
        os.utime(file, ns=(0, 10**9 * (number + 1)))
        files.append(file)
    return files


@pytest.mark.parametrize(
    ("text", "limit_bytes"),
    [
        ("", DEFAULT_LIMIT_BYTES),
        ("20GB", 20 * 10**9),
        (" 1.5 GiB ", 3 * 2**29),
        ("0MB", 0),
        ("300kB", 300_000),
    ],
)
def test_the_limit_is_a_size_with_a_unit(
    text: str, limit_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left out, it has the documented default."""
    monkeypatch.setenv("SPLITWAY_CACHE_LIMIT", text)
    assert cache_limit() == limit_bytes


@pytest.mark.parametrize("text", ["20", "GB", "-1GB", "20 gigs", "1e3GB"])
def test_a_limit_that_is_no_size_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable and what it held are named."""
    monkeypatch.setenv("SPLITWAY_CACHE_LIMIT", text)
    with pytest.raises(InputError, match=r"SPLITWAY_CACHE_LIMIT must be a size.*20GB"):
        cache_limit()


@given(order=st.permutations(range(8)), kept=st.integers(0, 9))
def test_the_longest_unused_go_first(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], kept: int
) -> None:
    """What stays was used after all that went, and fits with a tenth to spare."""
    directory = tmp_path_factory.mktemp("cache")
    files = _fill(directory, 8)
    size = files[0].stat().st_size
    for age, number in enumerate(order):
        os.utime(files[number], ns=(0, 10**9 * (age + 1)))
    removed = trim(directory, kept * size)
    stays = {number for number in range(8) if files[number].exists()}
    expected = 8 if kept >= 8 else kept * 9 // 10
    assert stays == set(order[8 - expected :])
    assert removed.entries == 8 - expected
    assert removed.left_bytes == expected * size == usage(directory).bytes


def test_what_a_run_has_used_stays_beyond_the_limit(tmp_path: Path) -> None:
    """Read or asked for since the run began; once the run is over it may go."""
    files = _fill(tmp_path, 4)
    cache = ResultCache(tmp_path)
    with in_use(tmp_path):
        assert usage(tmp_path).runs == 1
        assert cache.get(files[0].stem) is not None
        assert files[1].stem in cache
        trim(tmp_path, 0)
        assert [file.exists() for file in files] == [True, True, False, False]
        cache.put("ff00", {"x": np.zeros(3)})
        clear(tmp_path)
        assert usage(tmp_path).entries == 3
    assert usage(tmp_path).runs == 0
    assert clear(tmp_path).entries == 3
    assert usage(tmp_path).entries == 0


def test_a_killed_run_holds_on_to_nothing(tmp_path: Path) -> None:
    """Its lock went with its process; its lease is swept."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from pipeline.runtime.keeping import in_use\n"
        "with in_use(Path(sys.argv[1])):\n    print('in', flush=True)\n    signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "in\n"
        _fill(tmp_path, 1)
        (file,) = tmp_path.glob("*/*.tensors")
        os.utime(file)
        assert clear(tmp_path).entries == 0
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert clear(tmp_path).entries == 1
    assert list((tmp_path / ".in-use").iterdir()) == []


def test_a_writer_killed_in_the_middle_costs_one_result(tmp_path: Path) -> None:
    """Its half a file is no result; it is left alone while it is fresh, and swept after an hour."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport numpy as np\n"
        "from pipeline.runtime import results\n"
        "cache = results.ResultCache(Path(sys.argv[1]))\n"
        "cache.put('ab01', {'x': np.arange(100)})\n"
        "real, calls = results.os.fdopen, []\n"
        "def cut(handle, mode):\n"
        "    file = real(handle, mode, buffering=0)\n"
        "    file.write(b'half a checks')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "results.os.fdopen = cut\n"
        "cache.put('ab02', {'x': np.arange(100)})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    cache = ResultCache(tmp_path)
    assert cache.get("ab01") is not None
    assert "ab02" not in cache
    assert cache.get("ab02") is None
    (left,) = tmp_path.glob("*/.part-*")
    assert (usage(tmp_path).unfinished, usage(tmp_path).unfinished_bytes) == (1, 13)
    trim(tmp_path, 10**9)
    assert left.exists()
    aged_ns = left.stat().st_mtime_ns - _HOUR_NS - 1
    os.utime(left, ns=(aged_ns, aged_ns))
    assert trim(tmp_path, 10**9).entries == 1
    assert not left.exists()
    assert cache.get("ab01") is not None


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Looking at it makes nothing."""
    assert usage(tmp_path / "none").entries == 0
    assert trim(tmp_path / "none", 0).entries == 0
    assert clear(tmp_path / "none").entries == 0
    assert not (tmp_path / "none").exists()
