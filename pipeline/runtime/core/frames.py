"""What the vehicle keeps of a frame that is waiting or under way, and the row that comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pipeline.ledger.rows import Row
from pipeline.plan.steps import Host
from pipeline.runtime.core.fusing import Part
from pipeline.runtime.core.itinerary import Itinerary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.config import Hedge, PathConfig, TaskConfig, Way
    from pipeline.runtime.core.events import FrameOffered
    from pipeline.runtime.core.itinerary import Chart
    from pipeline.runtime.core.switching import MapSwitch


class Course(NamedTuple):
    """A way of a task as the vehicle sees it: its route, and the hedge's."""

    way: Way
    chart: Chart
    hedge: Hedge | None
    hedge_chart: Chart | None


class Open(NamedTuple):
    """A path that still waits for its fate of a frame."""

    path: PathConfig
    deadline_at_ns: int
    horizon_at_ns: int


@dataclass(slots=True, kw_only=True, eq=False)
class TaskState:
    """What a task has under way: how many frames, and the one that waits."""

    config: TaskConfig
    courses: tuple[Course, ...]
    paths: tuple[PathConfig, ...]
    switch: MapSwitch
    fuses: str = ""  # name of the path whose parts it fuses
    active: int = 0
    waiting: Frame | None = None


class Done(NamedTuple):
    """A step that is over at this site."""

    began_ns: int
    ended_ns: int
    modelled_ns: int
    overrun: bool


@dataclass(slots=True, eq=False)
class Attempt:
    """A frame on one route. Where two attempts share steps, the frame knows them once."""

    chart: Chart
    way: Itinerary
    elsewhere: dict[str, int] = field(default_factory=dict)  # stamps that another site made
    nonce: int = 0  # 0: nothing was asked of a cloud
    sent_ns: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    modelled_ns: int = 0  # elsewhere and on the way
    overrun: bool = False  # elsewhere
    seen_cloud: bool = False
    dead: bool = False  # nothing will come of it any more


@dataclass(slots=True, kw_only=True, eq=False)
class Frame:
    """A frame of one task that is waiting or under way."""

    task: TaskState
    offer: FrameOffered
    key: tuple[str, int]  # task and number
    came_ns: int
    paths: list[Open]  # still without a fate
    deadline_at_ns: int  # the earliest of its paths
    expires_at_ns: int  # the last of them
    admitted_ns: int = -1
    planned: Chart | None = None  # the route that the plan wanted
    first: Attempt | None = None
    hedge: Hedge | None = None  # may still be started
    hedge_chart: Chart | None = None
    hedge_at_ns: int = 0  # when its timer runs out
    second: Attempt | None = None
    holds: bool = False  # one of the task's places in flight
    answer: Attempt | None = None
    answered_ns: int = 0  # when the answer was sent to the consumer
    improved: bool = False
    awaited: bool = False  # a deadline timer is set
    refs: dict[int, str] = field(default_factory=dict)
    bytes: dict[int, int] = field(default_factory=dict)
    done: dict[int, Done] = field(default_factory=dict)
    submitted: set[int] = field(default_factory=set)
    inputs: tuple[str, ...] = ()  # refs of what its first step reads, where that is no picture
    kept: set[str] = field(default_factory=set)  # refs that fused paths still need
    partial: bool = False

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Attempts that something may still come of."""
        first, second = self.first, self.second
        if second is None:  # nearly always
            return () if first is None or first.dead else (first,)
        return tuple([a for a in (first, second) if a is not None and not a.dead])

    def bytes_after(self, step: int) -> int:
        """Payload bytes that a step hands on: those of the steps it comes after."""
        return sum([self.bytes.get(i, 0) for i in self.task.config.steps[step].after])


def row_of(frame: Frame, opened: Open, fate: Fate, cause: str) -> Row:
    """The row of a path's frame: that of its answer, else of how far its first route got."""
    offer = frame.offer
    attempt = frame.answer or frame.first
    delivered = fate in ("cloud", "edge")
    if delivered and frame.answered_ns > opened.deadline_at_ns:
        fate = "late"
    planned = frame.planned
    modelled_ns, overrun = (0, False) if attempt is None else account_of(frame, attempt)
    route = None if attempt is None or not delivered else attempt.chart.route
    return Row(
        path=opened.path.name,
        frame=offer.frame,
        content=offer.content,
        scheduled_ns=offer.scheduled_ns,
        deadline_at_ns=opened.deadline_at_ns,
        fate=fate,
        cause=cause,
        route_planned="" if planned is None else planned.route.id,
        route_delivered="" if route is None else route.id,
        variant="" if route is None else route.variant,
        stamps=stamps_of(frame, attempt),
        modelled_ns=modelled_ns,
        bytes_up=0 if frame.first is None else frame.first.bytes_up,
        bytes_down=0 if frame.first is None else frame.first.bytes_down,
        overrun=overrun,
        improved=frame.improved,
        partial=frame.partial,
    )


def stamps_of(frame: Frame, attempt: Attempt | None) -> dict[str, int]:
    """Ends of the spans that a frame passed on one of its routes, run time in ns."""
    stamps = {"source": frame.came_ns}
    if frame.admitted_ns > frame.came_ns:
        stamps["admitted"] = frame.admitted_ns
    if attempt is not None:
        _stamp(stamps, attempt, frame.done)
    return stamps


def account_of(frame: Frame, attempt: Attempt) -> tuple[int, bool]:
    """Modelled time of an attempt in ns, and whether something had to be computed meanwhile."""
    done = [frame.done[i] for i in attempt.chart.places if i in frame.done]
    modelled_ns = attempt.modelled_ns + sum([step.modelled_ns for step in done])
    return modelled_ns, attempt.overrun or any(step.overrun for step in done)


def _stamp(stamps: dict[str, int], attempt: Attempt, done: Mapping[int, Done]) -> None:
    """Stamps of an attempt: ends of its own steps, and what another site stamped.

    A device's wait is all the time before its span's end in which it did not run this frame, so
    that a hedge's wait for its timer counts as waiting.
    """
    chart = attempt.chart
    ran_ns: dict[str, int] = {}
    for index in chart.places:
        step = done.get(index)
        if step is None:
            continue
        planned = chart.steps[index]
        stamps[planned.span] = step.ended_ns
        if not isinstance(planned.step, Host):  # on a device, or over the bus between two
            ran_ns[planned.span] = ran_ns.get(planned.span, 0) + step.ended_ns - step.began_ns
    for span, length_ns in ran_ns.items():
        stamps[f"{span}_wait"] = stamps[span] - length_ns
    stamps.update(attempt.elsewhere)


def part_of(frame: Frame, attempt: Attempt, at_ns: int) -> Part:
    """An answered frame as a part of fused paths."""
    (source,) = attempt.chart.steps[attempt.chart.last].after
    modelled_ns, overrun = account_of(frame, attempt)
    planned = frame.planned
    return Part(
        ref=frame.refs[source],
        fate="cloud" if attempt.seen_cloud else "edge",
        cause="",
        at_ns=at_ns,
        cloud=attempt.seen_cloud,
        fallback=planned is not None and planned.route.id != attempt.chart.route.id,
        stamps=stamps_of(frame, attempt),
        modelled_ns=modelled_ns,
        bytes_up=0 if frame.first is None else frame.first.bytes_up,
        bytes_down=0 if frame.first is None else frame.first.bytes_down,
        overrun=overrun,
    )


def fused_attempt(chart: Chart, parts: Sequence[Part], at_ns: int) -> Attempt:
    """The way of a set from here on, with its anchor's way up to here.

    It counts as from the cloud if any part came from there and none was a fallback.
    """
    attempt = Attempt(chart, Itinerary(chart))
    attempt.elsewhere = {**parts[0].stamps, "fuse_wait": at_ns}
    attempt.modelled_ns = parts[0].modelled_ns
    attempt.overrun = any(part.overrun for part in parts)
    attempt.bytes_up = sum(part.bytes_up for part in parts)
    attempt.bytes_down = sum(part.bytes_down for part in parts)
    fallback = any(part.fallback for part in parts)
    attempt.seen_cloud = not fallback and any(part.cloud for part in parts)
    return attempt
