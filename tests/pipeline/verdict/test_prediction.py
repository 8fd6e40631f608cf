"""The plan held against the run: inside its bands, outside of them, and through a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline import api
from pipeline.ledger.columns import Columns
from pipeline.ledger.rows import Row
from pipeline.ledger.sealing import Ledger
from pipeline.plan.predictions import LEVELS, Prediction, SpanBand
from pipeline.verdict.figures import PathFigures
from pipeline.verdict.prediction import check_prediction, off_notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MS = 1_000_000


def _band(low: float, middle: float, high: float) -> SpanBand:
    return SpanBand(low_ns=round(low * MS), middle_ns=round(middle * MS), high_ns=round(high * MS))


PLANNED = Prediction(
    route="planned",
    latency_ns=tuple(30 * MS for _ in LEVELS),
    low_ns=25 * MS,
    high_ns=40 * MS,
    spans={"source": _band(1, 1, 1), "edge": _band(8, 10, 14), "deliver": _band(15, 19, 25)},
)


def _figures(
    count: int, *, edge_ms: float, route: str = "planned", rest_ms: float = 19
) -> PathFigures:
    columns = Columns()
    for number in range(count):
        at = number * 100 * MS
        edge = at + MS + round(edge_ms * MS)
        columns.add(
            Row(
                path="p",
                frame=number,
                content=number,
                scheduled_ns=at,
                deadline_at_ns=at + 100 * MS,
                fate="edge",
                cause="",
                route_planned="planned",
                route_delivered=route,
                stamps={"source": at + MS, "edge": edge, "deliver": edge + round(rest_ms * MS)},
            )
        )
    return PathFigures(Ledger(columns, driver="virtual"), "p")


def test_a_run_inside_its_bands_is_not_flagged() -> None:
    """Every span has its observed median."""
    found = check_prediction(_figures(400, edge_ms=10), PLANNED, 99.0)
    assert found["off"] == []
    assert found["frames"] == 400
    assert found["spans"]["edge"] == {
        "predicted_ms": [8.0, 10.0, 14.0], "observed_ms": 10.0, "off": False,
    }  # fmt: skip
    assert found["observed_at_ms"] == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("edge_ms", "off"), [(7.0, ["edge"]), (15.5, ["edge"]), (30.0, ["edge", "latency"])]
)
def test_a_span_outside_of_its_band_is_named(edge_ms: float, off: list[str]) -> None:
    """On either side; the latency too where it is beyond its interval."""
    found = check_prediction(_figures(400, edge_ms=edge_ms), PLANNED, 99.0)
    assert found["off"] == off
    assert off_notes({"p": found, "q": None}) == [
        f"p: the plan's prediction was off in {', '.join(off)}"
    ]


def test_what_hosts_and_hops_cannot_resolve_is_no_error() -> None:
    """A twentieth of the figure, at least a tenth of a millisecond."""
    assert check_prediction(_figures(400, edge_ms=14.6), PLANNED, 99.0)["off"] == []
    assert check_prediction(_figures(400, edge_ms=14.8), PLANNED, 99.0)["off"] == ["edge"]


def test_frames_on_another_route_say_nothing_of_the_plan() -> None:
    """No figure, and no flag."""
    found = check_prediction(_figures(400, edge_ms=90, route="other"), PLANNED, 99.0)
    assert (found["frames"], found["observed_ms"], found["off"]) == (0, None, [])
    assert found["spans"]["edge"]["observed_ms"] is None
    assert found["spans"]["edge"]["off"] is None


def test_a_percentile_that_the_frames_do_not_support_is_null() -> None:
    """The median is there all the same."""
    found = check_prediction(_figures(50, edge_ms=10), PLANNED, 99.0)
    assert found["observed_at_ms"] is None
    assert found["observed_ms"] is not None


def test_a_run_as_planned_is_within_and_a_slow_device_is_flagged(
    write_scenario: Callable[..., Path], tmp_path: Path
) -> None:
    """The fault is no part of the plan; the verdict stays what it is."""
    path = write_scenario()
    calm = api.run(path, virtual=True, out=tmp_path / "calm")
    fault = "devices.cloud0.faults=[{at: 0s, for: 10s, kind: slow, factor: 40}]"
    slow = api.run(path, api.Options(overrides=(fault,)), virtual=True, out=tmp_path / "slow")
    found = {}
    for name, result in (("calm", calm), ("slow", slow)):
        path_document = result.document["paths"][0]
        assert path_document["prediction"] is not None
        found[name] = path_document["prediction"]["off"]
    assert found["calm"] == []
    assert "cloud" in found["slow"]
    assert any("prediction was off in" in note for note in slow.notes)
    assert not any("prediction was off in" in note for note in calm.notes)
    assert calm.document["verdict"] == slow.document["verdict"]
