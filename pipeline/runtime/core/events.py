"""What can happen to a machine: the closed list of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pipeline.runtime.core.messages import Crossing, Message


class Job(NamedTuple):
    """A step of a frame's route; paths that need the same one share it.

    Attributes:
        frame: Frame number, negative for warm-up.
        task: Name of the task.
        step: Index of the step in the task's route.
    """

    frame: int
    task: str
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where a driver keeps what a job made.

    Attributes:
        ref: Name of the kept value, in the driver's own store.
        bytes: Its payload bytes once it is ready to cross; 0 for what stays.
    """

    ref: str
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOffered:
    """A frame reached the vehicle.

    Attributes:
        stream: Name of its stream.
        frame: Frame number; negative for warm-up.
        content: Index in the recording.
        scheduled_ns: Run time at which it was due.
        ref: Where the driver keeps the picture.
        bytes: Size of the picture.
        warmup: Whether it settles in no row.
    """

    stream: str
    frame: int
    content: int
    scheduled_ns: int
    ref: str
    bytes: int
    warmup: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDone:
    """Jobs that ran together are over.

    Attributes:
        jobs: Which.
        device: Device that ran them.
        began_ns: Run time at which the device began.
        ended_ns: Run time at which it ended.
        outputs: One output per job.
        modelled_ns: How much of the time was modelled.
        overrun: Whether something meant to be ready had to be computed meanwhile.
    """

    jobs: tuple[Job, ...]
    device: str
    began_ns: int
    ended_ns: int
    outputs: tuple[Output, ...]
    modelled_ns: int = 0
    overrun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed:
    """Jobs that ran together failed."""

    jobs: tuple[Job, ...]
    device: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArrived:
    """A message came in and was accepted by the wire's checks.

    Attributes:
        message: What it says.
        ref: Where the driver keeps its payload.
        bytes: Payload bytes.
        sent_ns: Run time at which the sender sent it.
        crossing: How it crossed.
    """

    message: Message
    ref: str
    bytes: int
    sent_ns: int
    crossing: Crossing


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefused:
    """A channel would not take a message."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGranted:
    """A receiver allows so many more messages."""

    peer: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerFired:
    """A timer that the machine had set ran out."""

    timer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatHeard:
    """A peer is alive."""

    peer: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerGone:
    """A peer is known to be dead."""

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A segment is loaded and may be started."""

    segment: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultMarked:
    """A fault was injected; for the log only, no machine acts on it."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded:
    """A stream has offered its last frame."""

    stream: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """The run is to end now; frames still open are interrupted."""

    reason: str = field(default="stopped")


Event = (
    FrameOffered
    | JobDone
    | JobFailed
    | MessageArrived
    | SendRefused
    | CreditGranted
    | TimerFired
    | HeartbeatHeard
    | PeerGone
    | Prepared
    | FaultMarked
    | StreamEnded
    | StopAsked
)
