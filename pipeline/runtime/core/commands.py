"""What a machine asks its driver to do: the closed list of commands."""

from __future__ import annotations

from pipeline.ledger.rows import Row
from pipeline.runtime.core.events import Job
from pipeline.runtime.core.messages import Message
from pipeline.values import Value


class Start(Value, frozen=True, kw_only=True):
    """Run jobs together on a device.

    Attributes:
        jobs: Which; all of one step.
        device: Device that has a free slot for them.
        inputs: Refs of what each job reads, per job.
    """

    jobs: tuple[Job, ...]
    device: str
    inputs: tuple[tuple[str, ...], ...]


class Cancel(Value, frozen=True, kw_only=True):
    """Stop a job that was started; its end is no longer waited for."""

    job: Job


class Send(Value, frozen=True, kw_only=True):
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


class Prepare(Value, frozen=True, kw_only=True):
    """Load a segment on a device; `Prepared` answers."""

    segment: str
    device: str


class Release(Value, frozen=True, kw_only=True):
    """Unload a segment."""

    segment: str
    device: str


class SetTimer(Value, frozen=True, kw_only=True):
    """Fire `TimerFired` at a run time; setting a timer again moves it."""

    timer: str
    at_ns: int


class CancelTimer(Value, frozen=True, kw_only=True):
    """Forget a timer."""

    timer: str


class Deliver(Value, frozen=True, kw_only=True):
    """A result reaches the application at the consumer.

    Attributes:
        path: Path it is for.
        frame: Frame number.
        ref: Where the driver keeps the result.
        at_ns: Run time at which it was decoded.
        improves: Whether the application has an answer for that frame already.
    """

    path: str
    frame: int
    ref: str
    at_ns: int
    improves: bool = False


class Settle(Value, frozen=True, kw_only=True):
    """A path's frame has its fate; the row is what the ledger will hold of it."""

    row: Row


class Grant(Value, frozen=True, kw_only=True):
    """Allow a peer so many more messages."""

    peer: str
    amount: int


class Forget(Value, frozen=True, kw_only=True):
    """A kept value is needed no more.

    Attributes:
        refs: Refs in the driver's own store.
    """

    refs: tuple[str, ...]


class Note(Value, frozen=True, kw_only=True):
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
