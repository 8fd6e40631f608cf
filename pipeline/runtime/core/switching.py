"""Which cell of the plan map a task is in, as the estimates of link and cloud move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.plan.maps import Cell
from pipeline.runtime.core.estimation import PPM, RegionSwitch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.plan.maps import RegionMap
    from pipeline.runtime.core.config import SwitchConfig
    from pipeline.runtime.core.estimation import LinkEstimator

_INVERSE = 10**18


class MapSwitch:
    """The cell of a plan map: worse at once, better only after patience and margin, on each axis.

    Args:
        region: The map; its cells name ways of the task.
        config: Patience, margin and probes.
    """

    def __init__(self, region: RegionMap, config: SwitchConfig) -> None:
        self._region = region
        # A low round trip is good, and so is a low load: their inverse and their rest rise with it.
        self._rate = RegionSwitch((*region.rate_borders, 0), config)
        self._rtt = RegionSwitch((*map(_inverse, region.rtt_borders), 0), config)
        self._idle = RegionSwitch((*(PPM - b for b in region.load_borders), 0), config)
        self.several = len(region.cells) > 1
        """Whether the map has more than one cell."""
        self.current = region.at(self.cell)
        """The way that the cell names."""

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self._idle.current, self._rtt.current, self._rate.current)

    def observe(self, estimate: LinkEstimator) -> bool:
        """New estimates; returns whether the way changed."""
        before = self.current
        self._rate.observe(estimate.bits_per_s)
        self._rtt.observe(_inverse(estimate.rtt_ns) - 1)
        self._idle.observe(PPM - estimate.load_ppm - 1)
        self.current = self._region.at(self.cell)
        return self.current != before

    def probe_due(self, at_ns: int) -> bool:
        """Whether a frame should try a better cell's way, so that the estimates can recover."""
        return self._rate.probe_due(at_ns)

    def better(self) -> Iterator[int]:
        """Ways of better cells, the nearest first."""
        here = self.cell
        cells = [
            Cell(load, rtt, rate)
            for load in range(here.load + 1)
            for rtt in range(here.rtt + 1)
            for rate in range(here.rate + 1)
        ]
        cells.sort(key=lambda cell: (sum(here) - sum(cell), cell))
        for cell in cells[1:]:
            yield self._region.at(cell)


def _inverse(rtt_ns: int) -> int:
    return _INVERSE // max(1, rtt_ns)
