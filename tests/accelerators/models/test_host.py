"""Tests of the host's curves."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators.errors import SpecError
from accelerators.models.host import load_host, shipped

if TYPE_CHECKING:
    from pathlib import Path

HOST = shipped()[0]
SHIPPED_TEXT = (resources.files("accelerators") / "specs" / "host-reference.toml").read_text()
STAGES = ["prepare", "pack:int8", "unpack:jpeg:80", "post:yolox", "deliver:masks", "hop"]


def only_stage(text: str, folder: Path) -> Path:
    """The shipped file with one stage instead of all its own."""
    head = SHIPPED_TEXT[: SHIPPED_TEXT.index("[stages.prepare]")]
    path = folder / "mine.toml"
    path.write_text(
        head + f'[stages.prepare]\nelements = "pixels"\nlabel = "profiled"\n'
        f'source = "made up for a test"\n{text}\n'
    )
    return path


@pytest.mark.parametrize("stage", STAGES)
@given(sizes=st.lists(st.integers(min_value=0, max_value=10**8), min_size=2, max_size=8))
def test_no_curve_ever_falls(stage: str, sizes: list[int]) -> None:
    """More elements never take less time."""
    times = [HOST.stage_ns(stage, elements=size).latency_ns for size in sorted(sizes)]
    assert times == sorted(times)
    assert times[0] >= 0


def test_points_are_joined_by_straight_lines(tmp_path: Path) -> None:
    """Level before the first, in between by proportion, beyond the last with its slope."""
    host = load_host(
        only_stage("points = [[100, 1000], [200, 2000], [400, 2200]]", tmp_path), source="mine"
    )
    found = [host.stage_ns("prepare", elements=n).latency_ns for n in (0, 100, 150, 200, 300, 600)]
    assert found == [1000, 1000, 1500, 2000, 2100, 2400]


def test_a_line_is_fixed_time_and_slope(tmp_path: Path) -> None:
    """500 ps per element on top of 40 ns, rounded up."""
    host = load_host(only_stage("fixed_ns = 40\nps_per_element = 500", tmp_path), source="mine")
    assert host.stage_ns("prepare", elements=101).latency_ns == 40 + 51
    assert host.stage_ns("prepare", elements=101).label == "profiled"


def test_a_parameter_falls_back_to_the_name_without_it() -> None:
    """`pack:jpeg:80` uses `pack:jpeg`, an unknown codec uses `pack`, which is only assumed."""
    exact = HOST.stage_ns("pack:jpeg", elements=500_000)
    assert HOST.stage_ns("pack:jpeg:80", elements=500_000) == exact
    unknown = HOST.stage_ns("pack:avif:80", elements=500_000)
    assert unknown == HOST.stage_ns("pack", elements=500_000)
    assert unknown.label == "assumed"


def test_an_unknown_stage_names_the_host_file() -> None:
    """The reader learns which file lacks the curve, and what it has."""
    with pytest.raises(SpecError, match=r"specs/host-reference\.toml.*'warp:late'.*prepare"):
        HOST.stage_ns("warp:late", elements=1)


def test_negative_elements_are_refused() -> None:
    """A count below zero is the caller's mistake."""
    with pytest.raises(ValueError, match="elements"):
        HOST.stage_ns("prepare", elements=-1)


def test_a_hop_is_the_curve_of_its_bytes() -> None:
    """`hop_ns` and the stage `hop` are one figure."""
    assert HOST.hop_ns(message_bytes=50_000) == HOST.stage_ns("hop", elements=50_000).latency_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fixed_ns = 4",
        "fixed_ns = 4\nps_per_element = 1\npoints = [[1, 1], [2, 2]]",
        "points = [[1, 1]]",
        "points = [[1, 1], [1, 2]]",
        "points = [[1, 2], [2, 1]]",
        "points = [[1, 2, 3], [2, 3, 4]]",
        "points = [[-1, 1], [2, 2]]",
        "fixed_ns = -4\nps_per_element = 1",
        "fixed_ns = 4.5\nps_per_element = 1",
    ],
)
def test_a_curve_that_could_fall_or_has_two_forms_is_refused(text: str, tmp_path: Path) -> None:
    """Exactly one form, whole numbers, never falling."""
    with pytest.raises(SpecError, match=r"mine: .*stages\.prepare"):
        load_host(only_stage(text, tmp_path), source="mine")


def test_a_device_file_is_no_host_file() -> None:
    """An NPU's spec where a host is asked for is an error, not a surprise later."""
    file = resources.files("accelerators") / "specs" / "furiosa-warboy.toml"
    with pytest.raises(SpecError, match="npu"):
        load_host(file, source="w")
