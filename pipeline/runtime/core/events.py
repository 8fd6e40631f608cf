"""What can happen to a machine: the closed list of events."""

from __future__ import annotations

from msgspec import field

from pipeline.runtime.core.messages import Crossing, Message
from pipeline.values import Key, Value


class Job(Key, frozen=True, array_like=True):
    """A step of a frame's route; paths that need the same one share it.

    Attributes:
        frame: Frame number, negative for warm-up.
        task: Name of the task.
        step: Index of the step in the task's route.
    """

    frame: int
    task: str
    step: int


class Output(Value, frozen=True, kw_only=True):
    """Where a driver keeps what a job made.

    Attributes:
        ref: Name of the kept value, in the driver's own store.
        bytes: Its payload bytes once it is ready to cross; 0 for what stays.
    """

    ref: str
    bytes: int = 0


class FrameOffered(Value, frozen=True, kw_only=True):
    """A frame reached the vehicle.

    Attributes:
        stream: Name of its stream.
        frame: Frame number; negative for warm-up.
        content: Index in the recording.
        scheduled_ns: Run time at which it was due.
        ref: Where the driver keeps the picture.
        bytes: Size of the picture.
        warmup: Whether it settles in no row.
        stamp_ns: When it was taken, as recorded, on the drive's axis.
        speed_mm_s: The vehicle's speed at that frame.
    """

    stream: str
    frame: int
    content: int
    scheduled_ns: int
    ref: str
    bytes: int
    warmup: bool = False
    stamp_ns: int = 0
    speed_mm_s: int = 0


class JobDone(Value, frozen=True, kw_only=True):
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


class JobFailed(Value, frozen=True, kw_only=True):
    """Jobs that ran together failed."""

    jobs: tuple[Job, ...]
    device: str
    reason: str


class MessageArrived(Value, frozen=True, kw_only=True):
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


class SendRefused(Value, frozen=True, kw_only=True):
    """A channel would not take a message."""

    message: Message
    reason: str


class CreditGranted(Value, frozen=True, kw_only=True):
    """A receiver allows so many more messages."""

    peer: str
    amount: int


class TimerFired(Value, frozen=True, kw_only=True):
    """A timer that the machine had set ran out."""

    timer: str


class HeartbeatHeard(Value, frozen=True, kw_only=True):
    """A peer is alive."""

    peer: str
    epoch: int


class PeerGone(Value, frozen=True, kw_only=True):
    """A peer is known to be dead."""

    peer: str


class Prepared(Value, frozen=True, kw_only=True):
    """A segment is loaded and may be started."""

    segment: str
    device: str


class FaultMarked(Value, frozen=True, kw_only=True):
    """A fault was injected; for the log only, no machine acts on it."""

    what: str


class StreamEnded(Value, frozen=True, kw_only=True):
    """A stream has offered its last frame."""

    stream: str


class StopAsked(Value, frozen=True, kw_only=True):
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
