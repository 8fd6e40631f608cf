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
from pipeline.plan.routes import RESULT, Route, RouteStep
from pipeline.plan.steps import Move
from pipeline.planner.coding import coding_parts, most_bytes
from pipeline.planner.cuts import best_split, problem_of
from pipeline.planner.fusing import fused_groups
from pipeline.planner.parts import Part, chunks, named
from pipeline.planner.pricing import World, bus_step, host_step, move_step, run_step
from pipeline.planner.siting import allowed, moved_bytes, sited
from pipeline.planner.spreads import LinkMoments, hull_heads, jittered
from pipeline.planner.tiering import tier_problem
from pipeline.planner.tiers import best_placement
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.spec import PillarInput, TensorInput
from pipeline.runtime.stages import FRAME_CODECS
from pipeline.values import Value, to_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.graph.model import Graph
    from pipeline.planner.pricing import PlacedDevice
    from pipeline.runtime.spec import TaskSpec

QUALITIES = (60, 80, 90)
DIVISORS = (1, 2)
"""What the sides of a picture that crosses whole are divided by."""
ENCODED = "jpeg:80"
"""What `encoded` means where one codec has to be named."""
TENSOR_CODECS = ("float32", "float16", "int8")
SPARSE_CODECS = ("sparse", "sparse:int8")
"""Offered besides where the input is a LiDAR's: tensors of its networks are mostly zero."""

_CHANNELS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A task as the planner sees it.

    Attributes:
        task: Name, input and decoder.
        variant: Name of the model variant.
        graph: The model's graph, optimised once.
        model: Hash of the model's file as the scenario names it.
        result_bytes: Bytes of a coded result, as measured on calibration pictures.
        codecs: Tensor codecs that may be used.
        pins: Names of nodes that `split@NODE` pins, besides the best cuts.
        stay: Names of tensors that may not leave the car.
        timing_only: Whether the network is never run, only priced.
    """

    task: TaskSpec
    variant: str
    graph: Graph
    model: str
    result_bytes: int
    codecs: tuple[str, ...] = TENSOR_CODECS
    pins: tuple[str, ...] = ()
    stay: frozenset[str] = frozenset()
    timing_only: bool = False


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


def shapes(subject: Subject, world: World) -> list[Shape]:
    """Every head with its codecs; what runs where inside a site is left open."""
    graph = subject.graph
    everything = frozenset(range(len(graph.operators)))
    found = [Shape(head=everything, cut=(), codecs=(), pin="edge")]
    name = graph.inputs
    found += [
        Shape(head=frozenset(), cut=name, codecs=(coded,) * len(name), pin=pin)
        for coded, pin in _whole_codecs(subject)
    ]
    for coded in subject.codecs:
        heads = [best_head(subject, world, coded), *tier_heads(subject, world, coded)]
        heads += calm_heads(subject, world, coded)
        found += [_split(graph, head, coded) for head in dict.fromkeys(heads) if head is not None]
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
            parts = tuple(named(base, len(graph.operators), order))
            draft = _draft(subject, world, shape, parts)
            found.setdefault(draft.route.id, replace(draft, gap=max(near_gap, far_gap)))
    return list(found.values())


def _sitings(
    graph: Graph, operators: frozenset[int], devices: Sequence[PlacedDevice]
) -> list[tuple[dict[int, str], float]]:
    """Ways to share a site's operators among its devices, each with its optimality gap."""
    if not operators:
        return [({}, 0.0)]
    alone = [d for d in devices if all(allowed(graph, index, d) for index in operators)]
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


def best_head(subject: Subject, world: World, coded: str) -> frozenset[int] | None:
    """The exact best cut for one codec by the devices' additive costs (planning: one-way min-cut).

    None where the graph has no two operators with multiply-adds that a cut can part.
    """
    graph = subject.graph
    whole = segment_work(graph, range(len(graph.operators)), "whole")
    edge, cloud = world.edge, world.cloud
    edge_ns = edge.device.op_costs(whole, batch=1, precision=edge.precision)
    cloud_ns = cloud.device.op_costs(whole, batch=1, precision=cloud.precision)
    near_ns, far_ns = _posts_ns(subject, world)
    problem = problem_of(
        graph,
        edge_ns=edge_ns.tolist(),
        cloud_ns=cloud_ns.tolist(),
        up_ns=_ups_ns(subject, world, coded),
        edge_post_ns=near_ns,
        cloud_post_ns=far_ns,
        together=fused_groups(graph),
    )
    heavy = [op.index for op in graph.operators if op.work.macs > 0]
    cut = best_split(problem, heavy)
    return None if cut is None else cut.head


def _up_ns(world: World, coded: str, shape: tuple[int, ...], dtype: str) -> int:
    """What one more tensor costs: pack, its bytes at the link's rate, unpack."""
    elements = 1
    for side in shape:
        elements *= side
    size = most_bytes(coded, shape, dtype)
    link_ns = -(-8 * size * 1_000_000_000 // world.link.up_bits_per_s)
    coding = [
        host.stage_ns(name, elements=count).latency_ns
        for host, stage in ((world.vehicle_host, "pack"), (world.cloud_host, "unpack"))
        for name, count in coding_parts(stage, coded, shape, dtype)
    ]
    return link_ns + sum(coding)


def tier_heads(subject: Subject, world: World, coded: str) -> list[frozenset[int]]:
    """The head of the best placement on ordered tiers; none where each site has one device."""
    if not world.beside:
        return []
    return [head for head in (tiered_head(subject, world, coded),) if head is not None]


def tiered_head(subject: Subject, world: World, coded: str) -> frozenset[int] | None:
    """What runs in the car in the best placement on tiers away from the sensor, for one codec.

    The tiers are the car's devices and then the cloud's, in the scenario's order. None where no
    operator with multiply-adds, or every one, stays in the car.
    """
    graph = subject.graph
    tiers = (*world.at(world.sites.vehicle), *world.at(world.sites.cloud))
    near = len(world.at(world.sites.vehicle))
    problem = tier_problem(
        graph,
        tiers,
        link=near - 1,
        up_ns=_ups_ns(subject, world, coded),
        post_ns=_posts_ns(subject, world),
    )
    answer = best_placement(problem)
    if answer is None:
        return None
    head = frozenset(i for i, tier in enumerate(answer.tiers) if tier < near)
    heavy = {op.index for op in graph.operators if op.work.macs > 0}
    return head if heavy & head and heavy - head else None


def calm_heads(subject: Subject, world: World, coded: str) -> list[frozenset[int]]:
    """Heads at the corners of the hull of mean and variance; none where the link is steady."""
    if not world.link.varies or coded.startswith("zstd"):  # its lossy part has the same hull
        return []
    graph = subject.graph
    whole = segment_work(graph, range(len(graph.operators)), "whole")
    ways = [
        [
            jittered(int(cost), world.quantiles.get(placed.device.name, ()))
            for cost in placed.device.op_costs(whole, batch=1, precision=placed.precision)
        ]
        for placed in (world.edge, world.cloud)
    ]
    sizes = {
        name: most_bytes(coded, graph.tensors[name].shape, graph.tensors[name].dtype)
        for name in _ups_ns(subject, world, coded)
    }
    link = LinkMoments(world.link, max(sizes.values(), default=1))
    coding = {
        name: _up_ns(world, coded, graph.tensors[name].shape, graph.tensors[name].dtype)
        - (-8 * size * 1_000_000_000 // -world.link.up_bits_per_s)
        for name, size in sizes.items()
    }
    moments = {name: link.of(size) for name, size in sizes.items()}
    near_ns, far_ns = _posts_ns(subject, world)
    way_ns, way_deviation_ns = world.link.way_moments_ns()
    once = far_ns - world.link.rtt_ns + way_ns, round((way_deviation_ns / 1_000) ** 2)
    return hull_heads(
        graph,
        edge=ways[0],
        cloud=ways[1],
        up={n: (mean + coding[n], variance) for n, (mean, variance) in moments.items()},
        post=(jittered(near_ns, world.quantiles.get(world.vehicle_host.name, ())), once),
        together=fused_groups(graph),
        heavy=[op.index for op in graph.operators if op.work.macs > 0],
    )


def _ups_ns(subject: Subject, world: World, coded: str) -> dict[str, int]:
    """What crossing costs each tensor that may cross."""
    return {
        tensor.name: _up_ns(world, coded, tensor.shape, tensor.dtype)
        for tensor in subject.graph.tensors.values()
        if tensor.dtype == "float32" and tensor.name not in subject.stay
    }


def _posts_ns(subject: Subject, world: World) -> tuple[int, int]:
    """Post-processing in the car, and in the cloud with the result's way back."""
    back_ns = move_step(world, _down(world), subject.result_bytes).latency_ns
    there_ns = world.link.rtt_ns // 2 + 2 * world.vehicle_host.hop_ns(message_bytes=0)
    near = _post(subject, world, world.sites.vehicle).latency_ns
    return near, _post(subject, world, world.sites.cloud).latency_ns + back_ns + there_ns


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
        steps.append(_post(subject, world, sites.cloud))
        steps.append(move_step(world, _down(world), subject.result_bytes))
    else:
        steps.append(_post(subject, world, sites.vehicle))
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


def _post(subject: Subject, world: World, site: str) -> RouteStep:
    graph = subject.graph
    elements = sum(graph.tensors[name].elements for name in graph.outputs)
    return host_step(world, "post", site, [(f"post:{subject.task.decoder}", elements)])


def _down(world: World) -> Move:
    return Move(tensors=(RESULT,), channel=f"{world.link.name}.down", codecs=(RESULT,))


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
