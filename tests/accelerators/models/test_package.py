"""Tests of the package: the division is the cheapest, and each layer goes where it is faster."""

from __future__ import annotations

import dataclasses
import itertools
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators import registry
from accelerators.errors import SpecError
from accelerators.models import package, pim
from accelerators.models.package_cut import cheapest
from accelerators.models.pim_facts import facts_of
from accelerators.models.pim_shares import Frame, shares

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import SimpleNamespace

    from accelerators.models.pim_sides import Sides
    from accelerators.work import SegmentCost, SegmentWork

(PACKAGE,) = package.shipped()
UNITS, NPU = "skhynix-gddr6-aim", "package-npu"
FOLDER = resources.files("accelerators") / "specs"
FRAME = Frame(
    units="units",
    processor="npu",
    label="assumed",
    run_ns=0,
    bias_ppm=(1_000_000, 1_000_000),
    standby_mw=None,
)


def price(work: SegmentWork, *, batch: int = 1) -> SegmentCost:
    """Price in the format that both parts have."""
    return PACKAGE.price(work, batch=batch, precision="float16")


def total_ns(sides: Sides, on_units: Sequence[bool]) -> int:
    """What a division costs, by the shares that a price is made of."""
    return sum(op.latency_ns for op in shares(sides, on_units, FRAME))


def allowed(sides: Sides, on_units: Sequence[bool]) -> bool:
    """Whether the units can run what they are given, activations only behind their product."""
    return all(
        not there or (sides.can[at] and (not sides.needs[at] or on_units[sides.facts.behind[at]]))
        for at, there in enumerate(on_units)
    )


KINDS = ("MatMul", "Gelu", "Mul", "Add", "LayerNormalization", "Reshape")


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, list[int], int]]:
    """Up to nine operators: kind, places that each reads, and size."""
    count = draw(st.integers(1, 9))
    return [
        (
            draw(st.sampled_from(KINDS)),
            draw(st.lists(st.integers(0, at - 1), min_size=0, max_size=2)) if at else [],
            draw(st.sampled_from((64, 512, 2048, 4096))),
        )
        for at in range(count)
    ]


@given(
    graph=graphs(),
    handover=st.sampled_from((0, 1, 500, 20_000)),
    noise=st.lists(st.integers(0, 3000), min_size=18, max_size=18),
)
def test_no_division_is_cheaper(
    graph: list[tuple[str, list[int], int]],
    handover: int,
    noise: list[int],
    made: SimpleNamespace,
) -> None:
    """Against all divisions of small graphs, with times that make the choice a close one."""
    ops = []
    for at, (kind, places, size) in enumerate(graph):
        names = tuple(f"op{place}" for place in places)
        if kind == "MatMul":
            ops.append(made.matmul(f"op{at}", rows=size, depth=size, producers=names))
        else:
            ops.append(made.plain(f"op{at}", kind, size * 64, *names))
    work = made.segment(*ops)
    memory = dataclasses.replace(PACKAGE.memory, handover_ns=handover)
    sides = memory.sides(facts_of(work), batch=1, precision="float16", device="d")
    count = len(ops)
    sides = dataclasses.replace(
        sides,
        units_ns=sides.units_ns + np.array(noise[:count]),
        plain_ns=np.where(sides.facts.view, 0, sides.plain_ns + np.array(noise[9 : 9 + count])),
    )
    found = cheapest(sides)
    assert allowed(sides, found)
    best = min(
        total_ns(sides, division)
        for division in itertools.product((False, True), repeat=count)
        if allowed(sides, division)
    )
    assert total_ns(sides, found) == best


def test_the_package_is_never_slower_than_either_part_alone(made: SimpleNamespace) -> None:
    """All on the NPU is one division, all that can in the memory another."""
    for width in (512, 1024, 4096):
        work = made.decoder_layer(width)
        sides = PACKAGE.memory.sides(facts_of(work), batch=1, precision="float16", device="d")
        nothing = [False] * len(work.ops)
        latency_ns = price(work).latency_ns - price(work).overhead_ns
        assert latency_ns <= total_ns(sides, nothing)
        assert latency_ns <= total_ns(sides, sides.free)


@pytest.mark.parametrize("width", [4096, 8192])
def test_a_decoder_layer_wins_in_memory(width: int, made: SimpleNamespace) -> None:
    """Wide products at batch 1 run in the memory, norms on the NPU, and the layer gains."""
    work = made.decoder_layer(width)
    cost = price(work)
    at = {op.name: op for op in cost.ops}
    for name in ("q", "k", "v", "out", "up", "down"):
        assert at[name].on == UNITS
        assert 3 * at[name].latency_ns < (at[name].otherwise_ns or 0)
    assert {at[name].on for name in ("norm1", "softmax", "norm2")} == {NPU}
    sides = PACKAGE.memory.sides(facts_of(work), batch=1, precision="float16", device="d")
    alone_ns = total_ns(sides, [False] * len(work.ops))
    assert alone_ns > 3 * (cost.latency_ns - cost.overhead_ns)


@pytest.mark.parametrize("steps", [1, 8, 64])
def test_a_small_gru_stays_off_the_memory(steps: int, made: SimpleNamespace) -> None:
    """By how much it would lose there is said beside its price."""
    (op,) = price(made.segment(made.gru("gru", hidden=512, steps=steps))).ops
    assert op.on == NPU
    assert op.otherwise_ns is not None
    assert op.otherwise_ns > 2 * op.latency_ns


def test_a_small_gru_stays_off_beside_a_large_model_too(made: SimpleNamespace) -> None:
    """A sequence of steps loses even where its weights compete for the NPU's buffer."""
    work = made.segment(
        made.matmul("wide", rows=8192, depth=8192), made.gru("gru", hidden=512, steps=8)
    )
    wide, gru = price(work).ops
    assert (wide.on, gru.on) == (UNITS, NPU)


def test_a_large_batch_goes_back_to_the_npu(made: SimpleNamespace) -> None:
    """The NPU reads the weights once for all samples."""
    work = made.segment(made.matmul("wide", rows=4096, depth=4096))
    assert price(work).ops[0].on == UNITS
    assert price(work, batch=64).ops[0].on == NPU


def test_handovers_are_priced(made: SimpleNamespace) -> None:
    """The NPU's operator pays for handing its result to the memory, and the other way round."""
    first = made.plain("norm", "LayerNormalization", 4096)
    wide = made.matmul("wide", rows=4096, depth=4096, producers=("norm",))
    last = made.plain("softmax", "Softmax", 4096, "wide")
    cost = price(made.segment(first, wide, last))
    plain = PACKAGE.memory.plain
    handover_ns = 500 + int(plain.read_ns(np.array([2 * 4096]))[0])
    assert [op.on for op in cost.ops] == [NPU, UNITS, NPU]
    alone = [price(made.segment(op)).ops[0].latency_ns for op in (first, wide, last)]
    assert [op.latency_ns for op in cost.ops] == [
        alone[0] + handover_ns,
        alone[1] + handover_ns,
        alone[2],
    ]


def test_int8_runs_on_the_npu_alone(made: SimpleNamespace) -> None:
    """The memory has one format, so nothing goes there, and a warning says why."""
    cost = PACKAGE.price(made.decoder_layer(4096), batch=1, precision="int8")
    assert {op.on for op in cost.ops} == {NPU}
    assert all(op.otherwise_ns is None for op in cost.ops)
    assert "float16 only" in cost.warnings[0]


def test_a_change_of_layout_stays_with_what_it_looks_at(made: SimpleNamespace) -> None:
    """A reshape between a product and its activation changes nothing."""
    wide = made.matmul("wide", rows=4096, depth=4096)
    view = made.plain("view", "Reshape", 4096, "wide")
    straight = price(made.segment(wide, made.plain("gelu", "Gelu", 4096, "wide")))
    reshaped = price(made.segment(wide, view, made.plain("gelu", "Gelu", 4096, "view")))
    assert [op.on for op in reshaped.ops] == [UNITS] * 3
    assert reshaped.latency_ns == straight.latency_ns


def test_a_long_chain_is_divided_without_recursion(made: SimpleNamespace) -> None:
    """A thousand operators whose choice is close."""
    ops = [made.matmul("op0", rows=1024, depth=512)]
    for at in range(1, 1000):
        kind = ("Mul", "Gelu", "MatMul")[at % 3]
        before = (f"op{at - 1}",)
        if kind == "MatMul":
            ops.append(made.matmul(f"op{at}", rows=1024, depth=512, producers=before))
        else:
            ops.append(made.plain(f"op{at}", kind, 60_000, *before))
    cost = price(made.segment(*ops))
    assert {op.on for op in cost.ops} <= {NPU, UNITS}
    assert len(cost.ops) == 1000


def test_the_registry_lists_it_as_extrapolated() -> None:
    """No package was ever measured."""
    entry = registry.devices()["npu-pim-package"]
    assert (entry.kind, entry.label) == ("package", "extrapolated")
    assert registry.device("npu-pim-package").precisions == ("float16", "int8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('memory = "skhynix-gddr6-aim"', 'memory = "no-such-memory"', "no PIM device"),
        ('memory = "skhynix-gddr6-aim"', 'memory = "furiosa-warboy"', "no PIM device"),
        ("[npu.compute.float16]", "[npu.compute.float32]", "lacks float16"),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    """The file and the field are named."""
    path = tmp_path / "mine.toml"
    path.write_text((FOLDER / "npu-pim-package.toml").read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(SpecError, match=f"mine.toml.*{message}"):
        registry.load_spec(path)


def test_a_package_of_the_users_own_takes_a_shipped_memory(tmp_path: Path) -> None:
    """Samsung's memory in the place of SK hynix's."""
    path = tmp_path / "mine.toml"
    text = (FOLDER / "npu-pim-package.toml").read_text("utf-8")
    path.write_text(text.replace('memory = "skhynix-gddr6-aim"', 'memory = "samsung-hbm-pim"'))
    assert isinstance(registry.load_spec(path), package.PackageDevice)
    with pytest.raises(SpecError, match="not a package"):
        package.load_package(FOLDER / "samsung-hbm-pim.toml", source="s.toml")
    assert {device.name for device in pim.shipped()} == set(pim.SHIPPED)
