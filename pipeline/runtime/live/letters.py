"""Between what machines say and what crosses the wire: messages to headers, values to payloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import numpy as np

from pipeline.codecs.packing import PackedTensor
from pipeline.codecs.protocol import Encoded
from pipeline.errors import InputError, WireError
from pipeline.runtime.core.messages import Crossing, Message
from pipeline.runtime.samples import Picture, Sweep, sample_of
from pipeline.runtime.stages import Packed
from pipeline.transport.header import Header
from pipeline.transport.wire import Payload, encode, encode_fields
from pipeline.values import to_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.runtime.stages import Value
    from pipeline.transport.header import Kind
    from pipeline.transport.wire import Received

_MODELLED, _OVERRUN, _IMPROVES = "modelled_ns", "overrun", "improves"
_PICTURE, _SWEEP, _JSON = "picture", "sweep", "json"


def letter(
    message: Message, value: Value | None, *, run: str, sender: str, sent_ns: int
) -> list[bytes | memoryview]:
    """A machine's message with its payload, as parts for a channel."""
    fields: dict[str, object] = {
        "kind": message.kind,
        "run": run,
        "sender": sender,
        "epoch": message.epoch,
        "nonce": message.nonce,
        "stream": message.stream,
        "task": message.task,
        "frame": message.frame,
        "content": message.content,
        "scheduled_ns": message.scheduled_ns,
        "deadline_at_ns": message.deadline_at_ns,
        "expires_at_ns": message.expires_at_ns,
        "sent_ns": sent_ns,
        "step": message.step,
    }
    fields |= dict(cut=message.route, model=message.model, warmup=message.warmup)  # noqa: C408
    if message.reason:
        fields["reason"] = message.reason[:200]
    if message.stamps:
        fields["stamps"] = message.stamps
    if message.modelled_ns or message.overrun or message.improves:
        fields["figures"] = (
            (_MODELLED, message.modelled_ns),
            (_OVERRUN, int(message.overrun)),
            (_IMPROVES, int(message.improves)),
        )
    if message.paths:
        fields["paths"] = message.paths
    return encode_fields(fields, payloads_of(value))


def message_of(header: Header) -> Message:
    """The machine's message that a header carries.

    Raises:
        WireError: The header is of a kind that is for no machine.
    """
    kind = _message_kind(header)
    figures = dict(header.figures)
    return Message(
        kind=kind,
        epoch=header.epoch,
        nonce=header.nonce,
        task=header.task or "",
        stream=header.stream or "",
        frame=header.frame,
        content=header.content,
        route=header.cut,
        model=header.model,
        step=header.step,
        scheduled_ns=header.scheduled_ns,
        deadline_at_ns=header.deadline_at_ns,
        expires_at_ns=header.expires_at_ns,
        warmup=header.warmup,
        paths=header.paths,
        reason=header.reason,
        stamps=header.stamps,
        modelled_ns=figures.get(_MODELLED, 0),
        overrun=bool(figures.get(_OVERRUN, 0)),
        improves=bool(figures.get(_IMPROVES, 0)),
    )


def _message_kind(header: Header) -> Literal["work", "answer", "refusal", "result"]:
    match header.kind:
        case "work" | "answer" | "refusal" | "result":
            return header.kind
        case _:
            raise WireError("header-field", f"kind {header.kind} is for no machine")


def crossing_of(received: Received, arrived_ns: int) -> Crossing:
    """How a message crossed, by the relay's stamp; a plain hop where no relay stamped it."""
    link = received.link
    if link is None:
        return Crossing(began_ns=received.header.sent_ns, arrived_ns=arrived_ns)
    return Crossing(
        began_ns=link.began_ns + link.queued_ns,
        arrived_ns=arrived_ns,
        modelled_ns=link.modelled_ns,
    )


def payloads_of(value: Value | None) -> list[Payload]:
    """What crosses of a value: packed tensors, a picture, or the points of a sweep."""
    match value:
        case None:
            return []
        case Packed(parts=parts):
            return [
                Payload(
                    name=part.name,
                    codec=part.encoded.codec,
                    dtype=part.encoded.dtype,
                    shape=part.encoded.shape,
                    buffers=part.encoded.buffers,
                )
                for part in parts
            ]
        case Picture(pixels=pixels):
            return [_sample(_PICTURE, pixels)]
        case Sweep(points=points):
            return [_sample(_SWEEP, points)]
        case _:
            raise WireError("parts", f"a {type(value).__name__} does not cross")


def _sample(name: str, data: NDArray[np.generic[object]]) -> Payload:
    return Payload(name=name, codec=name, dtype=data.dtype.name, shape=data.shape, buffers=(data,))


def value_of(received: Received) -> Value:
    """The value that a message carries.

    Raises:
        WireError: A picture or a sweep is not one.
    """
    if received.header.kind == "frame":
        (payload,) = received.payloads or (None,)
        if payload is None or len(received.payloads) != 1 or len(payload.buffers) != 1:
            raise WireError("parts", "a frame carries one picture or sweep")
        try:
            return sample_of(payload.buffers[0].reshape(payload.shape))
        except (InputError, ValueError) as err:
            raise WireError("parts", str(err)) from err
    return Packed(
        parts=tuple(
            PackedTensor(
                name=payload.name,
                encoded=Encoded(
                    codec=payload.codec,
                    shape=payload.shape,
                    dtype=payload.dtype,
                    buffers=payload.buffers,
                ),
            )
            for payload in received.payloads
        )
    )


def report(kind: Kind, what: object, *, run: str, sender: str) -> list[bytes | memoryview]:
    """A report to the supervisor: one of our values, as JSON beside the header."""
    text = np.frombuffer(to_json(what), np.uint8)
    payload = Payload(name=_JSON, codec=_JSON, dtype="uint8", shape=text.shape, buffers=(text,))
    return encode(Header(kind=kind, run=run, sender=sender), [payload])


def reported(received: Received) -> object:
    """The plain data of a report.

    Raises:
        WireError: It is none.
    """
    try:
        (payload,) = received.payloads
        return json.loads(payload.buffers[0].tobytes())
    except ValueError as err:
        raise WireError("parts", f"a report carries JSON: {err}") from err
