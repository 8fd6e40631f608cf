"""A link with a constant rate each way, a constant round trip, and a queue at its bottleneck."""

from __future__ import annotations

from typing import Literal

from pipeline.values import Value

Direction = Literal["up", "down"]

# Bytes of a message beside its payload: the MessagePack header with its stamps (270 to 420 bytes
# in a live run) and the framing of TCP/IP and ZeroMQ. One figure for both drivers keeps them equal.
OVERHEAD_BYTES = 500
_NS_PER_S = 1_000_000_000


def message_bytes(payload_bytes: int) -> int:
    """Bytes that a message takes on the link."""
    return payload_bytes + OVERHEAD_BYTES


class LinkConfig(Value, frozen=True, kw_only=True):
    """A link's parameters.

    Attributes:
        name: Name in the scenario; its channels are `NAME.up` and `NAME.down`.
        up_bits_per_s: Rate from the vehicle to the cloud.
        down_bits_per_s: Rate back.
        rtt_ns: Round trip of an empty message; half of it lies on each way.
    """

    name: str
    up_bits_per_s: int
    down_bits_per_s: int
    rtt_ns: int

    def rate(self, direction: Direction) -> int:
        """Rate of one direction in bits per second."""
        return self.up_bits_per_s if direction == "up" else self.down_bits_per_s

    def transfer_ns(self, payload_bytes: int, direction: Direction) -> int:
        """Time from the first bit sent to the last bit received on an idle link, in ns."""
        return self.serial_ns(payload_bytes, direction) + self.rtt_ns // 2

    def serial_ns(self, payload_bytes: int, direction: Direction) -> int:
        """Time that a message occupies the bottleneck, rounded up, in ns."""
        bits = 8 * message_bytes(payload_bytes)
        return -(-bits * _NS_PER_S // self.rate(direction))


class Passage(Value, frozen=True, kw_only=True):
    """How a message passes a channel.

    Attributes:
        began_ns: When the bottleneck began to send it; before that it waited behind others.
        arrives_ns: When its last bit arrives.
    """

    began_ns: int
    arrives_ns: int


class LinkChannel:
    """One direction of a link: first in, first out; owns no clock."""

    def __init__(self, config: LinkConfig, direction: Direction) -> None:
        self._config = config
        self._direction: Direction = direction
        self._busy_until_ns: int | None = None

    def cross(self, payload_bytes: int, sent_ns: int) -> Passage:
        """Pass a message of so many payload bytes that is handed over now.

        Args:
            payload_bytes: Payload; the overhead is added.
            sent_ns: Time of handing over, not before that of the message before it.
        """
        busy_ns = self._busy_until_ns
        began_ns = sent_ns if busy_ns is None or busy_ns < sent_ns else busy_ns
        sent_out_ns = began_ns + self._config.serial_ns(payload_bytes, self._direction)
        self._busy_until_ns = sent_out_ns
        return Passage(began_ns=began_ns, arrives_ns=sent_out_ns + self._config.rtt_ns // 2)
