"""Which candidates no other one beats, and what would make one feasible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.link.model import LinkConfig
from pipeline.link.pricing import LinkQuote
from pipeline.plan.plan import Broken, Candidate
from pipeline.plan.routes import Route
from pipeline.planner.planning import Wishes
from pipeline.planner.relaxing import relaxations
from pipeline.planner.valuing import mark_best

_MS = 1_000_000
LINK = LinkQuote(
    LinkConfig(name="cell", up_bits_per_s=10_000_000, down_bits_per_s=50_000_000, rtt_ns=0)
)
WISHES = Wishes(
    allowed=("auto",),
    deadline_ns=50 * _MS,
    period_ns=100 * _MS,
    frame_bytes=1_000,
    percentile=99.0,
    min_agreement=0.9,
    memory={"cloud0": 1_000_000},
)


def candidate(
    latency_ms: float, *broken: Broken, bytes_up: int = 0, agreement: float = 1.0
) -> Candidate:
    """A candidate of this latency, bytes and agreement."""
    latency_ns = round(latency_ms * _MS)
    return Candidate(
        name="split" if bytes_up else "edge",
        pin=None,
        route=Route(id="r", task="t", variant="v", model="m", steps=()),
        cut=("x",) if bytes_up else (),
        codecs=("int8",) if bytes_up else (),
        latency_ns=latency_ns,
        interval_ns=(latency_ns, latency_ns),
        spans={},
        bytes_up=bytes_up,
        bytes_down=0,
        energy_pj=None,
        agreement=agreement,
        label="assumed",
        feasible=not broken,
        robust=True,
        allowed=True,
        why="",
        broken=broken,
    )


def broken(constraint: str, needed: int, subject: str = "") -> Broken:
    """A constraint that is not satisfied."""
    match constraint:
        case "deadline" | "uplink" | "device" | "agreement" | "memory" | "pixels":
            return Broken(constraint=constraint, subject=subject, needed=needed, text=constraint)
        case _:
            raise AssertionError(constraint)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5), st.integers(0, 5), st.sampled_from([0.5, 0.75, 1.0]), st.booleans()
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_best_are_those_that_nothing_allowed_beats(
    figures: list[tuple[int, int, float, bool]],
) -> None:
    """By definition, pair by pair; equal ones stay both."""
    found = [
        replace(candidate(ms, bytes_up=size, agreement=agreement), allowed=allowed)
        for ms, size, agreement, allowed in figures
    ]
    able = [c for c in found if c.allowed]

    def beats(one: Candidate, other: Candidate) -> bool:
        mine = (one.latency_ns, one.bytes_up, -(one.agreement or 0))
        its = (other.latency_ns, other.bytes_up, -(other.agreement or 0))
        return mine != its and all(a <= b for a, b in zip(mine, its, strict=True))

    expected = [c.allowed and not any(beats(other, c) for other in able) for c in found]
    assert mark_best(found) == expected


def test_each_constraint_names_the_candidate_that_needs_least() -> None:
    """And the least change comes first."""
    found = relaxations(
        [
            candidate(80, broken("deadline", 80 * _MS)),
            candidate(60, broken("deadline", 60 * _MS)),
            candidate(20, broken("agreement", 850_000)),
            candidate(20, broken("memory", 3_000_000, "cloud0")),
        ],
        LINK,
        WISHES,
    )
    assert [(r.constraint, r.subject, r.needed, r.candidate) for r in found] == [
        ("agreement", "", 850_000, 2),
        ("deadline", "", 60 * _MS, 1),
        ("memory", "cloud0", 3_000_000, 3),
    ]
    assert "60 ms from 50" in found[1].text


def test_what_breaks_two_constraints_is_helped_by_neither_alone() -> None:
    """But for deadline and uplink, which one rate can mend."""
    both = candidate(60, broken("deadline", 60 * _MS), broken("agreement", 850_000))
    assert relaxations([both], LINK, WISHES) == ()


def test_a_higher_rate_is_worked_out_from_the_bits_that_cross() -> None:
    """At it the rest of the latency and the message together take just the deadline."""
    size = 50_000
    serial_ns = LINK.serial_ns(size, "up")
    late = candidate(20 + serial_ns / _MS, broken("deadline", 1), bytes_up=size)
    found = {r.constraint: r for r in relaxations([late], LINK, WISHES)}
    rate = found["uplink"].needed
    faster = LinkQuote(
        LinkConfig(name="cell", up_bits_per_s=rate, down_bits_per_s=1_000_000, rtt_ns=0)
    )
    assert faster.serial_ns(size, "up") + 20 * _MS <= WISHES.deadline_ns
    slower = LinkQuote(
        LinkConfig(name="cell", up_bits_per_s=rate * 99 // 100, down_bits_per_s=1, rtt_ns=0)
    )
    assert slower.serial_ns(size, "up") + 20 * _MS > WISHES.deadline_ns


def test_a_route_that_is_kept_out_is_offered_last() -> None:
    """It is no figure that has to change."""
    kept_out = replace(candidate(10), allowed=False)
    found = relaxations([candidate(60, broken("deadline", 60 * _MS)), kept_out], LINK, WISHES)
    assert [r.constraint for r in found] == ["deadline", "route"]
    assert found[-1].subject == "edge"


@pytest.mark.parametrize("constraint", ["pixels"])
def test_privacy_is_never_relaxed(constraint: str) -> None:
    """Nothing is offered that shows the picture."""
    assert relaxations([candidate(10, broken(constraint, 0))], LINK, WISHES) == ()
