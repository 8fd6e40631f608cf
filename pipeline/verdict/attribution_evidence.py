"""What was done for every frame, when and by what, from the events that the cores saw."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.plan.steps import Move
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.core.events import FrameOffered, JobDone, MessageArrived

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.core.messages import Message

Key = tuple[str, int]
"""Task and frame."""


class Thing(NamedTuple):
    """Something whose duration a driver decides, and a replay can change.

    Attributes:
        kind: `job`; `cross`, a message from its first bit to its arrival; `wait`, a message before
            its first bit; `hop`, a message between two processes.
        subject: Task and step, task and channel, or the stream of a hop from the player.
        frame: Frame number, that of the first job in a batch.
    """

    kind: Literal["job", "cross", "wait", "hop"]
    subject: str
    frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A stretch of time in which something was done for a frame.

    Attributes:
        key: Task and frame it was done for.
        span: The span that it belongs to.
        step: Index of the step among the task's; -1 for the hop from the player.
        resource: Device or channel that did it.
        began_ns: Run time.
        ended_ns: Run time.
        thing: What a replay can change.
        asked_ns: Run time at which its duration was decided.
    """

    key: Key
    span: str
    step: int
    resource: str
    began_ns: int
    ended_ns: int
    thing: Thing
    asked_ns: int


class Stay(NamedTuple):
    """A frame's time in flight: from its first job to its answer, or to the last done for it."""

    began_ns: int
    ended_ns: int
    key: Key


@dataclass(slots=True, kw_only=True)
class _Line:
    """What a resource did, in order."""

    services: list[Service] = field(default_factory=list)
    begins_ns: list[int] = field(default_factory=list)
    longest_ns: int = 0

    def over(self, began_ns: int, ended_ns: int) -> list[Service]:
        """Services with a part between two times."""
        first = bisect_left(self.begins_ns, began_ns - self.longest_ns)
        last = bisect_right(self.begins_ns, ended_ns)
        return [s for s in self.services[first:last] if s.ended_ns > began_ns]


@dataclass(slots=True, kw_only=True)
class _Stays:
    stays: list[Stay]
    begins_ns: list[int]
    longest_ns: int


class Evidence:
    """Collects what the cores saw in a run, and knows then who held what.

    The stamps are the run's own. When a message has left a link's bottleneck is not among them: it
    is taken to hold it until the next one begins, or until it has arrived.
    """

    def __init__(self, core: CoreConfig) -> None:
        self.core = core
        self.settled_ns: dict[tuple[str, int], int] = {}
        """When each path's frame was settled, run time."""
        self.lengths_ns: dict[Thing, int] = {}
        """How long each thing took."""
        self._services: dict[Key, list[Service]] = defaultdict(list)
        self._lines: dict[str, _Line] | None = None
        self._stays: dict[str, _Stays] | None = None
        self._task_of = {path.name: path.task for path in (*core.paths, *core.parts)}
        self._fuse = {path.name: path.fuse for path in core.paths if path.fuse is not None}

    # -- collecting ------------------------------------------------------------------------------

    def saw(self, node: str, at_ns: int, event: Event | None) -> None:
        """Take in what the core of a node saw."""
        match event:
            case JobDone():
                self._job(event)
            case MessageArrived(message=message) if message.task in self.core.tasks:
                self._message(node, event)
            case FrameOffered():
                self._offered(event, at_ns)
            case _:
                pass

    def settled(self, path: str, frame: int, at_ns: int) -> None:
        """Take in that a path's frame was settled."""
        self.settled_ns.setdefault((path, frame), at_ns)

    def _offered(self, event: FrameOffered, at_ns: int) -> None:
        thing = Thing("hop", event.stream, event.frame)
        if thing in self.lengths_ns:  # a copy
            return
        self.lengths_ns[thing] = at_ns - event.scheduled_ns
        for name, task in self.core.tasks.items():
            if task.stream == event.stream and self.core.paths_of(name, event.frame):
                self._add(
                    Service(
                        key=(name, event.frame),
                        span="source",
                        step=-1,
                        resource=f"player/{event.stream}",
                        began_ns=event.scheduled_ns,
                        ended_ns=at_ns,
                        thing=thing,
                        asked_ns=event.scheduled_ns,
                    )
                )

    def _job(self, event: JobDone) -> None:
        first = event.jobs[0]
        thing = Thing("job", f"{first.task}/{first.step}", first.frame)
        self.lengths_ns[thing] = event.ended_ns - event.began_ns
        for job in event.jobs:
            self._add(
                Service(
                    key=(job.task, job.frame),
                    span=self.core.tasks[job.task].steps[job.step].span,
                    step=job.step,
                    resource=event.device,
                    began_ns=event.began_ns,
                    ended_ns=event.ended_ns,
                    thing=thing,
                    asked_ns=event.began_ns,
                )
            )

    def _message(self, node: str, event: MessageArrived) -> None:
        message, crossing = event.message, event.crossing
        channel, span = self._channel(node, message)
        kind: Literal["hop", "cross"] = "hop" if channel == CONSUMER else "cross"
        thing = Thing(kind, f"{message.task}/{channel}", message.frame)
        if thing in self.lengths_ns:  # the first answer is the one that counts
            return
        self.lengths_ns[thing] = crossing.arrived_ns - crossing.began_ns
        self._add(
            Service(
                key=(message.task, message.frame),
                span=span,
                step=message.step,
                resource=channel,
                began_ns=crossing.began_ns,
                ended_ns=crossing.arrived_ns,
                thing=thing,
                asked_ns=event.sent_ns,
            )
        )

    def _channel(self, node: str, message: Message) -> tuple[str, str]:
        """Channel that a message came over, and the span that its arrival ends."""
        if node == CONSUMER:
            return CONSUMER, "deliver"
        step = self.core.tasks[message.task].steps[message.step].step
        if node == self.core.sites.vehicle:
            crossed = message.kind == "answer" and isinstance(step, Move)
            channel = step.channel if crossed and isinstance(step, Move) else ""
            return channel or self.core.down_channel, "downlink"
        return step.channel if isinstance(step, Move) else f"{node}.up", "uplink"

    def _add(self, service: Service) -> None:
        self._services[service.key].append(service)
        self._lines = self._stays = None

    # -- answering -------------------------------------------------------------------------------

    def task_of(self, path: str) -> str:
        """Task of a path."""
        return self._task_of[path]

    def key_of(self, row: Row) -> Key:
        """Task and frame of a row; of a path from several sensors, those of the anchor."""
        fuse = self._fuse.get(row.path)
        return self.task_of(row.path if fuse is None else fuse.anchor), row.frame

    def anchor_of(self, path: str) -> str:
        """The anchor's part of a path from several sensors; empty for other paths."""
        fuse = self._fuse.get(path)
        return "" if fuse is None else fuse.anchor

    def last_partner(self, path: str, began_ns: int, ended_ns: int) -> Stay | None:
        """The partner's frame whose result came last between two times, and when it came."""
        partners = {self.task_of(partner.part) for partner in self._fuse[path].partners}
        came = [
            (answered_ns, key)
            for key, services in self._services.items()
            if key[0] in partners
            and began_ns
            < (answered_ns := max((s.ended_ns for s in services if self._here(s)), default=0))
            <= ended_ns
        ]
        return Stay(began_ns, *max(came)) if came else None

    def _here(self, service: Service) -> bool:
        """Whether a service was before the hop to the consumer."""
        return service.resource not in (CONSUMER, self.core.consumer_host)

    def services(self, key: Key) -> list[Service]:
        """All that was done for a frame, in order."""
        return _ordered(self._services.get(key, ()))

    def winning(self, row: Row) -> list[Service]:
        """What was done for a frame on the route that was delivered, else on the planned one."""
        key = (self.task_of(row.path), row.frame)
        if row.path in self._fuse:
            last_ns = row.stamps.get("fuse_wait", row.deadline_at_ns)
            anchored = [
                s
                for s in self.services(self.key_of(row))
                if s.step >= 0
                and self._here(s)
                and s.ended_ns <= last_ns
                and (not row.route_delivered or s.span in row.stamps)
            ]
            return _ordered([*anchored, *self.services(key)])
        route = row.route_delivered or row.route_planned
        routes = {found.id: places for found, places in self.core.tasks[key[0]].routes}
        places = routes.get(route)
        is_part = all(path.name != row.path for path in self.core.paths)
        return [
            s
            for s in self.services(key)
            if (s.step < 0 or places is None or s.step in places)
            and (not is_part or self._here(s))  # a part is not delivered by itself
        ]

    def held_by(self, resource: str, began_ns: int, ended_ns: int, key: Key) -> list[Service]:
        """What a resource did for other frames between two times, in order."""
        if self._lines is None:
            self._lines = _lines(s for found in self._services.values() for s in found)
        line = self._lines.get(resource)
        if line is None or began_ns >= ended_ns:
            return []
        return [s for s in line.over(began_ns, ended_ns) if s.key != key]

    def leaving_first(self, key: Key, at_ns: int) -> Stay | None:
        """The frame of the same task that is in flight and gives its place back first."""
        if self._stays is None:
            self._stays = {task: self._stays_of(task) for task in self.core.tasks}
        known = self._stays[key[0]]
        first = bisect_left(known.begins_ns, at_ns - known.longest_ns)
        last = bisect_right(known.begins_ns, at_ns)
        in_flight = [s for s in known.stays[first:last] if s.ended_ns > at_ns and s.key != key]
        return min(in_flight, key=lambda stay: (stay.ended_ns, stay.key), default=None)

    def _stays_of(self, task: str) -> _Stays:
        stays = sorted(self._stays_in(task))
        return _Stays(
            stays=stays,
            begins_ns=[stay.began_ns for stay in stays],
            longest_ns=max((stay.ended_ns - stay.began_ns for stay in stays), default=0),
        )

    def _stays_in(self, task: str) -> Iterator[Stay]:
        for key, services in self._services.items():
            begun_ns = [s.began_ns for s in services if s.step >= 0]
            if key[0] != task or not begun_ns:
                continue
            answered_ns = [s.asked_ns for s in services if s.resource == CONSUMER]
            # Without an answer its credit comes back when the cloud is done with it.
            ended_ns = min(answered_ns, default=max(s.ended_ns for s in services))
            yield Stay(min(begun_ns), ended_ns, key)


def _ordered(services: Iterable[Service]) -> list[Service]:
    return sorted(services, key=lambda s: (s.began_ns, s.ended_ns, s.step))


def _lines(services: Iterable[Service]) -> dict[str, _Line]:
    by_resource: dict[str, list[Service]] = defaultdict(list)
    for service in services:
        by_resource[service.resource].append(service)
    lines: dict[str, _Line] = {}
    for resource, found in by_resource.items():
        found.sort(key=lambda s: (s.began_ns, s.ended_ns, s.key, s.step))
        held = [_until_next(s, n) for s, n in zip(found, [*found[1:], None], strict=True)]
        lines[resource] = _Line(
            services=held,
            begins_ns=[s.began_ns for s in held],
            longest_ns=max(s.ended_ns - s.began_ns for s in held),
        )
    return lines


def _until_next(service: Service, following: Service | None) -> Service:
    """A message on a link holds its bottleneck no longer than until the next one begins."""
    if service.thing.kind != "cross" or following is None:
        return service
    return replace(service, ended_ns=min(service.ended_ns, following.began_ns))
