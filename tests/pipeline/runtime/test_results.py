"""The result cache: arrays by content, whole or not at all."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.results import ResultCache, content_key, default_cache

ARRAYS = {
    "boxes": np.arange(12, dtype=np.float32).reshape(3, 4),
    "mask": np.array([[True, False]]),
    "empty": np.zeros((0, 5), np.uint8),
    "halves": np.array([1.5], np.float16),
    "one": np.array(7, np.int64),
}


def _file(directory: Path) -> Path:
    (file,) = directory.rglob("*.tensors")
    return file


def test_arrays_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """Values, shapes and dtypes, also of empty arrays and of scalars."""
    cache = ResultCache(tmp_path / "not" / "yet")
    assert "ab12" not in cache
    assert cache.get("ab12") is None
    cache.put("ab12", ARRAYS)
    assert "ab12" in cache
    found = cache.get("ab12")
    assert found is not None
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_arrays_need_not_be_contiguous(tmp_path: Path) -> None:
    """A transposed view is kept with its values in place."""
    view = np.arange(6).reshape(2, 3).T
    ResultCache(tmp_path).put("ab", {"x": view})
    found = ResultCache(tmp_path).get("ab")
    assert found is not None
    np.testing.assert_array_equal(found["x"], view)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_a_miss(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    """The checksum covers every byte of the file, its own included."""
    directory = tmp_path_factory.mktemp("flipped")
    cache = ResultCache(directory)
    cache.put("ab12", ARRAYS)
    file = _file(directory)
    held = bytearray(file.read_bytes())
    held[place % len(held)] ^= 1 << bit
    file.write_bytes(held)
    assert cache.get("ab12") is None


@pytest.mark.parametrize("keep", [0, 5, 30, 200])
def test_a_file_that_does_not_read_is_taken_for_missing(tmp_path: Path, keep: int) -> None:
    """A disk that ran full or a killed writer costs a recomputation, no run."""
    cache = ResultCache(tmp_path)
    cache.put("ab12", ARRAYS)
    file = _file(tmp_path)
    file.write_bytes(file.read_bytes()[:keep])
    assert cache.get("ab12") is None
    cache.put("ab12", ARRAYS)
    assert cache.get("ab12") is not None


def test_nothing_unfinished_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that fails leaves no file, neither finished nor not."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    cache = ResultCache(tmp_path)
    monkeypatch.setattr("pipeline.runtime.results.xxhash.xxh3_128_digest", fail)
    with pytest.raises(OSError, match="No space"):
        cache.put("ab12", ARRAYS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert "ab12" not in cache


def test_an_optional_cache_goes_on_without_keeping(tmp_path: Path) -> None:
    """The first refusal is kept with its reason, and nothing is tried again."""
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.raises(OSError, match="Not a directory"):
        ResultCache(tmp_path / "file").put("ab12", ARRAYS)
    cache = ResultCache(tmp_path / "file", optional=True)
    cache.put("ab12", ARRAYS)
    assert cache.refused is not None
    assert cache.refused.strerror == "Not a directory"
    assert cache.kept == 0
    assert cache.get("ab12") is None


def test_every_use_is_remembered(tmp_path: Path) -> None:
    """Reading and asking whether it is there both count; that is what is removed last."""
    cache = ResultCache(tmp_path)
    cache.put("ab12", ARRAYS)
    file = _file(tmp_path)
    for use in (lambda: cache.get("ab12"), lambda: "ab12" in cache):
        os.utime(file, ns=(1, 1))
        assert use()
        assert file.stat().st_mtime_ns > 1


def _write(directory: Path, value: int) -> None:
    cache = ResultCache(directory)
    for _ in range(20):
        cache.put("ab12", {"x": np.full(1_000, value)})


def test_two_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    """A reader beside them sees one value or the other, never a mixture."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(tmp_path, value)) for value in (1, 2)]
    for writer in writers:
        writer.start()
    cache = ResultCache(tmp_path)
    while any(writer.is_alive() for writer in writers):
        found = cache.get("ab12")
        assert found is None or len(set(found["x"].tolist())) == 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0


def test_everything_that_matters_is_in_the_key() -> None:
    """Maker, names, dtypes, shapes and bytes; the order of the names is not."""
    x = np.arange(6, dtype=np.int32)
    keys = [
        content_key("maker", {"x": x}),
        content_key("other", {"x": x}),
        content_key("maker", {"y": x}),
        content_key("maker", {"x": x.reshape(2, 3)}),
        content_key("maker", {"x": x.view(np.uint32)}),
        content_key("maker", {"x": x + 1}),
        content_key("maker", {"x": x, "y": x}),
        content_key("maker", {}),
    ]
    assert len(set(keys)) == len(keys)
    both = content_key("maker", {"a": x, "b": x + 1})
    assert both == content_key("maker", {"b": x + 1, "a": x})


def test_a_view_has_the_key_of_its_content() -> None:
    """How an array lies in memory does not count."""
    wide = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert content_key("m", {"x": wide[:, ::2]}) == content_key("m", {"x": wide[:, ::2].copy()})


def test_the_place_of_the_cache_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SPLITWAY_CACHE`, else the user's cache directory."""
    monkeypatch.setenv("SPLITWAY_CACHE", str(tmp_path / "a"))
    assert default_cache() == tmp_path / "a"
    monkeypatch.delenv("SPLITWAY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert default_cache() == tmp_path / "b" / "splitway"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "splitway"
