"""Durations and crossings for a replay: as drawn or as recorded, less what is cut from them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.runtime.timing import Hops, Timing
from pipeline.verdict.attribution_evidence import Thing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.link.model import Passage
    from pipeline.plan.routes import RouteStep
    from pipeline.runtime.timing import HopKind, HopTime, StepTime
    from pipeline.runtime.virtual_facts import Relay


class Durations(Timing):
    """Durations as drawn, or as the evidence has them, less what is cut from them."""

    def __init__(
        self,
        drawn: Timing,
        *,
        recorded_ns: Mapping[Thing, int],
        cuts_ns: Mapping[Thing, int],
    ) -> None:
        nothing = Hops.line(fixed_ns=0, ns_per_mib=0)
        super().__init__(seed=0, quantiles={}, hops=nothing)  # draws nothing
        self._drawn, self._recorded_ns, self._cuts_ns = drawn, recorded_ns, cuts_ns

    def of_step(self, step: RouteStep, *, task: str, index: int) -> StepTime:
        """How long a step takes, frame by frame."""
        drawn, name = self._drawn.of_step(step, task=task, index=index), f"{task}/{index}"
        recorded_ns, cuts_ns = self._recorded_ns, self._cuts_ns

        def length_ns(frame: int, batch: int, at_ns: int) -> int:
            thing = Thing("job", name, frame)
            known_ns = recorded_ns.get(thing)
            if known_ns is None:
                known_ns = drawn(frame, batch, at_ns)
            return max(0, known_ns - cuts_ns.get(thing, 0))

        return length_ns

    def of_hop(self, subject: str, kind: HopKind) -> HopTime:
        """How long the hops of a subject take."""
        drawn, ends = self._drawn.of_hop(subject, kind), subject.endswith("/out")
        recorded_ns, cuts_ns = self._recorded_ns, self._cuts_ns

        def length_ns(payload_bytes: int, frame: int) -> int:
            if ends and _crossing(subject, frame) in recorded_ns:
                return 0  # part of the recorded crossing
            thing = Thing("hop", subject, frame)
            known_ns = recorded_ns.get(thing)
            if known_ns is None:
                known_ns = drawn(payload_bytes, frame)
            return max(0, known_ns - cuts_ns.get(thing, 0))

        return length_ns


def _crossing(subject: str, frame: int) -> Thing:
    return Thing("cross", subject.removesuffix("/out"), frame)


class Shorter:
    """A channel whose messages take less time, or as long as recorded, by what is cut from them."""

    def __init__(
        self,
        name: str,
        relay: Relay,
        recorded_ns: Mapping[Thing, int],
        cuts_ns: Mapping[Thing, int],
    ) -> None:
        self._name, self._relay = name, relay
        self._recorded_ns, self._cuts_ns = recorded_ns, cuts_ns

    def __deepcopy__(self, memo: dict[int, object]) -> Shorter:
        """A copy with its own queue; what is recorded and cut is shared."""
        relay = copy.deepcopy(self._relay, memo)
        return Shorter(self._name, relay, self._recorded_ns, self._cuts_ns)

    def cross(
        self,
        payload_bytes: int,
        at_ns: int,
        *,
        subject: str = "",
        frame: int | None = None,
        attempt: int = 0,
    ) -> Passage:
        """How a message passes that is handed over now; see `LinkChannel.cross`."""
        passage = self._relay.cross(
            payload_bytes, at_ns, subject=subject, frame=frame, attempt=attempt
        )
        if frame is None:
            return passage
        crossing = Thing("cross", f"{subject}/{self._name}", frame)
        waited = crossing._replace(kind="wait")
        began_ns, length_ns = passage.began_ns, passage.arrives_ns - passage.began_ns
        length_ns = self._recorded_ns.get(crossing, length_ns)
        lane = passage.lane
        if waited in self._cuts_ns:  # it passes those before it, so their order is not its own
            lane = f"{lane}/{subject}/{frame}"
            began_ns = max(at_ns, began_ns - self._cuts_ns[waited])
        length_ns = max(0, length_ns - self._cuts_ns.get(crossing, 0))
        return replace(passage, began_ns=began_ns, arrives_ns=began_ns + length_ns, lane=lane)
