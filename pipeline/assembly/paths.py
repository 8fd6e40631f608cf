"""Paths of a scenario as the cores have them: deadlines, and what fuses several sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.plan.deadlines import Deadline
from pipeline.plan.routes import Route
from pipeline.planner.pricing import host_step
from pipeline.runtime.core.config import (
    CONSUMER,
    FuseConfig,
    Partner,
    PathConfig,
    TaskConfig,
)
from pipeline.scenario.models import FUSE, MovingDeadline, PartnerModel, Sensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.planner.pricing import World
    from pipeline.runtime.drive import StreamFacts
    from pipeline.scenario.models import PathModel, Scenario

_HORIZON_DEADLINES = 3
_RESULT_BYTES = 1_000  # of a result that is fused: some dozens of boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltPaths:
    """The paths of a run.

    Attributes:
        paths: Paths in the scenario's order.
        parts: Parts of those from several sensors.
        fusing: Tasks that fuse them, by name.
        fused: Per fusing task the tasks whose results it joins, the anchor's first.
    """

    paths: tuple[PathConfig, ...]
    parts: tuple[PathConfig, ...]
    fusing: dict[str, TaskConfig]
    fused: dict[str, tuple[str, ...]]


def build_paths(scenario: Scenario, world: World, streams: Mapping[str, StreamFacts]) -> BuiltPaths:
    """Every path with its deadline, its parts, and the task that fuses them.

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
        if isinstance(path.source, Sensors):
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
            task = f"{name}:{FUSE}"
            built = replace(built, task=task, fuse=_fuse(path.source, mine, streams))
            fusing[task] = _fusing(task, path.anchor, len(mine), world)
            fused[task] = tuple(tasks[stream] for stream in path.streams)
        paths.append(built)
    return BuiltPaths(paths=tuple(paths), parts=tuple(parts), fusing=fusing, fused=fused)


def _fuse(
    sensors: Sensors, parts: Mapping[str, PathConfig], streams: Mapping[str, StreamFacts]
) -> FuseConfig:
    partners = []
    for stream, wanted in sensors.partners.items():
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
    return FuseConfig(anchor=parts[sensors.anchor].name, partners=tuple(partners))


def _fusing(name: str, stream: str, sensors: int, world: World) -> TaskConfig:
    """The task that joins the parts: a stage of the car's host, then the consumer."""
    size = sensors * _RESULT_BYTES
    fuse = host_step(world, FUSE, world.sites.vehicle, [(FUSE, size)])
    deliver = host_step(world, "deliver", CONSUMER, [("deliver:fused", size)])
    route = Route(
        id=name,
        task=name,
        variant="",
        model="",
        steps=(fuse, replace(deliver, after=(0,))),
    )
    return TaskConfig.of(name, stream, route, in_flight=1)


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
