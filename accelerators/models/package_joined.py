"""A site's accelerator and a PIM device beside it, on one bus: two devices that act as one.

Unlike in a package each has a memory of its own. The accelerator prices its operators as it does
alone; an operator goes to the PIM device where it gains more than its tensors cost on the bus.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from accelerators.errors import AcceleratorError
from accelerators.models.package_cut import cheapest
from accelerators.models.pim import PimDevice
from accelerators.models.pim_array import up
from accelerators.models.pim_facts import facts_of
from accelerators.work import BYTES_PER_ELEMENT, SegmentCost, SegmentWork, weakest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from accelerators.device import Device, DeviceKind
    from accelerators.models.pim_sides import Sides
    from accelerators.work import Label, OpCost, OpWork, Precision

# Assumed: payload of PCIe Gen4 x8, and the set-up of one transfer, as `furiosa-warboy.toml` has it.
BUS_BYTES_PER_MS = 12_000_000
BUS_NS = 10_000
_PPM = 1_000_000


class JoinedDevice:
    """A `Device` made of an accelerator and a PIM device at its side; immutable."""

    def __init__(self, main: Device, helper: PimDevice) -> None:
        """Join them; `main` runs whatever `helper` cannot, or not gainfully."""
        self._main, self._helper = main, helper
        # The wider of the two at each quantile, so that neither is made calmer than it is.
        self._jitter_ppm = tuple(
            min(pair) if sum(pair) < 2 * _PPM else max(pair)
            for pair in zip(main.jitter_ppm, helper.jitter_ppm, strict=True)
        )

    @property
    def name(self) -> str:
        """Both ids, joined by a plus."""
        return f"{self._main.name}+{self._helper.name}"

    @property
    def kind(self) -> DeviceKind:
        """Always `package`."""
        return "package"

    @property
    def label(self) -> Label:
        """The weaker of the two; the bus between them is assumed, which a warning says."""
        return weakest(self._main.label, self._helper.label)

    @property
    def source(self) -> str:
        """Both files."""
        return f"{self._main.source}, {self._helper.source}"

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those of the accelerator; the PIM device takes part in its own only."""
        return self._main.precisions

    @property
    def jitter_ppm(self) -> tuple[int, ...]:
        """At each quantile the wider of the two, ppm."""
        return self._jitter_ppm

    def supports(self, op: OpWork) -> bool:
        """Whether either runs it itself."""
        return self._main.supports(op) or self._helper.supports(op)

    def price(self, segment: SegmentWork, *, batch: int, precision: Precision) -> SegmentCost:
        """Cost of one run of `batch` samples in the cheapest division.

        The interval adds up that of the parts. Kept busy, the two take turns at different runs, so
        the period is the longer of their sums, or the accelerator's own where nothing moves.

        Raises:
            UnsupportedPrecisionError: The accelerator does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        alone = self._main.price(segment, batch=batch, precision=precision)
        if precision not in self._helper.precisions:
            format_ = self._helper.precisions[0]
            note = f"{self._helper.name} computes in {format_} only, so nothing runs there"
            return replace(alone, label=self.label, warnings=(*alone.warnings, note))
        sides = self._sides(segment, alone, batch=batch, precision=precision)
        there = cheapest(sides)
        divided = self._divided(sides, there, alone)
        if any(there) and divided.latency_ns < alone.latency_ns:
            return divided
        note = f"nothing gains by running on {self._helper.name}"
        return replace(
            alone,
            ops=_shares(sides, [False] * len(there), alone, self._helper.name),
            label=self.label,
            warnings=(*alone.warnings, note),
        )

    def op_costs(
        self, segment: SegmentWork, *, batch: int, precision: Precision
    ) -> NDArray[np.int64]:
        """Additive surrogate of `price` for cuts: ns per operator, shape (operators,), int64.

        For the segment itself there is no gap; for a part of it the accelerator's own gap applies.

        Raises:
            UnsupportedPrecisionError: The accelerator does not compute in `precision`.
            ValueError: `batch` is below one.
        """
        cost = self.price(segment, batch=batch, precision=precision)
        return np.array([op.latency_ns for op in cost.ops], dtype=np.int64)

    def _divided(self, sides: Sides, there: Sequence[bool], alone: SegmentCost) -> SegmentCost:
        ops = _shares(sides, there, alone, self._helper.name)
        run_ns = self._helper.spec.run_ns.value
        overhead_ns = alone.overhead_ns + run_ns
        moved_ns = run_ns + sum(op.latency_ns for op, gone in zip(ops, there, strict=True) if gone)
        latency_ns = overhead_ns + sum(op.latency_ns for op in ops)
        kept_ns = latency_ns - moved_ns
        low_ppm, high_ppm = self._helper.bias_ppm
        low_ns, high_ns = alone.interval_ns
        whole_ns = max(1, alone.latency_ns)
        energy_pj = None
        if alone.energy_pj is not None and self._helper.spec.energy is not None:
            own_pj = alone.energy_pj - sum(op.energy_pj for op in alone.ops)
            energy_pj = own_pj + sum(op.energy_pj for op in ops)
        count = sum(op.on == self._helper.name and op.latency_ns > 0 for op in ops)
        return SegmentCost(
            latency_ns=latency_ns,
            interval_ns=(
                kept_ns * low_ns // whole_ns + moved_ns * low_ppm // _PPM,
                -(-kept_ns * high_ns // whole_ns) - (-moved_ns * high_ppm // _PPM),
            ),
            period_ns=max(1, min(alone.period_ns, kept_ns), moved_ns),
            energy_pj=energy_pj,
            overhead_ns=overhead_ns,
            ops=ops,
            label=self.label,
            warnings=(
                *alone.warnings,
                f"{count} operators run on {self._helper.name}; the bus between them is assumed",
            ),
        )

    def _sides(
        self, segment: SegmentWork, alone: SegmentCost, *, batch: int, precision: Precision
    ) -> Sides:
        """Both sides of each operator: the PIM device's units, and the accelerator."""
        facts = facts_of(segment)
        sides = self._helper.memory.sides(
            facts, batch=batch, precision=precision, device=self._helper.name
        )
        can = sides.can.tolist()
        plain_ns = [op.latency_ns for op in alone.ops]
        fused = [False] * len(plain_ns)
        for at, cost in enumerate(alone.ops):
            before = facts.behind[at]
            if cost.fused_into is not None and before >= 0 and can[before]:
                # Behind an operator that leaves it is no longer free; by itself it costs this.
                op = segment.ops[at]
                single = SegmentWork(
                    name=op.name,
                    ops=(replace(op, producers=()),),
                    input_elements=op.input_elements,
                    output_elements=op.output_elements,
                )
                price = self._main.price(single, batch=batch, precision=precision)
                plain_ns[at], fused[at] = price.ops[0].latency_ns, True
        moved_bytes = batch * BYTES_PER_ELEMENT[precision] * facts.outputs
        return replace(
            sides,
            plain_ns=np.array(plain_ns, dtype=np.int64),
            fused=np.array(fused, dtype=np.bool_),
            handover_ns=BUS_NS + up(moved_bytes * 1_000_000, BUS_BYTES_PER_MS),
        )


def limited(device: Device, op_types: Sequence[str]) -> PimDevice:
    """A device whose units run these ONNX operator types only, the rest its host.

    Raises:
        AcceleratorError: It is no PIM device, or its units cannot run one of them.
    """
    if not isinstance(device, PimDevice):
        raise AcceleratorError(
            f"{device.name} is of kind {device.kind}; only a pim is limited to some operators"
        )
    return device.limited_to(op_types)


def joined(main: Device, helper: Device) -> JoinedDevice:
    """A device with a PIM device at its side.

    Raises:
        AcceleratorError: `helper` is no PIM device, or `main` is one or has one.
    """
    if not isinstance(helper, PimDevice) or main.kind in {"pim", "package"}:
        raise AcceleratorError(f"{helper.name} ({helper.kind}) cannot join {main.name}")
    return JoinedDevice(main, helper)


def _shares(
    sides: Sides, there: Sequence[bool], alone: SegmentCost, helper: str
) -> tuple[OpCost, ...]:
    """Shares in a division: the accelerator's own where it keeps an operator."""
    facts, can = sides.facts, sides.can.tolist()
    units_ns, plain_ns = sides.units_ns.tolist(), sides.plain_ns.tolist()
    fused, handover_ns = sides.fused.tolist(), sides.handover_ns.tolist()
    units_pj = sides.units_pj.tolist()
    costs = []
    for at, own in enumerate(alone.ops):
        before = facts.behind[at]
        if facts.view[at]:
            costs.append(replace(own, on=helper) if before >= 0 and there[before] else own)
            continue
        gone = there[at]
        handed = any(there[reader] != gone for reader in facts.readers[at])
        parted = fused[at] and there[before]
        latency_ns = (units_ns[at] if gone else plain_ns[at] if parted or not fused[at] else 0) + (
            handover_ns[at] if handed else 0
        )
        costs.append(
            replace(
                own,
                latency_ns=latency_ns,
                energy_pj=units_pj[at] if gone else own.energy_pj,
                on=helper if gone else own.on,
                fused_into=None if gone or handed or parted else own.fused_into,
                otherwise_ns=(plain_ns[at] if gone else units_ns[at]) if can[at] else None,
            )
        )
    return tuple(costs)
