"""Which operators run in the car: the heads that are worth a place on the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.graph import segment_work
from pipeline.planner.coding import coding_parts, most_bytes
from pipeline.planner.cuts import best_split, prefix_costs, problem_of
from pipeline.planner.fusing import fused_groups
from pipeline.planner.pricing import move_step
from pipeline.planner.spreads import LinkMoments, hull_heads, jittered
from pipeline.planner.subjects import down_move, post_step
from pipeline.planner.tiering import tier_problem
from pipeline.planner.tiers import best_placement

if TYPE_CHECKING:
    from pipeline.planner.pricing import World
    from pipeline.planner.subjects import Subject


def heads(subject: Subject, world: World, coded: str) -> list[frozenset[int]]:
    """All heads for one codec, each once: best, on tiers, calm, and the narrowest."""
    found = [
        best_head(subject, world, coded),
        *tier_heads(subject, world, coded),
        *calm_heads(subject, world, coded),
        narrowest_head(subject),
    ]
    return [head for head in dict.fromkeys(found) if head is not None]


def best_head(subject: Subject, world: World, coded: str) -> frozenset[int] | None:
    """The exact best cut for one codec by the devices' additive costs (planning: one-way min-cut).

    None where the graph has no two operators with multiply-adds that a cut can part.
    """
    graph = subject.graph
    whole = segment_work(graph, range(len(graph.operators)), "whole")
    edge, cloud = world.edge, world.cloud
    edge_ns = edge.device.op_costs(whole, batch=1, precision=edge.precision)
    cloud_ns = cloud.device.op_costs(whole, batch=1, precision=cloud.precision)
    near_ns, far_ns = posts_ns(subject, world)
    problem = problem_of(
        graph,
        edge_ns=edge_ns.tolist(),
        cloud_ns=cloud_ns.tolist(),
        up_ns=ups_ns(subject, world, coded),
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
        up_ns=ups_ns(subject, world, coded),
        post_ns=posts_ns(subject, world),
    )
    answer = best_placement(problem)
    if answer is None:
        return None
    head = frozenset(i for i, tier in enumerate(answer.tiers) if tier < near)
    heavy = {op.index for op in graph.operators if op.work.macs > 0}
    return head if heavy & head and heavy - head else None


def narrowest_head(subject: Subject) -> frozenset[int] | None:
    """The head of first operators behind which the fewest values cross: a bottleneck's, if any.

    Of equals the shortest. None where no cut leaves an operator with multiply-adds on each side.
    """
    graph = subject.graph
    heavy = [op.index for op in graph.operators if op.work.macs > 0]
    costs = prefix_costs(
        problem_of(
            graph,
            edge_ns=[0] * len(graph.operators),
            cloud_ns=[0] * len(graph.operators),
            up_ns={
                name: tensor.elements
                for name, tensor in graph.tensors.items()
                if tensor.dtype == "float32" and name not in subject.stay
            },
            together=fused_groups(graph),
        )
    )
    lengths = [
        length
        for length, cost in enumerate(costs)
        if cost is not None and heavy and heavy[0] < length <= heavy[-1]
    ]
    best = min(lengths, key=lambda length: (costs[length] or 0, length), default=None)
    return None if best is None else frozenset(range(best))


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
        for name in ups_ns(subject, world, coded)
    }
    link = LinkMoments(world.link, max(sizes.values(), default=1))
    coding = {
        name: _up_ns(world, coded, graph.tensors[name].shape, graph.tensors[name].dtype)
        - (-8 * size * 1_000_000_000 // -world.link.up_bits_per_s)
        for name, size in sizes.items()
    }
    moments = {name: link.of(size) for name, size in sizes.items()}
    near_ns, far_ns = posts_ns(subject, world)
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


def ups_ns(subject: Subject, world: World, coded: str) -> dict[str, int]:
    """What crossing costs each tensor that may cross."""
    return {
        tensor.name: _up_ns(world, coded, tensor.shape, tensor.dtype)
        for tensor in subject.graph.tensors.values()
        if tensor.dtype == "float32" and tensor.name not in subject.stay
    }


def posts_ns(subject: Subject, world: World) -> tuple[int, int]:
    """Post-processing in the car, and in the cloud with the result's way back."""
    back_ns = move_step(world, down_move(world), subject.result_bytes).latency_ns
    there_ns = world.link.rtt_ns // 2 + 2 * world.vehicle_host.hop_ns(message_bytes=0, kind="work")
    near = post_step(subject, world, world.sites.vehicle).latency_ns
    return near, post_step(subject, world, world.sites.cloud).latency_ns + back_ns + there_ns
