"""Messages to bytes and back; whatever does not fit is refused by a wire error and no other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.errors import WireError
from pipeline.transport import (
    Header,
    LinkStamp,
    Payload,
    decode,
    decode_header,
    encode,
    encode_link_stamp,
)
from pipeline.transport.header import MOST_PAIRS
from pipeline.transport.wire import MOST_HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

STAMP = LinkStamp(began_ns=10, released_ns=30, modelled_ns=20, queued_ns=5)
DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
DTYPES += ["float16", "float32"]


def work() -> Header:
    """Make a header with every field away from its default."""
    return Header(
        kind="work",
        run="run-1",
        sender="vehicle",
        epoch=2,
        nonce=2**63 - 1,
        stream="front",
        task="objects",
        frame=-3,
        content=17,
        scheduled_ns=123_456_789,
        deadline_at_ns=223_456_789,
        sent_ns=130_000_000,
        step=1,
        cut="c" * 64,
        model="f" * 64,
        warmup=True,
        reason="because",
        amount=2,
        stamps=(("source", 1), ("prepare", 2)),
        figures=(("bytes", 3),),
        paths=("camera->objects",),
    )


def tensor(values: NDArray[np.generic[object]], name: str = "narrow") -> Payload:
    """Make a payload of one buffer."""
    return Payload(
        name=name, codec="float32", dtype="float32", shape=values.shape, buffers=(values,)
    )


def message() -> list[bytes]:
    """Make a message of two buffers and a link stamp, as it lies on the wire."""
    one = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    two = np.arange(5, dtype=np.uint8)
    views = encode(work(), [tensor(one), tensor(two, "other")])
    return [*map(bytes, views), encode_link_stamp(STAMP)]


def refused(pieces: list[bytes]) -> str:
    """Return the code with which a message is refused."""
    with pytest.raises(WireError) as caught:
        decode(pieces)
    return caught.value.code


def test_a_header_comes_back_as_it_was() -> None:
    """Every field crosses."""
    (piece,) = encode(work())
    assert decode([bytes(piece)]).header == work()
    assert decode_header(bytes(piece)) == work()


def test_a_small_message_stays_small() -> None:
    """Defaults do not cross, the version does."""
    (piece,) = encode(Header(kind="heartbeat"))
    assert msgpack.unpackb(piece) == {"kind": "heartbeat", "version": 1}


@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_buffers_come_back_bit_by_bit(data: st.DataObject, dtype: str) -> None:
    """Any dtype of the list and any shape crosses, empty axes included."""
    shapes = array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
    values = data.draw(arrays(np.dtype(dtype), shapes))
    back = decode([bytes(view) for view in encode(work(), [tensor(values)])])
    (buffer,) = back.payloads[0].buffers
    assert buffer.dtype == values.dtype
    assert buffer.shape == values.shape
    assert buffer.tobytes() == values.tobytes()


def test_buffers_are_not_copied_on_either_side() -> None:
    """The views share memory with the array sent, the arrays with the part received."""
    values = np.arange(6, dtype=np.float32)
    views = encode(work(), [tensor(values)])
    assert np.shares_memory(np.frombuffer(views[1], np.float32), values)
    frames = [zmq.Frame(bytes(view)) for view in views]
    (buffer,) = decode(frames).payloads[0].buffers
    assert np.shares_memory(buffer, np.frombuffer(frames[1].buffer, np.uint8))
    assert not buffer.flags.writeable


def test_a_link_stamp_may_follow() -> None:
    """A relay's stamp is told apart from the buffers by their declared number."""
    assert decode(message()).link == STAMP
    assert decode(message()[:-1]).link is None
    assert refused([*message(), b""]) == "parts"
    assert refused([*message()[:-1], b"\xc1"]) == "link-stamp"
    assert refused([*message()[:-1], b"\x80" * 200]) == "link-stamp"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda _: [], "empty"),
        (lambda m: m[:2], "parts"),
        (lambda m: [m[0], m[1][:-1], *m[2:]], "size"),
        (lambda m: [m[0], b"\x01" + m[1][1:], *m[2:]], "check"),
        (lambda m: [m[0], m[2], m[1]], "size"),
        (lambda m: [m[0][:-1], *m[1:]], "header-form"),
        (lambda m: [m[0] + b"\x00", *m[1:]], "header-form"),
        (lambda _: [b"\x80" * (MOST_HEADER_BYTES + 1)], "header-size"),
    ],
)
def test_a_damaged_message_is_refused_by_its_code(
    change: Callable[[list[bytes]], list[bytes]], code: str
) -> None:
    """Codes say what was wrong, for counting."""
    assert refused(change(message())) == code


@pytest.mark.parametrize(
    "field",
    [
        {"unknown": 1},
        {"frame": "1"},
        {"frame": True},
        {"frame": 1.0},
        {"frame": float("nan")},
        {"frame": 2**63},
        {"epoch": -1},
        {"step": 10_001},
        {"run": "r" * 33},
        {"reason": "r" * 201},
        {"reason": None},
        {"kind": "nonsense"},
        {"warmup": 1},
        {"stamps": [["a"]]},
        {"stamps": [["a", 1.5]]},
        {"stamps": [["a", 1]] * (MOST_PAIRS + 1)},
        {"stamps": {"a": 1}},
        {"paths": "text"},
        {"parts": [{"name": "x"}]},
        {"parts": [[]]},
        {"task": msgpack.ExtType(5, b"")},
    ],
)
def test_a_field_out_of_its_limits_is_refused(field: dict[str, object]) -> None:
    """Types are strict, ranges and lengths are closed, unknown fields are none of ours."""
    header = {"kind": "credit", "version": 1, **field}
    assert refused([msgpack.packb(header)]) == "header-field"


@pytest.mark.parametrize("dtype", ["float64", "object", "O", "U8", "bool", "complex64", "<f4"])
def test_a_dtype_off_the_list_is_refused(dtype: str) -> None:
    """Only plain numbers cross."""
    info = {"dtype": dtype, "shape": [1], "bytes": 4, "check": 0}
    part = {"name": "x", "codec": "c", "dtype": "float32", "shape": [1], "buffers": [info]}
    header = {"kind": "work", "version": 1, "parts": [part]}
    assert refused([msgpack.packb(header), b"1234"]) == "header-field"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xc1",
        b"\x93\x01\x02\x03",
        b"\xa3abc",
        b"\x81\x01\x02",  # an integer as key
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\x81\xa4kind\xd6\xff\x00\x00\x00\x00",  # a timestamp
        b"\x81\xa4kind\xd8\x05" + b"\x00" * 16,  # an extension
        b"\x81\xa4kind\xc4\x02ab",  # binary
        b"\x81\xa4kind\xa1\xff",  # no UTF-8
        b"\x81\xa4kind\xd9\xff" + b"a" * 254,  # text cut short
        b"\x81\xa4kind\xdd\xff\xff\xff\xff",  # four billion elements
        b"\x81\xa1a" * 500,  # nesting
        b"\x91" * 2000,
    ],
)
def test_a_header_in_another_form_is_refused(header: bytes) -> None:
    """The decoder's own limits hold before any field is looked at."""
    assert refused([header]) == "header-form"


@pytest.mark.parametrize("version", [None, 0, 2, "1", True, 1.0])
def test_another_version_is_refused(version: object) -> None:
    """The version is compared before any field, and a missing one is another one."""
    header = {"kind": "hello"} if version is None else {"kind": "hello", "version": version}
    assert refused([msgpack.packb(header)]) == "version"


def test_more_bytes_than_allowed_are_refused() -> None:
    """The sum of all buffers is bounded before any is read."""
    with pytest.raises(WireError, match="at most 100"):
        decode(message(), most_bytes=100)


def test_what_cannot_cross_is_refused_on_sending() -> None:
    """The sender keeps to the limits that the receiver checks."""
    bad = [
        tensor(np.zeros(3, np.float64)),
        tensor(np.zeros(3, ">f4")),
        tensor(np.zeros((4, 4), np.float32)[:, ::2]),
        tensor(np.zeros(3, np.float32), "n" * 300),
    ]
    for payload in bad:
        with pytest.raises(WireError):
            encode(work(), [payload])
    with pytest.raises(WireError, match="4096"):
        encode(work(), [tensor(np.zeros(1, np.uint8), "n" * 190) for _ in range(40)])
    with pytest.raises(WireError, match="payloads"):
        encode(decode(message()).header, [tensor(np.zeros(1, np.uint8))])
    with pytest.raises(WireError, match="reason"):
        encode(Header(kind="note", reason="x" * 300))


@settings(max_examples=2000, deadline=None)
@given(
    which=st.integers(0, 3),
    edits=st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "drop", "repeat"]),
            st.integers(0, 5_000),
            st.binary(min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_a_mutated_message_never_raises_anything_else(
    which: int, edits: list[tuple[str, int, bytes]]
) -> None:
    """Two thousand mutants: each is read or refused, none breaks out."""
    pieces = message()
    for kind, at, junk in edits:
        place = min(which, len(pieces) - 1)
        piece = bytearray(pieces[place])
        if not piece:
            break
        at %= len(piece)  # noqa: PLW2901 - the place inside this piece
        match kind:
            case "flip":
                piece[at] ^= junk[0] or 1
            case "cut":
                del piece[at:]
            case "insert":
                piece[at:at] = junk
            case "drop":
                del piece[at : at + len(junk)]
            case _:
                piece[at:at] = piece[at : at + 16]
        pieces[place] = bytes(piece)
    with contextlib.suppress(WireError):
        decode(pieces)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=4))
def test_junk_never_raises_anything_else(pieces: list[bytes]) -> None:
    """Any bytes are read or refused."""
    with contextlib.suppress(WireError):
        decode(pieces)
