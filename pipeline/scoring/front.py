"""One front: which of several runs no other one beats in everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def pareto(costs: Sequence[Sequence[float | None]]) -> list[bool]:
    """Which entries are on the front: no other is as good in every figure and better in one.

    Args:
        costs: For each entry its figures, less is better; an entry with one that is missing is not
            on the front and beats nothing.
    """
    known = [
        None if any(value is None for value in row) else [v for v in row if v is not None]
        for row in costs
    ]
    return [
        mine is not None
        and not any(
            other is not None
            and all(a <= b for a, b in zip(other, mine, strict=True))
            and any(a < b for a, b in zip(other, mine, strict=True))
            for other in known
        )
        for mine in known
    ]
