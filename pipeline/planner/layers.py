"""Layer by layer: where an operator runs, what it takes there, and what it would elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.graph import segment_work
from pipeline.plan.plan import LayerPlace
from pipeline.planner.siting import allowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.graph.model import Graph
    from pipeline.planner.candidates import Draft
    from pipeline.planner.parts import Part
    from pipeline.planner.pricing import World


def layers_of(graph: Graph, draft: Draft, world: World) -> tuple[LayerPlace, ...]:
    """Operators of a route that could run on another device of their site, or of their package.

    Their times are the shares of their segments' prices; what they would take on another device is
    that device's additive surrogate for the same segment, the least of them where several could.
    Transfers are in neither. Operators that take no time on either side are left out.

    Args:
        graph: The graph.
        draft: The route.
        world: What it is priced against.
    """
    return tuple(place for part in draft.parts for place in _of_part(graph, part, world))


def _of_part(graph: Graph, part: Part, world: World) -> Iterator[LayerPlace]:
    placed = world.placed[part.device]
    others = [p for p in world.at(world.sites.device_site[part.device]) if p is not placed]
    work = segment_work(graph, part.operators, part.segment)
    cost = placed.device.price(work, batch=1, precision=placed.precision)
    elsewhere = [
        (other, other.device.op_costs(work, batch=1, precision=other.precision).tolist())
        for other in others
    ]
    for at, (index, share) in enumerate(zip(sorted(part.operators), cost.ops, strict=True)):
        operator = graph.operators[index]
        choices = [
            (int(column[at]), other.name)
            for other, column in elsewhere
            if allowed(graph, index, other)
        ]
        on = part.device
        if not others and share.otherwise_ns is not None:  # of a package, or of a PIM's processor
            on, choices = share.on, [(share.otherwise_ns, "")]
        if not choices:
            continue
        otherwise_ns, other_name = min(choices)
        if share.latency_ns or otherwise_ns:
            yield LayerPlace(
                name=operator.name,
                op=operator.op_type,
                on=on,
                latency_ns=share.latency_ns,
                other=other_name,
                otherwise_ns=otherwise_ns,
            )
