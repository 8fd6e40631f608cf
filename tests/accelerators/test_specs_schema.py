"""Tests of the spec files and of what their schema refuses."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from accelerators.errors import SpecError
from accelerators.models import host, npu, package, pim
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
    assert names == {*npu.SHIPPED, *host.SHIPPED, *pim.SHIPPED, *package.SHIPPED}


@pytest.mark.parametrize("name", [*npu.SHIPPED, *host.SHIPPED, *pim.SHIPPED, *package.SHIPPED])
def test_a_file_is_named_after_its_device(name: str) -> None:
    """The id in the file is the file's name."""
    assert tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))["id"] == name


def test_the_published_figures_of_warboy_stand_in_its_spec() -> None:
    """64 TOPS, and a fit below that peak: 32 tera multiply-adds."""
    spec = tomllib.loads(WARBOY)
    assert "64 TOPS" in {found["figure"] for found in spec["published"]}
    assert spec["rates"]["int8"]["macs_per_s"]["value"] < 32 * 10**12


@pytest.mark.parametrize("name", npu.SHIPPED)
def test_a_label_says_what_stands_behind_a_spec(name: str) -> None:
    """A fitted file has the error of its fit; an extrapolated one is at least a factor two wide."""
    spec = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    bias = spec["bias"]
    if spec["label"] == "fitted":
        assert spec["fit"]["held_out"] >= 3
        assert spec["fit"]["median_permille"] > 0
        assert len(spec["fit"]["data_sha256"]) == 64
    else:
        assert spec["label"] in {"anchored", "extrapolated"}
        assert bias["low_permille"] <= 500
        assert bias["high_permille"] >= 2000


def test_a_fit_belongs_to_the_label_fitted_and_to_no_other(tmp_path: Path) -> None:
    """A file cannot claim a fit that it does not describe."""
    text = WARBOY.replace('label = "fitted"', 'label = "anchored"')
    assert "exactly where the table fit" in refused(text, tmp_path)


def test_a_power_range_upside_down_is_refused(tmp_path: Path) -> None:
    """The low bound is the lower one; both are named."""
    text = WARBOY.replace("value = 40000\n", "value = 70000\n")
    assert "low_mw (70000) is above high_mw (60000)" in refused(text, tmp_path)


def test_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A misspelt figure must not fall back to a default."""
    text = WARBOY.replace("[energy.low_mw]", "[energy]\nidle_mw = 3\n\n[energy.low_mw]")
    assert "energy.idle_mw" in refused(text, tmp_path)


def test_a_figure_without_a_source_is_refused(tmp_path: Path) -> None:
    """Numbers that nobody can check do not enter."""
    text = WARBOY.replace("[energy.low_mw]\nvalue = 40000\nsource", "[energy.low_mw]\nvalue = 1 #")
    assert "energy.low_mw.source" in refused(text, tmp_path)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    """Two mistakes, one message."""
    low = tomllib.loads(WARBOY)["bias"]["low_permille"]
    text = WARBOY.replace('label = "fitted"', 'label = "guessed"').replace(
        f"low_permille = {low}", "low_permille = 1700"
    )
    message = refused(text, tmp_path)
    assert "label" in message
    assert "bias.low_permille" in message


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    """Only precisions whose elements have a size."""
    assert "int3" in refused(WARBOY.replace("rates.int8", "rates.int3"), tmp_path)


def test_an_unknown_schema_is_refused(tmp_path: Path) -> None:
    """The number of the schema decides which tables there are."""
    assert "schema" in refused(WARBOY.replace("splitway.device/2", "splitway.device/9"), tmp_path)


@pytest.mark.parametrize("kind", ["gpu", "real"])
def test_an_unknown_kind_is_refused(kind: str, tmp_path: Path) -> None:
    """Only kinds with a model can be described."""
    assert "kind" in refused(WARBOY.replace('kind = "npu"', f'kind = "{kind}"'), tmp_path)


def test_a_rate_of_zero_is_refused(tmp_path: Path) -> None:
    """Rates are divided by."""
    text = WARBOY.replace(
        "[link.bytes_per_s]\nvalue = 12000000000", "[link.bytes_per_s]\nvalue = 0"
    )
    message = refused(text, tmp_path)
    assert message.startswith("spec.toml: link.bytes_per_s.value: ")
    assert message.endswith(", not 0")


def test_a_unit_beside_a_figure_or_missing_in_a_name_is_refused(tmp_path: Path) -> None:
    """The name carries the unit, the value is a number: the field and what it holds are told."""
    text = WARBOY.replace(
        "[link.bytes_per_s]\nvalue = 12000000000", "[link.bytes_per_s]\nvalue = 'x'"
    )
    assert "link.bytes_per_s.value: Input should be a valid integer, not 'x'" in refused(
        text, tmp_path
    )
    message = refused(WARBOY.replace("[link.bytes_per_s]", "[link.bytes]"), tmp_path)
    assert "link.bytes_per_s: Field required" in message
    assert "link.bytes: Extra inputs are not permitted" in message


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
