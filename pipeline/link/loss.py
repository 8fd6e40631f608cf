"""Lost packets as delay: how many rounds of sending again a message needs."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache

from pipeline.link.model import message_bytes

PACKET_BYTES = 1_500  # the common MTU
MOST_ROUNDS = 8
"""Rounds after which a message is through in any case, so that a run always ends."""

_ONE = 1 << 64
_PPM = 1_000_000


def rounds_of(word: int, payload_bytes: int, loss_ppm: int) -> int:
    """Rounds of sending lost packets again, for a message that drew this word.

    Every packet is lost with the given chance, each time that it is sent and whatever happens to
    the others; all that a round lost are sent again together in the next one, as TCP does with
    selective acknowledgements. So a message of n packets is through after k further rounds with
    probability (1 - p^(k+1))^n, and one uniform word decides.

    Args:
        word: A 64-bit word.
        payload_bytes: Payload of the message.
        loss_ppm: Chance that a packet is lost, in parts per million, below 1,000,000.
    """
    if loss_ppm == 0:
        return 0
    packets = -(-message_bytes(payload_bytes) // PACKET_BYTES)
    return bisect_right(_through(packets, loss_ppm), word)


@lru_cache(maxsize=4096)
def _through(packets: int, loss_ppm: int) -> tuple[int, ...]:
    """Chance of being through after 0, 1, 2 … further rounds, in units of 2**-64."""
    lost = once = loss_ppm * _ONE // _PPM
    chances = []
    for _ in range(MOST_ROUNDS):
        chances.append(_power(_ONE - lost, packets))
        lost = lost * once >> 64
    return tuple(chances)


def _power(base: int, exponent: int) -> int:
    """A power of a fixed-point number up to one, by squaring; every step rounds down."""
    result = _ONE
    while exponent:
        if exponent & 1:
            result = result * base >> 64
        base = base * base >> 64
        exponent >>= 1
    return result
