"""Routes: names and spans derived from their shape."""

from __future__ import annotations

import pytest

from pipeline.ledger import SPANS
from pipeline.plan import (
    Candidate,
    Host,
    Move,
    Plan,
    Route,
    RouteStep,
    Run,
    Sites,
    Step,
    TaskPlan,
    route_name,
    span_of,
)

SITES = Sites(
    vehicle="car",
    cloud="site",
    device_site={"npu": "car", "pim": "site", "car-host": "car", "site-host": "site"},
    host={"car": "car-host", "site": "site-host"},
)
PREPARE, PACK = Host(stage="prepare", site="car"), Host(stage="pack", site="car")
HERE, THERE = Run(segment="a", device="npu"), Run(segment="b", device="pim")
BACK = Move(tensors=("result",), channel="lte.down", codecs=("raw",))
DELIVER = Host(stage="deliver", site="consumer")


def _up(*codecs: str) -> Move:
    return Move(tensors=tuple("xyz"[: len(codecs)]), channel="lte.up", codecs=codecs)


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ((PREPARE, HERE, DELIVER), "edge"),
        ((PREPARE, PACK, _up("raw"), THERE, BACK, DELIVER), "raw"),
        ((PREPARE, PACK, _up("jpeg:80"), THERE, BACK, DELIVER), "encoded"),
        ((PREPARE, HERE, PACK, _up("int8"), THERE, BACK, DELIVER), "split"),
        ((PREPARE, HERE, PACK, _up("raw", "int8"), THERE, BACK, DELIVER), "split"),
    ],
    ids=["edge", "raw", "encoded", "split", "split-of-two-tensors"],
)
def test_a_name_follows_from_the_shape(steps: tuple[Step, ...], name: str) -> None:
    """People read names; they are derived and never stored."""
    assert route_name(steps, SITES) == name


@pytest.mark.parametrize(
    ("step", "span"),
    [
        *((Host(stage=s, site="car"), s) for s in ("prepare", "pack", "unpack", "post", "deliver")),
        (HERE, "edge"),
        (THERE, "cloud"),
        (_up("raw"), "uplink"),
        (BACK, "downlink"),
    ],
)
def test_each_step_closes_one_span_of_the_closed_list(step: Step, span: str) -> None:
    """Site and channel decide, whatever they are called."""
    assert span_of(step, SITES) == span
    assert span in SPANS


def test_an_unknown_stage_has_no_span() -> None:
    """A stage is one of a closed list; another is a mistake of ours."""
    with pytest.raises(KeyError):
        span_of(Host(stage="dream", site="car"), SITES)


def test_steps_stand_at_sites_and_moves_at_none() -> None:
    """A host stage runs on its site's host."""
    assert [SITES.site_of(step) for step in (PREPARE, HERE, THERE, BACK)] == [
        "car",
        "car",
        "site",
        None,
    ]
    assert SITES.device_of(THERE) == "pim"
    assert SITES.device_of(PACK) == "car-host"


def _candidate(name: str) -> Candidate:
    step = RouteStep(step=PREPARE, after=(), span="prepare", latency_ns=1)
    return Candidate(
        name="edge",
        pin=None,
        route=Route(id=name, task="objects", variant="only", model="m", steps=(step,)),
        cut=(),
        codecs=(),
        latency_ns=1,
        interval_ns=(1, 1),
        spans={"prepare": 1},
        bytes_up=0,
        bytes_down=0,
        energy_pj=None,
        agreement=None,
        label="assumed",
        feasible=True,
        robust=True,
        allowed=True,
        why="",
    )


def test_a_plan_finds_its_tasks_and_the_routes_that_run() -> None:
    """What runs need not be what was chosen: nothing may be feasible."""
    task = TaskPlan(
        task="objects",
        candidates=(_candidate("a"), _candidate("b")),
        chosen=None,
        run=1,
        explanation="",
    )
    plan = Plan(percentile=99.0, tasks=(task,))
    assert plan.task("objects").route.id == "b"
    with pytest.raises(StopIteration):
        plan.task("lanes")


def test_steps_and_routes_are_frozen_values() -> None:
    """Equal by content, usable as keys, and not to be changed."""
    assert _up("raw") == _up("raw")
    assert len({HERE, Run(segment="a", device="npu"), THERE}) == 2
    with pytest.raises(AttributeError):
        HERE.segment = "b"  # type: ignore[misc]
