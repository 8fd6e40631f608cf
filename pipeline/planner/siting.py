"""Which device of a site runs which operator: the integer programme of `placing`, for a graph.

Operators that an accelerator fuses are placed together. A tensor that changes devices costs a
transfer over the site's bus, and the fixed time of one more run at its new place; both are charged
for every tensor, though a route moves several at once and may have been there anyway, so the sum is
cautious. What enters a site or leaves it comes from its host and costs nothing here. `Device.price`
of the chunks that come of it decides.

What no other device of a site runs itself but leaves to its host, a memory that computes is given
only where its units are quicker than the processor before them: against a host what it seems to
gain is the difference of two fixed times of software, both assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerators.device import Losing
from accelerators.work import BYTES_PER_ELEMENT
from pipeline.graph import segment_work
from pipeline.planner.fusing import fused_groups
from pipeline.planner.placing import Handed, PlacingProblem, best_placing
from pipeline.planner.pricing import bus_ns

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.graph.model import Graph, Tensor
    from pipeline.planner.pricing import PlacedDevice

TIME_LIMIT_S = 5.0
"""How long a placement may be searched; a good one is there long before it is proven the best."""


def sited(
    graph: Graph, operators: Collection[int], devices: Sequence[PlacedDevice]
) -> tuple[dict[int, str], float] | None:
    """Device of each operator with the smallest sum of costs, and how far from the best it may be.

    Args:
        graph: The graph.
        operators: Operators that the site runs, by index.
        devices: Its devices.

    Returns:
        Name of the device of each operator, and the gap as a share of the sum, 0 where none is
        better; None where some operator can run on no device.
    """
    inside = frozenset(operators)
    barred = lost(graph, inside, devices)
    costs = {
        placed.name: {
            index: None if index in barred[placed.name] else cost
            for index, cost in costs_ns(graph, inside, placed).items()
        }
        for placed in devices
    }
    units = _units(graph, inside, devices)
    unit_of = {index: at for at, unit in enumerate(units) for index in unit}
    rows = tuple(
        tuple(_sum([costs[placed.name][index] for index in unit]) for placed in devices)
        for unit in units
    )
    handovers = _handovers(graph, inside, devices)
    tensors = []
    for tensor in graph.tensors.values():
        if tensor.producer not in inside or tensor.producer is None:
            continue
        made = unit_of[tensor.producer]
        readers = {unit_of[v] for v in tensor.consumers if v in inside} - {made}
        if readers:
            cost = tuple(
                tuple(
                    0 if here == there else moved_ns(tensor, one, other) + handovers[other.name]
                    for there, other in enumerate(devices)
                )
                for here, one in enumerate(devices)
            )
            tensors.append(Handed(producer=made, consumers=tuple(sorted(readers)), cost_ns=cost))
    problem = PlacingProblem(costs_ns=rows, tensors=tuple(tensors))
    found = best_placing(problem, time_limit_s=TIME_LIMIT_S)
    if found is None:
        return None
    return (
        {index: devices[found.devices[unit_of[index]]].name for index in sorted(inside)},
        found.gap,
    )


def costs_ns(graph: Graph, inside: Collection[int], placed: PlacedDevice) -> dict[int, int | None]:
    """What each operator takes on a device by its additive surrogate; None where it is not let."""
    work = segment_work(graph, inside, "site")
    found = placed.device.op_costs(work, batch=1, precision=placed.precision).tolist()
    return {
        index: int(cost) if allowed(graph, index, placed) else None
        for index, cost in zip(sorted(inside), found, strict=True)
    }


def allowed(graph: Graph, index: int, placed: PlacedDevice) -> bool:
    """Whether a device is given an operator at all."""
    return placed.ops is None or graph.operators[index].op_type in placed.ops


def lost(
    graph: Graph, operators: Collection[int], devices: Sequence[PlacedDevice]
) -> dict[str, frozenset[int]]:
    """Products that a memory is not given: its units lose, and others leave them to their host.

    Args:
        graph: The graph.
        operators: Operators that the site runs, by index.
        devices: Its devices.
    """
    order = sorted(operators)
    slow: dict[str, frozenset[int]] = {}
    for placed in devices:
        flags = [False] * len(order)
        if isinstance(placed.device, Losing) and len(devices) > 1:
            work = segment_work(graph, operators, "site")
            flags = placed.device.lost(work, batch=1, precision=placed.precision).tolist()
        slow[placed.name] = frozenset(i for i, flag in zip(order, flags, strict=True) if flag)

    def only_hosts_take(index: int) -> bool:
        takers = [p for p in devices if allowed(graph, index, p) and index not in slow[p.name]]
        work = graph.operators[index].work
        return bool(takers) and not any(p.device.supports(work) for p in takers)

    return {name: frozenset(filter(only_hosts_take, given)) for name, given in slow.items()}


def moved_bytes(tensor: Tensor, one: PlacedDevice, other: PlacedDevice) -> int:
    """Bytes of a tensor on the bus, in the wider of the two devices' formats."""
    wide = max(BYTES_PER_ELEMENT[one.precision], BYTES_PER_ELEMENT[other.precision])
    return tensor.elements * wide


def moved_ns(tensor: Tensor, one: PlacedDevice, other: PlacedDevice) -> int:
    """Time of a tensor's transfer by itself."""
    return bus_ns(moved_bytes(tensor, one, other))


def _handovers(
    graph: Graph, inside: frozenset[int], devices: Sequence[PlacedDevice]
) -> Mapping[str, int]:
    """Fixed time of one more run on each device; its transfers from the host are not moved here."""
    work = segment_work(graph, inside, "site")
    return {
        placed.name: placed.device.price(work, batch=1, precision=placed.precision).overhead_ns
        for placed in devices
    }


def _units(
    graph: Graph, inside: frozenset[int], devices: Sequence[PlacedDevice]
) -> list[tuple[int, ...]]:
    """Groups placed together: fused ones, where every device takes all of it or nothing."""
    units: list[tuple[int, ...]] = []
    grouped: set[int] = set()
    for group in fused_groups(graph):
        whole = inside.issuperset(group)
        alike = all(len({allowed(graph, i, placed) for i in group}) == 1 for placed in devices)
        if whole and alike:
            units.append(group)
            grouped.update(group)
    return sorted([*units, *((index,) for index in inside - grouped)])


def _sum(costs: Sequence[int | None]) -> int | None:
    total = 0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total
