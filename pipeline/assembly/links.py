"""The link of a run: constants, a recorded trace or a profile, with what disturbs it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from accelerators.models.jitter import lognormal_ppm
from pipeline.assembly.places import resolve
from pipeline.errors import InputError, ScenarioError, TraceError
from pipeline.link.formats import format_for
from pipeline.link.model import LinkConfig, LinkFault
from pipeline.link.pricing import LinkQuote
from pipeline.link.profiles import expand, load_profile
from pipeline.link.spread import LinkSpread
from pipeline.link.steps import PPM
from pipeline.scenario.references import VEHICLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.link.trace import Trace
    from pipeline.planner.pricing import World
    from pipeline.scenario.links import Link
    from pipeline.scenario.links import LinkFault as FaultModel
    from pipeline.scenario.loading import LoadedScenario

_TOML = ".toml"


def link_of(
    loaded: LoadedScenario, *, seed: int | None = None, allow_outside: bool = False
) -> LinkConfig:
    """The scenario's link, its trace read or its profile expanded.

    Args:
        loaded: The scenario.
        seed: Seed of the run in place of the scenario's; draws and profiles depend on it.
        allow_outside: Whether relative paths may leave the scenario's folder.

    Raises:
        ScenarioError: A trace or profile is missing or wrong, with the key and the file's line.
    """
    scenario = loaded.scenario
    name, link = next(iter(scenario.links.items()))
    there = link.between[0] == VEHICLE
    run_seed = scenario.run.seed if seed is None else seed
    key = "trace" if link.trace is not None else "profile"
    try:
        trace = _trace(link, loaded.path, run_seed, allow_outside=allow_outside)
    except InputError as err:
        raise ScenarioError([loaded.problem(("links", name, key), str(err))]) from err
    up, down = (link.up, link.down) if there else (link.down, link.up)
    return LinkConfig(
        name=name,
        up_bits_per_s=up or 0,
        down_bits_per_s=down or 0,
        rtt_ns=link.rtt or 0,
        loss_ppm=0 if link.loss is None else min(_ppm(link.loss), PPM - 1),
        trace=trace if trace is None or there else trace.turned(),
        jitter_ppm=() if link.jitter is None else lognormal_ppm(_ppm(link.jitter.sigma)),
        faults=tuple(_fault(fault) for fault in link.faults),
        shares_ppm={task: _ppm(share) for task, share in link.shares.items()},
        seed=run_seed,
    )


def link_hashes(link: LinkConfig) -> dict[str, str]:
    """Hash of a trace's figures, by the link's name; nothing where there is none."""
    return {} if link.trace is None else {f"trace:{link.name}": link.trace.content_hash()}


def world_for(
    world: World,
    link: LinkConfig,
    *,
    task: str,
    percentile: float,
    devices: Sequence[str] | None = None,
) -> World:
    """The world as one task's plan sees it: its share of the link, its percentile, its devices.

    Args:
        world: The world of all tasks.
        link: The link.
        task: Name of the task.
        percentile: Percentile that latencies are predicted at.
        devices: Devices that it may use, at least one of each site; None for all.
    """
    near, far = (
        [d for d in world.at(site) if devices is None or d.name in devices]
        for site in (world.sites.vehicle, world.sites.cloud)
    )
    # One that is left alone with its `ops` leaves the rest to its own processor.
    near, far = (
        [replace(placed, ops=None) for placed in found] if len(found) == 1 else found
        for found in (near, far)
    )
    return replace(
        world,
        edge=near[0],
        cloud=far[0],
        beside=(*near[1:], *far[1:]),
        link=LinkQuote(link, task=task),
        link_late=LinkQuote(link, task=task, percentile=percentile),
        spread=LinkSpread(link, task=task),
    )


def _trace(link: Link, beside: Path, seed: int, *, allow_outside: bool) -> Trace | None:
    choice, files = link.profile_choice, link.trace_files
    if choice is not None:
        named: str | Path = choice.name
        if choice.name.endswith(_TOML):
            named = resolve(choice.name, beside=beside, allow_outside=allow_outside)
        try:
            return expand(load_profile(named), seed=seed if choice.seed is None else choice.seed)
        except ValueError as err:
            raise InputError(f"{err}; choose another `seed`") from err
    if files is None:
        return None
    paths = tuple(resolve(name, beside=beside, allow_outside=allow_outside) for name in files.names)
    kind = format_for(paths, files.format)
    if kind.has_rtt and files.rtt is not None:
        raise InputError(f"a trace of format {kind.name} has its own round trip; leave out `rtt`")
    if not kind.has_rtt and files.rtt is None:
        raise InputError(f"a trace of format {kind.name} has no round trip; add `rtt`")
    for path in paths:
        if not path.is_file():
            raise TraceError(path, None, "is no file")
    return kind.read(paths, rtt_ns=files.rtt or 0)


def _fault(fault: FaultModel) -> LinkFault:
    return LinkFault(
        kind=fault.kind,
        at_ns=fault.at,
        until_ns=fault.at + fault.span,
        rate_ppm=0 if fault.factor is None else max(1, _ppm(fault.factor)),
        extra_rtt_ns=fault.extra or 0,
    )


def _ppm(share: float) -> int:
    """A share as the scenario has it in parts per million, rounded."""
    return round(Fraction(share).limit_denominator(PPM) * PPM)
