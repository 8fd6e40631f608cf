"""The verb `score`: how right the results of runs are, in their own time and in the world's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.api.scoring import Front, FrontEntry, ScoreReport
    from pipeline.cli.options import Common
    from pipeline.scoring.scores import TaskScore

_GROUPS = (
    ("accuracy", ("map", "ap50", "ap75", "ap_2m", "nds", "miou", "map_all", "coverage")),
    (
        "streaming",
        (
            *("streaming_map", "streaming_ap50", "streaming_nds", "streaming_forecast_map"),
            *("streaming_miou", "mean_lag_frames", "most_lag_frames", "mean_age_ms", "without"),
        ),
    ),
    ("by place", ("edge_map", "cloud_map", "edge_miou", "cloud_miou")),
    ("errors", ("ate_m", "ase", "aoe_rad", "ave_mps", "ade_m", "fde_m", "miss_rate_2m")),
    ("sizes", ("ap_small", "ap_medium", "ap_large", "ar_100")),
    ("tracks", ("mota", "motp", "idf1", "hota", "switches")),
    ("misses", ("safety_misses", "streaming_safety_misses")),
)


_COMPARED = ("bytes_up", "on_time", "streaming", "energy_mj")


def score(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Directories of runs; several share one front."),
    ],
    *,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="RUN", help="A run whose results count as true."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="PATH", help="A labelled recording of the drive."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", metavar="NAME", help="This task; repeatable.")
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME=OTHER",
            help="A class that stands for another, as in person=pedestrian; repeatable.",
        ),
    ] = None,
    least: Annotated[
        float,
        typer.Option(
            "--least", min=0, max=1, help="Of --against: score from which on a box is believed."
        ),
    ] = 0.5,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Score what runs delivered: accuracy, streaming accuracy, agreement; several on one front."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    if against is not None and labels is not None:
        raise typer.BadParameter("score against labels or a run, not both", param_hint="--against")
    wanted = api.ScoreOptions(
        tasks=tuple(task or ()),
        labels=labels,
        against=against,
        least_score=least,
        classes=_classes(classes or []),
    )
    if len(runs) > 1:
        found = api.front(runs, wanted)
        if common.json:
            print_json(found.document())
        else:
            print_front(common, found)
        return
    report = api.score_run(runs[0], wanted)
    if common.json:
        print_json(report.document())
    else:
        print_report(common, report)


def _classes(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, other = pair.partition("=")
        if not (name and equals and other):
            raise typer.BadParameter(f"must be NAME=OTHER, got {pair!r}", param_hint="--class")
        found[name] = other
    return found


def print_report(common: Common, report: ScoreReport) -> None:
    """Figures of every task in groups, and by class."""
    for score_ in report.scores.values():
        _print_task(common, score_)
    for name, why in report.unscored.items():
        print(f" left out  {name}: {why}")
    for note in report.notes:
        print(f" note      {note}")


def _print_task(common: Common, found: TaskScore) -> None:
    print(
        f"{found.task}  ({found.kind.replace('_', ' ')} of {found.path}; {found.labelled} labelled "
        f"frames, {found.results} with a result; against {found.against})"
    )
    for title, names in _GROUPS:
        shown = [
            f"{name} {_figure(value)}"
            for name in names
            if (value := found.figures[name]) is not None
        ]
        if shown:
            print(f" {title:10}{' · '.join(shown)}")
    if found.by_class:
        keys = list(dict.fromkeys(key for row in found.by_class.values() for key in row))
        rows = [
            (name, *(_figure(row.get(key)) for key in keys)) for name, row in found.by_class.items()
        ]
        print_table(common, ("class", *keys), rows)
    if found.unscored:
        print(f" labelled and never found: {', '.join(found.unscored)}")
    if common.verbose:
        for name, why in found.reasons.items():
            print(f" {name}: {why}")
    print()


def print_front(common: Common, found: Front) -> None:
    """Runs side by side, those on the front marked."""
    for name, entries in found.tasks.items():
        print(f"{name}  (per offered frame; energy as the plan prices it; * nothing beats it)")
        header = ("", "run", "route", "up B", "on time", "streaming", "mJ")
        print_table(common, header, [_row(entry) for entry in entries], left=3)
        missing = [what for what in _COMPARED if what not in found.compared[name]]
        if missing:
            print(f" not compared, since some run has none: {', '.join(missing)}")
        print()
    _print_left_out(found)


def _print_left_out(found: Front) -> None:
    said: Mapping[str, str] = {
        f"{report.directory}: {task}": why
        for report in found.reports
        for task, why in report.unscored.items()
    }
    for what, why in said.items():
        print(f" left out  {what}: {why}")


def _row(entry: FrontEntry) -> tuple[str, ...]:
    return (
        "*" if entry.best else "",
        f"{Path(entry.run).name} ({entry.scenario})",
        entry.route,
        f"{entry.bytes_up:,.0f}".replace(",", " "),
        f"{100 * entry.on_time:.1f} %",
        _figure(entry.streaming),
        "n/a" if entry.energy_mj is None else f"{entry.energy_mj:.2f}",
    )


def _figure(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
