"""The circuit breaker and the estimate of the uplink."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.core.breaker import Breaker
from pipeline.runtime.core.config import BreakerConfig, SwitchConfig
from pipeline.runtime.core.estimation import LinkEstimator, RegionSwitch

CONFIG = BreakerConfig(open_after=3, half_open_every_ns=100)
MBIT = 1_000_000
MS = 1_000_000


def _state(breaker: Breaker) -> str:
    return breaker.state


def test_it_opens_after_failures_in_a_row_only() -> None:
    """An answer in between starts the count again."""
    breaker = Breaker(CONFIG)
    for _ in range(2):
        assert not breaker.failed(0)
    assert not breaker.answered()
    assert [breaker.failed(0) for _ in range(3)] == [False, False, True]
    assert _state(breaker) == "open"
    assert not breaker.allows(99)


def test_a_probe_is_alone_and_decides() -> None:
    """While it is under way nothing else is asked; its failure waits for the next turn."""
    breaker = Breaker(CONFIG)
    for _ in range(3):
        breaker.failed(0)
    assert breaker.allows(100)
    breaker.asked(100)
    assert _state(breaker) == "half-open"
    assert not breaker.allows(150)
    assert not breaker.failed(160)
    assert not breaker.allows(199)
    assert breaker.allows(200)
    breaker.asked(200)
    assert breaker.answered()
    assert _state(breaker) == "closed"
    assert breaker.allows(201)


def test_a_peer_that_is_gone_opens_it_at_once() -> None:
    """Nothing has to time out first."""
    breaker = Breaker(CONFIG)
    assert breaker.trip(5)
    assert not breaker.trip(6)
    assert not breaker.allows(50)


def test_without_a_configuration_it_never_opens() -> None:
    """A scenario that asks for none gets none."""
    breaker = Breaker(None)
    assert not any(breaker.failed(at_ns) for at_ns in range(100))
    assert breaker.allows(100)
    assert not breaker.trip(101)


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer", "fail"]), st.integers(0, 80))))
def test_an_open_breaker_lets_at_most_one_through_per_turn(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, probes lie at least a turn apart."""
    breaker, at_ns, probes = Breaker(CONFIG), 0, list[int]()
    for what, later_ns in steps:
        at_ns += later_ns
        if what == "ask" and breaker.allows(at_ns):
            if _state(breaker) != "closed":
                probes.append(at_ns)
            breaker.asked(at_ns)
        elif what == "answer":
            breaker.answered()
            probes.clear()
        elif what == "fail":
            breaker.failed(at_ns)
    assert all(later - one >= 100 for one, later in pairwise(probes))


def test_the_estimate_follows_what_crossed_and_silence_bounds_it() -> None:
    """100 kB in 40 ms beside 10 ms of bare way are 20 Mbit/s; nothing for a second is little."""
    estimator = LinkEstimator(SwitchConfig(nominal_bits_per_s=40 * MBIT, one_way_ns=10 * MS))
    assert estimator.crossed(100_000, 0, 50 * MS)
    assert estimator.bits_per_s == 35 * MBIT
    assert not estimator.crossed(10, 0, 50 * MS)
    estimator.silent(100_000, 0, 1_000 * MS)
    assert estimator.bits_per_s == 800_000


def test_regions_go_down_at_once_and_up_with_patience_and_margin() -> None:
    """Three estimates in a row that are 15 % above the border."""
    switch = RegionSwitch([20 * MBIT, 5 * MBIT, 0], SwitchConfig())
    assert switch.observe(MBIT)
    assert switch.current == 2
    assert [switch.observe(rate * MBIT) for rate in (6, 6, 5, 6, 6)] == [False] * 5
    assert switch.observe(6 * MBIT)
    assert switch.current == 1
    assert [switch.observe(22 * MBIT) for _ in range(9)] == [False] * 9
    assert [switch.observe(24 * MBIT) for _ in range(3)] == [False, False, True]
    assert switch.current == 0
    assert not switch.observe(100 * MBIT)


@given(st.lists(st.integers(0, 40 * MBIT), max_size=60))
def test_a_region_is_never_one_that_the_estimate_is_below(rates: list[int]) -> None:
    """Down at once: after every estimate the region's border is at most the estimate."""
    borders = [20 * MBIT, 5 * MBIT, 0]
    switch = RegionSwitch(borders, SwitchConfig())
    for rate in rates:
        switch.observe(rate)
        assert borders[switch.current] <= rate


def test_probes_of_a_better_region_lie_apart() -> None:
    """Without traffic over the link the estimate could never rise again."""
    switch = RegionSwitch([1, 0], SwitchConfig(probe_every_ns=100))
    assert [switch.probe_due(at_ns) for at_ns in (0, 50, 100, 150, 260)] == [
        True,
        False,
        True,
        False,
        True,
    ]
