"""Choosing: candidates are measured on calibration pictures, priced, ranked and explained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import PlanError
from pipeline.graph import segment_work
from pipeline.plan.plan import Candidate, TaskPlan
from pipeline.plan.routes import route_name
from pipeline.plan.steps import Host, Run
from pipeline.planner.candidates import drafts, with_bytes
from pipeline.planner.explaining import explain, why
from pipeline.planner.layers import layers_of
from pipeline.planner.measuring import Measure
from pipeline.planner.percentiles import latency_at
from pipeline.planner.pricing import link_spread_ns, route_label
from pipeline.planner.segments import segments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from accelerators.work import SegmentWork
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.candidates import Draft, Subject
    from pipeline.planner.measuring import Measured
    from pipeline.planner.pricing import World
    from pipeline.runtime.results import ResultCache
    from pipeline.runtime.spec import SegmentSpec

    Array = NDArray[np.generic[object]]

# A candidate may agree this much less with the reference than the best feasible one and still
# win by being faster: two points of box F1 or mask IoU.
AGREEMENT_SLACK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the scenario asks of a task's plan.

    Attributes:
        allowed: Names of allowed routes; `auto` allows every one, `split@NODE` that cut.
        deadline_ns: Shortest deadline of the task's paths.
        period_ns: Time between two frames that the task takes.
        frame_bytes: Size of a picture, for its hop to the vehicle.
        percentile: Percentile that latencies are predicted at.
    """

    allowed: tuple[str, ...]
    deadline_ns: int
    period_ns: int
    frame_bytes: int
    percentile: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A task's plan and the files of the route that runs.

    Attributes:
        plan: The plan.
        segments: Segments of the route that runs.
        subject: The task as it was planned, results measured.
        drafts: What each candidate was made from, in their order.
        world: What it was priced against.
        deadline_ns: The task's shortest deadline.
        source_ns: Predicted time until a frame is at the vehicle.
    """

    plan: TaskPlan
    segments: tuple[SegmentSpec, ...]
    subject: Subject
    drafts: tuple[Draft, ...]
    world: World
    deadline_ns: int
    source_ns: int

    def works(self, segment: str) -> SegmentWork:
        """Work of a segment of a candidate, by its name.

        Raises:
            KeyError: No candidate has it.
        """
        for draft in self.drafts:
            for part in draft.parts:
                if part.segment == segment:
                    return segment_work(self.subject.graph, part.operators, segment)
        raise KeyError(segment)


def plan_task(
    subject: Subject,
    world: World,
    wishes: Wishes,
    *,
    pictures: Sequence[Array],
    quantiles: Mapping[str, tuple[int, ...]],
    cache: ResultCache,
    directory: Path,
    now_ns: Callable[[], int],
) -> Planned:
    """Price every candidate of a task and choose one.

    Args:
        subject: The task; its `result_bytes` is measured here.
        world: What to price against.
        wishes: What the scenario asks.
        pictures: Data of a few frames: pixels or points, as `runtime.samples` has them.
        quantiles: Quantile tables by name.
        cache: Where results of segments are kept.
        directory: Where cut models are written.
        now_ns: A monotonic clock for the backend.

    Raises:
        PlanError: No candidate is allowed.
        PipelineError: A candidate's calibration failed.
    """
    pins = tuple(r.partition("@")[2] for r in wishes.allowed if r.startswith("split@"))
    measure = Measure(subject, pictures, cache=cache, directory=directory, now_ns=now_ns)
    try:
        whole = drafts(subject, world)[0]
        reference, sizes = measure.reference(whole)
        subject = replace(subject, pins=pins, result_bytes=sizes)
        found: dict[str, tuple[Draft, Candidate]] = {}
        for draft in drafts(subject, world):
            if draft.route.id in found and draft.pin is None:
                continue
            measured = measure.of(draft, reference)
            sized = with_bytes(draft, world, measured.up_bytes, measured.down_bytes)
            candidate = _candidate(sized, world, wishes, quantiles, measured)
            found[draft.route.id] = (draft, candidate)
    finally:
        measure.close()
    candidates = [candidate for _, candidate in found.values()]
    chosen, run = _choose(candidates, subject.task.name, wishes)
    reference_index = run if chosen is None else chosen
    candidates = [
        msgspec.structs.replace(c, why=why(c, candidates[reference_index], wishes.deadline_ns))
        for c in candidates
    ]
    plan = TaskPlan(
        task=subject.task.name,
        candidates=tuple(candidates),
        chosen=chosen,
        run=run,
        explanation=explain(candidates, chosen, run, world.link_late, wishes),
        layers=layers_of(subject.graph, list(found.values())[run][0], world),
    )
    made = tuple(
        msgspec.structs.replace(draft, route=candidate.route) for draft, candidate in found.values()
    )
    return Planned(
        plan=plan,
        segments=tuple(segments_of(subject, made[run], directory)),
        subject=subject,
        drafts=made,
        world=world,
        deadline_ns=wishes.deadline_ns,
        source_ns=world.vehicle_host.hop_ns(message_bytes=wishes.frame_bytes),
    )


def _candidate(
    draft: Draft,
    world: World,
    wishes: Wishes,
    quantiles: Mapping[str, tuple[int, ...]],
    measured: Measured,
) -> Candidate:
    route, host = draft.route, world.vehicle_host
    source_ns = host.hop_ns(message_bytes=wishes.frame_bytes)
    deliver_ns = host.hop_ns(message_bytes=measured.down_bytes)
    extra_ns = source_ns + deliver_ns + link_spread_ns(world, route.steps)

    def at(bias: int | None) -> int:
        return latency_at(
            route.steps, quantiles, percentile=wishes.percentile, extra_ns=extra_ns, bias=bias
        )

    spans = {"source": source_ns}
    for step in route.steps:
        span, hop_ns = step.span, host.hop_ns(message_bytes=step.bytes)
        spans[span] = spans.get(span, 0) + step.latency_ns
        if span in ("uplink", "downlink"):  # the hop into the relay ends with the wait there
            spans[f"{span}_wait"] = hop_ns
            spans[span] -= hop_ns
    spans["deliver"] = spans.get("deliver", 0) + deliver_ns
    latency_ns, interval_ns = at(None), (at(0), at(1))
    name = route_name(tuple(step.step for step in route.steps), world.sites)
    busiest = max(_busy(route.steps, world), default=("", 0), key=lambda pair: pair[1])
    keeps_pace = busiest[1] <= wishes.period_ns
    energies = [step.energy_pj for step in route.steps if isinstance(step.step, Run)]
    return Candidate(
        name=name,
        pin=draft.pin,
        route=route,
        cut=draft.cut,
        codecs=draft.codecs,
        latency_ns=latency_ns,
        interval_ns=interval_ns,
        spans=spans,
        bytes_up=measured.up_bytes,
        bytes_down=measured.down_bytes,
        energy_pj=None if None in energies else sum(e for e in energies if e is not None),
        agreement=measured.agreement,
        label=route_label(route.steps),
        feasible=keeps_pace and latency_ns <= wishes.deadline_ns,
        robust=keeps_pace and interval_ns[1] <= wishes.deadline_ns,
        allowed=_allowed(name, draft.pin, wishes.allowed),
        why="" if keeps_pace else f"{busiest[0]} is busy longer than a frame's period",
    )


def _busy(steps: Sequence[RouteStep], world: World) -> list[tuple[str, int]]:
    """How long a frame keeps each device and each direction of the link busy, in ns."""
    busy: dict[str, int] = {}
    for step in steps:
        if step.span in ("edge", "cloud") and not isinstance(step.step, Host):
            name = world.sites.device_of(step.step)
            slots = world.placed[name].slots if isinstance(step.step, Run) else 1
            busy[name] = busy.get(name, 0) + step.latency_ns // slots
        elif step.span == "uplink":
            busy["the uplink"] = world.link.serial_ns(step.bytes, "up")
        elif step.span == "downlink":
            busy["the downlink"] = world.link.serial_ns(step.bytes, "down")
    return list(busy.items())


def _allowed(name: str, pin: str | None, allowed: Sequence[str]) -> bool:
    return "auto" in allowed or name in allowed or (pin is not None and pin in allowed)


def _choose(candidates: Sequence[Candidate], task: str, wishes: Wishes) -> tuple[int | None, int]:
    """The chosen candidate, and the one that runs; the same unless no allowed one is feasible."""
    allowed = [i for i, candidate in enumerate(candidates) if candidate.allowed]
    if not allowed:
        raise PlanError(
            f"tasks.{task}.route: no candidate is {' or '.join(wishes.allowed)}; there are "
            f"{', '.join(sorted({c.name for c in candidates}))}"
        )
    fastest = min(allowed, key=lambda i: candidates[i].latency_ns)
    feasible = [i for i in allowed if candidates[i].feasible]
    if not feasible:
        return None, fastest
    best = max(candidates[i].agreement or 0.0 for i in feasible)
    good = [i for i in feasible if (candidates[i].agreement or 0.0) >= best - AGREEMENT_SLACK]
    chosen = min(good, key=lambda i: (candidates[i].latency_ns, candidates[i].bytes_up))
    return chosen, chosen
