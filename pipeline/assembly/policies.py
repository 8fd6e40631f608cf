"""Policies of a scenario on the plan of its tasks: ways, hedges, breaker, switching, batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pipeline.link.model import message_bytes
from pipeline.plan.steps import Run
from pipeline.planner.hedged import TAIL
from pipeline.planner.hedges import (
    HedgeDraft,
    HedgeRule,
    longest_ns,
    tail_hedge,
    timing_of,
    variant_hedge,
)
from pipeline.planner.maps import compressed
from pipeline.planner.planning import Hedging
from pipeline.planner.pricing import run_step
from pipeline.planner.segments import segments_of
from pipeline.runtime.core.config import (
    BreakerConfig,
    CloudConfig,
    Hedge,
    SwitchConfig,
    TaskConfig,
    UplinkShare,
    Way,
)
from pipeline.scenario.policies import AUTO, VARIANT, before_deadline_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.assembly.equipment import Equipment
    from pipeline.errors import Problem
    from pipeline.plan.maps import PlanMap, RegionMap
    from pipeline.plan.plan import Candidate, Plan
    from pipeline.plan.routes import Route, RouteStep
    from pipeline.planner.planning import Planned
    from pipeline.planner.subjects import Subject
    from pipeline.runtime.spec import SegmentSpec
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.policies import Hedge as HedgePolicy
    from pipeline.scenario.policies import Policy

_PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policed:
    """The tasks as the cores run them.

    Attributes:
        tasks: Their configurations.
        segments: Segments of every route that may run.
        warnings: What a user should know of the hedges.
        covered: Tasks whose hedge is in time whatever the network does.
    """

    tasks: dict[str, TaskConfig]
    segments: dict[str, SegmentSpec]
    warnings: tuple[str, ...]
    covered: frozenset[str]


@dataclass(slots=True, kw_only=True)
class _Drafted:
    """A task's ways before they are timed: routes, hedges, and the steps of all of them."""

    planned: Planned
    steps: list[RouteStep]
    ways: list[tuple[Way, HedgeDraft | None]]
    map: RegionMap | None = None


def police(
    loaded: LoadedScenario,
    planned: Mapping[str, Planned],
    variants: Mapping[str, Mapping[str, Subject]],
    equipment: Equipment,
    *,
    directory: Path,
    plan_map: PlanMap | None = None,
) -> Policed:
    """Give every task its ways and hedges.

    Args:
        loaded: The scenario.
        planned: Plans of the tasks.
        variants: Per task the further variants of its ladder, by name.
        equipment: Devices and link.
        directory: Where cut models are written.
        plan_map: The plan map, where the vehicle moves over it.
    """
    scenario = loaded.scenario
    maps = {} if plan_map is None or scenario.policy.switch is None else plan_map.tasks
    drafted = {
        name: _draft(found, variants[name], maps.get(name)) for name, found in planned.items()
    }
    steps = [step for task in drafted.values() for step in task.steps]
    blocking_ns = {
        name: longest_ns(steps, task.planned.world.edge.name, equipment.quantiles)
        for name, task in drafted.items()
    }
    warnings: list[str] = []
    tasks: dict[str, TaskConfig] = {}
    segments: dict[str, SegmentSpec] = {}
    for name, task in drafted.items():
        ways = tuple(
            _timed(loaded, name, way, hedge, task, equipment, blocking_ns[name], warnings)
            for way, hedge in task.ways
        )
        batch = scenario.devices[equipment.world.cloud.name].batch
        found = _with_batches(task, equipment, batch)
        tasks[name] = TaskConfig(
            name=name,
            stream=scenario.tasks[name].input.stream,
            steps=tuple(found),
            ways=ways,
            in_flight=scenario.policy.in_flight,
            map=task.map,
        )
        for way, hedge in task.ways:
            draft = next(d for d in task.planned.drafts if d.route.id == way.route.id)
            own = task.planned.subject_of(draft)
            made = segments_of(own, draft, directory)
            if hedge is not None:
                subject = variants[name].get(hedge.route.variant, own)
                made += segments_of(subject, hedge.draft, directory)
            segments.update({segment.name: segment for segment in made})
    covered = frozenset(
        name
        for name, task in tasks.items()
        if all(
            way.hedge is not None
            and way.hedge.length_ns + way.hedge.blocking_ns + way.hedge.margin_ns
            <= planned[name].deadline_ns
            for way in task.ways
        )
    )
    return Policed(
        tasks=tasks,
        segments=segments,
        warnings=tuple(dict.fromkeys(warnings)),
        covered=covered,
    )


def breaker_of(policy: Policy) -> BreakerConfig | None:
    """The circuit breaker that a scenario asks for."""
    if policy.breaker is None:
        return None
    return BreakerConfig(
        open_after=policy.breaker.open_after,
        half_open_every_ns=policy.breaker.half_open_every,
    )


def switch_of(policy: Policy, equipment: Equipment) -> SwitchConfig:
    """How the vehicle moves between regions of the plan map."""
    link = equipment.world.link
    if policy.switch is None:
        return SwitchConfig(
            nominal_bits_per_s=link.up_bits_per_s,
            one_way_ns=link.rtt_ns // 2,
            down_bits_per_s=link.rate("down"),
        )
    return SwitchConfig(
        patience=policy.switch.patience,
        margin_ppm=round(policy.switch.margin * _PPM),
        probe_every_ns=policy.switch.probe_every,
        nominal_bits_per_s=link.up_bits_per_s,
        one_way_ns=link.rtt_ns // 2,
        down_bits_per_s=link.rate("down"),
    )


def shares_of(policy: Policy, plan: Plan) -> dict[str, UplinkShare]:
    """Each task's part of the uplink, as the plan has it; none where the scenario wants none."""
    if plan.together is None or policy.shares == "none":
        return {}
    return {
        told.task: UplinkShare(
            share_ppm=told.share_ppm,
            frame_bits=8 * message_bytes(_runs(plan, told.task).bytes_up),
        )
        for told in plan.together.tasks
        if told.share_ppm
    }


def _runs(plan: Plan, task: str) -> Candidate:
    found = plan.task(task)
    return found.candidates[found.run]


def cloud_of(loaded: LoadedScenario, equipment: Equipment) -> CloudConfig:
    """What the cloud takes, and how its device batches."""
    name = equipment.world.cloud.name
    batch = loaded.scenario.devices[name].batch
    return CloudConfig(
        # At full speed no deadline counts, and nothing may be lost.
        refuses=loaded.scenario.policy.cloud.refuse == "late"
        and not loaded.scenario.run.full_speed,
        batch={name: batch} if batch > 1 else {},
    )


def _draft(planned: Planned, variants: Mapping[str, Subject], region: RegionMap | None) -> _Drafted:
    found = [planned.plan.run]
    if region is not None:
        found += sorted(set(region.cells) - {planned.plan.run})
    task = _Drafted(planned=planned, steps=[], ways=[])
    if region is not None and len(found) > 1:
        task.map = compressed(region, {index: way for way, index in enumerate(found)})
    for index in found:
        draft, cover = planned.drafts[index], planned.plan.candidates[index].hedge
        places = _add(task.steps, draft.route, ())
        hedge = None
        if cover is not None and cover.form == TAIL:
            hedge = tail_hedge(planned.subject_of(draft), planned.world, draft)
        elif cover is not None:
            hedge = variant_hedge(variants[cover.form.removeprefix(VARIANT)], planned.world)
        way = Way(route=draft.route, places=places)
        if hedge is not None:
            hedge_places = _add(task.steps, hedge.route, places[: hedge.shared])
            timed = Hedge(route=hedge.route, places=hedge_places)
            way = replace(way, hedge=timed)
        task.ways.append((way, hedge))
    return task


def _add(steps: list[RouteStep], route: Route, shared: tuple[int, ...]) -> tuple[int, ...]:
    """Add a route's own steps to the task's; returns where all of its steps stand."""
    places = list(shared)
    for step in route.steps[len(shared) :]:
        places.append(len(steps))
        steps.append(replace(step, after=tuple(places[i] for i in step.after)))
    return tuple(places)


def _with_batches(task: _Drafted, equipment: Equipment, most: int) -> list[RouteStep]:
    """The steps, those of the cloud's device with their time for two, three … frames."""
    if most == 1:
        return task.steps
    cloud = equipment.world.cloud
    works = task.planned.works
    found = []
    for step in task.steps:
        if isinstance(step.step, Run) and step.step.device == cloud.name:
            work = works(step.step.segment)
            longer = tuple(
                run_step(equipment.world, step.step.segment, work, cloud, batch=count).latency_ns
                for count in range(2, most + 1)
            )
            found.append(replace(step, batch_ns=longer))
        else:
            found.append(step)
    return found


def _timed(
    loaded: LoadedScenario,
    name: str,
    way: Way,
    hedge: HedgeDraft | None,
    task: _Drafted,
    equipment: Equipment,
    blocking_ns: int,
    warnings: list[str],
) -> Way:
    """The way with its hedge's start worked out."""
    if hedge is None or way.hedge is None:
        return way
    policy = loaded.scenario.policy.hedge
    planned = task.planned
    timing = timing_of(
        hedge,
        way.route,
        rule_of(policy),
        planned.world,
        equipment.quantiles,
        deadline_ns=planned.deadline_ns,
        source_ns=planned.source_ns,
        result_bytes=planned.subject.result_bytes,
        blocking_ns=blocking_ns,
    )
    if timing.latest_ns < 0 and policy.start != "at-once":
        warnings.append(
            str(
                loaded.problem(
                    ("policy", "hedge", "start"),
                    f"task {name}: the hedge needs {timing.length_ns / 1e6:.1f} ms, and up to"
                    f" {blocking_ns / 1e6:.1f} ms until the device is free, of a deadline of"
                    f" {planned.deadline_ns / 1e6:g} ms; it starts at once and may be late",
                )
            )
        )
    timed = replace(
        way.hedge,
        start=timing.start,
        after_ns=timing.after_ns,
        length_ns=timing.length_ns,
        device=planned.world.edge.name,
        device_ns=timing.device_ns,
        blocking_ns=blocking_ns,
        margin_ns=policy.margin,
        kept_ns=timing.kept_ns,
    )
    return replace(way, hedge=timed)


def rule_of(policy: HedgePolicy) -> HedgeRule:
    """When hedges start, as the planner takes it."""
    return HedgeRule(
        start=policy.start,
        before_ns=before_deadline_ns(policy.start),
        margin_ns=policy.margin,
        edge_cost=policy.edge_cost,
        waits=policy.waits,
    )


def hedging_of(policy: HedgePolicy, ladder: Mapping[str, Subject]) -> Hedging | None:
    """The hedges that a scenario allows a task; None for none.

    Args:
        policy: What it says of hedges.
        ladder: The task's further variants by name.
    """
    if policy.start == "never":
        return None
    named = policy.covers.removeprefix(VARIANT)
    return Hedging(
        rule=rule_of(policy),
        tail=policy.covers in (TAIL, AUTO),
        variants=tuple(
            subject for name, subject in ladder.items() if policy.covers == AUTO or name == named
        ),
    )


def hedging_variant(loaded: LoadedScenario) -> str | None:
    """Name of the variant that hedges, where the scenario names one."""
    hedge = loaded.scenario.policy.hedge
    if hedge.start == "never" or not hedge.covers.startswith(VARIANT):
        return None
    return hedge.covers.removeprefix(VARIANT)


def stateful_problems(loaded: LoadedScenario, stateful: Sequence[str]) -> Iterator[Problem]:
    """What a stateful model rules out: its state lives at one site for the whole drive.

    Args:
        loaded: The scenario.
        stateful: Tasks whose model's answer hangs on what it saw before.
    """
    policy = loaded.scenario.policy
    for name in stateful:
        task = loaded.scenario.tasks[name]
        if policy.hedge.start != "never":
            reason = f"task {name}: its model is stateful, so that no second route may answer"
            yield loaded.problem(("policy", "hedge", "start"), f"{reason}; write `start: never`")
        if policy.switch is not None:
            reason = f"task {name}: its model is stateful and stays at one site during a drive"
            yield loaded.problem(("policy", "switch"), f"{reason}; leave `switch` out")
        split = [route for route in task.routes if route.startswith("split")]
        if split:
            reason = f"{split[0]}: its model is stateful and runs whole at one site; name another"
            yield loaded.problem(("tasks", name, "route"), reason)
