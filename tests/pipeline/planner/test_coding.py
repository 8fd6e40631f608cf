"""What coding a tensor costs on a host, and which of its curves a stage's own cost belongs to."""

from __future__ import annotations

import pytest

from accelerators.calibration.hosts import StageMeasured, calibrated
from accelerators.models.host import HostDevice, shipped
from pipeline.planner.coding import carrying_curve, coding_parts

(REFERENCE,) = shipped()
PICTURE, TENSOR = (384, 640, 3), (1, 64, 40, 40)
MS = 1_000_000


def _ns(host: HostDevice, coded: str, shape: tuple[int, ...]) -> int:
    dtype = "uint8" if shape == PICTURE else "float32"
    parts = coding_parts("pack", coded, shape, dtype)
    return sum(host.stage_ns(name, elements=count).latency_ns for name, count in parts)


@pytest.mark.parametrize(
    ("coded", "shape"),
    [
        ("float16", TENSOR),
        ("zstd:float16", TENSOR),
        ("zstd:int8", TENSOR),
        ("sparse", TENSOR),
        ("sparse:int8", TENSOR),
        ("zstd:sparse:int8", TENSOR),
        ("jpeg:80", PICTURE),
        ("jpeg:80/2", PICTURE),
        ("webp:60/2", PICTURE),
    ],
)
def test_a_host_measured_live_prices_a_stage_as_it_was_seen(
    coded: str, shape: tuple[int, ...]
) -> None:
    """The work is handed over once a stage, however many codecs lie on one another."""
    name = REFERENCE.curve_of(carrying_curve("pack", coded))
    spec = calibrated(
        REFERENCE.spec,
        name="mine",
        machine="two cores of something",
        source="measured live",
        stages={name: [StageMeasured(predicted_ns=MS, live_ns=2 * MS)]},
        hops={"work": [(1_000, MS)]},
        spreads=[1.0],
    )
    mine = HostDevice(spec, source="mine.toml")
    assert _ns(mine, coded, shape) - _ns(REFERENCE, coded, shape) == MS


def test_a_codec_that_was_not_used_is_raised_once() -> None:
    """As the stages that were used, whatever it lies on."""
    spec = calibrated(
        REFERENCE.spec,
        name="mine",
        machine="two cores of something",
        source="measured live",
        stages={"prepare": [StageMeasured(predicted_ns=MS, live_ns=2 * MS)]},
        hops={"work": [(1_000, MS)]},
        spreads=[1.0],
    )
    mine = HostDevice(spec, source="mine.toml")
    for coded in ("int8", "zstd:int8", "zstd:float16"):
        assert _ns(mine, coded, TENSOR) - _ns(REFERENCE, coded, TENSOR) == MS
