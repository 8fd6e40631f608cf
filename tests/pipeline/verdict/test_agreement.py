"""Agreement of a virtual and a live run: paired figures, answers, and what makes them unclear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.draws import Draws
from pipeline.ledger import Ledger, Row
from pipeline.ledger.columns import Columns
from pipeline.verdict.agreement import PathAgreement, Tolerances, compare_path
from pipeline.verdict.agreement_document import agreement_document, judge_agreement
from pipeline.verdict.agreement_noise import Noise
from pipeline.verdict.agreement_pairs import Paired
from pipeline.verdict.statistics import nearest_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.ledger import Fate

MS = 1_000_000
FRAMES = 400


def ledger_of(
    rows: Sequence[tuple[int, int, Fate]], *, extra_uplink_ns: Callable[[int], int] | None = None
) -> Ledger:
    """Rows of `(edge ns, uplink ns, fate)`; a fate but `cloud` has no answer."""
    columns = Columns()
    for frame, (edge_ns, uplink_ns, fate) in enumerate(rows):
        begin_ns = frame * 50 * MS
        extra_ns = 0 if extra_uplink_ns is None else extra_uplink_ns(frame)
        stamps = {"source": begin_ns + MS, "edge": begin_ns + MS + edge_ns}
        if fate == "cloud":
            stamps["uplink"] = stamps["edge"] + uplink_ns + extra_ns
            stamps["deliver"] = stamps["uplink"] + MS
        columns.add(
            Row(
                path="p",
                frame=frame,
                content=frame,
                scheduled_ns=begin_ns,
                deadline_at_ns=begin_ns + 100 * MS,
                fate=fate,
                route_delivered="r" if fate == "cloud" else "",
                stamps=stamps,
            )
        )
    return Ledger(columns, driver="virtual")


def steady(frames: int = FRAMES) -> list[tuple[int, int, Fate]]:
    """Frames whose uplink goes up and down, slowly."""
    return [(5 * MS, 20 * MS + (frame % 37) * MS // 4, "cloud") for frame in range(frames)]


def compared(virtual: Ledger, *live: Ledger, tolerances: Tolerances | None = None) -> PathAgreement:
    """Path `p` of both."""
    return compare_path(virtual, live, "p", tolerances or Tolerances(), seed=1)


def test_a_run_agrees_with_itself() -> None:
    """No difference anywhere, an interval of nothing, every fate the same."""
    found = compared(ledger_of(steady()), ledger_of(steady()), ledger_of(steady()))
    assert found.answer == "within"
    assert found.frames == FRAMES
    assert [figure.name for figure in found.figures] == [
        "p50",
        "p90",
        "p99",
        "source",
        "edge",
        "uplink",
        "deliver",
    ]
    for figure in found.figures:
        assert (figure.difference_ns, figure.interval_ns, figure.spread_ns) == (0, (0, 0), 0)
    assert (found.fates.same, found.fates.same_live, found.fates.changes) == (1, 1, {})


def test_the_span_that_differs_is_the_one_that_is_named() -> None:
    """Ten milliseconds more in the uplink: outside there and in the percentiles, nowhere else."""
    live = ledger_of(steady(), extra_uplink_ns=lambda frame: 10 * MS + frame % 3 * MS // 10)
    found = compared(ledger_of(steady()), live)
    outside = {figure.name for figure in found.figures if figure.answer == "outside"}
    assert outside == {"p50", "p90", "p99", "uplink"}
    uplink = next(figure for figure in found.spans if figure.name == "uplink")
    assert uplink.difference_ns == pytest.approx(10.1 * MS, abs=0.2 * MS)
    assert uplink.interval_ns is not None
    assert uplink.interval_ns[0] <= 10.1 * MS <= uplink.interval_ns[1] + 1
    assert found.answer == "outside"


def test_a_short_span_may_differ_by_the_floor() -> None:
    """A fifth of a millisecond is nothing to fail for; without the floor it would be."""
    live = ledger_of([(edge + 300_000, uplink, fate) for edge, uplink, fate in steady()])
    strict = Tolerances(spans=0.05, floor_ns=0)
    kind = Tolerances(spans=0.05, floor_ns=500_000)
    edges = [
        next(f for f in compared(ledger_of(steady()), live, tolerances=t).spans if f.name == "edge")
        for t in (strict, kind)
    ]
    assert [edge.answer for edge in edges] == ["outside", "within"]


def test_live_runs_that_differ_among_themselves_leave_it_unclear() -> None:
    """A host that takes 10 ms more in one run than in the other says nothing about the model."""
    slow = ledger_of(steady(), extra_uplink_ns=lambda _: 20 * MS)
    quick = ledger_of(steady(), extra_uplink_ns=lambda _: 10 * MS)
    found = compared(ledger_of(steady()), slow, quick)
    p50 = found.percentiles[0]
    assert p50.spread_ns == 10 * MS
    assert p50.answer == "unclear"
    assert "among themselves" in (p50.reason or "")
    assert found.answer == "unclear"
    alone = compared(ledger_of(steady()), slow)
    assert alone.percentiles[0].answer == "outside"


def test_a_difference_that_few_frames_make_is_unclear() -> None:
    """Where the interval reaches back into the tolerance, more frames decide and not a verdict."""
    wild: list[int] = np.random.default_rng(3).integers(0, 60, FRAMES).tolist()
    virtual = ledger_of([(5 * MS, (20 + ms) * MS, "cloud") for ms in wild])
    shifted = ledger_of([(5 * MS, (20 + ms) * MS, "cloud") for ms in wild[7:] + wild[:7]])
    live = ledger_of(
        [(5 * MS, (20 + ms) * MS, "cloud") for ms in wild], extra_uplink_ns=lambda _: 3 * MS
    )
    assert compared(virtual, shifted).answer == "within"
    tight = Tolerances(p50=0.01, p90=1, p99=1, spans=1)
    answers = {
        compared(virtual, run, tolerances=tight).percentiles[0].answer for run in (shifted, live)
    }
    assert answers == {"within", "outside"}
    # The same times on other frames, and a little more: p50 moves by less than chance may move it.
    other: list[tuple[int, int, Fate]] = [
        (5 * MS, (20 + ms) * MS, "cloud") for ms in wild[100:] + wild[:100]
    ]
    moved = ledger_of([(e, u + 900_000, f) for e, u, f in other])
    unclear = compared(virtual, moved, tolerances=tight).percentiles[0]
    assert unclear.answer == "unclear"
    assert unclear.reason == "the interval of the difference reaches into the tolerance"


def test_too_few_frames_support_no_percentile() -> None:
    """p99 needs 299 frames, p50 five; with four there is no answer, and no verdict."""
    few = compared(ledger_of(steady(40)), ledger_of(steady(40)))
    assert [figure.answer for figure in few.percentiles] == ["within", "within", None]
    assert few.percentiles[2].reason == "needs 299 frames, has 40"
    assert few.answer == "within"
    four = compared(ledger_of(steady(4)), ledger_of(steady(4)))
    assert four.answer is None
    assert judge_agreement([four], []) == "inconclusive"


def test_frames_without_an_answer_count_as_infinite_in_both() -> None:
    """Dropped alike is no difference; dropped live alone is one, in the fates too."""
    lost: list[tuple[int, int, Fate]] = [
        (e, u, "dropped" if frame % 9 == 0 else fate) for frame, (e, u, fate) in enumerate(steady())
    ]
    alike = compared(ledger_of(lost), ledger_of(lost))
    assert alike.answer == "within"
    p99 = alike.percentiles[2]
    assert p99.virtual_ns == p99.live_ns == math.inf
    assert p99.difference_ns == 0
    assert p99.reason == "virtual undelivered 11.2 %, live undelivered 11.2 %"
    alone = compared(ledger_of(steady()), ledger_of(lost))
    assert alone.percentiles[2].answer == "outside"
    assert alone.fates.answer == "outside"
    assert alone.fates.changes == {("cloud", "dropped"): 45}
    assert alone.miss_rates == (0, 45 / FRAMES)


def test_frames_that_a_run_does_not_have_are_left_out_of_all() -> None:
    """A frame is compared with itself, whatever stands around it."""
    whole = ledger_of(steady())
    columns = Columns()
    for row in whole.rows():
        if row.frame % 5:
            columns.add(row)
    found = compared(whole, Ledger(columns, driver="live"))
    assert found.frames == FRAMES - FRAMES // 5
    assert found.answer == "within"


values = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=60, max_size=120)


@given(pairs=values, shift=st.integers(-500, 500), percent=st.sampled_from([50.0, 90.0, 99.0]))
def test_a_shift_of_every_frame_is_the_interval_shifted(
    pairs: list[tuple[int, int]], shift: int, percent: float
) -> None:
    """The interval moves by exactly what every live frame takes longer."""
    virtual = np.array([a for a, _ in pairs], np.float64)
    live = np.array([[b for _, b in pairs]], np.float64)
    drawn = Paired.of(Draws(1), "p", frames=len(pairs))
    assert drawn is not None
    (low, high), (moved_low, moved_high) = (
        drawn.intervals(virtual, live, [percent])[0],
        drawn.intervals(virtual, live + shift, [percent])[0],
    )
    assert (moved_low, moved_high) == (low + shift, high + shift)
    assert low <= high


@given(pairs=values)
def test_pooling_a_run_with_its_copy_changes_nothing(pairs: list[tuple[int, int]]) -> None:
    """Two live runs that are alike are one, for the figure and for its interval."""
    virtual = np.array([a for a, _ in pairs], np.float64)
    live = np.array([[b for _, b in pairs]], np.float64)
    drawn = Paired.of(Draws(1), "p", frames=len(pairs))
    assert drawn is not None
    twice = np.concatenate([live, live])
    assert drawn.intervals(virtual, twice, [50.0]) == drawn.intervals(virtual, live, [50.0])
    assert nearest_rank(twice.ravel(), 50) == nearest_rank(live[0], 50)


def test_blocks_are_needed_for_an_interval_and_hold_a_run_of_misses() -> None:
    """Ten blocks' worth; an outage has to fit into one."""
    assert Paired.of(Draws(1), "p", frames=5) is None
    assert Paired.of(Draws(1), "p", frames=100, streak=11) is None
    drawn = Paired.of(Draws(1), "p", frames=100, streak=9)
    assert drawn is not None
    assert drawn.block == 9


def test_a_noisy_host_decides_nothing() -> None:
    """Neither agreement nor difference is believed."""
    agreed = compared(ledger_of(steady()), ledger_of(steady()))
    live = ledger_of(steady(), extra_uplink_ns=lambda _: 10 * MS)
    differs = compared(ledger_of(steady()), live)
    quiet = Noise(run="live-1", sign="late-holds", value=1, limit=2, noisy=False)
    noisy = Noise(run="live-1", sign="late-holds", value=3, limit=2, noisy=True)
    assert judge_agreement([agreed], [quiet]) == "pass"
    assert judge_agreement([agreed, differs], [quiet]) == "fail"
    assert judge_agreement([agreed], [noisy]) == "inconclusive"
    assert judge_agreement([differs], [noisy]) == "inconclusive"
    assert judge_agreement([], []) == "inconclusive"


def test_the_document_names_what_differs_and_holds_no_infinity() -> None:
    """Figures in ms; the columns are labelled by the kind of their latency."""
    lost: list[tuple[int, int, Fate]] = [
        (e, u, "dropped" if frame % 9 == 0 else fate) for frame, (e, u, fate) in enumerate(steady())
    ]
    document = agreement_document(
        scenario="s",
        seed=1,
        partial=False,
        runs={"virtual": "virtual", "live-1": "live"},
        tolerances=Tolerances(),
        confidence=0.95,
        noise=[Noise(run="live-1", sign="late-holds", value=3 * MS, limit=6 * MS, noisy=False)],
        paths=[compared(ledger_of(steady()), ledger_of(lost))],
        live_kinds={"p": "emulated"},
        costs=[],
        notes=[],
    )
    (path,) = document["paths"]
    assert (path["virtual_kind"], path["live_kind"]) == ("modelled", "emulated")
    p99 = path["percentiles"][2]
    assert (p99["live_ms"], p99["difference_ms"], p99["answer"]) == (None, None, "outside")
    assert p99["reason"] == "live undelivered 11.2 %"
    assert {differs["figure"] for differs in document["differ"]} >= {"p99", "fates"}
    assert document["verdict"] == "fail"
    assert document["noise"][0]["value"] == 3.0
