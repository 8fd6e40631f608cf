"""Trace formats: found by entry point, by name or by ending."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.link.formats import format_for, installed

ONE = (Path("lte.csv"),)
PAIR = (Path("x.up"), Path("x.down"))


def test_the_built_in_formats_are_entry_points() -> None:
    """As a stranger's would be."""
    assert {"csv", "mahimahi"} <= installed().keys()


def test_a_format_is_known_by_its_files() -> None:
    """A single file by its ending, a pair is mahimahi's, and a name counts before both."""
    assert format_for(ONE, None).name == "csv"
    assert format_for((Path("LTE.CSV"),), None).name == "csv"
    assert format_for(PAIR, None).name == "mahimahi"
    assert format_for((Path("odd.txt"),), "csv").name == "csv"


@pytest.mark.parametrize(
    ("paths", "name", "reason"),
    [
        ((Path("x.pcap"),), None, "no trace format has files that end in '.pcap'"),
        ((Path("x"),), None, "no trace format has files that end in 'nothing'"),
        (ONE, "mahimahi", "takes a pair of files"),
        (PAIR, "csv", "takes one file"),
        (ONE, "mahi", "there is no trace format 'mahi'; known: csv, mahimahi"),
    ],
)
def test_what_is_no_format_is_refused(
    paths: tuple[Path, ...], name: str | None, reason: str
) -> None:
    """With what there is."""
    with pytest.raises(InputError, match=reason):
        format_for(paths, name)


@pytest.mark.parametrize("name", sorted(installed()))
def test_every_installed_format_keeps_the_protocol(name: str) -> None:
    """Its name is that of its entry point; endings begin with a dot; it takes one file or two."""
    found = installed()[name].load()
    assert found.name == name
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in found.suffixes)
    assert found.files in (1, 2)
    assert isinstance(found.has_rtt, bool)
