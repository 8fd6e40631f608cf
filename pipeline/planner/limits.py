"""What a scenario forbids: pixels that stay in the car, and memory that a device does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accelerators.models.npu import NpuDevice
from accelerators.models.pim import PimDevice
from accelerators.work import BYTES_PER_ELEMENT, WEIGHT_BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from accelerators.device import Device
    from pipeline.graph.model import Graph, Operator
    from pipeline.planner.parts import Part
    from pipeline.planner.pricing import World

STRIDE = 8
"""A tensor shows no picture any more where a weighted layer has made it this much coarser."""

_GRID = 4  # axes of a tensor with rows and columns


def staying(graph: Graph) -> frozenset[str]:
    """Names of the tensors that show the picture: all that no layer at stride 8 stands before.

    A tensor may leave the car where an operator before it, or the one that makes it, has
    multiply-adds and gives rows and columns that are both at most an eighth of the input's, or is
    behind such a one. Pixels that were only moved about, as from space to depth, still show.
    """
    sides = graph.tensors[graph.inputs[0]].shape[2:4]
    weighted: set[int] = set()  # operators with multiply-adds on their way
    deep: set[int] = set()
    stay = {*graph.inputs}
    for operator in graph.operators:
        makers = {graph.tensors[name].producer for name in operator.inputs}
        if operator.work.macs or not weighted.isdisjoint(m for m in makers if m is not None):
            weighted.add(operator.index)
        before = any(maker in deep for maker in makers)
        coarse = operator.index in weighted and _coarse(graph, operator, sides)
        if before or coarse:
            deep.add(operator.index)
        else:
            stay.update(operator.outputs)
    return frozenset(stay)


def _coarse(graph: Graph, operator: Operator, sides: tuple[int, ...]) -> bool:
    """Whether rows and columns of what it makes are at most an eighth of the input's."""
    shapes = [graph.tensors[name].shape for name in operator.outputs]
    return all(
        len(shape) == _GRID
        and len(sides) == len(shape[2:])
        and all(STRIDE * made <= side for made, side in zip(shape[2:], sides, strict=True))
        for shape in shapes
    )


def memory_bytes(device: Device) -> int | None:
    """Memory of a device by its spec; None where no figure is known."""
    return device.memory_bytes if isinstance(device, NpuDevice | PimDevice) else None


def held_bytes(graph: Graph, parts: Iterable[Part], world: World) -> dict[str, int]:
    """Bytes that a route needs on each of its devices.

    All weights of its segments there, and the tensors that the largest operator reads and makes, in
    the device's format. What a compiler keeps besides is not known.
    Weights that several operators share count for each of them: too much for a network that runs
    the same layers again and again.
    """
    held: dict[str, int] = {}
    for part in parts:
        placed = world.placed[part.device]
        works = [graph.operators[index].work for index in part.operators]
        weights = WEIGHT_BYTES_PER_ELEMENT[placed.precision] * sum(w.weight_elements for w in works)
        live = max(w.input_elements + w.output_elements for w in works)
        size = weights + BYTES_PER_ELEMENT[placed.precision] * live
        held[part.device] = held.get(part.device, 0) + size
    return held


def load_ns(graph: Graph, parts: Iterable[Part], world: World) -> int | None:
    """Time to bring a route's weights to its devices, one after the other; None if not known."""
    total = 0
    for part in parts:
        placed = world.placed[part.device]
        if not isinstance(placed.device, NpuDevice):
            return None
        elements = sum(graph.operators[index].work.weight_elements for index in part.operators)
        found = placed.device.load_ns(WEIGHT_BYTES_PER_ELEMENT[placed.precision] * elements)
        if found is None:
            return None
        total += found
    return total
