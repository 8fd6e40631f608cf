"""Why a plan is as it is: each figure that turns the choice is checked by planning there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.plan.plan import Plan
    from pipeline.plan.reasons import Flip

EITHER = "tasks.objects.route=[raw, encoded, split]"
TIGHT = ("paths.all.e2e=100ms", "links.cell.rtt=20ms")


def _plan(path: Path, *settings: str) -> Plan:
    return api.check(path, api.Options(overrides=settings)).plan


def _runs(plan: Plan) -> tuple[str, tuple[str, ...]]:
    task = plan.tasks[0]
    found = task.candidates[task.run]
    return found.name, found.codecs


def _setting(flip: Flip, at: float) -> str:
    match flip.what:
        case "uplink":
            return f"links.cell.up={at * 1000:.3f}kbit/s"
        case "round trip":
            return f"links.cell.rtt={at * 1000:.3f}us"
        case _:
            return f"paths.all.e2e={at * 1000:.3f}us"


def test_each_flip_is_where_planning_afresh_turns_too(write_scenario: Callable[..., Path]) -> None:
    """A per cent before it the choice is the plan's, a per cent beyond it is the flip's."""
    path = write_scenario()
    plan = _plan(path, EITHER, *TIGHT)
    task = plan.tasks[0]
    reasons = plan.reasons["objects"]
    tried = [f for f in reasons.flips if f.what in ("uplink", "round trip", "deadline")]
    assert {flip.what for flip in tried} >= {"round trip", "deadline"}
    for flip in tried:
        wanted = task.candidates[flip.candidate]
        sign = -1 if flip.below else 1
        before = _plan(path, EITHER, *TIGHT, _setting(flip, flip.at * (1 - 0.02 * sign)))
        beyond = _plan(path, EITHER, *TIGHT, _setting(flip, flip.at * (1 + 0.01 * sign)))
        assert _runs(before) == _runs(plan), flip
        assert _runs(beyond) == (wanted.name, wanted.codecs), flip


def test_the_runner_up_is_what_runs_without_the_winner(write_scenario: Callable[..., Path]) -> None:
    """With its margin."""
    plan = _plan(write_scenario(), EITHER, *TIGHT)
    task, reasons = plan.tasks[0], plan.reasons["objects"]
    assert reasons.runner_up is not None
    assert reasons.runner_up != task.run
    runner, chosen = task.candidates[reasons.runner_up], task.candidates[task.run]
    assert runner.allowed
    assert reasons.margin_ns == runner.latency_ns - chosen.latency_ns


def test_what_binds_is_named(write_scenario: Callable[..., Path]) -> None:
    """A route that is kept out, and a deadline that nothing meets."""
    path = write_scenario()
    assert "route" in _plan(path).reasons["objects"].binding  # edge is quicker and as good
    assert "deadline" in _plan(path, "paths.all.e2e=2ms").reasons["objects"].binding
    assert _plan(path, "tasks.objects.route=auto").reasons["objects"].binding == ()


def test_an_only_route_has_no_runner_up(write_scenario: Callable[..., Path]) -> None:
    """And nothing turns the choice."""
    reasons = _plan(write_scenario(), "tasks.objects.route=edge").reasons["objects"]
    assert reasons.runner_up is None
    assert reasons.margin_ns is None
    assert reasons.flips == ()


def test_operators_that_a_device_leaves_to_its_host_are_named_with_their_cost(
    write_scenario: Callable[..., Path],
) -> None:
    """A PIM device runs no convolution: the network falls back, and that is the route's price."""
    path = write_scenario()
    plan = _plan(path, "tasks.objects.route=raw", "devices.cloud0.spec=skhynix-gddr6-aim")
    task, reasons = plan.tasks[0], plan.reasons["objects"]
    assert reasons.fallbacks
    assert all(fallback.device == "cloud0" for fallback in reasons.fallbacks)
    total_ns = sum(fallback.cost_ns for fallback in reasons.fallbacks)
    assert 0 < total_ns <= task.candidates[task.run].spans["cloud"]
    assert _plan(path).reasons["objects"].fallbacks == ()


def test_a_device_s_speed_turns_the_choice_between_car_and_cloud(
    write_scenario: Callable[..., Path],
) -> None:
    """A car's device that is many times slower would send the frame."""
    plan = _plan(
        write_scenario(),
        "tasks.objects.route=auto",
        "links.cell.up=900Mbit/s",
        "links.cell.rtt=1ms",
        "links.cell.down=900Mbit/s",
    )
    flip = next(f for f in plan.reasons["objects"].flips if f.what == "edge speed")
    assert flip.below
    assert 0 < flip.at < 1
    assert plan.tasks[0].candidates[flip.candidate].cut


@pytest.mark.parametrize("route", ["split", "auto"])
def test_reasons_stand_in_the_document_and_under_the_table(
    write_scenario: Callable[..., Path], capsys: pytest.CaptureFixture[str], route: str
) -> None:
    """Binding, flips and runner-up."""
    from pipeline.cli import main  # noqa: PLC0415 - the command itself

    with pytest.raises(SystemExit):
        main(["plan", str(write_scenario()), "--set", f"tasks.objects.route={route}"])
    shown = capsys.readouterr().out
    assert "\n  runner-up  " in shown
    assert "\n  flips      " in shown
