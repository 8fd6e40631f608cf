"""Tests of an accelerator with a PIM device at its side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators import registry
from accelerators.models import pim
from accelerators.models.package_joined import BUS_NS, JoinedDevice
from accelerators.work import LABELS

if TYPE_CHECKING:
    from types import SimpleNamespace

AIM = pim.shipped()[1].limited_to(["MatMul", "Gemm"])
MAIN = registry.device("qualcomm-sa8775p")
JOINED = JoinedDevice(MAIN, AIM)


def test_it_says_what_it_is_made_of() -> None:
    """Names of both, and the weaker label."""
    assert JOINED.name == f"{MAIN.name}+{AIM.name}"
    assert JOINED.kind == "package"
    assert LABELS.index(JOINED.label) >= LABELS.index(AIM.label)
    assert JOINED.jitter_ppm[50] == 1_000_000
    assert list(JOINED.jitter_ppm) == sorted(JOINED.jitter_ppm)
    assert JOINED.jitter_ppm[0] <= min(MAIN.jitter_ppm[0], AIM.jitter_ppm[0])


def test_wide_products_move_and_the_rest_stays(made: SimpleNamespace) -> None:
    """The products of a decoder layer go over the bus, norms and softmax do not."""
    work = made.decoder_layer(4096)
    cost = JOINED.price(work, batch=1, precision="float16")
    at = {op.name: op for op in cost.ops}
    assert {at[name].on for name in ("q", "k", "v", "out", "up", "down")} == {AIM.name}
    assert AIM.name not in {at[name].on for name in ("norm1", "norm2", "softmax")}
    alone = MAIN.price(work, batch=1, precision="float16")
    assert cost.latency_ns < alone.latency_ns
    assert cost.overhead_ns + sum(op.latency_ns for op in cost.ops) == cost.latency_ns
    assert cost.interval_ns[0] <= cost.latency_ns <= cost.interval_ns[1]
    assert 0 < cost.period_ns <= cost.latency_ns
    assert "bus" in cost.warnings[-1]
    surrogate = JOINED.op_costs(work, batch=1, precision="float16")
    assert surrogate.tolist() == [op.latency_ns for op in cost.ops]


def test_a_small_product_does_not_pay_for_the_bus(made: SimpleNamespace) -> None:
    """Nothing gains, so the price is the accelerator's own, to the nanosecond."""
    work = made.segment(
        made.plain("norm", "LayerNormalization", 512),
        made.matmul("m", rows=512, depth=512, producers=("norm",)),
        made.plain("act", "Softmax", 512, "m"),
    )
    cost = JOINED.price(work, batch=1, precision="float16")
    alone = MAIN.price(work, batch=1, precision="float16")
    assert cost.latency_ns == alone.latency_ns
    assert cost.ops[1].otherwise_ns is not None
    assert "nothing gains" in cost.warnings[-1]


def test_what_was_fused_is_no_longer_free_behind_a_product_that_left(
    made: SimpleNamespace,
) -> None:
    """An element-wise operator stays, reads over the bus, and costs its own time."""
    work = made.segment(
        made.matmul("wide", rows=8192, depth=8192),
        made.plain("act", "Relu", 8192, "wide"),
    )
    alone = MAIN.price(work, batch=1, precision="float16")
    assert alone.ops[1].fused_into == "wide"
    wide, act = JOINED.price(work, batch=1, precision="float16").ops
    assert wide.on == AIM.name
    assert wide.latency_ns > BUS_NS
    assert act.on == MAIN.name
    assert act.fused_into is None
    assert act.latency_ns > 0


def test_other_formats_stay_on_the_accelerator(made: SimpleNamespace) -> None:
    """The units know one format."""
    work = made.decoder_layer(4096)
    other = next(precision for precision in MAIN.precisions if precision != "float16")
    cost = JOINED.price(work, batch=1, precision=other)
    assert cost.ops == MAIN.price(work, batch=1, precision=other).ops
    assert "float16 only" in cost.warnings[-1]


@pytest.mark.parametrize("batch", [1, 4])
def test_joining_never_slows_a_segment(batch: int, made: SimpleNamespace) -> None:
    """All on the accelerator is one of the divisions."""
    for width in (256, 1024, 4096):
        work = made.decoder_layer(width)
        cost = JOINED.price(work, batch=batch, precision="float16")
        alone = MAIN.price(work, batch=batch, precision="float16")
        assert cost.latency_ns <= alone.latency_ns
