"""The priming pass: what it computes, what it finds again, and a cache that was damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.runtime.drive import all_samples
from pipeline.runtime.priming import Primed, prime
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.assembly import Assembled


def _prime(found: Assembled) -> Primed:
    return prime(
        found.spec,
        all_samples(found.spec.drive),
        frames=found.facts.counts,
        now_ns=WallClock().now_ns,
    )


@pytest.fixture
def assembled(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Assembled:
    """The small scenario against an empty cache."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "cache"))
    return api.check(write_scenario())


def test_a_second_pass_finds_everything_and_gives_the_same(assembled: Assembled) -> None:
    """Sizes and results do not depend on whether they came out of the cache."""
    cold = _prime(assembled)
    warm = _prime(assembled)
    assert (cold.hits, cold.misses) == (0, 40)
    assert (warm.hits, warm.misses) == (40, 0)
    assert dict(warm.sizes.bytes) == dict(cold.sizes.bytes)
    assert warm.keys == cold.keys
    assert {k: v.tobytes() for k, v in warm.results.items()} == {
        k: v.tobytes() for k, v in cold.results.items()
    }


def test_a_damaged_or_half_written_entry_is_computed_again(
    assembled: Assembled, tmp_path: Path
) -> None:
    """Cut off files, empty files and leftovers of a killed writer are as good as missing."""
    cold = _prime(assembled)
    entries = sorted((tmp_path / "cache" / "results").rglob("*.tensors"))
    for index, path in enumerate(entries):
        path.write_bytes(path.read_bytes()[: (0, 7, 50)[index % 3]])
    (entries[0].parent / ".part-killed").write_bytes(b"half")
    again = _prime(assembled)
    assert again.misses == 40
    assert dict(again.sizes.bytes) == dict(cold.sizes.bytes)


def test_the_cut_payload_has_the_size_that_the_plan_predicts(
    write_scenario: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without zstd a codec's size is exact, so prediction and bytes are equal on every picture."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "cache"))
    plain = api.Options(overrides=("tasks.objects.wire.lossless=none",))
    assembled = api.check(write_scenario(), plain)
    primed = _prime(assembled)
    chosen = assembled.plan.tasks[0].candidates[assembled.plan.tasks[0].run]
    (up,) = {tuple(sizes) for (_, step), sizes in primed.sizes.bytes.items() if step == 2}
    assert set(up) == {chosen.bytes_up}
