"""Paths of a scenario as the cores have them: deadlines, and what fuses several sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.plan.deadlines import Deadline
from pipeline.plan.routes import Route, RouteStep, span_of
from pipeline.plan.steps import Host
from pipeline.planner.pricing import host_step
from pipeline.runtime.core.config import (
    CONSUMER,
    FuseConfig,
    Partner,
    PathConfig,
    TaskConfig,
)
from pipeline.scenario.models import FUSE, TRACK, MovingDeadline, PartnerModel, Sensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from accelerators.work import SegmentWork
    from pipeline.planner.pricing import World
    from pipeline.runtime.drive import StreamFacts
    from pipeline.scenario.models import PathModel, Scenario

FORECAST = "forecast"
"""The stage that runs a network behind `track`."""

_HORIZON_DEADLINES = 3
_RESULT_BYTES = 1_000  # of a result that is fused: some dozens of boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPaths:
    """The paths of a run.

    Attributes:
        paths: Paths in the scenario's order.
        parts: Parts of those from several sensors, and of those whose objects are followed.
        fusing: Tasks that fuse or follow what the parts give, by name.
        fused: Per fusing task the tasks whose results it joins, the anchor's first.
    """

    paths: tuple[PathConfig, ...]
    parts: tuple[PathConfig, ...]
    fusing: dict[str, TaskConfig]
    fused: dict[str, tuple[str, ...]]


def build_paths(
    scenario: Scenario,
    world: World,
    streams: Mapping[str, StreamFacts],
    forecasters: Mapping[str, SegmentWork] | None = None,
) -> BuiltPaths:
    """Every path with its deadline, its parts, and the task that fuses them.

    Args:
        scenario: The scenario.
        world: What stages are priced by.
        streams: What is known of each stream.
        forecasters: Work of each network behind `track`, by task.

    Raises:
        SpecError: The car's host file has no curve for fusing.
    """
    paths: list[PathConfig] = []
    parts: list[PathConfig] = []
    fusing: dict[str, TaskConfig] = {}
    fused: dict[str, tuple[str, ...]] = {}
    for name, path in scenario.paths.items():
        built = PathConfig(
            name=name,
            stream=path.anchor,
            task=path.tasks[0],
            every=path.every,
            deadline_ns=path.deadline_ns,
            horizon_ns=path.horizon or _HORIZON_DEADLINES * path.deadline_ns,
            deadline=_moving(path),
        )
        if path.fused or path.tracked:
            tasks = {scenario.tasks[task].input.stream: task for task in path.tasks}
            mine = {
                stream: replace(
                    built,
                    name=f"{name}/{stream}",
                    stream=stream,
                    task=tasks[stream],
                    every=path.every if stream == path.anchor else 1,
                    part_of=name,
                )
                for stream in path.streams
            }
            parts += mine.values()
            task = f"{name}:{FUSE if path.fused else TRACK}"
            built = replace(built, task=task, fuse=_fuse(path, mine, streams))
            work = (forecasters or {}).get(path.forecaster or "")
            fusing[task] = _fusing(task, path, world, work)
            fused[task] = tuple(tasks[stream] for stream in path.streams)
        paths.append(built)
    return BuiltPaths(paths=tuple(paths), parts=tuple(parts), fusing=fusing, fused=fused)


def _fuse(
    path: PathModel, parts: Mapping[str, PathConfig], streams: Mapping[str, StreamFacts]
) -> FuseConfig:
    """How the parts are waited for; a path from one sensor waits for its own result alone."""
    partners = []
    given = path.source.partners if isinstance(path.source, Sensors) else {}
    for stream, wanted in given.items():
        partner = wanted or PartnerModel()
        partners.append(
            Partner(
                part=parts[stream].name,
                offset_ns=partner.offset,
                within_ns=streams[stream].period_ns // 2,
                wait_ns=partner.wait,
                partial=partner.partial == "allowed",
            )
        )
    return FuseConfig(anchor=parts[path.anchor].name, partners=tuple(partners))


def _fusing(name: str, path: PathModel, world: World, work: SegmentWork | None) -> TaskConfig:
    """What follows the parts: stages of the car's host, then the consumer."""
    size = len(path.streams) * _RESULT_BYTES
    stages = [stage for stage in (FUSE, TRACK) if stage in path.through]
    steps = [host_step(world, s, world.sites.vehicle, [(s, size)]) for s in stages]
    if work is not None:
        steps.append(_forecasting(world, work))
    steps.append(host_step(world, "deliver", CONSUMER, [("deliver:fused", size)]))
    route = Route(
        id=name,
        task=name,
        variant="",
        model="",
        steps=tuple(
            replace(step, after=(index - 1,) if index else ()) for index, step in enumerate(steps)
        ),
    )
    return TaskConfig.of(name, path.anchor, route, in_flight=1)


def _forecasting(world: World, work: SegmentWork) -> RouteStep:
    """A network on the car's host, priced like on any device; `after` comes with the route."""
    host = world.vehicle_host
    cost = host.price(work, batch=1, precision="float32")
    step = Host(stage=FORECAST, site=world.sites.vehicle)
    return RouteStep(
        step=step,
        after=(),
        span=span_of(step, world.sites),
        latency_ns=cost.latency_ns,
        energy_pj=cost.energy_pj,
        label=cost.label,
        jitter=host.name,
    )


def _moving(path: PathModel) -> Deadline | None:
    """The deadline of a path that follows the speed; None where it is one figure."""
    if not isinstance(path.e2e, MovingDeadline):
        return None
    return Deadline(
        base_ns=path.e2e.base,
        from_mm_s=path.e2e.start,
        less_ns_per_m_s=path.e2e.per_m_s,
        floor_ns=path.e2e.floor,
    )
