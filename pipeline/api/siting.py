"""Sites side by side: the same scenario planned against each one's devices and network."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

from pipeline.errors import InputError
from pipeline.planner.titles import title
from pipeline.scenario import load_scenario
from pipeline.scenario.sites import at_site, load_site, shipped_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.api.calls import Options
    from pipeline.assembly import Assembled
    from pipeline.plan.plan import Candidate, TaskPlan
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.scenario.sites import SiteProfile

SCHEMA = "splitway.sites/1"
AS_WRITTEN = "as written"
"""Name of the scenario's own cloud on the table."""

_NS_PER_MS = 1_000_000


class SiteDeviceDocument(TypedDict):
    """A device at a site."""

    name: str
    id: str
    label: str


class SiteLinkDocument(TypedDict):
    """The network to a site; rates and round trip are null where a trace has them."""

    up_mbps: float | None
    down_mbps: float | None
    rtt_ms: float | None
    described: str
    label: str


class SiteRouteDocument(TypedDict):
    """A candidate in short; times in ms at the plan's percentile."""

    route: str
    title: str
    latency_ms: float
    interval_ms: list[float]
    feasible: bool
    robust: bool
    agreement: float | None
    bytes_up: int


class SiteTaskDocument(TypedDict):
    """A task at a site: what runs, and the quickest route that uses the cloud at all."""

    name: str
    run: SiteRouteDocument
    over_link: SiteRouteDocument | None


class SiteDocument(TypedDict):
    """A site with its device, its network and what the plan makes of them."""

    site: str
    title: str
    devices: list[SiteDeviceDocument]
    link: SiteLinkDocument
    published: list[dict[str, str]]
    assumed: list[str]
    tasks: list[SiteTaskDocument]


class SitesDocument(TypedDict):
    """Every site; `best` is the one that meets most deadlines, then the quickest over its link."""

    schema: str
    scenario: str
    percentile: float
    sites: list[SiteDocument]
    best: str | None


def sites_document(
    scenario: Path,
    options: Options,
    assemble: Callable[[LoadedScenario], Assembled],
    *,
    percentile: float,
    files: Sequence[Path] = (),
    on_site: Callable[[str], None] = lambda _name: None,
) -> SitesDocument:
    """Plan a scenario as written, at every shipped site, and at those of a user's files.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        assemble: Plans one scenario.
        percentile: Percentile of the plans.
        files: Sites of the user's own, as TOML files.
        on_site: Told which site is being planned.

    Raises:
        InputError: The scenario or a site's file is not valid.
    """
    loaded = load_scenario(scenario, overrides=options.overrides)
    profiles = [load_site(name) for name in shipped_sites()]
    profiles += [load_site(path) for path in files]
    named = [profile.name for profile in profiles]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"--site: two sites are called {twice!r}; give the file's another `name`")
    found: list[SiteDocument] = []
    for name, profile, here in _places(loaded, profiles):
        on_site(name)
        found.append(_site(name, profile, assemble(here)))
    return {
        "schema": SCHEMA,
        "scenario": loaded.scenario.name,
        "percentile": percentile,
        "sites": found,
        "best": _best(found),
    }


def _places(
    loaded: LoadedScenario, profiles: Sequence[SiteProfile]
) -> Iterator[tuple[str, SiteProfile | None, LoadedScenario]]:
    yield AS_WRITTEN, None, loaded
    for profile in profiles:
        moved = at_site(loaded.scenario, profile, name=profile.name)
        yield profile.name, profile, replace(loaded, scenario=moved)


def _site(name: str, profile: SiteProfile | None, run: Assembled) -> SiteDocument:
    spec = run.spec
    (link,) = spec.links.values()
    cloud = spec.core.sites.cloud
    constant = link.trace is None
    return {
        "site": name,
        "title": name if profile is None else profile.title,
        "devices": [
            {"name": device.name, "id": device.id, "label": device.label}
            for device in spec.devices.values()
            if device.site == cloud
        ],
        "link": {
            "up_mbps": link.up_bits_per_s / 1e6 if constant else None,
            "down_mbps": link.down_bits_per_s / 1e6 if constant else None,
            "rtt_ms": link.rtt_ns / _NS_PER_MS if constant else None,
            "described": link.describe() if profile is None else profile.link.description,
            "label": "scenario" if profile is None else profile.link.label,
        },
        "published": []
        if profile is None
        else [{"text": fact.text, "source": fact.source} for fact in profile.published],
        "assumed": [] if profile is None else list(profile.assumptions()),
        "tasks": [_task(task) for task in run.plan.tasks],
    }


def _task(task: TaskPlan) -> SiteTaskDocument:
    crossing = [c for c in task.candidates if c.cut and c.allowed and c.hedge is None]
    quickest = min(crossing, key=lambda c: (not c.feasible, c.latency_ns, c.bytes_up), default=None)
    return {
        "name": task.task,
        "run": _route(task.candidates[task.run]),
        "over_link": None if quickest is None else _route(quickest),
    }


def _route(candidate: Candidate) -> SiteRouteDocument:
    return {
        "route": candidate.name,
        "title": title(candidate),
        "latency_ms": candidate.latency_ns / _NS_PER_MS,
        "interval_ms": [bound_ns / _NS_PER_MS for bound_ns in candidate.interval_ns],
        "feasible": candidate.feasible,
        "robust": candidate.robust,
        "agreement": candidate.agreement,
        "bytes_up": candidate.bytes_up,
    }


def _best(sites: Sequence[SiteDocument]) -> str | None:
    """The site whose runs meet most deadlines, robustly; of equals the quickest over its link."""
    able = [site for site in sites if any(task["run"]["feasible"] for task in site["tasks"])]
    if not able:
        return None

    def rank(site: SiteDocument) -> tuple[int, int, int, float]:
        tasks = site["tasks"]
        over = [t["over_link"] for t in tasks]
        return (
            -sum(task["run"]["feasible"] for task in tasks),
            -sum(task["run"]["robust"] for task in tasks),
            -sum(route is not None and route["feasible"] for route in over),
            sum(0.0 if route is None else route["latency_ms"] for route in over),
        )

    return min(able, key=rank)["site"]
