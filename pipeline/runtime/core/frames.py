"""What the vehicle keeps of a frame that is waiting or under way, and the row that comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.ledger.rows import Row
from pipeline.runtime.core.fusing import Part
from pipeline.runtime.core.itinerary import Itinerary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.config import Hedge, PathConfig, TaskConfig, Way
    from pipeline.runtime.core.events import FrameOffered, JobDone, Output
    from pipeline.runtime.core.itinerary import Chart
    from pipeline.runtime.core.switching import MapSwitch


class Course:
    """A way of a task as the vehicle sees it: its route, and the hedge's."""

    __slots__ = ("chart", "hedge", "hedge_chart", "way")

    def __init__(
        self, way: Way, chart: Chart, hedge: Hedge | None, hedge_chart: Chart | None
    ) -> None:
        self.way, self.chart, self.hedge, self.hedge_chart = way, chart, hedge, hedge_chart


class Open:
    """A path that still waits for its fate of a frame."""

    __slots__ = ("deadline_at_ns", "horizon_at_ns", "path")

    def __init__(self, path: PathConfig, deadline_at_ns: int, horizon_at_ns: int) -> None:
        self.path = path
        self.deadline_at_ns = deadline_at_ns
        self.horizon_at_ns = horizon_at_ns


class TaskState:
    """What a task has under way.

    Attributes:
        config: The task.
        courses: Its ways, a region of the plan map each.
        paths: Paths through it, parts of fused ones included.
        switch: Which of the regions it is in.
        fuses: Name of the path whose parts it fuses; "" for none.
        active: How many of its frames hold a place in flight.
        waiting: The frame that waits for one.
    """

    __slots__ = ("active", "config", "courses", "fuses", "paths", "switch", "waiting")

    def __init__(
        self,
        config: TaskConfig,
        courses: tuple[Course, ...],
        paths: tuple[PathConfig, ...],
        switch: MapSwitch,
    ) -> None:
        self.config, self.courses, self.paths, self.switch = config, courses, paths, switch
        self.fuses = next((path.name for path in paths if path.fuse is not None), "")
        self.active = 0
        self.waiting: Frame | None = None


class Attempt:
    """A frame on one route. Where two attempts share steps, the frame knows them once.

    Attributes:
        chart: The route as the vehicle sees it.
        way: How far the frame got on it.
        hurries: Whether a frame of the route can be in time; where none can, all run and are late.
        elsewhere: Stamps that another site made.
        nonce: Number of its request; 0 where nothing was asked of a cloud.
        sent_ns: When that was sent, run time.
        bytes_up: Payload bytes that crossed upward.
        bytes_down: Payload bytes that came back.
        modelled_ns: Modelled time elsewhere and on the way.
        overrun: Whether something had to be computed meanwhile elsewhere.
        seen_cloud: Whether a cloud has answered.
        dead: Whether nothing will come of it any more.
        account: What its way has taken, once it has answered.
    """

    __slots__ = (
        "account",
        "bytes_down",
        "bytes_up",
        "chart",
        "dead",
        "elsewhere",
        "hurries",
        "modelled_ns",
        "nonce",
        "overrun",
        "seen_cloud",
        "sent_ns",
        "way",
    )

    def __init__(self, chart: Chart, time_ns: int) -> None:
        self.chart = chart
        self.way = Itinerary(chart)
        self.hurries = chart.predicted_ns <= time_ns
        self.elsewhere: dict[str, int] = {}
        self.nonce = self.sent_ns = self.bytes_up = self.bytes_down = self.modelled_ns = 0
        self.overrun = self.seen_cloud = self.dead = False
        self.account: Account | None = None


class Frame:
    """A frame of one task that is waiting or under way.

    Attributes:
        task: Its task.
        offer: How it came.
        key: Name of the task and number of the frame.
        name: The same in a word, as timers and notes have it.
        came_ns: When it came, run time.
        paths: Paths that are still without a fate.
        deadline_at_ns: The earliest of their deadlines, run time.
        expires_at_ns: The last of them.
        time_ns: From when it was due to then.
        admitted_ns: When it was admitted; -1 before.
        planned: The route that the plan wanted.
        first: The route that it began with.
        hedge: Its second route, as long as that may still be started.
        hedge_chart: The same as the vehicle sees it.
        hedge_at_ns: When the hedge's timer runs out.
        second: The second route, once it has begun.
        holds: Whether it holds one of the task's places in flight.
        answer: Which of the two gave the answer.
        answered_ns: When the answer was sent to the consumer.
        improved: Whether a better one followed.
        goes_at_ns: When the second route's answer is let go at the latest, run time; 0 for at once.
        kept_back: Whether that answer is there and waits.
        awaited: Whether a deadline timer is set.
        outputs: Per step that is over its output, those that came from a cloud included.
        done: Per step that is over at this site how it ran.
        over: The set of those, a bit each.
        submitted: The set of steps that were given to a device, likewise.
        inputs: Refs of what its first step reads.
        kept: Refs that fused paths still need.
        partial: Whether a part of its set is missing.
    """

    __slots__ = (
        "admitted_ns",
        "answer",
        "answered_ns",
        "awaited",
        "came_ns",
        "deadline_at_ns",
        "done",
        "expires_at_ns",
        "first",
        "goes_at_ns",
        "hedge",
        "hedge_at_ns",
        "hedge_chart",
        "holds",
        "improved",
        "inputs",
        "kept",
        "kept_back",
        "key",
        "name",
        "offer",
        "outputs",
        "over",
        "partial",
        "paths",
        "planned",
        "second",
        "submitted",
        "task",
        "time_ns",
    )

    def __init__(
        self, task: TaskState, offer: FrameOffered, paths: list[Open], came_ns: int
    ) -> None:
        self.task, self.offer, self.paths, self.came_ns = task, offer, paths, came_ns
        self.key = (task.config.name, offer.frame)
        self.name = f"{task.config.name}/{offer.frame}"
        self.deadline_at_ns = self.expires_at_ns = paths[0].deadline_at_ns
        if len(paths) > 1:
            ends_ns = [opened.deadline_at_ns for opened in paths]
            self.deadline_at_ns, self.expires_at_ns = min(ends_ns), max(ends_ns)
        self.time_ns = self.expires_at_ns - offer.scheduled_ns
        self.admitted_ns = -1
        self.planned: Chart | None = None
        self.first: Attempt | None = None
        self.hedge: Hedge | None = None
        self.hedge_chart: Chart | None = None
        self.hedge_at_ns = self.answered_ns = self.goes_at_ns = 0
        self.second: Attempt | None = None
        self.answer: Attempt | None = None
        self.holds = self.improved = self.awaited = self.partial = self.kept_back = False
        self.outputs: dict[int, Output] = {}
        self.done: dict[int, JobDone] = {}
        self.over = self.submitted = 0
        self.inputs: tuple[str, ...] = (offer.ref,)
        self.kept: tuple[str, ...] = ()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Attempts that something may still come of."""
        first, second = self.first, self.second
        if second is None:  # nearly always
            return () if first is None or first.dead else (first,)
        return tuple([a for a in (first, second) if a is not None and not a.dead])

    def refs_after(self, after: tuple[int, ...]) -> tuple[str, ...]:
        """What a step reads that comes after these; the frame's own inputs after none."""
        if len(after) == 1:  # nearly always
            return (self.outputs[after[0]].ref,)
        return tuple([self.outputs[i].ref for i in after]) or self.inputs

    def bytes_after(self, after: tuple[int, ...]) -> int:
        """Payload bytes that a step hands on: those of the steps it comes after."""
        if len(after) == 1:
            return self.outputs[after[0]].bytes
        return sum([self.outputs[i].bytes for i in after])


class Account:
    """What a frame's way on one route has taken.

    Attributes:
        stamps: Ends of the spans that it passed, run time in ns; shared by all that tell of it, and
            changed by none.
        modelled_ns: The part of the time that was modelled.
        overrun: Whether something had to be computed meanwhile.
    """

    __slots__ = ("modelled_ns", "overrun", "stamps")

    def __init__(self, frame: Frame, attempt: Attempt | None) -> None:
        """How far a frame has got; without a route that it came.

        A device's wait is all the time before its span's end in which it did not run this frame,
        so that a hedge's wait for its timer counts as waiting.
        """
        stamps = self.stamps = {"source": frame.came_ns}
        if frame.admitted_ns > frame.came_ns:
            stamps["admitted"] = frame.admitted_ns
        if attempt is None:
            self.modelled_ns, self.overrun = 0, False
            return
        modelled_ns, overrun, done = attempt.modelled_ns, attempt.overrun, frame.done
        ran_ns: dict[str, int] = {}
        for index, span, runs in attempt.chart.local:
            step = done.get(index)
            if step is None:
                continue
            ended_ns = stamps[span] = step.ended_ns
            if runs:
                length_ns = ended_ns - step.began_ns
                ran_ns[span] = ran_ns[span] + length_ns if span in ran_ns else length_ns
            modelled_ns += step.modelled_ns
            overrun = overrun or step.overrun
        for span, length_ns in ran_ns.items():
            stamps[f"{span}_wait"] = stamps[span] - length_ns
        stamps.update(attempt.elsewhere)
        self.modelled_ns, self.overrun = modelled_ns, overrun


def account_of(frame: Frame, attempt: Attempt | None) -> Account:
    """The account of an attempt; once it has answered, nothing is added to it."""
    if attempt is None or attempt is not frame.answer:
        return Account(frame, attempt)
    if attempt.account is None:
        attempt.account = Account(frame, attempt)
    return attempt.account


def row_of(frame: Frame, opened: Open, fate: Fate, cause: str) -> Row:
    """The row of a path's frame: that of its answer, else of how far its first route got."""
    offer, planned, first = frame.offer, frame.planned, frame.first
    attempt = frame.answer or first
    delivered = fate in ("cloud", "edge")
    if delivered and frame.answered_ns > opened.deadline_at_ns:
        fate = "late"
    account = account_of(frame, attempt)
    route = None if attempt is None or not delivered else attempt.chart.route
    return Row(
        opened.path.name,
        offer.frame,
        offer.content,
        offer.scheduled_ns,
        opened.deadline_at_ns,
        fate,
        cause,
        "" if planned is None else planned.route.id,
        "" if route is None else route.id,
        "" if route is None else route.variant,
        stamps=account.stamps,
        modelled_ns=account.modelled_ns,
        bytes_up=0 if first is None else first.bytes_up,
        bytes_down=0 if first is None else first.bytes_down,
        overrun=account.overrun,
        route_improved=first.chart.route.id if frame.improved and first is not None else "",
        partial=frame.partial,
    )


def part_of(frame: Frame, attempt: Attempt, at_ns: int) -> Part:
    """An answered frame as a part of fused paths."""
    (source,) = attempt.chart.steps[attempt.chart.last].after
    planned = frame.planned
    part = Part(frame.outputs[source].ref, "cloud" if attempt.seen_cloud else "edge", "", at_ns)
    part.cloud = attempt.seen_cloud
    part.fallback = planned is not None and planned.route.id != attempt.chart.route.id
    account = account_of(frame, attempt)
    part.stamps, part.modelled_ns, part.overrun = (
        account.stamps,
        account.modelled_ns,
        account.overrun,
    )
    if frame.first is not None:
        part.bytes_up, part.bytes_down = frame.first.bytes_up, frame.first.bytes_down
    return part


def fused_attempt(chart: Chart, parts: Sequence[Part], time_ns: int, at_ns: int) -> Attempt:
    """The way of a set from here on, with its anchor's way up to here.

    It counts as from the cloud if any part came from there and none was a fallback.
    """
    attempt = Attempt(chart, time_ns)
    attempt.elsewhere = {**parts[0].stamps, "fuse_wait": at_ns}
    attempt.modelled_ns = parts[0].modelled_ns
    attempt.overrun = any(part.overrun for part in parts)
    attempt.bytes_up = sum(part.bytes_up for part in parts)
    attempt.bytes_down = sum(part.bytes_down for part in parts)
    fallback = any(part.fallback for part in parts)
    attempt.seen_cloud = not fallback and any(part.cloud for part in parts)
    return attempt
