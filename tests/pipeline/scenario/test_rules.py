"""What a path has to keep, as a scenario says it: deadlines, rules on misses, budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.ledger import SPANS
from pipeline.scenario import Scenario, references
from pipeline.scenario.models import MovingDeadline

if TYPE_CHECKING:
    from tests.pipeline.scenario.conftest import Desk

E2E = "e2e: 100ms"
MOVING = "e2e: {base: 400ms, from: 36km/h, per_m_s: 10ms, floor: 100ms}"
SPEED = ("  path: drive.mp4\n", "  path: drive.mp4\n  speed: 13.9m/s\n")


def test_the_spans_of_a_budget_are_those_of_the_ledger() -> None:
    """The scenario may not import the ledger, so it has a list of its own."""
    assert references.SPANS == SPANS


def test_rules_are_read_with_their_units(desk: Desk) -> None:
    """Durations in ns, counts as they are."""
    more = "max_age: 400ms, weakly_hard: {misses: 2, in: 10}, consecutive: 3"
    budgets = "budgets:\n  camera->objects: {edge: 25ms, uplink: 1.5ms}\n"
    scenario = desk.load((E2E, f"{E2E}, {more}"), more=budgets).scenario
    path = scenario.paths["camera->objects"]
    assert path.max_age == 400_000_000
    assert path.weakly_hard is not None
    assert (path.weakly_hard.misses, path.weakly_hard.window, path.consecutive) == (2, 10, 3)
    assert path.deadline_ns == path.tightest_ns == 100_000_000
    assert scenario.budgets == {"camera->objects": {"edge": 25_000_000, "uplink": 1_500_000}}


def test_a_deadline_may_follow_the_speed(desk: Desk) -> None:
    """Its base is the longest, its floor the shortest; what is resolved is read back the same."""
    loaded = desk.load((E2E, MOVING), SPEED)
    path = loaded.scenario.paths["camera->objects"]
    assert isinstance(path.e2e, MovingDeadline)
    assert (path.e2e.start, path.e2e.per_m_s) == (10_000, 10_000_000)
    assert (path.deadline_ns, path.tightest_ns) == (400_000_000, 100_000_000)
    plain = loaded.scenario.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert plain["paths"]["camera->objects"]["e2e"]["from"] == "10.000m/s"
    assert Scenario.model_validate(plain) == loaded.scenario


@pytest.mark.parametrize(
    ("e2e", "key", "reason"),
    [
        ("e2e: 100", "e2e", "must be a duration with a unit (ns, us, ms, s, min), such as 40ms"),
        ("e2e: 0ms", "e2e", "should be greater than 0"),
        ("e2e: [1]", "e2e", "must be a duration with a unit"),
        ("e2e: {base: 400ms, per_m_s: 10ms}", "e2e.floor", "is missing"),
        (MOVING.replace("36km/h", "36"), "e2e.from", "must be a speed with a unit (m/s, km/h)"),
        (MOVING.replace("floor:", "flor: 1ms, floor:"), "e2e.flor", "did you mean 'floor'?"),
        (MOVING.replace("floor: 100ms", "floor: 401ms"), "e2e.floor", "must not be above base"),
        (f"{E2E}, max_age: 3", "max_age", "must be a duration with a unit"),
        (f"{E2E}, consecutive: -1", "consecutive", "greater than or equal to 0"),
        (f"{E2E}, weakly_hard: {{misses: 10, in: 10}}", "weakly_hard.misses",
         "allows every frame to miss: 10 misses in 10"),
        (f"{E2E}, weakly_hard: {{misses: 1}}", "weakly_hard.in", "is missing"),
        (f"{E2E}, confidence: 100%", "confidence", "must lie between 0% and 100%"),
        (f"{MOVING}, horizon: 399ms", "horizon", "must not be shorter than e2e"),
    ],
)  # fmt: skip
def test_a_rule_that_is_wrong_is_named_once(desk: Desk, e2e: str, key: str, reason: str) -> None:
    """With its line, and no other problem beside it."""
    ((line, name, text),) = desk.reasons((E2E, e2e), SPEED)
    assert (line, name) == (23, f"paths.camera->objects.{key}")
    assert reason in text


def test_a_deadline_cannot_follow_a_speed_that_nobody_knows(desk: Desk) -> None:
    """A recording has none; the synthetic drive has."""
    ((line, key, reason),) = desk.reasons((E2E, MOVING))
    assert (line, key) == (22, "paths.camera->objects.e2e")
    assert "`drive.speed`" in reason
    desk.load((E2E, MOVING), ("  path: drive.mp4\n", "  synthetic: {scene: highway}\n"))


@pytest.mark.parametrize(
    ("budgets", "key", "reason"),
    [
        ("{camera->objects: {uplnk: 3ms}}", "camera->objects.uplnk",
         "there is no span 'uplnk', did you mean 'uplink'?"),
        ("{camera->objcts: {}}", "camera->objcts",
         "there is no path 'camera->objcts', did you mean 'camera->objects'?"),
        ("{camera->objects: {edge: 0ms}}", "camera->objects.edge", "must be above zero"),
        ("{camera->objects: {edge: 3}}", "camera->objects.edge", "must be a duration with a unit"),
    ],
)  # fmt: skip
def test_a_budget_that_is_wrong_is_named(desk: Desk, budgets: str, key: str, reason: str) -> None:
    """So that nobody waits for advice that never comes."""
    ((_, name, text),) = desk.reasons(more=f"budgets: {budgets}\n")
    assert name == f"budgets.{key}"
    assert reason in text
