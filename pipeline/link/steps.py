"""Whole-number figures that hold for a while: rates, round trips and losses over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PPM = 1_000_000
_NS_PER_S = 1_000_000_000


class Piece(NamedTuple):
    """One piece of steps: `from_ns` <= t < `until_ns`."""

    from_ns: int
    until_ns: int
    value: int


class Steps(Value, frozen=True, kw_only=True):
    """A piecewise-constant figure on the run's clock, repeated for ever in both directions.

    Attributes:
        starts_ns: Where each piece begins, ascending, the first at 0; it lasts to the next one.
        values: The figure on each piece, not negative.
        period_ns: Where the last piece ends and the first begins anew.
    """

    starts_ns: tuple[int, ...]
    values: tuple[int, ...]
    period_ns: int

    def __post_init__(self) -> None:
        starts, values = self.starts_ns, self.values
        if not starts or starts[0] != 0 or len(starts) != len(values):
            raise ValueError("steps begin at 0 and have one value each")
        if any(one >= other for one, other in pairwise((*starts, self.period_ns))):
            raise ValueError("steps ascend and end before their period does")
        if min(values) < 0:
            raise ValueError("the values of steps are not negative")

    @classmethod
    def constant(cls, value: int) -> Steps:
        """One figure for ever."""
        return cls(starts_ns=(0,), values=(value,), period_ns=_NS_PER_S)

    @classmethod
    def of(cls, samples: Iterable[tuple[int, int]], *, period_ns: int) -> Steps:
        """Steps of (start in ns, value) in order of time; neighbours of one value become one."""
        starts: list[int] = []
        values: list[int] = []
        for start_ns, value in samples:
            if not values or values[-1] != value:
                starts.append(start_ns)
                values.append(value)
        return cls(starts_ns=tuple(starts), values=tuple(values), period_ns=period_ns)

    def at(self, at_ns: int) -> int:
        """The figure at an instant; a piece holds from its start on."""
        if len(self.values) == 1:
            return self.values[0]
        return self.values[bisect_right(self.starts_ns, at_ns % self.period_ns) - 1]

    def piece(self, at_ns: int) -> Piece:
        """The piece that an instant lies on."""
        turns, offset_ns = divmod(at_ns, self.period_ns)
        index = bisect_right(self.starts_ns, offset_ns) - 1
        begin_ns, last = turns * self.period_ns, index + 1 == len(self.starts_ns)
        end_ns = self.period_ns if last else self.starts_ns[index + 1]
        return Piece(begin_ns + self.starts_ns[index], begin_ns + end_ns, self.values[index])

    def quantile(self, percentile: float) -> int:
        """The figure that is not exceeded for this share of the time, from 0 to 100."""
        ends = (*self.starts_ns[1:], self.period_ns)
        pieces = zip(self.values, self.starts_ns, ends, strict=True)
        lasting = sorted((value, end - start) for value, start, end in pieces)
        left_ns = self.period_ns * percentile / 100
        for value, length_ns in lasting:
            left_ns -= length_ns
            if left_ns <= 0:
                return value
        return lasting[-1][0]


class Reader:
    """Reads steps along a time that mostly goes forward: the piece read last is kept."""

    __slots__ = ("_from_ns", "_steps", "_until_ns", "_value")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._from_ns = self._until_ns = self._value = 0

    def at(self, at_ns: int) -> int:
        """The figure at an instant, as `Steps.at` has it."""
        if not self._from_ns <= at_ns < self._until_ns:
            self._from_ns, self._until_ns, self._value = self._steps.piece(at_ns)
        return self._value

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The same: what it keeps, it would find again."""
        return self


class Capacity:
    """What a bottleneck can have sent by a time: the integral of its rate, exact in integers.

    The unit is a billionth of a bit times a millionth, so that bits per second, nanoseconds and a
    factor in parts per million multiply to whole numbers. `units(bits)` converts.

    Args:
        rates: Bits per second over time; above zero somewhere.
        factors: (start in ns, factor in ppm) of every stretch from the first scripted change of the
            rate on, ascending; before the first, and by the last, the factor is 1,000,000.
    """

    def __init__(self, rates: Steps, factors: Sequence[tuple[int, int]] = ()) -> None:
        self._steps = rates
        self._piece_from_ns = self._piece_until_ns = self._piece_units_per_ns = 0
        self._starts, self._rates, self._period_ns = rates.starts_ns, rates.values, rates.period_ns
        ends = (*rates.starts_ns[1:], rates.period_ns)
        pieces = zip(rates.values, rates.starts_ns, ends, strict=True)
        self._sums = list(accumulate((v * (end - start) for v, start, end in pieces), initial=0))
        if self._sums[-1] == 0:
            raise ValueError("a rate of zero for ever")
        if factors and factors[-1][1] != PPM:
            raise ValueError("the last factor is not one")
        self._from = [at_ns for at_ns, _ in factors]
        self._factors = [PPM, *(factor for _, factor in factors)]
        self._base = [0, *(self._sent(at_ns) for at_ns in self._from)]
        self._marks: list[int] = []  # what was sent by the start of each stretch but the first
        sent = base = 0
        for factor, now in zip(self._factors[:-1], self._base[1:], strict=True):
            sent += factor * (now - base)
            base = now
            self._marks.append(sent)

    @staticmethod
    def units(bits: int) -> int:
        """Bits in the unit of `sent_by`."""
        return bits * _NS_PER_S * PPM

    def sent_by(self, at_ns: int) -> int:
        """What can have been sent by a time, counted from time 0; below zero before it."""
        index = bisect_right(self._from, at_ns)
        if index == 0:
            return PPM * self._sent(at_ns)
        return self._marks[index - 1] + self._factors[index] * (
            self._sent(at_ns) - self._base[index]
        )

    def reached_ns(self, sent: int) -> int:
        """The first nanosecond by which so much can have been sent."""
        index = bisect_left(self._marks, sent)
        if index == 0:
            return self._when(-(-sent // PPM))
        more = -(-(sent - self._marks[index - 1]) // self._factors[index])
        return self._when(self._base[index] + more)

    def finish_ns(self, begin_ns: int, units: int) -> int:
        """When a bottleneck that begins then has sent so much, rounded up."""
        return self.reached_ns(self.sent_by(begin_ns) + units)

    def serve(self, at_ns: int, units: int) -> tuple[int, int]:
        """When a bottleneck that is free from then on begins to send so much, and has sent it.

        The same as `opens_ns` and `finish_ns`, in one step where the rate stays as it is meanwhile.
        """
        if not self._piece_from_ns <= at_ns < self._piece_until_ns:
            self._look(at_ns)
        if self._piece_units_per_ns:
            ends_ns = at_ns - (-units // self._piece_units_per_ns)
            if ends_ns <= self._piece_until_ns:
                return at_ns, ends_ns
        return self.opens_ns(at_ns), self.finish_ns(at_ns, units)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """The same: what it keeps, it would find again."""
        return self

    def _look(self, at_ns: int) -> None:
        """Keep the stretch around an instant on which neither rate nor factor change."""
        piece = self._steps.piece(at_ns)
        index = bisect_right(self._from, at_ns)
        from_ns, until_ns = piece.from_ns, piece.until_ns
        if index:
            from_ns = max(from_ns, self._from[index - 1])
        if index < len(self._from):
            until_ns = min(until_ns, self._from[index])
        self._piece_from_ns, self._piece_until_ns = from_ns, until_ns
        self._piece_units_per_ns = piece.value * self._factors[index]

    def opens_ns(self, at_ns: int) -> int:
        """The first time at or after this one at which the rate is above zero."""
        return self.finish_ns(at_ns, 1) - 1

    def _sent(self, at_ns: int) -> int:
        """The integral of the rate alone."""
        turns, offset = divmod(at_ns, self._period_ns)
        index = bisect_right(self._starts, offset) - 1
        part = self._sums[index] + self._rates[index] * (offset - self._starts[index])
        return turns * self._sums[-1] + part

    def _when(self, sent: int) -> int:
        """The first nanosecond by which the integral of the rate alone is so large."""
        turns, rest = divmod(sent - 1, self._sums[-1])
        index = bisect_left(self._sums, rest + 1) - 1
        more_ns = -(-(rest + 1 - self._sums[index]) // self._rates[index])
        return turns * self._period_ns + self._starts[index] + more_ns
