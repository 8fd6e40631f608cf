"""Folding away of operators with one way in and one way out, before a network is cut.

Say that an operator reads one node's tensors alone and only one node reads its own, and neither
tensor has another reader. Once both neighbours are on a side, it goes where that is cheapest: with
both on the car, or both in the cloud, it has no choice, and in between it crosses before or behind
it, whichever is less. What it costs is thus a sum over its neighbours and what lies between:

    here * (reader on the car) + there * (maker in the cloud) + less * (crosses between them)

which is a tensor from the one neighbour to the other. So it is left out, and exactly: chains fold
into one crossing, branches with the same ends into their sum, and what hangs on one node into its
costs. A neighbour may be an end of the network, which is on its side for certain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


class Fold(NamedTuple):
    """A node that was left out."""

    node: int
    maker: int
    reader: int
    near: bool  # its side where the maker is on the car and the reader is not

    def is_far(self, far: Collection[int]) -> bool:
        """Whether it is in the cloud, by what of its neighbours is."""
        return self.maker in far or (self.reader in far and not self.near)


class Shared(NamedTuple):
    """A tensor that several nodes read: crosses once, whoever needs it."""

    maker: int
    up_ns: int
    readers: set[int]


class Foldable:
    """Nodes with what they cost on each side, and what crosses between them.

    Args:
        near: The node of what is on the car for certain.
        far: The node of what is in the cloud for certain.
        here: What each node costs on the car, in ns.
        there: What each node costs in the cloud, in ns.

    Attributes:
        readers: Of each node what crossing to others costs that no third one shares, in ns; the
            others are never on the car where it is not.
        shared: Tensors with several readers, each of which is never on the car where the maker is
            not.
        orders: More pairs of which the second is never on the car where the first is not.
        folds: What was left out, in this order.
        spent_ns: What it costs at least, whatever the others do.
    """

    def __init__(self, near: int, far: int, here: Sequence[int], there: Sequence[int]) -> None:
        self.near, self.far = near, far
        self.here, self.there = list(here), list(there)
        self.readers: list[dict[int, int]] = [{} for _ in here]
        self.shared: list[Shared] = []
        self.orders: list[tuple[int, int]] = []
        self.folds: list[Fold] = []
        self.spent_ns = 0
        self._makers: list[set[int]] = [set() for _ in here]

    def add(self, maker: int, readers: Collection[int], up_ns: int) -> None:
        """Add a tensor; readers that are the maker count for nothing."""
        near, far = self.near, self.far
        read = set(readers)
        read.discard(maker)
        if maker == far or near in read:  # both sides are forced, by what was drawn to an end
            self.orders += [(maker, reader) for reader in read]
            read = set() if maker == far else read - {near}
        if not read:
            return
        if far in read:  # crosses wherever the maker is on the car
            self.here[maker] += up_ns
            for reader in read - {far}:
                self._link(maker, reader, 0)
        elif len(read) == 1:
            self._link(maker, read.pop(), up_ns)
        else:
            self.shared.append(Shared(maker, up_ns, read))

    def fold(self, nodes: Iterable[int], keep: Collection[int]) -> None:
        """Leave out all that can be, of some nodes.

        Args:
            nodes: Nodes that may be left out, and no end of the network.
            keep: Nodes that stay.
        """
        held = {self.near, self.far, *keep}
        held.update(node for pair in self.orders for node in pair)
        for tensor in self.shared:
            held.add(tensor.maker)
            held |= tensor.readers
        waiting = [node for node in nodes if node not in held]
        left = set(waiting)
        while waiting:
            node = waiting.pop()
            makers, readers = self._makers[node], self.readers[node]
            if node in left and len(makers) <= 1 and len(readers) <= 1:
                left.remove(node)
                maker = next(iter(makers), self.near)
                reader = next(iter(readers), self.far)
                self._fold(node, maker, reader)
                waiting += [other for other in (maker, reader) if other in left]

    def _fold(self, node: int, maker: int, reader: int) -> None:
        here, there = self.here[node], self.there[node]
        before = here + self.readers[node].pop(reader, 0)  # crosses behind it
        behind = there
        if maker != self.near:
            behind += self.readers[maker].pop(node)
            self._makers[node].clear()
        if reader != self.far:
            self._makers[reader].remove(node)
        self.folds.append(Fold(node, maker, reader, before <= behind))
        self.here[node] = self.there[node] = 0
        less = min(before, behind)
        if reader != self.far:
            self.here[reader] += here
        if maker != self.near:
            self.there[maker] += there
        if maker == self.near and reader == self.far:
            self.spent_ns += less
        elif maker == self.near:
            self.there[reader] += less
        elif reader == self.far:
            self.here[maker] += less
        elif maker != reader:
            self._link(maker, reader, less)

    def _link(self, maker: int, reader: int, up_ns: int) -> None:
        if maker == self.near:
            self.there[reader] += up_ns
            return
        readers = self.readers[maker]
        readers[reader] = readers.get(reader, 0) + up_ns
        self._makers[reader].add(maker)
