"""The plan map: which candidate is best over uplink rate, round trip and load; types only."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from msgspec import field

from pipeline.values import Value


class Cell(NamedTuple):
    """A cell of a map, by its place on each axis; 0 is the best link and the idlest cloud."""

    load: int
    rtt: int
    rate: int


class RegionMap(Value, frozen=True, kw_only=True):
    """What to run where, as a core looks it up.

    Each axis is cut at its borders, and cell 0 lies at its good end: above the highest rate, below
    the lowest round trip and load.

    Attributes:
        rate_borders: Uplink rates in bits per second, falling; a cell begins at its border.
        rtt_borders: Round trips in ns, rising; a cell ends before its border.
        load_borders: Busy shares of the cloud's device in parts per million, rising; likewise.
        cells: What each cell names, load by load, in each round trip by round trip, in each rate by
            rate.
    """

    rate_borders: tuple[int, ...] = ()
    rtt_borders: tuple[int, ...] = ()
    load_borders: tuple[int, ...] = ()
    cells: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        sizes = self.sizes
        if len(self.cells) != sizes.load * sizes.rtt * sizes.rate:
            raise ValueError("a map has one entry per cell")

    @property
    def sizes(self) -> Cell:
        """Number of cells along each axis."""
        return Cell(
            len(self.load_borders) + 1, len(self.rtt_borders) + 1, len(self.rate_borders) + 1
        )

    def cell_of(self, up_bits_per_s: int, rtt_ns: int, load_ppm: int) -> Cell:
        """The cell that some conditions lie in."""
        return Cell(
            bisect_right(self.load_borders, load_ppm),
            bisect_right(self.rtt_borders, rtt_ns),
            sum(up_bits_per_s < border for border in self.rate_borders),
        )

    def at(self, cell: Cell) -> int:
        """What a cell names."""
        sizes = self.sizes
        return self.cells[(cell.load * sizes.rtt + cell.rtt) * sizes.rate + cell.rate]


class PlanMap(Value, frozen=True, kw_only=True):
    """The plan of every task over a grid of conditions.

    Attributes:
        rates_bits_per_s: Uplink rates that were planned at, falling, one per cell.
        rtts_ns: Round trips, rising, likewise.
        loads_ppm: Busy shares of the cloud's device, rising, likewise.
        tasks: Per task a map whose cells name candidates by their index.
        nominal: The conditions of the plan itself: rate, round trip, load.
        refused: Per task candidates that some cell would have, but that do not fit into a device's
            memory beside all else that stays there.
    """

    rates_bits_per_s: tuple[int, ...]
    rtts_ns: tuple[int, ...]
    loads_ppm: tuple[int, ...]
    tasks: dict[str, RegionMap]
    nominal: tuple[int, int, int]
    refused: dict[str, tuple[int, ...]] = field(default_factory=dict)


class Validity(Value, frozen=True, kw_only=True):
    """How far each condition may move by itself before another candidate is the one to run.

    Attributes:
        up_bits_per_s: Lowest and highest uplink rate that was looked at and does not change it; a
            lowest of 0 says that no rate below does.
        rtt_ns: The same of the round trip.
        load_ppm: The same of the cloud's load.
        open_up: Whether the choice stands at the highest rate that was looked at.
        open_rtt: Whether it stands at the longest round trip that was looked at.
        open_load: Whether it stands at the highest load that was looked at.
    """

    up_bits_per_s: tuple[int, int]
    rtt_ns: tuple[int, int]
    load_ppm: tuple[int, int]
    open_up: bool
    open_rtt: bool
    open_load: bool
