"""Several runs of one drive on one front: bytes, deadlines, streaming accuracy and energy."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.api.calls import load_result
from pipeline.api.scoring import Front, FrontEntry
from pipeline.api.scoring_evidence import (
    Scorable,
    open_run,
    require_same_drive,
    rows_of,
    score_directory,
    tasks_of,
)
from pipeline.errors import EvidenceError, ScoringError
from pipeline.plan.steps import Run
from pipeline.scoring.front import pareto

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.api.scoring import ScoreOptions, ScoreReport
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.config import TaskConfig

_PJ_PER_MJ = 1_000_000_000


def make_front(directories: Sequence[Path], wanted: ScoreOptions) -> Front:
    """Put several runs on one front; see `pipeline.api.scoring.front`."""
    runs = [open_run(directory) for directory in directories]
    tasks = [task for task in tasks_of(runs[0], wanted) if all(task in r.facts.tasks for r in runs)]
    if not tasks:
        raise ScoringError("the runs have no task in common")
    for other in runs[1:]:
        require_same_drive(runs[0], other, tasks)
    reports = [score_directory(directory, wanted) for directory in directories]
    found: dict[str, tuple[FrontEntry, ...]] = {}
    compared: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        entries = [_entry(run, report, task) for run, report in zip(runs, reports, strict=True)]
        costs = [_costs(entry) for entry in entries]
        compared[task] = tuple(n for n in costs[0] if all(c[n] is not None for c in costs))
        marks = pareto([[cost[name] for name in compared[task]] for cost in costs])
        found[task] = tuple(replace(e, best=b) for e, b in zip(entries, marks, strict=True))
    return Front(tasks=found, compared=compared, reports=tuple(reports))


def _costs(entry: FrontEntry) -> dict[str, float | None]:
    """What is compared; less is better."""
    return {
        "bytes_up": entry.bytes_up,
        "on_time": -entry.on_time,
        "streaming": None if entry.streaming is None else -entry.streaming,
        "energy_mj": entry.energy_mj,
    }


def _entry(run: Scorable, report: ScoreReport, task: str) -> FrontEntry:
    path = run.path_of(task)
    name = "" if path is None else path.name
    rows = [row for row in rows_of(run) if row.path == name]
    counted = max(1, len(rows))
    score = report.scores.get(task)
    energy_mj = _energy_mj(run, task, rows, own=path is not None and path.task == task)
    figures = {} if score is None else score.figures
    streaming = figures.get("streaming_map")
    return FrontEntry(
        run=str(run.directory.path),
        scenario=load_result(run.directory.path)["scenario"],
        route=_route(run.directory.path, task),
        bytes_up=sum(row.bytes_up for row in rows) / counted,
        on_time=sum(row.fate in ("cloud", "edge") for row in rows) / counted,
        streaming=figures.get("streaming_miou") if streaming is None else streaming,
        energy_mj=None if energy_mj is None else energy_mj / counted,
    )


def _energy_mj(run: Scorable, task: str, rows: Sequence[Row], *, own: bool) -> float | None:
    """Energy of the devices over all rows, as the plan prices it.

    A route that was started counts whole, and so does the hedge of a frame that it answered; a
    frame that was dropped costs nothing. None where a device has no power figure.
    """
    config = run.stored.core.tasks[task]
    total_pj = 0
    known: dict[frozenset[str], int | None] = {}
    for row in rows:
        if row.fate == "dropped":
            continue
        routes = frozenset({config.route.id})  # of a set of sensors rows name the set's route
        if own:
            routes = frozenset((row.route_planned, row.route_delivered)) - {""}
        if routes not in known:
            known[routes] = _energy_pj(config, routes)
        energy_pj = known[routes]
        if energy_pj is None:
            return None
        total_pj += energy_pj
    return total_pj / _PJ_PER_MJ


def _energy_pj(config: TaskConfig, routes: frozenset[str]) -> int | None:
    places = {place for route, own in config.routes if route.id in routes for place in own}
    steps = [config.steps[place] for place in places]
    energies = [step.energy_pj for step in steps if isinstance(step.step, Run)]
    return None if None in energies else sum(e for e in energies if e is not None)


def _route(directory: Path, task: str) -> str:
    """What the plan runs of a task, in a word or two."""
    file = directory / "plan.json"
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
        found = next(entry for entry in plan["tasks"] if entry["name"] == task)
        candidate = found["candidates"][found["run"]]
        codecs = "+".join(dict.fromkeys(candidate["codecs"].values()))
        return f"{candidate['route']} {codecs}".strip()
    except OSError as err:
        raise EvidenceError(f"{file}: {err.strerror}") from err
    except (ValueError, KeyError, TypeError, IndexError, StopIteration) as err:
        raise EvidenceError(f"{file}: is not what a run writes: {err}") from err
