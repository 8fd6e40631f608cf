"""What a scenario says of itself: names that must exist, and figures that must agree."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pipeline.scenario.faulting import check_timing
from pipeline.scenario.linking import link_problems
from pipeline.scenario.models import FUSE, MovingDeadline
from pipeline.scenario.policies import policy_problems

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.scenario.models import PathModel, Scenario, StreamModel

Location = tuple[str | int, ...]
# The ledger's closed list in its order; this room may not import the ledger, a test compares them.
SPANS = (
    *("source", "prepare", "edge_wait", "edge", "pack", "uplink_wait", "uplink", "unpack"),
    *("cloud_wait", "cloud", "post", "downlink_wait", "downlink", "fuse_wait", "fuse", "deliver"),
)
_ROUTES = ("auto", "edge", "raw", "encoded", "split")
CAMERAS = ("front", "left", "right", "rear")  # of the synthetic drive; a test compares them
VEHICLE, CLOUD = "vehicle", "cloud"


def camera_of(name: str, stream: StreamModel | None) -> str | None:
    """The camera of a synthetic stream: the one it names, else the one it is named like."""
    if stream is not None and stream.camera is not None:
        return stream.camera
    return name if name in CAMERAS else None


def check_references(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Every problem that the file alone shows, with the key it belongs to."""
    yield from _drive(scenario)
    yield from check_timing(scenario)
    yield from _sites(scenario)
    for name, link in scenario.links.items():
        if set(link.between) != {VEHICLE, CLOUD}:
            yield ("links", name, "between"), "must be [vehicle, cloud]"
        yield from link_problems(name, link, scenario.tasks)
    yield from _devices(scenario)
    yield from _tasks(scenario)
    yield from _paths(scenario)
    yield from _budgets(scenario)
    yield from policy_problems(scenario)


def _unknown(name: str, what: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
    return f"there is no {what} {name!r}{hint}"


def _drive(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    drive = scenario.drive
    if (drive.path is None) == (drive.synthetic is None):
        yield ("drive",), "needs either `path` (a recording) or `synthetic`, and not both"
    for name, stream in drive.streams.items():
        at = ("drive", "streams", name)
        if drive.synthetic is not None:
            if stream is not None and stream.file is not None:
                yield (*at, "file"), "is for a recording; a synthetic stream has a `camera`"
            if len(drive.streams) > 1 and camera_of(name, stream) is None:
                yield at, f"needs a `camera`, one of {', '.join(CAMERAS)}"
        else:
            if stream is not None and stream.camera is not None:
                yield (*at, "camera"), "is for the synthetic drive; a recording has a `file`"
            if len(drive.streams) > 1 and (stream is None or stream.file is None):
                yield at, "needs a `file` below `drive.path`: a video or a folder of pictures"
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


def _devices(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    at_site: dict[str, list[str]] = {VEHICLE: [], CLOUD: []}
    for name, device in scenario.devices.items():
        if (device.spec is None) == (device.backend is None):
            yield ("devices", name), "needs either `spec` (emulated) or `backend` (real)"
        if device.backend is not None and device.batch > 1:
            yield ("devices", name, "batch"), "is for emulated devices; a real one runs no batches"
        if device.backend is not None and device.faults:
            yield ("devices", name, "faults"), "are for emulated devices; a real one is not slowed"
        if device.site == VEHICLE and device.batch > 1:
            yield ("devices", name, "batch"), "is for the cloud's device"
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
        hedged = scenario.policy.hedge.covers.startswith("variant:")
        if len(task.variants) > 1 and not hedged:
            yield (
                (*at, "variants"),
                "several variants are for a hedge with `variant:NAME` in this version; name one",
            )
        for route in task.routes:
            if route not in _ROUTES and not route.startswith("split@"):
                yield (
                    (*at, "route"),
                    (_unknown(route, "route", _ROUTES) + " (or split@NODE to pin a cut)"),
                )
        if not any(name in path.tasks for path in scenario.paths.values()):
            yield at, "no path goes through this task"


def _paths(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    for name, path in scenario.paths.items():
        at = ("paths", name)
        yield from _through(scenario, path, at)
        if path.horizon is not None and path.horizon < path.deadline_ns:
            yield (*at, "horizon"), "must not be shorter than e2e"
        yield from _rules(path, at)
        moving = isinstance(path.e2e, MovingDeadline)
        if moving and scenario.drive.synthetic is None and scenario.drive.speed is None:
            yield (*at, "e2e"), "follows the speed, which a recording does not tell: `drive.speed`"


def _through(scenario: Scenario, path: PathModel, at: Location) -> Iterator[tuple[Location, str]]:
    for stream in path.streams:
        if stream not in scenario.drive.streams:
            yield (*at, "from"), _unknown(stream, "stream", scenario.drive.streams)
    for task in path.tasks:
        if task not in scenario.tasks:
            yield (*at, "through"), _unknown(task, "task", scenario.tasks)
        elif scenario.tasks[task].input.stream not in path.streams:
            yield (
                (*at, "from"),
                (f"task {task!r} reads stream {scenario.tasks[task].input.stream!r}"),
            )
    if not path.fused:
        if len(path.through) > 1:
            reason = "a path from one stream goes through one task; name sensors with `anchor`"
            yield (*at, "through"), reason
        return
    if path.through[-1] != FUSE or len(path.tasks) != len(path.through) - 1:
        yield (*at, "through"), f"names a task per sensor and ends with {FUSE!r}"
    if len(set(path.streams)) < len(path.streams):
        yield (*at, "from"), "names a stream twice"
    for stream in path.streams:
        readers = [
            task
            for task in path.tasks
            if task in scenario.tasks and scenario.tasks[task].input.stream == stream
        ]
        if len(readers) != 1 and stream in scenario.drive.streams:
            found = ", ".join(readers) or "none"
            yield (*at, "through"), f"needs one task that reads {stream!r}; there is {found}"


def _rules(path: PathModel, at: Location) -> Iterator[tuple[Location, str]]:
    if isinstance(path.e2e, MovingDeadline) and path.e2e.floor > path.e2e.base:
        yield (*at, "e2e", "floor"), "must not be above base"
    if not 0 < path.confidence < 1:
        yield (*at, "confidence"), "must lie between 0% and 100%, both left out"
    hard = path.weakly_hard
    if hard is not None and hard.misses >= hard.window:
        reason = f"allows every frame to miss: {hard.misses} misses in {hard.window}"
        yield (*at, "weakly_hard", "misses"), reason


def _budgets(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    for name, spans in scenario.budgets.items():
        if name not in scenario.paths:
            yield ("budgets", name), _unknown(name, "path", scenario.paths)
        for span, budget_ns in spans.items():
            if span not in SPANS:
                yield ("budgets", name, span), _unknown(span, "span", SPANS)
            elif budget_ns == 0:
                yield ("budgets", name, span), "must be above zero"
