"""Tasks joined through the whole planner: waits, importance, shares, prices, and enforcement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.link.model import LinkConfig
from pipeline.link.pricing import LinkQuote
from pipeline.link.spread import LinkSpread
from pipeline.link.steps import Steps
from pipeline.link.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.plan.together import Together
    from pipeline.runtime.core.config import UplinkShare

SECOND = (
    """    route: split
paths:
""",
    """    route: [edge, split]
  side:
    input: {stream: left, size: [416, 256], fit: letterbox}
    variants: {untrained: {model: "builtin:detector"}}
    output: yolox
    route: [edge, split]
paths:
  beside: {from: left, through: [side], e2e: 100ms}
""",
)
STREAMS = (
    "streams: {front: {period: 50ms}}",
    "streams: {front: {period: 50ms}, left: {period: 50ms}}",
)
SLOW = "links.cell.up=2Mbit/s"
EITHER = (
    "tasks.objects.route=[raw, encoded]",
    "tasks.side.route=[raw, encoded]",
    "paths.beside.e2e=200ms",
)
RAW = ("tasks.objects.route=raw", "tasks.side.route=raw")


def _together(path: Path, *settings: str) -> Together:
    found = api.check(path, api.Options(overrides=settings)).plan.together
    assert found is not None
    return found


@pytest.fixture
def two(write_scenario: Callable[..., Path]) -> Path:
    """Two detectors on one link and one pair of devices."""
    return write_scenario(STREAMS, SECOND)


def test_one_task_has_nobody_to_share_with(write_scenario: Callable[..., Path], two: Path) -> None:
    """Neither has a scenario that wants each task planned alone."""
    assert api.check(write_scenario()).plan.together is None
    two.write_text(two.read_text("utf-8"), "utf-8")
    alone = api.Options(overrides=("policy.tasks=alone",))
    assert api.check(write_scenario(STREAMS, SECOND), alone).plan.together is None


def test_two_tasks_share_the_uplink_by_what_they_need(two: Path) -> None:
    """Shares leave the reserve, and follow the bytes over the time that is left."""
    wire = "wire={codec: int8, lossless: none}"  # then both send as many bytes
    pinned = (
        *("tasks.objects.route=split", "tasks.side.route=split"),
        *(f"tasks.objects.{wire}", f"tasks.side.{wire}"),
    )
    together = _together(two, *pinned)
    objects, side = together.tasks
    assert objects.share_ppm + side.share_ppm <= 990_000
    assert objects.share_ppm + side.share_ppm > 989_000
    assert side.needs_bits_per_s >= objects.needs_bits_per_s  # 100 ms against 200 ms
    assert objects.wait_ns > 0
    assert all(0 < together.busy[name] < 0.9 for name in ("uplink", "edge", "cloud"))
    document = api.plan(two, api.Options(overrides=pinned))[1]["together"]
    assert document is not None
    assert [task["name"] for task in document["tasks"]] == ["objects", "side"]


def test_where_only_one_fits_whole_it_is_the_more_important_one(two: Path) -> None:
    """A hundred megabits carry one camera's raw pictures; the other one's go as JPEG."""
    for first, second in ((5.0, 1.0), (1.0, 5.0)):
        options = api.Options(
            overrides=(
                *EITHER,
                "links.cell.up=100Mbit/s",
                f"tasks.objects.importance={first}",
                f"tasks.side.importance={second}",
            )
        )
        plan = api.check(two, options).plan
        names = {task.task: task.candidates[task.run].name for task in plan.tasks}
        important, other = ("objects", "side") if first > second else ("side", "objects")
        assert (names[important], names[other]) == ("raw", "encoded")
        assert plan.together is not None
        assert plan.together.exact
        assert plan.together.busy["uplink"] <= 0.9


def test_nothing_that_fits_is_said_with_the_resource_that_is_too_busy(two: Path) -> None:
    """Raw pictures of two cameras over two megabits a second; they run all the same."""
    found = api.check(two, api.Options(overrides=(*RAW, SLOW)))
    together = found.plan.together
    assert together is not None
    assert "uplink" in together.note
    assert together.binding == ("uplink",)
    assert together.busy["uplink"] > 1
    assert any("uplink" in warning for warning in found.warnings)


def test_a_megabit_is_worth_what_it_changes(two: Path) -> None:
    """At 131 Mbit/s one more lets both cameras' raw pictures be there before the next ones."""
    short = _together(two, *EITHER, "links.cell.up=131.2Mbit/s")
    price = next(price for price in short.prices if price.resource == "uplink")
    assert price.step == "1 Mbit/s"
    assert price.more > 0.01
    assert "uplink" in short.binding
    wide = _together(two, *EITHER, "links.cell.up=900Mbit/s")
    assert all(price.more == 0 for price in wide.prices)
    assert wide.binding == ()


def test_a_lane_of_its_own_is_nobody_s_queue_and_no_share(two: Path) -> None:
    """Its crossings wait for nobody; the map's nominal cell is the whole link's rate."""
    pinned = ("tasks.objects.route=split", "tasks.side.route=split")
    lane = "links.cell.shares={objects: 50%}"
    options = api.Options(overrides=(*pinned, lane))
    plan, _ = api.plan(two, options, mapped=True)
    assert plan.together is not None
    assert [task.share_ppm for task in plan.together.tasks] == [0, 0]
    shared = _together(two, *pinned)
    for mine, theirs in zip(plan.together.tasks, shared.tasks, strict=True):
        assert mine.wait_ns < theirs.wait_ns
    assert plan.map is not None
    assert plan.map.nominal[0] == 40_000_000
    for task in plan.tasks:
        region = plan.map.tasks[task.task]
        assert region.at(region.cell_of(*plan.map.nominal)) == task.run


def _shares(path: Path, *settings: str) -> Mapping[str, UplinkShare]:
    return api.check(path, api.Options(overrides=settings)).spec.core.shares


def test_shares_reach_the_core_unless_the_scenario_wants_none(two: Path) -> None:
    """With the bits of a planned frame."""
    pinned = ("tasks.objects.route=split", "tasks.side.route=split")
    given = _shares(two, *pinned)
    assert set(given) == {"objects", "side"}
    assert all(share.frame_bits > 8_000 for share in given.values())
    assert _shares(two, *pinned, "policy.shares=none") == {}


def test_a_task_over_its_share_gives_way_in_the_run_and_not_with_shares_off(
    two: Path, tmp_path: Path
) -> None:
    """The link slows down; the hedge answers for frames that would have been sent too many."""
    settings = (
        "tasks.objects.route=raw",
        "tasks.side.route=raw",
        "links.cell.up=130Mbit/s",
        "links.cell.faults=[{at: 500ms, for: 1s, kind: slow, factor: 1/4}]",
        "policy.hedge={start: latest}",
        "policy.in_flight=8",
        "run.sizes=modelled",
    )
    notes = {}
    for shares in ("plan", "none"):
        options = api.Options(overrides=(*settings, f"policy.shares={shares}"))
        result = api.run(two, options, virtual=True, out=tmp_path / shares)
        notes[shares] = [note for note in result.notes if note.startswith("share-fallback")]
        assert api.rerun(tmp_path / shares).same
    assert notes["plan"]
    assert not notes["none"]


def test_a_spread_has_the_figures_of_a_quote_at_every_percentile() -> None:
    """One look at the trace instead of one per percentile."""
    link = LinkConfig(
        name="cell",
        trace=Trace(
            up=Steps.of([(0, 4_000_000), (10**9, 1_000_000)], period_ns=2 * 10**9),
            down=Steps.constant(9_000_000),
            rtt_ns=Steps.of([(0, 20_000_000), (10**9, 60_000_000)], period_ns=2 * 10**9),
            loss_ppm=Steps.constant(2_000),
            source="made",
        ),
        jitter_ppm=(900_000, 1_000_000, 1_200_000),
        shares_ppm={"front": 250_000},
    )
    levels = (5.0, 50.0, 95.0, 99.0)
    for task in ("front", "side"):
        spread = LinkSpread(link, task=task)
        for way in ("up", "down"):
            quotes = [
                LinkQuote(link, percentile=p, task=task).transfer_ns(20_000, way) for p in levels
            ]
            assert spread.transfer_ns(20_000, way, levels) == quotes


def test_what_a_plan_says_is_of_what_runs_beside_the_others(two: Path) -> None:
    """Not of what the task would run alone: sentences, relaxations, and what it goes by."""
    sets = (*EITHER, "links.cell.up=100Mbit/s", "tasks.objects.importance=5")
    plan, document = api.plan(two, api.Options(overrides=sets))
    assert plan.together is not None
    told = next(t for t in plan.together.tasks if t.task == "side")
    task = plan.task("side")
    assert told.alone != task.run
    runs, alone = task.candidates[task.run], task.candidates[told.alone]
    assert "than the chosen" not in runs.why
    assert "than the chosen" in alone.why
    assert task.relaxations == ()
    assert (task.beside, task.basis) == (True, "predicted")
    assert "by predicted latencies" in task.explanation
    assert task.robustness is not None
    found = next(t for t in document["tasks"] if t["name"] == "side")
    assert found["basis"] == "predicted"
    assert document["together"] is not None
    assert document["together"]["basis"] == "predicted"
