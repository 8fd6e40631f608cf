"""The parameters of a link between two sites, and what crossing it means."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from pipeline.link.steps import PPM, Steps
from pipeline.link.trace import Trace
from pipeline.values import Value

Direction = Literal["up", "down"]
FaultKind = Literal["blackout", "handover", "slow"]

# Bytes of a message beside its payload: the MessagePack header with its stamps (270 to 420 bytes
# in a live run) and the framing of TCP/IP and ZeroMQ. One figure for both drivers keeps them equal.
OVERHEAD_BYTES = 500


def message_bytes(payload_bytes: int) -> int:
    """Bytes that a message takes on the link."""
    return payload_bytes + OVERHEAD_BYTES


def kind_subject(kind: str) -> str:
    """What a message that belongs to no task is keyed by; no task is called so."""
    return f"/{kind}"


class LinkFault(Value, frozen=True, kw_only=True):
    """Something that happens to the link once, in both directions.

    Attributes:
        kind: `blackout` and `handover` stop the bottleneck, `slow` slows it down.
        at_ns: Run time at which it begins, not negative.
        until_ns: Run time at which it is over, excluded.
        rate_ppm: Factor on the rate meanwhile, in parts per million; 0 where it stops.
        extra_rtt_ns: Of a handover: what the round trip is longer by from `until_ns` on, until
            another handover sets its own.
    """

    kind: FaultKind
    at_ns: int
    until_ns: int
    rate_ppm: int = 0
    extra_rtt_ns: int = 0


class LinkConfig(Value, frozen=True, kw_only=True):
    """A link's parameters: constants, or a trace in their place.

    Attributes:
        name: Name in the scenario; its channels are `NAME.up` and `NAME.down`.
        up_bits_per_s: Rate from the vehicle to the cloud; unused where there is a trace.
        down_bits_per_s: Rate back, likewise.
        rtt_ns: Round trip of an empty message, half of it on each way; likewise.
        loss_ppm: Share of packets that are lost, in parts per million; likewise.
        trace: The link over time; it begins at t0.
        jitter_ppm: Evenly spaced quantiles of the factor on the time that half a round trip
            takes, in parts per million; empty for none.
        faults: What happens to the link once.
        shares_ppm: Part of both rates that a task has for itself, in parts per million.
        seed: Seed of the draws: the run's.
    """

    name: str
    up_bits_per_s: int = 0
    down_bits_per_s: int = 0
    rtt_ns: int = 0
    loss_ppm: Annotated[int, Meta(ge=0, lt=PPM)] = 0
    trace: Trace | None = None
    jitter_ppm: tuple[int, ...] = ()
    faults: tuple[LinkFault, ...] = ()
    shares_ppm: dict[str, int] = field(default_factory=dict)
    seed: int = 0

    def describe(self) -> str:
        """The link in a few words, such as `40 Mbit/s up`, or where its trace comes from."""
        if self.trace is not None:
            return self.trace.source
        return f"{self.up_bits_per_s / 1e6:g} Mbit/s up"

    def rates(self, direction: Direction) -> Steps:
        """Bits per second of one direction over time, faults left out."""
        if self.trace is not None:
            return self.trace.up if direction == "up" else self.trace.down
        return Steps.constant(self.up_bits_per_s if direction == "up" else self.down_bits_per_s)

    def round_trips(self) -> Steps:
        """Round trip of an empty message over time, in ns, jitter and faults left out."""
        return Steps.constant(self.rtt_ns) if self.trace is None else self.trace.rtt_ns

    def losses(self) -> Steps:
        """Share of packets lost over time, in parts per million."""
        return Steps.constant(self.loss_ppm) if self.trace is None else self.trace.loss_ppm

    def share_ppm(self, task: str) -> int:
        """Part of the rate that a task's messages have: its own, else what the shares leave."""
        return self.shares_ppm.get(task) or PPM - sum(self.shares_ppm.values())


class Passage(Value, frozen=True, kw_only=True):
    """How a message passes a channel.

    Attributes:
        began_ns: When the bottleneck began to send it; before that it waited, behind others or
            for a link that stood still.
        arrives_ns: When its last bit arrives.
        lane: Lane that it took, for order: messages of one lane do not overtake each other. Empty
            but for the messages of a task with a share of its own.
    """

    began_ns: int
    arrives_ns: int
    lane: str = ""
