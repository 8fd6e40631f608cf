"""The result document: its shape, its figures, and what people read of it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from pipeline.errors import LedgerError
from pipeline.ledger import SPANS, Delivery, Row, seal
from pipeline.ledger.rows import Offer
from pipeline.ledger.sealing import Closing
from pipeline.verdict import (
    Conditions,
    DeviceFacts,
    PathRule,
    RunFacts,
    WeaklyHard,
    budget_lines,
    build_document,
    freshness_line,
    gate_lines,
    interval_line,
    ledger_line,
    notes,
    path_tables,
    path_verdicts,
    span_line,
)

if TYPE_CHECKING:
    from pipeline.ledger import Fate, Ledger
    from pipeline.ledger.sealing import Driver

MS = 1_000_000
RULE = PathRule(name="a", deadline_ns=100 * MS, max_miss=0.01)
FACTS = RunFacts(
    scenario="urban",
    seed=7,
    devices=[DeviceFacts(name="edge0", id="npu", label="fitted", compute="ahead")],
    hosts={"vehicle": "host-reference"},
    labels={"a": "fitted", "b": "assumed"},
)


def row(
    frame: int,
    fate: Fate = "edge",
    *,
    latency_ms: int | None = None,
    path: str = "a",
    cause: str = "",
) -> Row:
    """A frame every 100 ms with a deadline of 100 ms; without a latency it has no answer."""
    due_ns = 100 * MS * frame
    stamps = {"source": due_ns + MS}
    if latency_ms is not None:
        stamps |= {
            "prepare": due_ns + 2 * MS,
            "edge": due_ns + (latency_ms - 1) * MS,
            "deliver": due_ns + latency_ms * MS,
        }
    return Row(
        path=path,
        frame=frame,
        content=frame,
        scheduled_ns=due_ns,
        deadline_at_ns=due_ns + 100 * MS,
        fate=fate,
        cause=cause,
        route_planned="r1",
        route_delivered="" if latency_ms is None else "r1",
        stamps=stamps,
        modelled_ns=0 if latency_ms is None else latency_ms * MS // 2,
    )


def ledger_of(rows: list[Row], driver: Driver = "virtual") -> Ledger:
    """Seal rows, each with its offer and, where it has the stamp, its delivery."""
    offers = [
        Offer(
            path=row.path,
            frame=row.frame,
            content=row.content,
            scheduled_ns=row.scheduled_ns,
            deadline_at_ns=row.deadline_at_ns,
        )
        for row in rows
    ]
    deliveries = [
        Delivery(path=row.path, frame=row.frame, delivered_ns=row.stamps["deliver"])
        for row in rows
        if "deliver" in row.stamps
    ]
    closing = Closing(fate="failed", cause="unsettled")
    return seal(offers, rows, deliveries, closing=closing, predicted_ns={}, driver=driver)


def held(count: int, first: int = 0) -> list[Row]:
    """Frames in time, 11 to 60 ms."""
    return [row(frame, latency_ms=11 + frame % 50) for frame in range(first, first + count)]


PATH_KEYS = [
    "name", "kind", "modelled_share", "label", "n", "not_selected", "fates", "causes", "improved",
    "partial_sets", "overruns", "deadline_ms", "deadline_min_ms", "misses", "miss_rate_upper",
    "confidence", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "age_max_ms", "freshness",
    "intervals", "reasons", "spans", "budgets", "prediction", "verdict", "verdict_at_bias",
]  # fmt: skip
KEYS = [
    "schema", "scenario", "driver", "seed", "sizes", "partial", "verdict", "inconclusive", "ledger",
    "paths", "gates", "accuracy", "devices", "hosts", "evidence",
]  # fmt: skip


@pytest.mark.parametrize("frames", [0, 1, 300, 3_000])
def test_every_key_is_there_whatever_there_is_to_say(frames: int) -> None:
    """In the order of the documentation, with every null figure explained, and no NaN."""
    document = build_document(ledger_of(held(frames)), [RULE], FACTS)
    assert list(document) == KEYS
    path = document["paths"][0]
    assert list(path) == PATH_KEYS
    assert list(path["spans"]) == list(SPANS)
    assert list(document["gates"][0]) == [
        "name", "path", "unit", "limit", "value", "margin", "confidence", "window", "worst",
        "verdict",
    ]  # fmt: skip
    for reason in document["inconclusive"]:
        assert list(reason) == ["path", "reason", "value", "limit", "frames_needed"]
    nulls = {key for key, value in path.items() if value is None}
    named = {key for key in path["reasons"] if "." not in key} - {"intervals"}
    assert nulls - {"verdict_at_bias"} == named
    fresh = {f"freshness.{key}" for key, value in path["freshness"].items() if value is None}
    assert fresh == {key for key in path["reasons"] if key.startswith("freshness.")}
    spread = {f"intervals.{key}" for key, value in path["intervals"].items() if value is None}
    if "intervals" not in path["reasons"]:
        assert spread == {key for key in path["reasons"] if key.startswith("intervals.")}
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_a_good_run_reads_as_one() -> None:
    """Every figure of a small ledger, by hand."""
    rows = [*held(298), row(298, "late", latency_ms=150), row(299, "late", latency_ms=120)]
    rule = replace(RULE, max_miss=0.05)
    facts = replace(FACTS, not_selected={"a": 300}, images="thumbnails")
    ledger = ledger_of(rows, "live")
    document = build_document(ledger, [rule], facts)
    path = document["paths"][0]
    assert document["verdict"] == path["verdict"] == "pass"
    assert document["ledger"] == {"offered": 300, "settled": 300, "hash": ledger.hash()}
    assert path["kind"] == "emulated"
    assert path["modelled_share"] == pytest.approx(0.5, abs=0.02)
    assert path["fates"] == {
        "cloud": 0, "edge": 298, "late": 2, "dropped": 0, "failed": 0, "interrupted": 0,
    }  # fmt: skip
    assert path["causes"] == {"late(edge)": 2}
    assert (path["n"], path["misses"], path["not_selected"]) == (300, 2, 300)
    assert (path["p50_ms"], path["p90_ms"], path["p99_ms"]) == (35.0, 55.0, 60.0)
    assert path["max_ms"] == 150.0
    assert path["p999_ms"] is None
    assert path["reasons"]["p999_ms"] == "needs 2995 frames, has 300"
    assert path["spans"]["source"] == {"p50_ms": 1.0, "p99_ms": 1.0}
    assert path["spans"]["edge"]["p50_ms"] == 32.0
    assert path["spans"]["uplink"] == {"p50_ms": None, "p99_ms": None}
    assert document["evidence"] == {"images": "thumbnails"}
    gate = document["gates"][0]
    assert gate["value"] == 2 / 300
    assert gate["margin"] == 0.05 - (path["miss_rate_upper"] or math.nan)


def test_frames_without_an_answer_stay_in_the_percentiles() -> None:
    """3 of 300 dropped leave p99 standing, 4 take it away; spans are of answered frames."""
    dropped = [row(frame, "dropped", cause="overtaken") for frame in range(4)]
    path = build_document(ledger_of([*dropped[:3], *held(297, 3)]), [RULE], FACTS)["paths"][0]
    assert path["p99_ms"] == 60.0
    assert path["reasons"]["max_ms"] == "undelivered 1.0 %"
    assert path["reasons"]["spans.source.p99_ms"] == "needs 299 frames, has 297"
    path = build_document(ledger_of([*dropped, *held(296, 4)]), [RULE], FACTS)["paths"][0]
    assert path["p99_ms"] is None
    assert path["reasons"]["p99_ms"] == "undelivered 1.3 %"
    assert path["causes"] == {"dropped(overtaken)": 4}


@pytest.mark.parametrize(
    ("driver", "measured", "compute", "kind", "share"),
    [
        ("virtual", True, None, "modelled", 1.0),
        ("live", False, "ahead", "emulated", 0.5),
        ("live", True, None, "measured", 0.0),
    ],
)
def test_latencies_say_what_kind_they_are(
    driver: Driver, *, measured: bool, compute: str | None, kind: str, share: float
) -> None:
    """Measured only on a path of a live run where nothing is emulated, device or link."""
    device = DeviceFacts(name="d", id="d", label="profiled", compute=compute)
    names = frozenset({RULE.name}) if measured else frozenset()
    facts = replace(FACTS, measured=names, devices=[device])
    document = build_document(ledger_of([row(0, latency_ms=40)], driver), [RULE], facts)
    assert document["paths"][0]["kind"] == kind
    assert document["paths"][0]["modelled_share"] == share
    assert document["devices"][0]["compute"] == compute


def test_the_players_lag_is_judged_in_a_live_run_alone() -> None:
    """In virtual time there is no host that could fall behind."""
    facts = replace(FACTS, conditions=Conditions(lags_ns=[50 * MS] * 10))
    virtual = build_document(ledger_of(held(300)), [RULE], facts)
    assert virtual["verdict"] == "pass"
    live = build_document(ledger_of(held(300), "live"), [RULE], facts)
    assert live["verdict"] == "inconclusive"
    assert live["inconclusive"] == [
        {
            "path": None,
            "reason": "generator-lag",
            "value": 50.0,
            "limit": 10.0,
            "frames_needed": None,
        }
    ]


def test_an_interrupted_run_says_so() -> None:
    """Its open frames count neither way in the gate."""
    facts = replace(FACTS, conditions=Conditions(partial=True))
    rows = [*held(299), row(299, "interrupted")]
    document = build_document(ledger_of(rows, "live"), [RULE], facts)
    assert document["partial"]
    assert document["verdict"] == "inconclusive"
    assert document["inconclusive"][0]["value"] == 1
    assert document["paths"][0]["misses"] == 0


def test_the_verdict_at_bias_is_passed_on_per_path() -> None:
    """Null for a path without one."""
    facts = replace(FACTS, verdict_at_bias={"a": {"low": "pass", "zero": "pass", "high": "fail"}})
    rules = [RULE, replace(RULE, name="b")]
    rows = [*held(300), row(0, path="b", latency_ms=20)]
    document = build_document(ledger_of(rows), rules, facts)
    first, second = (path["verdict_at_bias"] for path in document["paths"])
    assert first == {"low": "pass", "zero": "pass", "high": "fail"}
    assert second is None


def test_a_score_that_is_no_number_is_null() -> None:
    """NaN is never emitted."""
    facts = replace(FACTS, accuracy={"objects": {"map": 0.5, "edge_map": math.nan, "x": None}})
    document = build_document(ledger_of([]), [RULE], facts)
    assert document["accuracy"] == {"objects": {"map": 0.5, "edge_map": None, "x": None}}


def test_rows_of_a_path_that_nobody_judges_are_an_error() -> None:
    """They would be in the ledger's sum and in no path."""
    with pytest.raises(LedgerError, match="other than those judged: a"):
        build_document(ledger_of([row(0, path="b")]), [RULE], FACTS)


def test_the_table_for_people_shows_what_the_document_says() -> None:
    """n/a where there is no figure, the bound beside every miss rate."""
    rows = [*held(298), row(298, "late", latency_ms=150), row(299, "late", latency_ms=120)]
    rules = [replace(RULE, max_miss=0.05), PathRule(name="b", deadline_ns=50 * MS)]
    document = build_document(ledger_of(rows, "live"), rules, FACTS)
    (table,) = path_tables(document)
    assert table.header[0] == "path (emulated, ms)"
    assert table.rows[0] == (
        "a", "300", "35.0", "55.0", "60.0", "n/a", "150.0", "50 %", "100 ms",
        "2 (0.67 %, ≤ 2.1 % at 95 %)", "PASS ≤ 5.0 %",
    )  # fmt: skip
    assert table.rows[1] == (
        "b", "0", "n/a", "n/a", "n/a", "n/a", "n/a", "n/a", "50 ms", "0", "PASS",
    )  # fmt: skip
    assert all(len(cells) == len(table.header) for cells in table.rows)
    assert span_line(document["paths"][0]) == "source 1.0 · prepare 1.0 · edge 32.0 · deliver 1.0"
    assert ledger_line(document) == (
        "300 = 0 cloud + 298 edge + 2 late + 0 dropped + 0 failed + 0 interrupted"
    )


def test_freshness_is_reported_always_and_judged_where_a_limit_is_set() -> None:
    """Five frames lost after frame 9 leave its result the newest until frame 15 comes."""
    lost = [row(frame, "dropped", cause="overtaken") for frame in range(10, 15)]
    ledger = ledger_of([*held(10), *lost, *held(300, 15)])
    path = build_document(ledger, [RULE], FACTS)["paths"][0]
    assert path["age_max_ms"] is None
    assert path["reasons"]["age_max_ms"] == "no max_age on this path"
    assert path["freshness"]["age_max_ms"] == 626.0
    assert path["freshness"]["reaction_max_ms"] == 626.0
    assert path["freshness"]["over_spells"] is None

    rule = PathRule(name="a", deadline_ns=100 * MS, max_age_ns=600 * MS)
    document = build_document(ledger, [rule], FACTS)
    path = document["paths"][0]
    assert path["age_max_ms"] == 626.0
    assert path["freshness"]["over_spells"] == 1
    assert path["freshness"]["over_share"] == pytest.approx(26 / 31_424, rel=1e-3)
    assert document["gates"] == [
        {
            "name": "max_age", "path": "a", "unit": "ms", "limit": 600.0, "value": 626.0,
            "margin": -26.0, "confidence": None, "window": None, "worst": [9, 15],
            "verdict": "fail",
        }
    ]  # fmt: skip
    assert document["verdict"] == "fail"
    assert gate_lines(document) == [
        "a: age at the consumer up to 626 ms (gate 600 ms), frames 9 to 15  FAIL"
    ]
    assert freshness_line(path).startswith("age p50 ")
    assert freshness_line(path).endswith("max 626.0")


def test_weakly_hard_rules_are_judged_on_the_rows_in_their_order() -> None:
    """Three late frames in five, two of them in a row."""
    late = [row(frame, "late", latency_ms=150) for frame in (12, 13, 16)]
    kept = [r for r in held(40) if r.frame not in (12, 13, 16)]
    rule = PathRule(
        name="a",
        deadline_ns=100 * MS,
        weakly_hard=WeaklyHard(misses=2, window=5),
        consecutive=2,
    )
    document = build_document(ledger_of([*kept, *late]), [rule], FACTS)
    hard, streak = document["gates"]
    assert (hard["value"], hard["limit"], hard["window"]) == (3, 2, 5)
    assert (hard["worst"], hard["verdict"]) == ([12, 16], "fail")
    assert (streak["value"], streak["worst"], streak["verdict"]) == (2, [12, 13], "pass")
    assert document["verdict"] == "fail"
    assert gate_lines(document) == [
        "a: up to 3 misses in 5 frames (gate 2), frames 12 to 16  FAIL",
        "a: up to 2 misses in a row (gate 2), frames 12 to 13  PASS",
    ]
    assert path_tables(document)[0].rows[0][-1] == "FAIL"
    assert path_verdicts(ledger_of([*kept, *late]), [rule], Conditions()) == {"a": "fail"}


def test_a_deadline_that_follows_the_speed_shows_its_range() -> None:
    """The rule's is the longest; the rows say what each frame had."""
    tight = structs.replace(row(9, latency_ms=20), deadline_at_ns=(900 + 40) * MS)
    document = build_document(ledger_of([*held(9), tight]), [RULE], FACTS)
    path = document["paths"][0]
    assert (path["deadline_min_ms"], path["deadline_ms"]) == (40.0, 100.0)
    assert path_tables(document)[0].rows[0][8] == "40 to 100 ms"


def test_intervals_stand_beside_the_bounds_that_assume_independence() -> None:
    """Eight late frames in a row make blocks of eight, and a wider bound than Clopper-Pearson's."""
    late = [row(frame, "late", latency_ms=150) for frame in range(100, 108)]
    ledger = ledger_of([*held(100), *late, *held(300, 108)])
    document = build_document(ledger, [RULE], FACTS)
    path = document["paths"][0]
    spread = path["intervals"]
    assert (spread["block_frames"], spread["replicates"]) == (8, 1_000)
    low, high = spread["p50_ms"] or (None, None)
    assert (low or 0) <= (path["p50_ms"] or 0) <= (high or 0)
    assert spread["p99_ms"] is not None
    assert spread["p99_ms"][1] == 150.0
    assert spread["miss_rate"] is not None
    assert spread["miss_rate"][0] == 0
    assert (spread["miss_rate_upper"] or 0) > (path["miss_rate_upper"] or 1)
    assert interval_line(path).endswith("(at 95 %, in blocks of 8 frames)")
    again = build_document(ledger, [RULE], FACTS)
    assert again == document
    other = build_document(ledger, [RULE], replace(FACTS, seed=8))
    assert other["paths"][0]["intervals"] != spread


def test_an_interval_that_frames_cannot_support_is_null_with_its_reason() -> None:
    """Too few frames, no miss, or an end on a frame without an answer."""
    path = build_document(ledger_of(held(39)), [RULE], FACTS)["paths"][0]
    assert path["reasons"]["intervals"] == "needs 40 frames, has 39"
    assert interval_line(path) == ""
    late = [row(frame, "late", latency_ms=150) for frame in range(31)]
    path = build_document(ledger_of([*late, *held(269, 31)]), [RULE], FACTS)["paths"][0]
    assert path["reasons"]["intervals"] == "31 misses in a row are over a tenth of 300 frames"
    path = build_document(ledger_of(held(40)), [RULE], FACTS)["paths"][0]
    assert path["intervals"]["p50_ms"] is not None
    assert path["reasons"]["intervals.p99_ms"] == "needs 299 frames, has 40"
    assert path["reasons"]["intervals.miss_rate"].startswith("no miss to draw")
    lost = [row(frame, "dropped", cause="overtaken") for frame in range(200, 204)]
    ledger = ledger_of([*held(200), *lost, *held(200, 204)])
    path = build_document(ledger, [RULE], FACTS)["paths"][0]
    low, high = path["intervals"]["p99_ms"] or (None, 0.0)
    assert low is not None
    assert low <= (path["p99_ms"] or 0.0)
    assert high is None
    assert path["reasons"]["intervals.p99_ms"] == "an end falls on a frame without an answer"
    assert "∞" in interval_line(path)


def test_a_budget_is_advice_and_in_no_verdict() -> None:
    """Over it at p99, over it in frames that are too few for a p99, and within it."""
    budgets = {"edge": 50 * MS, "prepare": MS, "uplink": MS}
    rule = replace(RULE, budgets_ns=budgets)
    document = build_document(ledger_of(held(300)), [rule], FACTS)
    assert document["verdict"] == "pass"
    assert document["paths"][0]["budgets"] == {
        "prepare": {
            "budget_ms": 1.0, "p99_ms": 1.0, "over": False, "frames": 300, "frames_over": 0,
        },
        "edge": {
            "budget_ms": 50.0, "p99_ms": 57.0, "over": True, "frames": 300, "frames_over": 42,
        },
        "uplink": {
            "budget_ms": 1.0, "p99_ms": None, "over": None, "frames": 0, "frames_over": 0,
        },
    }  # fmt: skip
    assert budget_lines(document) == ["a edge: p99 57.0 ms over 50 ms, 42 of 300 frames over"]
    document = build_document(ledger_of(held(50)), [rule], FACTS)
    assert document["paths"][0]["reasons"]["budgets.edge.p99_ms"] == "needs 299 frames, has 50"
    assert budget_lines(document) == ["a edge: 7 of 50 frames over 50 ms, too few for a p99"]


def test_notes_name_what_could_not_be_judged_or_shown() -> None:
    """With the frames that are missing, and the limit that was passed."""
    facts = replace(FACTS, conditions=Conditions(lags_ns=[50 * MS], evidence_complete=False))
    document = build_document(ledger_of(held(298), "live"), [RULE], facts)
    assert notes(document) == [
        "run: evidence-incomplete",
        "run: generator-lag, 50 (limit 10)",
        "a: too-few-frames, needs 1 more frames",
        "a: p99 needs 299 frames, has 298",
        "a: p99.9 needs 2995 frames, has 298",
    ]
