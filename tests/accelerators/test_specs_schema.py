"""Tests of the spec files and of what their schema refuses."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from accelerators.errors import SpecError
from accelerators.models import host, npu
from accelerators.specs_schema import read_spec

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = resources.files("accelerators") / "specs"
WARBOY = (FOLDER / "furiosa-warboy.toml").read_text("utf-8")


def refused(text: str, folder: Path) -> str:
    """The message with which this text is refused."""
    path = folder / "spec.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SpecError) as caught:
        read_spec(path, source="spec.toml")
    return str(caught.value)


def test_every_spec_file_is_shipped_as_a_device() -> None:
    """No TOML lies in the folder that no device is made of."""
    names = {file.name.removesuffix(".toml") for file in FOLDER.iterdir()}
    assert names == {*npu.SHIPPED, *host.SHIPPED}


@pytest.mark.parametrize("name", [*npu.SHIPPED, *host.SHIPPED])
def test_a_file_is_named_after_its_device(name: str) -> None:
    """The id in the file is the file's name."""
    assert tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))["id"] == name


def test_the_published_figures_of_warboy_stand_in_its_spec() -> None:
    """64 TOPS are 32 tera multiply-adds; 66 GB/s; caches within 32 MB."""
    spec = tomllib.loads(WARBOY)
    assert spec["compute"]["int8"]["peak_macs_per_s"]["value"] == 32 * 10**12
    assert spec["memory"]["bytes_per_s"]["value"] == 66 * 10**9
    memory = spec["memory"]
    held = memory["weight_cache_bytes"]["value"] + memory["activation_buffer_bytes"]["value"]
    assert held <= 32 * 10**6


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A misspelt figure must not fall back to a default."""
    text = WARBOY.replace("[power]", "[power]\nidle_mw = 3")
    assert "power.idle_mw" in refused(text, tmp_path)


def test_a_figure_without_a_source_is_refused(tmp_path: Path) -> None:
    """Numbers that nobody can check do not enter."""
    text = WARBOY.replace("[power]\nactive_mw = {", "[power]\nactive_mw = { value = 1 } #")
    assert "power.active_mw.source" in refused(text, tmp_path)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """Two mistakes, one message."""
    text = WARBOY.replace('label = "assumed"', 'label = "guessed"').replace(
        "low_permille = 700", "low_permille = 1700"
    )
    message = refused(text, tmp_path)
    assert "label" in message
    assert "bias.low_permille" in message


@pytest.mark.parametrize("kind", ["gpu", "real"])
def test_an_unknown_kind_is_refused(kind: str, tmp_path: Path) -> None:
    """Only kinds with a model can be described."""
    assert "kind" in refused(WARBOY.replace('kind = "npu"', f'kind = "{kind}"'), tmp_path)


def test_a_rate_of_zero_is_refused(tmp_path: Path) -> None:
    """Rates are divided by."""
    text = WARBOY.replace("value = 66_000_000_000", "value = 0")
    assert "memory.bytes_per_s.value" in refused(text, tmp_path)


@pytest.mark.parametrize("text", ["", "a = [", "\x00", "a = 1\na = 2", "[" * 20_000])
def test_what_is_no_spec_is_a_spec_error(text: str, tmp_path: Path) -> None:
    """Empty, broken, binary, repeating and deeply nested files all end in one line."""
    message = refused(text, tmp_path)
    assert message.startswith("spec.toml: ")
    assert "\n" not in message


def test_bytes_that_are_no_text_and_huge_files_are_refused(tmp_path: Path) -> None:
    """Limits hold before anything is parsed."""
    path = tmp_path / "spec.toml"
    for content in (b"\xff\xfe", b"#" * 1_000_001):
        path.write_bytes(content)
        with pytest.raises(SpecError):
            read_spec(path, source="spec.toml")


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    """The system's own error passes through."""
    with pytest.raises(FileNotFoundError):
        read_spec(tmp_path / "none.toml", source="none.toml")
