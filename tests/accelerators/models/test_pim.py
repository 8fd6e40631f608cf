"""Tests of the PIM devices: steps, laws, exclusion, and who wins at what."""

from __future__ import annotations

import dataclasses
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accelerators import registry
from accelerators.errors import AcceleratorError, SpecError, UnsupportedPrecisionError
from accelerators.models import package, pim
from accelerators.work import MatrixWork, OpWork, SegmentWork

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

    from accelerators.device import Device
    from accelerators.models.pim import PimDevice
    from accelerators.work import Precision, SegmentCost

HBM, AIM = pim.shipped()
EVERY: tuple[Device, ...] = (HBM, AIM, *package.shipped())
FOLDER = resources.files("accelerators") / "specs"

both = pytest.mark.parametrize("device", [HBM, AIM], ids=lambda device: device.name)


def price(device: PimDevice, work: SegmentWork, batch: int = 1) -> SegmentCost:
    """Price in the format of the units."""
    return device.price(work, batch=batch, precision="float16")


def ints(*values: int) -> list[np.ndarray]:
    """Arrays of one entry each."""
    return [np.array([value], dtype=np.int64) for value in values]


def clocks(device: PimDevice, rows: int, depth: int, *, vectors: int = 1, matrices: int = 1) -> int:
    """Clocks of one product."""
    r, d, v, m, s = ints(rows, depth, vectors, matrices, 1)
    array = device.memory.array
    return int(array.clocks(array.product(rows=r, depth=d, vectors=v, matrices=m, steps=s))[0])


def test_the_registry_knows_both_and_says_what_they_are() -> None:
    """Kind, format and label; BF16 goes by the name of the other format of two bytes."""
    for device_id in pim.SHIPPED:
        entry = registry.devices()[device_id]
        assert (entry.kind, entry.label) == ("pim", "anchored")
        assert registry.device(device_id).precisions == ("float16",)
    assert "BF16" in AIM.spec.functions.precision_source
    assert HBM.spec.functions.precision_source.startswith("FP16")


@both
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_other_formats_are_refused(
    device: PimDevice, precision: Precision, made: SimpleNamespace
) -> None:
    """The units have one format; nothing is priced as if they had another."""
    work = made.segment(made.matmul("m", rows=64, depth=64))
    with pytest.raises(UnsupportedPrecisionError, match="float16"):
        device.price(work, batch=1, precision=precision)


@pytest.mark.parametrize(("device", "step"), [(HBM, 4096), (AIM, 512)], ids=["hbm", "aim"])
def test_cost_is_a_step_function_of_the_rows(device: PimDevice, step: int) -> None:
    """A tile costs the same however full it is; one row more is another tile."""
    assert device.memory.array.tile_rows == step
    assert clocks(device, 1, 1024) == clocks(device, step, 1024)
    assert clocks(device, step + 1, 1024) == clocks(device, 2 * step, 1024)
    assert clocks(device, step + 1, 1024) > clocks(device, step, 1024)


def test_the_input_is_padded_to_what_a_unit_takes_at_once() -> None:
    """HBM-PIM fills its input registers of 128 elements; AiM pads to one column of 16."""
    assert clocks(HBM, 64, 1) == clocks(HBM, 64, 128) < clocks(HBM, 64, 129)
    assert clocks(AIM, 64, 1) == clocks(AIM, 64, 16) < clocks(AIM, 64, 17)


def test_element_wise_work_goes_in_steps_too() -> None:
    """128 Ki elements fill every bank's group of commands once, on either memory."""
    for device in (HBM, AIM):
        array = device.memory.array
        assert array.element_step == 131_072
        full, more = (
            array.clocks(array.element_wise(*ints(131_072 + extra), operands=2))[0]
            for extra in (0, 1)
        )
        less = array.clocks(array.element_wise(*ints(1), operands=2))[0]
        assert less == full < more


@both
def test_matrices_beside_each_other_share_the_channels(device: PimDevice) -> None:
    """Heads of attention fill channels that one small matrix leaves empty; vectors do not."""
    assert clocks(device, 8, 128, matrices=8) == clocks(device, 8, 128)
    assert clocks(device, 8, 128, vectors=8) > clocks(device, 8, 128)


@pytest.mark.parametrize(
    "device",
    [
        *(pytest.param(device, id=device.name) for device in EVERY),
        *(
            pytest.param(device.limited_to(["Mul"]), id=f"{device.name}-host")
            for device in (HBM, AIM)
        ),
    ],
)
@given(
    shape=st.fixed_dictionaries(
        {
            "rows": st.integers(1, 9000),
            "depth": st.integers(1, 9000),
            "vectors": st.integers(1, 40),
            "matrices": st.integers(1, 40),
            "steps": st.integers(1, 40),
        }
    ),
    larger=st.sampled_from(["rows", "depth", "vectors", "matrices", "steps"]),
    by=st.integers(1, 5000),
    constant=st.booleans(),
    batch=st.integers(1, 4),
)
@example(
    shape={"rows": 3484, "depth": 10, "vectors": 40, "matrices": 40, "steps": 36},
    larger="depth",
    by=1,
    constant=False,
    batch=1,
)
def test_a_larger_product_never_costs_less(
    device: Device,
    shape: dict[str, int],
    larger: str,
    by: int,
    batch: int,
    *,
    constant: bool,
) -> None:
    """Any dimension of a product with known shape may only raise the price, and so may a batch.

    On the units, on either part of a package, and on the host of a memory that runs no products.
    """

    def cost(sizes: dict[str, int], batch: int) -> int:
        product = MatrixWork(**sizes, constant=constant)
        held = product.rows * product.depth * product.matrices
        ends = product.vectors * product.matrices * product.steps
        op = pim_op(
            held * product.vectors * product.steps,
            held if constant else 0,
            ends * (product.rows + product.depth),
            product,
        )
        work = SegmentWork(name="s", ops=(op,), input_elements=1, output_elements=1)
        return device.price(work, batch=batch, precision="float16").latency_ns

    before = cost(shape, batch)
    assert cost({**shape, larger: shape[larger] + by}, batch) >= before
    assert cost(shape, batch + 1) >= before


def pim_op(macs: int, weights: int, live: int, product: MatrixWork) -> OpWork:
    """An operator of one product."""
    return OpWork(
        name="m",
        op_type="MatMul",
        macs=macs,
        weight_elements=weights,
        input_elements=live,
        output_elements=product.rows,
        products=(product,),
    )


@both
@pytest.mark.parametrize("width", [4096, 8192])
def test_wide_products_win_at_batch_one(
    device: PimDevice, width: int, made: SimpleNamespace
) -> None:
    """The units finish a wide product in less than half the time that reading it takes."""
    (op,) = price(device, made.segment(made.matmul("m", rows=width, depth=width))).ops
    assert op.on == device.name
    assert op.otherwise_ns is not None
    gain = op.otherwise_ns / op.latency_ns
    assert gain > (1.9 if device is HBM else 3.5)


@both
@pytest.mark.parametrize("steps", [1, 8, 64])
def test_a_small_gru_loses(device: PimDevice, steps: int, made: SimpleNamespace) -> None:
    """Each step starts the units anew, while a processor keeps the weights; the price says so."""
    cost = price(device, made.segment(made.gru("gru", hidden=512, steps=steps)))
    (op,) = cost.ops
    assert op.on == device.name
    assert op.otherwise_ns is not None
    assert op.latency_ns > 2 * op.otherwise_ns
    assert any("gru" in warning and "slower" in warning for warning in cost.warnings)


def test_a_small_product_loses_to_plain_reads_in_clocks_alone() -> None:
    """512 x 512 takes HBM-PIM over three times as long as the pins, software left out."""
    array, plain = HBM.memory.array, HBM.memory.plain
    units_ns = int(array.latency_ns(np.array([clocks(HBM, 512, 512)]))[0])
    reads_ns = int(plain.read_ns(np.array([2 * 512 * 512]))[0])
    assert units_ns > 3 * reads_ns


@both
def test_a_batch_of_vectors_turns_a_win_into_a_loss(
    device: PimDevice, made: SimpleNamespace
) -> None:
    """The units read the matrix again for each vector; a processor reads it once."""
    few, many = (
        price(device, made.segment(made.matmul("m", rows=4096, depth=4096, vectors=n))).ops[0]
        for n in (1, 64)
    )
    assert few.latency_ns < (few.otherwise_ns or 0)
    assert many.latency_ns > (many.otherwise_ns or 0)


@both
def test_a_matrix_that_was_just_computed_is_written_first(
    device: PimDevice, made: SimpleNamespace
) -> None:
    """One vector a matrix is a cache that lies in the banks; more vectors have it written."""
    cached = clocks(device, 512, 128, matrices=32)
    resident, fresh = (
        price(
            device,
            made.segment(
                made.matmul("m", rows=512, depth=128, matrices=32, vectors=n, constant=False)
            ),
        ).ops[0]
        for n in (1, 2)
    )
    call_ns = device.memory.plain.call_ns
    assert resident.latency_ns == call_ns + int(device.memory.array.latency_ns(ints(cached)[0])[0])
    written_ns = int(device.memory.plain.read_ns(ints(2 * 32 * 512 * 128)[0])[0])
    assert fresh.latency_ns > resident.latency_ns + written_ns


@both
def test_the_host_runs_what_the_units_cannot(device: PimDevice, made: SimpleNamespace) -> None:
    """A decoder layer: products in memory, norms and softmax on the host, and a warning."""
    work = made.decoder_layer(4096)
    cost = price(device, work)
    at = {op.name: op.on for op in cost.ops}
    host = device.spec.host.name
    assert {at[name] for name in ("q", "k", "v", "scores", "mixed", "out", "up", "down")} == {
        device.name
    }
    assert {at[name] for name in ("norm1", "norm2", "softmax")} == {host}
    assert any(host in warning for warning in cost.warnings)
    assert all(
        op.latency_ns < (op.otherwise_ns or 0) for op in cost.ops if op.name in {"q", "up", "down"}
    )


def test_an_activation_of_aim_works_behind_a_product_only(made: SimpleNamespace) -> None:
    """Behind a product it costs its clocks per tile; alone it is the host's."""
    behind = price(
        AIM,
        made.segment(made.matmul("m", rows=4096, depth=4096), made.plain("a", "Gelu", 4096, "m")),
    ).ops[1]
    alone = price(AIM, made.segment(made.plain("a", "Gelu", 4096))).ops[0]
    assert behind.on == AIM.name
    clocks_of_tiles = ints(4096 // 512 * 86)[0]
    assert behind.latency_ns == int(AIM.memory.array.latency_ns(clocks_of_tiles)[0])
    assert alone.on == AIM.spec.host.name


@both
def test_computing_and_plain_access_exclude_each_other(
    device: PimDevice, made: SimpleNamespace
) -> None:
    """Kept busy, a memory is busy for its units and for its host's reads, one after the other."""
    in_units = made.matmul("m", rows=8192, depth=8192)
    on_host = dataclasses.replace(made.matmul("c", rows=8192, depth=8192), op_type="Conv")
    alone_ns = [price(device, made.segment(op)).period_ns for op in (in_units, on_host)]
    together = price(device, made.segment(in_units, on_host))
    busy_ns = together.period_ns
    reads_ns = int(device.memory.plain.read_ns(ints(2 * 8192 * 8192 - 8_000_000)[0])[0])
    assert busy_ns > max(alone_ns)
    assert busy_ns >= alone_ns[0] + reads_ns
    assert busy_ns <= together.latency_ns


def test_refreshes_fall_into_a_price_of_aim() -> None:
    """210 clocks after each 3123 of work; half a nanosecond each."""
    array = AIM.memory.array
    assert int(array.latency_ns(np.array([3122]))[0]) == (3122 + 3122 * 210 // 3123 + 1) // 2
    assert int(array.latency_ns(np.array([31_230]))[0]) == (31_230 + 2_100) // 2


def test_energy_is_known_where_a_source_gives_it(made: SimpleNamespace) -> None:
    """AiM's memory has figures; HBM-PIM has ratios only, so its energy is not known."""
    work = made.segment(made.matmul("m", rows=4096, depth=4096))
    aim = price(AIM, work)
    assert aim.energy_pj is not None
    commands = 32 * 8 * 4 * 64 * 1_314
    rows = 32 * 8 * 4 * 47_206
    standby = 32 * 264 * aim.latency_ns
    assert aim.energy_pj == commands + rows + standby
    assert price(HBM, work).energy_pj is None


@both
def test_a_limited_device_sends_the_rest_to_its_host(
    device: PimDevice, made: SimpleNamespace
) -> None:
    """`ops` of a scenario: what is not in the list is no longer supported."""
    few = device.limited_to(["MatMul", "Gemm"])
    work = made.segment(made.gru("g", hidden=512, steps=4), made.matmul("m", rows=512, depth=512))
    assert not few.supports(work.ops[0])
    assert few.supports(work.ops[1])
    assert [op.on for op in price(few, work).ops] == [device.spec.host.name, device.name]
    assert device.supports(work.ops[0])
    with pytest.raises(AcceleratorError, match=r"cannot run Conv; .*MatMul"):
        device.limited_to(["MatMul", "Conv"])


def test_weights_that_do_not_fit_the_memory_are_named(made: SimpleNamespace) -> None:
    """HBM-PIM has a published size; AiM has none, so nothing is said."""
    work = made.segment(made.matmul("m", rows=70_000, depth=70_000))
    assert any("9800000000 bytes of weights exceed" in text for text in price(HBM, work).warnings)
    assert not any("exceed" in text for text in price(AIM, work).warnings)


@both
def test_surrogates_are_the_shares(device: PimDevice, made: SimpleNamespace) -> None:
    """For the segment itself there is no gap."""
    work = made.decoder_layer(2048)
    shares = [op.latency_ns for op in price(device, work).ops]
    surrogate = device.op_costs(work, batch=1, precision="float16")
    assert surrogate.tolist() == shares


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("units = { value = 8,", "units = { value = 5,", "multiple of units"),
        ("input_step = { value = 128,", "input_step = { value = 40,", "whole commands"),
        ("input_elements = { value = 128,", "input_elements = { value = 200,", "input_step"),
        ("row_elements = { value = 512,", "row_elements = { value = 500,", "row_elements"),
        ("element_units = { value = 8,", "element_units = { value = 32,", "element_units"),
        ("refresh_clocks = { value = 0,", "refresh_clocks = { value = 4000,", "refresh"),
        ("[host.compute.float16]", "[host.compute.int8]", "lacks float16"),
        ("clock_ps = { value = 1000,", "clock_ps = { value = 0,", "clock_ps"),
        ("run_ns =", "warm_ns =", "warm_ns"),
    ],
)
def test_impossible_figures_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    """The field is named; nothing is priced by a spec that contradicts itself."""
    text = (FOLDER / "samsung-hbm-pim.toml").read_text("utf-8")
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(SpecError, match=message):
        registry.load_spec(path)


def test_a_spec_of_the_users_own_is_a_pim_device(tmp_path: Path) -> None:
    """The kind in the file decides."""
    path = tmp_path / "mine.toml"
    path.write_bytes((FOLDER / "samsung-hbm-pim.toml").read_bytes())
    assert isinstance(registry.load_spec(path), pim.PimDevice)
    with pytest.raises(SpecError, match="not a pim"):
        pim.load_pim(FOLDER / "furiosa-warboy.toml", source="w.toml")
