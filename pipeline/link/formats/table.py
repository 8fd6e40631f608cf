"""Traces as a table: `t_s, up_mbps, down_mbps, rtt_ms, loss`, one row for each change.

A row holds from its time to that of the next. Time counts from the first row, which is t0. The
last row holds as long as the one before it, and then the table repeats; a table of one row holds
for ever. Rates are in 10^6 bits per second, the loss is a share of packets from 0 to below 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

from pipeline.link.formats.protocol import (
    MOST_BITS_PER_S,
    MOST_RTT_NS,
    MOST_SPAN_NS,
    line_error,
    lines_of,
)
from pipeline.link.steps import PPM, Steps
from pipeline.link.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("t_s", "up_mbps", "down_mbps", "rtt_ms", "loss")
GAP_STEPS = 10
"""Usual steps after which a longer one is taken for rows that are missing."""

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_BITS_PER_MBIT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Reader of CSV traces."""

    name: str = "csv"
    suffixes: tuple[str, ...] = (".csv",)
    files: int = 1
    has_rtt: bool = True

    def read(self, paths: Sequence[Path], *, rtt_ns: int) -> Trace:
        """Read a table; `rtt_ns` is not looked at, as the table has its own.

        Raises:
            TraceError: The file is wrong, with the line.
        """
        del rtt_ns
        (path,) = paths
        rows = _rows(path)
        starts = [row.at_ns - rows[0].at_ns for row in rows]
        steps_ns = [other - one for one, other in pairwise(starts)]
        period_ns = starts[-1] + steps_ns[-1] if steps_ns else _NS_PER_S
        _refuse_gaps(path, rows, steps_ns)
        up, down, rtt, loss = (
            Steps.of(zip(starts, column, strict=True), period_ns=period_ns)
            for column in zip(*(row.figures for row in rows), strict=True)
        )
        for name, steps in (("up_mbps", up), ("down_mbps", down)):
            if not any(steps.values):
                reason = f"{name} is 0 in every row, so nothing would ever arrive"
                raise line_error(path, None, reason)
        return Trace(source=f"csv {path.name}", up=up, down=down, rtt_ns=rtt, loss_ppm=loss)


TABLE = Table()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A line: where it stands, when, and up, down, round trip and loss in whole numbers."""

    line: int
    at_ns: int
    figures: tuple[int, int, int, int]


def _rows(path: Path) -> list[_Row]:
    lines = lines_of(path)
    number, text = next(lines, (0, ""))
    if not number:
        raise line_error(path, None, "is empty")
    names = [name.strip() for name in text.split(",")]
    if sorted(names) != sorted(COLUMNS):
        raise line_error(
            path, number, f"the columns must be {', '.join(COLUMNS)}, got {text[:80]!r}"
        )
    rows: list[_Row] = []
    for number, text in lines:
        cells = [cell.strip() for cell in text.split(",")]
        if len(cells) != len(names):
            raise line_error(path, number, f"has {len(cells)} cells, the head has {len(names)}")
        row = _row(path, number, dict(zip(names, cells, strict=True)))
        if rows and row.at_ns <= rows[-1].at_ns:
            back = "goes back" if row.at_ns < rows[-1].at_ns else "stands still"
            before_s, now_s = (ns / _NS_PER_S for ns in (rows[-1].at_ns, row.at_ns))
            raise line_error(path, number, f"time {back}: {before_s:.9g} s, then {now_s:.9g} s")
        rows.append(row)
    if not rows:
        raise line_error(path, None, "has no samples, only the names of the columns")
    return rows


def _row(path: Path, line: int, cells: dict[str, str]) -> _Row:
    def whole(name: str, scale: int, most: int, least: int | None = 0) -> int:
        """The cell times the scale as a whole number, checked against its range."""
        text = cells[name]
        try:
            value = Decimal(text)
        except InvalidOperation as err:
            what = f"must be a number, got {text[:40]!r}" if text else "is missing"
            raise line_error(path, line, f"{name} {what}") from err
        if not value.is_finite():
            raise line_error(path, line, f"{name} must be finite, got {text[:40]!r}")
        if least is not None and value < least:
            raise line_error(path, line, f"{name} must not be negative, got {text[:40]!r}")
        if abs(value) > Decimal(most) / scale:
            raise line_error(
                path, line, f"{name} must be at most {most / scale:g}, got {text[:40]!r}"
            )
        return int((value * scale).to_integral_value())

    return _Row(
        line=line,
        at_ns=whole("t_s", _NS_PER_S, 10**19, None),  # a Unix time will do
        figures=(
            whole("up_mbps", _BITS_PER_MBIT, MOST_BITS_PER_S),
            whole("down_mbps", _BITS_PER_MBIT, MOST_BITS_PER_S),
            whole("rtt_ms", _NS_PER_MS, MOST_RTT_NS),
            whole("loss", PPM, PPM - 1),
        ),
    )


def _refuse_gaps(path: Path, rows: Sequence[_Row], steps_ns: Sequence[int]) -> None:
    if not steps_ns:
        return
    if sum(steps_ns) > MOST_SPAN_NS:
        raise line_error(path, rows[-1].line, "is more than a week after the first row")
    most_ns = GAP_STEPS * median_low(steps_ns)
    for row, step_ns in zip(rows[1:], steps_ns, strict=True):
        if step_ns > most_ns:
            raise line_error(
                path,
                row.line,
                f"a gap of {step_ns / _NS_PER_S:.9g} s, over {GAP_STEPS} times the usual step; "
                "write a row for each step if the figures really held all the while",
            )
