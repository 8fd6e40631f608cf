"""Messages of the vehicle's requests and results, and which answer belongs to an open one."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
