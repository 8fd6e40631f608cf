"""`splitway agree`: its options, and what it says to people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table
from pipeline.cli.progress import Watcher
from pipeline.cli.stopping import Stopper

if TYPE_CHECKING:
    from pipeline.api import Agreement
    from pipeline.cli.options import Common
    from pipeline.verdict.agreement_document import (
        AgreedPathDocument,
        AgreementDocument,
        ComparedDocument,
        NoiseDocument,
    )

_INCONCLUSIVE, _SIGNALLED = 3, 128
_WORDS = {"pass": "AGREE", "fail": "DIFFER", "inconclusive": "INCONCLUSIVE"}
_MOST_NOTES = 12


def agree(
    scenario: options.ScenarioFile,
    *,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Live runs; two tell how they vary.")
    ] = 2,
    p50: Annotated[
        float, typer.Option("--p50", min=0, help="Tolerance of p50, % of the modelled one.")
    ] = 5.0,
    p90: Annotated[
        float, typer.Option("--p90", min=0, help="Tolerance of p90, % of the modelled one.")
    ] = 10.0,
    p99: Annotated[
        float, typer.Option("--p99", min=0, help="Tolerance of p99, % of the modelled one.")
    ] = 10.0,
    spans: Annotated[
        float, typer.Option("--spans", min=0, help="Tolerance of a span's median, % of it.")
    ] = 20.0,
    floor: Annotated[
        float, typer.Option("--floor", min=0, help="What a span's median may always differ, ms.")
    ] = 0.5,
    fates: Annotated[
        float, typer.Option("--fates", min=0, max=100, help="Frames with another fate, %.")
    ] = 5.0,
    allow_outside: options.Outside = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: options.Sets = None,
    seed: options.Seed = None,
    out: options.Out = None,
    timeout: options.Timeout = None,
) -> None:
    """Run a scenario in virtual time and live: do they agree, per path and per span?"""
    from pipeline.verdict.agreement import Tolerances

    common = options.common(
        json=json,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        folder=folder,
        timeout=timeout,
    )
    stopper = Stopper(common.timeout_s)
    stopper.install()
    watcher = _Watcher(common, stopper, driver="virtual and live", seed=seed)
    try:
        found = api.agree(
            scenario,
            api.Options(seed=seed, overrides=tuple(sets or ()), allow_outside=allow_outside),
            repeats=repeats,
            tolerances=Tolerances(
                p50=p50 / 100,
                p90=p90 / 100,
                p99=p99 / 100,
                spans=spans / 100,
                floor_ns=round(floor * 1e6),
                fates=fates / 100,
            ),
            out=out,
            observer=watcher,
        )
    finally:
        watcher.close()
    if common.json:
        print_json(found.document)
    else:
        print_agreement(common, found)
    code = found.exit_code
    if found.failure is not None:
        print(f"splitway: {found.failure}", file=sys.stderr)
    elif found.document["partial"]:
        code = _INCONCLUSIVE if stopper.timed_out else _SIGNALLED + (stopper.signal or 2)
    raise typer.Exit(code)


class _Watcher(Watcher):
    """Says which of the runs begins."""

    def stage(self, name: str) -> None:
        """Say that a run, or a part of one, begins."""
        super().stage(name)
        if name == "virtual" or name.startswith("live-"):
            self._fates.clear()
            self._say(f" run     {name}")


def print_agreement(common: Common, found: Agreement) -> None:
    """Modelled and live figures side by side, what differs, and how quiet the host was."""
    document = found.document
    print()
    for path in document["paths"]:
        _print_path(common, path)
    if common.verbose:
        _print_costs(common, document)
    for line in _noise_lines(document):
        print(f" noise   {line}")
    print(f" allowed {_allowed(document)}")
    for differs in document["differ"]:
        by = differs["difference_ms"]
        print(
            f" differs {differs['path']}: {differs['figure']}"
            + ("" if by is None else f" by {by:+.2f} ms")
        )
    notes = document["notes"]
    for note in notes if common.verbose else notes[:_MOST_NOTES]:
        print(f" note    {note}")
    if len(notes) > _MOST_NOTES and not common.verbose:
        print(f" note    and {len(notes) - _MOST_NOTES} more, with -v")
    print()
    runs = len(document["runs"]) - 1
    tail = " (partial)" if document["partial"] else ""
    live = f"{runs} live run{'s' if runs != 1 else ''}"
    print(f"{_WORDS[document['verdict']]}  {live}{tail}   {found.directory}")


def _print_path(common: Common, path: AgreedPathDocument) -> None:
    live = path["live_kind"]
    print(f"{path['name']}  ({path['frames']} frames; ms)")
    rows = [
        (
            figure["name"],
            figure["answer"] or "n/a",
            _ms(figure["modelled_ms"]),
            _ms(figure["live_ms"]),
            _signed(figure["difference_ms"]),
            _percent(figure["difference_share"]),
            _interval(figure),
            "" if figure["tolerance_ms"] is None else f"±{figure['tolerance_ms']:.2f}",
            "" if figure["spread_ms"] is None else f"{figure['spread_ms']:.2f}",
            str(figure["frames"]),
        )
        for figure in (*path["percentiles"], *path["spans"])
    ]
    header = (
        "",
        "",
        "modelled",
        live,
        "live less modelled",
        "",
        "95 % interval",
        "allowed",
        "live runs apart",
        "frames",
    )
    yielding = ("frames", "live runs apart", "95 % interval")
    print_table(common, header, rows, left=2, yielding=yielding)
    for figure in (*path["percentiles"], *path["spans"]):
        if figure["reason"] is not None:
            print(f"  {figure['name']}: {figure['reason']}")
    fates = path["fates"]
    if fates["same"] is not None:
        apart = "" if fates["same_live"] is None else f", live runs {fates['same_live']:.1%}"
        changes = ", ".join(
            f"{change['virtual']}→{change['live']} {change['frames']}"
            for change in fates["changes"][:4]
        )
        print(
            f"  fates {fates['answer']}: the same for {fates['same']:.1%} of frames{apart}"
            + (f"; {changes}" if changes else "")
        )
    print(
        f"  missed: modelled {path['virtual_miss_rate']:.1%}, {live} {path['live_miss_rate']:.1%}"
    )
    print()


def _print_costs(common: Common, document: AgreementDocument) -> None:
    rows = [
        (
            cost["what"],
            cost["task"],
            cost["where"],
            "" if cost["bytes"] is None else f"{cost['bytes']:,}".replace(",", " "),
            f"{cost['modelled_ms']:.3f}",
            "" if cost["own_ms"] is None else f"{cost['own_ms']:.3f}",
            f"{cost['live_ms']:.3f}",
            str(cost["seen"]),
        )
        for cost in document["host_costs"]
    ]
    print("host stages and hops  (medians, ms; alone: without handing over)")
    header = ("", "task", "where", "bytes", "modelled", "live, alone", "live", "seen")
    print_table(common, header, rows, left=3, yielding=("seen", "bytes"))
    print()


def _noise_lines(document: AgreementDocument) -> list[str]:
    return [_noise_line(sign) for sign in document["noise"]]


def _noise_line(sign: NoiseDocument) -> str:
    told = f"{sign['run']}: {sign['sign'].replace('-', ' ')}"
    if sign["value"] is not None:
        unit = " ms at p99" if sign["unit"] else ""
        limit = "" if sign["limit"] is None else f", limit {sign['limit']:.2f}"
        told += f" {sign['value']:.2f}{unit}{limit}"
    return told + (": too noisy" if sign["noisy"] else "")


def _allowed(document: AgreementDocument) -> str:
    allowed = document["tolerances"]
    return (
        f"p50 {allowed['p50']:.3g}, p90 {allowed['p90']:.3g}, p99 {allowed['p99']:.3g}, spans "
        f"{allowed['spans']:.3g} of the modelled figure, spans at least "
        f"{allowed['spans_floor_ms']:g} ms; {allowed['fates']:.3g} of the fates"
    )


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.1f} %"


def _interval(figure: ComparedDocument) -> str:
    interval = figure["interval_ms"]
    if interval is None:
        return ""
    return " … ".join("∞" if end is None else f"{end:+.2f}" for end in interval)
