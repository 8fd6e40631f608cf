"""The link model: a queue at a bottleneck, then propagation."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link.model import (
    OVERHEAD_BYTES,
    Direction,
    LinkChannel,
    LinkConfig,
    Passage,
    message_bytes,
)

LINK = LinkConfig(name="cell", up_bits_per_s=8_000_000, down_bits_per_s=16_000_000, rtt_ns=1_001)


def test_a_message_is_more_than_its_payload() -> None:
    """Header and framing count on both drivers alike."""
    assert message_bytes(0) == OVERHEAD_BYTES
    assert message_bytes(1_000) == 1_000 + OVERHEAD_BYTES


@pytest.mark.parametrize(("direction", "ns_per_byte"), [("up", 1_000), ("down", 500)])
def test_an_idle_link_takes_bytes_over_rate_and_half_a_round_trip(
    direction: Direction, ns_per_byte: int
) -> None:
    """Each direction has its own rate."""
    serial_ns = (2_000 + OVERHEAD_BYTES) * ns_per_byte
    assert LINK.serial_ns(2_000, direction) == serial_ns
    assert LINK.transfer_ns(2_000, direction) == serial_ns + 500
    passage = LinkChannel(LINK, direction).cross(2_000, -70)
    assert passage == Passage(began_ns=-70, arrives_ns=-70 + serial_ns + 500)


def test_a_message_waits_for_the_one_before_it() -> None:
    """The bottleneck sends one at a time; the wait ends when it begins to send."""
    channel = LinkChannel(LINK, "up")
    first = channel.cross(500, 0)
    second = channel.cross(500, 10)
    assert second.began_ns == 1_000_000
    assert second.arrives_ns - first.arrives_ns == 1_000_000


def test_a_link_that_fell_idle_begins_at_once() -> None:
    """Idle time is not saved up."""
    channel = LinkChannel(LINK, "up")
    channel.cross(500, 0)
    assert channel.cross(500, 5_000_000).began_ns == 5_000_000


def test_time_on_the_bottleneck_is_rounded_up() -> None:
    """A part of a nanosecond is one, so that no rate is ever exceeded."""
    link = LinkConfig(name="l", up_bits_per_s=3, down_bits_per_s=3, rtt_ns=0)
    bits = 8 * OVERHEAD_BYTES
    assert link.serial_ns(0, "up") == -(-bits * 1_000_000_000 // 3)
    assert link.serial_ns(0, "up") * 3 >= bits * 1_000_000_000


@given(
    st.integers(1_000, 10**10),
    st.integers(0, 10**9),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**8)), min_size=1, max_size=30),
)
def test_a_channel_keeps_order_and_never_exceeds_its_rate(
    rate: int, rtt_ns: int, messages: list[tuple[int, int]]
) -> None:
    """First in, first out, and all of it takes at least its bits over the rate."""
    link = LinkConfig(name="l", up_bits_per_s=rate, down_bits_per_s=1, rtt_ns=rtt_ns)
    channel = LinkChannel(link, "up")
    sent_ns, passages = 0, []
    for size, gap_ns in messages:
        sent_ns += gap_ns
        passage = channel.cross(size, sent_ns)
        assert passage.began_ns >= sent_ns
        assert passage.arrives_ns == passage.began_ns + link.transfer_ns(size, "up")
        passages.append(passage)
    for (size, _), (one, other) in zip(messages, pairwise(passages), strict=False):
        assert other.began_ns >= one.began_ns + link.serial_ns(size, "up")
    bits = sum(8 * message_bytes(size) for size, _ in messages)
    lasted_ns = passages[-1].arrives_ns - passages[0].began_ns - rtt_ns // 2
    assert lasted_ns * rate >= bits * 1_000_000_000


@given(st.integers(0, 10**7), st.integers(1, 10**6), st.integers(1_000, 10**9))
def test_more_bytes_or_a_slower_link_never_arrive_earlier(size: int, more: int, rate: int) -> None:
    """Costs are monotone."""
    link = LinkConfig(name="l", up_bits_per_s=rate, down_bits_per_s=2 * rate, rtt_ns=7)
    assert link.transfer_ns(size + more, "up") >= link.transfer_ns(size, "up")
    assert link.transfer_ns(size, "up") >= link.transfer_ns(size, "down")
