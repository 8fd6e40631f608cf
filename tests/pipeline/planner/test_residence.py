"""Several devices at a site, and the memory of a device, as the tasks of a car share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.plan.steps import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BOTH = (
    (
        "streams: {front: {period: 50ms}}",
        "streams: {front: {period: 50ms}, left: {period: 50ms}}",
    ),
    (
        """    route: split
paths:
""",
        """    route: raw
  side:
    input: {stream: left, size: [416, 256], fit: letterbox}
    variants: {untrained: {model: "builtin:detector"}}
    output: yolox
    route: raw
paths:
  beside: {from: left, through: [side], e2e: 100ms}
""",
    ),
)
WIDE = ("links.cell.up=900Mbit/s", "run.sizes=modelled")


@pytest.fixture
def two(write_scenario: Callable[..., Path]) -> Path:
    """Two detectors on one link and one pair of devices."""
    return write_scenario(*BOTH)


def test_each_device_of_a_site_is_as_busy_as_what_runs_on_it(two: Path) -> None:
    """Two NPUs in the cloud, a task kept to each: neither waits for the other there."""
    second = (
        "devices.cloud1={spec: furiosa-warboy, site: cloud}",
        "tasks.objects.devices=[edge0, cloud0]",
        "tasks.side.devices=[edge0, cloud1]",
    )
    plan = api.check(two, api.Options(overrides=(*WIDE, *second))).plan
    assert plan.together is not None
    busy = plan.together.busy
    assert {"cloud0", "cloud1", "cloud.bus", "edge"} <= busy.keys()
    for name, task in (("cloud0", "objects"), ("cloud1", "side")):
        found = plan.task(task)
        assert busy[name] == pytest.approx(20 * found.candidates[found.run].cloud_ns / 1e9)
    assert busy["cloud.bus"] == 0
    assert plan.predicted["side"].spans["cloud_wait"].high_ns == 0
    one = api.check(two, api.Options(overrides=WIDE)).plan
    assert one.together is not None
    assert one.together.busy["cloud"] == pytest.approx(busy["cloud0"] + busy["cloud1"])
    assert one.predicted["side"].spans["cloud_wait"].high_ns > 0


def test_a_stage_has_room_for_one_of_each_other_task_on_its_host(two: Path) -> None:
    """A host works off one stage after the other, and what waits for it has no span of its own."""
    plan = api.check(two, api.Options(overrides=WIDE)).plan
    alone = api.check(two, api.Options(overrides=(*WIDE, "policy.tasks=alone"))).plan
    for found in (plan, alone):
        band, other = found.predicted["objects"].spans["prepare"], found.task("side")
        stage_ns = max(
            step.latency_ns
            for step in other.route.steps
            if isinstance(step.step, Host) and step.step.site == "vehicle"
        )
        assert band.high_ns - band.middle_ns >= stage_ns > 0
        assert band.high_ns - band.middle_ns < 3 * stage_ns


def test_a_device_that_holds_one_network_does_not_hold_two(two: Path) -> None:
    """Each would fit alone; together the plan says how much memory that needs."""
    roomy = api.check(two, api.Options(overrides=WIDE)).plan
    assert roomy.together is not None
    needs = roomy.together.memory["cloud0"]
    each = max(c.memory["cloud0"] for t in roomy.tasks for c in [t.candidates[t.run]])
    assert needs == 2 * each
    enough = api.check(two, api.Options(overrides=(*WIDE, f"devices.cloud0.memory={needs}B")))
    assert enough.plan.together is not None
    assert enough.plan.together.note == ""
    short = (*WIDE, f"devices.cloud0.memory={needs - 1}B")
    found = api.check(two, api.Options(overrides=short)).plan.together
    assert found is not None
    assert "memory of cloud0" in found.note
    assert found.binding == ("memory",)
    alone = api.check(two, api.Options(overrides=(*short, "policy.tasks=alone")))
    assert any(w.startswith("cloud0: what all tasks run needs") for w in alone.warnings)


def test_a_map_has_only_what_fits_beside_the_rest(write_scenario: Callable[..., Path]) -> None:
    """All that the vehicle may switch to is loaded before: what does not fit is no cell."""
    path = write_scenario()
    sets = (
        "tasks.objects.route=[raw, encoded, split]",
        "paths.all.e2e=100ms",
        "links.cell.rtt=20ms",
    )

    def mapped(*more: str) -> tuple[set[int], dict[str, tuple[int, ...]], int, list[int]]:
        plan, _ = api.plan(path, api.Options(overrides=(*sets, *more)), mapped=True)
        assert plan.map is not None
        task = plan.tasks[0]
        sizes = [c.memory.get("cloud0", 0) for c in task.candidates]
        return {*plan.map.tasks["objects"].cells}, plan.map.refused, task.run, sizes

    used, refused, run, sizes = mapped()
    assert not refused
    assert len({sizes[index] for index in used}) > 1, "cells of several networks in the cloud"
    most = max(sizes[index] for index in used)
    kept, refused, again, _ = mapped(f"devices.cloud0.memory={most}B")
    assert again == run
    assert refused["objects"]
    assert not kept & {*refused["objects"]}
    assert {sizes[index] for index in kept} == {sizes[run]}
