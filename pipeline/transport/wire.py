"""Messages to bytes and back: a MessagePack header, then raw little-endian buffers.

A message is a list of parts. The first is the header, a MessagePack map of at most 4 KiB with the
fields of `Header`; a field at its default is left out, `version` never is. Then come the buffers
of `Header.parts`, in order, as they lie in memory. A relay may append one more part, a
MessagePack map with the fields of `LinkStamp`. Nothing received is believed before it is checked,
and whatever does not fit is a `WireError`, whose code is one of `CODES`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import msgpack
import msgspec
import numpy as np
import xxhash
import zmq

from pipeline.errors import WireError
from pipeline.transport.header import (
    WIRE_VERSION,
    BufferInfo,
    Checked,
    Header,
    LinkStamp,
    Part,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]
    Piece = zmq.Frame | bytes | memoryview
    _Pair = tuple[str, object]

Code = Literal[
    "empty", "header-size", "header-form", "version", "header-field", "parts", "size", "check",
    "link-stamp",
]  # fmt: skip
"""Why a message was refused, for counting."""

MOST_HEADER_BYTES = 4096
MOST_STAMP_BYTES = 128
MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of all buffers of one message: ten raw 1080p pictures."""

_MOST_REASON = 200
_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One tensor or picture beside its header, as the buffers that its codec made of it.

    Attributes:
        name: Name of the tensor in the graph.
        codec: Codec as a plan names it.
        dtype: numpy name of the dtype that decoding gives back.
        shape: Shape that decoding gives back.
        buffers: Arrays. On sending: C-contiguous, little-endian, left unchanged until sent. As
            received: read-only views of the message's memory, which they keep alive; they may
            begin at any address, so copy before handing one to code that wants alignment.
    """

    name: str
    codec: str
    dtype: str
    shape: tuple[int, ...]
    buffers: tuple[Array, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message that passed every check.

    Attributes:
        header: The header.
        payloads: What followed it, in the order of `header.parts`.
        link: What the link's relay appended; None where none did.
        bytes: Length of header and buffers, without the link stamp.
    """

    header: Header
    payloads: tuple[Payload, ...]
    link: LinkStamp | None
    bytes: int


def encode(header: Header, payloads: Sequence[Payload] = ()) -> list[bytes | memoryview]:
    """Make a message; buffers are not copied.

    Args:
        header: The header, its `parts` empty.
        payloads: What follows it.

    Returns:
        The header's bytes, then one view a buffer.

    Raises:
        WireError: A buffer is of a dtype or layout that does not cross, or a limit is passed.
    """
    if header.parts:
        raise WireError("parts", "parts are filled in from the payloads")
    fields: dict[str, object] = _fields(header)
    views = encode_fields(fields, payloads)
    _validated(Header, fields, "header-field")
    return views


def encode_fields(
    fields: dict[str, object], payloads: Sequence[Payload] = ()
) -> list[bytes | memoryview]:
    """Make a message of a header's fields as they are; for nodes, whose own values are right.

    The receiver validates every field; a sender that did so too would spend a third of a hop on it
    (0.3 ms of 0.7 at 25 messages a second, where caches are cold).

    Args:
        fields: Fields of `Header` by name, those at their default left out; `version` and `parts`
            are filled in.
        payloads: What follows it.

    Raises:
        WireError: A buffer is of a layout that does not cross, or a limit of size is passed.
    """
    views: list[bytes | memoryview] = [b""]
    fields["version"] = WIRE_VERSION
    if payloads:
        parts = []
        for payload in payloads:
            infos = []
            for buffer in payload.buffers:
                view = _view(payload.name, buffer)
                infos.append(
                    {
                        "dtype": buffer.dtype.name,
                        "shape": buffer.shape,
                        "bytes": view.nbytes,
                        "check": xxhash.xxh3_64_intdigest(view),
                    }
                )
                views.append(view)
            parts.append(
                {
                    "name": payload.name,
                    "codec": payload.codec,
                    "dtype": payload.dtype,
                    "shape": payload.shape,
                    "buffers": tuple(infos),
                }
            )
        fields["parts"] = tuple(parts)
    packed = _pack(fields)
    if len(packed) > MOST_HEADER_BYTES:
        raise WireError("header-size", f"{len(packed)} bytes, at most {MOST_HEADER_BYTES}")
    total = sum(len(view) for view in views)
    if total > MOST_BYTES:
        raise WireError("size", f"{total} bytes, at most {MOST_BYTES}")
    views[0] = packed
    return views


def decode(pieces: Sequence[Piece], *, most_bytes: int = MOST_BYTES) -> Received:
    """Check a message and view its buffers as arrays, without a copy.

    Args:
        pieces: The message's parts as they came, a relay's stamp included.
        most_bytes: Most bytes of all buffers.

    Raises:
        WireError: Something does not fit; nothing else is ever raised.
    """
    if not pieces:
        raise WireError("empty", "a message without a header")
    header = decode_header(pieces[0])
    infos = [info for part in header.parts for info in part.buffers]
    extra = len(pieces) - 1 - len(infos)
    if extra not in (0, 1):
        raise WireError("parts", f"{len(pieces) - 1} parts follow, {len(infos)} were declared")
    total = sum(info.bytes for info in infos)
    if total > most_bytes:
        raise WireError("size", f"{total} bytes, at most {most_bytes}")
    arrays = [_array(info, piece) for info, piece in zip(infos, pieces[1:], strict=False)]
    payloads, at = [], 0
    for part in header.parts:
        payloads.append(_payload(part, arrays[at : at + len(part.buffers)]))
        at += len(part.buffers)
    return Received(
        header=header,
        payloads=tuple(payloads),
        link=_decode_link_stamp(pieces[-1]) if extra else None,
        bytes=_bytes(pieces[0]).nbytes + total,
    )


def decode_header(piece: Piece) -> Header:
    """Check and read a header alone; buffers stay unread, as a relay wants it.

    Raises:
        WireError: It does not fit.
    """
    view = _bytes(piece)
    if view.nbytes > MOST_HEADER_BYTES:
        raise WireError("header-size", f"{view.nbytes} bytes, at most {MOST_HEADER_BYTES}")
    fields = _unpack(view, "header-form")
    version = fields.get("version")
    if type(version) is not int or version != WIRE_VERSION:
        raise WireError("version", f"{_short(repr(version))}, expected {WIRE_VERSION}")
    return _validated(Header, fields, "header-field")


def encode_link_stamp(stamp: LinkStamp) -> bytes:
    """Make the part that a relay appends to a message that it held."""
    return _pack(_fields(stamp))


def _decode_link_stamp(piece: Piece) -> LinkStamp:
    view = _bytes(piece)
    if view.nbytes > MOST_STAMP_BYTES:
        raise WireError("link-stamp", f"{view.nbytes} bytes, at most {MOST_STAMP_BYTES}")
    return _validated(LinkStamp, _unpack(view, "link-stamp"), "link-stamp")


def _bytes(piece: Piece) -> memoryview:
    view = piece.buffer if isinstance(piece, zmq.Frame) else memoryview(piece)
    if not view.c_contiguous:
        raise WireError("parts", "a part does not lie in one piece")
    return view


def _view(name: str, buffer: Array) -> memoryview:
    """View an array's memory as bytes."""
    if buffer.dtype != buffer.dtype.newbyteorder("<") or not buffer.flags.c_contiguous:
        raise WireError("parts", f"a buffer of {name} is not little-endian and C-contiguous")
    return buffer.reshape(-1).view(np.uint8).data


def _array(info: BufferInfo, piece: Piece) -> Array:
    """View a received buffer as an array after comparing size and check."""
    view = _bytes(piece)
    dtype = np.dtype(info.dtype).newbyteorder("<")
    if not view.nbytes == info.bytes == math.prod(info.shape) * dtype.itemsize:
        raise WireError(
            "size",
            f"{view.nbytes} bytes came, {info.bytes} were declared for "
            f"{info.dtype}{list(info.shape)}",
        )
    if xxhash.xxh3_64_intdigest(view) != info.check:
        raise WireError("check", f"a buffer of {info.bytes} bytes was altered on its way")
    if not view.nbytes:
        return np.empty(info.shape, dtype)
    array: Array = np.frombuffer(view, dtype).reshape(info.shape)
    array.flags.writeable = False
    return array


def _payload(part: Part, arrays: Sequence[Array]) -> Payload:
    return Payload(
        name=part.name,
        codec=part.codec,
        dtype=part.dtype,
        shape=part.shape,
        buffers=tuple(arrays),
    )


def _pack(fields: dict[str, object]) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed


def _unpack(view: memoryview, code: Code) -> dict[str, object]:
    """Decode a MessagePack map within limits; keys are text, and none comes twice."""
    try:
        fields: object = msgpack.unpackb(
            view,
            use_list=False,
            raw=False,
            strict_map_key=True,
            object_pairs_hook=_distinct,
            max_str_len=256,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=128,
            max_map_len=32,
        )
    except (ValueError, msgpack.UnpackException) as err:  # nesting, junk, trailing bytes, UTF-8
        raise WireError(code, _short(str(err) or type(err).__name__)) from err
    if not isinstance(fields, dict):
        raise WireError(code, "not a map")
    return fields


def _distinct(pairs: Sequence[_Pair]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key comes twice")
    return fields


def _fields(checked: Checked) -> dict[str, object]:
    """Fields that are not at their default."""
    fields: dict[str, object] = msgspec.to_builtins(checked)
    return fields


def _validated(model: type[_Model], fields: dict[str, object], code: Code) -> _Model:
    try:
        return msgspec.convert(fields, model)
    except msgspec.ValidationError as err:
        raise WireError(code, _short(str(err))) from err


def _short(text: str) -> str:
    return text if len(text) <= _MOST_REASON else text[: _MOST_REASON - 1] + "…"
