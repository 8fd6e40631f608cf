"""Sites by name: what their files must say, and how a profile fills a scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from accelerators import registry
from pipeline.errors import InputError, ScenarioError
from pipeline.scenario import load_scenario
from pipeline.scenario.sites import at_site, load_site, shipped_sites

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.scenario.conftest import Desk

LINK = ", up: 50Mbit/s, down: 0.1Gbit/s, rtt: 20ms"
DEVICE = "  cloud0: {backend: cpu, site: cloud}\n"
PROFILED = ("  cloud:\n", "  cloud: {profile: naver-cloud}\n")
SITE = """\
name = "depot"
title = "Depot"
description = "A rack in our own depot."
[host]
value = "host-reference"
source = "our own rack"
[devices.rack0]
spec = "nvidia-l4"
slots = 2
source = "our own rack"
[link]
label = "measured"
description = "private 5G"
up_bits_per_s = { value = 80_000_000, source = "our own drive test" }
down_bits_per_s = { value = 90_000_000, source = "our own drive test" }
rtt_us = { value = 9_000, source = "our own drive test" }
loss_ppm = { value = 0, source = "our own drive test" }
jitter_permille = { value = 0, source = "assumed" }
"""


@pytest.mark.parametrize("name", shipped_sites())
def test_a_shipped_site_names_an_installed_device_and_host(name: str) -> None:
    """And it says of itself what is assumed."""
    site = load_site(name)
    assert site.name == name
    (device,) = site.devices.values()
    assert registry.device(device.spec).label in ("fitted", "anchored", "extrapolated")
    registry.host(site.host.value)
    assert any(text.startswith("link.rtt: assumed") for text in site.assumptions())


def test_the_four_sites_are_there_and_the_named_ones_say_what_is_published() -> None:
    """A provider's site without a published fact would be an invention."""
    assert set(shipped_sites()) == {"naver-cloud", "nhn-cloud", "kt-cloud", "region-generic"}
    for name in ("naver-cloud", "nhn-cloud", "kt-cloud"):
        assert len(load_site(name).published) >= 2


def test_a_profile_fills_in_what_the_scenario_leaves_out(desk: Desk) -> None:
    """The device, the link and the host."""
    path = desk.write(desk.changed(PROFILED, (LINK, ""), (DEVICE, "")))
    scenario = load_scenario(path).scenario
    assert scenario.devices["cloud0"].spec == "furiosa-warboy"
    link = scenario.links["cell"]
    assert (link.up, link.rtt) == (49_090_000, 21_800_000)
    assert link.jitter is not None


def test_what_the_scenario_says_itself_stays(desk: Desk) -> None:
    """A profile beside a device and a link's own figures changes neither."""
    path = desk.write(desk.changed(PROFILED))
    scenario = load_scenario(path).scenario
    assert scenario.devices["cloud0"].backend == "cpu"
    assert scenario.links["cell"].up == 50_000_000


def test_a_link_written_the_other_way_round_keeps_its_directions(desk: Desk) -> None:
    """With [cloud, vehicle], up is the cloud's rate."""
    turned = ("[vehicle, cloud]" + LINK, "[cloud, vehicle]")
    path = desk.write(desk.changed(PROFILED, turned))
    link = load_scenario(path).scenario.links["cell"]
    assert (link.up, link.down) == (472_280_000, 49_090_000)


def test_a_site_may_be_a_file_beside_the_scenario_and_not_elsewhere(desk: Desk) -> None:
    """Its device takes its name along; a path out of the folder is refused with its line."""
    desk.write(SITE, "depot.toml")
    mine = ("  cloud:\n", "  cloud: {profile: depot.toml}\n")
    path = desk.write(desk.changed(mine, (LINK, ""), (DEVICE, "")))
    scenario = load_scenario(path).scenario
    assert (scenario.devices["rack0"].spec, scenario.devices["rack0"].slots) == ("nvidia-l4", 2)
    assert scenario.links["cell"].jitter is None
    elsewhere = ("  cloud:\n", "  cloud: {profile: ../depot.toml}\n")
    with pytest.raises(ScenarioError, match=r"s\.yaml:9: .*leaves the scenario's folder"):
        load_scenario(desk.write(desk.changed(elsewhere)))


def test_moving_to_a_site_replaces_device_and_link_and_keeps_faults(desk: Desk) -> None:
    """Faults belong to the drive."""
    faults = (LINK, LINK + ", faults: [{at: 1s, for: 1s, kind: blackout}]")
    scenario = load_scenario(desk.write(desk.changed(faults))).scenario
    moved = at_site(scenario, load_site("kt-cloud"), name="kt-cloud")
    assert [d.spec for d in moved.devices.values() if d.site == "cloud"] == ["rebellions-atom"]
    link = moved.links["cell"]
    assert (link.rtt, len(link.faults)) == (20_200_000, 1)
    assert [d.spec for d in moved.devices.values() if d.site == "vehicle"] == ["some-npu"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('source = "our own rack"\n[devices', "[devices", "host.source: Field required"),
        ("loss_ppm = { value = 0", "loss_ppm = { value = 1_000_000", "link.loss_ppm.value"),
        ("slots = 2", "slots = 0", "devices.rack0.slots"),
        ("value = 80_000_000", "value = 0", "link.up_bits_per_s.value"),
        ('title = "Depot"\n', 'title = "Depot"\nprice = 3\n', "price: Extra inputs"),
        ('title = "Depot"', "title = Depot", "is not valid TOML"),
    ],
)
def test_a_wrong_site_file_is_refused_with_file_and_key(
    tmp_path: Path, old: str, new: str, reason: str
) -> None:
    """One line that says where."""
    assert old in SITE
    path = tmp_path / "site.toml"
    path.write_text(SITE.replace(old, new), "utf-8")
    with pytest.raises(InputError) as caught:
        load_site(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("  cloud:\n", "  cloud: {profile: navr-cloud}\n"), "did you mean 'naver-cloud'?"),
        (("  cloud:\n", "  cloud: {failover: kt-cloud}\n"), "failing over between sites"),
        (("  cloud:\n", "  cloud:\n  second: {profile: kt-cloud}\n"), "failing over between sites"),
        (("{host: host-reference}", "{profile: kt-cloud}"), "is for the cloud"),
    ],
)
def test_unknown_sites_and_failing_over_are_refused_by_name(
    desk: Desk, change: tuple[str, str], reason: str
) -> None:
    """With file and line."""
    with pytest.raises(ScenarioError, match=r"s\.yaml:\d+: sites") as caught:
        load_scenario(desk.write(desk.changed(change)))
    assert reason in str(caught.value)
