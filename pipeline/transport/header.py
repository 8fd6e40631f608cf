"""The wire header: what every message says about itself, with a limit on every field."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

WIRE_VERSION: Literal[1] = 1
"""Version of the protocol; it is written into every header and no other is taken."""

Kind = Literal[
    "frame",
    "work",
    "answer",
    "refusal",
    "result",
    "credit",
    "heartbeat",
    "hello",
    "ready",
    "start",
    "stop",
    "settle",
    "delivered",
    "ended",
    "note",
]
Dtype = Literal[
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
]
"""numpy names of what may cross; always little-endian."""

MOST_PARTS = 64
MOST_BUFFERS = 8
MOST_AXES = 8
MOST_PAIRS = 40

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Check = Annotated[int, Meta(ge=0)]  # MessagePack ends at 2**64 - 1
_Length = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Word = Annotated[str, Meta(max_length=32)]
_Name = Annotated[str, Meta(max_length=64)]
_TensorName = Annotated[str, Meta(max_length=200)]
_Shape = Annotated[tuple[_Length, ...], Meta(max_length=MOST_AXES)]
_Pairs = Annotated[tuple[tuple[_Name, _Int64], ...], Meta(max_length=MOST_PAIRS)]


class Checked(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is checked field by field when it comes in; types are strict, lengths are bounded."""


class BufferInfo(Checked, frozen=True, kw_only=True):
    """One raw buffer that follows the header.

    Attributes:
        dtype: numpy name of the values, little-endian.
        shape: Lengths of the axes, in C order.
        bytes: Length of the buffer.
        check: xxh3-64 of the buffer, seed 0.
    """

    dtype: Dtype
    shape: _Shape
    bytes: _Length
    check: _Check


class Part(Checked, frozen=True, kw_only=True):
    """One tensor or picture, as the buffers that its codec made of it.

    Attributes:
        name: Name of the tensor in the graph.
        codec: Codec as a plan names it, such as `int8` or `jpeg:80`.
        dtype: numpy name of the dtype that decoding gives back.
        shape: Shape that decoding gives back.
        buffers: The buffers, in the order in which they follow the header.
    """

    name: _TensorName
    codec: _Name
    dtype: Dtype
    shape: _Shape
    buffers: Annotated[tuple[BufferInfo, ...], Meta(max_length=MOST_BUFFERS)]


class Header(Checked, frozen=True, kw_only=True):
    """What a message says about itself; a field at its default does not cross.

    Attributes:
        kind: What the message is.
        version: Version of the protocol; always crosses.
        run: Id of the run; whatever belongs to another is thrown away.
        sender: Name of the node that sent it.
        epoch: How often the sender has started, so that a restarted node is known as one.
        nonce: Number of the request that this belongs to.
        stream: Name of the stream, where there is one.
        task: Name of the task, where there is one.
        frame: Number of the frame in its stream; below 0 for warm-up.
        content: Number of the recorded frame whose picture it carries, which repeats in a loop.
        scheduled_ns: The frame's place on its stream's grid, on the run's clock.
        stamp_ns: When the frame was taken, as recorded; the drive's axis, same zero.
        speed_mm_s: Speed of the vehicle at the frame, in mm/s.
        deadline_at_ns: When the answer has to be delivered, same clock, by its earliest path.
        expires_at_ns: The same of its last path; afterwards the answer is of no use.
        sent_ns: When the message was handed to the socket, same clock.
        step: Number of the step in the route.
        cut: Id of the cut that the tensors belong to.
        model: Hash of the model.
        warmup: Whether the frame comes before the run's start.
        reason: Why, for people: of a refusal, a note, an end.
        amount: How many, such as credits.
        stamps: Names of span boundaries, with when they were passed, in ns on the run's clock.
        figures: Names of further whole numbers.
        paths: Names of the paths that the message belongs to.
        parts: What follows; `encode` fills it in.
    """

    kind: Kind
    version: Literal[1] = WIRE_VERSION
    run: _Word = ""
    sender: _Word = ""
    epoch: _Count = 0
    nonce: _Count = 0
    stream: _Name | None = None
    task: _Name | None = None
    frame: _Int64 = 0
    content: _Int64 = 0
    scheduled_ns: _Int64 = 0
    stamp_ns: _Int64 = 0
    speed_mm_s: _Count = 0
    deadline_at_ns: _Int64 = 0
    expires_at_ns: _Int64 = 0
    sent_ns: _Int64 = 0
    step: Annotated[int, Meta(ge=0, le=10_000)] = 0
    cut: _Name = ""
    model: _Name = ""
    warmup: bool = False
    reason: Annotated[str, Meta(max_length=200)] = ""
    amount: _Int64 = 0
    stamps: _Pairs = ()
    figures: _Pairs = ()
    paths: Annotated[tuple[_Name, ...], Meta(max_length=MOST_PAIRS)] = ()
    parts: Annotated[tuple[Part, ...], Meta(max_length=MOST_PARTS)] = ()


class LinkStamp(Checked, frozen=True, kw_only=True):
    """What the link's relay appends to a message that it held: a last part of its own.

    Attributes:
        began_ns: When the relay received the message, on the run's clock.
        released_ns: When the relay let it go, same clock.
        modelled_ns: How long the modelled link took in all.
        queued_ns: How much of that the message stood behind others.
    """

    began_ns: _Int64
    released_ns: _Int64
    modelled_ns: _Count
    queued_ns: _Count
