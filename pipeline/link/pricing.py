"""What a plan reckons a link with: quantiles of the time that a message would have taken."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.link.channel import units_at_share
from pipeline.link.loss import rounds_of
from pipeline.link.model import message_bytes
from pipeline.link.steps import PPM, Capacity

if TYPE_CHECKING:
    from pipeline.link.model import Direction, LinkConfig

STARTS = 500
"""Times of handing over, evenly spread over a trace's period, that a message is tried at."""

REFERENCE_BYTES = 100_000
"""Payload that a varying rate is quoted for: about a JPEG picture, or a cut coded in int8."""

_NS_PER_S = 1_000_000_000


class LinkQuote:
    """A link as a plan sees it: idle, at one percentile, for one task.

    Of a link that varies, the time on the bottleneck is that percentile over messages handed over
    at `STARTS` times, which is the matching low quantile of the rate over the message's own
    horizon; round trip, jitter and loss are at the same percentile each, and added, which is the
    cautious side. Scripted faults are no part of it: a plan does not know what will happen.

    Args:
        config: The link.
        percentile: Share of messages that are through in this time, above 0 and at most 100.
        task: Task whose share of the rate counts; "" for what the shares leave.
    """

    def __init__(self, config: LinkConfig, *, percentile: float = 50.0, task: str = "") -> None:
        self.name = config.name
        self._config = config
        self._percentile = percentile
        self._share_ppm = config.share_ppm(task)
        self._capacity = {
            way: Capacity(config.rates(way)) for way in ("up", "down") if config.trace is not None
        }
        self._serial_ns: dict[tuple[int, Direction], int] = {}
        self.rtt_ns = config.round_trips().quantile(percentile)
        """Round trip of an empty message, jitter left out."""
        self._loss_ppm = config.losses().quantile(percentile)
        jitter = config.jitter_ppm
        self._jitter_ppm = jitter[_place(len(jitter), percentile)] if jitter else PPM

    @property
    def up_bits_per_s(self) -> int:
        """Rate from the vehicle to the cloud, at least 1."""
        return self.rate("up")

    def rate(self, direction: Direction) -> int:
        """Rate of one direction in bits per second; of a trace, for `REFERENCE_BYTES`."""
        if not self._capacity:
            return max(1, self._config.rates(direction).values[0] * self._share_ppm // PPM)
        bits = 8 * message_bytes(REFERENCE_BYTES)
        return max(1, bits * _NS_PER_S // self.serial_ns(REFERENCE_BYTES, direction))

    def serial_ns(self, payload_bytes: int, direction: Direction) -> int:
        """Time that a message occupies the bottleneck, rounded up, in ns."""
        key = payload_bytes, direction
        found = self._serial_ns.get(key)
        if found is None:
            found = self._serial_ns[key] = self._serial(*key)
        return found

    @property
    def varies(self) -> bool:
        """Whether messages of one size take different times."""
        return bool(self._capacity) or bool(self._config.jitter_ppm) or self._loss_ppm > 0

    def serial_moments_ns(self, payload_bytes: int, direction: Direction) -> tuple[int, int]:
        """Mean and standard deviation of a message's time on the bottleneck, over the trace."""
        if not self._capacity:
            return self._serial(payload_bytes, direction), 0
        times = self._times(payload_bytes, direction)
        mean = sum(times) / STARTS
        variance = sum((time - mean) ** 2 for time in times) / STARTS
        return round(mean), round(math.sqrt(variance))

    def way_moments_ns(self) -> tuple[int, int]:
        """Mean and standard deviation of a round trip: its own over the trace, and its jitter."""
        trips = self._config.round_trips()
        ends = (*trips.starts_ns[1:], trips.period_ns)
        lengths = [end - start for start, end in zip(trips.starts_ns, ends, strict=True)]
        mean = sum(v * n for v, n in zip(trips.values, lengths, strict=True)) / trips.period_ns
        square = sum(v * v * n for v, n in zip(trips.values, lengths, strict=True))
        variance = max(0.0, square / trips.period_ns - mean * mean)
        table = self._config.jitter_ppm or (PPM,)
        factor = sum(table) / len(table) / PPM
        spread = sum((ppm / PPM - factor) ** 2 for ppm in table) / len(table)
        # The two ways are drawn apart, each half a round trip.
        jitter = 2 * (mean / 2) ** 2 * spread
        return round(mean * factor), round(math.sqrt(variance + jitter))

    def transfer_ns(self, payload_bytes: int, direction: Direction) -> int:
        """Time from handing over to the last bit received, in ns."""
        word = min((1 << 64) - 1, int(self._percentile / 100 * (1 << 64)))
        rounds = rounds_of(word, payload_bytes, self._loss_ppm)
        way_ns = self.rtt_ns // 2 * self._jitter_ppm // PPM
        return self.serial_ns(payload_bytes, direction) + way_ns + rounds * self.rtt_ns

    def _serial(self, payload_bytes: int, direction: Direction) -> int:
        units = units_at_share(payload_bytes, self._share_ppm)
        rates = self._config.rates(direction)
        if not self._capacity:
            return -(-units // (rates.values[0] * PPM))
        return self._times(payload_bytes, direction)[_place(STARTS, self._percentile)]

    def _times(self, payload_bytes: int, direction: Direction) -> list[int]:
        """Times on the bottleneck from evenly spread starts, ascending."""
        units = units_at_share(payload_bytes, self._share_ppm)
        period_ns = self._config.rates(direction).period_ns
        capacity = self._capacity[direction]
        begins = [index * period_ns // STARTS for index in range(STARTS)]
        return sorted(capacity.finish_ns(begin_ns, units) - begin_ns for begin_ns in begins)


def _place(count: int, percentile: float) -> int:
    """Index of a percentile among so many sorted figures."""
    return min(count - 1, max(0, math.ceil(percentile / 100 * count) - 1))
