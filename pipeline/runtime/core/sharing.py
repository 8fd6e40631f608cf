"""Shares of the uplink: a task that has sent more than its own gives way while others want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.config import UplinkShare

_NS_PER_S = 1_000_000_000
_PPM = 1_000_000


class UplinkShares:
    """What each task has sent beyond its part of the uplink, in bits; owns no clock.

    Each task owes what it sends and pays it off at its part of the estimated rate. A task that owes
    more than two of its planned frames is over its share. The debt is bounded at four, so that what
    an outage left behind is soon forgotten.
    """

    def __init__(self, shares: Mapping[str, UplinkShare]) -> None:
        self._shares = dict(shares)
        self._owed_bits = dict.fromkeys(shares, 0)
        self._paid_until_ns: dict[str, int] = {}

    def __contains__(self, task: str) -> bool:
        return task in self._shares

    def __bool__(self) -> bool:
        return bool(self._shares)

    def sent(self, task: str, sent_bytes: int, at_ns: int, bits_per_s: int) -> None:
        """A task hands a message to the uplink."""
        share = self._shares.get(task)
        if share is None:
            return
        self._pay(task, at_ns, bits_per_s)
        most = 4 * share.frame_bits
        self._owed_bits[task] = min(most, self._owed_bits[task] + 8 * sent_bytes)

    def over(self, task: str, at_ns: int, bits_per_s: int) -> bool:
        """Whether a task has sent more than its share.

        Args:
            task: The task; one without a share never has.
            at_ns: Run time.
            bits_per_s: The uplink's rate as it is believed.
        """
        share = self._shares.get(task)
        if share is None:
            return False
        self._pay(task, at_ns, bits_per_s)
        return self._owed_bits[task] > 2 * share.frame_bits

    def _pay(self, task: str, at_ns: int, bits_per_s: int) -> None:
        since_ns = at_ns - self._paid_until_ns.get(task, at_ns)
        part = bits_per_s * self._shares[task].share_ppm // _PPM
        self._owed_bits[task] = max(0, self._owed_bits[task] - part * since_ns // _NS_PER_S)
        self._paid_until_ns[task] = at_ns
