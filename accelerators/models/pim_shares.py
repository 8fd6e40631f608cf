"""The cost of a segment once it is known which operators run on the units of the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelerators.work import OpCost, SegmentCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.models.pim_sides import Sides
    from accelerators.work import Label

_PPM = 1_000_000
_NAMED = 3  # losing operators that a warning names


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a device adds to the two sides of its memory.

    Attributes:
        units: Name of the memory that computes, as cost shares write it.
        processor: Name of the processor, the same.
        label: How far the figures can be believed.
        run_ns: Fixed time of a run.
        bias_ppm: 10 % and 90 % quantile of true over modelled latency.
        standby_mw: Power of the memory whatever it does; None where its energy is not known.
    """

    units: str
    processor: str
    label: Label
    run_ns: int
    bias_ppm: tuple[int, int]
    standby_mw: int | None


def shares(sides: Sides, on_units: Sequence[bool], frame: Frame) -> tuple[OpCost, ...]:
    """Share of each operator: its own time, and its result's handover if the other side reads it.

    A change of layout stays on the side of what it looks at.
    """
    facts = sides.facts
    units_ns, plain_ns = sides.units_ns.tolist(), sides.plain_ns.tolist()
    units_pj, plain_pj = sides.units_pj.tolist(), sides.plain_pj.tolist()
    handover_ns, fused = sides.handover_ns.tolist(), sides.fused.tolist()
    can, view = sides.can.tolist(), facts.view.tolist()
    moved_bytes = sides.traffic_bytes.tolist()
    costs: list[OpCost] = []
    for at, op in enumerate(facts.ops):
        before = facts.behind[at]
        if view[at]:
            there = before >= 0 and on_units[before]
            costs.append(_share(op.name, frame, units=there))
            continue
        here = on_units[at]
        handed = (not here) in [on_units[reader] for reader in facts.readers[at]]
        handover = handover_ns[at] if handed else 0
        free = fused[at] and not here and not on_units[before]
        costs.append(
            OpCost(
                name=op.name,
                latency_ns=(units_ns[at] if here else 0 if free else plain_ns[at]) + handover,
                energy_pj=units_pj[at] if here else 0 if free else plain_pj[at],
                on=frame.units if here else frame.processor,
                moved_bytes=moved_bytes[at],
                fused_into=_root(sides, costs, before) if free and not handed else None,
                otherwise_ns=(plain_ns[at] if here else units_ns[at]) if can[at] else None,
            )
        )
    return tuple(costs)


def segment_cost(
    sides: Sides, on_units: Sequence[bool], frame: Frame, *, warnings: Sequence[str]
) -> SegmentCost:
    """Cost of one run; latency is the sum of the shares and the fixed time of a run.

    Period: the memory is busy for the units and for ordinary access one after the other, the
    processor for its arithmetic and for starting the units; the longer of the two sums repeats.
    """
    ops = shares(sides, on_units, frame)
    latency_ns = frame.run_ns + sum(op.latency_ns for op in ops)
    memory_ns = processor_ns = 0
    own = zip(
        ops,
        on_units,
        sides.units_busy_ns.tolist(),
        sides.plain_busy_ns.tolist(),
        strict=True,
    )
    for op, here, units_busy_ns, plain_busy_ns in own:
        if here:
            memory_ns += units_busy_ns
            processor_ns += op.latency_ns - units_busy_ns
        elif op.latency_ns:
            memory_ns += plain_busy_ns
            processor_ns += op.latency_ns
    low_ppm, high_ppm = frame.bias_ppm
    energy_pj = None
    if frame.standby_mw is not None:
        energy_pj = sum(op.energy_pj for op in ops) + frame.run_ns * frame.standby_mw
    return SegmentCost(
        latency_ns=latency_ns,
        interval_ns=(latency_ns * low_ppm // _PPM, -(-latency_ns * high_ppm // _PPM)),
        period_ns=max(memory_ns, processor_ns, frame.run_ns, 1),
        energy_pj=energy_pj,
        overhead_ns=frame.run_ns,
        ops=ops,
        label=frame.label,
        warnings=tuple(warnings),
    )


def losing(ops: Sequence[OpCost], frame: Frame) -> str | None:
    """A sentence about the operators that run on the units although plain reads would be faster."""
    slower = [
        op
        for op in ops
        if op.on == frame.units and op.otherwise_ns is not None and op.otherwise_ns < op.latency_ns
    ]
    if not slower:
        return None
    slower.sort(key=lambda op: op.otherwise_ns - op.latency_ns if op.otherwise_ns else 0)
    named = ", ".join(
        f"{op.name} ({(op.otherwise_ns or 0) / op.latency_ns:.2f} times as fast)"
        for op in slower[:_NAMED]
    )
    more = f" and {len(slower) - _NAMED} more" if len(slower) > _NAMED else ""
    return f"slower in the memory than by plain reads of {frame.processor}: {named}{more}"


def _share(name: str, frame: Frame, *, units: bool) -> OpCost:
    return OpCost(
        name=name,
        latency_ns=0,
        energy_pj=0,
        on=frame.units if units else frame.processor,
        moved_bytes=0,
    )


def _root(sides: Sides, costs: Sequence[OpCost], before: int) -> str:
    """Name of the operator at the start of a chain of fused ones."""
    return costs[before].fused_into or sides.facts.ops[before].name
