"""The second route of a task's frames: built beside the first, and timed for its deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from pipeline.graph import segment_work
from pipeline.plan.routes import Route, RouteStep
from pipeline.plan.steps import Host, Run
from pipeline.planner.candidates import whole_draft
from pipeline.planner.parts import named
from pipeline.planner.percentiles import latency_at
from pipeline.planner.pricing import run_step
from pipeline.planner.sampling import idle_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.planner.candidates import Draft
    from pipeline.planner.parts import Part
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject
    from pipeline.runtime.core.config import HedgeStart

SURE = 99.9
"""Percentile that a hedge's own time is reckoned with, in percent."""

_HIGH = 1  # the 90 % quantile of the devices' bias
_SPARED = 10  # part of a deadline that is left for delivering at least, a tenth (assumed): a live
# host has other work just then, and an answer that was kept back has no second chance


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeRule:
    """When a scenario has hedges start.

    Attributes:
        start: `latest`, `at-once`, `cost-based`, or another word where `before_ns` says when.
        before_ns: How long before the deadline; None where `start` names the moment.
        margin_ns: To spare before the deadline.
        edge_cost: Of `cost-based`: cost of a run in the car over that of a miss, 0 to 1.
        waits: Whether a hedge's answer waits for the cloud's as long as it can.
    """

    start: str
    before_ns: int | None
    margin_ns: int
    edge_cost: float
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeTiming:
    """When a hedge starts and how long it takes, in ns; moments count from the scheduled time.

    Attributes:
        start: What the core is told.
        after_ns: Start of `after`.
        start_ns: When it starts, at the task's shortest deadline.
        latest_ns: Latest safe start; below 0 where there is none.
        length_ns: What is left of it once the shared steps are over.
        device_ns: Part of that which holds the device.
        blocking_ns: Longest job that may stand before it.
        kept_ns: How long before the deadline its answer goes at the latest; 0 where it never waits.
    """

    start: HedgeStart
    after_ns: int
    start_ns: int
    latest_ns: int
    length_ns: int
    device_ns: int
    blocking_ns: int
    kept_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeDraft:
    """A hedge's route beside the route that it covers.

    Attributes:
        route: The hedge's route; its first `shared` steps are the covered route's.
        shared: How many.
        draft: What its segments are made from.
    """

    route: Route
    shared: int
    draft: Draft

    @property
    def parts(self) -> tuple[Part, ...]:
        """Segments that only the hedge runs."""
        return self.draft.parts[-1:] if self.shared else self.draft.parts

    @property
    def chain(self) -> Draft:
        """The hedge from frame to result by itself, with all segments that it comes from."""
        return replace(self.draft, route=self.route, cut=(), codecs=())

    @property
    def own(self) -> tuple[RouteStep, ...]:
        """Steps that only the hedge has; `after` counts in its own route."""
        return self.route.steps[self.shared :]


def tail_hedge(subject: Subject, world: World, covered: Draft) -> HedgeDraft | None:
    """The frame's own network finished in the car; None where the route stays there anyway.

    Of a split it runs what the cloud would have run, on the tensors that the head has made. Of a
    route that sends the frame it is the whole network.
    """
    if not covered.cut:
        return None
    whole = whole_draft(subject, world)
    if not covered.head:
        marked = tuple(
            replace(step, variant=covered.route.steps[0].variant) for step in whole.route.steps
        )
        return HedgeDraft(route=replace(whole.route, steps=marked), shared=0, draft=whole)
    shared = next(
        i for i, s in enumerate(covered.route.steps) if isinstance(s.step, Host) and i > 0
    )  # up to `pack`
    edge_tail, draft = _on_edge(subject, world, covered)
    named_after = covered.route.steps[0].variant  # of a further variant of the ladder
    behind = whole.route.steps[-2:]  # post in the car, deliver at the consumer
    own = [
        replace(step, after=(shared + index - 1,), variant=named_after)
        for index, step in enumerate((edge_tail, *behind))
    ]
    route = Route(
        id=f"{covered.route.id}t",
        task=covered.route.task,
        variant=covered.route.variant,
        model=covered.route.model,
        steps=(*covered.route.steps[:shared], *own),
    )
    return HedgeDraft(route=route, shared=shared, draft=draft)


def variant_hedge(subject: Subject, world: World) -> HedgeDraft:
    """Another model of the task's ladder, whole in the car."""
    whole = whole_draft(subject, world)
    named = tuple(replace(step, variant=subject.variant) for step in whole.route.steps)
    return HedgeDraft(route=replace(whole.route, steps=named), shared=0, draft=whole)


def _on_edge(subject: Subject, world: World, covered: Draft) -> tuple[RouteStep, Draft]:
    """What the cloud would have run as one segment in the car, and the draft that has its file."""
    everything = frozenset(range(len(subject.graph.operators)))
    near = [
        (part.device, part.operators) for part in covered.parts if part.operators <= covered.head
    ]
    chain = [*near, (world.edge.name, everything - covered.head)]
    base = f"{subject.task.name}/{subject.variant}"
    parts = tuple(named(base, len(everything), chain, subject.tags))
    tail = parts[-1]
    work = segment_work(subject.graph, tail.operators, tail.segment)
    draft = replace(covered, parts=parts)
    return run_step(world, tail.segment, work, world.edge), draft


def left_ns(
    hedge: HedgeDraft, world: World, quantiles: Mapping[str, tuple[int, ...]], result_bytes: int
) -> tuple[int, int]:
    """What is left of a hedge once the shared steps are over, and the device's part of it, in ns.

    At the 99.9 % quantile of the jitter and the 90 % quantile of the devices' bias, the hop to the
    consumer included.
    """
    hop_ns = world.vehicle_host.hop_ns(message_bytes=result_bytes, kind="result")
    on_device = [step for step in hedge.own if isinstance(step.step, Run)]

    def at(steps: Sequence[RouteStep], extra_ns: int) -> int:
        return latency_at(steps, quantiles, percentile=SURE, extra_ns=extra_ns, bias=_HIGH)

    return at(hedge.own, 2 * hop_ns), at(on_device, 0)


def longest_ns(
    steps: Sequence[RouteStep], device: str, quantiles: Mapping[str, tuple[int, ...]]
) -> int:
    """The longest job that may hold a device, at the same quantiles; 0 where it has none."""
    return max(
        [
            latency_at([step], quantiles, percentile=SURE, bias=_HIGH)
            for step in steps
            if isinstance(step.step, Run) and step.step.device == device
        ],
        default=0,
    )


def timing_of(
    hedge: HedgeDraft,
    covered: Route,
    rule: HedgeRule,
    world: World,
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    deadline_ns: int,
    source_ns: int,
    result_bytes: int,
    blocking_ns: int,
) -> HedgeTiming:
    """When a hedge starts, and how long it and what may stand before it take.

    Args:
        hedge: The hedge.
        covered: The route that crosses.
        rule: When the scenario has hedges start.
        world: What both are priced against.
        quantiles: Quantile tables by name.
        deadline_ns: The task's shortest deadline.
        source_ns: Time until the frame is at the vehicle.
        result_bytes: Size of the result, for its hops.
        blocking_ns: Longest job that may hold the device when the timer runs out.
    """
    length_ns, device_ns = left_ns(hedge, world, quantiles, result_bytes)
    latest_ns = deadline_ns - length_ns - blocking_ns - rule.margin_ns
    start: HedgeStart = "after"
    after_ns = 0
    if rule.start == "at-once":
        start = "at-once"
    elif rule.before_ns is not None:
        after_ns = deadline_ns - rule.before_ns
    elif rule.start == "cost-based":
        sample = idle_ns(world, covered.steps, quantiles, extra_ns=source_ns)
        after_ns = _worth_ns(sample, deadline_ns, max(0, latest_ns), rule.edge_cost)
    else:
        start = "latest"
    wanted_ns = latest_ns if start == "latest" else after_ns
    return HedgeTiming(
        start=start,
        after_ns=after_ns,
        start_ns=max(0, min(wanted_ns, latest_ns)),
        latest_ns=latest_ns,
        length_ns=length_ns,
        device_ns=device_ns,
        blocking_ns=blocking_ns,
        kept_ns=_kept_ns(hedge, rule, world, quantiles, deadline_ns, result_bytes)
        if rule.waits
        else 0,
    )


def _kept_ns(
    hedge: HedgeDraft,
    rule: HedgeRule,
    world: World,
    quantiles: Mapping[str, tuple[int, ...]],
    deadline_ns: int,
    result_bytes: int,
) -> int:
    """How long before the deadline an answer has to go to be delivered in time."""
    hop_ns = world.vehicle_host.hop_ns(message_bytes=result_bytes, kind="result")
    deliver = hedge.route.steps[-1:]
    needed_ns = latency_at(deliver, quantiles, percentile=SURE, extra_ns=2 * hop_ns, bias=_HIGH)
    return max(needed_ns + rule.margin_ns, deadline_ns // _SPARED)


def _worth_ns(times: NDArray[np.int64], deadline_ns: int, latest_ns: int, ratio: float) -> int:
    """First start at which a hedge is worth its cost, from the scheduled time, in ns.

    That is the first `t` up to the latest safe start with Pr(the cloud is later than the deadline |
    it has not answered at t) above the cost of an edge run over that of a miss.

    Args:
        times: The cloud's answers, as the plan has them on an idle system: the steps' jitter and
            the link's own spread; ascending.
        deadline_ns: The task's shortest deadline.
        latest_ns: Latest safe start.
        ratio: Cost of an edge run over that of a miss, 0 to 1.
    """
    late = int((times > deadline_ns).sum())
    if late == 0:
        return latest_ns
    open_at = len(times) - np.searchsorted(times, times, side="right")
    worth = late > ratio * np.maximum(open_at, 1)
    first = int(times[int(np.argmax(worth))]) if bool(worth.any()) else latest_ns
    return max(0, min(first, latest_ns))
