"""What a machine asks its driver to do: the closed list of commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.events import Job
    from pipeline.runtime.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Run jobs together on a device.

    Attributes:
        jobs: Which; all of one step.
        device: Device that has a free slot for them.
        inputs: Refs of what each job reads, per job.
    """

    jobs: tuple[Job, ...]
    device: str
    inputs: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Stop a job that was started; its end is no longer waited for."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send a message.

    Attributes:
        message: What it says.
        channel: Over which channel.
        refs: Refs of its payload.
        bytes: Payload bytes.
    """

    message: Message
    channel: str
    refs: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Load a segment on a device; `Prepared` answers."""

    segment: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Unload a segment."""

    segment: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Fire `TimerFired` at a run time; setting a timer again moves it."""

    timer: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTimer:
    """Forget a timer."""

    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """A result reaches the application at the consumer.

    Attributes:
        path: Path it is for.
        frame: Frame number.
        ref: Where the driver keeps the result.
        at_ns: Run time at which it was decoded.
    """

    path: str
    frame: int
    ref: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """A path's frame has its fate; the row is what the ledger will hold of it."""

    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Allow a peer so many more messages."""

    peer: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """A kept value is needed no more.

    Attributes:
        refs: Refs in the driver's own store.
    """

    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something worth writing down; a driver counts it and does nothing."""

    reason: str
    detail: str = ""


Command = (
    Start
    | Cancel
    | Send
    | Prepare
    | Release
    | SetTimer
    | CancelTimer
    | Deliver
    | Settle
    | Grant
    | Forget
    | Note
)
