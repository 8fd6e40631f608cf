"""Shares of the uplink: who has sent more than its part gives way."""

from __future__ import annotations

from pipeline.runtime.core.config import UplinkShare
from pipeline.runtime.core.sharing import UplinkShares

RATE = 10_000_000
S = 1_000_000_000
HALF = UplinkShare(share_ppm=500_000, frame_bits=500_000)


def test_a_task_that_keeps_to_its_share_is_never_over() -> None:
    """A frame of half a megabit every tenth of a second is half of ten megabits a second."""
    shares = UplinkShares({"front": HALF})
    for number in range(100):
        at_ns = number * S // 10
        assert not shares.over("front", at_ns, RATE)
        shares.sent("front", 62_500, at_ns, RATE)


def test_a_task_that_sends_three_times_its_share_is_soon_over_and_pays_it_off() -> None:
    """The debt is bounded, so that it is paid off in a known while."""
    shares = UplinkShares({"front": HALF})
    over = []
    for number in range(30):
        at_ns = number * S // 10
        over.append(shares.over("front", at_ns, RATE))
        shares.sent("front", 187_500, at_ns, RATE)
    assert not over[0]
    assert all(over[3:])
    end_ns = 29 * S // 10
    assert shares.over("front", end_ns, RATE)
    assert not shares.over("front", end_ns + 2 * S // 5, RATE)  # four frames owed, two allowed


def test_a_slower_link_makes_the_share_smaller() -> None:
    """The share is a part of what the link is believed to carry."""
    shares = UplinkShares({"front": HALF})
    over = []
    for number in range(20):
        at_ns = number * S // 10
        over.append(shares.over("front", at_ns, RATE // 4))
        shares.sent("front", 62_500, at_ns, RATE // 4)
    assert over[-1]


def test_a_task_without_a_share_owes_nothing() -> None:
    """Whatever it sends."""
    shares = UplinkShares({"front": HALF})
    shares.sent("side", 10**9, 0, RATE)
    assert not shares.over("side", 0, RATE)
    assert "side" not in shares
    assert not UplinkShares({})
