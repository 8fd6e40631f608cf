"""The priming pass: what it computes, what it finds again, and a cache that was damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline import api
from pipeline.runtime.footage import Footage
from pipeline.runtime.priming import Primed, prime
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.assembly import Assembled
    from pipeline.runtime.spec import DriveSpec


def _prime(found: Assembled, footage: Footage | None = None) -> Primed:
    return prime(
        found.spec,
        footage or Footage(found.spec.drive),
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


class _Counting(Footage):
    """Frames of a drive that count how often they are read, and may look otherwise."""

    def __init__(self, drive: DriveSpec, *, darker: int = 0) -> None:
        super().__init__(drive)
        self._darker = darker
        self.asked: list[int] = []

    def read(
        self, stream: str, only: frozenset[int] | None = None
    ) -> Iterator[tuple[int, NDArray[np.generic[object]]]]:
        for content, data in super().read(stream, only):
            self.asked.append(content)
            yield content, np.asarray(np.maximum(data, self._darker) - self._darker, np.uint8)


def test_what_is_in_the_cache_is_not_drawn_again(assembled: Assembled, tmp_path: Path) -> None:
    """But the first frame, as a proof; where one chain is gone, its frame alone."""
    drive = assembled.spec.drive
    first, second, third = _Counting(drive), _Counting(drive), _Counting(drive)
    cold = _prime(assembled, first)
    assert first.asked == list(range(40))
    warm = _prime(assembled, second)
    assert second.asked == [0]
    assert (warm.hits, warm.misses) == (40, 0)
    gone = next(iter(warm.keys.values()))[7]
    (path,) = (tmp_path / "cache").rglob(f"{gone}.tensors")
    path.unlink()
    again = _prime(assembled, third)
    assert len(third.asked) == 2
    assert third.asked[0] == 0
    assert (again.hits, again.misses) == (39, 1)
    assert dict(again.sizes.bytes) == dict(cold.sizes.bytes)


def test_frames_that_came_out_otherwise_are_looked_at_anew(assembled: Assembled) -> None:
    """What was known of them is of no use once the first one differs."""
    drive = assembled.spec.drive
    _prime(assembled)
    changed = _Counting(drive, darker=9)
    found = _prime(assembled, changed)
    assert changed.asked == [0, *range(40)]
    assert (found.hits, found.misses) == (0, 40)
    again = _Counting(drive, darker=9)
    assert _prime(assembled, again).hits == 40
    assert again.asked == [0]


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
