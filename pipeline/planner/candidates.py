"""The candidates of one task: every route that competes, built as steps and priced."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from dataclasses import replace as dataclass_replace
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.graph import cut_tensors, head_from_node, segment_work
from pipeline.plan.routes import Route, RouteStep
from pipeline.plan.steps import Move
from pipeline.planner.coding import coding_parts, most_bytes
from pipeline.planner.heads import heads
from pipeline.planner.parts import Part, chunks, named
from pipeline.planner.pricing import World, bus_step, host_step, move_step, run_step
from pipeline.planner.siting import allowed, lost, moved_bytes, sited
from pipeline.planner.subjects import down_move, post_step
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.spec import PillarInput, TensorInput
from pipeline.runtime.stages import FRAME_CODECS
from pipeline.values import Value, to_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.graph.model import Graph
    from pipeline.planner.pricing import PlacedDevice
    from pipeline.planner.subjects import Subject

QUALITIES = (60, 80, 90)
DIVISORS = (1, 2)
"""What the sides of a picture that crosses whole are divided by."""
ENCODED = "jpeg:80"
"""What `encoded` means where one codec has to be named."""

_CHANNELS = 3


class Draft(Value, frozen=True, kw_only=True):
    """A route with what is needed to run it: the parts of the network in the order they run.

    Attributes:
        route: The steps, priced.
        head: Operators that run in the car: all, none or some of them.
        parts: The segments, those in the car first.
        cut: Tensors that cross upward.
        codecs: Codec of each.
        pin: What a scenario writes to force it, where one node names it.
        gap: How far the choice of devices inside a site may lie above the best, as a share.
    """

    route: Route
    head: frozenset[int]
    parts: tuple[Part, ...]
    cut: tuple[str, ...]
    codecs: tuple[str, ...]
    pin: str | None
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a candidate is before it is priced.

    Attributes:
        head: Operators that run in the car.
        cut: Tensors that cross upward.
        codecs: Codec of each.
        pin: What a scenario writes to force it, where one node names it.
    """

    head: frozenset[int]
    cut: tuple[str, ...]
    codecs: tuple[str, ...]
    pin: str | None


def drafts(subject: Subject, world: World) -> list[Draft]:
    """Every candidate: edge, raw, encoded, the best split per codec, and what is pinned.

    Each stands once for every way in which the devices of a site may share its operators.
    """
    return [draft for shape in shapes(subject, world) for draft in placed(subject, world, shape)]


def whole_draft(subject: Subject, world: World) -> Draft:
    """The network whole in the car, on the first of its devices that can."""
    return placed(subject, world, _whole(subject))[0]


def _whole(subject: Subject) -> Shape:
    everything = frozenset(range(len(subject.graph.operators)))
    return Shape(head=everything, cut=(), codecs=(), pin="edge")


def shapes(subject: Subject, world: World) -> list[Shape]:
    """Every head with its codecs; what runs where inside a site is left open."""
    graph = subject.graph
    everything = frozenset(range(len(graph.operators)))
    found = [_whole(subject)]
    name = graph.inputs
    found += [
        Shape(head=frozenset(), cut=name, codecs=(coded,) * len(name), pin=pin)
        for coded, pin in _whole_codecs(subject)
    ]
    for coded in subject.codecs:
        found += [_split(graph, head, coded) for head in heads(subject, world, coded)]
    for node in subject.pins:
        head = head_from_node(graph, node)
        if head == everything:
            continue
        found += [
            dataclass_replace(_split(graph, head, coded), pin=f"split@{node}")
            for coded in subject.codecs
        ]
    return found


def placed(subject: Subject, world: World, shape: Shape) -> list[Draft]:
    """The drafts of a shape: all of a site on its first device, or each, or shared out."""
    graph, sites = subject.graph, world.sites
    everything = frozenset(range(len(graph.operators)))
    found: dict[str, Draft] = {}
    for near, near_gap in _sitings(graph, shape.head, world.at(sites.vehicle)):
        for far, far_gap in _sitings(graph, everything - shape.head, world.at(sites.cloud)):
            order = [*chunks(graph, shape.head, near), *chunks(graph, everything - shape.head, far)]
            base = f"{subject.task.name}/{subject.variant}"
            parts = tuple(named(base, len(graph.operators), order, subject.tags))
            draft = _draft(subject, world, shape, parts)
            found.setdefault(draft.route.id, replace(draft, gap=max(near_gap, far_gap)))
    return list(found.values())


def _sitings(
    graph: Graph, operators: frozenset[int], devices: Sequence[PlacedDevice]
) -> list[tuple[dict[int, str], float]]:
    """Ways to share a site's operators among its devices, each with its optimality gap."""
    if not operators:
        return [({}, 0.0)]
    barred = lost(graph, operators, devices)
    alone = [
        d
        for d in devices
        if not barred[d.name] and all(allowed(graph, index, d) for index in operators)
    ]
    found = [(dict.fromkeys(operators, device.name), 0.0) for device in alone]
    if len(devices) > 1:
        shared = sited(graph, operators, devices)
        if shared is not None and shared[0] not in [one for one, _ in found]:
            found.append(shared)
    return found


def _whole_codecs(subject: Subject) -> list[tuple[str, str | None]]:
    """Codecs of an input that crosses whole, each with what a scenario writes to force it.

    A JPEG of pillars is no candidate: their values are no pixels.
    """
    graph = subject.graph
    if isinstance(subject.task.input, TensorInput):
        floats = all(graph.tensors[name].dtype == "float32" for name in graph.inputs)
        return [("float32", "raw")] if floats else []
    if isinstance(subject.task.input, PillarInput):
        return [("sparse", "raw"), ("float32", None)]
    smaller = [f"/{divisor}" if divisor > 1 else "" for divisor in DIVISORS]
    coded = [
        f"{kind}:{quality}{tail}"
        for kind in ("jpeg", "webp")
        for tail in smaller
        for quality in QUALITIES
    ]
    return [("raw", "raw"), *((name, "encoded" if name == ENCODED else None) for name in coded)]


def _split(graph: Graph, head: frozenset[int], coded: str) -> Shape:
    cut = cut_tensors(graph, head)
    pin = _pin(graph, head)
    return Shape(head=head, cut=cut, codecs=(coded,) * len(cut), pin=pin)


def _pin(graph: Graph, head: frozenset[int]) -> str | None:
    """The node that names a head: the one whose ancestors, with it, are the whole head."""
    last = graph.operators[max(head)].name
    return f"split@{last}" if head_from_node(graph, last) == head else None


def _draft(subject: Subject, world: World, shape: Shape, parts: tuple[Part, ...]) -> Draft:
    """Build a route of these parts."""
    sites = world.sites
    taken = subject.task.input
    curve = "prepare:pillars" if isinstance(taken, PillarInput) else "prepare"
    prepare = [(curve, math.prod(taken.shape))]
    steps = [host_step(world, "prepare", sites.vehicle, prepare)]
    near = [part for part in parts if sites.device_site[part.device] == sites.vehicle]
    steps += _runs(subject.graph, world, near)
    if shape.cut:
        steps += _crossing(subject, world, shape.cut, shape.codecs)
        steps += _runs(subject.graph, world, parts[len(near) :])
        steps.append(post_step(subject, world, sites.cloud))
        steps.append(move_step(world, down_move(world), subject.result_bytes))
    else:
        steps.append(post_step(subject, world, sites.vehicle))
    deliver = [(f"deliver:{subject.task.decoder}", subject.result_bytes)]
    steps.append(host_step(world, "deliver", CONSUMER, deliver))
    chained = tuple(
        replace(step, after=(index - 1,) if index else ()) for index, step in enumerate(steps)
    )
    route = Route(
        id=_route_id(subject, chained),
        task=subject.task.name,
        variant=subject.variant,
        model=subject.model,
        steps=chained,
    )
    return Draft(
        route=route,
        head=shape.head,
        parts=parts,
        cut=shape.cut,
        codecs=shape.codecs,
        pin=shape.pin,
    )


def _runs(graph: Graph, world: World, parts: Sequence[Part]) -> list[RouteStep]:
    """Parts of one site in turn, with a transfer over its bus wherever one needs another's."""
    steps: list[RouteStep] = []
    devices = world.placed
    made: dict[str, str] = {}  # device that made a tensor
    there: dict[str, set[str]] = {}  # tensors that were brought to a device
    for part in parts:
        to = devices[part.device]
        brought = there.setdefault(part.device, set())
        reads = {name for index in part.operators for name in graph.operators[index].inputs}
        moved = {
            name: moved_bytes(graph.tensors[name], devices[made[name]], to)
            for name in graph.tensors
            if name in reads and made.get(name, part.device) != part.device and name not in brought
        }
        if moved:
            brought |= moved.keys()
            steps.append(bus_step(world, world.sites.device_site[part.device], moved, to.precision))
        work = segment_work(graph, part.operators, part.segment)
        steps.append(run_step(world, part.segment, work, to))
        made |= {
            name: part.device for index in part.operators for name in graph.operators[index].outputs
        }
    return steps


def _crossing(
    subject: Subject, world: World, cut: tuple[str, ...], codecs: tuple[str, ...]
) -> list[RouteStep]:
    graph = subject.graph
    parts = []
    total = 0
    for name, coded in zip(cut, codecs, strict=True):
        tensor = graph.tensors[name]
        whole_frame = coded.partition(":")[0] in FRAME_CODECS
        shape = (*subject.task.input.shape[2:], _CHANNELS) if whole_frame else tensor.shape
        dtype = "uint8" if whole_frame else tensor.dtype
        total += most_bytes(coded, shape, dtype)
        parts.append((coded, shape, dtype))
    move = Move(tensors=cut, channel=f"{world.link.name}.up", codecs=codecs)
    sites = world.sites
    return [
        host_step(world, "pack", sites.vehicle, _coding("pack", parts)),
        move_step(world, move, total),
        host_step(world, "unpack", sites.cloud, _coding("unpack", parts)),
    ]


def _coding(stage: str, parts: Sequence[tuple[str, tuple[int, ...], str]]) -> list[tuple[str, int]]:
    return [
        part for coded, shape, dtype in parts for part in coding_parts(stage, coded, shape, dtype)
    ]


def _route_id(subject: Subject, steps: Sequence[RouteStep]) -> str:
    what = [subject.model, subject.variant, [to_plain(step.step) for step in steps]]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:12]


def with_bytes(draft: Draft, world: World, up_bytes: int, down_bytes: int) -> Draft:
    """The draft with measured bytes in place of predicted ones, its moves priced again."""
    steps = []
    for step in draft.route.steps:
        if isinstance(step.step, Move) and world.sites.site_of(step.step) is None:
            size = down_bytes if step.span == "downlink" else up_bytes
            steps.append(replace(move_step(world, step.step, size), after=step.after))
        else:
            steps.append(step)
    return replace(draft, route=replace(draft.route, steps=tuple(steps)))
