"""The candidates of one task: every route that competes, built as steps and priced."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.graph import cut_tensors, head_from_node, segment_work
from pipeline.plan.routes import RESULT, Route, RouteStep
from pipeline.plan.steps import Move
from pipeline.planner.coding import coding_parts, most_bytes
from pipeline.planner.cuts import best_split, problem_of
from pipeline.planner.fusing import fused_groups
from pipeline.planner.pricing import World, host_step, move_step, run_step
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.spec import PillarInput
from pipeline.values import Value, to_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.graph.model import Graph
    from pipeline.runtime.spec import TaskSpec

JPEG_QUALITIES = (60, 80, 90)
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
    """

    task: TaskSpec
    variant: str
    graph: Graph
    model: str
    result_bytes: int
    codecs: tuple[str, ...] = TENSOR_CODECS
    pins: tuple[str, ...] = ()


class Draft(Value, frozen=True, kw_only=True):
    """A route with what is needed to run it: the head's operators, or none or all of them.

    Attributes:
        route: The steps, priced.
        head: Operators that run in the car.
        cut: Tensors that cross upward.
        codecs: Codec of each.
        pin: What a scenario writes to force it, where one node names it.
    """

    route: Route
    head: frozenset[int]
    cut: tuple[str, ...]
    codecs: tuple[str, ...]
    pin: str | None


def drafts(subject: Subject, world: World) -> list[Draft]:
    """Every candidate: edge, raw, encoded at several qualities, the best split per codec, pins."""
    everything = frozenset(range(len(subject.graph.operators)))
    found = [_draft(subject, world, everything, (), (), "edge")]
    name = (subject.task.input_name,)
    for coded, pin in _whole_codecs(subject):
        found.append(_draft(subject, world, frozenset(), name, (coded,), pin))
    for coded in subject.codecs:
        head = best_head(subject, world, coded)
        if head is not None:
            found.append(_split(subject, world, head, coded))
    for node in subject.pins:
        head = head_from_node(subject.graph, node)
        if head == everything:
            continue
        found += [
            replace(_split(subject, world, head, coded), pin=f"split@{node}")
            for coded in subject.codecs
        ]
    return found


def _whole_codecs(subject: Subject) -> list[tuple[str, str | None]]:
    """Codecs of an input that crosses whole, each with what a scenario writes to force it.

    A JPEG of pillars is no candidate: their values are no pixels.
    """
    if isinstance(subject.task.input, PillarInput):
        return [("sparse", "raw"), ("float32", None)]
    pins = {JPEG_QUALITIES[1]: "encoded"}
    return [("raw", "raw"), *((f"jpeg:{q}", pins.get(q)) for q in JPEG_QUALITIES)]


def best_head(subject: Subject, world: World, coded: str) -> frozenset[int] | None:
    """The exact best cut for one codec by the devices' additive costs (planning: one-way min-cut).

    None where the graph has no two operators with multiply-adds that a cut can part.
    """
    graph = subject.graph
    whole = segment_work(graph, range(len(graph.operators)), "whole")
    edge, cloud = world.edge, world.cloud
    edge_ns = edge.device.op_costs(whole, batch=1, precision=edge.precision)
    cloud_ns = cloud.device.op_costs(whole, batch=1, precision=cloud.precision)
    up_ns = {
        tensor.name: _up_ns(world, coded, tensor.shape, tensor.dtype)
        for tensor in graph.tensors.values()
        if tensor.dtype == "float32"
    }
    back_ns = move_step(world, _down(world), subject.result_bytes).latency_ns
    there_ns = world.link.rtt_ns // 2 + 2 * world.vehicle_host.hop_ns(message_bytes=0)
    problem = problem_of(
        graph,
        edge_ns=edge_ns.tolist(),
        cloud_ns=cloud_ns.tolist(),
        up_ns=up_ns,
        edge_post_ns=_post(subject, world, world.sites.vehicle).latency_ns,
        cloud_post_ns=_post(subject, world, world.sites.cloud).latency_ns + back_ns + there_ns,
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


def _split(subject: Subject, world: World, head: frozenset[int], coded: str) -> Draft:
    cut = cut_tensors(subject.graph, head)
    pin = _pin(subject.graph, head)
    return _draft(subject, world, head, cut, (coded,) * len(cut), pin)


def _pin(graph: Graph, head: frozenset[int]) -> str | None:
    """The node that names a head: the one whose ancestors, with it, are the whole head."""
    last = graph.operators[max(head)].name
    return f"split@{last}" if head_from_node(graph, last) == head else None


def segment_names(subject: Subject, head: frozenset[int]) -> tuple[str, str]:
    """Names of the segments before and behind a cut; of the whole, on either side, without one."""
    base = f"{subject.task.name}/{subject.variant}"
    count = len(subject.graph.operators)
    if not head or len(head) == count:
        return base, base
    text = ",".join(map(str, sorted(head)))
    short = hashlib.sha256(text.encode()).hexdigest()[:6]
    last = max(head)
    return f"{base}:0-{last}#{short}", f"{base}:{last + 1}-{count - 1}#{short}"


def _draft(
    subject: Subject,
    world: World,
    head: frozenset[int],
    cut: tuple[str, ...],
    codecs: tuple[str, ...],
    pin: str | None,
) -> Draft:
    """Build a route of this head: all in the car, all behind the link, or cut."""
    graph, sites = subject.graph, world.sites
    everything = frozenset(range(len(graph.operators)))
    first, second = segment_names(subject, head)
    taken = subject.task.input
    curve = "prepare:pillars" if isinstance(taken, PillarInput) else "prepare"
    prepare = [(curve, math.prod(taken.shape))]
    steps = [host_step(world, "prepare", sites.vehicle, prepare)]
    if head:
        work = segment_work(graph, head, first)
        steps.append(run_step(world, first, work, world.edge))
    if cut:
        steps += _crossing(subject, world, cut, codecs)
        work = segment_work(graph, everything - head, second)
        steps.append(run_step(world, second, work, world.cloud))
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
    return Draft(route=route, head=head, cut=cut, codecs=codecs, pin=pin)


def _crossing(
    subject: Subject, world: World, cut: tuple[str, ...], codecs: tuple[str, ...]
) -> list[RouteStep]:
    graph = subject.graph
    parts = []
    total = 0
    for name, coded in zip(cut, codecs, strict=True):
        tensor = graph.tensors[name]
        whole_frame = coded == "raw" or coded.startswith("jpeg")
        _, _, *sides = subject.task.input.shape
        shape = (*sides, _CHANNELS) if whole_frame else tensor.shape
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
        if isinstance(step.step, Move):
            size = down_bytes if step.span == "downlink" else up_bytes
            steps.append(replace(move_step(world, step.step, size), after=step.after))
        else:
            steps.append(step)
    return replace(draft, route=replace(draft.route, steps=tuple(steps)))
