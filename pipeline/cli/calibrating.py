"""`splitway calibrate`: a host file, or a device fitted to published or measured figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.conforming import pairs
from pipeline.cli.fitting import calibrate_published
from pipeline.cli.measuring import measure_backend
from pipeline.cli.printing import print_json, print_table
from pipeline.cli.progress import Watcher
from pipeline.cli.stopping import Stopper

if TYPE_CHECKING:
    from pipeline.api import HostCalibration
    from pipeline.cli.options import Common

_INCONCLUSIVE, _SIGNALLED = 3, 128
_NS_PER_MS = 1e6


def calibrate(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="DEVICE|SCENARIO", help="A device, with --from; a scenario file, with --host."
        ),
    ] = None,
    *,
    host: Annotated[
        Path | None,
        typer.Option("--host", metavar="FILE", help="Host file to write, NAME.toml."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--from", metavar="CSV", help="Published figures to fit DEVICE to."),
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option("--measure", metavar="BACKEND", help="Measure it here, and fit a device."),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models", metavar="PATH", help="ONNX files or folders to measure; repeatable."
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="Of the backend; repeatable."),
    ] = None,
    graphs: Annotated[
        Path | None,
        typer.Option("--graphs", metavar="DIR", help="Folder of the graphs that CSV names."),
    ] = None,
    fitted: Annotated[
        Path | None, typer.Option("-o", metavar="FILE", help="Fitted file to write, NAME.toml.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    allow_outside: options.Outside = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: options.Sets = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of the scenario, or of the models left out."),
    ] = None,
    out: options.Out = None,
    timeout: options.Timeout = None,
) -> None:
    """Measure this machine's host or a backend, or fit a device to published figures."""
    common = options.common(
        json=json,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        folder=folder,
        timeout=timeout,
    )
    if sum(given is not None for given in (host, table, measure)) > 1:
        raise typer.BadParameter("give one of --host, --from and --measure", param_hint="--from")
    if measure is None and (models or option):
        raise typer.BadParameter("--models and --option belong to --measure", param_hint="--models")
    if measure is not None:
        if not models or subject is not None or graphs is not None:
            raise typer.BadParameter(
                "with --measure, name the networks with --models, and nothing else",
                param_hint="--measure",
            )
        measure_backend(
            common,
            measure,
            models=models,
            options=pairs(option or (), "--option"),
            out=fitted,
            force=force,
            seed=seed,
        )
        return
    if table is not None:
        if subject is None or graphs is None:
            raise typer.BadParameter(
                "with --from, name a DEVICE and the --graphs", param_hint="--from"
            )
        calibrate_published(
            common, subject, table=table, graphs=graphs, out=fitted, force=force, seed=seed
        )
        return
    if host is None:
        raise typer.BadParameter(
            "give --host FILE, --from CSV or --measure BACKEND", param_hint="--host"
        )
    if graphs is not None or fitted is not None:
        raise typer.BadParameter(
            "--graphs and -o belong to --from, -o to --measure too", param_hint="--host"
        )
    _measure_host(
        common,
        host,
        scenario=None if subject is None else Path(subject),
        settings=api.Options(seed=seed, overrides=tuple(sets or ()), allow_outside=allow_outside),
        out=out,
        force=force,
    )


def _measure_host(
    common: Common,
    host: Path,
    *,
    scenario: Path | None,
    settings: api.Options,
    out: Path | None,
    force: bool,
) -> None:
    stopper = Stopper(common.timeout_s)
    stopper.install()
    watcher = Watcher(common, stopper, driver="live", seed=settings.seed)
    try:
        found = api.calibrate_host(
            host, scenario=scenario, options=settings, out=out, force=force, observer=watcher
        )
    finally:
        watcher.close()
    if common.json:
        print_json(document(found))
    elif not found.exit_code:
        _print(common, found)
    code = found.exit_code
    if found.result.failure is not None:
        print(f"splitway: {found.result.failure}; {host} was not written", file=sys.stderr)
    elif found.exit_code:
        print(f"splitway: stopped; {host} was not written", file=sys.stderr)
        code = _INCONCLUSIVE if stopper.timed_out else _SIGNALLED + (stopper.signal or 2)
    raise typer.Exit(code)


def document(found: HostCalibration) -> dict[str, object]:
    """What was measured as `--json` prints it, schema `splitway.calibrate-host/1`."""
    return {
        "schema": "splitway.calibrate-host/1",
        "file": None if found.exit_code else str(found.file),
        "after": found.old,
        "run": str(found.result.directory),
        "run_verdict": found.result.document["verdict"],
        "costs": [
            {
                "what": cost.what,
                "task": cost.task,
                "where": cost.where,
                "bytes": cost.size_bytes,
                "seen": cost.seen,
                "before_ms": cost.modelled_ns / _NS_PER_MS,
                "live_ms": cost.live_ns / _NS_PER_MS,
            }
            for cost in found.costs
        ],
    }


def _print(common: Common, found: HostCalibration) -> None:
    rows = [
        (
            cost.what,
            cost.task,
            cost.where,
            "" if cost.size_bytes is None else f"{cost.size_bytes:,}".replace(",", " "),
            f"{cost.modelled_ns / _NS_PER_MS:.3f}",
            f"{cost.live_ns / _NS_PER_MS:.3f}",
            str(cost.seen),
        )
        for cost in found.costs
    ]
    print(f"host stages and hops  (medians, ms; before: {found.old})")
    header = ("", "task", "where", "bytes", "before", "live", "seen")
    print_table(common, header, rows, left=3)
    print()
    print(f" wrote    {found.file}")
    print(f" run      {found.result.directory}")
    print(f" use it   sites: {{vehicle: {{host: {found.file.name}}}, …}} in a scenario beside it;")
    print("          then see with `splitway agree` whether it holds")
    if found.result.document["verdict"] == "inconclusive":
        print(
            "splitway: the run was inconclusive, the machine perhaps busy: measure again when it "
            "is quiet",
            file=sys.stderr,
        )
