"""The NPU model: what a segment costs on an accelerator, in integers, the same on any machine.

A convolution, a matrix product or a lone element-wise operator takes the longest of three times,
each of which goes on while the others do: its arithmetic, reading its weights, and reading and
writing its activations.

Arithmetic of a convolution is that of its multiply-adds, or of its windows (output elements times
window, what it would have with one channel a group) times the factor for depthwise windows,
whichever is more: so depthwise convolutions, grouped ones and first layers on three channels are
slower than dense ones by one parameter. A product has a factor and a fixed time. Other operators
take their elements at the vector rate, with a factor each for poolings, resizes, passes over a
result, and slices. Activations up to about the knee cost little: of x bytes x / (x + knee) count.
Fusion and free movement are those of `facts`. A run has its fixed time and, on a card, two
transfers. Every division rounds up.

In a batch of b, weights and fixed times are paid once, activations b times, and arithmetic b times
less what one sample leaves of the device: (b + s) / (1 + s) times with the fill
s. A device of several slots works on as many runs at once; that shortens the period, not a run. Of
a device that pipelines layers, the priced time is the period, and a sample's latency a multiple.

The form was chosen by cross-validation on published latencies (docs/explanation/calibration.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from accelerators.errors import UnsupportedPrecisionError
from accelerators.models.facts import Role, facts
from accelerators.models.host_side import transfers_ns, up
from accelerators.work import BYTES_PER_ELEMENT, WEIGHT_BYTES_PER_ELEMENT, OpCost, SegmentCost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerators.models.facts import OpFacts
    from accelerators.models.host_side import Fallback, Link
    from accelerators.work import Label, OpWork, Precision, SegmentWork

_S = 1_000_000_000
_PERMILLE = 1000
_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Bounds of the power during a run (mW), and its part (thousandths) without arithmetic."""

    low_mw: int
    high_mw: int
    waiting_permille: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentModel:
    """Parameters of a device, all in the unit that their name ends with; meanings as in the spec.

    Attributes:
        name: The device's id, written in the cost shares.
        label: How far the parameters can be believed.
        macs_per_s: Dense multiply-adds per precision, the preferred one first.
        run_ns: Fixed time of a run, per precision.
        depthwise_permille: Time of a multiply-add in a one-channel window to a dense one's.
        product_permille: The same of a matrix product.
        weight_bytes_per_s: Weights read.
        activation_bytes_per_s: Activations read and written.
        vector_bytes_per_s: Elements through the vector unit.
        pool_permille: Time of a pooling's element to another's of the vector unit.
        resize_permille: The same of a resize.
        pass_permille: The same of a pass over a result that was just written.
        slice_permille: The same of an element of a slice.
        knee_bytes: Activations of an operator of which half count; smaller ones count less.
        resident_bytes: Weights that stay on chip between runs; None where all are read.
        product_ns: Fixed time of a matrix product beside its own.
        fill_permille: What one sample leaves of the device.
        slots: Runs at once.
        dataflow_permille: Latency over period of a pipelined device; None for any other.
        bias_ppm: 10 % and 90 % quantile of true over modelled latency, parts per million.
        link: None where device and host share a memory.
        fallback: None where every operator runs on the device.
        power: None where there is no figure.
    """

    name: str
    label: Label
    macs_per_s: Mapping[Precision, int]
    run_ns: Mapping[Precision, int]
    depthwise_permille: int
    product_permille: int
    weight_bytes_per_s: int
    activation_bytes_per_s: int
    vector_bytes_per_s: int
    resident_bytes: int | None
    product_ns: int
    fill_permille: int
    slots: int
    bias_ppm: tuple[int, int]
    pool_permille: int = _PERMILLE
    resize_permille: int = _PERMILLE
    pass_permille: int = 0
    slice_permille: int = 0
    knee_bytes: int = 0
    dataflow_permille: int | None = None
    link: Link | None = None
    fallback: Fallback | None = None
    power: Power | None = None

    def supports(self, op: OpWork) -> bool:
        """Whether the device runs this operator itself."""
        return self.fallback is None or op.op_type not in self.fallback.op_types

    def vector_milli(self, fact: OpFacts) -> int:
        """Elements through the vector unit, each by what it costs there, in thousandths."""
        return (
            fact.vector * _PERMILLE
            + fact.pooled * self.pool_permille
            + fact.resized * self.resize_permille
            + fact.passed * self.pass_permille
            + fact.sliced * self.slice_permille
        )

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> tuple[OpCost, ...]:
        """Shares of the operators, in the segment's order.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        if precision not in self.macs_per_s:
            raise UnsupportedPrecisionError(self.name, precision, self.macs_per_s)
        if batch < 1:
            msg = f"batch must be at least 1: {batch}"
            raise ValueError(msg)
        item, weight_item = BYTES_PER_ELEMENT[precision], WEIGHT_BYTES_PER_ELEMENT[precision]
        held = weight_item * sum(op.weight_elements for op in segment.ops)
        streamed = max(0, held - (self.resident_bytes or 0))
        macs_per_s = self.macs_per_s[precision]
        costs: list[OpCost] = []
        for op, fact in zip(segment.ops, facts(segment.ops), strict=True):
            if not self.supports(op) and self.fallback is not None:
                fallen = self.fallback.share(op, batch=batch, item=item)
                energy_pj = self._share_pj(fallen.latency_ns, 0)  # the device waits meanwhile
                costs.append(replace(fallen, energy_pj=energy_pj))
                continue
            if fact.role in {Role.FREE, Role.FUSED}:
                costs.append(self._share(op.name, 0, 0, 0, fused_into=fact.fused_into))
                continue
            weights = weight_item * fact.weights
            read = up(weights * streamed, held) if held else 0
            live = item * fact.moved
            traffic = item * fact.traffic
            if self.knee_bytes:
                traffic = up(traffic * traffic, traffic + self.knee_bytes)
            arithmetic_ns = self._arithmetic_ns(fact, item=item, batch=batch, rate=macs_per_s)
            longest_ns = max(
                arithmetic_ns,
                up(read * _S, self.weight_bytes_per_s),
                up(batch * traffic * _S, self.activation_bytes_per_s),
            )
            if fact.product_macs:
                longest_ns += self.product_ns
            costs.append(self._share(op.name, longest_ns, arithmetic_ns, weights + batch * live))
        return tuple(costs)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples.

        A device that is kept busy hides transfers and the fixed time of a run behind the operators
        of another, so its period is the longest of the operators' time over the slots, one transfer
        and the fixed time over the slots. Energy is power times time, of which a part only where no
        arithmetic is under way; its middle lies between the two plausible powers.

        Raises:
            UnsupportedPrecisionError: The device does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        ops = self.op_costs(segment, batch=batch, precision=precision)
        item = BYTES_PER_ELEMENT[precision]
        moves_ns = transfers_ns(self.link, segment, batch * item)
        busy_ns = sum(op.latency_ns for op in ops)
        run_ns = self.run_ns[precision]
        period_ns = max(up(busy_ns, self.slots), up(run_ns, self.slots), *moves_ns, 1)
        overhead_ns = run_ns + sum(moves_ns)
        if self.dataflow_permille is not None:
            period_ns = max(busy_ns + run_ns, *moves_ns, 1)
            overhead_ns += up(period_ns * (self.dataflow_permille - _PERMILLE), _PERMILLE)
        latency_ns = busy_ns + overhead_ns
        low_ppm, high_ppm = self.bias_ppm
        bounds_pj = self._energy_pj(ops, latency_ns)
        return SegmentCost(
            latency_ns=latency_ns,
            interval_ns=(latency_ns * low_ppm // _PPM, up(latency_ns * high_ppm, _PPM)),
            period_ns=min(period_ns, latency_ns),
            energy_pj=None if bounds_pj is None else sum(bounds_pj) // 2,
            overhead_ns=overhead_ns,
            ops=ops,
            label=self.label,
            warnings=self._warnings(segment, precision),
            energy_interval_pj=bounds_pj,
        )

    def _arithmetic_ns(self, fact: OpFacts, *, item: int, batch: int, rate: int) -> int:
        """Arithmetic of a batch, the vector unit's included: (b + s) / (1 + s) times one sample's.

        A sample that does not fill the device takes its own time even alone.
        """
        macs = max(
            fact.macs * _PERMILLE,
            fact.window_macs * self.depthwise_permille,
            fact.product_macs * self.product_permille,
        )
        one = up(macs * _S, rate * _PERMILLE) + up(
            item * self.vector_milli(fact) * _S, self.vector_bytes_per_s * _PERMILLE
        )
        return up(one * (batch * _PERMILLE + self.fill_permille), _PERMILLE + self.fill_permille)

    def _share(
        self,
        name: str,
        latency_ns: int,
        arithmetic_ns: int,
        moved_bytes: int,
        *,
        fused_into: str | None = None,
    ) -> OpCost:
        return OpCost(
            name=name,
            latency_ns=latency_ns,
            energy_pj=self._share_pj(latency_ns, arithmetic_ns),
            on=self.name,
            moved_bytes=moved_bytes,
            fused_into=fused_into,
        )

    def _share_pj(self, latency_ns: int, arithmetic_ns: int) -> int:
        """Energy at the middle power: 1 mW x 1 ns = 1 pJ; waiting takes its part of the power."""
        if self.power is None:
            return 0
        waiting_ns = (latency_ns - arithmetic_ns) * self.power.waiting_permille // _PERMILLE
        return (arithmetic_ns + waiting_ns) * (self.power.low_mw + self.power.high_mw) // 2

    def _energy_pj(self, ops: tuple[OpCost, ...], latency_ns: int) -> tuple[int, int] | None:
        """Bounds of a run's energy; the shares' at the middle power tell how busy it was."""
        if self.power is None:
            return None
        total_mw = self.power.low_mw + self.power.high_mw
        idle_ns = latency_ns - sum(op.latency_ns for op in ops)
        middle = sum(op.energy_pj for op in ops) + self._share_pj(idle_ns, 0)
        return (
            2 * middle * self.power.low_mw // total_mw,
            up(2 * middle * self.power.high_mw, total_mw),
        )

    def _warnings(self, segment: SegmentWork, precision: Precision) -> tuple[str, ...]:
        warnings = [] if self.fallback is None else self.fallback.warnings(segment)
        elements = sum(op.weight_elements for op in segment.ops)
        weight_bytes = WEIGHT_BYTES_PER_ELEMENT[precision] * elements
        if self.resident_bytes is not None and weight_bytes > self.resident_bytes:
            warnings.append(
                f"{weight_bytes} bytes of weights exceed the {self.resident_bytes} held on chip"
            )
        if self.label in {"extrapolated", "anchored", "assumed"}:
            warnings.append(f"prices of {self.name} are {self.label}, no fit stands behind them")
        if self.power is None:
            warnings.append("no power figure, so energy is not known")
        return tuple(warnings)
