"""What the planner picks against what a user would: streaming accuracy, out of sample.

Each case is a link. Plan and rivals are made on one drive and one part of the link, and judged on
another drive and another part: other seeds of a profile, the second half of a recorded trace. The
rivals are tuned where the plan is made, by running them in virtual time:

- *edge only*: the variant whose streaming accuracy in the car is best;
- *cloud, best JPEG*: quality and resolution whose streaming accuracy is best, with the largest
  variant behind the link;
- *prefix cut*: the cut whose mean latency is least, of the first variant, and of one tensor where
  there is one; where another part of the link offers no such cut, the one that is chosen there.

None of them is hedged. Every run is modelled.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from bench.figure import Figure
from pipeline import api
from pipeline.assembly.places import data_root
from pipeline.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.plan.document import CandidateDocument, PlanDocument
    from pipeline.values import Plain

SCENARIO = Path(__file__).resolve().parents[1] / "examples" / "urban" / "scenario.yaml"
"""Two cameras in town; its first variant is the largest."""
MOST_BELOW = 0.01
"""How far the plan may lie below the best rival, streaming mAP."""
LEAST_ABOVE = 0.05
"""What it should lie above the best rival in a third of the cases."""
_PROFILES = ("5g-urban", "lte-urban", "lte-highway", "tunnel")
_TRACES = ("mahimahi_TMobile-LTE-short", "mahimahi_ATT-LTE-driving-2016")
_RTT = "40ms"  # mahimahi's files hold none
_MADE, _JUDGED = (5, 17), (2205, 29)  # seeds of drive and run


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A link, where plans are made and where they are judged.

    Attributes:
        name: Of the link.
        made: Settings of the part that plans are made on.
        judged: Settings of the part that they are judged on.
    """

    name: str
    made: tuple[str, ...]
    judged: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to run every task.

    Attributes:
        name: Who chose it.
        routes: The candidate of each task, by task.
    """

    name: str
    routes: dict[str, CandidateDocument]

    @property
    def told(self) -> str:
        """What runs, a few words a task."""
        return "; ".join(f"{task}: {_kind(route)}" for task, route in self.routes.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Streaming mAP of every way where nobody planned.

    Attributes:
        case: The link.
        ways: What was run, the planner's first.
        streaming: Of each way, 0 to 1.
        on_time: Share of the frames in time, of each way.
    """

    case: str
    ways: tuple[Way, ...]
    streaming: tuple[float, ...]
    on_time: tuple[float, ...]

    @property
    def above(self) -> float:
        """The planner's over the best rival's; below 0 where it lost."""
        return self.streaming[0] - max(self.streaming[1:])


def profiles() -> list[Case]:
    """The shipped profiles; another seed makes another trace."""
    return [
        Case(
            name=name,
            made=(f"links.cell.profile={{name: {name}, seed: {_MADE[1]}}}",),
            judged=(f"links.cell.profile={{name: {name}, seed: {_JUDGED[1]}}}",),
        )
        for name in _PROFILES
    ]


def traces(source: Path, folder: Path) -> list[Case]:
    """The recorded traces, cut in halves.

    Args:
        source: Folder of the mahimahi files.
        folder: Where the halves are written.
    """
    cases = []
    for name in _TRACES:
        halves: list[list[str]] = [[], []]
        for way in ("up", "down"):
            for part, stamps in enumerate(_halves(source / f"{name}.{way}")):
                path = folder / f"{name}-{part}.{way}"
                path.write_text("".join(f"{stamp}\n" for stamp in stamps), encoding="utf-8")
                halves[part].append(f"{way}: {path}")
        made, judged = (
            ("links.cell.profile=null", f"links.cell.trace={{{', '.join(half)}, rtt: {_RTT}}}")
            for half in halves
        )
        cases.append(Case(name=name.removeprefix("mahimahi_"), made=made, judged=judged))
    return cases


def _halves(path: Path) -> tuple[list[int], list[int]]:
    stamps_ms = [int(line) for line in path.read_text(encoding="utf-8").split()]
    middle_ms = stamps_ms[-1] // 2
    first = [stamp for stamp in stamps_ms if stamp <= middle_ms]
    return first, [stamp - middle_ms for stamp in stamps_ms if stamp > middle_ms]


def measure(*, seconds: float, most_cases: int | None = None) -> Figure:
    """Plan, tune the rivals, judge all of them.

    Args:
        seconds: Length of both drives.
        most_cases: How many links; all where None.
    """
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as made:
        folder = Path(made)
        cases = profiles()
        recorded = data_root() / "network"
        if recorded.is_dir():
            cases += traces(recorded, folder)
        rows: list[Judged] = []
        for case in cases[:most_cases]:
            known = (rows[0].ways[1], (rows[0].streaming[1], rows[0].on_time[1])) if rows else None
            rows.append(_judged(case, folder / case.name, seconds, known))
            print(f"  {case.name}: {100 * rows[-1].above:+.1f} points", file=sys.stderr, flush=True)
    return _figure(rows, complete=recorded.is_dir())


def _judged(
    case: Case, folder: Path, seconds: float, edge: tuple[Way, tuple[float, float]] | None
) -> Judged:
    """Plan and tune on one part, run on the other.

    Args:
        case: The link.
        folder: Where its runs lie.
        seconds: Length of both drives.
        edge: Edge only and what it came to, where another link has found it: it uses none.
    """
    made = Ground(case.made, _MADE, seconds, folder / "made")
    rest = (made.planned(), made.best("cloud, best JPEG", made.is_jpeg), made.prefix())
    ground = Ground(case.judged, _JUDGED, seconds, folder / "judged")
    if edge is None:
        way = made.best("edge only", lambda route: route["route"] == "edge")
        edge = (way, ground.run(way))
    if not ground.offers(rest[-1]):
        rest = (*rest[:-1], ground.prefix())  # chosen where it is judged: more than a rival knows
    found = [ground.run(way) for way in rest]
    ways = (rest[0], edge[0], *rest[1:])
    figures = (found[0], edge[1], *found[1:])
    return Judged(
        case=case.name,
        ways=ways,
        streaming=tuple(streaming for streaming, _ in figures),
        on_time=tuple(on_time for _, on_time in figures),
    )


class Ground:
    """One drive over one part of a link: plans are made, or judged, on it.

    Args:
        settings: Of the link.
        seeds: Of drive and run.
        seconds: Length of the drive.
        folder: Where its runs lie.
    """

    def __init__(
        self, settings: Sequence[str], seeds: tuple[int, int], seconds: float, folder: Path
    ) -> None:
        drive, seed = seeds
        settings = (
            *settings,
            f"drive.synthetic.seed={drive}",
            f"drive.synthetic.length={round(seconds * 1000)}ms",
            "evidence.images=none",
        )
        self._folder = folder
        folder.mkdir(parents=True)
        self._seed, self._settings = seed, settings
        self._plan = self._planned()

    def planned(self) -> Way:
        """What the planner picks under the scenario's policy."""
        tasks = self._plan["tasks"]
        routes = {task["name"]: task["candidates"][task["run"]] for task in tasks}
        return Way(name="planned", routes=routes)

    def best(self, name: str, wanted: Callable[[CandidateDocument], bool]) -> Way:
        """The candidate that streams best here, the same kind for every task.

        Args:
            name: Of the way.
            wanted: Which candidates compete.
        """
        offered = {
            task["name"]: {
                _kind(c): c for c in task["candidates"] if c["hedge"] is None and wanted(c)
            }
            for task in self._plan["tasks"]
        }
        first = next(iter(offered.values()))
        kinds = [kind for kind in first if all(kind in routes for routes in offered.values())]
        ways = [
            Way(name=name, routes={task: routes[kind] for task, routes in offered.items()})
            for kind in kinds
        ]
        return max(ways, key=lambda way: self.run(way)[0])

    def is_jpeg(self, route: CandidateDocument) -> bool:
        """Whether a candidate sends a JPEG to the first variant."""
        first = self._plan["tasks"][0]["candidates"][0]["variant"]
        codecs = set(route["codecs"].values())
        jpeg = bool(codecs) and all(codec.startswith("jpeg") for codec in codecs)
        return route["route"] == "encoded" and jpeg and route["variant"] == first

    def prefix(self) -> Way:
        """The cut whose mean latency is least, of the first variant that has one.

        Of one tensor where there is such a cut.
        """
        routes = {}
        for task in self._plan["tasks"]:
            cuts = [c for c in task["candidates"] if c["route"] == "split" and c["hedge"] is None]
            cuts = [c for c in cuts if c["variant"] == cuts[0]["variant"]]
            single = [c for c in cuts if len(c["cut"]) == 1] or cuts
            routes[task["name"]] = min(single, key=lambda route: route["median_ms"])
        return Way(name="prefix cut", routes=routes)

    def offers(self, way: Way) -> bool:
        """Whether a way's candidates are there: another link may offer other cuts."""
        tasks = {task["name"]: task["candidates"] for task in self._plan["tasks"]}
        return all(_place(tasks[name], route) is not None for name, route in way.routes.items())

    def run(self, way: Way) -> tuple[float, float]:
        """Streaming mAP, the mean over the tasks, and the share of frames in time."""
        narrow = self._narrow(way)
        document = self._planned(*narrow)
        for task in document["tasks"]:
            task["run"] = _index(task["candidates"], way.routes[task["name"]])
        out = self._folder / f"run-{len(list(self._folder.glob('*.json')))}"
        file = out.with_suffix(".json")
        file.write_text(json.dumps(document), encoding="utf-8")
        result = api.run(
            SCENARIO, self._options(*narrow), virtual=True, out=out, plan_file=file
        ).document
        rows = sum(path["n"] for path in result["paths"])
        good = sum(path["fates"]["cloud"] + path["fates"]["edge"] for path in result["paths"])
        figures = [_number(task["streaming_map"]) for task in result["accuracy"].values()]
        return fmean(figures), good / rows

    def _narrow(self, way: Way) -> tuple[str, ...]:
        """Settings that leave little beside a way to be planned, since only it is to run."""
        tasks = load_scenario(SCENARIO).scenario.tasks
        settings = []
        for name, route in way.routes.items():
            wanted = [route["variant"]]
            if route["hedge"] is not None and route["hedge"].startswith("variant:"):
                wanted.append(route["hedge"].removeprefix("variant:"))
            models = ", ".join(f'{v}: {{model: "{tasks[name].variants[v].model}"}}' for v in wanted)
            settings += [
                f"tasks.{name}.variants={{{models}}}",
                f"tasks.{name}.route={route['route']}",
            ]
        if all(route["hedge"] is None for route in way.routes.values()):
            settings.append("policy.hedge={start: never}")
        return tuple(settings)

    def _planned(self, *narrow: str) -> PlanDocument:
        return api.plan(SCENARIO, self._options(*narrow), as_file=True)[1]

    def _options(self, *narrow: str) -> api.Options:
        overrides = (*self._settings, *narrow)
        # The halves of a trace lie in a folder of their own.
        return api.Options(seed=self._seed, overrides=overrides, allow_outside=True)


def _kind(route: CandidateDocument) -> str:
    """A candidate in a few words, the same on another drive."""
    return f"{route['variant']} {route['title']}"


def _number(value: Plain) -> float:
    return value if isinstance(value, float) else 0.0


def _index(candidates: Sequence[CandidateDocument], wanted: CandidateDocument) -> int:
    """Index of a candidate by its id and hedge, else of one of the same kind.

    Raises:
        RuntimeError: There is none: another drive offered other cuts.
    """
    place = _place(candidates, wanted)
    if place is None:
        raise RuntimeError(f"no candidate {_kind(wanted)} where it is judged")
    return place


def _place(candidates: Sequence[CandidateDocument], wanted: CandidateDocument) -> int | None:
    hedge = wanted["hedge"]
    for index, found in enumerate(candidates):
        if (found["id"], found["hedge"]) == (wanted["id"], hedge):
            return index
    for index, found in enumerate(candidates):
        if _kind(found) == _kind(wanted) and found["hedge"] == hedge:
            return index
    return None


def _figure(rows: Sequence[Judged], *, complete: bool) -> Figure:
    won = [row for row in rows if row.above >= LEAST_ABOVE]
    worst = min(row.above for row in rows)
    names = [way.name for way in rows[0].ways]
    lines = [f"{'link':28}" + "".join(f"{name:>18}" for name in names) + "    above"]
    for row in rows:
        shares = zip(row.streaming, row.on_time, strict=True)
        cells = "".join(f"{f'{score:.3f} ({share:.0%})':>18}" for score, share in shares)
        lines.append(f"{row.case:28}{cells} {100 * row.above:+8.1f}")
    lines += [f"{row.case}: {way.name}: {way.told}" for row in rows for way in row.ways]
    if not complete:
        lines.append("without the recorded traces: no data folder (SPLITWAY_DATA)")
    values: dict[str, Plain] = {
        "worst_above": worst,
        "cases": [
            {
                "link": row.case,
                "streaming_map": dict(zip(names, row.streaming, strict=True)),
                "on_time": dict(zip(names, row.on_time, strict=True)),
                "ways": {way.name: way.told for way in row.ways},
            }
            for row in rows
        ],
    }
    return Figure(
        name="choices",
        what="share of the links where the plan streams at least "
        f"{100 * LEAST_ABOVE:.0f} points of mAP better, out of sample; worst {100 * worst:+.1f} "
        f"(aim {-100 * MOST_BELOW:.0f})",
        rival="the best of edge only, cloud on its best JPEG and the fastest prefix cut",
        ratio=len(won) / len(rows),
        aim=1 / 3,
        more=True,
        values=values,
        lines=tuple(lines),
    )
