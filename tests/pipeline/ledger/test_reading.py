"""A ledger read from its own CSV is the same ledger."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import EvidenceError
from pipeline.ledger import FATES, Ledger, Row
from pipeline.ledger.columns import STAMPS, Columns
from pipeline.ledger.reading import read_rows

_WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=12)
_NS = st.integers(-(2**60), 2**60)
_ROWS = st.builds(
    Row,
    path=_WORDS,
    frame=st.integers(0, 2**31 - 1),
    content=st.integers(0, 2**31 - 1),
    scheduled_ns=_NS,
    deadline_at_ns=_NS,
    fate=st.sampled_from(FATES),
    cause=_WORDS,
    route_planned=_WORDS,
    route_delivered=_WORDS,
    variant=_WORDS,
    stamps=st.dictionaries(st.sampled_from(STAMPS), _NS),
    modelled_ns=_NS,
    bytes_up=st.integers(0, 2**31 - 1),
    bytes_down=st.integers(0, 2**31 - 1),
    overrun=st.booleans(),
    route_improved=st.sampled_from(["", "r1"]),
    partial=st.booleans(),
)


@given(rows=st.lists(_ROWS, max_size=5, unique_by=lambda row: (row.path, row.frame)))
def test_what_is_read_is_what_was_written(rows: list[Row]) -> None:
    """Names with commas and quotes, absent stamps and negative times included."""
    columns = Columns()
    for row in rows:
        columns.add(row)
    text = Ledger(columns, driver="virtual").to_csv()
    assert list(read_rows(text)) == rows


def test_what_is_no_ledger_is_refused_with_its_line() -> None:
    """A missing column is named, and so is the line of a bad value."""
    with pytest.raises(EvidenceError, match="has no column 'path'"):
        list(read_rows("a,b\n1,2\n", name="x.csv"))
    columns = Columns()
    columns.add(Row(path="p", frame=0, content=0, scheduled_ns=0, deadline_at_ns=1, fate="late"))
    text = Ledger(columns, driver="live").to_csv()
    with pytest.raises(EvidenceError, match=r"x\.csv:2: is no row"):
        list(read_rows(text.replace("late", "lost"), name="x.csv"))
