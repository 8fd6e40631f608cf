"""A segment priced on both sides of a memory: by the units in it, and by the processor before it.

The two exclude each other: while the units compute, the banks answer no ordinary access
(https://openreview.net/forum?id=HzUSXvNiAS). So within a run nothing overlaps, and between runs the
memory is busy for the sum of both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import UnsupportedPrecisionError
from accelerators.models.pim_array import Commands
from accelerators.models.pim_facts import FUSIBLE
from accelerators.work import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from accelerators.models.pim_array import PimArray
    from accelerators.models.pim_facts import Facts
    from accelerators.models.pim_plain import Plain
    from accelerators.work import OpWork, Precision

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_FJ_PER_PJ = 1000
_CELLS = frozenset({"GRU", "LSTM", "RNN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """What the units can do, by ONNX operator type; the fields are those of the spec."""

    precision: Precision
    products: frozenset[str]
    pairwise: frozenset[str]
    single: frozenset[str]
    behind: frozenset[str]
    behind_clocks: int

    def supports(self, op: OpWork) -> bool:
        """Whether the units run this operator, at least behind a product."""
        return op.op_type in self.products | self.pairwise | self.single | self.behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy of the memory; the fields are those of the spec."""

    command_pj: int
    row_pj: int
    standby_mw: int
    plain_fj_per_byte: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What each operator of a segment costs on either side; arrays with an entry per operator.

    Attributes:
        facts: The operators.
        can: Whether the units can run it in this precision.
        needs: Whether they can only where they also run the operator it is behind.
        units_ns: Time with the units, fixed times included.
        units_busy_ns: Part of that in which the memory computes or is written for it.
        units_pj: Energy of the memory for it; 0 where no figure is known.
        plain_ns: Time on the processor with nothing fused.
        plain_busy_ns: Part of that in which the memory is read or written.
        plain_pj: Energy of the memory for it.
        fused: Whether it costs nothing on the processor where that also runs the one before.
        handover_ns: Time of handing its result to the other side.
        traffic_bytes: Weights and live tensors at this precision.
    """

    facts: Facts
    can: Flags
    needs: Flags
    units_ns: Ints
    units_busy_ns: Ints
    units_pj: Ints
    plain_ns: Ints
    plain_busy_ns: Ints
    plain_pj: Ints
    fused: Flags
    handover_ns: Ints
    traffic_bytes: Ints

    @property
    def free(self) -> Sequence[bool]:
        """Which operators may go to either side."""
        flags: list[bool] = self.can.tolist()
        return flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A memory that computes and its processor.

    Attributes:
        array: The units.
        functions: What they can do.
        plain: The processor at its pins.
        handover_ns: Fixed time of handing a tensor over.
        energy: None where no figure is known.
        capacity_bytes: What the part of the memory that computes holds; None where not known.
    """

    array: PimArray
    functions: Functions
    plain: Plain
    handover_ns: int
    energy: Energy | None
    capacity_bytes: int | None

    def sides(self, facts: Facts, *, batch: int, precision: Precision, device: str) -> Sides:
        """Price every operator on both sides.

        Raises:
            UnsupportedPrecisionError: The processor does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        if precision not in self.plain.macs_per_us:
            raise UnsupportedPrecisionError(device, precision, self.plain.macs_per_us)
        if batch < 1:
            msg = f"batch must be at least 1: {batch}"
            raise ValueError(msg)
        item = BYTES_PER_ELEMENT[precision]
        work, calls, written = self._on_units(facts, batch=batch)
        kinds = [op.op_type for op in facts.ops]
        product = _flags(kinds, self.functions.products) & (facts.macs > 0)
        alone = _flags(kinds, self.functions.pairwise | self.functions.single)
        after = np.array([at >= 0 and bool(product[at]) for at in facts.behind], dtype=np.bool_)
        needs = _flags(kinds, self.functions.behind) & after & ~alone
        can = (product | alone | needs) & (precision == self.functions.precision)
        clocks = self.array.clocks(work) + np.where(needs, self._activation_clocks(facts, work), 0)
        busy_ns = self.array.latency_ns(clocks) + self.plain.read_ns(written * item)
        traffic = self.plain.traffic_bytes(facts, batch=batch, precision=precision)
        plain_busy_ns = self.plain.read_ns(traffic)
        sides = Sides(
            facts=facts,
            can=can,
            needs=needs,
            units_ns=busy_ns + calls * self.plain.call_ns,
            units_busy_ns=busy_ns,
            units_pj=np.zeros_like(busy_ns),
            plain_ns=self.plain.alone_ns(facts, batch=batch, precision=precision),
            plain_busy_ns=plain_busy_ns,
            plain_pj=np.zeros_like(busy_ns),
            fused=_flags(kinds, FUSIBLE)
            & np.array([at >= 0 for at in facts.behind], dtype=np.bool_),
            handover_ns=self.handover_ns + self.plain.read_ns(batch * item * facts.outputs),
            traffic_bytes=item * (facts.weights + batch * (facts.live + facts.caches)),
        )
        if self.energy is None:
            return sides
        return self._with_energy(sides, self.energy, work, written * item)

    def _on_units(self, facts: Facts, *, batch: int) -> tuple[Commands, Ints, Ints]:
        """Commands, host's starts and elements written beforehand, per operator."""
        # One entry per matrix shape; a recurrent cell has two.
        known = [(at, p) for at, op in enumerate(facts.ops) for p in op.products]
        total = len(facts.ops)
        at = np.array([place for place, _ in known], dtype=np.int64)
        constant = np.array([p.constant for _, p in known], dtype=np.bool_)
        rows, depth, vectors, matrices, steps = (
            np.array([getattr(p, name) for _, p in known], dtype=np.int64)
            for name in ("rows", "depth", "vectors", "matrices", "steps")
        )
        shaped = self.array.product(
            rows=rows,
            depth=depth,
            vectors=np.where(constant, batch * vectors, vectors),
            matrices=np.where(constant, matrices, batch * matrices),
            steps=steps,
        )
        # One vector per matrix that is no weight: a cache of keys or values, which lies in the
        # banks. More: a matrix that was just computed, and has to be written there first.
        fresh = np.where(constant | (vectors == 1), 0, batch * matrices * rows * depth * steps)
        kinds = [op.op_type for op in facts.ops]
        single = _flags(kinds, self.functions.single)
        pair = _flags(kinds, self.functions.pairwise)
        shapeless = _flags(kinds, self.functions.products)
        shapeless[at] = False
        work = (
            _gathered(shaped, at, total)
            + self.array.dense(np.where(shapeless, batch * facts.macs, 0))
            + self.array.element_wise(np.where(single, batch * facts.outputs, 0), operands=1)
            + self.array.element_wise(np.where(pair, batch * facts.outputs, 0), operands=2)
        )
        # The gates of a recurrent cell are put together by the processor, once a step.
        gates = np.where(_flags(kinds, _CELLS), facts.steps, 0)
        return work, work.launches + gates, _summed(fresh, at, total)

    def _activation_clocks(self, facts: Facts, work: Commands) -> Ints:
        """Clocks of an activation that works on the results of the product before it."""
        if not facts.ops:
            return work.results
        before = np.array([max(place, 0) for place in facts.behind], dtype=np.int64)
        return work.results[before] * self.functions.behind_clocks

    def _with_energy(
        self, sides: Sides, energy: Energy, work: Commands, written_bytes: Ints
    ) -> Sides:
        channels = self.array.channels
        standby = channels * energy.standby_mw  # 1 mW x 1 ns = 1 pJ
        return replace(
            sides,
            units_pj=channels * (work.computing * energy.command_pj + work.rows * energy.row_pj)
            + written_bytes * energy.plain_fj_per_byte // _FJ_PER_PJ
            + sides.units_ns * standby,
            plain_pj=sides.plain_busy_ns
            * self.plain.bytes_per_us
            // 1000
            * energy.plain_fj_per_byte
            // _FJ_PER_PJ
            + sides.plain_ns * standby,
        )


def _flags(kinds: Sequence[str], among: frozenset[str]) -> Flags:
    return np.array([kind in among for kind in kinds], dtype=np.bool_)


def _summed(values: Ints, at: Ints, total: int) -> Ints:
    sums = np.zeros(total, dtype=np.int64)
    np.add.at(sums, at, values)
    return sums


def _gathered(work: Commands, at: Ints, total: int) -> Commands:
    """Commands of the shapes, added up per operator."""
    return Commands(
        **{part.name: _summed(getattr(work, part.name), at, total) for part in fields(Commands)}
    )
