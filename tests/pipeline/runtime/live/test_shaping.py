"""The relay's shaping: the same passage for the same message as in a virtual run."""

from __future__ import annotations

import os
from dataclasses import replace as with_fields
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.link import LinkChannel, LinkConfig, LinkFault, Steps
from pipeline.link.profiles import expand, load_profile
from pipeline.runtime.core.events import MessageArrived
from pipeline.runtime.live.letters import letter
from pipeline.runtime.live.shaping import Shaper
from pipeline.runtime.timing import Hops, Timing
from pipeline.runtime.virtual import run_virtual
from pipeline.transport.header import Header
from pipeline.transport.wire import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.link.model import Direction
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from tests.pipeline.runtime.conftest import Build, Virtually

MS = 1_000_000
SHAKEN = LinkConfig(
    name="cell",
    trace=expand(load_profile("lte-urban"), seed=5),
    jitter_ppm=tuple(range(500_000, 2_000_000, 1_000)),
    faults=(LinkFault(kind="blackout", at_ns=300 * MS, until_ns=500 * MS),),
    shares_ppm={"a": 400_000},
    seed=7,
)


def test_relay_and_virtual_driver_give_the_same_passage(build: Build, virtually: Virtually) -> None:
    """Messages of a virtual run over a bad link, written out and shaped as the relay does it."""
    slack = {"deadline_ms": 2_000, "horizon_ms": 4_000}
    core = build.config(
        {"a": "raw", "b": "split"},
        paths=[build.path(task, task=task, **slack) for task in "ab"],
        in_flight=3,
    )
    assert SHAKEN.trace is not None
    lossy = replace(SHAKEN.trace, loss_ppm=Steps.constant(20_000))
    link = replace(SHAKEN, trace=lossy)
    setup = with_fields(
        virtually.setup(core, frames=60, size=8_000),
        links={"cell": link},
        timing=Timing(seed=1, quantiles={}, hops=Hops.line(fixed_ns=0, ns_per_mib=0)),
    )
    found: list[MessageArrived] = []

    def keep(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        del node, at_ns, commands
        if isinstance(event, MessageArrived) and event.message.kind != "result":
            found.append(event)

    run_virtual(setup, on_event=keep)
    assert {(e.message.task, e.message.kind) for e in found} >= {
        (task, kind) for task in "ab" for kind in ("work", "answer")
    }
    ways: tuple[Direction, ...] = ("up", "down")
    for direction in ways:
        shaper = Shaper(link, direction, core.tasks)
        mine = [e for e in found if (e.message.kind == "work") == (direction == "up")]
        sent = sorted(mine, key=lambda e: e.sent_ns)
        assert len(sent) > 60
        for event in sent:
            message = event.message
            pieces = letter(message, None, run="r", sender="s", sent_ns=event.sent_ns)
            payload = bytes(event.bytes)
            passage = shaper.take([*pieces, payload], event.sent_ns)
            if direction == "up":
                assert passage.began_ns == event.crossing.began_ns
                assert passage.arrives_ns == event.crossing.arrived_ns
            elif passage.lane:  # credits share the other lane, and are no events of messages
                assert passage.arrives_ns == event.crossing.arrived_ns
    assert any(e.crossing.arrived_ns - e.sent_ns > 150 * MS for e in found)


def test_a_message_of_no_task_is_counted_by_its_kind() -> None:
    """As the virtual driver keys its credits."""
    shaper, channel = Shaper(SHAKEN, "down", ["a"]), LinkChannel(SHAKEN, "down")
    credit = encode(Header(kind="credit", run="r", amount=2))
    for count in range(4):
        at_ns = count * 1_000 * MS
        assert shaper.take(credit, at_ns) == channel.cross(0, at_ns, subject="/credit")


def test_whatever_comes_crosses() -> None:
    """No header, another run's task, a frame far below zero: shaped by a count, never refused."""
    shaper, channel = Shaper(SHAKEN, "up", ["a"]), LinkChannel(SHAKEN, "up")
    junk = [os.urandom(300), b"", b"\x80", b"\xc1" * 5_000]
    for count, header in enumerate(junk):
        at_ns = count * 1_000 * MS
        passage = shaper.take([header, b"x" * 1_000], at_ns)
        assert passage == channel.cross(1_000, at_ns, subject="/")
    strange = encode(Header(kind="work", run="r", task="z", frame=3))
    early = encode(Header(kind="work", run="r", task="a", frame=-(2**63)))
    for count, pieces in enumerate((strange, early)):
        at_ns = (10 + count) * 1_000 * MS
        assert shaper.take(pieces, at_ns) == channel.cross(0, at_ns, subject="/work")


def test_a_task_with_a_share_takes_its_lane() -> None:
    """The header says whose message it is."""
    shaper = Shaper(SHAKEN, "up", ["a", "b"])
    for task, lane in (("a", "a"), ("b", "")):
        pieces = encode(Header(kind="work", run="r", task=task, frame=1))
        assert shaper.take(pieces, 0).lane == lane
