"""One direction of a link: a queue at a bottleneck whose rate may change, then propagation."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from pipeline.draws import Draws
from pipeline.link.loss import MOST_ROUNDS, rounds_of
from pipeline.link.model import OVERHEAD_BYTES, Passage
from pipeline.link.steps import PPM, Capacity, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.link.model import Direction, LinkConfig, LinkFault

_NS_PER_S = 1_000_000_000
_UNITS_PER_BYTE = Capacity.units(8)
_ATTEMPTS = 4  # draws that `Draws` has for one frame


class LinkChannel:
    """One direction of a link: first in, first out within a lane; owns no clock.

    There is one lane for each task with a share and one for everything else. A lane has its part
    of the rate for itself, no less and no more, so that the passage of a message is known when it
    is handed over and no later one changes it.
    """

    def __init__(self, config: LinkConfig, direction: Direction) -> None:
        self._name = f"{config.name}.{direction}"
        self._busy_until_ns: int | None = None
        rates, losses = config.rates(direction), config.losses()
        self.keyed = bool(config.jitter_ppm or config.shares_ppm or any(losses.values))
        """Whether `subject`, `frame` and `attempt` make a difference."""
        self._plain = not (self.keyed or config.trace or config.faults)
        self._rate, self._way_ns = rates.values[0], config.rtt_ns // 2
        if self._plain:
            return
        self._capacity = Capacity(rates, _factors(config.faults))
        self._round_trips, self._losses = Reader(config.round_trips()), Reader(losses)
        self._lossy = any(losses.values)
        handovers = sorted(
            (f.until_ns, f.extra_rtt_ns) for f in config.faults if f.kind == "handover"
        )
        self._extra_from = [at_ns for at_ns, _ in handovers]
        self._extra_ns = [0, *(extra_ns for _, extra_ns in handovers)]
        self._jitter = config.jitter_ppm
        self._draws = Draws(config.seed)
        self._lanes = {task: _Lane(task, config.share_ppm(task)) for task in config.shares_ppm}
        self._rest = _Lane("", config.share_ppm(""))
        self._subjects: dict[str, _Subject] = {}

    def cross(
        self,
        payload_bytes: int,
        at_ns: int,
        *,
        subject: str = "",
        frame: int | None = None,
        attempt: int = 0,
    ) -> Passage:
        """Pass a message of so many payload bytes that is handed over now.

        Args:
            payload_bytes: Payload; the overhead is added.
            at_ns: Time of handing over, not before that of the lane's message before it.
            subject: Task that the message belongs to, which decides on lane and draws; for one
                that belongs to none, see `kind_subject`.
            frame: Its frame; None has the messages of the subject counted instead.
            attempt: How often the same was sent before; the fifth draws as the first.
        """
        if self._plain:
            busy_ns = self._busy_until_ns
            began_ns = at_ns if busy_ns is None or busy_ns < at_ns else busy_ns
            bits = 8 * (payload_bytes + OVERHEAD_BYTES)
            sent_out_ns = began_ns - (-bits * _NS_PER_S // self._rate)
            self._busy_until_ns = sent_out_ns
            return Passage(began_ns=began_ns, arrives_ns=sent_out_ns + self._way_ns)
        lane = self._lanes.get(subject, self._rest) if self._lanes else self._rest
        turn_ns = lane.busy_until_ns if lane.used and lane.busy_until_ns > at_ns else at_ns
        units = units_at_share(payload_bytes, lane.share_ppm)
        began_ns, sent_out_ns = self._capacity.serve(turn_ns, units)
        arrives_ns = sent_out_ns + self._way(payload_bytes, sent_out_ns, subject, frame, attempt)
        if lane.used and arrives_ns < lane.arrived_ns:
            arrives_ns = lane.arrived_ns
        lane.used, lane.busy_until_ns, lane.arrived_ns = True, sent_out_ns, arrives_ns
        return Passage(began_ns=began_ns, arrives_ns=arrives_ns, lane=lane.name)

    def _way(
        self, payload_bytes: int, at_ns: int, subject: str, frame: int | None, attempt: int
    ) -> int:
        """Time from the last bit sent to the last one there: propagation and sending again."""
        rtt_ns = self._round_trips.at(at_ns)
        if self._extra_from:
            rtt_ns += self._extra_ns[bisect_right(self._extra_from, at_ns)]
        way_ns = rtt_ns // 2
        if not self.keyed:
            return way_ns
        drawn = self._subjects.get(subject)
        if drawn is None:
            drawn = _Subject(self._draws, f"{self._name}/{subject}", self._jitter)
            self._subjects[subject] = drawn
        if frame is None:
            frame = drawn.count
            drawn.count = frame + 1
        attempt %= _ATTEMPTS
        if drawn.jitter is not None:
            if attempt == 0:
                factor_ppm = drawn.jitter.at(frame)
            else:
                word = drawn.jitter_words.at(frame, attempt)
                factor_ppm = self._jitter[(word >> 32) * len(self._jitter) >> 32]
            way_ns = way_ns * factor_ppm // PPM
        if self._lossy and (loss_ppm := self._losses.at(at_ns)):
            way_ns += rtt_ns * rounds_of(drawn.loss.at(frame, attempt), payload_bytes, loss_ppm)
        return way_ns


class _Subject:
    """What is drawn for the messages of one subject on one channel."""

    __slots__ = ("count", "jitter", "jitter_words", "loss")

    def __init__(self, draws: Draws, name: str, jitter: Sequence[int]) -> None:
        self.count = 0  # messages that had no frame's number
        self.jitter = draws.factors(jitter, "link-jitter", name) if jitter else None
        self.jitter_words = draws.of("link-jitter", name)
        self.loss = draws.of("link-loss", name)


class _Lane:
    """A queue with its part of the rate."""

    __slots__ = ("arrived_ns", "busy_until_ns", "name", "share_ppm", "used")

    def __init__(self, name: str, share_ppm: int) -> None:
        self.name, self.share_ppm = name, share_ppm
        self.used, self.busy_until_ns, self.arrived_ns = False, 0, 0


def units_at_share(payload_bytes: int, share_ppm: int) -> int:
    """What a whole bottleneck can send while a share of it sends a message, in its units."""
    units = (payload_bytes + OVERHEAD_BYTES) * _UNITS_PER_BYTE
    return units if share_ppm == PPM else -(-units * PPM // share_ppm)


def lead_ns(config: LinkConfig, direction: Direction, at_ns: int) -> int:
    """How long before a time an empty message is handed over to be there by then in any case.

    Args:
        config: The link.
        direction: Which way; the lane is that of messages that belong to no task.
        at_ns: When it has to be there.
    """
    rounds = MOST_ROUNDS if any(config.losses().values) else 0
    extra_ns = max((fault.extra_rtt_ns for fault in config.faults), default=0)
    rtt_ns = max(config.round_trips().values) + extra_ns
    slowest = max(config.jitter_ppm, default=PPM)
    latest_ns = at_ns - (rtt_ns // 2 * slowest // PPM + rounds * rtt_ns)
    capacity = Capacity(config.rates(direction), _factors(config.faults))
    units = units_at_share(0, config.share_ppm(""))
    begin_ns = capacity.reached_ns(capacity.sent_by(latest_ns) - units + 1) - 1
    return at_ns - begin_ns


def _factors(faults: Sequence[LinkFault]) -> list[tuple[int, int]]:
    """Factor on the rate from each time on at which it changes; of several, the smallest holds."""
    times = sorted({at_ns for fault in faults for at_ns in (fault.at_ns, fault.until_ns)})
    return [
        (
            at_ns,
            min((f.rate_ppm for f in faults if f.at_ns <= at_ns < f.until_ns), default=PPM),
        )
        for at_ns in times
    ]
