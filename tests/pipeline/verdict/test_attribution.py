"""Blame from ledger rows: budgets, the largest excess, the last span entered, and the ranking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger.rows import Row
from pipeline.ledger.spans import SPANS
from pipeline.verdict.attribution import (
    Behind,
    Blame,
    Norm,
    Way,
    blame,
    median_ns,
    norms,
    ranked,
    way_of,
)

MS = 1_000_000
NORM = Norm(
    medians_ns={"source": MS, "prepare": MS, "edge_wait": MS, "edge": 5 * MS, "deliver": 2 * MS},
    met=9,
)


def _row(frame: int = 0, *, fate: str = "edge", cause: str = "", **ends_ms: float) -> Row:
    """A row of a 20 ms deadline, with the ends of its spans in ms after it was scheduled."""
    scheduled_ns = frame * 100 * MS
    return Row(
        path="camera",
        frame=frame,
        content=frame,
        scheduled_ns=scheduled_ns,
        deadline_at_ns=scheduled_ns + 20 * MS,
        fate=fate,  # type: ignore[arg-type]
        cause=cause,
        route_planned="r",
        route_delivered="r" if "deliver" in ends_ms else "",
        stamps={span: scheduled_ns + int(ms * MS) for span, ms in ends_ms.items()},
    )


def _answered(frame: int, edge_ms: float, *, fate: str = "edge") -> Row:
    return _row(
        frame,
        fate=fate,
        source=1,
        prepare=2,
        edge_wait=3,
        edge=3 + edge_ms,
        deliver=5 + edge_ms,
    )


def test_a_norm_is_the_median_of_the_met_frames_alone() -> None:
    """Late frames do not make late usual; a path that met nothing has its prediction."""
    rows = [_answered(n, edge_ms) for n, edge_ms in enumerate((4, 5, 6))]
    rows += [_answered(3 + n, 50, fate="late") for n in range(9)]
    found = norms(rows, {"camera": {"edge": MS}, "idle": {"edge": 7 * MS}})
    assert found["camera"] == Norm(
        medians_ns={**NORM.medians_ns, "edge": 5 * MS, "deliver": 2 * MS}, met=3
    )
    assert found["idle"] == Norm(medians_ns={"edge": 7 * MS}, met=0)


@given(
    medians_ns=st.dictionaries(st.sampled_from(SPANS), st.integers(0, 10**9), max_size=8),
    deadline_ns=st.integers(1, 10**10),
)
def test_budgets_add_up_to_the_deadline(medians_ns: dict[str, int], deadline_ns: int) -> None:
    """Up to a nanosecond per span lost in rounding, in proportion to the medians."""
    budgets = Norm(medians_ns=medians_ns, met=1).budgets_ns(deadline_ns)
    if sum(medians_ns.values()) == 0:
        assert set(budgets.values()) <= {0}
    else:
        assert deadline_ns - len(budgets) <= sum(budgets.values()) <= deadline_ns
    order = sorted(medians_ns, key=lambda span: medians_ns[span])
    assert sorted(budgets[span] for span in order) == [budgets[span] for span in order]


def test_the_largest_excess_over_its_budget_is_to_blame() -> None:
    """Budgets are twice the medians here: 10 ms of edge, 4 ms of deliver."""
    late = _answered(0, 16, fate="late")
    assert blame(way_of(late, NORM), NORM, 20 * MS) == Blame(span="edge", excess_ns=6 * MS)
    slow = _row(0, fate="late", source=1, prepare=2, edge_wait=3, edge=14, deliver=25)
    assert blame(way_of(slow, NORM), NORM, 20 * MS) == Blame(span="deliver", excess_ns=7 * MS)


@pytest.mark.parametrize(
    ("row", "entered"),
    [
        (_row(fate="dropped", cause="sensor"), "source"),
        (_row(fate="failed", cause="unsettled"), "source"),
        (_row(fate="dropped", cause="overtaken", source=1), "edge_wait"),
        (_row(fate="failed", cause="job", source=1), "prepare"),
        (_row(fate="failed", cause="job", source=1, prepare=2), "edge_wait"),
        (_row(fate="failed", cause="job", source=1, prepare=2, edge_wait=3), "edge"),
        (_row(fate="dropped", cause="refused", source=1, prepare=2), "cloud_wait"),
        (_row(fate="late", cause="undelivered", source=1, edge=3), "deliver"),
    ],
)
def test_a_frame_without_an_answer_is_blamed_on_the_last_span_it_entered(
    row: Row, entered: str
) -> None:
    """What follows a span is what usually does on the path."""
    way = way_of(row, NORM, until_ns=30 * MS)
    assert way.entered == entered
    assert blame(way, NORM, 20 * MS) == Blame(span=entered, excess_ns=None)
    last_ns = max(row.stamps.values(), default=0)
    assert sum(way.spans_ns.values()) == 30 * MS >= way.spans_ns[entered] >= 30 * MS - last_ns


def test_a_refused_frame_that_came_late_is_blamed_on_what_made_it_late() -> None:
    """One that came in time was refused for what lay before it in the cloud."""
    norm = Norm(medians_ns={"prepare": MS, "uplink_wait": MS, "cloud_wait": 2 * MS}, met=4)
    late = Way(
        spans_ns={"prepare": MS, "uplink_wait": 15 * MS, "cloud_wait": 0},
        entered="cloud_wait",
        given_up=True,
    )
    assert blame(late, norm, 20 * MS) == Blame(span="uplink_wait", excess_ns=10 * MS)
    soon = Way(spans_ns={"prepare": MS, "cloud_wait": 0}, entered="cloud_wait", given_up=True)
    assert blame(soon, norm, 20 * MS) == Blame(span="cloud_wait", excess_ns=None)


def test_reasons_are_ranked_by_the_misses_that_they_explain() -> None:
    """Every miss is in one reason, and the shares add up to one."""
    lidar = Behind(path="lidar", span="uplink")
    found = ranked(
        [("a", "edge", None), ("b", "uplink_wait", lidar), ("b", "uplink_wait", None)]
        + [("b", "uplink_wait", lidar)] * 2
    )
    assert [(c.path, c.span, c.behind, c.misses) for c in found] == [
        ("b", "uplink_wait", lidar, 3),
        ("a", "edge", None, 1),
        ("b", "uplink_wait", None, 1),
    ]
    assert sum(cause.share for cause in found) == pytest.approx(1)
    assert ranked([]) == []


@given(st.lists(st.integers(), min_size=1))
def test_the_median_is_one_of_the_values(values: list[int]) -> None:
    """At least half of the values lie on each side of it, itself included."""
    middle = median_ns(values)
    assert middle in values
    assert 2 * sum(v <= middle for v in values) >= len(values)
    assert 2 * sum(v >= middle for v in values) >= len(values)
