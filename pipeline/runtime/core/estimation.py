"""What the vehicle believes of link and cloud, and the steps of one axis that follow from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runtime.core.config import SwitchConfig

_NS_PER_S = 1_000_000_000
PPM = 1_000_000
_LEAST_BYTES = 1_000  # a smaller message says nothing of the rate
_SHARE = 4  # a new sample counts for a quarter


class LinkEstimator:
    """Estimates the uplink's rate, the round trip and the cloud's load from answers.

    A sample of the rate is a message's bits over the time its channel took for them, waiting and
    the way of an empty message left out. One of the round trip is twice the time that a result took
    back, its own bits left out. One of the load is the busy share at which a frame would wait on
    average as long as this one did for the cloud's device (M/D/1). Estimates follow samples by a
    quarter of the difference; silence bounds the rate from above at once.

    Attributes:
        bits_per_s: Rate of the uplink.
        rtt_ns: Round trip of an empty message.
        load_ppm: Busy share of the cloud's device, in parts per million.
    """

    def __init__(self, config: SwitchConfig) -> None:
        self._nominal_bits_per_s = config.nominal_bits_per_s
        self._down_bits_per_s = config.down_bits_per_s
        self.bits_per_s = config.nominal_bits_per_s
        self.rtt_ns = 2 * config.one_way_ns
        self.load_ppm = 0

    def crossed(self, sent_bytes: int, began_ns: int, arrived_ns: int) -> bool:
        """A message crossed; returns whether it said something of the rate.

        Args:
            sent_bytes: Bytes on the link.
            began_ns: When its channel began to send it, run time.
            arrived_ns: When the cloud had it, run time.
        """
        if sent_bytes < _LEAST_BYTES:
            return False
        took_ns = max(1, arrived_ns - began_ns - self.rtt_ns // 2)
        sample = 8 * sent_bytes * _NS_PER_S // took_ns
        known = self.bits_per_s
        self.bits_per_s = known + (sample - known) // _SHARE if known else sample
        return True

    def returned(self, received_bytes: int, began_ns: int, arrived_ns: int) -> None:
        """A result came back.

        Its own bits go at the downlink's nominal rate, slowed down as the uplink is believed to be.

        Args:
            received_bytes: Bytes on the link.
            began_ns: When its channel began to send it, run time.
            arrived_ns: When the vehicle had it, run time.
        """
        down = self._down_bits_per_s
        if 0 < self.bits_per_s < self._nominal_bits_per_s:
            down = max(1, down * self.bits_per_s // self._nominal_bits_per_s)
        own_ns = 8 * received_bytes * _NS_PER_S // down if down else 0
        sample = 2 * max(0, arrived_ns - began_ns - own_ns)
        self.rtt_ns += (sample - self.rtt_ns) // _SHARE

    def served(self, waited_ns: int, ran_ns: int) -> None:
        """A job of ours waited for the cloud's device and then ran there."""
        waited_ns, ran_ns = max(0, waited_ns), max(1, ran_ns)
        sample = 2 * waited_ns * PPM // (2 * waited_ns + ran_ns)
        self.load_ppm += (sample - self.load_ppm) // _SHARE

    def silent(self, sent_bytes: int, sent_ns: int, at_ns: int) -> None:
        """A message was sent and nothing came back yet: its rate is at most this."""
        waited_ns = max(1, at_ns - sent_ns)
        most = 8 * sent_bytes * _NS_PER_S // waited_ns
        self.bits_per_s = min(self.bits_per_s, most)


class RegionSwitch:
    """Which region of one axis a task is in: down at once, up only after patience and margin.

    Args:
        borders: Least figure of each region, such as bits per second, falling; the last one is 0.
        config: Patience, margin and probes.
        start: Region to begin in.
    """

    def __init__(self, borders: Sequence[int], config: SwitchConfig, start: int = 0) -> None:
        self._borders = tuple(borders)
        self._config = config
        self._better = 0
        self._next_probe_ns = 0
        self.current = start

    def observe(self, bits_per_s: int) -> bool:
        """A new estimate; returns whether the region changed."""
        config, before = self._config, self.current
        while self.current < len(self._borders) - 1 and bits_per_s < self._borders[self.current]:
            self.current += 1
        if self.current != before:
            self._better = 0
            return True
        if before == 0:
            return False
        border = self._borders[before - 1]
        if bits_per_s < border + border * config.margin_ppm // PPM:
            self._better = 0
            return False
        self._better += 1
        if self._better < config.patience:
            return False
        self.current, self._better = before - 1, 0
        return True

    def probe_due(self, at_ns: int) -> bool:
        """Whether a frame should try a better region, so that the estimate can rise again."""
        if at_ns < self._next_probe_ns:
            return False
        self._next_probe_ns = at_ns + self._config.probe_every_ns
        return True
