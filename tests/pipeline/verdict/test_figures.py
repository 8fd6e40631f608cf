"""Figures from columns, against the same figures row by row."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from pipeline.ledger import FATES, SPANS, Ledger, Row, durations_ns
from pipeline.ledger.columns import STAMPS, Columns
from pipeline.verdict import PathCounts, PathRule, WeaklyHard
from pipeline.verdict.figures import PathFigures, count_paths
from pipeline.verdict.windows import Spell

if TYPE_CHECKING:
    from pipeline.ledger import Fate

stamps = st.dictionaries(st.sampled_from(STAMPS), st.integers(0, 10_000))
rows = st.builds(
    Row,
    path=st.sampled_from(["a", "b"]),
    frame=st.integers(0, 10_000),
    content=st.just(0),
    scheduled_ns=st.integers(0, 10_000),
    deadline_at_ns=st.integers(0, 20_000),
    fate=st.sampled_from(FATES),
    cause=st.sampled_from(["", "edge", "overtaken", "no-answer"]),
    stamps=stamps,
    overrun=st.sampled_from([False, False, False, True]),
)
row_lists = st.lists(rows, unique_by=lambda row: (row.path, row.frame), max_size=30)


def ledger_of(kept: list[Row]) -> Ledger:
    """A ledger with these very rows, whatever they say."""
    columns = Columns()
    for row in kept:
        columns.add(row)
    return Ledger(columns, driver="live")


@given(kept=row_lists)
def test_durations_of_all_frames_are_the_durations_of_each(kept: list[Row]) -> None:
    """Equal to the ledger's own definition for any set of stamps, in any order."""
    durations, passed = PathFigures(ledger_of(kept), "a").durations_ns()
    mine = [row for row in kept if row.path == "a"]
    found = [
        {span: d for span, d, there in zip(SPANS, *pair, strict=True) if there}
        for pair in zip(durations.tolist(), passed.tolist(), strict=True)
    ]
    assert found == [durations_ns(row.scheduled_ns, row.stamps) for row in mine]


@given(kept=row_lists)
def test_latencies_count_from_the_scheduled_time(kept: list[Row]) -> None:
    """And are infinite without a delivery."""
    found = PathFigures(ledger_of(kept), "a").latencies_ns().tolist()
    assert found == [
        row.stamps.get("deliver", math.inf) - row.scheduled_ns for row in kept if row.path == "a"
    ]


def open_ns(row: Row) -> tuple[int, int]:
    """From when to when a frame was open."""
    return row.scheduled_ns, max([row.deadline_at_ns, *row.stamps.values()])


def may_change(row: Row, overran: list[Row]) -> bool:
    """Whether a miss was open together with a frame that overran."""
    if row.fate not in ("late", "dropped", "failed"):
        return False
    if row.fate == "failed" and row.cause != "no-answer":
        return False
    begin, end = open_ns(row)
    return any(open_ns(other)[0] <= end and open_ns(other)[1] >= begin for other in overran)


@given(kept=row_lists)
def test_counts_are_those_of_the_rows_one_by_one(kept: list[Row]) -> None:
    """Misses near an overrun of any path are found, by brute force."""
    ledger = ledger_of(kept)
    overran = [row for row in kept if row.overrun]
    found = count_paths(ledger, {path: PathFigures(ledger, path) for path in "ab"})
    for path in "ab":
        mine = [row for row in kept if row.path == path]
        assert found[path] == PathCounts(
            offered=len(mine),
            interrupted=sum(row.fate == "interrupted" for row in mine),
            misses=sum(row.fate in ("late", "dropped", "failed") for row in mine),
            overruns=sum(row.overrun for row in mine),
            would_change=sum(may_change(row, overran) for row in mine),
        )


def row(frame: int, fate: Fate, *, path: str = "a", cause: str = "", overrun: bool = False) -> Row:
    """A frame every 100 ns with a deadline of 100 ns, that never got beyond the source."""
    return Row(
        path=path,
        frame=frame,
        content=frame,
        scheduled_ns=100 * frame,
        deadline_at_ns=100 * frame + 100,
        fate=fate,
        cause=cause,
        overrun=overrun,
    )


def test_a_miss_long_after_an_overrun_is_a_miss() -> None:
    """And one beside it, on another path too, is a doubt."""
    kept = [
        row(0, "edge", overrun=True),
        row(0, "dropped", path="b", cause="overtaken"),
        row(9, "dropped", path="b", cause="overtaken"),
    ]
    ledger = ledger_of(kept)
    found = count_paths(ledger, {path: PathFigures(ledger, path) for path in "ab"})
    assert found["a"].would_change == 0
    assert (found["b"].misses, found["b"].would_change) == (2, 1)


def test_causes_are_counted_with_their_fate() -> None:
    """A fate that says it all has no cause."""
    kept = [
        row(0, "edge"),
        row(1, "failed", cause="job"),
        row(2, "dropped", cause="overtaken"),
        row(3, "dropped", cause="overtaken"),
        row(4, "late", cause="uplink"),
        row(4, "late", cause="uplink", path="b"),
    ]
    found = PathFigures(ledger_of(kept), "a").causes()
    assert list(found.items()) == [
        ("late(uplink)", 1),
        ("dropped(overtaken)", 2),
        ("failed(job)", 1),
    ]


def test_an_unknown_path_has_no_frames() -> None:
    """And all its figures are empty."""
    figures = PathFigures(ledger_of([]), "nowhere")
    assert len(figures) == 0
    assert figures.latencies_ns().tolist() == []
    assert figures.causes() == {}


HARD = PathRule(name="a", deadline_ns=100, weakly_hard=WeaklyHard(misses=1, window=3))


def test_windows_pass_over_interrupted_frames_and_other_paths() -> None:
    """Frames 1, 3 and 4 are one after the other in what was judged."""
    kept = [
        row(0, "edge"),
        row(1, "late", cause="uplink"),
        row(2, "interrupted"),
        row(2, "failed", path="b", cause="job"),
        row(3, "dropped", cause="overtaken"),
        row(4, "cloud"),
        row(5, "failed", cause="job"),
    ]
    ledger = ledger_of(kept)
    found = count_paths(ledger, {path: PathFigures(ledger, path) for path in "ab"}, [HARD])
    assert found["a"].window == Spell(first=0, last=3, misses=2, frames=3)
    assert found["a"].streak == Spell(first=1, last=3, misses=2, frames=2)
    assert found["b"].window is None
    assert found["b"].freshness is None


def test_the_tightest_deadline_is_that_of_the_rows() -> None:
    """Each row has its own; a path without rows has none."""
    rows = [row(0, "edge"), structs.replace(row(1, "edge"), deadline_at_ns=170)]
    ledger = ledger_of(rows)
    found = count_paths(ledger, {"a": PathFigures(ledger, "a")}, [HARD])["a"]
    assert found.tightest_ns == 70
    empty = ledger_of([])
    assert count_paths(empty, {"a": PathFigures(empty, "a")}, [HARD])["a"].tightest_ns is None
