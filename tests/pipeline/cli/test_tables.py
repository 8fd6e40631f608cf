"""Tables and long lines, in a pipe and in terminals of several widths."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING

import pytest

from pipeline.cli.options import Common
from pipeline.cli.tables import print_table, say

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = ("route", "codec", "p99", "bias", "bytes", "mJ")
ROWS = [
    ("encoded", "jpeg:90", "61.2", "60.9 to 61.6", "14 450", ""),
    ("edge", "", "29.6", "", "", ""),
]
YIELDING = ("mJ", "bytes", "bias")
PLAIN = Common(color=False)
_BOLD = re.compile("\x1b\\[[0-9;]*m")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], io.StringIO]:
    """Standard output becomes a terminal of so many columns."""

    def opened(columns: int) -> io.StringIO:
        made = _Terminal()
        monkeypatch.setattr(sys, "stdout", made)
        monkeypatch.setenv("COLUMNS", str(columns))
        return made

    return opened


def test_a_pipe_has_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads it chooses."""
    print_table(PLAIN, HEADER, ROWS, left=2, yielding=YIELDING)
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["route", "encoded", "edge"]
    assert all(title in out for title in HEADER)
    assert "not shown" not in out


@pytest.mark.parametrize(
    ("columns", "there", "said"),
    [
        (80, set(HEADER), ""),
        (44, {"route", "codec", "p99", "bias", "bytes"}, ""),  # nothing stood in the other one
        (36, {"route", "codec", "p99", "bias"}, "bytes"),
        (30, {"route", "codec", "p99"}, "bytes, bias"),
    ],
)
def test_columns_give_way_in_their_order(
    terminal: Callable[[int], io.StringIO], columns: int, there: set[str], said: str
) -> None:
    """And those that held something are named below."""
    out = terminal(columns)
    print_table(PLAIN, HEADER, ROWS, left=2, yielding=YIELDING)
    head, *body = _BOLD.sub("", out.getvalue()).splitlines()
    assert set(head.split()) == there
    assert len(body) == 2 + bool(said)
    if said:
        assert body[-1] == f"  not shown at {columns} columns: {said}"


def test_a_long_line_goes_on_below_its_begin(
    terminal: Callable[[int], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a pipe it stays whole."""
    line = "  why        " + "because of this and that " * 6
    say(PLAIN, line, hang=13)
    assert capsys.readouterr().out == f"{line}\n"
    out = terminal(72)
    say(PLAIN, line, hang=11)
    first, *others = out.getvalue().splitlines()
    assert first.startswith("  why        because")
    assert others
    assert all(other.startswith(" " * 13 + "b") or other[13] != " " for other in others)
    assert max(map(len, [first, *others])) <= 72
