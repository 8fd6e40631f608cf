"""The link relay: holds every message for as long as the link model says, both ways."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

from pipeline.runtime.live.config import SUPERVISOR
from pipeline.runtime.live.shaping import Shaper
from pipeline.transport.channels import Poller
from pipeline.transport.header import Header, LinkStamp
from pipeline.transport.wire import encode, encode_link_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.link.model import LinkConfig
    from pipeline.runtime.live.config import NodeConfig
    from pipeline.transport.channels import Channel, Wakeup
    from pipeline.transport.wire import Piece
    from replay.clock import Clock

_IDLE_NS = 200_000_000
_RETRY_NS = 2_000_000  # until a message that nobody took is offered again


class Relay:
    """Shapes bytes by the link model, so that it can be any protocol's link.

    Args:
        config: The node's orders.
        link: The link.
        channels: `vehicle`, `cloud` and `supervisor`.
        clock: The run's clock.
        wakeup: Wakes the loop; nothing here posts it.
    """

    def __init__(
        self,
        config: NodeConfig,
        link: LinkConfig,
        *,
        channels: Mapping[str, Channel],
        clock: Clock,
        wakeup: Wakeup,
    ) -> None:
        self._config = config
        self._clock = clock
        self._supervisor = channels[SUPERVISOR]
        sites = config.spec.core.sites
        vehicle, cloud = channels[sites.vehicle], channels[sites.cloud]
        self._ways = {
            id(vehicle): (Shaper(link, "up", config.spec.core.tasks), cloud),
            id(cloud): (Shaper(link, "down", config.spec.core.tasks), vehicle),
        }
        self._poller = Poller((vehicle, cloud, self._supervisor), wakeup, clock.now_ns)
        self._held: list[tuple[int, int, Channel, list[object]]] = []
        self._order = itertools.count()
        self._retries = 0
        self._late_ns: list[int] = []

    def run(self) -> None:
        """Relay until the supervisor says stop."""
        beat_ns = 0
        while True:
            now_ns = self._clock.now_ns()
            due_ns = self._held[0][0] if self._held else now_ns + _IDLE_NS
            ready = self._poller.wait(min(_IDLE_NS, max(0, due_ns - now_ns)))
            for channel in ready.channels:
                while (pieces := channel.receive()) is not None:
                    if channel is self._supervisor:
                        self._part()
                        return
                    self._take(channel, pieces)
            self._release()
            if (now_ns := self._clock.now_ns()) >= beat_ns:
                beat_ns = now_ns + _IDLE_NS
                self._supervisor.send(self._say("heartbeat", {}))

    def _take(self, channel: Channel, pieces: Sequence[Piece]) -> None:
        shaper, onward = self._ways[id(channel)]
        received_ns = self._clock.now_ns()
        passage = shaper.take(pieces, received_ns)
        stamp = LinkStamp(
            began_ns=received_ns,
            released_ns=passage.arrives_ns,
            modelled_ns=passage.arrives_ns - received_ns,
            queued_ns=passage.began_ns - received_ns,
        )
        parts: list[object] = [*pieces, encode_link_stamp(stamp)]
        item = (passage.arrives_ns, next(self._order), onward, parts)
        heapq.heappush(self._held, item)

    def _release(self) -> None:
        now_ns = self._clock.now_ns()
        while self._held and self._held[0][0] <= now_ns:
            due_ns, _, onward, parts = heapq.heappop(self._held)
            if onward.send(parts):  # type: ignore[arg-type]  # frames as they came
                self._late_ns.append(now_ns - due_ns)
            else:  # nobody is there yet, or no more: this process loses nothing of its own accord
                item = (now_ns + _RETRY_NS, next(self._order), onward, parts)
                heapq.heappush(self._held, item)
                self._retries += 1

    def _say(self, kind: str, figures: Mapping[str, int]) -> list[bytes | memoryview]:
        return encode(
            Header(
                kind="ended" if kind == "ended" else "heartbeat",
                run=self._config.spec.run,
                sender=self._config.role,
                figures=tuple(figures.items()),
            )
        )

    def _part(self) -> None:
        late = sorted(self._late_ns)
        figures = {"retries": self._retries, "messages": len(late)}
        if late:
            figures["late_p99_ns"] = late[min(len(late) - 1, len(late) * 99 // 100)]
        self._supervisor.send(self._say("ended", figures))
        ends_ns = self._clock.now_ns() + 10 * _IDLE_NS
        while (left_ns := ends_ns - self._clock.now_ns()) > 0:
            for channel in self._poller.wait(left_ns).channels:
                while channel.receive() is not None:
                    if channel is self._supervisor:
                        return
