"""A host file moved to what was measured: it says what was measured, and keeps its shape."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelerators.calibration.hosts import StageMeasured, calibrated, host_toml
from accelerators.models.host import HostDevice, load_host, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from accelerators.specs_schema import HostSpec

(REFERENCE,) = shipped()
MS = 1_000_000


def _made(
    stages: Mapping[str, Sequence[StageMeasured]],
    hops: Sequence[tuple[int, int]],
    spreads: Sequence[float] = (1.1,),
) -> HostSpec:
    return calibrated(
        REFERENCE.spec,
        name="mine",
        machine="two cores of something",
        source="measured live",
        stages=stages,
        hops={"work": hops},
        spreads=spreads,
    )


def _use(predicted_ns: int, live_ns: int) -> StageMeasured:
    return StageMeasured(predicted_ns=predicted_ns, live_ns=live_ns)


@given(
    elements=st.integers(0, 3_000_000),
    more_ns=st.integers(-50_000, 5 * MS),
    size=st.integers(1, 2_000_000),
    hop_ns=st.integers(0, 5 * MS),
)
def test_a_calibrated_host_says_what_was_measured(
    elements: int, more_ns: int, size: int, hop_ns: int
) -> None:
    """To a microsecond where it is slower, in proportion where it is faster."""
    predicted_ns = REFERENCE.stage_ns("prepare", elements=elements).latency_ns
    spec = _made({"prepare": [_use(predicted_ns, predicted_ns + more_ns)]}, [(size, hop_ns)])
    mine = HostDevice(spec, source="mine.toml")
    found_ns = mine.stage_ns("prepare", elements=elements).latency_ns
    assert found_ns == pytest.approx(predicted_ns + more_ns, abs=1_002)
    assert mine.hop_ns(message_bytes=size) == pytest.approx(hop_ns, abs=1_000) or hop_ns < 1_000
    assert mine.stage_ns("prepare", elements=0).label == "profiled"


def test_what_was_not_measured_is_raised_as_the_rest_and_called_assumed() -> None:
    """Handing work over costs alike for every stage."""
    spec = _made({"prepare": [_use(100, 100 + MS)]}, [(100, 2 * MS)])
    mine = HostDevice(spec, source="mine.toml")
    before = REFERENCE.stage_ns("post:yolox", elements=301_665)
    after = mine.stage_ns("post:yolox", elements=301_665)
    assert after.latency_ns - before.latency_ns == MS
    assert (before.label, after.label) == ("profiled", "assumed")
    assert "raised" in spec.stages["post:yolox"].source


def test_hops_between_measured_sizes_lie_between_them() -> None:
    """And the curve never falls, whatever was measured."""
    spec = _made({"prepare": [_use(0, 0)]}, [(1_000, 2 * MS), (1_000_000, MS)])
    mine = HostDevice(spec, source="mine.toml")
    found = [mine.hop_ns(message_bytes=size) for size in range(0, 2_000_000, 10_000)]
    assert found == sorted(found)
    assert mine.hop_ns(message_bytes=1_000) == 2 * MS


def test_hops_of_each_kind_have_a_curve_and_the_rest_the_one_of_all() -> None:
    """A process that sleeps longer takes longer to wake."""
    spec = calibrated(
        REFERENCE.spec,
        name="mine",
        machine="two cores of something",
        source="measured live",
        stages={"prepare": [_use(0, 0)]},
        hops={"answer": [(1_000, MS)], "result": [(1_000, 3 * MS)]},
        spreads=[1.1],
    )
    mine = HostDevice(spec, source="mine.toml")
    assert mine.hop_ns(message_bytes=1_000, kind="answer") == MS
    assert mine.hop_ns(message_bytes=1_000, kind="result") == 3 * MS
    assert mine.hop_ns(message_bytes=1_000, kind="frame") == 2 * MS
    assert mine.hop_points("frame") == mine.hop_points("work") != mine.hop_points("result")


@pytest.mark.parametrize("spread", [0.5, 1.0, 1.2, 1.7])
def test_the_jitter_has_the_middle_of_the_spreads_as_its_90th_percentile(spread: float) -> None:
    """And none where nothing was slower than its median."""
    spec = _made({"prepare": [_use(0, 0)]}, [(100, MS)], [0.1, spread, 9.0])
    table = HostDevice(spec, source="mine.toml").jitter_ppm
    assert table[90] / table[50] == pytest.approx(max(1.0, spread), rel=0.01)
    assert "measured live" in spec.jitter.source


def test_the_file_reads_back_as_it_was(tmp_path: Path) -> None:
    """Written as TOML, with every curve and its source."""
    spec = _made({"pack:int8": [_use(0, MS)], "post:masks": [_use(MS, MS)]}, [(100, MS)])
    (tmp_path / "mine.toml").write_bytes(host_toml(spec))
    read = load_host(Path(tmp_path / "mine.toml"), source="mine.toml")
    assert read.spec == spec
    assert read.name == "mine"


def test_nothing_measured_or_an_unknown_stage_is_refused() -> None:
    """The caller's mistakes."""
    with pytest.raises(ValueError, match="at least one stage"):
        _made({}, [(100, 100)])
    with pytest.raises(ValueError, match="no curve of the name polish"):
        _made({"polish": [_use(0, 0)]}, [(100, 100)])
