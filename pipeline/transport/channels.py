"""Sockets between the nodes of a live run: typed, non-blocking, on one machine."""

from __future__ import annotations

import os
import select
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import zmq

from pipeline.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_OLDEST_LIBZMQ = (4, 3, 5)  # CVE-2019-13132 and later fixes
_MOST_MESSAGE_BYTES = 96 * 1024 * 1024  # above what `wire` lets pass, so that `wire` says why
_COPY_BELOW = 64 * 1024  # bytes; a smaller part is cheaper to copy than to keep alive
HIGH_WATER = 256
"""Messages a socket queues on one side; a stop for runaways. Credits hold a sender back."""

_OPTIONS = (
    (zmq.LINGER, 0),
    (zmq.IMMEDIATE, 1),
    (zmq.HEARTBEAT_IVL, 100),
    (zmq.HEARTBEAT_TIMEOUT, 300),
    (zmq.CONNECT_TIMEOUT, 200),
    (zmq.RECONNECT_IVL, 50),
    (zmq.RECONNECT_IVL_MAX, 200),
    (zmq.HANDSHAKE_IVL, 300),
    (zmq.MAXMSGSIZE, _MOST_MESSAGE_BYTES),
)
"""In ms where a time. After a blackout of 2 s this set gave the first answer in time within 97 ms
and no stale one; the defaults took up to 1.2 s and delivered dozens of stale ones."""

_LOOPBACK = ("tcp://127.0.0.1:", "tcp://[::1]:", "ipc://", "inproc://")


def require_libzmq(version: tuple[int, int, int]) -> None:
    """Refuse a libzmq with known holes.

    Raises:
        InfrastructureError: It is older than 4.3.5.
    """
    if version < _OLDEST_LIBZMQ:
        have, need = (".".join(map(str, numbers)) for numbers in (version, _OLDEST_LIBZMQ))
        raise InfrastructureError(f"libzmq {have} is too old, {need} or newer is needed")


require_libzmq(zmq.zmq_version_info())


Frame = zmq.Frame
"""A part of a message as it came."""


class Channel:
    """One end of a two-way channel between two nodes (DEALER); made by `Sockets.channel`."""

    def __init__(self, socket: zmq.Socket[bytes], name: str) -> None:
        self._socket = socket
        self.name = name

    @property
    def endpoint(self) -> str:
        """Where it is bound or connected; after binding with the port that the system picked."""
        return self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def send(self, parts: Sequence[bytes | memoryview | zmq.Frame]) -> bool:
        """Hand a message to the socket without waiting; parts of 64 KiB and more are not copied.

        Leave such parts unchanged afterwards: they are read when they are sent.

        Returns:
            False where there is no peer or the queue is full; nothing was sent then.
        """
        return _send(self._socket, parts)

    def receive(self) -> list[zmq.Frame] | None:
        """Take the next message without waiting; None where there is none."""
        return _receive(self._socket)

    @property
    def readable(self) -> bool:
        """Whether a message is there."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def fileno(self) -> int:
        """Descriptor that becomes readable when the socket's state may have changed.

        It fires on edges: look at `readable` before waiting on it.
        """
        return int(self._socket.getsockopt(zmq.FD))

    def close(self) -> None:
        """Close at once; what was not sent is thrown away. Safe to call twice."""
        self._socket.close(linger=0)


class Router(Channel):
    """One socket to many named channels (ROUTER); made by `Sockets.router`."""

    def send_to(self, peer: str, parts: Sequence[bytes | memoryview | zmq.Frame]) -> bool:
        """Hand a message for the channel of this name to the socket without waiting.

        Returns:
            False where no such channel is connected or its queue is full; nothing was sent then.
        """
        return _send(self._socket, [peer.encode(), *parts])

    def receive_from(self) -> tuple[str, list[zmq.Frame]] | None:
        """Take the next message with its channel's name, without waiting; None if there is none.

        A peer whose name is no UTF-8 text comes with the bad bytes replaced.
        """
        frames = _receive(self._socket)
        if frames is None:
            return None
        return frames[0].bytes.decode(errors="replace"), frames[1:]


class Sockets:
    """Owns a node's sockets; leaving the `with` block closes them all, waiting for nothing."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._closing = ExitStack()

    def channel(self, name: str, *, bind: str | None = None, connect: str | None = None) -> Channel:
        """Open a channel end under this name, bound or connected.

        Args:
            name: What a router at the other end calls it; at most 255 bytes.
            bind: Address to bind, such as `ipc:///path` or `tcp://127.0.0.1:*`.
            connect: Address to connect to; it need not be bound yet.

        Raises:
            InputError: Neither or both addresses, or one off this machine.
            InfrastructureError: The system refuses the address.
        """
        socket = self._context.socket(zmq.DEALER)
        self._closing.callback(socket.close, linger=0)
        _set_options(socket)
        socket.setsockopt(zmq.ROUTING_ID, name.encode())
        _attach(socket, bind, connect)
        return Channel(socket, name)

    def router(self, name: str, *, bind: str) -> Router:
        """Open a router.

        A channel that comes back under its name takes the place of the one that was there.

        Raises:
            InputError: An address off this machine.
            InfrastructureError: The system refuses the address.
        """
        socket = self._context.socket(zmq.ROUTER)
        self._closing.callback(socket.close, linger=0)
        _set_options(socket)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        _attach(socket, bind, None)
        return Router(socket, name)

    def close(self) -> None:
        """Close every socket and the context. Safe to call twice."""
        self._closing.close()
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Wakeup:
    """Wakes a poller from another thread (a Linux eventfd)."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def post(self) -> None:
        """Wake the poller, now or at its next wait; any thread. Put the work in its queue first."""
        if self._descriptor >= 0:
            os.eventfd_write(self._descriptor, 1)

    def clear(self) -> bool:
        """Take all posts back; returns whether there was one."""
        try:
            return os.eventfd_read(self._descriptor) > 0
        except BlockingIOError:
            return False

    def fileno(self) -> int:
        """Descriptor that is readable while a post stands."""
        return self._descriptor

    def close(self) -> None:
        """Release the descriptor; later posts do nothing. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What a wait ended with; both empty when the time ran out.

    Attributes:
        channels: Channels with a message, in the order they were given.
        woken: Whether the wakeup was posted; its posts are taken back, so look into the queue.
    """

    channels: tuple[Channel, ...]
    woken: bool


class Poller:
    """Waits for messages on channels and for a wakeup, to the microsecond.

    It waits on the sockets' own descriptors, because libzmq's poll counts in whole milliseconds.

    Args:
        channels: What to watch.
        wakeup: A wakeup to watch beside them.
        now_ns: The clock that timeouts count on, in ns, monotonic.
    """

    def __init__(
        self, channels: Sequence[Channel], wakeup: Wakeup, now_ns: Callable[[], int]
    ) -> None:
        self._channels = tuple(channels)
        self._wakeup = wakeup
        self._now_ns = now_ns
        self._watched = [*(channel.fileno() for channel in self._channels), wakeup.fileno()]

    def wait(self, timeout_ns: int | None = None) -> Ready:
        """Return as soon as something is there, or the time has run out.

        Args:
            timeout_ns: Longest wait in ns; 0 only looks, None waits without end.
        """
        ends_at_ns = None if timeout_ns is None else self._now_ns() + timeout_ns
        while True:
            channels = tuple(channel for channel in self._channels if channel.readable)
            woken = self._wakeup.clear()
            left_ns = None if ends_at_ns is None else max(0, ends_at_ns - self._now_ns())
            if channels or woken or left_ns == 0:
                return Ready(channels=channels, woken=woken)
            select.select(self._watched, (), (), None if left_ns is None else left_ns / 1e9)


def _set_options(socket: zmq.Socket[bytes]) -> None:
    """Before bind or connect: libzmq ignores most of them afterwards."""
    socket.set_hwm(HIGH_WATER)
    for option, value in _OPTIONS:
        socket.setsockopt(option, value)


def _attach(socket: zmq.Socket[bytes], bind: str | None, connect: str | None) -> None:
    address = bind or connect
    if address is None or (bind and connect):
        raise InputError("a channel is either bound or connected")
    if not address.startswith(_LOOPBACK):
        raise InputError(f"{address}: only ipc:// and loopback addresses, traffic is not encrypted")
    try:
        if bind:
            socket.bind(address)
        else:
            socket.connect(address)
    except zmq.ZMQError as err:
        raise InfrastructureError(f"{address}: {err.strerror}") from err


def _send(socket: zmq.Socket[bytes], parts: Sequence[bytes | memoryview | zmq.Frame]) -> bool:
    copy = all(len(part) < _COPY_BELOW for part in parts)
    try:
        socket.send_multipart(parts, flags=zmq.DONTWAIT, copy=copy)
    except zmq.Again:
        return False
    except zmq.ZMQError as err:
        if err.errno == zmq.EHOSTUNREACH:
            return False
        raise
    return True


def _receive(socket: zmq.Socket[bytes]) -> list[zmq.Frame] | None:
    try:
        return socket.recv_multipart(flags=zmq.DONTWAIT, copy=False)
    except zmq.Again:
        return None
