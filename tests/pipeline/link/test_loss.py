"""Lost packets as rounds of sending again."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link.loss import MOST_ROUNDS, rounds_of
from pipeline.link.model import OVERHEAD_BYTES

LAST = (1 << 64) - 1


def test_without_loss_nothing_is_sent_again() -> None:
    """Whatever the draw."""
    assert rounds_of(LAST, 10**6, 0) == 0


def test_the_worst_draw_is_bounded() -> None:
    """A run ends, however bad the link."""
    assert rounds_of(LAST, 10**7, 999_999) == MOST_ROUNDS
    assert rounds_of(0, 0, 1) == 0


@pytest.mark.parametrize(("packets", "loss_ppm"), [(1, 10_000), (70, 10_000), (700, 250_000)])
def test_the_chance_of_each_round_is_that_of_independent_packets(
    packets: int, loss_ppm: int
) -> None:
    """All n packets are through after k further rounds with (1 - p^(k+1))^n."""
    payload = 1_500 * packets - OVERHEAD_BYTES
    lost = Fraction(loss_ppm, 10**6)
    for rounds in range(MOST_ROUNDS):
        chance = float((1 - lost ** (rounds + 1)) ** packets)
        word = int(chance * 2**64)
        slack = 1 << 32  # of a float, and of 64 bits rounded down some hundred times
        if word > slack:
            assert rounds_of(word - slack, payload, loss_ppm) <= rounds
        if word + slack <= LAST:
            assert rounds_of(word + slack, payload, loss_ppm) > rounds


@given(st.integers(0, LAST), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 999_999))
def test_more_bytes_or_more_loss_never_need_fewer_rounds(
    word: int, size: int, more: int, loss_ppm: int
) -> None:
    """Costs are monotone."""
    rounds = rounds_of(word, size, loss_ppm)
    assert rounds_of(word, size + more, loss_ppm) >= rounds
    assert rounds_of(word, size, min(999_999, loss_ppm + more)) >= rounds
