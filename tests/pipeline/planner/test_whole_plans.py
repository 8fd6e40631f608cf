"""Plans of whole scenarios: limits, what to relax, ladders, several devices, percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.errors import ScenarioError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.plan.document import CandidateDocument, TaskDocument

TEXT = """\
splitway: 1
name: small
drive:
  synthetic: {scene: highway, seed: 3, length: 1s, size: [320, 192]}
  streams: {front: {period: 100ms}}
sites: {vehicle: , cloud: }
links:
  cell: {between: [vehicle, cloud], up: 20Mbit/s, down: 50Mbit/s, rtt: 10ms}
devices:
  edge0: {spec: deepx-dx-m1, site: vehicle}
  cloud0: {spec: rebellions-atom, site: cloud}
tasks:
  objects:
    input: {stream: front, size: [416, 256]}
    variants:
      only: {model: "builtin:detector"}
    output: yolox
    route: auto
paths:
  front->objects: {from: front, through: [objects], e2e: 100ms}
run: {seed: 1}
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scenario; its networks run once for the whole module."""
    path = tmp_path_factory.mktemp("plans") / "s.yaml"
    path.write_text(TEXT, "utf-8")
    return path


def plan(path: Path, *sets: str, percentile: float = 99.0) -> TaskDocument:
    """The plan of the only task, with settings over the file's."""
    _, document = api.plan(path, api.Options(overrides=sets), percentile=percentile)
    (task,) = document["tasks"]
    return task


def running(task: TaskDocument) -> CandidateDocument:
    """The candidate that runs."""
    return task["candidates"][task["run"]]


def test_every_route_is_on_one_table(scenario: Path) -> None:
    """Edge, raw, JPEG and WebP at two sizes, cuts by every codec with and without zstd."""
    found = plan(scenario)["candidates"]
    codecs = {coded for c in found for coded in c["codecs"].values()}
    assert {c["route"] for c in found} == {"edge", "raw", "encoded", "split"}
    pictures = {
        f"{kind}:{q}{tail}"
        for kind in ("jpeg", "webp")
        for q in (60, 80, 90)
        for tail in ("", "/2")
    }
    tensors = {"float32", "float16", "int8"}
    assert pictures | tensors | {f"zstd:{name}" for name in tensors} <= codecs
    assert any(c["pareto"] for c in found)
    size = {
        next(iter(c["codecs"].values())): c["bytes_up"] for c in found if c["route"] == "encoded"
    }
    assert size["jpeg:80/2"] < size["jpeg:80"]
    assert size["webp:80"] < size["jpeg:80"]
    assert all(c["hedge"] is None for c in found)
    assert len({c["title"] for c in found}) == len(found)


HEDGED = ("policy.hedge={start: latest}", "paths.front->objects.e2e=40ms")
VARYING = (
    *("links.cell.profile=lte-urban", "links.cell.up=null", "links.cell.down=null"),
    *("links.cell.rtt=null", "tasks.objects.route=[raw, encoded, split]"),
)


def test_every_route_that_crosses_stands_there_with_its_hedge_too(scenario: Path) -> None:
    """Behind the one without: never later than the hedge, dearer by its share of the frames."""
    found = plan(scenario, "policy.hedge={start: latest}", *VARYING)["candidates"]
    crossing = [c for c in found if c["cut"] and c["allowed"]]
    bare = [c for c in crossing if c["hedge"] is None]
    covered = [c for c in crossing if c["hedge"] == "tail"]
    assert [c["id"] for c in covered] == [c["id"] for c in bare]
    assert not any(c["hedge"] for c in found if not c["cut"])
    for mine, plain in zip(covered, bare, strict=True):
        hedging = mine["hedging"]
        assert hedging is not None
        assert mine["latency_ms"] == min(plain["latency_ms"], hedging["end_ms"])
        assert hedging["end_ms"] == pytest.approx(99.0)  # the deadline less the margin
        assert 0 <= hedging["answers"] <= hedging["runs"] <= 1
        assert mine["edge_ms"] == pytest.approx(
            plain["edge_ms"] + hedging["runs"] * hedging["edge_ms"], abs=1e-5
        )
        assert "deadline" not in {broken["constraint"] for broken in mine["broken"]}
        assert (mine["expected"] or 0.0) >= (plain["expected"] or 0.0)
    assert any(c["hedging"]["runs"] > 0 for c in covered if c["hedging"])


def test_the_plan_hedges_where_it_is_asked_to_and_names_what_the_hedge_does(scenario: Path) -> None:
    """A link that is too slow for the deadline: the car answers, and the plan says how often."""
    task = plan(scenario, *HEDGED, "tasks.objects.route=raw", "links.cell.up=1Mbit/s")
    assert running(task)["hedge"] == "tail"
    assert not running(task)["feasible"]  # the link does not keep pace, with a hedge or without
    task = plan(scenario, *HEDGED, *VARYING)
    chosen = running(task)
    assert chosen["hedge"] == "tail"
    assert chosen["feasible"]
    assert "its hedge (tail) starts at" in task["explanation"]
    never = plan(scenario, "policy.hedge={start: never}", HEDGED[1], *VARYING)
    assert running(never)["hedge"] is None
    assert never["chosen"] is None


def test_a_hedge_that_the_device_cannot_hold_is_refused_and_the_route_goes_without(
    scenario: Path,
) -> None:
    """Memory for the head alone: the covered row says what it needs, the plain one runs."""
    sets = ("policy.hedge={start: latest}", "tasks.objects.route=split@Relu_stage1.out")
    task = plan(scenario, *sets)
    rows = {c["hedge"]: c for c in task["candidates"] if c["id"] == running(task)["id"]}
    small, large = (rows[form]["memory_bytes"]["edge0"] for form in (None, "tail"))
    assert small < large
    tight = plan(scenario, *sets, f"devices.edge0.memory={large - 1}B")
    assert running(tight)["hedge"] is None
    assert running(tight)["feasible"]
    options = api.Options(overrides=(*sets, f"devices.edge0.memory={large - 1}B"))
    (warning,) = [w for w in api.check(scenario, options).warnings if "policy.hedge" in w]
    assert "goes without it" in warning
    route = running(tight)["id"]
    hedged = next(c for c in tight["candidates"] if c["hedge"] == "tail" and c["id"] == route)
    assert {b["constraint"] for b in hedged["broken"]} == {"memory"}
    assert running(plan(scenario, *sets, f"devices.edge0.memory={large}B"))["hedge"] == "tail"


def test_any_hedge_that_serves_may_be_left_to_the_plan(scenario: Path) -> None:
    """`auto`: the tail, and each further variant, which competes as well."""
    second = 'tasks.objects.variants.small={model: "builtin:detector"}'
    hedge = "policy.hedge={start: latest, with: auto}"
    task = plan(scenario, second, hedge, "tasks.objects.route=[raw, encoded]")
    forms = {c["hedge"] for c in task["candidates"] if c["cut"] and c["allowed"]}
    assert forms == {None, "tail", "variant:small"}
    assert running(task)["hedge"] is not None
    own = [c for c in task["candidates"] if c["variant"] == "small"]
    assert "variant:small" not in {c["hedge"] for c in own}


def test_memory_that_is_too_small_rules_a_device_out(scenario: Path) -> None:
    """It is named with both sizes, and with what would do."""
    task = plan(scenario, "devices.cloud0.memory=50kB", "tasks.objects.route=[encoded]")
    assert task["chosen"] is None
    (broken,) = running(task)["broken"]
    assert (broken["constraint"], broken["subject"]) == ("memory", "cloud0")
    (relaxed,) = [r for r in task["relaxations"] if r["constraint"] == "memory"]
    enough = f"devices.cloud0.memory={relaxed['needed']}B"
    assert plan(scenario, enough, "tasks.objects.route=[encoded]")["chosen"] is not None
    short = f"devices.cloud0.memory={relaxed['needed'] - 1}B"
    assert plan(scenario, short, "tasks.objects.route=[encoded]")["chosen"] is None


def test_the_least_deadline_that_is_named_is_just_enough(scenario: Path) -> None:
    """A nanosecond less is not."""
    route = "tasks.objects.route=[encoded]"
    key = "paths.front->objects.e2e"
    task = plan(scenario, f"{key}=5ms", route)
    assert task["chosen"] is None
    (relaxed,) = [r for r in task["relaxations"] if r["constraint"] == "deadline"]
    assert plan(scenario, f"{key}={relaxed['needed']}ns", route)["chosen"] is not None
    assert plan(scenario, f"{key}={relaxed['needed'] - 1}ns", route)["chosen"] is None


def test_the_uplink_that_is_named_is_enough(scenario: Path) -> None:
    """And a little less is not."""
    route, key = "tasks.objects.route=[raw]", "links.cell.up"
    slow = ("paths.front->objects.e2e=60ms", route)
    task = plan(scenario, f"{key}=20Mbit/s", *slow)
    assert task["chosen"] is None
    (relaxed,) = [r for r in task["relaxations"] if r["constraint"] == "uplink"]
    assert plan(scenario, f"{key}={relaxed['needed']}bit/s", *slow)["chosen"] is not None
    less = relaxed["needed"] * 99 // 100
    assert plan(scenario, f"{key}={less}bit/s", *slow)["chosen"] is None


def test_a_floor_of_agreement_rules_out_what_is_below(scenario: Path) -> None:
    """At 100 % what loses nothing is left."""
    task = plan(scenario, "tasks.objects.min_agreement=100%")
    below = [c for c in task["candidates"] if (c["agreement"] or 0.0) < 1.0]
    assert below
    assert not any(c["feasible"] for c in below)
    assert running(task)["agreement"] == 1.0


def test_pixels_that_stay_rule_out_the_frame_and_early_cuts(scenario: Path) -> None:
    """Cuts on the table lie behind the first layer at stride 8."""
    task = plan(scenario, "tasks.objects.raw_pixels_stay=true")
    for candidate in task["candidates"]:
        shows = any(b["constraint"] == "pixels" for b in candidate["broken"])
        assert shows == (candidate["route"] in ("raw", "encoded"))
    assert any(c["route"] == "split" and c["feasible"] for c in task["candidates"])


def test_a_pin_that_privacy_forbids_is_refused_with_its_line(scenario: Path) -> None:
    """The first stage's output shows the picture; a later one's does not."""
    text = TEXT.replace("route: auto", "route: split@{node}\n    raw_pixels_stay: true")
    path = scenario.with_name("pinned.yaml")
    path.write_text(text.replace("{node}", "Relu_stage1.out"), "utf-8")
    line = TEXT.splitlines().index("    route: auto") + 1
    with pytest.raises(ScenarioError, match="`raw_pixels_stay` leaves nothing") as caught:
        api.plan(path)
    assert f"pinned.yaml:{line}: tasks.objects.route" in str(caught.value)
    path.write_text(text.replace("{node}", "Relu_stage2.out"), "utf-8")
    assert running(plan(path))["pin"] == "split@Relu_stage2.out"


def test_variants_of_the_ladder_compete(scenario: Path) -> None:
    """Each is compared with the first one's results."""
    second = 'tasks.objects.variants.small={model: "builtin:detector"}'
    task = plan(scenario, second)
    variants = {c["variant"] for c in task["candidates"]}
    assert variants == {"only", "small"}
    edges = [c for c in task["candidates"] if c["route"] == "edge"]
    assert [c["agreement"] for c in edges] == [1.0, 1.0]


def test_a_ladder_that_disagrees_is_refused_with_its_line(scenario: Path) -> None:
    """A network for a LiDAR beside one for pictures."""
    text = TEXT.replace(
        "    output: yolox\n",
        '      other: {model: "builtin:pillars"}\n    output: yolox\n',
    )
    path = scenario.with_name("ladder.yaml")
    path.write_text(text, "utf-8")
    line = text.splitlines().index('      other: {model: "builtin:pillars"}') + 1
    with pytest.raises(ScenarioError) as caught:
        api.plan(path)
    assert f"ladder.yaml:{line}" in str(caught.value)


def test_an_unknown_device_in_the_file_has_its_line(scenario: Path) -> None:
    """With the nearest name."""
    path = scenario.with_name("unknown.yaml")
    path.write_text(TEXT.replace("rebellions-atom", "rebelions-atom"), "utf-8")
    with pytest.raises(ScenarioError, match="rebellions-atom") as caught:
        api.plan(path)
    assert "unknown.yaml:11" in str(caught.value)


def test_a_varying_link_is_judged_by_virtual_runs(scenario: Path) -> None:
    """What runs has its share of frames in time, and asking for more changes the choice."""
    link = ("links.cell.profile=lte-urban", "links.cell.up=null", "links.cell.down=null")
    varying = (*link, "links.cell.rtt=null", "tasks.objects.route=[raw, encoded, split]")
    usual = plan(scenario, *varying, percentile=50.0)
    seen = running(usual)["verified"]
    assert seen is not None
    assert seen["frames"] >= 300
    assert 0.0 <= seen["rate_least"] <= seen["rate"] <= 1.0
    again = plan(scenario, *varying, percentile=50.0)
    assert again == usual


def test_the_percentile_changes_what_is_chosen_and_the_plan_says_so(scenario: Path) -> None:
    """The median frame is in time by a route whose 99.9th percentile is not."""
    text = TEXT.replace("rtt: 10ms}", "rtt: 30ms, jitter: {dist: lognormal, sigma: 0.5}}").replace(
        "e2e: 100ms", "e2e: 62ms"
    )
    path = scenario.with_name("jitter.yaml")
    path.write_text(text.replace("route: auto", "route: [encoded, split]"), "utf-8")
    calm, sure = plan(path, percentile=50.0), plan(path, percentile=99.9)
    assert calm["chosen"] is not None
    assert sure["chosen"] != calm["chosen"]
    assert "by the median" in sure["explanation"]
    assert "p99.9" in sure["explanation"]


def test_tensors_of_one_cut_may_have_codecs_of_their_own(scenario: Path) -> None:
    """Two cross behind this node: one can be coarse where the other cannot."""
    task = plan(scenario, "tasks.objects.route=split@Relu_up_lateral.out")
    chosen = running(task)
    assert len(chosen["cut"]) == 2
    assert len(set(chosen["codecs"].values())) == 2
    uniform = [
        c
        for c in task["candidates"]
        if c["cut"] == chosen["cut"] and len(set(c["codecs"].values())) == 1
    ]
    as_good = [c for c in uniform if (c["agreement"] or 0) >= (chosen["agreement"] or 0)]
    assert all(c["latency_ms"] > chosen["latency_ms"] for c in as_good)
