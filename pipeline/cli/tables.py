"""Tables on standard output that survive a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from pipeline.cli.options import Common

_PIPE_WIDTH = 280  # a table in a pipe is not folded; whoever reads it chooses the width


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
) -> None:
    """A table without lines; the first `left` columns are text, the others figures."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index < left)
    for row in rows:
        table.add_row(*row)
    console(common).print(table)
