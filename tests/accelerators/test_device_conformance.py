"""What every device must keep to; run over all that are registered and all that ship."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators import registry
from accelerators.errors import UnsupportedPrecisionError
from accelerators.models import host, npu
from accelerators.work import LABELS, OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from accelerators.device import Device

SHIPPED: tuple[Device, ...] = (*npu.shipped(), *host.shipped())
DEVICES: dict[str, Device] = {made.name: made for made in SHIPPED} | {
    entry.id: entry.device for entry in registry.devices().values() if entry.device is not None
}

every_device = pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES.keys())

KINDS = ("conv", "depthwise", "grouped", "transposed", "matmul", "pool", "add", "soft", "fallback")
SIDES = st.integers(min_value=1, max_value=64)


def one_op(kind: str, size: Mapping[str, int]) -> OpWork:
    """An operator of a kind from its dimensions: channels `c`, `k`, sides `h`, `w`, window `r`."""
    c, k, h, w, r = (size[key] for key in "ckhwr")
    pixels, window = h * w, r * r
    if kind in {"conv", "grouped", "depthwise", "transposed"}:
        groups = {"conv": 1, "grouped": 4, "depthwise": c, "transposed": 1}[kind]
        inside, outside = (c, c) if kind == "depthwise" else (c * groups, k * groups)
        stretch = 4 if kind == "transposed" else 1
        return OpWork(
            name="op",
            op_type="ConvTranspose" if kind == "transposed" else "Conv",
            macs=outside * pixels * window * (inside // groups),
            weight_elements=outside * window * (inside // groups),
            input_elements=inside * pixels,
            output_elements=outside * pixels * stretch,
            groups=groups,
            kernel_elements=window,
        )
    if kind == "matmul":
        return OpWork(
            name="op",
            op_type="MatMul",
            macs=pixels * c * k,
            weight_elements=c * k,
            input_elements=pixels * c,
            output_elements=pixels * k,
        )
    types = {"pool": "MaxPool", "add": "Add", "soft": "Softmax", "fallback": "NonMaxSuppression"}
    return OpWork(
        name="op",
        op_type=types[kind],
        macs=0,
        weight_elements=0,
        input_elements=c * pixels,
        output_elements=c * pixels,
        kernel_elements=window if kind == "pool" else 1,
    )


def alone(op: OpWork) -> SegmentWork:
    """A segment of one operator."""
    return SegmentWork(
        name="alone",
        ops=(op,),
        input_elements=op.input_elements,
        output_elements=op.output_elements,
    )


@every_device
def test_a_device_says_who_it_is(device: Device) -> None:
    """Name, kind, label and source are filled in, and jitter is a rising table around one."""
    assert device.name == device.name.strip().lower() != ""
    assert device.kind in {"npu", "pim", "package", "host"}
    assert device.label in LABELS
    assert device.source
    assert device.precisions
    assert list(device.jitter_ppm) == sorted(device.jitter_ppm)
    assert device.jitter_ppm[0] > 0
    assert device.jitter_ppm[len(device.jitter_ppm) // 2] == 1_000_000


def test_names_are_unique() -> None:
    """No two shipped devices share a name."""
    counts = Counter(made.name for made in SHIPPED)
    assert set(counts.values()) == {1}


@every_device
@pytest.mark.parametrize("kind", KINDS)
def test_supports_answers_with_a_bool(device: Device, kind: str) -> None:
    """`supports` gives True or False for any operator, unknown ones included."""
    op = one_op(kind, dict.fromkeys("ckhwr", 4))
    assert device.supports(op) in {True, False}
    assert device.supports(dataclasses.replace(op, op_type="NeverHeardOf")) in {True, False}


def test_registry_and_supports_import_no_heavy_library() -> None:
    """Listing devices, `supports` and `price` load neither a backend nor onnx, cv2 or scipy."""
    code = """
import sys
from accelerators import registry
from accelerators.work import OpWork, SegmentWork
registry.listing()
op = OpWork(name="a", op_type="Conv", macs=9, weight_elements=9, input_elements=1,
            output_elements=1)
for entry in registry.devices().values():
    entry.device.supports(op)
    entry.device.price(
        SegmentWork(name="s", ops=(op,), input_elements=1, output_elements=1),
        batch=1, precision=entry.device.precisions[0])
print(*sorted({"onnxruntime", "onnx", "cv2", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@every_device
def test_the_same_input_gives_the_same_price(device: Device, small_detector: SegmentWork) -> None:
    """Pricing keeps no state."""
    for precision in device.precisions:
        first = device.price(small_detector, batch=2, precision=precision)
        device.price(small_detector, batch=7, precision=precision)
        assert device.price(small_detector, batch=2, precision=precision) == first


@every_device
@given(
    kind=st.sampled_from(KINDS),
    size=st.fixed_dictionaries({**dict.fromkeys("ckhw", SIDES), "r": st.integers(1, 7)}),
    larger=st.sampled_from("ckhwr"),
    factor=st.integers(min_value=2, max_value=9),
    batch=st.integers(min_value=1, max_value=4),
)
def test_enlarging_one_dimension_is_never_cheaper(
    device: Device, kind: str, size: dict[str, int], larger: str, factor: int, batch: int
) -> None:
    """An operator with one dimension enlarged, all else equal, costs at least as much."""
    grown = {**size, larger: size[larger] * factor}
    for precision in device.precisions:
        small = device.price(alone(one_op(kind, size)), batch=batch, precision=precision)
        large = device.price(alone(one_op(kind, grown)), batch=batch, precision=precision)
        assert large.latency_ns >= small.latency_ns
        assert large.period_ns >= small.period_ns


@every_device
@given(
    count=st.sampled_from(
        ["macs", "weight_elements", "input_elements", "output_elements", "kernel_elements"]
    ),
    index=st.integers(min_value=0, max_value=7),
    factor=st.integers(min_value=2, max_value=1000),
    data=st.data(),
)
def test_enlarging_a_count_inside_a_segment_is_never_cheaper(
    device: Device, count: str, index: int, factor: int, data: st.DataObject
) -> None:
    """One operator's count enlarged among others, fused or not, never lowers the whole price."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=8, max_size=8))
    ops = [
        dataclasses.replace(
            one_op(kind, dict.fromkeys("ckhwr", 5)),
            name=f"op{i}",
            producers=() if i == 0 else (f"op{i - 1}",),
        )
        for i, kind in enumerate(kinds)
    ]
    segment = SegmentWork(name="chain", ops=tuple(ops), input_elements=9, output_elements=9)
    op = ops[index]
    ops[index] = dataclasses.replace(op, **{count: getattr(op, count) * factor})
    grown = dataclasses.replace(segment, ops=tuple(ops))
    precision = device.precisions[0]
    before = device.price(segment, batch=1, precision=precision).latency_ns
    assert device.price(grown, batch=1, precision=precision).latency_ns >= before


@every_device
@pytest.mark.parametrize("batch", [1, 3, 8])
def test_shares_and_overhead_add_up(
    device: Device, small_detector: SegmentWork, batch: int
) -> None:
    """Latency is overhead plus shares, to the nanosecond; shares keep the segment's order."""
    for precision in device.precisions:
        cost = device.price(small_detector, batch=batch, precision=precision)
        assert cost.overhead_ns + sum(op.latency_ns for op in cost.ops) == cost.latency_ns
        assert [op.name for op in cost.ops] == [op.name for op in small_detector.ops]
        assert cost.label in LABELS
        assert 0 < cost.period_ns <= cost.latency_ns
        low_ns, high_ns = cost.interval_ns
        assert low_ns <= cost.latency_ns <= high_ns
        assert all(op.latency_ns == 0 for op in cost.ops if op.fused_into is not None)


@every_device
@pytest.mark.parametrize("batch", [1, 8])
def test_a_price_is_at_most_surrogate_plus_overhead(
    device: Device, small_detector: SegmentWork, batch: int
) -> None:
    """The additive surrogate bounds the price of the segment it was made for."""
    for precision in device.precisions:
        surrogate = device.op_costs(small_detector, batch=batch, precision=precision)
        cost = device.price(small_detector, batch=batch, precision=precision)
        assert surrogate.shape == (len(small_detector.ops),)
        assert surrogate.dtype == np.int64
        assert (surrogate >= 0).all()
        assert cost.latency_ns <= int(surrogate.sum()) + cost.overhead_ns


@every_device
def test_a_part_costs_at_most_its_share_of_the_surrogate(
    device: Device, small_detector: SegmentWork
) -> None:
    """A head or tail cut where nothing fused is parted keeps to the surrogate of the whole."""
    ops = small_detector.ops
    for precision in device.precisions:
        surrogate = device.op_costs(small_detector, batch=1, precision=precision)
        for at in (3, 4, 6, 7):  # right before `pool`, `deep`, `flat` and `head`
            for part, costs in ((ops[:at], surrogate[:at]), (ops[at:], surrogate[at:])):
                segment = dataclasses.replace(small_detector, ops=part)
                cost = device.price(segment, batch=1, precision=precision)
                assert cost.latency_ns <= int(costs.sum()) + cost.overhead_ns


@every_device
def test_a_batch_costs_more_than_one_and_less_than_as_many_runs(
    device: Device, small_detector: SegmentWork
) -> None:
    """Fixed times and weights are paid once per batch."""
    precision = device.precisions[0]
    one = device.price(small_detector, batch=1, precision=precision).latency_ns
    eight = device.price(small_detector, batch=8, precision=precision).latency_ns
    assert one < eight < 8 * one


@every_device
def test_foreign_precisions_and_empty_batches_are_refused(
    device: Device, small_detector: SegmentWork
) -> None:
    """What a device does not compute in is an error that lists what it does."""
    if "float16" not in device.precisions:
        with pytest.raises(UnsupportedPrecisionError, match=device.precisions[0]):
            device.price(small_detector, batch=1, precision="float16")
    with pytest.raises(ValueError, match="batch"):
        device.price(small_detector, batch=0, precision=device.precisions[0])


@every_device
def test_the_golden_price_of_the_small_detector(
    device: Device,
    small_detector: SegmentWork,
    golden: Callable[[str, Mapping[str, object]], None],
) -> None:
    """Prices of the reference segment are pinned to the nanosecond, jitter quantiles included."""
    fields: dict[str, object] = {"jitter_ppm": list(device.jitter_ppm[::25])}
    for precision in device.precisions:
        cost = device.price(small_detector, batch=1, precision=precision)
        fields[precision] = {
            "latency_ns": cost.latency_ns,
            "interval_ns": list(cost.interval_ns),
            "period_ns": cost.period_ns,
            "overhead_ns": cost.overhead_ns,
            "energy_pj": cost.energy_pj,
            "ops": {op.name: op.latency_ns for op in cost.ops},
            "label": cost.label,
        }
    golden(f"price_{device.name}", fields)
