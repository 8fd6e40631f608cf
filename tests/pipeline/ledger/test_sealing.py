"""Sealing: nothing is lost, nothing is counted twice, and the ledger says what happened."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.errors import LedgerError
from pipeline.ledger import FATES, Delivery, Ledger, Row, seal
from pipeline.ledger.columns import STAMPS
from pipeline.ledger.rows import Offer
from pipeline.ledger.sealing import COLUMNS, Closing, Driver, fate_counts

if TYPE_CHECKING:
    from random import Random

MS = 1_000_000
DIED = Closing(fate="failed", cause="vehicle-died")
STAMPED = {"source": 1, "prepare": 5, "edge": 25, "post": 30}


def offer(frame: int, path: str = "a") -> Offer:
    """A frame every 100 ms with a deadline of 100 ms."""
    return Offer(
        path=path,
        frame=frame,
        content=frame % 7,
        scheduled_ns=100 * MS * frame,
        deadline_at_ns=100 * MS * frame + 100 * MS,
    )


def answered(offered: Offer) -> Row:
    """A row of a frame that the car answered."""
    return Row(
        path=offered.path,
        frame=offered.frame,
        content=offered.content,
        scheduled_ns=offered.scheduled_ns,
        deadline_at_ns=offered.deadline_at_ns,
        fate="edge",
        route_planned="r1",
        route_delivered="r1",
        variant="only",
        stamps={name: offered.scheduled_ns + at * MS for name, at in STAMPED.items()},
        modelled_ns=20 * MS,
    )


def delivery(offered: Offer, after_ms: int = 32) -> Delivery:
    """The consumer has its result so long after it was due."""
    delivered_ns = offered.scheduled_ns + after_ms * MS
    return Delivery(path=offered.path, frame=offered.frame, delivered_ns=delivered_ns)


def sealed(
    offers: list[Offer],
    rows: list[Row],
    deliveries: list[Delivery],
    *,
    driver: Driver = "virtual",
    predicted_ns: dict[str, int] | None = None,
) -> Ledger:
    """Seal with the vehicle dead at the end."""
    return seal(
        offers,
        rows,
        deliveries,
        closing=DIED,
        predicted_ns={"a": predicted_ns or {}},
        driver=driver,
    )


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[Offer], list[Row], list[Delivery]]:
    """Frames of two paths, some settled with any fate, some delivered, all in any order."""
    offers = [offer(frame, path) for path in "ab" for frame in range(draw(st.integers(0, 20)))]
    rows: list[Row] = []
    deliveries: list[Delivery] = []
    for offered in offers:
        fate = draw(st.none() | st.sampled_from(FATES))
        if fate is not None and fate in ("cloud", "edge", "late"):
            rows.append(replace(answered(offered), fate=fate))
        elif fate is not None:
            rows.append(replace(answered(offered), fate=fate, route_delivered="", cause="x"))
        if draw(st.booleans()):
            deliveries.append(delivery(offered, draw(st.integers(31, 300))))
    return (
        draw(st.permutations(offers)),
        draw(st.permutations(rows)),
        draw(st.permutations(deliveries)),
    )


@given(run=runs())
def test_every_offered_frame_has_exactly_one_fate(
    run: tuple[list[Offer], list[Row], list[Delivery]],
) -> None:
    """Offered equals the sum of the fates, per path, and in the ledger's order."""
    offers, rows, deliveries = run
    ledger = sealed(offers, rows, deliveries)
    assert len(ledger) == len(offers)
    for path in "ab":
        counts = fate_counts(ledger, path)
        assert tuple(counts) == FATES
        assert sum(counts.values()) == sum(o.path == path for o in offers)
    keys = [(row.scheduled_ns, row.path, row.frame) for row in ledger.rows()]
    assert keys == sorted((o.scheduled_ns, o.path, o.frame) for o in offers)


@given(run=runs())
def test_a_frame_in_time_was_delivered_in_time(
    run: tuple[list[Offer], list[Row], list[Delivery]],
) -> None:
    """No row claims `cloud` or `edge` without a delivery before its deadline."""
    for row in sealed(*run).rows():
        if row.fate in ("cloud", "edge"):
            assert row.stamps["deliver"] <= row.deadline_at_ns
        if row.fate in ("dropped", "failed", "interrupted"):
            assert "deliver" not in row.stamps


@given(run=runs(), other=st.randoms())
def test_the_order_of_what_was_said_does_not_matter(
    run: tuple[list[Offer], list[Row], list[Delivery]], other: Random
) -> None:
    """Sealing is a pure function of three sets."""
    first = sealed(*run)
    for part in run:
        other.shuffle(part)
    second = sealed(*run)
    assert first.to_csv() == second.to_csv()
    assert first.hash() == second.hash()


def test_the_consumer_can_still_make_a_frame_late() -> None:
    """The deadline is met at the deadline and missed one ns later."""
    offered = offer(0)
    for after_ns, fate in ((100 * MS, "edge"), (100 * MS + 1, "late")):
        reached = Delivery(path="a", frame=0, delivered_ns=after_ns)
        row = next(sealed([offered], [answered(offered)], [reached]).rows())
        assert row.fate == fate
        assert row.stamps["deliver"] == after_ns
        assert row.route_delivered == "r1"


def test_a_late_frame_names_the_span_that_exceeded_its_budget_most() -> None:
    """Budgets are predictions scaled to the deadline: here `deliver` alone went over its own."""
    offered = offer(0)
    predicted_ns = {"source": MS, "prepare": 4 * MS, "edge": 12 * MS, "deliver": 8 * MS}
    ledger = sealed(
        [offered], [answered(offered)], [delivery(offered, 200)], predicted_ns=predicted_ns
    )
    assert next(ledger.rows()).cause == "deliver"


def test_a_long_span_that_was_planned_so_is_not_to_blame() -> None:
    """`deliver` takes 80 ms of 110, and was given more; `edge` was given next to nothing."""
    offered = offer(0)
    predicted_ns = {"source": MS, "prepare": 4 * MS, "edge": MS, "deliver": 85 * MS}
    ledger = sealed(
        [offered], [answered(offered)], [delivery(offered, 110)], predicted_ns=predicted_ns
    )
    assert next(ledger.rows()).cause == "edge"


def test_a_plan_that_never_met_the_deadline_blames_what_it_spends_most_on() -> None:
    """Every frame is as predicted, and the prediction is twice the deadline."""
    offered = offer(0)
    predicted_ns = {"source": MS, "prepare": 4 * MS, "edge": 12 * MS, "deliver": 170 * MS}
    ledger = sealed(
        [offered], [answered(offered)], [delivery(offered, 200)], predicted_ns=predicted_ns
    )
    assert next(ledger.rows()).cause == "deliver"


def test_a_result_that_never_reached_the_consumer_is_late_without_a_latency() -> None:
    """The vehicle's word does not settle what the consumer never saw."""
    row = next(sealed([offer(0)], [answered(offer(0))], []).rows())
    assert (row.fate, row.cause) == ("late", "undelivered")
    assert "deliver" not in row.stamps


def test_the_first_of_two_deliveries_counts() -> None:
    """A better answer that comes later improves nothing about the fate or the latency."""
    twice = [delivery(offer(0), 150), delivery(offer(0), 40)]
    row = next(sealed([offer(0)], [answered(offer(0))], twice).rows())
    assert row.fate == "edge"
    assert row.stamps["deliver"] == 40 * MS


def test_a_frame_that_nobody_settled_is_closed() -> None:
    """Even where the consumer had it: the vehicle alone settles."""
    row = next(sealed([offer(3)], [], [delivery(offer(3))]).rows())
    assert (row.fate, row.cause, row.stamps) == ("failed", "vehicle-died", {})
    assert (row.frame, row.content, row.scheduled_ns) == (3, 3, 300 * MS)


def test_a_frame_that_its_sensor_lost_is_dropped() -> None:
    """Whatever the run's end says; it was offered, so it stays in every denominator."""
    lost = replace(offer(1), lost="sensor")
    ledger = sealed([offer(0), lost], [], [])
    assert [(row.fate, row.cause) for row in ledger.rows()] == [
        ("failed", "vehicle-died"),
        ("dropped", "sensor"),
    ]
    with pytest.raises(LedgerError, match="lost by the sensor and settled"):
        sealed([lost], [answered(lost)], [])


def test_a_frame_settled_twice_is_an_error() -> None:
    """Two rows for one frame would count it twice."""
    with pytest.raises(LedgerError, match="frame 0 of a was settled twice"):
        sealed([offer(0)], [answered(offer(0)), answered(offer(0))], [])


def test_a_frame_offered_twice_is_an_error() -> None:
    """With a row and without."""
    for rows in ([], [answered(offer(0))]):
        with pytest.raises(LedgerError, match="frame 0 of a was offered twice"):
            sealed([offer(0), offer(0)], rows, [])


def test_a_frame_settled_and_never_offered_is_an_error() -> None:
    """A row from nowhere would unbalance the sum."""
    with pytest.raises(LedgerError, match="frame 1 of a was settled but never offered"):
        sealed([offer(0)], [answered(offer(1))], [])


@pytest.mark.parametrize("field", ["content", "scheduled_ns", "deadline_at_ns"])
def test_a_row_that_contradicts_its_offer_is_an_error(field: str) -> None:
    """A latency counts from the scheduled time of the schedule, not from what a row claims."""
    row = answered(offer(0))
    wrong = {
        "content": replace(row, content=5),
        "scheduled_ns": replace(row, scheduled_ns=5),
        "deadline_at_ns": replace(row, deadline_at_ns=5),
    }[field]
    with pytest.raises(LedgerError, match="settled as another frame"):
        sealed([offer(0)], [wrong], [])


def test_an_unknown_stamp_is_no_double_offer() -> None:
    """A bug in a core is reported as what it is."""
    row = replace(answered(offer(0)), stamps={"lunch": 1})
    with pytest.raises(KeyError, match="lunch"):
        sealed([offer(0)], [row], [])


def test_asking_for_an_unknown_path_counts_nothing_and_changes_nothing() -> None:
    """Looking is not writing."""
    ledger = sealed([offer(0)], [], [])
    before = ledger.to_csv()
    assert sum(fate_counts(ledger, "elsewhere").values()) == 0
    assert ledger.columns.place("elsewhere", 0) is None
    assert ledger.columns.names.find("elsewhere") == -1
    assert ledger.to_csv() == before


def test_the_csv_is_stable_and_complete() -> None:
    """One line per row under a header, an absent stamp empty, the same text every time."""
    offers = [offer(0), offer(1)]
    ledger = sealed(offers, [answered(offers[1])], [delivery(offers[1])])
    text = ledger.to_csv()
    assert text == ledger.to_csv()
    records = list(csv.DictReader(io.StringIO(text)))
    assert tuple(records[0]) == COLUMNS
    assert records[0]["fate"] == "failed"
    assert {records[0][f"{name}_ns"] for name in STAMPS} == {""}
    assert records[1]["deliver_ns"] == str(132 * MS)
    assert records[1]["uplink_ns"] == ""
    assert "\r" not in text


BASE = replace(answered(offer(0)), bytes_up=1)
DECISIONS = {
    "fate": replace(BASE, fate="cloud"),
    "cause": replace(BASE, cause="another"),
    "route_planned": replace(BASE, route_planned="r2"),
    "route_delivered": replace(BASE, route_delivered="r2"),
    "variant": replace(BASE, variant="tiny"),
    "partial": replace(BASE, partial=True),
    "route_improved": replace(BASE, route_improved="r9"),
}
FIGURES = {
    "stamps": replace(BASE, stamps={**BASE.stamps, "edge": 26 * MS}),
    "absent": replace(BASE, stamps={"source": MS}),
    "overrun": replace(BASE, overrun=True),
    "modelled_ns": replace(BASE, modelled_ns=1),
    "bytes_up": replace(BASE, bytes_up=2),
    "bytes_down": replace(BASE, bytes_down=2),
}


def hash_of(row: Row, driver: Driver) -> str:
    """Hash of a ledger with one delivered row."""
    return sealed([offer(0)], [row], [delivery(offer(0))], driver=driver).hash()


@pytest.mark.parametrize("driver", ["virtual", "live"])
@pytest.mark.parametrize("changed", DECISIONS)
def test_the_hash_changes_with_every_decision(changed: str, driver: Driver) -> None:
    """On either clock."""
    assert hash_of(DECISIONS[changed], driver) != hash_of(BASE, driver)
    assert hash_of(BASE, driver) == hash_of(BASE, driver)


@pytest.mark.parametrize("changed", FIGURES)
def test_the_hash_covers_figures_in_virtual_time_only(changed: str) -> None:
    """On the wall clock they differ from run to run and are no decisions."""
    assert hash_of(FIGURES[changed], "virtual") != hash_of(BASE, "virtual")
    assert hash_of(FIGURES[changed], "live") == hash_of(BASE, "live")


def test_the_hash_tells_the_drivers_and_the_frames_apart() -> None:
    """A live ledger is never equal to a virtual one, and an offered frame more is seen."""
    assert hash_of(BASE, "virtual") != hash_of(BASE, "live")
    one = seal([offer(0)], [], [], closing=DIED, predicted_ns={}, driver="live")
    two = seal([offer(0), offer(1)], [], [], closing=DIED, predicted_ns={}, driver="live")
    assert one.hash() != two.hash()
