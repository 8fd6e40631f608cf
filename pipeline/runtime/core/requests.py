"""The vehicle's requests and results as messages, and which answer belongs to which request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.runtime.core.commands import Send
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.core.messages import Message, MessageKind

if TYPE_CHECKING:
    from pipeline.runtime.core.frames import Attempt, Frame


def message_for(
    epoch: int, frame: Frame, attempt: Attempt, kind: MessageKind, step: int
) -> Message:
    """What the vehicle says of a frame: work for a cloud, or a result for the consumer."""
    offer, route = frame.offer, attempt.chart.route
    result = kind == "result"
    return Message(
        kind,
        epoch,
        attempt.nonce,
        frame.key[0],
        offer.stream,
        offer.frame,
        offer.content,
        route.id,
        route.model,
        step,
        offer.scheduled_ns,
        frame.deadline_at_ns,
        frame.expires_at_ns,
        offer.warmup,
        tuple([opened.path.name for opened in frame.paths]) if result else (),
        improves=result and attempt is not frame.answer,
    )


class Requests:
    """The vehicle's requests that a cloud has not answered, by their number."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._nonce = 0
        self._open: dict[int, tuple[Frame, Attempt]] = {}

    def ask(self, frame: Frame, attempt: Attempt, step: int, at_ns: int) -> Send:
        """What asks a cloud to go on with a frame behind a move over the link."""
        self._nonce = nonce = self._nonce + 1
        attempt.nonce, attempt.sent_ns = nonce, at_ns
        self._open[nonce] = (frame, attempt)
        chart = attempt.chart
        after = chart.steps[step].after
        sent_bytes = frame.bytes_after(after)
        attempt.bytes_up += sent_bytes
        return Send(
            message=message_for(self._epoch, frame, attempt, "work", step),
            channel=chart.channels[step],
            refs=frame.refs_after(after),
            bytes=sent_bytes,
        )

    def deliver(self, frame: Frame, attempt: Attempt) -> Send:
        """What brings an attempt's result to the consumer."""
        last = attempt.chart.last
        after = attempt.chart.steps[last].after
        return Send(
            message=message_for(self._epoch, frame, attempt, "result", last),
            channel=CONSUMER,
            refs=frame.refs_after(after),
            bytes=frame.bytes_after(after),
        )

    def asked(self, message: Message) -> tuple[Frame, Attempt] | None:
        """The frame and attempt of a request, as long as it is open."""
        return self._open.get(message.nonce)

    def answered(self, message: Message) -> tuple[Frame, Attempt] | None:
        """Those that a message answers; None where it belongs to no open request."""
        found = self._open.get(message.nonce)
        if found is None or not is_answer(self._epoch, message, *found):
            return None
        return found

    def close(self, frame: Frame) -> None:
        """A frame is over: nothing is waited for any more."""
        if frame.first is not None and frame.first.nonce:
            self._open.pop(frame.first.nonce, None)
        if frame.second is not None and frame.second.nonce:
            self._open.pop(frame.second.nonce, None)


def is_answer(epoch: int, message: Message, frame: Frame, attempt: Attempt) -> bool:
    """Whether a message is the one that an open request still waits for."""
    route = attempt.chart.route
    return (
        message.epoch == epoch
        and message.task == frame.task.config.name
        and message.frame == frame.offer.frame
        and message.route == route.id
        and message.model == route.model
        and not attempt.seen_cloud
        and not attempt.dead
        and (
            message.kind == "refusal"
            or (message.kind == "answer" and message.step in attempt.chart.entries)
        )
    )
