"""What a plan reckons a link with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.link import LinkChannel, LinkConfig, LinkFault, LinkQuote, Steps, Trace
from pipeline.link.model import OVERHEAD_BYTES, Direction

MS = 1_000_000
S = 1_000_000_000
LINK = LinkConfig(name="cell", up_bits_per_s=8_000_000, down_bits_per_s=16_000_000, rtt_ns=1_001)
VARYING = LinkConfig(
    name="cell",
    trace=Trace(
        source="test",
        up=Steps(starts_ns=(0, 9 * S), values=(8_000_000, 800_000), period_ns=10 * S),
        down=Steps.constant(16_000_000),
        rtt_ns=Steps(starts_ns=(0, 9 * S), values=(20 * MS, 80 * MS), period_ns=10 * S),
        loss_ppm=Steps.constant(0),
    ),
)


@pytest.mark.parametrize("percentile", [1.0, 50.0, 99.0])
@pytest.mark.parametrize(("direction", "ns_per_byte"), [("up", 1_000), ("down", 500)])
def test_a_constant_link_has_one_price(
    direction: Direction, ns_per_byte: int, percentile: float
) -> None:
    """That of the first message through an idle channel, at any percentile."""
    quote = LinkQuote(LINK, percentile=percentile)
    serial_ns = (2_000 + OVERHEAD_BYTES) * ns_per_byte
    assert quote.serial_ns(2_000, direction) == serial_ns
    assert quote.transfer_ns(2_000, direction) == serial_ns + 500
    passage = LinkChannel(LINK, direction).cross(2_000, 0)
    assert passage.arrives_ns == quote.transfer_ns(2_000, direction)
    assert quote.rate(direction) == 8 * S // ns_per_byte


def test_a_varying_link_is_priced_by_the_share_of_time() -> None:
    """A tenth of the time it is ten times slower: the median does not see that, p95 does."""
    usual, late = LinkQuote(VARYING), LinkQuote(VARYING, percentile=95.0)
    assert usual.serial_ns(500, "up") == MS
    assert late.serial_ns(500, "up") == 10 * MS
    assert usual.transfer_ns(500, "up") == MS + 10 * MS
    assert late.transfer_ns(500, "up") == 10 * MS + 40 * MS
    assert usual.up_bits_per_s == 8_000_000
    assert 800_000 < late.up_bits_per_s < 2_000_000  # 100 kB outlast the slow second
    assert usual.serial_ns(500, "down") == late.serial_ns(500, "down") == MS // 2


def test_a_share_is_priced_at_its_rate() -> None:
    """A task with a quarter, and all others with three quarters."""
    link = replace(LINK, shares_ppm={"objects": 250_000})
    assert LinkQuote(link, task="objects").serial_ns(500, "up") == 4 * MS
    assert LinkQuote(link, task="objects").rate("up") == 2_000_000
    assert LinkQuote(link, task="lanes").serial_ns(2_500, "up") == 4 * MS
    varying = replace(VARYING, shares_ppm={"objects": 250_000})
    assert LinkQuote(varying, task="objects").serial_ns(500, "up") == 4 * MS


def test_jitter_and_loss_count_at_the_percentile() -> None:
    """Both are draws, so a percentile of messages stays below the matching quantile."""
    link = replace(LINK, rtt_ns=100 * MS, jitter_ppm=(500_000, 1_000_000, 3_000_000))
    assert LinkQuote(link).transfer_ns(500, "up") == MS + 50 * MS
    assert LinkQuote(link, percentile=99.0).transfer_ns(500, "up") == MS + 150 * MS
    lossy = replace(LINK, rtt_ns=100 * MS, loss_ppm=20_000)
    assert LinkQuote(lossy).transfer_ns(500, "up") == MS + 50 * MS
    assert LinkQuote(lossy, percentile=99.0).transfer_ns(500, "up") == MS + 150 * MS


def test_a_script_is_no_part_of_a_price() -> None:
    """A plan does not know what will happen."""
    fault = LinkFault(kind="blackout", at_ns=0, until_ns=100 * S)
    struck = replace(VARYING, faults=(fault,))
    for percentile in (50.0, 99.0):
        one, other = (LinkQuote(each, percentile=percentile) for each in (VARYING, struck))
        assert one.transfer_ns(9_000, "up") == other.transfer_ns(9_000, "up")


@given(st.integers(0, 10**6), st.integers(1, 10**5), st.floats(1, 99), st.floats(0, 1))
def test_more_bytes_or_a_higher_percentile_are_never_cheaper(
    size: int, more: int, percentile: float, further: float
) -> None:
    """Costs are monotone."""
    low = LinkQuote(VARYING, percentile=percentile)
    high = LinkQuote(VARYING, percentile=percentile + further)
    assert low.transfer_ns(size + more, "up") >= low.transfer_ns(size, "up")
    assert high.transfer_ns(size, "up") >= low.transfer_ns(size, "up")
