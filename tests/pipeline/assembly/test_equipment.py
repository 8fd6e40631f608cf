"""Tests of several devices at a site, of `ops`, and of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators.work import MatrixWork, OpWork
from pipeline.assembly.equipment import equip
from pipeline.errors import ScenarioError
from pipeline.scenario import load_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.assembly.equipment import Equipment

TEXT = """\
splitway: 1
name: small
drive: {{path: drive.mp4, streams: {{front: {{period: 40ms}}}}}}
sites: {{vehicle: , cloud: }}
links: {{cell: {{between: [vehicle, cloud], up: 1Mbit/s, down: 1Mbit/s, rtt: 1ms}}}}
devices:
  edge0: {{spec: qualcomm-sa8775p, site: vehicle}}
{cloud}
tasks:
  objects:
    input: {{stream: front, size: [416, 416]}}
    variants: {{only: {{model: model.onnx}}}}
    output: yolox
paths:
  camera->objects: {{from: front, through: [objects], e2e: 100ms}}
"""
WIDE = OpWork(
    name="wide",
    op_type="MatMul",
    macs=8192 * 8192,
    weight_elements=8192 * 8192,
    input_elements=8192,
    output_elements=8192,
    products=(MatrixWork(rows=8192, depth=8192, vectors=1),),
)
MAIN = "  cloud0: {spec: qualcomm-sa8775p, site: cloud, precision: float16}"
BESIDE = "  pim0: {spec: skhynix-gddr6-aim, site: cloud, ops: [MatMul, Gemm]}"


def equipped(folder: Path, cloud: str) -> Equipment:
    """The equipment of a scenario with these devices in the cloud."""
    path = folder / "s.yaml"
    path.write_text(TEXT.format(cloud=cloud), "utf-8")
    return equip(load_scenario(path))


@pytest.mark.parametrize(
    "cloud", [f"{MAIN}\n{BESIDE}", f"{BESIDE}\n{MAIN}"], ids=["after", "before"]
)
def test_a_pim_device_beside_another_is_a_device_of_its_own(cloud: str, tmp_path: Path) -> None:
    """Joined by the site's bus; the one without `ops` is the first, wherever it is written."""
    equipment = equipped(tmp_path, cloud)
    assert set(equipment.devices) == {"edge0", "cloud0", "pim0"}
    world = equipment.world
    assert [placed.name for placed in world.at("cloud")] == ["cloud0", "pim0"]
    assert world.placed["cloud0"].precision == "float16"
    assert world.placed["pim0"].ops == frozenset({"MatMul", "Gemm"})
    assert world.sites.device_site["cloud.bus"] == "cloud"
    assert "vehicle.bus" not in world.sites.device_site
    assert equipment.slots["cloud.bus"] == 1
    assert len(equipment.quantiles["skhynix-gddr6-aim"]) == 101


def test_a_pim_device_alone_leaves_the_rest_to_its_host(tmp_path: Path) -> None:
    """Only what `ops` lists runs on its units."""
    equipment = equipped(tmp_path, BESIDE)
    device = equipment.world.cloud.device
    assert (equipment.devices["pim0"].id, device.kind) == ("skhynix-gddr6-aim", "pim")
    assert equipment.world.cloud.ops is None
    assert device.supports(WIDE)
    assert not device.supports(
        OpWork(
            name="g",
            op_type="GRU",
            macs=1,
            weight_elements=1,
            input_elements=1,
            output_elements=1,
        )
    )


@pytest.mark.parametrize(
    ("cloud", "reason"),
    [
        (
            "  pim0: {spec: skhynix-gddr6-aim, site: cloud, ops: [Conv]}",
            "skhynix-gddr6-aim cannot run Conv; its units can run",
        ),
        (
            "  pim0: {spec: furiosa-warboy, site: cloud, ops: [Conv]}",
            "only a pim is limited to some operators",
        ),
    ],
)
def test_what_cannot_be_limited_is_named(cloud: str, reason: str, tmp_path: Path) -> None:
    """With the device's line in the file."""
    with pytest.raises(ScenarioError) as caught:
        equipped(tmp_path, cloud)
    assert reason in str(caught.value)
    assert "devices.pim0" in str(caught.value)


def test_memory_is_the_scenarios_else_the_specs(tmp_path: Path) -> None:
    """A spec without a figure leaves it unknown."""
    given = "  cloud0: {spec: furiosa-warboy, site: cloud, memory: 12MB}"
    assert equipped(tmp_path, given).world.cloud.memory_bytes == 12_000_000
    shipped = "  cloud0: {spec: furiosa-warboy, site: cloud}"
    assert equipped(tmp_path, shipped).world.cloud.memory_bytes == 16_000_000_000
    assert equipped(tmp_path, BESIDE).world.cloud.memory_bytes is None


@pytest.mark.parametrize(
    ("cloud", "reason"),
    [
        ("{backend: qnn, site: cloud}", r"emulation|splitway\[qnn\]"),
        ("{backend: 'ort:NoProvider', site: cloud}", "no such execution provider"),
        ("{backend: rebel, site: cloud}", "rebel is not installed"),
        ("{backend: cpu, site: cloud, options: {threads: 2}}", "has no option threads"),
        ("{backend: cpu, site: cloud, options: {run_limit_s: 0}}", "run_limit_s"),
        ("{backend: cpu, site: cloud, options: {python: /no/such}}", "no interpreter /no/such"),
    ],
)
def test_a_backend_that_cannot_be_a_device_is_named(
    cloud: str, reason: str, tmp_path: Path
) -> None:
    """What is missing, refused or no device at all; the line of the scenario stands before it."""
    with pytest.raises(ScenarioError, match=reason) as caught:
        equipped(tmp_path, f"  cloud0: {cloud}")
    assert "devices.cloud0.backend" in str(caught.value)


def test_options_reach_the_device_as_text(tmp_path: Path) -> None:
    """YAML's numbers and truth values, as a backend reads them."""
    found = equipped(
        tmp_path,
        "  cloud0: {backend: 'ort:CPUExecutionProvider', site: cloud, "
        "options: {run_limit_s: 2.5, fallback: true}}",
    )
    assert found.devices["cloud0"].options == {"run_limit_s": "2.5", "fallback": "yes"}
    assert found.devices["cloud0"].id == "ort:CPUExecutionProvider"
