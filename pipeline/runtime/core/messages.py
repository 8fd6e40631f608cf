"""What nodes say to each other, as the machines see it: no bytes, no sockets."""

from __future__ import annotations

from typing import Literal

from pipeline.values import Value

MessageKind = Literal["work", "answer", "refusal", "result"]


class Message(Value, frozen=True, kw_only=False):
    """A message between two machines.

    Python makes a call with more than fifteen named arguments five times as slow, so those who
    make many messages give what every message has by place.

    Attributes:
        kind: `work` goes from the vehicle to a cloud, `answer` and `refusal` come back, `result`
            goes from the vehicle to the consumer.
        epoch: The sender's registration; an answer carries the epoch of the work it answers.
        nonce: Number of the request, unique in the vehicle's epoch; an answer repeats it.
        task: Name of the task.
        stream: Name of the stream.
        frame: Frame number; negative for a warm-up frame.
        content: Index of the frame in the recording.
        route: Id of the route (the cut id on the wire).
        model: Hash of the model's file.
        step: Step at which the receiver goes on.
        scheduled_ns: Run time at which the frame was due.
        deadline_at_ns: Run time by which the consumer must have the result, the earliest of its
            paths.
        expires_at_ns: The last of them; afterwards the result is of no use.
        warmup: Whether the frame only warms the way and settles in no row.
        paths: Paths that the result is for.
        reason: Why it was refused.
        stamps: Span boundaries passed at the sender since it got the frame.
        modelled_ns: Modelled time the sender adds to the frame's account.
        overrun: Whether the sender had to compute what should have been ready.
        improves: Whether the result is a better one of a frame that was answered already.
    """

    kind: MessageKind
    epoch: int
    nonce: int
    task: str
    stream: str
    frame: int
    content: int
    route: str
    model: str
    step: int
    scheduled_ns: int
    deadline_at_ns: int
    expires_at_ns: int = 0
    warmup: bool = False
    paths: tuple[str, ...] = ()
    reason: str = ""
    stamps: tuple[tuple[str, int], ...] = ()
    modelled_ns: int = 0
    overrun: bool = False
    improves: bool = False

    def answered(
        self, *, step: int, stamps: tuple[tuple[str, int], ...], modelled_ns: int, overrun: bool
    ) -> Message:
        """The answer to this work; written out, as `replace` takes several times as long."""
        return Message(
            "answer",
            self.epoch,
            self.nonce,
            self.task,
            self.stream,
            self.frame,
            self.content,
            self.route,
            self.model,
            step,
            self.scheduled_ns,
            self.deadline_at_ns,
            self.expires_at_ns,
            self.warmup,
            stamps=stamps,
            modelled_ns=modelled_ns,
            overrun=overrun,
        )


class Crossing(Value, frozen=True, kw_only=True):
    """How a message crossed its channel, as the channel stamped it.

    Attributes:
        began_ns: Run time at which the channel began to send it: its wait ended.
        arrived_ns: Run time at which the receiver had it.
        modelled_ns: Part of the crossing that was modelled: queue, bytes over rate, propagation.
    """

    began_ns: int
    arrived_ns: int
    modelled_ns: int = 0
