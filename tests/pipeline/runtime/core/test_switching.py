"""Estimates of link and cloud, and the cell of the plan map that follows from them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan.maps import RegionMap
from pipeline.runtime.core.config import SwitchConfig
from pipeline.runtime.core.estimation import LinkEstimator
from pipeline.runtime.core.switching import MapSwitch

MBIT, MS = 1_000_000, 1_000_000
CONFIG = SwitchConfig(
    nominal_bits_per_s=40 * MBIT, one_way_ns=10 * MS, down_bits_per_s=80 * MBIT, patience=3
)
MAP = RegionMap(
    rate_borders=(20 * MBIT,),
    rtt_borders=(50 * MS,),
    load_borders=(500_000,),
    cells=tuple(range(8)),
)


def test_the_round_trip_follows_what_came_back_its_own_bits_left_out() -> None:
    """100 kB at 80 Mbit/s are 10 ms; 30 more are one way, and the estimate goes a quarter there."""
    estimate = LinkEstimator(CONFIG)
    estimate.returned(100_000, 0, 20 * MS)
    assert estimate.rtt_ns == 20 * MS
    estimate.returned(100_000, 0, 40 * MS)
    assert estimate.rtt_ns == 30 * MS


def test_a_slow_link_s_results_are_not_taken_for_a_long_way() -> None:
    """The downlink is believed to be as much slower as the uplink is."""
    estimate = LinkEstimator(CONFIG)
    estimate.bits_per_s = 4 * MBIT
    estimate.returned(100_000, 0, 110 * MS)  # a tenth of the rate: 100 ms of bits, 10 of way
    assert estimate.rtt_ns == 20 * MS


def test_the_load_is_the_one_at_which_such_a_wait_is_the_mean() -> None:
    """A wait of half a service is a load of one half; no wait brings it back."""
    estimate = LinkEstimator(CONFIG)
    for _ in range(60):
        estimate.served(5 * MS, 10 * MS)
    assert 490_000 < estimate.load_ppm <= 500_000
    for _ in range(60):
        estimate.served(0, 10 * MS)
    assert estimate.load_ppm < 10_000


def test_each_axis_is_left_at_once_and_come_back_to_with_patience() -> None:
    """Way 0 is the best cell, 7 the worst on all three."""
    estimate = LinkEstimator(CONFIG)
    switch = MapSwitch(MAP, CONFIG)
    assert not switch.observe(estimate)
    assert switch.current == 0
    estimate.rtt_ns = 60 * MS
    assert switch.observe(estimate)
    assert switch.current == 2
    estimate.load_ppm = 500_000
    assert switch.observe(estimate)
    assert switch.current == 6
    estimate.bits_per_s = 10 * MBIT
    assert switch.observe(estimate)
    assert switch.current == 7
    assert next(iter(switch.better())) in {3, 5, 6}
    assert set(switch.better()) == set(range(7))
    estimate.rtt_ns = 49 * MS  # better, and not by the margin
    assert [switch.observe(estimate) for _ in range(9)] == [False] * 9
    estimate.rtt_ns = 40 * MS
    assert [switch.observe(estimate) for _ in range(3)] == [False, False, True]
    assert switch.current == 5


@given(
    st.lists(
        st.tuples(st.integers(0, 60 * MBIT), st.integers(0, 200 * MS), st.integers(0, 999_999)),
        max_size=40,
    )
)
def test_a_cell_is_never_better_than_the_estimates(found: list[tuple[int, int, int]]) -> None:
    """Worse at once, on every axis."""
    estimate = LinkEstimator(CONFIG)
    switch = MapSwitch(MAP, CONFIG)
    for rate, rtt_ns, load_ppm in found:
        estimate.bits_per_s, estimate.rtt_ns, estimate.load_ppm = rate, rtt_ns, load_ppm
        switch.observe(estimate)
        true = MAP.cell_of(rate, rtt_ns, load_ppm)
        cell = switch.cell
        assert cell.rate >= true.rate
        assert cell.load >= true.load
        assert cell.rtt >= true.rtt


def test_a_map_of_one_cell_has_nothing_to_try() -> None:
    """No probes."""
    switch = MapSwitch(RegionMap(), CONFIG)
    assert not switch.several
    assert list(switch.better()) == []
