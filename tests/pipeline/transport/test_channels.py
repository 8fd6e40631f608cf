"""Sockets: there and back, without waiting, closed without a rest."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import InfrastructureError, InputError
from pipeline.transport import (
    Channel,
    Header,
    Payload,
    Poller,
    Ready,
    Router,
    Sockets,
    Wakeup,
    decode,
    encode,
)
from pipeline.transport.channels import HIGH_WATER, require_libzmq

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENOUGH_NS = 10_000_000_000
TRIES = 2_000


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """Give sockets that are closed at the end."""
    with Sockets() as opened:
        yield opened


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    """Give a wakeup that is closed at the end."""
    made = Wakeup()
    yield made
    made.close()


def poller(channels: Sequence[Channel], wakeup: Wakeup) -> Poller:
    """Make a poller on a clock that gains a millisecond each time it is read."""
    return Poller(channels, wakeup, itertools.count(0, 1_000_000).__next__)


def send_when_connected(channel: Channel, parts: list[bytes | memoryview]) -> None:
    """Send as soon as a peer is there; the poller's clock bounds the wait for each try."""
    wakeup = Wakeup()
    waiting = poller([], wakeup)
    sent = any(channel.send(parts) or waiting.wait(3_000_000) is None for _ in range(TRIES))
    wakeup.close()
    assert sent


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_a_message_makes_the_way_there_and_back(
    kind: str, sockets: Sockets, wakeup: Wakeup, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Header and a large buffer arrive whole, over either address family."""
    folder = tmp_path_factory.mktemp("s")
    bound = sockets.channel("a", bind=f"ipc://{folder}/s" if kind == "ipc" else "tcp://127.0.0.1:*")
    other = sockets.channel("b", connect=bound.endpoint)
    values = np.arange(100_000, dtype=np.float32)
    payload = Payload(
        name="x", codec="float32", dtype="float32", shape=values.shape, buffers=(values,)
    )
    send_when_connected(bound, encode(Header(kind="work"), [payload]))
    assert poller([other], wakeup).wait(ENOUGH_NS).channels == (other,)
    frames = other.receive()
    assert frames is not None
    np.testing.assert_array_equal(decode(frames).payloads[0].buffers[0], values)
    assert other.send(frames)
    assert poller([bound], wakeup).wait(ENOUGH_NS).channels == (bound,)
    back = bound.receive()
    assert back is not None
    assert [frame.bytes for frame in back] == [frame.bytes for frame in frames]


def test_nothing_there_is_none_at_once(sockets: Sockets) -> None:
    """Receiving never waits."""
    channel = sockets.channel("a", bind="tcp://127.0.0.1:*")
    assert channel.receive() is None
    assert not channel.readable


def test_without_a_peer_nothing_is_queued(sockets: Sockets) -> None:
    """A sender learns at once that there is nobody, so that it can fall back."""
    assert not sockets.channel("a", bind="tcp://127.0.0.1:*").send([b"x"])
    assert not sockets.channel("b", connect="tcp://127.0.0.1:9").send([b"x"])


def test_a_full_queue_refuses_instead_of_blocking(sockets: Sockets) -> None:
    """The high-water mark was set before binding, so it holds."""
    bound = sockets.channel("a", bind="inproc://full")
    sockets.channel("b", connect="inproc://full")
    sent = 0
    while sent <= 3 * HIGH_WATER and bound.send([b"x"]):
        sent += 1
    assert 0 < sent <= 2 * HIGH_WATER


def test_a_router_knows_its_channels_by_name(sockets: Sockets, wakeup: Wakeup) -> None:
    """Messages come with the sender's name and go to the named one; nobody else gets them."""
    router = sockets.router("hub", bind="tcp://127.0.0.1:*")
    assert isinstance(router, Router)
    nodes = {n: sockets.channel(n, connect=router.endpoint) for n in ("vehicle", "cloud")}
    for node in nodes.values():
        send_when_connected(node, encode(Header(kind="hello", sender=node.name)))
    heard: set[str] = set()
    while heard != set(nodes):
        assert poller([router], wakeup).wait(ENOUGH_NS).channels == (router,)
        got = router.receive_from()
        assert got is not None
        name, frames = got
        assert decode(frames).header.sender == name
        heard.add(name)
    assert router.receive_from() is None
    assert router.send_to("cloud", encode(Header(kind="start")))
    assert poller(tuple(nodes.values()), wakeup).wait(ENOUGH_NS).channels == (nodes["cloud"],)
    assert not router.send_to("stranger", [b"x"])


def test_a_wakeup_from_another_thread_ends_a_wait(sockets: Sockets, wakeup: Wakeup) -> None:
    """A post ends the wait, is taken back by it, and does not come again."""
    channel = sockets.channel("a", bind="tcp://127.0.0.1:*")
    waiting = poller([channel], wakeup)
    thread = threading.Thread(target=wakeup.post)
    thread.start()
    assert waiting.wait(ENOUGH_NS) == Ready(channels=(), woken=True)
    thread.join()
    assert waiting.wait(0) == Ready(channels=(), woken=False)


def test_a_wait_ends_when_its_time_has_run_out(wakeup: Wakeup) -> None:
    """Nothing came, so nothing is ready."""
    assert poller([], wakeup).wait(2_500_000) == Ready(channels=(), woken=False)


def test_a_closed_wakeup_takes_posts_without_harm() -> None:
    """A late completion may post after the loop has ended."""
    wakeup = Wakeup()
    wakeup.post()
    assert wakeup.clear()
    wakeup.close()
    wakeup.close()
    wakeup.post()


def test_addresses_off_this_machine_are_refused(sockets: Sockets) -> None:
    """Traffic is not encrypted, so it stays on loopback."""
    for address in ("tcp://*:5555", "tcp://0.0.0.0:5555", "tcp://example.org:5555", "udp://x"):
        with pytest.raises(InputError, match="loopback"):
            sockets.channel("a", bind=address)
        with pytest.raises(InputError, match="loopback"):
            sockets.router("a", bind=address)
    with pytest.raises(InputError, match="either bound or connected"):
        sockets.channel("a")


def test_an_address_that_the_system_refuses_is_named(sockets: Sockets) -> None:
    """A path that is too long is told with the path."""
    with pytest.raises(InfrastructureError, match="ipc:///"):
        sockets.channel("a", bind=f"ipc:///{'x' * 200}")


def test_closing_waits_for_nothing_and_may_be_repeated() -> None:
    """Messages that were not sent do not hold a node back."""
    sockets = Sockets()
    bound = sockets.channel("a", bind="inproc://rest")
    sockets.channel("b", connect="inproc://rest")
    assert bound.send([b"x" * 100_000])
    bound.close()
    sockets.close()
    sockets.close()


def test_an_old_libzmq_is_refused() -> None:
    """Versions with known holes do not start."""
    require_libzmq((4, 3, 5))
    with pytest.raises(InfrastructureError, match=r"4\.3\.4 is too old"):
        require_libzmq((4, 3, 4))
