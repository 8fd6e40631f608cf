"""Rows as columns: what goes in comes out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import FATES, Row
from pipeline.ledger.columns import ABSENT, STAMPS, Columns

texts = st.text(max_size=8)
stamps_ns = st.integers(-(2**62), 2**62)
rows = st.builds(
    Row,
    path=st.sampled_from(["a", "b"]),
    frame=st.integers(0, 2**31 - 1),
    content=st.integers(0, 2**31 - 1),
    scheduled_ns=stamps_ns,
    deadline_at_ns=stamps_ns,
    fate=st.sampled_from(FATES),
    cause=texts,
    route_planned=texts,
    route_delivered=texts,
    variant=texts,
    stamps=st.dictionaries(st.sampled_from(STAMPS), stamps_ns),
    modelled_ns=stamps_ns,
    bytes_up=st.integers(0, 2**31 - 1),
    bytes_down=st.integers(0, 2**31 - 1),
    overrun=st.booleans(),
    route_improved=st.sampled_from(["", "r1"]),
    partial=st.booleans(),
)


@given(kept=st.lists(rows, unique_by=lambda row: (row.path, row.frame), max_size=40))
def test_rows_come_back_as_they_were(kept: list[Row]) -> None:
    """In order, one by one and by their place, also when the columns had to grow."""
    columns = Columns(expected_rows=1)
    places = [columns.add(row) for row in kept]
    assert places == list(range(len(kept)))
    assert list(columns.rows()) == kept
    assert len(columns) == len(columns.data) == len(kept)
    for index, row in enumerate(kept):
        assert columns.place(row.path, row.frame) == index
        assert columns.row(index) == row


@given(
    kept=st.lists(rows, unique_by=lambda row: (row.path, row.frame), max_size=20), data=st.data()
)
def test_stamps_of_chosen_rows_are_those_of_the_rows(kept: list[Row], data: st.DataObject) -> None:
    """As run times, near the scheduled time and far from it."""
    columns = Columns(expected_rows=1)
    for row in kept:
        columns.add(row)
    chosen = data.draw(st.lists(st.booleans(), min_size=len(kept), max_size=len(kept)))
    found = columns.stamps_ns(np.array(chosen, bool))
    wanted = [row for row, taken in zip(kept, chosen, strict=True) if taken]
    assert found.shape == (len(wanted), len(STAMPS))
    for row, stamps in zip(wanted, found.tolist(), strict=True):
        assert stamps == [row.stamps.get(name, ABSENT) for name in STAMPS]


def test_a_second_row_for_a_frame_is_refused() -> None:
    """And the first one stays."""
    columns = Columns()
    row = Row(path="a", frame=1, content=1, scheduled_ns=0, deadline_at_ns=1, fate="edge")
    columns.add(row)
    with pytest.raises(KeyError):
        columns.add(row)
    assert list(columns.rows()) == [row]


@pytest.mark.parametrize("after_ns", [s * 2**31 + d for s in (-1, 1) for d in (-2, -1, 0, 1, 2)])
def test_a_stamp_at_the_edge_of_its_bytes_comes_back(after_ns: int) -> None:
    """The two values that mean something else, and those just beyond what the bytes hold."""
    row = Row(
        path="a",
        frame=0,
        content=0,
        scheduled_ns=7,
        deadline_at_ns=9,
        fate="edge",
        stamps={"source": 7 + after_ns, "deliver": 8},
    )
    columns = Columns()
    columns.add(row)
    assert columns.row(0) == row


def test_a_stamp_that_is_no_spans_is_refused() -> None:
    """Nothing is left out quietly."""
    row = Row("a", 0, 0, 7, 9, "edge", stamps={"lunch": 8})
    with pytest.raises(KeyError, match="lunch"):
        Columns().add(row)
