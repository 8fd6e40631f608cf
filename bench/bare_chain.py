"""The rival of the live overhead: the same chain written by hand on pyzmq, nothing else.

Player, vehicle, relay, cloud and consumer, a process each, joined as Splitway joins its nodes:
DEALER to DEALER over ipc, the same number of parts, the same bytes, the same credits, the same
pace. No core, no log, no check of what arrives, no work on it: what is left is what the sockets
and the machine take. Nothing of Splitway is imported here.

Started as `bare_chain.py ROLE CONFIG` by `chain_driver.play`.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from pathlib import Path
from typing import TypedDict

import msgpack
import zmq

_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29  # linux/prctl.h
_SIGKILL = 9
_PICTURES = 16  # sent in turn: as many as Splitway's player decodes ahead
_COPY_BELOW = 64 * 1024  # bytes; as Splitway, smaller messages are copied

Parts = list[bytes | zmq.Frame]
Socket = zmq.Socket[bytes]


class Header(TypedDict):
    """First part of every message.

    Attributes:
        kind: `frame`, `work`, `answer`, `result` or `credit`.
        frame: Number of the frame, below 0 for warm-up.
        scheduled_ns: When it was due.
        amount: How many credits.
        pad: Fills the header up to the length that ours has.
    """

    kind: str
    frame: int
    scheduled_ns: int
    amount: int
    pad: bytes


class Chain(TypedDict):
    """Orders of every process of a chain.

    Attributes:
        endpoints: Addresses: `player`, `up`, `down`, `consumer`.
        frames: Frames to measure.
        warmup: Frames before them.
        period_ns: From one frame to the next.
        frame: Bytes of each part of a frame, the header first.
        work: The same of what goes up to the cloud.
        answer: The same of what comes back.
        result: The same of what goes to the consumer.
        stamp: Bytes of the part that the relay appends.
        player_credits: Frames that the player may send ahead.
        cloud_credits: Requests that may be open at the cloud.
        consumer_credits: Results that may be on their way.
        edge_ns: Time that the vehicle sleeps on a frame; 0 for a bare chain.
        up_ns: Time that the relay holds what goes up.
        cloud_ns: Time that the cloud sleeps on a frame.
        down_ns: Time that the relay holds what goes down.
        latencies: File that the consumer writes its latencies to.
    """

    endpoints: dict[str, str]
    frames: int
    warmup: int
    period_ns: int
    frame: list[int]
    work: list[int]
    answer: list[int]
    result: list[int]
    stamp: int
    player_credits: int
    cloud_credits: int
    consumer_credits: int
    edge_ns: int
    up_ns: int
    cloud_ns: int
    down_ns: int
    latencies: str


def main(role: str, path: str) -> None:
    """Run one process of the chain until it is killed, the consumer until it has all frames."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    libc.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1))
    chain: Chain = json.loads(Path(path).read_text(encoding="utf-8"))
    roles = {
        "player": _player,
        "vehicle": _vehicle,
        "relay": _relay,
        "cloud": _cloud,
        "consumer": _consumer,
    }
    roles[role](chain)


def _player(chain: Chain) -> None:
    vehicle = _socket(chain, "player", bind=False)
    pictures = [_filled(chain["frame"], number) for number in range(_PICTURES)]
    allowed = _amount(vehicle.recv_multipart())
    start_ns = _now_ns() + chain["period_ns"]
    for number in range(-chain["warmup"], chain["frames"]):
        scheduled_ns = start_ns + (number + chain["warmup"]) * chain["period_ns"]
        _sleep_until(scheduled_ns)
        while allowed == 0 or vehicle.poll(0):
            allowed += _amount(vehicle.recv_multipart())
        allowed -= 1
        header = _header(chain["frame"], "frame", number, scheduled_ns)
        _send(vehicle, [header, *pictures[number % _PICTURES]])
    while True:
        vehicle.recv_multipart()


def _vehicle(chain: Chain) -> None:
    player = _socket(chain, "player", bind=True)
    relay = _socket(chain, "up", bind=False)
    consumer = _socket(chain, "consumer", bind=False)
    work, result = _filled(chain["work"]), _filled(chain["result"])
    cloud_credits, consumer_credits = 0, chain["consumer_credits"]
    begun = False
    waiting: list[Header] = []
    answered: list[Header] = []
    poller = zmq.Poller()
    for socket in (player, relay, consumer):
        poller.register(socket, zmq.POLLIN)
    while True:
        ready = dict(poller.poll())
        if player in ready:
            fields, _picture = _receive(player)
            waiting.append(fields)
            _send(player, [_credit(1)])
        if relay in ready:
            fields, _answer = _receive(relay)
            if fields["kind"] == "credit":
                cloud_credits += fields["amount"]
                if not begun:
                    begun = True
                    _send(player, [_credit(chain["player_credits"])])
            else:
                answered.append(fields)
        if consumer in ready:
            consumer_credits += _amount(consumer.recv_multipart())
        while answered and consumer_credits > 0:
            consumer_credits -= 1
            _send(consumer, [_onward(chain["result"], "result", answered.pop(0)), *result])
        while waiting and cloud_credits > 0:
            cloud_credits -= 1
            fields = waiting.pop(0)
            _sleep_until(_now_ns() + chain["edge_ns"])
            _send(relay, [_onward(chain["work"], "work", fields), *work])


def _relay(chain: Chain) -> None:
    vehicle = _socket(chain, "up", bind=True)
    cloud = _socket(chain, "down", bind=True)
    stamp = bytes(chain["stamp"])
    poller = zmq.Poller()
    poller.register(vehicle, zmq.POLLIN)
    poller.register(cloud, zmq.POLLIN)
    ways = ((vehicle, cloud, chain["up_ns"]), (cloud, vehicle, chain["down_ns"]))
    while True:
        ready = dict(poller.poll())
        for source, onward, held_ns in ways:
            if source in ready:
                parts: Parts = [*source.recv_multipart(copy=False)]
                if len(parts) > 1:  # credits have no payload to hold
                    _sleep_until(_now_ns() + held_ns)
                _send(onward, [*parts, stamp])


def _cloud(chain: Chain) -> None:
    relay = _socket(chain, "down", bind=False)
    answer = _filled(chain["answer"])
    _send(relay, [_credit(chain["cloud_credits"])])
    while True:
        fields, _work = _receive(relay)
        _sleep_until(_now_ns() + chain["cloud_ns"])
        _send(relay, [_onward(chain["answer"], "answer", fields), *answer])
        _send(relay, [_credit(1)])


def _consumer(chain: Chain) -> None:
    vehicle = _socket(chain, "consumer", bind=True)
    latencies_ns: list[int] = []
    while len(latencies_ns) < chain["frames"]:
        fields, _result = _receive(vehicle)
        if fields["frame"] >= 0:
            latencies_ns.append(_now_ns() - fields["scheduled_ns"])
        _send(vehicle, [_credit(1)])
    unfinished = Path(chain["latencies"] + ".part")
    unfinished.write_text(json.dumps(latencies_ns), encoding="utf-8")
    unfinished.replace(chain["latencies"])


def _socket(chain: Chain, name: str, *, bind: bool) -> Socket:
    context: zmq.Context[Socket] = zmq.Context.instance()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    if bind:
        socket.bind(chain["endpoints"][name])
    else:
        socket.connect(chain["endpoints"][name])
    return socket


def _send(socket: Socket, parts: Parts) -> None:
    socket.send_multipart(parts, copy=all(len(part) < _COPY_BELOW for part in parts))


def _receive(socket: Socket) -> tuple[Header, Parts]:
    parts: Parts = [*socket.recv_multipart(copy=False)]
    first = parts[0]
    return _unpacked(first.bytes if isinstance(first, zmq.Frame) else first), parts[1:]


def _unpacked(packed: bytes) -> Header:
    fields: Header = msgpack.unpackb(packed)
    return fields


def _amount(parts: list[bytes]) -> int:
    return _unpacked(parts[0])["amount"]


def _credit(amount: int) -> bytes:
    return _packed({"kind": "credit", "frame": 0, "scheduled_ns": 0, "amount": amount, "pad": b""})


def _header(sizes: list[int], kind: str, frame: int, scheduled_ns: int) -> bytes:
    """A header of the wanted length, or the least that holds these fields."""
    fields: Header = {
        "kind": kind,
        "frame": frame,
        "scheduled_ns": scheduled_ns,
        "amount": 0,
        "pad": b"",
    }
    fields["pad"] = bytes(max(0, sizes[0] - len(_packed(fields))))
    return _packed(fields)


def _packed(fields: Header) -> bytes:
    packed: bytes = msgpack.packb(fields)
    return packed


def _onward(sizes: list[int], kind: str, fields: Header) -> bytes:
    return _header(sizes, kind, fields["frame"], fields["scheduled_ns"])


def _filled(sizes: list[int], value: int = 0) -> list[bytes]:
    """The buffers behind a header."""
    return [value.to_bytes(1, "little") * size for size in sizes[1:]]


def _now_ns() -> int:
    return time.monotonic_ns()  # noqa: TID251 - the rival uses nothing of Splitway's


def _sleep_until(at_ns: int) -> None:
    while (left_ns := at_ns - _now_ns()) > 0:
        time.sleep(left_ns / 1e9)  # noqa: TID251 - the rival uses nothing of Splitway's


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
