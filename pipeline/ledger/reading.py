"""A ledger read again from its CSV text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pipeline.errors import EvidenceError
from pipeline.ledger.columns import STAMPS
from pipeline.ledger.fates import FATES
from pipeline.ledger.rows import Row
from pipeline.ledger.sealing import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def read_rows(text: str, *, name: str = "ledger.csv") -> Iterator[Row]:
    """Rows of a ledger's CSV text, in order.

    Args:
        text: What `Ledger.to_csv` wrote.
        name: What to call it in errors.

    Raises:
        EvidenceError: It is no ledger; the line is named.
    """
    lines = csv.DictReader(io.StringIO(text))
    missing = [column for column in COLUMNS if column not in (lines.fieldnames or ())]
    if missing:
        raise EvidenceError(f"{name}: is no ledger: has no column {missing[0]!r}")
    for line in lines:
        try:
            yield _row(line)
        except (ValueError, TypeError, KeyError) as err:
            raise EvidenceError(f"{name}:{lines.line_num}: is no row: {err}") from err


def _row(line: Mapping[str, str]) -> Row:
    fates = {str(fate): fate for fate in FATES}
    return Row(
        path=line["path"],
        frame=int(line["frame"]),
        content=int(line["content"]),
        scheduled_ns=int(line["scheduled_ns"]),
        deadline_at_ns=int(line["deadline_at_ns"]),
        fate=fates[line["fate"]],
        cause=line["cause"],
        route_planned=line["route_planned"],
        route_delivered=line["route_delivered"],
        variant=line["variant"],
        stamps={stamp: int(line[f"{stamp}_ns"]) for stamp in STAMPS if line[f"{stamp}_ns"]},
        modelled_ns=int(line["modelled_ns"]),
        bytes_up=int(line["bytes_up"]),
        bytes_down=int(line["bytes_down"]),
        overrun=line["overrun"] == "1",
        route_improved=line["route_improved"],
        partial=line["partial"] == "1",
    )
