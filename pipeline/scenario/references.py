"""What a scenario says of itself: names that must exist, and figures that must agree."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.scenario.models import Scenario

Location = tuple[str | int, ...]
_ROUTES = ("auto", "edge", "raw", "encoded", "split")
VEHICLE, CLOUD = "vehicle", "cloud"


def check_references(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Every problem that the file alone shows, with the key it belongs to."""
    yield from _drive(scenario)
    yield from _sites(scenario)
    yield from _devices(scenario)
    yield from _tasks(scenario)
    yield from _paths(scenario)


def _unknown(name: str, what: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
    return f"there is no {what} {name!r}{hint}"


def _drive(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    drive = scenario.drive
    if (drive.path is None) == (drive.synthetic is None):
        yield ("drive",), "needs either `path` (a recording) or `synthetic`, and not both"
    if len(drive.streams) > 1:
        yield ("drive", "streams"), "this version does not do several streams yet; name one"
    if drive.synthetic is not None:
        for name, stream in drive.streams.items():
            if stream is None or stream.period is None:
                yield ("drive", "streams", name), "a synthetic drive needs a `period`, such as 40ms"


def _sites(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    missing = {VEHICLE, CLOUD} - scenario.sites.keys()
    for name in sorted(missing):
        yield ("sites",), f"has no site {name!r}"
    for name in scenario.sites.keys() - {VEHICLE, CLOUD}:
        yield ("sites", name), "this version does not do further sites yet; vehicle and cloud"
    for name, link in scenario.links.items():
        if set(link.between) != {VEHICLE, CLOUD}:
            yield ("links", name, "between"), "must be [vehicle, cloud]"


def _devices(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    at_site: dict[str, list[str]] = {VEHICLE: [], CLOUD: []}
    for name, device in scenario.devices.items():
        if (device.spec is None) == (device.backend is None):
            yield ("devices", name), "needs either `spec` (emulated) or `backend` (real)"
        if device.site not in scenario.sites:
            known = scenario.sites
            yield ("devices", name, "site"), _unknown(device.site, "site", known)
        elif device.site in at_site:
            at_site[device.site].append(name)
    for site, names in at_site.items():
        if not names:
            yield ("devices",), f"no device stands at the {site}"
        for name in names[1:]:
            yield ("devices", name), f"this version does not do several devices at a site ({site})"


def _tasks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    streams = scenario.drive.streams
    for name, task in scenario.tasks.items():
        at = ("tasks", name)
        if task.input.stream not in streams:
            yield (*at, "input", "stream"), _unknown(task.input.stream, "stream", streams)
        if len(task.variants) > 1:
            yield (*at, "variants"), "this version does not do several variants yet; name one"
        for route in task.routes:
            if route not in _ROUTES and not route.startswith("split@"):
                yield (
                    (*at, "route"),
                    (_unknown(route, "route", _ROUTES) + " (or split@NODE to pin a cut)"),
                )
        if not any(path.through == [name] for path in scenario.paths.values()):
            yield at, "no path goes through this task"


def _paths(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    for name, path in scenario.paths.items():
        at = ("paths", name)
        if path.source not in scenario.drive.streams:
            yield (*at, "from"), _unknown(path.source, "stream", scenario.drive.streams)
        for task in path.through:
            if task not in scenario.tasks:
                yield (*at, "through"), _unknown(task, "task", scenario.tasks)
            elif scenario.tasks[task].input.stream != path.source:
                yield (
                    (*at, "from"),
                    (f"task {task!r} reads stream {scenario.tasks[task].input.stream!r}"),
                )
        if path.horizon is not None and path.horizon < path.e2e:
            yield (*at, "horizon"), "must not be shorter than e2e"
