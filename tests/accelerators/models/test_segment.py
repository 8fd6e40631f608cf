"""Tests of the segment model against figures worked out by hand, and of its laws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators.errors import UnsupportedPrecisionError
from accelerators.models.host_side import Fallback, Link
from accelerators.models.segment import Power, SegmentModel
from accelerators.models.sweep import latencies_ns
from accelerators.work import OpWork, SegmentWork

ROUND = SegmentModel(
    name="round",
    label="fitted",
    macs_per_s={"int8": 10**9, "w8a16": 5 * 10**8},
    run_ns={"int8": 7, "w8a16": 9},
    depthwise_permille=4000,
    product_permille=2000,
    weight_bytes_per_s=10**9,
    activation_bytes_per_s=2 * 10**9,
    vector_bytes_per_s=5 * 10**8,
    resident_bytes=None,
    product_ns=3,
    fill_permille=0,
    slots=1,
    bias_ppm=(500_000, 2_000_000),
)


def op(
    name: str,
    op_type: str,
    *,
    reads: tuple[str, ...] = (),
    macs: int = 0,
    weight_elements: int = 0,
    input_elements: int = 0,
    output_elements: int = 0,
    groups: int = 1,
    kernel_elements: int = 1,
) -> OpWork:
    """An operator with all counts zero but those given."""
    return OpWork(
        name=name,
        op_type=op_type,
        macs=macs,
        weight_elements=weight_elements,
        input_elements=input_elements,
        output_elements=output_elements,
        groups=groups,
        kernel_elements=kernel_elements,
        producers=reads,
    )


def segment(*ops: OpWork, inputs: int = 0, outputs: int = 0) -> SegmentWork:
    """A segment of these operators."""
    return SegmentWork(name="s", ops=ops, input_elements=inputs, output_elements=outputs)


def shares(model: SegmentModel, *ops: OpWork, batch: int = 1) -> list[int]:
    """Latency shares (ns) of the operators as one segment, int8."""
    cost = model.price(segment(*ops), batch=batch, precision="int8")
    return [share.latency_ns for share in cost.ops]


def test_a_convolution_takes_the_longest_of_its_three_times() -> None:
    """400 multiply-adds, 500 weights, 1200 live bytes at twice the rate: 400, 500 and 600 ns."""
    by_macs = op("c", "Conv", macs=400, output_elements=4)
    by_weights = dataclasses.replace(by_macs, weight_elements=500)
    by_traffic = dataclasses.replace(by_weights, input_elements=1196)
    assert shares(ROUND, by_macs) == [400]
    assert shares(ROUND, by_weights) == [500]
    assert shares(ROUND, by_traffic) == [600]


def test_windows_over_few_channels_are_slower() -> None:
    """Nine multiply-adds a window: four times the time; from four channels a group on, none."""
    window = op("c", "Conv", output_elements=10, kernel_elements=9, groups=10)
    assert shares(ROUND, dataclasses.replace(window, macs=90)) == [360]
    assert shares(ROUND, dataclasses.replace(window, macs=4 * 90)) == [360]
    assert shares(ROUND, dataclasses.replace(window, macs=8 * 90)) == [720]


def test_a_product_has_a_factor_and_a_fixed_time() -> None:
    """100 multiply-adds twice, and 3 ns."""
    assert shares(ROUND, op("m", "MatMul", macs=100)) == [203]


def test_other_operators_take_their_elements_at_the_vector_rate() -> None:
    """30 elements at half a byte a nanosecond."""
    assert shares(ROUND, op("p", "Softmax", input_elements=15, output_elements=15)) == [60]


def test_poolings_and_resizes_have_factors_of_the_vector_rate() -> None:
    """30 elements take 60 ns in a soft-max, 15 in a pooling, 30 in a resize."""
    model = dataclasses.replace(ROUND, pool_permille=250, resize_permille=500)
    kinds = ("Softmax", "GlobalAveragePool", "MaxPool", "Resize")
    ops = [op(kind, kind, input_elements=15, output_elements=15) for kind in kinds]
    assert shares(model, *ops) == [60, 60, 15, 30]


def test_a_gate_passes_over_what_it_is_fused_to_and_a_slice_copies() -> None:
    """At a tenth and a half of the vector rate; a gate that begins the segment goes by itself."""
    model = dataclasses.replace(ROUND, pass_permille=100, slice_permille=500)
    ops = (
        op("c", "Conv", macs=10),
        op("g", "Mul", reads=("c",), input_elements=20, output_elements=10),
        op("r", "Relu", reads=("g",), input_elements=10, output_elements=10),
        op("s", "Slice", reads=("r",), input_elements=10, output_elements=5),
    )
    cost = model.price(segment(*ops), batch=1, precision="int8")
    assert [share.latency_ns for share in cost.ops] == [10, 6, 0, 10]
    assert [share.fused_into for share in cost.ops] == [None, None, "c", None]
    assert [share.moved_bytes for share in cost.ops] == [0, 30, 0, 10]
    assert shares(model, *ops[1:2]) == [15]
    assert shares(ROUND, *ops) == [10, 0, 0, 0]


def test_activations_below_the_knee_count_less() -> None:
    """Of 100 bytes at a knee of 100 half count, of 900 nine tenths; a batch moves each alike."""
    model = dataclasses.replace(ROUND, knee_bytes=100)
    small, large = (op(n, "Conv", input_elements=e) for n, e in (("a", 100), ("b", 900)))
    assert shares(ROUND, small, large) == [50, 450]
    assert shares(model, small, large) == [25, 405]
    assert shares(model, small, large, batch=4) == [100, 1620]


@pytest.mark.parametrize("kind", ["Slice", "Split", "DepthToSpace", "SpaceToDepth"])
def test_what_copies_pays_for_what_it_writes_twice(kind: str) -> None:
    """Six elements read and written at a slice's factor of a half: 12 bytes at half the rate."""
    model = dataclasses.replace(ROUND, slice_permille=500)
    copied = op("s", kind, input_elements=6, output_elements=6)
    assert shares(model, copied, batch=1) == [12]


@pytest.mark.parametrize("reads", [("late", "early"), ("early", "late")])
def test_a_residual_belongs_to_the_later_of_what_it_adds(reads: tuple[str, str]) -> None:
    """In whatever order it reads them: the earlier one has long been written."""
    early = op("early", "Conv", macs=9, output_elements=4)
    late = op("late", "Conv", reads=("early",), macs=9, output_elements=4)
    added = op("added", "Add", reads=reads, input_elements=8, output_elements=4)
    found = ROUND.op_costs(segment(early, late, added), batch=1, precision="int8")
    assert [share.fused_into for share in found] == [None, None, "late"]


def test_an_element_wise_operator_is_fused_into_what_it_reads_but_not_through_a_concat() -> None:
    """Behind a view it is fused; behind a concatenation it reads and writes on its own."""
    conv = op("c", "Conv", macs=10)
    ops = (
        conv,
        op("v", "Reshape", reads=("c",)),
        op("r", "Relu", reads=("v",), input_elements=20, output_elements=20),
        op("k", "Concat", reads=("r",), input_elements=20, output_elements=20),
        op("b", "BatchNormalization", reads=("k",), input_elements=20, output_elements=20),
    )
    cost = ROUND.price(segment(*ops), batch=1, precision="int8")
    assert [share.latency_ns for share in cost.ops] == [10, 0, 0, 0, 20]
    assert [share.fused_into for share in cost.ops] == [None, None, "c", None, None]


def test_weights_of_8_bits_and_activations_of_16() -> None:
    """100 weights are 100 bytes, 100 live elements 200, at half the rate of multiply-adds."""
    conv = op("c", "Conv", macs=40, weight_elements=100, input_elements=0, output_elements=0)
    cost = ROUND.price(segment(conv), batch=1, precision="w8a16")
    assert cost.ops[0].latency_ns == 100
    live = dataclasses.replace(conv, input_elements=120)
    assert ROUND.price(segment(live), batch=1, precision="w8a16").ops[0].latency_ns == 120
    with pytest.raises(UnsupportedPrecisionError, match="w8a16"):
        ROUND.price(segment(conv), batch=1, precision="float32")


def test_weights_on_the_chip_are_free_until_they_no_longer_fit() -> None:
    """Of 1000 bytes 600 stay: the step is 400 bytes, spread over the operators by size."""
    model = dataclasses.replace(ROUND, resident_bytes=600)
    small, large = (op(n, "Conv", weight_elements=w) for n, w in (("a", 250), ("b", 750)))
    assert shares(model, op("a", "Conv", weight_elements=600)) == [0]
    assert shares(model, small, large) == [100, 300]
    cost = model.price(segment(small, large), batch=1, precision="int8")
    assert any("exceed the 600" in warning for warning in cost.warnings)


def test_a_batch_fills_the_device_and_reads_weights_once() -> None:
    """With a fill of 1, four samples take (4 + 1) / 2 of one's arithmetic; weights count once."""
    model = dataclasses.replace(ROUND, fill_permille=1000)
    conv = op("c", "Conv", macs=100, weight_elements=240)
    assert shares(model, conv) == [240]
    assert shares(model, conv, batch=4) == [250]


def test_slots_shorten_the_period_and_not_a_run() -> None:
    """Two runs at once: half the time between results."""
    conv = op("c", "Conv", macs=100)
    one = ROUND.price(segment(conv), batch=1, precision="int8")
    two = dataclasses.replace(ROUND, slots=2).price(segment(conv), batch=1, precision="int8")
    assert (one.latency_ns, one.period_ns) == (107, 100)
    assert (two.latency_ns, two.period_ns) == (107, 50)


def test_a_pipelined_device_takes_several_periods() -> None:
    """The priced time is the period; a sample spends three of them inside."""
    model = dataclasses.replace(ROUND, dataflow_permille=3000)
    cost = model.price(segment(op("c", "Conv", macs=93)), batch=1, precision="int8")
    assert (cost.period_ns, cost.latency_ns) == (100, 300)
    assert cost.overhead_ns + sum(share.latency_ns for share in cost.ops) == cost.latency_ns


def test_a_card_pays_two_transfers() -> None:
    """10 ns each, and a byte a nanosecond."""
    model = dataclasses.replace(ROUND, link=Link(bytes_per_s=10**9, transfer_ns=10))
    cost = model.price(segment(op("c", "Conv"), inputs=5, outputs=3), batch=2, precision="int8")
    assert cost.overhead_ns == 7 + 20 + 10 + 6


def test_what_the_device_cannot_run_falls_back_with_its_copies() -> None:
    """Two copies of 5 ns, 30 bytes of copying, 20 elements on the host."""
    fallback = Fallback(
        host="slow",
        op_types=frozenset({"TopK"}),
        macs_per_s=10**9,
        elements_per_s=10**9,
        copy_bytes_per_s=10**9,
        copy_ns=5,
    )
    model = dataclasses.replace(ROUND, fallback=fallback)
    top = op("t", "TopK", input_elements=20, output_elements=10)
    cost = model.price(segment(top), batch=1, precision="int8")
    assert (cost.ops[0].on, cost.ops[0].latency_ns) == ("slow", 10 + 30 + 20)
    assert not model.supports(top)
    assert any("run on slow" in warning for warning in cost.warnings)


def test_energy_lies_between_the_two_powers_and_waiting_takes_its_part() -> None:
    """100 ns of arithmetic at 1 to 3 W, 7 ns waiting at half of that."""
    power = Power(low_mw=1000, high_mw=3000, waiting_permille=500)
    model = dataclasses.replace(ROUND, power=power)
    cost = model.price(segment(op("c", "Conv", macs=100)), batch=1, precision="int8")
    assert cost.energy_interval_pj == (103_000, 309_000)
    assert cost.energy_pj == 206_000
    assert ROUND.price(segment(op("c", "Conv")), batch=1, precision="int8").energy_pj is None


COUNTS = st.integers(min_value=0, max_value=10**9)
KINDS = st.sampled_from(
    [
        "Conv",
        "MatMul",
        "Softmax",
        "Add",
        "Mul",
        "MaxPool",
        "Slice",
        "DepthToSpace",
        "Reshape",
        "Concat",
    ]
)
OPS = st.lists(st.tuples(KINDS, COUNTS, COUNTS, COUNTS, COUNTS), min_size=1, max_size=6)
MODELS = st.builds(
    lambda rates, fill, resident, times, knee: dataclasses.replace(
        ROUND,
        weight_bytes_per_s=rates[0],
        activation_bytes_per_s=rates[1],
        vector_bytes_per_s=rates[2],
        fill_permille=fill,
        resident_bytes=resident,
        pool_permille=times[0],
        resize_permille=times[1],
        pass_permille=times[2],
        slice_permille=times[3],
        knee_bytes=knee,
        link=Link(bytes_per_s=10**9, transfer_ns=5),
    ),
    st.tuples(*[st.integers(10**6, 10**12)] * 3),
    st.integers(0, 5000),
    st.none() | st.integers(0, 10**9),
    st.tuples(*[st.integers(0, 3000)] * 4),
    st.integers(0, 10**6),
)


def chain(counts: list[tuple[str, int, int, int, int]]) -> SegmentWork:
    """A chain of operators of these kinds and counts."""
    ops = [
        op(
            f"o{i}",
            kind,
            reads=(f"o{i - 1}",) if i else (),
            macs=macs if kind in {"Conv", "MatMul"} else 0,
            weight_elements=weights,
            input_elements=entering,
            output_elements=leaving,
        )
        for i, (kind, macs, weights, entering, leaving) in enumerate(counts)
    ]
    return segment(*ops, inputs=counts[0][3], outputs=counts[-1][4])


@given(model=MODELS, counts=OPS, batch=st.integers(1, 64), more=st.integers(1, 64))
def test_a_larger_batch_takes_longer_and_each_sample_no_longer(
    model: SegmentModel, counts: list[tuple[str, int, int, int, int]], batch: int, more: int
) -> None:
    """Latency rises with the batch; latency per sample falls, but for one rounding an operator."""
    work = chain(counts)
    small = model.price(work, batch=batch, precision="int8").latency_ns
    large = model.price(work, batch=batch + more, precision="int8").latency_ns
    assert small <= large
    slack = (batch + more) * (3 * len(counts) + 4)
    assert large * batch <= (small * (batch + more)) + slack * batch


@given(model=MODELS, counts=OPS, batch=st.integers(1, 8), faster=st.integers(1, 9))
def test_a_faster_memory_never_makes_a_run_slower(
    model: SegmentModel, counts: list[tuple[str, int, int, int, int]], batch: int, faster: int
) -> None:
    """All three bandwidths grow; the price does not."""
    quick = dataclasses.replace(
        model,
        weight_bytes_per_s=model.weight_bytes_per_s * faster,
        activation_bytes_per_s=model.activation_bytes_per_s * faster,
        vector_bytes_per_s=model.vector_bytes_per_s * faster,
    )
    work = chain(counts)
    before = model.price(work, batch=batch, precision="int8").latency_ns
    assert quick.price(work, batch=batch, precision="int8").latency_ns <= before


@given(model=MODELS, counts=OPS, batch=st.integers(1, 64), permille=st.integers(100, 4000))
def test_a_sweep_says_what_prices_say(
    model: SegmentModel,
    counts: list[tuple[str, int, int, int, int]],
    batch: int,
    permille: int,
) -> None:
    """Each variation is the price of a device with that bandwidth, but for rounding."""
    model = dataclasses.replace(
        model,
        weight_bytes_per_s=model.weight_bytes_per_s * 1000,
        activation_bytes_per_s=model.activation_bytes_per_s * 1000,
    )
    work = chain(counts)
    varied = dataclasses.replace(
        model,
        weight_bytes_per_s=model.weight_bytes_per_s * permille // 1000,
        activation_bytes_per_s=model.activation_bytes_per_s * permille // 1000,
    )
    exact = varied.price(work, batch=batch, precision="int8").latency_ns
    swept = latencies_ns(
        model,
        work,
        precision="int8",
        batch=np.array([batch], dtype=np.int64),
        bandwidth_permille=np.array([permille], dtype=np.int64),
    )
    assert swept.shape == (1,)
    assert abs(exact - swept[0]) <= (batch + 4) * (len(counts) + 3) + 1e-6 * exact


def test_a_sweep_refuses_what_it_does_not_vary() -> None:
    """Empty batches, foreign precisions and fallbacks."""
    fallback = Fallback(
        host="slow",
        op_types=frozenset({"TopK"}),
        macs_per_s=1,
        elements_per_s=1,
        copy_bytes_per_s=1,
        copy_ns=1,
    )
    ones, none = np.array([1], dtype=np.int64), np.array([0], dtype=np.int64)
    work = segment(op("t", "TopK"))
    with pytest.raises(ValueError, match="at least 1"):
        latencies_ns(ROUND, work, precision="int8", batch=none, bandwidth_permille=ones)
    with pytest.raises(UnsupportedPrecisionError):
        latencies_ns(ROUND, work, precision="float16", batch=ones, bandwidth_permille=ones)
    model = dataclasses.replace(ROUND, fallback=fallback)
    with pytest.raises(ValueError, match="fall back"):
        latencies_ns(model, work, precision="int8", batch=ones, bandwidth_permille=ones)
