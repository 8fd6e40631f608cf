"""The problem of `tiers`, stated for a graph and the devices of car and cloud in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.graph import shape_tensors
from pipeline.planner.fusing import fused_groups
from pipeline.planner.siting import allowed, costs_ns, moved_ns
from pipeline.planner.tiers import TierProblem, TierTensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.graph.model import Graph, Tensor
    from pipeline.planner.pricing import PlacedDevice


def tier_problem(
    graph: Graph,
    tiers: Sequence[PlacedDevice],
    *,
    link: int,
    up_ns: Mapping[str, int],
    post_ns: tuple[int, int],
) -> TierProblem:
    """State it.

    Args:
        graph: The graph.
        tiers: Devices, away from the sensor.
        link: Boundary that is the link: between this tier and the next. All others are buses.
        up_ns: What crossing the link costs a tensor, ns; one that is not named never does.
        post_ns: Post-processing in the car, and in the cloud with all that a frame pays once.
    """
    everything = range(len(graph.operators))
    columns = [costs_ns(graph, everything, placed) for placed in tiers]
    barred = shape_tensors(graph)
    whole = [
        group
        for group in fused_groups(graph)
        if all(len({allowed(graph, i, placed) for i in group}) == 1 for placed in tiers)
    ]

    def crossing(tensor: Tensor) -> tuple[int | None, ...]:
        if tensor.name in barred:
            return (None,) * (len(tiers) - 1)
        return tuple(
            up_ns.get(tensor.name)
            if at == link
            else 0
            if tensor.producer is None  # an input comes from the host of the site
            else moved_ns(tensor, tiers[at], tiers[at + 1])
            for at in range(len(tiers) - 1)
        )

    return TierProblem(
        costs_ns=tuple(tuple(column[index] for column in columns) for index in everything),
        tensors=tuple(
            TierTensor(
                name=tensor.name,
                producer=tensor.producer,
                consumers=tensor.consumers,
                crossing_ns=crossing(tensor),
                delivered=tensor.name in graph.outputs,
            )
            for tensor in graph.tensors.values()
        ),
        # Post-processing runs on the host of a site, so behind any of its devices.
        post_ns=tuple(post_ns[0] if at <= link else post_ns[1] for at in range(len(tiers))),
        least={},
        most={},
        together=tuple(whole),
    )
