"""How the time that a message takes on a link spreads, from one look at its whole trace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pipeline.link.channel import units_at_share
from pipeline.link.loss import rounds_of
from pipeline.link.pricing import STARTS
from pipeline.link.steps import PPM, Capacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.link.model import Direction, LinkConfig


class LinkSpread:
    """Quantiles of crossings of an idle link, for one task; the same figures as `LinkQuote`'s.

    A quote is made for one percentile. This is for whoever wants many of them: the trace is looked
    at once per message size.

    Args:
        config: The link; scripted faults are no part of it.
        task: Task whose share of the rate counts; "" for what the shares leave.
    """

    def __init__(self, config: LinkConfig, *, task: str = "") -> None:
        self._config = config
        self._share_ppm = config.share_ppm(task)
        self._capacity = {
            way: Capacity(config.rates(way)) for way in ("up", "down") if config.trace is not None
        }
        self._serial_ns: dict[tuple[int, Direction], tuple[int, ...]] = {}
        self._at: dict[float, tuple[int, int]] = {}

    def serial_ns(self, payload_bytes: int, direction: Direction) -> tuple[int, ...]:
        """Times on the bottleneck in ns, ascending: one, or `STARTS` of a link that varies."""
        key = payload_bytes, direction
        found = self._serial_ns.get(key)
        if found is None:
            found = self._serial_ns[key] = self._serial(*key)
        return found

    def mean_serial_ns(self, payload_bytes: int, direction: Direction, *, within_ns: int) -> int:
        """Mean time on the bottleneck in ns: what a message loads it with while it is carried.

        Args:
            payload_bytes: Size of the message.
            direction: Its way.
            within_ns: What takes longer is late whoever shares the link, and little of it is sent:
                moments at which it would are left out, where there are others.
        """
        times = self.serial_ns(payload_bytes, direction)
        carried = [time_ns for time_ns in times if time_ns <= within_ns] or times
        return round(sum(carried) / len(carried))

    def transfer_ns(
        self, payload_bytes: int, direction: Direction, percentiles: Sequence[float]
    ) -> list[int]:
        """Times from handing over to the last bit received in ns, one per percentile (0 to 100).

        Bottleneck, round trip, jitter and loss are at the same percentile each.
        """
        times = self.serial_ns(payload_bytes, direction)
        jitter = self._config.jitter_ppm
        found = []
        for percentile in percentiles:
            rtt_ns, loss_ppm = self._trip(percentile)
            factor = jitter[_place(len(jitter), percentile)] if jitter else PPM
            word = min((1 << 64) - 1, int(percentile / 100 * (1 << 64)))
            rounds = rounds_of(word, payload_bytes, loss_ppm)
            serial_ns = times[_place(len(times), percentile)]
            found.append(serial_ns + rtt_ns // 2 * factor // PPM + rounds * rtt_ns)
        return found

    def _trip(self, percentile: float) -> tuple[int, int]:
        """Round trip in ns and loss in parts per million at a percentile, looked up once."""
        found = self._at.get(percentile)
        if found is None:
            trips, losses = self._config.round_trips(), self._config.losses()
            found = self._at[percentile] = trips.quantile(percentile), losses.quantile(percentile)
        return found

    def _serial(self, payload_bytes: int, direction: Direction) -> tuple[int, ...]:
        units = units_at_share(payload_bytes, self._share_ppm)
        rates = self._config.rates(direction)
        if not self._capacity:
            return (-(-units // (rates.values[0] * PPM)),)
        capacity = self._capacity[direction]
        begins = (index * rates.period_ns // STARTS for index in range(STARTS))
        return tuple(sorted(capacity.finish_ns(at_ns, units) - at_ns for at_ns in begins))


def _place(count: int, percentile: float) -> int:
    """Index of a percentile among so many sorted figures."""
    return min(count - 1, max(0, math.ceil(percentile / 100 * count) - 1))
