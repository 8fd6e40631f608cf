"""The cheapest division of a segment between the units of a memory and its processor, exactly.

Two sides make it a minimum cut: an operator on the source's side runs on the units. Own time is an
arc to a terminal; a result that the other side reads costs its handover once, through a node of
its own; an element-wise operator that is free behind its producer costs its time if only it stays
on the processor; an activation that the units run only behind a product is tied to it by an arc
that cannot be cut. First whatever is decided by itself is fixed: an operator that would gain by
staying even if that brought about all its handovers, or by moving likewise.

Dinic's algorithm in whole numbers of any size stands here because scipy's `maximum_flow` holds
int32 only and takes longer to import than a segment takes to price.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.models.pim_sides import Sides

_SOURCE, _SINK = 0, 1


def cheapest(sides: Sides) -> tuple[bool, ...]:
    """Which operators run on the units so that own times and handovers add up to least.

    Ties go to the processor.
    """
    count = len(sides.facts.ops)
    units_ns, plain_ns = sides.units_ns.tolist(), sides.plain_ns.tolist()
    handover_ns, fused = sides.handover_ns.tolist(), sides.fused.tolist()
    needs, readers, behind = sides.needs.tolist(), sides.facts.readers, sides.facts.behind
    fixed = _decided(sides)
    node: list[int] = []
    nodes = 2
    for side in fixed:
        node.append(nodes if side is None else _SOURCE if side else _SINK)
        nodes += side is None
    if nodes > 2:  # noqa: PLR2004  # more than the two terminals
        network = _Network(nodes)
        endless = sum(units_ns) + sum(plain_ns) + sum(handover_ns) + 1
        for at in range(count):
            if fixed[at] is None:
                network.arc(node[at], _SINK, units_ns[at])
                network.arc(_SOURCE, node[at], 0 if fused[at] else plain_ns[at])
            if fused[at]:
                network.arc(node[behind[at]], node[at], plain_ns[at])
            if needs[at]:
                network.arc(node[at], node[behind[at]], endless)
            there = [node[reader] for reader in readers[at]]
            if max(node[at], *there, 0) > _SINK:  # else all its sides are known
                network.shared(node[at], there, handover_ns[at], endless)
        chosen = network.source_side()
    else:
        chosen = [True, False]
    return tuple(chosen[node[at]] if side is None else side for at, side in enumerate(fixed))


def _decided(sides: Sides) -> list[bool | None]:
    """True or False where an operator's side is known whatever the others do."""
    readers, behind = sides.facts.readers, sides.facts.behind
    units_ns, plain_ns = sides.units_ns.tolist(), sides.plain_ns.tolist()
    handover_ns, fused = sides.handover_ns.tolist(), sides.fused.tolist()
    needs, can = sides.needs.tolist(), sides.can.tolist()
    count = len(can)
    around = list(handover_ns)  # all handovers that an operator's side can bring about
    after = [0] * count  # what its fused readers would cost without it
    holds = [False] * count
    for at in range(count):
        for reader in readers[at]:
            around[reader] += handover_ns[at]
        if fused[at]:
            after[behind[at]] += plain_ns[at]
        if needs[at]:
            holds[behind[at]] = True
    fixed: list[bool | None] = []
    for at in range(count):  # what an operator is behind comes before it
        free = fused[at] and not fixed[behind[at]]  # or may yet be
        tied = fixed[behind[at]] if needs[at] else True
        stays = not holds[at] and units_ns[at] >= plain_ns[at] + around[at]
        if stays or tied is False or not can[at]:
            fixed.append(False)
        elif tied and not free and units_ns[at] + around[at] + after[at] < plain_ns[at]:
            fixed.append(True)
        else:
            fixed.append(None)
    return fixed


class _Network:
    """Arcs with capacities; an arc and its reverse stand next to each other."""

    def __init__(self, nodes: int) -> None:
        self._out: list[list[int]] = [[] for _ in range(nodes)]
        self._to: list[int] = []
        self._left: list[int] = []

    def arc(self, start: int, end: int, capacity: int) -> None:
        """Add an arc; one that is empty, or joins a node to itself, changes nothing."""
        if start == end or capacity <= 0:
            return
        self._out[start].append(len(self._to))
        self._out[end].append(len(self._to) + 1)
        self._to += (end, start)
        self._left += (capacity, 0)

    def shared(self, maker: int, readers: Sequence[int], capacity: int, endless: int) -> None:
        """A result that costs `capacity` once if any reader is on the other side."""
        if len(readers) == 1:
            self.arc(maker, readers[0], capacity)
            self.arc(readers[0], maker, capacity)
            return
        there, back = len(self._out), len(self._out) + 1
        self._out += ([], [])
        self.arc(maker, there, capacity)
        self.arc(back, maker, capacity)
        for reader in readers:
            self.arc(there, reader, endless)
            self.arc(reader, back, endless)

    def source_side(self) -> list[bool]:
        """Push all that goes, then say which nodes the source still reaches."""
        while True:
            level = self._levels()
            if level[_SINK] < 0:
                return [depth >= 0 for depth in level]
            self._push(level)

    def _levels(self) -> list[int]:
        level = [-1] * len(self._out)
        level[_SOURCE] = 0
        waiting = deque((_SOURCE,))
        while waiting:
            here = waiting.popleft()
            for arc in self._out[here]:
                end = self._to[arc]
                if self._left[arc] and level[end] < 0:
                    level[end] = level[here] + 1
                    waiting.append(end)
        return level

    def _push(self, level: list[int]) -> None:
        """Fill every shortest way, one after the other, without recursion."""
        following = [0] * len(self._out)
        way: list[int] = []
        here = _SOURCE
        while True:
            if here == _SINK:
                least = min(self._left[arc] for arc in way)
                for arc in way:
                    self._left[arc] -= least
                    self._left[arc ^ 1] += least
                way.clear()
                here = _SOURCE
                continue
            onward = self._onward(here, level, following)
            if onward is not None:
                way.append(onward)
                here = self._to[onward]
            elif way:
                level[here] = -1
                here = self._to[way.pop() ^ 1]
            else:
                return

    def _onward(self, here: int, level: list[int], following: list[int]) -> int | None:
        """The next arc from here that leads one step further; arcs passed over stay so."""
        arcs = self._out[here]
        while following[here] < len(arcs):
            arc = arcs[following[here]]
            if self._left[arc] and level[self._to[arc]] == level[here] + 1:
                return arc
            following[here] += 1
        return None
