"""Pricing a segment of 500 operators, and a thousand variations of it at once.

The rival of the sweep over batches and bandwidths is a thousand prices one after the other. Process
time is measured, not wall time, so that other work on the machine does not count.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, cast

import numpy as np

from accelerators import registry
from accelerators.models.npu import segment_model
from accelerators.models.sweep import latencies_ns
from accelerators.work import OpWork, SegmentWork
from bench.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from accelerators.models.npu import NpuDevice
    from accelerators.specs_schema_npu import SegmentNpuSpec

AIM = 0.05
_OPS = 500
_VARIATIONS = 1000
_DEVICE = "qualcomm-sa8775p"
_KINDS = ("Conv", "BatchNormalization", "Relu", "Conv", "Concat", "MaxPool", "Reshape", "MatMul")
_MS = 1e6


def measure(*, repeats: int) -> Figure:
    """A sweep's time over that of as many prices.

    Args:
        repeats: How often each is measured; the middle counts.
    """
    device = cast("NpuDevice", registry.device(_DEVICE))
    model = segment_model(cast("SegmentNpuSpec", device.spec))
    work = network()
    numbers = np.arange(_VARIATIONS, dtype=np.int64)
    batch, bandwidth = 1 + numbers % 32, 250 + numbers

    def one() -> object:
        return device.price(work, batch=1, precision="int8")

    def sweep() -> object:
        return latencies_ns(
            model, work, precision="int8", batch=batch, bandwidth_permille=bandwidth
        )

    price_ns, sweep_ns = _middle_ns(one, repeats), _middle_ns(sweep, repeats)
    return Figure(
        name="pricing",
        what=f"{_VARIATIONS} variations of batch and bandwidth of {_OPS} operators, at once",
        rival="as many prices, one after the other",
        ratio=sweep_ns / (price_ns * _VARIATIONS),
        aim=AIM,
        values={"price_ms": price_ns / _MS, "sweep_ms": sweep_ns / _MS},
        lines=(
            f"one price   {price_ns / _MS:6.2f} ms, aim 5",
            f"the sweep   {sweep_ns / _MS:6.2f} ms, aim 50",
        ),
    )


def network() -> SegmentWork:
    """A chain of 500 operators of all roles."""
    ops = []
    for index in range(_OPS):
        kind = _KINDS[index % len(_KINDS)]
        macs = 10_000_000 + 1000 * index if kind in {"Conv", "MatMul"} else 0
        ops.append(
            OpWork(
                name=f"op{index}",
                op_type=kind,
                macs=macs,
                weight_elements=50_000 if macs else 0,
                input_elements=200_000,
                output_elements=200_000,
                kernel_elements=9 if kind == "Conv" else 1,
                producers=(f"op{index - 1}",) if index else (),
            )
        )
    return SegmentWork(
        name="chain", ops=tuple(ops), input_elements=200_000, output_elements=200_000
    )


def _middle_ns(what: Callable[[], object], repeats: int) -> float:
    what()
    taken = []
    for _ in range(repeats):
        began = time.process_time_ns()
        what()
        taken.append(time.process_time_ns() - began)
    return median(taken)
