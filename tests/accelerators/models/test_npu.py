"""Tests of the NPU model against figures worked out by hand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from accelerators.models.npu import NpuDevice
from accelerators.specs_schema import NpuSpec
from accelerators.work import OpWork, SegmentWork

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "made up for the tests"


def figure(value: int) -> dict[str, object]:
    """A figure with a source."""
    return {"value": value, "source": SOURCE}


def round_spec(**changes: object) -> NpuDevice:
    """An NPU with round figures: 1 MAC, 1 byte and 1 element per nanosecond."""
    content: dict[str, object] = {
        "schema": "splitway.device/1",
        "id": "round",
        "kind": "npu",
        "title": "Round figures",
        "vendor": "none",
        "label": "assumed",
        "checked": "against nothing",
        "compute": {
            "int8": {
                "peak_macs_per_s": figure(10**9),
                "dense_permille": figure(1000),
                "depthwise_permille": figure(100),
                "matmul_permille": figure(500),
                "vector_elements_per_s": figure(10**9),
            },
        },
        "memory": {
            "bytes_per_s": figure(10**9),
            "weight_cache_bytes": figure(1000),
            "activation_buffer_bytes": figure(1000),
        },
        "overhead": {"run_ns": figure(7), "op_ns": figure(3)},
        "bias": {"low_permille": 500, "high_permille": 2000, "source": SOURCE},
        "jitter": {"sigma_ppm": 0, "source": SOURCE},
    }
    return NpuDevice(NpuSpec.model_validate({**content, **changes}), source="round.toml")


FALLBACK: Mapping[str, object] = {
    "host": "slow-host",
    "op_types": ["TopK"],
    "source": SOURCE,
    "macs_per_s": figure(10**8),
    "elements_per_s": figure(10**8),
    "copy_bytes_per_s": figure(10**9),
    "copy_ns": figure(50),
}


def op(
    name: str,
    op_type: str,
    *,
    macs: int = 0,
    weight_elements: int = 0,
    input_elements: int = 0,
    output_elements: int = 0,
    groups: int = 1,
    kernel_elements: int = 1,
) -> OpWork:
    """An operator with all counts zero but those given, and no producer."""
    return OpWork(
        name=name,
        op_type=op_type,
        macs=macs,
        weight_elements=weight_elements,
        input_elements=input_elements,
        output_elements=output_elements,
        groups=groups,
        kernel_elements=kernel_elements,
    )


def after(work: OpWork, *producers: str) -> OpWork:
    """The same operator, reading what these made."""
    return dataclasses.replace(work, producers=producers)


def segment(*ops: OpWork, inputs: int = 0, outputs: int = 0) -> SegmentWork:
    """A segment of these operators."""
    return SegmentWork(name="s", ops=ops, input_elements=inputs, output_elements=outputs)


def shares(device: NpuDevice, *ops: OpWork, batch: int = 1) -> list[int]:
    """Latency shares (ns) of the operators as one segment."""
    cost = device.price(segment(*ops), batch=batch, precision="int8")
    return [share.latency_ns for share in cost.ops]


def test_a_dense_convolution_takes_its_macs_at_the_dense_rate() -> None:
    """400 MACs at one per nanosecond, and the operator's overhead."""
    conv = op("c", "Conv", macs=400, output_elements=10, kernel_elements=1)
    assert shares(round_spec(), conv) == [3 + 400]


def test_a_depthwise_convolution_takes_its_windows_at_the_depthwise_rate() -> None:
    """90 window elements at a tenth of the peak cost more than its 90 MACs at the peak."""
    conv = op("c", "Conv", macs=90, output_elements=10, kernel_elements=9, groups=10)
    assert shares(round_spec(), conv) == [3 + 900]


def test_a_matrix_product_takes_the_matrix_rate() -> None:
    """400 MACs at half the peak."""
    assert shares(round_spec(), op("m", "MatMul", macs=400)) == [3 + 800]


def test_pooling_counts_its_windows_on_the_vector_unit() -> None:
    """Ten outputs of nine elements each."""
    pool = op("p", "MaxPool", input_elements=40, output_elements=10, kernel_elements=9)
    assert shares(round_spec(), pool) == [3 + 90]


def test_weights_beyond_the_cache_are_streamed_once_per_batch() -> None:
    """Of 4000 weight bytes 3000 do not fit; they take longer than the arithmetic."""
    conv = op("c", "Conv", macs=400, weight_elements=4000)
    assert shares(round_spec(), conv) == [3 + 3000]
    assert shares(round_spec(), conv, batch=5) == [3 + 3000]
    fits = op("c", "Conv", macs=400, weight_elements=1000)
    assert shares(round_spec(), fits) == [3 + 400]


def test_tensors_beyond_the_buffer_go_through_memory_for_every_sample() -> None:
    """2500 live bytes, 1000 stay inside."""
    conv = op("c", "Conv", macs=10, input_elements=1500, output_elements=1000)
    device = round_spec()
    # The windows of a 1x1 convolution at the depthwise rate are 1000 elements at 0.1 per ns.
    assert shares(device, dataclasses.replace(conv, kernel_elements=0)) == [3 + 1500]
    assert shares(device, dataclasses.replace(conv, kernel_elements=0), batch=2) == [3 + 3000]


def test_element_wise_chains_are_fused_into_the_operator_at_their_root() -> None:
    """A SiLU and a residual behind a convolution cost nothing and name the convolution."""
    ops = (
        op("conv", "Conv", macs=100),
        after(op("sig", "Sigmoid", output_elements=50), "conv"),
        after(op("mul", "Mul", output_elements=50), "conv", "sig"),
        after(op("view", "Reshape", output_elements=50), "mul"),
        after(op("add", "Add", output_elements=50), "elsewhere", "view"),
        after(op("soft", "Softmax", output_elements=50), "add"),
        after(op("scale", "Mul", output_elements=50), "soft"),
    )
    cost = round_spec().price(segment(*ops), batch=1, precision="int8")
    assert [share.fused_into for share in cost.ops] == [
        None,
        "conv",
        "conv",
        None,
        "conv",
        None,
        None,
    ]
    assert [share.latency_ns for share in cost.ops] == [103, 0, 0, 0, 0, 53, 53]
    assert [share.moved_bytes for share in cost.ops] == [0, 0, 0, 0, 0, 50, 50]


def test_an_element_wise_operator_cut_from_its_producer_pays_for_itself() -> None:
    """Nothing to fuse into: the convolution is in another segment."""
    alone = after(op("act", "Relu", output_elements=50), "conv")
    cost = round_spec().price(segment(alone), batch=1, precision="int8")
    assert cost.ops[0].latency_ns == 53
    assert cost.ops[0].fused_into is None


def test_unsupported_operators_fall_back_with_copies_and_say_where() -> None:
    """Two copies, 120 bytes over the copy path, 100 elements on the slow host."""
    device = round_spec(fallback=FALLBACK)
    top = op("top", "TopK", input_elements=100, output_elements=20)
    assert not device.supports(top)
    assert device.supports(op("c", "Conv"))
    cost = device.price(segment(top), batch=1, precision="int8")
    assert cost.ops[0].latency_ns == 2 * 50 + 120 + 1000
    assert cost.ops[0].on == "slow-host"
    assert any("TopK" in warning and "slow-host" in warning for warning in cost.warnings)


def test_nothing_is_fused_into_an_operator_on_the_host() -> None:
    """What follows a fallback starts anew on the device."""
    device = round_spec(fallback={**FALLBACK, "op_types": ["Conv"]})
    ops = (op("conv", "Conv", macs=9), after(op("act", "Relu", output_elements=50), "conv"))
    cost = device.price(segment(*ops), batch=1, precision="int8")
    assert [share.fused_into for share in cost.ops] == [None, None]
    assert cost.ops[1].latency_ns == 53


def test_a_card_moves_inputs_and_outputs_over_its_link() -> None:
    """Transfers are overhead: 5 ns each, and one byte a nanosecond; an SoC has none."""
    link = {"bytes_per_s": figure(10**9), "transfer_ns": figure(5)}
    work = segment(op("c", "Conv", macs=100), inputs=40, outputs=20)
    card = round_spec(link=link).price(work, batch=2, precision="int8")
    assert card.overhead_ns == 7 + (5 + 80) + (5 + 40)
    assert card.latency_ns == card.overhead_ns + 3 + 200
    assert card.period_ns == 203
    soc = round_spec().price(work, batch=2, precision="int8")
    assert soc.overhead_ns == 7


def test_energy_is_power_times_time_or_unknown() -> None:
    """1 mW for 1 ns is 1 pJ; without a power figure the total is None, with a warning."""
    work = segment(op("c", "Conv", macs=100))
    cost = round_spec(power={"active_mw": figure(20)}).price(work, batch=1, precision="int8")
    assert cost.energy_pj == 20 * cost.latency_ns
    assert cost.ops[0].energy_pj == 20 * 103
    unknown = round_spec().price(work, batch=1, precision="int8")
    assert unknown.energy_pj is None
    assert any("power" in warning for warning in unknown.warnings)


def test_the_interval_is_the_bias_band_of_the_spec() -> None:
    """Half and twice the latency here; it scales with the price and nothing else."""
    cost = round_spec().price(segment(op("c", "Conv", macs=90)), batch=1, precision="int8")
    assert cost.latency_ns == 100
    assert cost.interval_ns == (50, 200)


@pytest.mark.parametrize("sigma_ppm", [0, 30_000])
def test_jitter_comes_from_the_spec(sigma_ppm: int) -> None:
    """No spread without a sigma, a rising table with one."""
    table = round_spec(jitter={"sigma_ppm": sigma_ppm, "source": SOURCE}).jitter_ppm
    assert (len(set(table)) == 1) == (sigma_ppm == 0)
