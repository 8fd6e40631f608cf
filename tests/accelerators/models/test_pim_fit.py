"""Tests of the fit of PIM timing: on made-up counts, and on the reference file where present."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators.errors import SpecError
from accelerators.models import pim
from accelerators.models.pim_fit import (
    FITTED,
    Judged,
    Reference,
    commands,
    fit,
    judged,
    read_reference,
    with_clocks,
)

if TYPE_CHECKING:
    from accelerators.models.pim import PimDevice
    from accelerators.models.pim_array import PimArray

HBM, AIM = pim.shipped()
HEADER = (
    "simulator,kernel,dtype,out_or_elements,in,cycles_host_only,cycles_pim,"
    "speedup_vs_host_only,pim_time_us,sim_wall_s\n"
)

each = pytest.mark.parametrize("device", pim.shipped(), ids=lambda device: device.name)


def counted(array: PimArray, kernel: str, rows: int, depth: int | None) -> Reference:
    """A row whose clocks are the array's own."""
    blank = Reference(kernel=kernel, rows=rows, depth=depth, clocks=1, plain_clocks=None)
    return replace(blank, clocks=int(array.clocks(commands(array, blank))[0]))


@given(
    row=st.integers(5, 200),
    fence=st.integers(0, 20),
    launch=st.integers(50, 2000),
)
def test_known_clocks_are_recovered(row: int, fence: int, launch: int) -> None:
    """Counts made by the array itself give its clocks back, whole."""
    true = replace(HBM.memory.array, row_clocks=row, fence_clocks=fence, launch_clocks=launch)
    rows = [
        *(
            counted(true, "GEMV", out, into)
            for out, into in ((512, 512), (4096, 4096), (9000, 700))
        ),
        *(counted(true, "ADD", n, None) for n in (262_144, 2_097_152)),
        counted(true, "RELU", 1_048_576, None),
    ]
    blank = replace(true, row_clocks=1, fence_clocks=1, launch_clocks=1)
    assert fit(blank, rows, FITTED["samsung-hbm-pim"]) == true


def test_a_row_is_judged_by_a_fit_that_has_not_seen_its_shape() -> None:
    """One row that is off pulls the common fit towards it, and not its own judge."""
    array = HBM.memory.array
    rows = [counted(array, "GEMV", 4096 * n, 1024) for n in range(1, 6)]
    off = replace(rows[2], clocks=2 * rows[2].clocks)
    twin = replace(off, clocks=2 * rows[2].clocks + 1)
    names = FITTED["samsung-hbm-pim"]
    found = judged(array, [*rows[:2], off, twin, *rows[3:]], names, bytes_per_us=944_128)
    assert found[2].left_out_clocks == pytest.approx(rows[2].clocks, rel=0.01)
    assert found[2].left_out_error == pytest.approx(-0.5, abs=0.01)
    assert found[3].left_out_clocks == found[2].left_out_clocks


def test_an_unreadable_row_is_named(tmp_path: Path) -> None:
    """File, line and what is wrong."""
    file = tmp_path / "cycles.csv"
    file.write_text(HEADER + "SAITPublic/PIMSimulator@x,CONV,fp16,64,64,,10,,,\n")
    with pytest.raises(SpecError, match="line 2: unknown kernel 'CONV'"):
        read_reference(file, HBM.name)
    file.write_text(HEADER + "SAITPublic/PIMSimulator@x,GEMV,fp16,64,64,,ten,,,\n")
    with pytest.raises(SpecError, match=r"line 2: .*'ten'"):
        read_reference(file, HBM.name)


@pytest.fixture(scope="module")
def reference() -> Path:
    """The published cycle counts; they are no part of the repository."""
    place = os.environ.get("SPLITWAY_DEVICES")
    data = os.environ.get("SPLITWAY_DATA")
    folder = Path(place) if place else Path(data or ".").parent / "devices"
    file = folder / "pim_reference_cycles.csv"
    if not file.is_file():
        pytest.skip(f"no reference cycles at {file}: set SPLITWAY_DEVICES to the folder with them")
    return file


def against(device: PimDevice, reference: Path) -> tuple[Judged, ...]:
    """Every row of a device beside its model."""
    rows = read_reference(reference, device.name)
    memory = device.memory
    return judged(memory.array, rows, FITTED[device.name], bytes_per_us=memory.plain.bytes_per_us)


@each
def test_the_shipped_clocks_are_the_fit(device: PimDevice, reference: Path) -> None:
    """Nobody has turned a figure of the file since."""
    rows = read_reference(reference, device.name)
    names = FITTED[device.name]
    blank = with_clocks(device.memory.array, dict.fromkeys(names, 0))
    assert fit(blank, rows, names) == device.memory.array


@each
def test_left_out_rows_come_out_within_the_promise(device: PimDevice, reference: Path) -> None:
    """At most 10 % at the median and 25 % at worst, over rows that the fit has not seen."""
    rows = against(device, reference)
    assert len(rows) == (16 if device is HBM else 4)
    errors = [abs(row.left_out_error) for row in rows]
    assert median(errors) < 0.05
    assert max(errors) < 0.12


def test_each_row_falls_on_the_right_side_of_plain_access(reference: Path) -> None:
    """Where the simulator says that the units win, so does the model, and where they lose."""
    rows = [row for row in against(HBM, reference) if row.row.plain_clocks is not None]
    assert len(rows) == 16
    wins = [row.row.plain_clocks / row.row.clocks > 1 for row in rows if row.row.plain_clocks]
    assert [(row.gain or 0) > 1 for row in rows] == wins
    assert wins.count(False) == 2


def test_plain_access_reaches_what_the_simulator_says(reference: Path) -> None:
    """The fitted share of the bandwidth, within 5 % on every row."""
    for row in against(HBM, reference):
        assert row.plain_clocks == pytest.approx(row.row.plain_clocks, rel=0.05)
