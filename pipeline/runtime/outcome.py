"""What a driver hands over when a run is over: the raw material of the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.ledger.columns import CompactDeliveries, CompactRows
from pipeline.ledger.rows import Offer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pipeline.ledger.rows import Delivery, Row
    from pipeline.ledger.sealing import Closing
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import PathConfig
    from pipeline.runtime.core.events import Event
    from replay.schedule import ScheduledFrame


class EventSink(Protocol):
    """Writes down what a core saw and what it answered."""

    def __call__(
        self, node: str, at_ns: int, event: Event | None, commands: Sequence[Command]
    ) -> None:
        """One event, or the start of the core (None), with the commands that came of it."""


class RowStore(Protocol):
    """Rows in the order in which they came; a list is one."""

    def append(self, row: Row, /) -> None:
        """Keep a row."""

    def __iter__(self) -> Iterator[Row]: ...


class DeliveryStore(Protocol):
    """Deliveries in the order in which they came; a list is one."""

    def append(self, delivery: Delivery, /) -> None:
        """Keep a delivery."""

    def __iter__(self) -> Iterator[Delivery]: ...

    def __len__(self) -> int: ...


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What happened in a run.

    Attributes:
        rows: What the vehicle settled.
        deliveries: What the consumer decoded.
        played: Frames that the player sent, or passed over as lost, per stream, warm-up left out.
        sent_ns: When the player sent each frame, by stream and number, where that is when it was
            due: at full speed. None otherwise.
        closing: What becomes of frames that nobody settled.
        partial: Whether the run was ended before its time.
        notes: How often each note was made.
        lags_ns: How late the player sent each frame; empty in virtual time.
        hold_late_ns: How late emulated devices let go, the warm-up left out; empty in virtual time.
        tracing_ns: What the nodes spent on their event logs; 0 in virtual time.
        failure: Why the run ended early through no wish of the user; None otherwise.
        peaks: Largest resident memory of each process in bytes; empty in virtual time.
    """

    rows: RowStore = field(default_factory=CompactRows)
    deliveries: DeliveryStore = field(default_factory=CompactDeliveries)
    played: dict[str, int] = field(default_factory=dict)
    sent_ns: dict[str, dict[int, int]] | None = None
    closing: Closing
    partial: bool = False
    notes: Counter[str] = field(default_factory=Counter)
    lags_ns: list[int] = field(default_factory=list)
    hold_late_ns: list[int] = field(default_factory=list)
    tracing_ns: int = 0
    failure: str | None = None
    peaks: dict[str, int] = field(default_factory=dict)


def fault_mark(frame: ScheduledFrame) -> str:
    """What the vehicle's log says of a frame that a sensor fault has touched."""
    return f"{frame.stream}/{frame.number} {frame.fault}"


def offers(
    schedule: Iterable[ScheduledFrame],
    paths: Sequence[PathConfig],
    played: dict[str, int] | None = None,
    sent_ns: Mapping[str, Mapping[int, int]] | None = None,
) -> Iterator[Offer]:
    """Every frame that a path was offered, in the schedule's order.

    A frame that its sensor lost is offered too: it was due, and nothing came. The second of a
    duplicate is not.

    Args:
        schedule: All frames of the run; warm-up frames are passed over.
        paths: The paths.
        played: How many frames of each stream were sent; None for all.
        sent_ns: When frames were due in place of the schedule, by stream and number.
    """
    for frame in schedule:
        if frame.repeat:
            continue
        scheduled_ns = frame.scheduled_ns
        if sent_ns is not None:
            scheduled_ns = sent_ns.get(frame.stream, {}).get(frame.number, scheduled_ns)
        if frame.warmup or (played is not None and frame.number >= played.get(frame.stream, 0)):
            continue
        for path in paths:
            if path.stream == frame.stream and path.selects(frame.number):
                yield Offer(
                    path=path.name,
                    frame=frame.number,
                    content=frame.content,
                    scheduled_ns=scheduled_ns,
                    deadline_at_ns=path.deadline_at_ns(scheduled_ns, frame.speed_mm_s),
                    lost="sensor" if frame.lost else "",
                )
