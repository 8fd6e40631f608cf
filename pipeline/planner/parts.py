"""The parts that a network runs in: chunks of operators, each on one device, in turn."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.graph.model import Graph


class Part(Value, frozen=True, kw_only=True):
    """A segment of a route.

    Attributes:
        segment: Its name.
        operators: Its operators, by index.
        device: Device that runs it.
    """

    segment: str
    operators: frozenset[int]
    device: str


def chunks(
    graph: Graph, operators: Collection[int], device_of: Mapping[int, str]
) -> list[tuple[str, frozenset[int]]]:
    """Operators in as few convex chunks as are found, each on one device, in an order that runs.

    A device takes everything that is ready for it, and what that makes ready, before the next one
    begins; whichever device to begin with gives fewer chunks is taken.

    Args:
        graph: The graph.
        operators: Operators of a site, by index.
        device_of: Device of each.
    """
    devices = sorted(set(device_of.values()))
    found = [_chunks(graph, operators, device_of, first) for first in devices]
    return min(found, key=len, default=[])


def _chunks(
    graph: Graph, operators: Collection[int], device_of: Mapping[int, str], first: str
) -> list[tuple[str, frozenset[int]]]:
    left = sorted(operators)
    inside = frozenset(left)
    makers = {
        index: {
            made
            for made in (graph.tensors[name].producer for name in graph.operators[index].inputs)
            if made is not None and made in inside
        }
        for index in left
    }
    over: set[int] = set()
    found: list[tuple[str, frozenset[int]]] = []
    device = first
    while left:
        taken: set[int] = set()
        for index in left:  # ascending is topological, so that one pass takes all there is
            if device_of[index] == device and makers[index] <= over | taken:
                taken.add(index)
        if taken:
            found.append((device, frozenset(taken)))
            over |= taken
            left = [index for index in left if index not in taken]
        ready = [index for index in left if makers[index] <= over]
        if ready:
            device = device_of[ready[0]]
    return found


def named(
    base: str,
    count: int,
    found: Sequence[tuple[str, frozenset[int]]],
    tags: Mapping[str, str],
) -> list[Part]:
    """Chunks with the names of their segments.

    The name says the range and, where there are other segments of the same range, a hash of the
    operators and of those before them; the whole network has its task's name alone. It holds no
    device but what one makes of its operators: the same name is the same file.

    Args:
        base: Task and variant.
        count: Operators of the whole network.
        found: Device and operators of each chunk.
        tags: What a name ends with on a device, where that computes another file.
    """
    parts = []
    before: list[int] = []
    for device, operators in found:
        name = base
        if len(operators) < count:
            text = f"{sorted(before)} {sorted(operators)}"
            short = hashlib.sha256(text.encode()).hexdigest()[:6]
            name = f"{base}:{min(operators)}-{max(operators)}#{short}"
        tagged = name + tags.get(device, "")
        parts.append(Part(segment=tagged, operators=operators, device=device))
        before += operators
    return parts
