"""The second route of a task's frames: built beside the first, and timed for its deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from pipeline.graph import segment_work
from pipeline.link.pricing import LinkQuote
from pipeline.plan.routes import Route, RouteStep
from pipeline.plan.steps import Host, Move, Run
from pipeline.planner.candidates import drafts
from pipeline.planner.parts import named
from pipeline.planner.percentiles import latency_at, samples_ns
from pipeline.planner.pricing import run_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.link.model import LinkConfig
    from pipeline.planner.candidates import Draft
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject

SURE = 99.9
"""Percentile that a hedge's own time is reckoned with, in percent."""

_LEVELS = 40  # quantiles of the link that stand for its spread
_HIGH = 1  # the 90 % quantile of the devices' bias


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
    whole = drafts(subject, world)[0]
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
    whole = drafts(subject, world)[0]
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
    hop_ns = world.vehicle_host.hop_ns(message_bytes=result_bytes)
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


def cost_based_ns(
    covered: Route,
    link: LinkConfig,
    quantiles: Mapping[str, tuple[int, ...]],
    *,
    task: str,
    source_ns: int,
    deadline_ns: int,
    latest_ns: int,
    ratio: float,
) -> int:
    """First start at which a hedge is worth its cost, from the scheduled time, in ns.

    That is the first `t` up to the latest safe start with Pr(the cloud is later than the deadline |
    it has not answered at t) above the cost of an edge run over that of a miss. The cloud's time is
    that of the plan on an idle system: the steps' jitter and the link's own spread.

    Args:
        covered: The route that crosses.
        link: The link.
        quantiles: Quantile tables by name.
        task: Name of the task, for its share of the link.
        source_ns: Time until the frame is at the vehicle.
        deadline_ns: The task's shortest deadline.
        latest_ns: Latest safe start.
        ratio: Cost of an edge run over that of a miss, 0 to 1.
    """
    total = samples_ns(covered.steps, quantiles) + source_ns
    levels = [(2 * level + 1) * 50.0 / _LEVELS for level in range(_LEVELS)]
    median = LinkQuote(link, task=task)
    moves = [s for s in covered.steps if isinstance(s.step, Move) and s.span.endswith("link")]
    spread = []
    for level in levels:
        quote = LinkQuote(link, percentile=level, task=task)
        spread.append(
            sum(
                quote.transfer_ns(step.bytes, way) - median.transfer_ns(step.bytes, way)
                for step in moves
                for way in (("down",) if step.span == "downlink" else ("up",))
            )
        )
    times = np.sort((total[:, None] + np.array(spread, np.int64)[None, :]).reshape(-1))
    late = int((times > deadline_ns).sum())
    if late == 0:
        return latest_ns
    open_at = len(times) - np.searchsorted(times, times, side="right")
    worth = late > ratio * np.maximum(open_at, 1)
    first = int(times[int(np.argmax(worth))]) if bool(worth.any()) else latest_ns
    return max(0, min(first, latest_ns))
