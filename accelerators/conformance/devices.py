"""What holds for every device that prices work, as checks on a fixed set of segments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from accelerators.conformance.findings import BrokenError, Check
from accelerators.errors import UnsupportedPrecisionError
from accelerators.work import LABELS, OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accelerators.device import Device
    from accelerators.work import Precision, SegmentCost

_ALL: tuple[Precision, ...] = ("float32", "float16", "int8", "w8a16")
_MIDDLE = 1_000_000  # ppm: the median of run time over itself
_BATCHES = (1, 3, 8)
_COUNTS = (
    "macs",
    "weight_elements",
    "input_elements",
    "output_elements",
    "kernel_elements",
)
_GROWTH = (2, 7, 50)


def device_checks(device: Device) -> tuple[Check, ...]:
    """Every check of a device."""

    def check(name: str, promise: str, run: Callable[[Device], str]) -> Check:
        return Check(name=name, promise=promise, run=lambda: run(device))

    return (
        check("identity", "name, kind, label, source and precisions are filled in", _identity),
        check("jitter", "quantiles of run time rise, around one", _jitter),
        check("supports", "says yes or no to any operator, unknown ones included", _supports),
        check("same-price", "the same input has the same price", _same_price),
        check("growth", "enlarging a count of an operator never makes it cheaper", _growth),
        check("sum", "operator shares and overhead add up to the latency", _sum),
        check("surrogate", "a price is at most the surrogate and the overhead", _surrogate),
        check("batch", "a batch costs more than one run, and no more than as many", _batch),
        check("refusals", "unknown precisions and empty batches are refused", _refusals),
    )


def _identity(device: Device) -> str:
    if not device.name or device.name != device.name.strip().lower():
        raise BrokenError(f"the name {device.name!r} is not lower case without blanks at its ends")
    if device.kind not in {"npu", "pim", "package", "host"}:
        raise BrokenError(f"the kind {device.kind!r} is none that prices")
    if device.label not in LABELS:
        raise BrokenError(f"the label {device.label!r} is none of {', '.join(LABELS)}")
    if not device.source or not device.precisions:
        raise BrokenError("the source or the precisions are empty")
    return f"{device.kind}, {device.label}, {', '.join(device.precisions)}"


def _jitter(device: Device) -> str:
    quantiles = device.jitter_ppm
    if list(quantiles) != sorted(quantiles) or not quantiles or quantiles[0] <= 0:
        raise BrokenError("the quantiles do not rise from a positive one")
    if quantiles[len(quantiles) // 2] != _MIDDLE:
        raise BrokenError(f"the middle quantile is {quantiles[len(quantiles) // 2]} ppm, not 1e6")
    return f"{quantiles[0]} to {quantiles[-1]} ppm"


def _supports(device: Device) -> str:
    count = 0
    for op in (*_segment().ops, replace(_segment().ops[0], op_type="NeverHeardOf")):
        told: object = device.supports(op)
        if told is not True and told is not False:
            raise BrokenError(f"supports({op.op_type}) gives {told!r}")
        count += 1
    return f"{count} operators"


def _same_price(device: Device) -> str:
    segment = _segment()
    for precision in device.precisions:
        first = device.price(segment, batch=2, precision=precision)
        device.price(segment, batch=7, precision=precision)
        if device.price(segment, batch=2, precision=precision) != first:
            raise BrokenError(f"two prices of one segment in {precision}")
    return f"{len(device.precisions)} precisions"


def _growth(device: Device) -> str:
    segment, tried = _segment(), 0
    for precision in device.precisions:
        before = device.price(segment, batch=1, precision=precision)
        for index, op in enumerate(segment.ops):
            for count in _COUNTS:
                for factor in _GROWTH:
                    held: int = getattr(op, count)
                    grown = _with(segment, index, _enlarged(op, count, held * factor))
                    after = device.price(grown, batch=1, precision=precision)
                    tried += 1
                    if after.latency_ns < before.latency_ns or after.period_ns < before.period_ns:
                        raise BrokenError(
                            f"{count} of {op.name} times {factor} is cheaper in {precision}: "
                            f"{after.latency_ns} ns after {before.latency_ns} ns"
                        )
    return f"{tried} enlargements"


def _sum(device: Device) -> str:
    segment = _segment()
    for batch, precision, cost in _costs(device):
        where = f"batch {batch}, {precision}"
        if cost.overhead_ns + sum(op.latency_ns for op in cost.ops) != cost.latency_ns:
            raise BrokenError(f"shares and overhead are not the latency ({where})")
        if [op.name for op in cost.ops] != [op.name for op in segment.ops]:
            raise BrokenError(f"shares are not the segment's operators in order ({where})")
        low_ns, high_ns = cost.interval_ns
        if not low_ns <= cost.latency_ns <= high_ns:
            raise BrokenError(f"the latency lies outside its interval ({where})")
        if not 0 < cost.period_ns <= cost.latency_ns:
            raise BrokenError(f"the period is not within the latency ({where})")
        if cost.label not in LABELS:
            raise BrokenError(f"the price's label {cost.label!r} is none ({where})")
        if any(op.latency_ns for op in cost.ops if op.fused_into is not None):
            raise BrokenError(f"an operator fused into another has a time of its own ({where})")
    return "to the nanosecond"


def _surrogate(device: Device) -> str:
    segment, gaps = _segment(), []
    for batch, precision, cost in _costs(device):
        found = device.op_costs(segment, batch=batch, precision=precision)
        if found.shape != (len(segment.ops),) or found.dtype != np.int64 or (found < 0).any():
            raise BrokenError("op_costs gives no whole non-negative number per operator")
        bound = int(found.sum()) + cost.overhead_ns
        if cost.latency_ns > bound:
            raise BrokenError(f"{cost.latency_ns} ns, surrogate and overhead are {bound} ns")
        gaps.append(1 - cost.latency_ns / bound)
    return f"gap at most {100 * max(gaps):.1f} %"


def _batch(device: Device) -> str:
    segment, precision = _segment(), device.precisions[0]
    one = device.price(segment, batch=1, precision=precision).latency_ns
    eight = device.price(segment, batch=8, precision=precision).latency_ns
    if not one < eight <= 8 * one:
        raise BrokenError(f"one run takes {one} ns, a batch of eight {eight} ns")
    return f"eight cost {eight / one:.2f} times one"


def _refusals(device: Device) -> str:
    segment = _segment()
    for precision in _ALL:
        if precision in device.precisions:
            continue
        try:
            device.price(segment, batch=1, precision=precision)
        except UnsupportedPrecisionError:
            continue
        raise BrokenError(f"prices {precision}, which is not among its precisions")
    try:
        device.price(segment, batch=0, precision=device.precisions[0])
    except ValueError:
        return "refused"
    raise BrokenError("prices a batch of none")


def _costs(device: Device) -> Iterator[tuple[int, Precision, SegmentCost]]:
    for precision in device.precisions:
        for batch in _BATCHES:
            yield batch, precision, device.price(_segment(), batch=batch, precision=precision)


def _with(segment: SegmentWork, index: int, op: OpWork) -> SegmentWork:
    ops = (*segment.ops[:index], op, *segment.ops[index + 1 :])
    return replace(segment, ops=ops)


def _enlarged(op: OpWork, count: str, value: int) -> OpWork:
    match count:
        case "macs":
            return replace(op, macs=value)
        case "weight_elements":
            return replace(op, weight_elements=value)
        case "input_elements":
            return replace(op, input_elements=value)
        case "output_elements":
            return replace(op, output_elements=value)
        case _:
            return replace(op, kernel_elements=value)


def _segment() -> SegmentWork:
    """A stem, an activation, a pooling, a depthwise window, a residual, a view and a product."""
    side, channels = 64, 32
    pixels, half = side * side, (side // 2) ** 2
    ops = (
        _conv("stem", cin=3, cout=channels, pixels=pixels),
        _plain("stem/relu", "Relu", channels * pixels, ("stem",)),
        replace(
            _plain("pool", "MaxPool", channels * half, ("stem/relu",)),
            input_elements=channels * pixels,
            kernel_elements=4,
        ),
        replace(
            _conv("deep", cin=1, cout=channels, pixels=half, groups=channels),
            input_elements=channels * half,
            producers=("pool",),
        ),
        replace(
            _plain("residual", "Add", channels * half, ("pool", "deep")),
            input_elements=2 * channels * half,
        ),
        _plain("flat", "Reshape", channels * half, ("residual",)),
        OpWork(
            name="head",
            op_type="MatMul",
            macs=half * channels * 85,
            weight_elements=channels * 85,
            input_elements=channels * half,
            output_elements=85 * half,
            producers=("flat",),
        ),
    )
    return SegmentWork(
        name="conformance",
        ops=ops,
        input_elements=3 * pixels,
        output_elements=85 * half,
    )


def _conv(name: str, *, cin: int, cout: int, pixels: int, groups: int = 1) -> OpWork:
    return OpWork(
        name=name,
        op_type="Conv",
        macs=cout * pixels * 9 * cin,
        weight_elements=cout * 9 * cin,
        input_elements=cin * groups * pixels,
        output_elements=cout * pixels,
        groups=groups,
        kernel_elements=9,
    )


def _plain(name: str, op_type: str, elements: int, producers: tuple[str, ...]) -> OpWork:
    return OpWork(
        name=name,
        op_type=op_type,
        macs=0,
        weight_elements=0,
        input_elements=elements,
        output_elements=elements,
        producers=producers,
    )
