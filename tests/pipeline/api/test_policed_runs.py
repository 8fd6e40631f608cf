"""Policies through the whole product: from a scenario's words to the ledger's rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import api

if TYPE_CHECKING:
    from pipeline.ledger.rows import Row

TWO_CAMERAS = Path(__file__).parents[1] / "two_cameras.yaml"
SHORT = ("drive.synthetic.length=5s", "run.sizes=modelled")
OUTAGE = "links.cell.faults=[{at: 1s, for: 2s, kind: blackout}]"


def _run(folder: Path, *settings: str) -> tuple[list[Row], api.Result]:
    options = api.Options(overrides=(*SHORT, *settings))
    result = api.run(TWO_CAMERAS, options, virtual=True, out=folder / "run")
    return list(result.ledger.rows()), result


def _of(rows: list[Row], path: str) -> list[Row]:
    return [row for row in rows if row.path == path]


def test_the_tail_covers_an_outage_and_the_fused_path_says_so(tmp_path: Path) -> None:
    """No deadline is missed; a set with a fallback in it counts as edge; rerun gives the same."""
    rows, result = _run(tmp_path, OUTAGE)
    assert {row.fate for row in rows} == {"cloud", "edge"}
    front = {row.frame: row for row in _of(rows, "front->objects")}
    for row in _of(rows, "surround"):
        if front[row.frame].fate == "edge":
            assert row.fate == "edge"
    assert any(row.fate == "edge" for row in _of(rows, "surround"))
    assert api.rerun(result.directory).same


def test_without_a_hedge_the_outage_costs_frames_and_their_sets(tmp_path: Path) -> None:
    """The anchor's loss is its set's; the warning comes before the run."""
    rows, _ = _run(tmp_path, OUTAGE, "policy.hedge={start: never}")
    missed = {row.frame for row in _of(rows, "front->objects") if row.fate == "dropped"}
    lost = {row.frame for row in _of(rows, "surround") if row.fate == "dropped"}
    assert missed
    assert lost == {frame for frame in missed if frame % 2 == 0}


def test_at_once_runs_every_frame_in_the_car_and_the_cloud_improves(tmp_path: Path) -> None:
    """The fate is the first answer's; what came in time afterwards is counted."""
    rows, _ = _run(tmp_path, "policy.hedge={start: at-once}")
    found = _of(rows, "front->objects")
    assert {row.fate for row in found} == {"edge"}
    assert sum(bool(row.route_improved) for row in found) > len(found) // 2


def test_a_run_whose_answers_were_improved_can_be_explained(tmp_path: Path) -> None:
    """When a better answer came is the consumer's to say: a replay's rows are without it."""
    out = tmp_path / "run"
    briefly = ("drive.synthetic.length=1s", "paths.surround.e2e=20ms")
    rows, _ = _run(tmp_path, "policy.hedge={start: at-once}", *briefly)
    assert any("improved" in row.stamps for row in rows)
    explained = api.explain(out)
    assert explained["misses"] == sum(row.fate not in ("cloud", "edge") for row in rows) > 0


def test_a_smaller_variant_may_be_the_hedge(tmp_path: Path) -> None:
    """It runs its own whole network, and rows name it."""
    variants = "{large: {model: 'builtin:detector'}, tiny: {model: 'builtin:detector'}}"
    rows, _ = _run(
        tmp_path,
        OUTAGE,
        f"tasks.objects.variants={variants}",
        f"tasks.crossing.variants={variants}",
        "policy.hedge={start: latest, with: 'variant:tiny'}",
    )
    found = _of(rows, "front->objects")
    assert {(row.fate, row.variant) for row in found} == {("cloud", "large"), ("edge", "tiny")}


def test_regions_follow_the_uplink_s_rate_and_come_back(tmp_path: Path) -> None:
    """A slow stretch makes the cheaper route the better one; the rows name both routes."""
    rows, result = _run(
        tmp_path,
        "drive.synthetic.length=8s",
        "links.cell={between: [vehicle, cloud], up: 200Mbit/s, down: 200Mbit/s, rtt: 20ms, "
        "profile: null, faults: [{at: 2s, for: 3s, kind: slow, factor: 0.004}]}",
        "policy={switch: {patience: 2, margin: 10%}}",
        "tasks.objects.route=[raw, encoded]",
        "tasks.crossing.route=[raw, encoded]",
    )
    found = _of(rows, "front->objects")
    planned = [row.route_planned for row in found if row.route_planned]
    assert planned[0] == planned[-1]
    assert len(set(planned)) > 1
    assert any(note.startswith("region") for note in result.notes)


def test_a_deadline_that_the_hedge_cannot_meet_is_warned_about() -> None:
    """With the key's line; it runs all the same."""
    settings = ("policy.hedge={start: latest, margin: 149ms}",)
    assembled = api.check(TWO_CAMERAS, api.Options(overrides=(*SHORT, *settings)))
    assert any("policy.hedge.start" in warning for warning in assembled.warnings)


@pytest.mark.parametrize("start", ["cost-based", "deadline - 60ms"])
def test_other_starts_are_never_later_than_the_safe_one(start: str) -> None:
    """Cost-based and explicit starts come from the scenario into the hedge's timer."""
    settings = (f"policy.hedge={{start: {start}}}",)
    assembled = api.check(TWO_CAMERAS, api.Options(overrides=(*SHORT, *settings)))
    hedge = assembled.spec.core.tasks["objects"].ways[0].hedge
    assert hedge is not None
    assert hedge.start == "after"
    assert 0 < hedge.after_ns <= 150_000_000
    if start == "deadline - 60ms":
        assert hedge.after_ns == 90_000_000


def test_batches_are_priced_and_never_dearer_than_one_by_one() -> None:
    """The cloud's steps carry the price of two."""
    assembled = api.check(TWO_CAMERAS, api.Options(overrides=SHORT))
    core = assembled.spec.core
    assert core.cloud.batch == {"cloud0": 2}
    steps = [s for s in core.tasks["objects"].steps if s.batch_ns]
    assert steps
    for step in steps:
        assert step.latency_ns <= step.batch_ns[0] <= 2 * step.latency_ns


def test_the_plan_names_the_hedge_of_the_route_that_runs() -> None:
    """`splitway plan --json` and plan.json; an unhedged task has none."""
    for settings, expected in (((), "tail"), (("policy.hedge={start: never}",), None)):
        _, document = api.plan(TWO_CAMERAS, api.Options(overrides=(*SHORT, *settings)))
        for task in document["tasks"]:
            named = [candidate["hedge"] for candidate in task["candidates"]]
            assert named[task["run"]] == expected
            assert {*named} == {None, expected}
