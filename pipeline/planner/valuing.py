"""A draft with its figures: what it takes, what it loads, and which constraints it breaks."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from pipeline.graph import segment_work
from pipeline.link.model import message_bytes
from pipeline.plan.plan import Broken, Candidate
from pipeline.plan.routes import route_name
from pipeline.plan.steps import Host, Run
from pipeline.planner.aging import quantiles_of
from pipeline.planner.limits import held_bytes, load_ns
from pipeline.planner.percentiles import latency_at
from pipeline.planner.pricing import CARRIES, link_spread_ns, route_label
from pipeline.planner.sampling import idle_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.link.model import Direction
    from pipeline.plan.routes import RouteStep
    from pipeline.planner.candidates import Draft
    from pipeline.planner.measuring import Measured
    from pipeline.planner.planning import Wishes
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject

_PPM = 1_000_000
_NS_PER_S = 1_000_000_000


def value(
    subject: Subject,
    draft: Draft,
    world: World,
    wishes: Wishes,
    quantiles: Mapping[str, tuple[int, ...]],
    measured: Measured,
) -> Candidate:
    """Price a draft whose bytes are measured, and hold it against what is wished."""
    route, host = draft.route, world.vehicle_host
    source_ns = host.hop_ns(message_bytes=wishes.frame_bytes, kind="frame")
    deliver_ns = host.hop_ns(message_bytes=measured.down_bytes, kind="result")
    extra_ns = source_ns + deliver_ns + link_spread_ns(world, route.steps)

    def at(bias: int | None) -> int:
        return latency_at(
            route.steps, quantiles, percentile=wishes.percentile, extra_ns=extra_ns, bias=bias
        )

    latency_ns, interval_ns = at(None), (at(0), at(1))
    name = route_name(tuple(step.step for step in route.steps), world.sites)
    held = held_bytes(subject.graph, draft.parts, world)
    broken = (
        *too_late(latency_ns, wishes),
        *too_slow(route.steps, world, wishes),
        *too_unlike(measured.agreement, wishes),
        *too_full(held, world),
        *_shown(draft, subject),
    )
    energies = [step.energy_pj for step in route.steps if isinstance(step.step, Run)]
    fallen = _fallen(subject, draft, world)
    sample = idle_ns(world, route.steps, quantiles, extra_ns=source_ns + deliver_ns)
    return Candidate(
        name=name,
        pin=draft.pin,
        route=route,
        cut=draft.cut,
        codecs=draft.codecs,
        latency_ns=latency_ns,
        interval_ns=interval_ns,
        spans=_spans(route.steps, world, source_ns, deliver_ns),
        bytes_up=measured.up_bytes,
        bytes_down=measured.down_bytes,
        energy_pj=None if None in energies else sum(e for e in energies if e is not None),
        agreement=measured.agreement,
        label=route_label(route.steps),
        feasible=not broken,
        robust=interval_ns[1] <= wishes.deadline_ns
        and all(one.constraint == "deadline" for one in broken),
        allowed=_allowed(name, draft.pin, wishes.allowed),
        why="; ".join(one.text for one in broken if one.constraint != "deadline"),
        edge_ns=_held_ns(route.steps, "edge"),
        cloud_ns=_held_ns(route.steps, "cloud"),
        load_ns=load_ns(subject.graph, draft.parts, world),
        memory=held,
        fallbacks=len(fallen),
        fallback_ns=sum(fallen),
        sizes="modelled" if subject.timing_only else "measured",
        broken=broken,
        gap=draft.gap,
        median_ns=latency_at(
            route.steps, quantiles, percentile=50.0, extra_ns=source_ns + deliver_ns
        ),
        mean_ns=int(sample.mean()),
        in_time=float(np.mean(sample <= wishes.deadline_ns)),
        left=wishes.aging.of(sample),
        times_ns=quantiles_of(sample),
    )


def _spans(
    steps: Sequence[RouteStep], world: World, source_ns: int, deliver_ns: int
) -> dict[str, int]:
    spans = {"source": source_ns}
    for step in steps:
        span = step.span
        spans[span] = spans.get(span, 0) + step.latency_ns
        if span in CARRIES:  # the hop into the relay ends with the wait there
            hop_ns = world.vehicle_host.hop_ns(message_bytes=step.bytes, kind=CARRIES[span])
            spans[f"{span}_wait"] = hop_ns
            spans[span] -= hop_ns
    spans["deliver"] = spans.get("deliver", 0) + deliver_ns
    return spans


def _held_ns(steps: Sequence[RouteStep], span: str) -> int:
    return sum(s.latency_ns for s in steps if s.span == span and isinstance(s.step, Run))


# -- constraints -----------------------------------------------------------------------------------


def too_late(latency_ns: int, wishes: Wishes) -> Iterator[Broken]:
    """Whether a latency at the percentile is above the deadline."""
    if latency_ns > wishes.deadline_ns:
        late_ms = (latency_ns - wishes.deadline_ns) / 1e6
        text = f"misses {wishes.deadline_ns / 1e6:g} ms by {late_ms:.1f} ms"
        yield Broken(constraint="deadline", subject="", needed=latency_ns, text=text)


def too_slow(
    steps: Sequence[RouteStep],
    world: World,
    wishes: Wishes,
    more_ns: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Broken]:
    """What is busy longer with a frame than the time between two.

    Args:
        steps: The route.
        world: What it is priced against.
        wishes: What the scenario asks.
        more_ns: What else a frame takes of a device on the average, by device.
    """
    ways: tuple[tuple[str, Direction], ...] = (("uplink", "up"), ("downlink", "down"))
    busy = {name: ns // world.placed[name].slots for name, ns in more_ns.items()}
    for step in steps:
        for span, way in ways:
            if step.span != span:
                continue
            serial_ns = world.link.serial_ns(step.bytes, way)
            if serial_ns > wishes.period_ns:
                bits = 8 * message_bytes(step.bytes)
                yield Broken(
                    constraint="uplink" if way == "up" else "downlink",
                    subject="",
                    needed=-(-bits * _NS_PER_S // wishes.period_ns),
                    text=f"the {span} is busy longer than a frame's period",
                )
        if step.span in ("edge", "cloud") and not isinstance(step.step, Host):
            name = world.sites.device_of(step.step)
            slots = world.placed[name].slots if isinstance(step.step, Run) else 1
            busy[name] = busy.get(name, 0) + step.latency_ns // slots
    for name, busy_ns in busy.items():
        if busy_ns > wishes.period_ns:
            text = f"{name} is busy longer than a frame's period"
            yield Broken(constraint="device", subject=name, needed=busy_ns, text=text)


def too_unlike(agreement: float | None, wishes: Wishes) -> Iterator[Broken]:
    """Whether an agreement is below the floor."""
    floor = wishes.min_agreement
    if floor is not None and agreement is not None and agreement < floor:
        text = f"agrees {agreement:.3f}, `min_agreement` is {floor:.3f}"
        needed = int(agreement * _PPM)
        yield Broken(constraint="agreement", subject="", needed=needed, text=text)


def too_full(held: Mapping[str, int], world: World) -> Iterator[Broken]:
    """Devices that have less memory than is needed on them."""
    for name, size in held.items():
        memory = world.placed[name].memory_bytes
        if memory is not None and size > memory:
            text = f"needs {size / 1e6:.1f} MB on {name}, which has {memory / 1e6:.1f} MB"
            yield Broken(constraint="memory", subject=name, needed=size, text=text)


def _shown(draft: Draft, subject: Subject) -> Iterator[Broken]:
    shows = [name for name in draft.cut if name in subject.stay]
    if shows:
        text = f"forbidden by `raw_pixels_stay`: {shows[0]} lies before the first layer at stride 8"
        yield Broken(constraint="pixels", subject="", needed=0, text=text)


def _allowed(name: str, pin: str | None, allowed: Sequence[str]) -> bool:
    return "auto" in allowed or name in allowed or (pin is not None and pin in allowed)


# -- beside the route itself -----------------------------------------------------------------------


def _fallen(subject: Subject, draft: Draft, world: World) -> list[int]:
    """Times of the operators that a device hands to its host, each with two copies."""
    found: list[int] = []
    for part in draft.parts:
        placed = world.placed[part.device]
        operators = [subject.graph.operators[index] for index in sorted(part.operators)]
        if all(placed.device.supports(operator.work) for operator in operators):
            continue
        if placed.device.kind != "npu":  # a memory's processor, or a package's NPU, is no host
            continue
        work = segment_work(subject.graph, part.operators, part.segment)
        cost = placed.device.price(work, batch=1, precision=placed.precision)
        found += [
            share.latency_ns
            for operator, share in zip(operators, cost.ops, strict=True)
            if not placed.device.supports(operator.work)
        ]
    return found


def mark_best(candidates: Sequence[Candidate]) -> list[bool]:
    """Which allowed candidates no other allowed one beats.

    Figures that some do not have are not compared. What privacy or memory rules out takes no part.

    Latency at the percentile, bytes up and down, energy, time in the cloud and expected agreement.
    """
    able = [c.allowed and not _ruled_out(c) for c in candidates]
    energies = [c.energy_pj for c, can in zip(candidates, able, strict=True) if can]
    costs = [
        (
            float(c.latency_ns),
            float(c.bytes_up + c.bytes_down),
            0.0 if None in energies else float(c.energy_pj or 0),
            float(c.cloud_ns),
            -(c.expected or 0.0),
        )
        for c in candidates
    ]

    def beaten(mine: tuple[float, ...]) -> bool:
        return any(
            all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine
            for other, can in zip(costs, able, strict=True)
            if can
        )

    return [can and not beaten(mine) for mine, can in zip(costs, able, strict=True)]


def _ruled_out(candidate: Candidate) -> bool:
    return any(one.constraint in ("memory", "pixels") for one in candidate.broken)
