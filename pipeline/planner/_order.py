"""What the order of a network decides of its cuts before any cost is looked at.

A *pivot* is an operator that every other one leads to or comes from; the sensor's side and what is
behind the last operator count as one each. A head holds all that its members read. So it holds
everything up to its last pivot, since all that leads there, and nothing from the next pivot on,
since that would bring this pivot with it: every head ends in one *stretch*, the operators between
two neighbouring pivots. Where no operators lie between, the head is known, and a network all of
whose operators are pivots, such as a chain with short-cuts, has no other heads than its prefixes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    Places = NDArray[np.int64]


class Carried(Protocol):
    """A tensor: who makes it and who reads it."""

    @property
    def producer(self) -> int | None:
        """Index of the operator that makes it; None for an input."""

    @property
    def consumers(self) -> Sequence[int]:
        """Indices of the operators that read it."""

    @property
    def delivered(self) -> bool:
        """Whether post-processing reads it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Order:
    """Tensors as arrays, and the pivots.

    Attributes:
        operators: How many there are, post-processing included where it is one of them.
        makers: Operator that makes each tensor, -1 for an input; shape (tensors,), int64.
        lasts: The last operator that reads each tensor, the number behind all network operators
            where it is delivered, -1 where nobody reads it; shape (tensors,), int64.
        readers: Operators that read tensors, a tensor after the other; shape (reads,), int64.
        tensors: Tensor of each of `readers`; shape (reads,), int64.
        pivots: The pivots, ascending, from -1, the sensor's side, to `operators`, what is behind
            all; shape (pivots,), int64.
    """

    operators: int
    makers: Places
    lasts: Places
    readers: Places
    tensors: Places
    pivots: Places

    @property
    def stretches(self) -> Places:
        """Those stretches that hold operators, as places of their first pivots in `pivots`."""
        return np.flatnonzero(self.pivots[1:] - self.pivots[:-1] > 1)

    def touching(self, after: int, before: int) -> list[int]:
        """Tensors that operators between two numbers, both exclusive, make or read, ascending."""
        made = (self.makers > after) & (self.makers < before)
        made[self.tensors[(self.readers > after) & (self.readers < before)]] = True
        return np.flatnonzero(made).tolist()


def order_of(tensors: Sequence[Carried], operators: int, *, post: bool = False) -> Order:
    """The order of a network.

    Args:
        tensors: Its tensors.
        operators: How many operators it has, numbered from 0 in topological order.
        post: Whether post-processing is an operator too, the last one.

    Raises:
        ValueError: An operator reads what it makes itself or what one of a higher number makes.
    """
    made = [-1 if t.producer is None else t.producer for t in tensors]
    read = [t.consumers for t in tensors]
    sizes = np.fromiter(map(len, read), np.int64, len(read))
    readers = np.fromiter(chain.from_iterable(read), np.int64, int(sizes.sum()))
    makers = np.array(made, np.int64)
    places = np.repeat(np.arange(len(made)), sizes)
    lasts = np.full(len(made), -1, np.int64)
    np.maximum.at(lasts, places, readers)
    tails = makers[places]
    if bool((tails >= readers).any()):
        at = int(np.flatnonzero(tails >= readers)[0])
        raise ValueError(
            f"operator {readers[at]} reads what operator {tails[at]} makes: "
            "number operators in topological order"
        )
    every = operators + post
    first_reader = np.full(every + 1, every, np.int64)  # one more for inputs, whose maker is -1
    np.minimum.at(first_reader, tails, readers)
    last_maker = np.full(every, -1, np.int64)
    np.maximum.at(last_maker, readers, tails)
    delivered = np.array([t.delivered for t in tensors], np.bool_)
    lasts[delivered] = operators
    if post:
        outputs = makers[delivered]
        np.minimum.at(first_reader, outputs, operators)
        last_maker[operators] = outputs.max(initial=-1)
    return Order(
        operators=every,
        makers=makers,
        lasts=lasts,
        readers=readers,
        tensors=places,
        pivots=_pivots(first_reader[:-1], last_maker),
    )


def _pivots(first_reader: Places, last_maker: Places) -> Places:
    """The pivots, by who reads each operator first and whose tensor each reads last.

    All before an operator lead to it exactly if each of them has a reader no later than it, and all
    behind come from it exactly if each of them reads from something no earlier than it.
    """
    count = len(first_reader)
    numbers = np.arange(count)
    before = np.ones(count, np.bool_)
    before[1:] = np.maximum.accumulate(first_reader)[:-1] <= numbers[1:]
    behind = np.ones(count, np.bool_)
    behind[:-1] = np.minimum.accumulate(last_maker[::-1])[::-1][1:] >= numbers[:-1]
    return np.concatenate(([-1], np.flatnonzero(before & behind), [count]))


def firsts(order: Order, chosen: Collection[int]) -> list[int]:
    """Those of some operators that depend on no other one of them, ascending."""
    low = min(chosen, default=order.operators)
    # All behind the next pivot depend on the lowest, so that only those up to it are looked at.
    high = int(order.pivots[np.searchsorted(order.pivots, low, side="left")])
    makers: dict[int, list[int]] = {}
    for maker, reader in _reads(order, low, high):
        makers.setdefault(reader, []).append(maker)
    kin, found = set(chosen), []
    for operator in range(low, min(high + 1, order.operators)):
        if not kin.isdisjoint(makers.get(operator, ())):
            kin.add(operator)
        elif operator in kin:
            found.append(operator)
    return found


def finals(order: Order, chosen: Collection[int]) -> list[int]:
    """Those of some operators on which no other one of them depends, ascending."""
    high = max(chosen, default=-1)
    low = int(order.pivots[np.searchsorted(order.pivots, high, side="right") - 1])
    readers: dict[int, list[int]] = {}
    for maker, reader in _reads(order, low, high):
        readers.setdefault(maker, []).append(reader)
    kin, found = set(chosen), []
    for operator in range(high, max(low, 0) - 1, -1):
        if not kin.isdisjoint(readers.get(operator, ())):
            kin.add(operator)
        elif operator in kin:
            found.append(operator)
    return found[::-1]


def _reads(order: Order, low: int, high: int) -> list[tuple[int, int]]:
    """Makers and readers, both between two numbers, both inclusive."""
    makers = order.makers[order.tensors]
    within = (makers >= low) & (order.readers <= high)
    return list(zip(makers[within].tolist(), order.readers[within].tolist(), strict=True))
