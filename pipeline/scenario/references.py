"""What a scenario says of itself: names that must exist, and figures that must agree."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Literal

from pipeline.scenario.faulting import check_timing
from pipeline.scenario.linking import link_problems
from pipeline.scenario.models import FUSE, TRACK, MovingDeadline
from pipeline.scenario.policies import policy_problems

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pipeline.scenario.models import Drive, PathModel, Scenario, StreamModel, Task

Location = tuple[str | int, ...]
# The ledger's closed list in its order; this room may not import the ledger, a test compares them.
SPANS = (
    *("source", "prepare", "edge_wait", "edge", "pack", "uplink_wait", "uplink", "unpack"),
    *("cloud_wait", "cloud", "post", "downlink_wait", "downlink", "fuse_wait", "fuse", "deliver"),
)
_MOST_DEVICES = 4  # at a site: a choice per operator among them is an integer programme
_ROUTES = ("auto", "edge", "raw", "encoded", "split")
CAMERAS = ("front", "left", "right", "rear")  # of the synthetic drive; a test compares them
LIDAR = "lidar"
STAGES = (FUSE, TRACK)  # built-in stages of a path, in the order in which they may stand
VEHICLE, CLOUD = "vehicle", "cloud"


def camera_of(name: str, stream: StreamModel | None) -> str | None:
    """The camera of a synthetic stream: the one it names, else the one it is named like."""
    if stream is not None and stream.camera is not None:
        return stream.camera
    return name if name in CAMERAS else None


def kind_of(drive: Drive, name: str) -> Literal["camera", "lidar"] | None:
    """What a stream is, as far as the file says; None where the recording will tell."""
    stream = drive.streams.get(name)
    if stream is not None and stream.kind is not None:
        return stream.kind
    if drive.synthetic is None:
        return None
    return "lidar" if name == LIDAR and (stream is None or stream.camera is None) else "camera"


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
    yield from _accuracy(scenario)
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
            for key in ("file", "topic"):
                if stream is not None and getattr(stream, key) is not None:
                    yield (*at, key), "is for a recording; a synthetic stream has a `camera`"
            if kind_of(drive, name) == "lidar":
                if stream is not None and stream.camera is not None:
                    yield (*at, "camera"), "is for cameras, and the stream is a LiDAR"
            elif len(drive.streams) > 1 and camera_of(name, stream) is None:
                yield at, f"needs a `camera`, one of {', '.join(CAMERAS)}, or `kind: lidar`"
        else:
            if stream is not None and stream.camera is not None:
                yield (*at, "camera"), "is for the synthetic drive; a recording has a `file`"
            told = stream is not None and (stream.file or stream.topic or stream.kind)
            if len(drive.streams) > 1 and not told:
                yield (
                    at,
                    (
                        "needs a `file` below `drive.path`, a video or a folder of pictures; or a "
                        "`topic` or `kind`, where one recording holds several streams"
                    ),
                )
    if drive.synthetic is not None:
        for name, stream in drive.streams.items():
            if stream is None or stream.period is None:
                yield ("drive", "streams", name), "a synthetic drive needs a `period`, such as 40ms"


def _sites(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    missing = {VEHICLE, CLOUD} - scenario.sites.keys()
    for name in sorted(missing):
        yield ("sites",), f"has no site {name!r}"
    for name in scenario.sites.keys() - {VEHICLE, CLOUD}:
        yield (
            ("sites", name),
            (
                "this version does not do further sites, nor failing over between sites during a"
                " drive; `splitway plan --sites` compares them, one run takes vehicle and cloud"
            ),
        )
    vehicle = scenario.sites.get(VEHICLE)
    if vehicle is not None and vehicle.profile is not None:
        yield ("sites", VEHICLE, "profile"), "is for the cloud: the car's device is `devices`' own"


def _devices(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    at_site: dict[str, list[str]] = {VEHICLE: [], CLOUD: []}
    for name, device in scenario.devices.items():
        if (device.spec is None) == (device.backend is None):
            yield ("devices", name), "needs either `spec` (emulated) or `backend` (real)"
        if device.backend is None and device.options:
            yield ("devices", name, "options"), "belong to `backend`; an emulated device has none"
        if device.backend is not None and device.batch > 1:
            yield ("devices", name, "batch"), "is for emulated devices; a real one runs no batches"
        if device.backend is not None and device.faults:
            yield ("devices", name, "faults"), "are for emulated devices; a real one is not slowed"
        if device.backend is not None and device.ops is not None:
            yield ("devices", name, "ops"), "is for emulated devices; a real one runs it all"
        if device.backend is not None and device.numerics != "auto":
            reason = "is for emulated devices; a real one computes what its network's file has"
            yield ("devices", name, "numerics"), reason
        if device.site == VEHICLE and device.batch > 1:
            yield ("devices", name, "batch"), "is for the cloud's device"
        if device.site not in scenario.sites:
            known = scenario.sites
            yield ("devices", name, "site"), _unknown(device.site, "site", known)
        elif device.site in at_site:
            at_site[device.site].append(name)
    for site, names in at_site.items():
        if not names:
            hint = "; name one, or a `sites.cloud.profile` that has one" if site == CLOUD else ""
            yield ("devices",), f"no device stands at the {site}{hint}"
        yield from _together(scenario, names)


def _together(scenario: Scenario, names: Sequence[str]) -> Iterator[tuple[Location, str]]:
    """Several emulated devices may stand at a site; a real one stands alone."""
    real = [name for name in names if scenario.devices[name].backend is not None]
    for name in names:
        if real and len(names) > 1 and name != real[0]:
            yield ("devices", name), f"cannot stand beside a real device ({real[0]})"
    for name in names[_MOST_DEVICES:]:
        yield ("devices", name), f"a site has at most {_MOST_DEVICES} devices"
    mains = [name for name in names if scenario.devices[name].ops is None]
    if len(names) > 1 and not mains:
        reason = "has none beside it that takes the other operators; leave `ops` out at one"
        yield ("devices", names[0], "ops"), reason
    for name in names:
        if scenario.devices[name].batch > 1 and name != (mains or names)[0]:
            yield ("devices", name, "batch"), "is for the first device of a site"


def _tasks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    streams = scenario.drive.streams
    for name, task in scenario.tasks.items():
        at = ("tasks", name)
        if task.input.stream not in streams:
            yield (*at, "input", "stream"), _unknown(task.input.stream, "stream", streams)
        yield from _input(scenario, task, at)
        if name in STAGES:
            yield at, f"{name!r} is the name of a built-in stage; call the task otherwise"
        yield from _limits(scenario, task, at)
        for route in task.routes:
            if route not in _ROUTES and not route.startswith("split@"):
                yield (
                    (*at, "route"),
                    (_unknown(route, "route", _ROUTES) + " (or split@NODE to pin a cut)"),
                )
        if name in scenario.forecasters and set(task.routes) - {"auto", "edge"}:
            reason = "stands behind `track` and runs where the tracks are, in the car: auto or edge"
            yield (*at, "route"), reason
        if not any(name in (*p.tasks, p.forecaster) for p in scenario.paths.values()):
            yield at, "no path goes through this task"


def _limits(scenario: Scenario, task: Task, at: Location) -> Iterator[tuple[Location, str]]:
    """What a task may use: its devices, its pixels, what it has to agree with."""
    for name in task.devices or ():
        if name not in scenario.devices:
            yield (*at, "devices"), _unknown(name, "device", scenario.devices)
    named = [scenario.devices[n] for n in task.devices or () if n in scenario.devices]
    for site in (VEHICLE, CLOUD) if named else ():
        if not any(device.site == site for device in named):
            there = [n for n, device in scenario.devices.items() if device.site == site]
            reason = f"names none at the {site}; name one of each site ({', '.join(there)})"
            yield (*at, "devices"), f"{reason}, and say by `route` which is used"
    whole = {"raw", "encoded"}
    if task.raw_pixels_stay and set(task.routes) <= whole:
        reason = "forbids raw and encoded, and `route` allows nothing else"
        yield (*at, "raw_pixels_stay"), f"{reason}; allow `split` or `edge`"
    timed = [name for name, variant in task.variants.items() if variant.timing_only]
    for name in timed:
        key = (*at, "variants", name, "timing_only")
        if scenario.run.sizes != "modelled":
            yield key, "runs no network, so that sizes are modelled; write `run.sizes: modelled`"
        if task.min_agreement is not None:
            yield key, "runs no network, so that there is no agreement; leave out `min_agreement`"
        if len(timed) != len(task.variants):
            yield key, "holds for all variants of a task or for none"


def _input(scenario: Scenario, task: Task, at: Location) -> Iterator[tuple[Location, str]]:
    """Pictures and sweeps are made ready by keys of their own."""
    given = task.input.model_fields_set
    of_pictures = [key for key in ("size", "color", "fit", "pad", "scale") if key in given]
    kind = kind_of(scenario.drive, task.input.stream)
    if task.input.pillars is not None:
        for key in of_pictures:
            yield (*at, "input", key), "is for pictures, and `pillars` for a LiDAR; name one"
        if kind == "camera":
            yield (*at, "input", "pillars"), f"is for a LiDAR; {task.input.stream!r} is a camera"
    elif kind == "lidar":
        for key in of_pictures:
            yield (*at, "input", key), f"is for pictures; {task.input.stream!r} is a LiDAR"
    if kind == "lidar" and set(task.routes) == {"encoded"}:
        yield (*at, "route"), "encoded is for pictures: a LiDAR's tensors go raw, or from a cut"


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
    for task in (*path.tasks, *([path.forecaster] if path.forecaster else [])):
        if task not in scenario.tasks:
            yield (*at, "through"), _unknown(task, "task", scenario.tasks)
        elif scenario.tasks[task].input.stream not in path.streams:
            yield (
                (*at, "from"),
                (f"task {task!r} reads stream {scenario.tasks[task].input.stream!r}"),
            )
    yield from _stages(path, at)
    if not path.fused:
        return
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


def _stages(path: PathModel, at: Location) -> Iterator[tuple[Location, str]]:
    """Tasks come first, then built-in stages in their order."""
    stages = tuple(name for name in path.through if name in STAGES)
    wanted = tuple(name for name in STAGES if name in stages)
    last = () if path.forecaster is None else (path.forecaster,)
    if tuple(path.through) != (*path.tasks, *wanted, *last):
        reason = f"names tasks first, then {FUSE!r}, then {TRACK!r}, then a task that forecasts"
        yield (*at, "through"), reason
    if path.fused and FUSE not in stages:
        reason = f"names a task per sensor and ends with {FUSE!r}, or with {TRACK!r} after it"
        yield (*at, "through"), reason
    if not path.fused:
        if len(path.tasks) != 1:
            reason = "a path from one stream goes through one task; name sensors with `anchor`"
            yield (*at, "through"), reason
        if FUSE in stages:
            yield (*at, "through"), f"{FUSE!r} joins several sensors; name them with `anchor`"


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


def _accuracy(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    gated = scenario.gates.accuracy
    for at, names in ((("scoring",), scenario.scoring), (("gates", "accuracy"), gated)):
        for name in names:
            if name not in scenario.tasks:
                yield (*at, name), _unknown(name, "task", scenario.tasks)
    if gated and scenario.run.sizes == "modelled":
        yield ("gates", "accuracy"), "needs results, and `run.sizes: modelled` computes none"
    if gated and scenario.run.full_speed:
        for name, asked in gated.items():
            for metric in asked:
                if metric.startswith("streaming"):
                    reason = "means nothing with `run.rate: max`: no instant is the drive's"
                    yield ("gates", "accuracy", name, metric), reason
