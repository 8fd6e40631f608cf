"""Durations: disjoint, nothing forgotten, the wait for admission in its place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import SPANS, durations_ns
from pipeline.ledger.spans import ADMITTED


@st.composite
def ways(draw: st.DrawFn) -> tuple[int, dict[str, int]]:
    """A scheduled time and the stamps of a frame that went some way, perhaps not to its end."""
    scheduled_ns = at_ns = draw(st.integers(-1_000, 1_000))
    spans = ["source", *(span for span in SPANS[1:] if draw(st.booleans()))]
    stamps: dict[str, int] = {}
    for span in spans:
        at_ns += draw(st.integers(0, 1_000))
        stamps[span] = at_ns
        if span == "source" and draw(st.booleans()):
            at_ns += draw(st.integers(0, 1_000))
            stamps[ADMITTED] = at_ns
    return scheduled_ns, stamps


@given(way=ways())
def test_durations_add_up_to_the_latency(way: tuple[int, dict[str, int]]) -> None:
    """Of the last stamp, whatever a frame passed, and none is negative."""
    scheduled_ns, stamps = way
    durations = durations_ns(scheduled_ns, stamps)
    assert sum(durations.values()) == max(stamps.values()) - scheduled_ns
    assert min(durations.values()) >= 0


def test_the_wait_for_admission_belongs_to_the_first_wait_of_the_way() -> None:
    """A frame for the cloud waited for its uplink, not for the car."""
    stamps = {"source": 1, ADMITTED: 11, "prepare": 13, "uplink_wait": 14, "uplink": 20}
    found = durations_ns(0, stamps)
    assert found == {"source": 1, "prepare": 2, "uplink_wait": 11, "uplink": 6}


def test_without_a_wait_on_its_way_it_belongs_to_prepare() -> None:
    """Also where preparation never ended."""
    assert durations_ns(0, {"source": 1, ADMITTED: 11}) == {"source": 1, "prepare": 10}
    found = durations_ns(0, {"source": 1, ADMITTED: 11, "prepare": 13})
    assert found == {"source": 1, "prepare": 12}


def test_a_frame_that_never_arrived_has_no_durations() -> None:
    """No stamp, no span."""
    assert durations_ns(5, {}) == {}
