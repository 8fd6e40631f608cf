"""From the scenario's words to a link: files, profiles, tables, and whatever is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.assembly.equipment import equip
from pipeline.assembly.links import link_hashes, link_of, world_for
from pipeline.errors import ScenarioError
from pipeline.link import LinkConfig, LinkFault, Steps
from pipeline.link.profiles import expand, load_profile
from pipeline.plan.steps import Move
from pipeline.planner.pricing import link_spread_ns, move_step
from pipeline.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

S = 1_000_000_000
TEXT = """\
splitway: 1
name: small
drive: {{path: drive.mp4, streams: {{front: {{period: 40ms}}}}}}
sites: {{vehicle: , cloud: }}
links:
  cell:
    between: {between}
    {keys}
devices:
  edge0: {{spec: some-npu, site: vehicle}}
  cloud0: {{backend: cpu, site: cloud}}
tasks:
  objects:
    input: {{stream: front, size: [416, 416]}}
    variants: {{only: {{model: model.onnx}}}}
    output: yolox
paths:
  camera->objects: {{from: front, through: [objects], e2e: 100ms}}
run: {{seed: 9}}
"""
TABLE = "t_s,up_mbps,down_mbps,rtt_ms,loss\n0,1,2,40,0\n1,3,4,50,0.01\n"


def link(
    folder: Path, keys: str, *, seed: int | None = None, between: str = "[vehicle, cloud]"
) -> LinkConfig:
    """The link of a scenario with these keys."""
    path = folder / "s.yaml"
    path.write_text(TEXT.format(keys=keys, between=between), "utf-8")
    return link_of(load_scenario(path), seed=seed)


def test_constants(tmp_path: Path) -> None:
    """In the other order of sites, up and down change places; loss is parts per million."""
    keys = "{up: 1Mbit/s, down: 2Mbit/s, rtt: 3ms, loss: 0.25%}"[1:-1].replace(", ", "\n    ")
    there = link(tmp_path, keys)
    assert there == LinkConfig(
        name="cell",
        up_bits_per_s=10**6,
        down_bits_per_s=2 * 10**6,
        rtt_ns=3 * 10**6,
        loss_ppm=2_500,
        seed=9,
    )
    back = link(tmp_path, keys, between="[cloud, vehicle]")
    assert (back.up_bits_per_s, back.down_bits_per_s) == (2 * 10**6, 10**6)
    assert link_hashes(there) == {}


def test_a_table_beside_the_scenario(tmp_path: Path) -> None:
    """Its hash is that of its figures, turned round with the sites."""
    (tmp_path / "lte.csv").write_text(TABLE, "utf-8")
    there = link(tmp_path, "trace: lte.csv")
    assert there.trace is not None
    assert there.trace.up.values == (10**6, 3 * 10**6)
    back = link(tmp_path, "trace: lte.csv", between="[cloud, vehicle]")
    assert back.trace is not None
    assert back.trace.up == there.trace.down
    (tmp_path / "other.csv").write_text("# the same\n" + TABLE, "utf-8")
    other = link(tmp_path, "trace: {path: other.csv, format: csv}")
    assert link_hashes(other) == link_hashes(there)
    assert link_hashes(back) != link_hashes(there)
    assert list(link_hashes(there)) == ["trace:cell"]


def test_a_pair_needs_a_round_trip(tmp_path: Path) -> None:
    """Which mahimahi's files do not have."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("0\n5\n10\n", "utf-8")
    found = link(tmp_path, "trace: {up: a, down: b, rtt: 40ms}").trace
    assert found is not None
    assert found.rtt_ns == Steps.constant(40_000_000)


def test_a_profile_takes_its_own_seed_or_that_of_the_run(tmp_path: Path) -> None:
    """The run's is the one it is given, else the scenario's."""
    tunnel = load_profile("tunnel")
    assert link(tmp_path, "profile: tunnel").trace == expand(tunnel, seed=9)
    assert link(tmp_path, "profile: tunnel", seed=4).trace == expand(tunnel, seed=4)
    own = link(tmp_path, "profile: {name: tunnel, seed: 2}", seed=4)
    assert own.trace == expand(tunnel, seed=2)
    assert own.seed == 4


def test_jitter_faults_and_shares_become_whole_numbers(tmp_path: Path) -> None:
    """The table has its median at one, the last value is the largest."""
    keys = (
        "profile: tunnel\n    jitter: {dist: lognormal, sigma: 0.3}\n    shares: {objects: 12.5%}\n"
        "    faults: [{at: 1s, for: 2s, kind: slow, factor: 1/4}, "
        "{at: 5s, for: 50ms, kind: handover, extra: 8ms}]"
    )
    found = link(tmp_path, keys)
    table = found.jitter_ppm
    assert table[len(table) // 2] == 1_000_000
    assert list(table) == sorted(table)
    assert 1_800_000 < table[-1] < 2_500_000
    assert found.shares_ppm == {"objects": 125_000}
    assert found.faults == (
        LinkFault(kind="slow", at_ns=S, until_ns=3 * S, rate_ppm=250_000),
        LinkFault(
            kind="handover", at_ns=5 * S, until_ns=5 * S + 50_000_000, extra_rtt_ns=8_000_000
        ),
    )


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("trace: lte.csv", "lte.csv:3: time goes back: 1 s, then 0.5 s"),
        ("trace: nowhere.csv", "nowhere.csv: not found at"),
        ("trace: ../lte.csv", "leaves the scenario's folder"),
        ("trace: lte.pcap", "no trace format has files that end in '.pcap'"),
        ("trace: {path: good.csv, rtt: 3ms}", "has its own round trip; leave out `rtt`"),
        ("trace: {up: a, down: b}", "has no round trip; add `rtt`"),
        ("trace: {up: a, down: b, rtt: 1ms}", "b:2: time goes back from 5 to 4 ms"),
        ("trace: {path: good.csv, format: pcap}", "there is no trace format 'pcap'"),
        ("trace: folder.csv", "folder.csv: is no file"),
        ("profile: tunel", "did you mean 'tunnel'?"),
        ("profile: mine.toml", "mine.toml: is not valid TOML"),
        ("profile: nowhere.toml", "nowhere.toml: not found at"),
    ],
)
def test_what_is_wrong_is_said_with_the_key_and_its_line(
    tmp_path: Path, keys: str, reason: str
) -> None:
    """In the scenario, and in the file that it names."""
    head, *_ = TABLE.splitlines()
    (tmp_path / "lte.csv").write_text(f"{head}\n1,1,1,1,0\n0.5,1,1,1,0\n", "utf-8")
    (tmp_path / "good.csv").write_text(TABLE, "utf-8")
    (tmp_path / "lte.pcap").write_text(TABLE, "utf-8")
    (tmp_path / "a").write_text("0\n5\n", "utf-8")
    (tmp_path / "b").write_text("5\n4\n", "utf-8")
    (tmp_path / "mine.toml").write_text("name =", "utf-8")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ScenarioError) as caught:
        link(tmp_path, keys)
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (8, f"links.cell.{keys.partition(':')[0]}")
    assert reason in problem.reason


def test_a_plan_prices_crossings_by_quantiles_of_the_trace(
    write_scenario: Callable[..., Path],
) -> None:
    """Its steps are the median's, its percentile adds what a late message takes longer."""
    scenario = write_scenario()
    rows = "".join(f"{second},{2 if second == 9 else 20},100,40,0\n" for second in range(10))
    (scenario.parent / "lte.csv").write_text(f"{TABLE.splitlines()[0]}\n{rows}", "utf-8")
    link = "{between: [vehicle, cloud], trace: lte.csv, shares: {objects: 50%}}"
    loaded = load_scenario(scenario, overrides=(f"links.cell={link}",))
    equipment = equip(loaded)
    up = Move(tensors=("x",), channel="cell.up", codecs=("int8",))
    down = Move(tensors=("result",), channel="cell.down", codecs=("raw",))
    spreads = {}
    for task in ("objects", "others"):
        world = world_for(equipment.world, equipment.link, task=task, percentile=95.0)
        steps = [move_step(world, up, 12_000), move_step(world, down, 12_000)]
        hop_ns = world.vehicle_host.hop_ns(message_bytes=12_000)
        assert steps[0].latency_ns == 10_000_000 + 20_000_000 + 2 * hop_ns  # 12.5 kB at 10 Mbit/s
        spreads[task] = link_spread_ns(world, steps)
        assert link_spread_ns(equipment.world, steps) == 0
    assert spreads["objects"] == spreads["others"] == 90_000_000  # a tenth of the rate
