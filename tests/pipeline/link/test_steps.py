"""Figures over time, and the exact integral of a rate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link import Capacity, Steps
from pipeline.link.steps import Reader
from pipeline.values import from_plain, to_plain

PPM = 1_000_000
PIECES = st.lists(
    st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)), min_size=1, max_size=8
).filter(lambda found: any(value for _, value in found))
FACTORS = st.lists(
    st.tuples(st.integers(0, 10**7), st.sampled_from([0, 1, 250_000, PPM])),
    max_size=5,
    unique_by=lambda pair: pair[0],
).map(sorted)
TIMES = st.integers(-(10**7), 2 * 10**7)


def steps_of(pieces: list[tuple[int, int]]) -> Steps:
    """Steps of (length in ns, value), every piece kept."""
    starts, at_ns = [], 0
    for length_ns, _ in pieces:
        starts.append(at_ns)
        at_ns += length_ns
    values = tuple(value for _, value in pieces)
    return Steps(starts_ns=tuple(starts), values=values, period_ns=at_ns)


def closed(factors: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same with the link as it was at the end."""
    return [*factors, (factors[-1][0] + 5, PPM)] if factors else []


def test_a_piece_holds_from_its_start_on_and_the_steps_repeat() -> None:
    """Before zero too."""
    steps = Steps(starts_ns=(0, 10, 15), values=(3, 0, 7), period_ns=20)
    assert [steps.at(t) for t in (0, 9, 10, 14, 15, 19, 20, 30, -1, -5, -6)] == [
        *(3, 3, 0, 0, 7, 7, 3, 0, 7, 7, 0),
    ]


def test_neighbours_of_one_value_become_one() -> None:
    """So that a trace is as short as what it says."""
    samples = [(0, 5), (1, 5), (2, 6), (3, 6), (4, 5)]
    found = Steps.of(samples, period_ns=9)
    assert found == Steps(starts_ns=(0, 2, 4), values=(5, 6, 5), period_ns=9)


@pytest.mark.parametrize(
    ("starts", "values", "period_ns"),
    [
        ((), (), 1),
        ((1,), (1,), 2),
        ((0, 0), (1, 2), 2),
        ((0, 2), (1, 2), 2),
        ((0,), (1, 2), 2),
        ((0,), (-1,), 2),
    ],
)
def test_steps_that_are_none_are_refused(
    starts: tuple[int, ...], values: tuple[int, ...], period_ns: int
) -> None:
    """Also when they come in as JSON."""
    with pytest.raises(ValueError, match="steps"):
        Steps(starts_ns=starts, values=values, period_ns=period_ns)
    plain = {"is": "Steps", "starts_ns": starts, "values": values, "period_ns": period_ns}
    with pytest.raises(ValueError, match="steps"):
        from_plain(Steps, plain)


def test_steps_cross_as_json() -> None:
    """The relay is handed them."""
    steps = Steps(starts_ns=(0, 10), values=(3, 0), period_ns=20)
    assert from_plain(Steps, to_plain(steps)) == steps


def test_a_quantile_counts_time_and_not_pieces() -> None:
    """Nine tenths of the time at 8 outweigh three short pieces."""
    steps = steps_of([(1, 1), (2, 2), (90, 8), (7, 9)])
    assert [steps.quantile(p) for p in (0.5, 1, 3, 4, 50, 93, 94, 100)] == [1, 1, 2, 8, 8, 8, 9, 9]


def test_a_rate_of_zero_for_ever_is_refused() -> None:
    """No message would ever arrive."""
    with pytest.raises(ValueError, match="zero for ever"):
        Capacity(Steps.constant(0))


@given(PIECES, FACTORS, st.lists(TIMES, min_size=2, max_size=6))
def test_what_was_sent_is_the_sum_over_the_pieces(
    pieces: list[tuple[int, int]], factors: list[tuple[int, int]], times: list[int]
) -> None:
    """Compared with adding up every piece between two times."""
    steps, script = steps_of(pieces), closed(factors)
    capacity = Capacity(steps, script)
    low, high = min(times), min(max(times), min(times) + 40 * steps.period_ns)
    cuts = {low, high, *(at for at, _ in script if low < at < high)}
    first = low // steps.period_ns
    for turn in range(first, high // steps.period_ns + 1):
        starts = (turn * steps.period_ns + start for start in steps.starts_ns)
        cuts.update(at for at in starts if low < at < high)
    total = 0
    for one, other in pairwise(sorted(cuts)):
        factor = next((f for at, f in reversed(script) if at <= one), PPM)
        total += steps.at(one) * factor * (other - one)
    assert capacity.sent_by(high) - capacity.sent_by(low) == total


@given(PIECES, FACTORS, TIMES, st.integers(1, 10**24))
def test_the_end_is_the_first_nanosecond_by_which_it_is_sent(
    pieces: list[tuple[int, int]], factors: list[tuple[int, int]], begin_ns: int, units: int
) -> None:
    """Not one nanosecond later, not one earlier; nothing is sent while the link stands still."""
    capacity = Capacity(steps_of(pieces), closed(factors))
    end_ns = capacity.finish_ns(begin_ns, units)
    begin = capacity.sent_by(begin_ns)
    assert capacity.sent_by(end_ns) - begin >= units
    assert capacity.sent_by(end_ns - 1) - begin < units
    opens_ns = capacity.opens_ns(begin_ns)
    assert begin_ns <= opens_ns < end_ns
    assert capacity.sent_by(opens_ns) == begin < capacity.sent_by(opens_ns + 1)


@given(PIECES, st.integers(0, 7), st.integers(1, 10**6), TIMES, st.integers(1, 10**24))
def test_cutting_a_piece_in_two_changes_nothing(
    pieces: list[tuple[int, int]], which: int, part_ns: int, begin_ns: int, units: int
) -> None:
    """A trace says rates, and not how often they were written down."""
    which %= len(pieces)
    length_ns, value = pieces[which]
    cut = min(part_ns, length_ns - 1)
    halves = [(cut, value), (length_ns - cut, value)] if cut else [(length_ns, value)]
    parted = [*pieces[:which], *halves, *pieces[which + 1 :]]
    whole, cut_up = Capacity(steps_of(pieces)), Capacity(steps_of(parted))
    assert whole.sent_by(begin_ns) == cut_up.sent_by(begin_ns)
    assert whole.finish_ns(begin_ns, units) == cut_up.finish_ns(begin_ns, units)


@given(PIECES, FACTORS, st.lists(st.tuples(TIMES, st.integers(1, 10**24)), min_size=1, max_size=8))
def test_serving_is_opening_and_finishing_whatever_was_served_before(
    pieces: list[tuple[int, int]],
    factors: list[tuple[int, int]],
    served: list[tuple[int, int]],
) -> None:
    """The piece that is kept is a short cut and nothing more, forward and back in time."""
    capacity = Capacity(steps_of(pieces), closed(factors))
    again = Capacity(steps_of(pieces), closed(factors))
    for at_ns, units in served:
        expected = again.opens_ns(at_ns), again.finish_ns(at_ns, units)
        assert capacity.serve(at_ns, units) == expected


@given(PIECES, st.lists(TIMES, min_size=1, max_size=8))
def test_a_reader_reads_what_the_steps_say(pieces: list[tuple[int, int]], times: list[int]) -> None:
    """In whatever order it is asked."""
    steps = steps_of(pieces)
    reader = Reader(steps)
    assert [reader.at(at_ns) for at_ns in times] == [steps.at(at_ns) for at_ns in times]
