"""Tables and long lines on standard output: fitted to a terminal, whole in a pipe."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from pipeline.cli.options import Common

_PIPE_WIDTH = 280  # a table in a pipe is not folded; whoever reads it chooses the width
_GAP = 2  # between two columns
_LEAST_WIDTH = 60  # below this a terminal folds lines itself


def console(common: Common) -> Console:
    """Where tables go; plain and wide in a pipe."""
    from rich.console import Console

    if sys.stdout.isatty():
        return Console(no_color=not common.color, highlight=False)
    return Console(no_color=True, width=_PIPE_WIDTH, highlight=False)


def print_table(
    common: Common,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    yielding: Sequence[str] = (),
) -> None:
    """A table without lines; the first `left` columns are text, the others figures.

    Args:
        common: How to print.
        header: Titles of the columns.
        rows: A text for each of them.
        left: How many columns are text.
        yielding: Titles of columns that are left out, in this order, where the terminal is too
            narrow for all; a line below names them. In a pipe all are there.
    """
    from rich.table import Table

    where = console(common)
    cells = [list(row) for row in rows]
    kept, gone = _fitting(header, cells, where.width, yielding)
    table = Table(
        box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold", show_edge=False
    )
    for index in kept:
        text = index < left
        table.add_column(header[index], justify="left" if text else "right", no_wrap=text)
    for row in cells:
        table.add_row(*(row[index] for index in kept))
    where.print(table)
    if gone:
        say(common, f"  not shown at {where.width} columns: {', '.join(dict.fromkeys(gone))}")


def _fitting(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, yielding: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Columns that are shown, and titles of those that are left out so that they fit."""
    from rich.cells import cell_len

    widths = [
        max(map(cell_len, column)) for column in zip(header, *rows, strict=True)
    ]  # of a title, or of what lies below
    empty = {index for index in range(len(header)) if not any(row[index] for row in rows)}
    kept, gone = list(range(len(header))), []
    for title in yielding:
        if sum(widths[i] for i in kept) + _GAP * (len(kept) - 1) <= width:
            break
        for index in [i for i in kept if header[i] == title]:
            kept.remove(index)
            if index not in empty:
                gone.append(title)
    return kept, gone


def say(common: Common, line: str, *, hang: int = 2) -> None:
    """A line of prose: in a terminal it goes on below its begin, `hang` columns farther in.

    Args:
        common: How to print.
        line: The line, indented as it shall be.
        hang: How much farther what follows is indented.
    """
    width = console(common).width if sys.stdout.isatty() else 0
    if width < _LEAST_WIDTH or len(line) <= width:
        print(line)
        return
    body = line.lstrip(" ")
    indent = " " * (len(line) - len(body))
    for part in textwrap.wrap(
        body,
        width,
        initial_indent=indent,
        subsequent_indent=indent + " " * hang,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        print(part)
