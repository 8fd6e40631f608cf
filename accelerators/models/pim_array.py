"""How work lies on the units of a PIM memory, and the clocks that its commands take.

A matrix lies in the banks so that each unit gathers `registers` results. One pass over all channels
makes a *tile* of `channels x units x registers` results; a matrix with one row more than that takes
a second tile at full price, so cost is a step function of the rows. For each tile the input goes
into the units in chunks that they can hold, each padded to `input_step`: it is written once, and
met by `registers` times as many computing commands. Bank rows are opened as often as the chunk's
part of the matrix fills one, and a fence follows each group of `registers` commands. Then the
results leave. A second vector does all of it again: the units keep no weights.

Element-wise work goes in groups of `element_group` commands, one group per operand and one for the
result unless one command does all, in each of the `banks / units` banks that a unit serves; the
group after it opens other rows.

The mapping follows the published architecture: for HBM-PIM the README of
SAITPublic/PIMSimulator@b464dde014 (a unit per two banks, two register files of eight 256-bit
registers, a command for all banks), for GDDR6-AiM that of arkhadem/aim_simulator@0f28a07bdb (a unit
per bank, a global buffer that is written before all banks multiply by it, results read at the end).

All quantities are int64 arrays, and every division rounds up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from accelerators.specs_schema_pim import PimSpec

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """What one channel is told to do; arrays of one shape.

    Attributes:
        launches: Times that computing mode is entered.
        columns: Column commands.
        computing: Those of them that compute.
        rows: Changes of row, in all banks.
        fences: Groups waited for.
        results: Tiles of results that leave.
    """

    launches: Ints
    columns: Ints
    computing: Ints
    rows: Ints
    fences: Ints
    results: Ints

    def __add__(self, other: Commands) -> Commands:
        """One after the other."""
        return Commands(
            **{part.name: getattr(self, part.name) + getattr(other, part.name) for part in _PARTS}
        )

    def times(self, count: Ints) -> Commands:
        """All of it `count` times."""
        return Commands(**{part.name: getattr(self, part.name) * count for part in _PARTS})


_PARTS = fields(Commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class PimArray:
    """Geometry and timing of the units; the fields are those of the spec, without sources."""

    channels: int
    banks: int
    units: int
    lanes: int
    registers: int
    input_elements: int
    input_step: int
    row_elements: int
    result_rows: int
    result_fences: int
    element_units: int
    element_group: int
    operands_together: bool
    clock_ps: int
    column_clocks: int
    row_clocks: int
    fence_clocks: int
    result_clocks: int
    launch_clocks: int
    refresh_clocks: int
    refresh_interval_clocks: int

    @property
    def tile_rows(self) -> int:
        """Rows of a matrix that one tile covers: the length of a step."""
        return self.channels * self.units * self.registers

    @property
    def element_step(self) -> int:
        """Elements of element-wise work that one group in every bank covers."""
        banks_each = self.banks // self.units
        return self.channels * self.element_units * self.lanes * self.element_group * banks_each

    def product(
        self, *, rows: Ints, depth: Ints, vectors: Ints, matrices: Ints, steps: Ints
    ) -> Commands:
        """Commands of a matrix product; the arguments are the fields of `MatrixWork`.

        Matrices beside each other share the channels; vectors of one matrix wait in line.
        """
        channel_tiles = matrices * up(rows, self.units * self.registers)
        tiles = vectors * up(channel_tiles, self.channels)
        rest = up(depth % self.input_elements, self.input_step) * self.input_step
        chunks = depth // self.input_elements
        full = np.full_like(depth, self.input_elements)
        one = (
            self._chunk(full).times(chunks) + self._chunk(rest) + self._results(np.ones_like(rows))
        )
        return self._launched(one.times(tiles)).times(steps)

    def dense(self, macs: Ints) -> Commands:
        """Commands of so many multiply-adds of unknown shape: as if they filled their tiles."""
        block = self.tile_rows * self.input_elements
        full = np.full_like(macs, self.input_elements)
        one = self._chunk(full) + self._results(np.ones_like(macs))
        return self._launched(one.times(up(macs, block)))

    def element_wise(self, elements: Ints, *, operands: int) -> Commands:
        """Commands of an element-wise operator of `operands` operands on so many results."""
        groups = up(elements, self.element_step) * (self.banks // self.units)
        phases = groups * (1 if self.operands_together else operands + 1)
        computing = groups * (1 if self.operands_together else operands)
        nothing = np.zeros_like(elements)
        return self._launched(
            Commands(
                launches=nothing,
                columns=phases * self.element_group,
                computing=computing * self.element_group,
                rows=phases,
                fences=phases,
                results=nothing,
            )
        )

    def clocks(self, work: Commands) -> Ints:
        """Clocks from the host's start to its having the results; refreshes left out."""
        return (
            work.launches * self.launch_clocks
            + work.columns * self.column_clocks
            + work.rows * self.row_clocks
            + work.fences * self.fence_clocks
            + work.results * self.result_clocks
        )

    def latency_ns(self, clocks: Ints) -> Ints:
        """Time of so many clocks and of the refreshes that fall among them."""
        between = self.refresh_interval_clocks - self.refresh_clocks
        return up((clocks + clocks * self.refresh_clocks // between) * self.clock_ps, 1000)

    def _chunk(self, elements: Ints) -> Commands:
        """A part of the input that the units hold at once, against one tile; none is nothing."""
        writes = elements // self.lanes
        computing = writes * self.registers
        nothing = np.zeros_like(elements)
        return Commands(
            launches=nothing,
            columns=writes + computing,
            computing=computing,
            rows=up(elements * self.registers, self.row_elements),
            fences=up(writes, self.registers) + up(computing, self.registers),
            results=nothing,
        )

    def _results(self, tiles: Ints) -> Commands:
        return Commands(
            launches=np.zeros_like(tiles),
            columns=tiles * self.registers,
            computing=np.zeros_like(tiles),
            rows=tiles * self.result_rows,
            fences=tiles * self.result_fences,
            results=tiles,
        )

    def _launched(self, work: Commands) -> Commands:
        """With the start; work of no commands at all starts nothing."""
        return Commands(
            launches=(work.columns > 0).astype(np.int64),
            columns=work.columns,
            computing=work.computing,
            rows=work.rows,
            fences=work.fences,
            results=work.results,
        )


def array_of(spec: PimSpec) -> PimArray:
    """The array that a spec describes."""
    figures = {
        name: getattr(part, name).value
        for part in (spec.array, spec.timing)
        for name in type(part).model_fields
        if name != "operands_together"
    }
    return PimArray(operands_together=spec.array.operands_together, **figures)


def up(amount: Ints, per: int) -> Ints:
    """Quotient rounded up; `amount` not negative, `per` above zero."""
    return -(-amount // per)
