"""What the vehicle and the consumer say of a frame: the rows a ledger is sealed from."""

from __future__ import annotations

from msgspec import field

from pipeline.ledger.fates import Fate
from pipeline.values import Value


class Offer(Value, frozen=True, kw_only=True):
    """A frame was offered to a path.

    Attributes:
        path: Name of the path.
        frame: Frame number in the run, from 0.
        content: Index of the frame in the recording.
        scheduled_ns: Run time at which it was due, the start of every latency.
        deadline_at_ns: Run time by which the consumer must have the result.
        lost: Who lost it before it reached the vehicle, such as `sensor`; empty where nobody did.
    """

    path: str
    frame: int
    content: int
    scheduled_ns: int
    deadline_at_ns: int
    lost: str = ""


class Row(Value, frozen=True, kw_only=False):
    """One offered frame of one path, settled.

    Python makes a call with more than fifteen named arguments five times as slow, so those who
    make many rows give the first ten by place.

    Attributes:
        path: Name of the path.
        frame: Frame number in the run.
        content: Index of the frame in the recording.
        scheduled_ns: Run time at which it was due.
        deadline_at_ns: Run time by which the consumer must have the result.
        fate: What became of it.
        cause: Reason in a word or two; empty where the fate says it all.
        route_planned: Id of the route the plan chose.
        route_delivered: Id of the route whose answer was delivered; empty without an answer.
        variant: Model variant that answered.
        stamps: End of every span it passed, and `admitted`; run time in ns.
        modelled_ns: Part of the time that was modelled: holds and the shaped link.
        bytes_up: Payload bytes that crossed upward.
        bytes_down: Payload bytes that came back.
        overrun: Whether something that should have been computed ahead ran during the frame.
        route_improved: Id of the route whose better answer followed the first; empty without one.
        partial: Whether the path delivered with a partner missing.
    """

    path: str
    frame: int
    content: int
    scheduled_ns: int
    deadline_at_ns: int
    fate: Fate
    cause: str = ""
    route_planned: str = ""
    route_delivered: str = ""
    variant: str = ""
    stamps: dict[str, int] = field(default_factory=dict)
    modelled_ns: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    overrun: bool = False
    route_improved: str = ""
    partial: bool = False


class Delivery(Value, frozen=True, kw_only=True):
    """The consumer has decoded a path's result.

    Attributes:
        path: Name of the path.
        frame: Frame number in the run.
        delivered_ns: End of `deliver`, run time in ns.
    """

    path: str
    frame: int
    delivered_ns: int
