"""What a task would run elsewhere: the plan's rule at other conditions, speeds and deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.link.model import message_bytes
from pipeline.planner.conditions import Conditions, best_of, crosses, latency_then_ns

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.plan.plan import Candidate
    from pipeline.planner.planning import Planned

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """What is not as the plan has it.

    Attributes:
        at: Uplink rate, round trip and load; None for the plan's own.
        edge: How many times as quick the car's device is.
        cloud: How many times as quick the cloud's device is.
        deadline: How many times as long the deadline is.
    """

    at: Conditions | None = None
    edge: float = 1.0
    cloud: float = 1.0
    deadline: float = 1.0


class Chooser:
    """The rule of the plan for one task alone: in time and in pace, then agreement, then speed.

    Args:
        planned: The task's plan.
        period_ns: Time between two of its frames.
        nominal: Conditions of the whole link; the task may have a part of it for itself.
    """

    def __init__(self, planned: Planned, period_ns: int, nominal: Conditions) -> None:
        self._planned = planned
        self._period_ns = period_ns
        self.nominal = nominal
        """Conditions of the plan, of the whole link."""
        link = planned.world.link
        self._own = Conditions(link.up_bits_per_s, link.rtt_ns)
        self._held: dict[tuple[str, str], dict[str, float]] = {}

    def choose(self, elsewhere: Elsewhere, *, without: Collection[int] = ()) -> int:
        """Index of the candidate that would run.

        Args:
            elsewhere: What is not as the plan has it.
            without: Candidates that are left out, with and without a hedge; an allowed one must
                remain.
        """
        routes = {self._planned.plan.candidates[i].route.id for i in without}
        deadline_ns = round(self._planned.deadline_ns * elsewhere.deadline)
        kept = [i for i, c in enumerate(self._planned.plan.candidates) if c.route.id not in routes]
        mine = [self._planned.plan.candidates[i] for i in kept]
        latencies = [self._latency_ns(c, elsewhere) for c in mine]
        in_pace = [self._keeps_pace(c, elsewhere) for c in mine]
        aging = self._planned.wishes.aging
        return kept[best_of(mine, latencies, deadline_ns, in_pace, aging=aging)]

    def _mine(self, elsewhere: Elsewhere) -> Conditions:
        """The conditions as the task has them: its part of the uplink stays the same part."""
        at = elsewhere.at
        if at is None:
            return self._own
        rate = at.up_bits_per_s * self._own.up_bits_per_s // self.nominal.up_bits_per_s
        return at._replace(up_bits_per_s=max(1, rate))

    def _latency_ns(self, candidate: Candidate, elsewhere: Elsewhere) -> int:
        found = latency_then_ns(candidate, self._own, self._mine(elsewhere))
        found += _scaled(candidate.spans.get("edge", 0), elsewhere.edge)
        return found + _scaled(candidate.spans.get("cloud", 0), elsewhere.cloud)

    def _keeps_pace(self, candidate: Candidate, elsewhere: Elsewhere) -> bool:
        """Whether neither a device nor the uplink is busy longer with a frame than its period."""
        world, at = self._planned.world, self._mine(elsewhere)
        held_ns = self._held_ns(candidate)
        site_of, vehicle = world.sites.device_site, world.sites.vehicle
        busy_ns = 0.0
        for name, time_ns in held_ns.items():
            device = world.placed.get(name)  # a bus is none, and has no speed
            speed = elsewhere.edge if site_of[name] == vehicle else elsewhere.cloud
            by = 1.0 if device is None else speed * device.slots
            busy_ns = max(busy_ns, time_ns / by)
        up_ns = 0.0
        if crosses(candidate):
            then_ns = 8 * message_bytes(candidate.bytes_up) * _NS_PER_S // at.up_bits_per_s
            nominal_ns = (
                8 * message_bytes(candidate.bytes_up) * _NS_PER_S // self._own.up_bits_per_s
            )
            up_ns = world.link.serial_ns(candidate.bytes_up, "up") + then_ns - nominal_ns
        return max(busy_ns, up_ns) <= self._period_ns

    def _held_ns(self, candidate: Candidate) -> dict[str, float]:
        """How long a frame holds each device and bus, its hedge's runs in their share."""
        key = candidate.route.id, "" if candidate.hedge is None else candidate.hedge.form
        found = self._held.get(key)
        if found is None:
            world = self._planned.world
            found = self._held[key] = {}
            for step in candidate.route.steps:
                if step.span in ("edge", "cloud"):
                    name = world.sites.device_of(step.step)
                    found[name] = found.get(name, 0) + step.latency_ns
            if candidate.hedge is not None:
                more_ns = candidate.hedge.runs * candidate.hedge.edge_ns
                found[world.edge.name] = found.get(world.edge.name, 0) + more_ns
        return found


def _scaled(time_ns: int, factor: float) -> int:
    """What a time changes by where its device is so many times as quick."""
    return round(time_ns / factor) - time_ns
