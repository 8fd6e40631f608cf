"""The verbs of `splitway`: parse, call `pipeline.api`, print, and answer with an exit code."""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.agreeing import agree
from pipeline.cli.caching import cache_document, print_cache
from pipeline.cli.calibrating import calibrate
from pipeline.cli.demonstrating import print_standings
from pipeline.cli.devices import devices, price
from pipeline.cli.explaining import print_explanation
from pipeline.cli.mapping import print_map
from pipeline.cli.planning import print_plan
from pipeline.cli.printing import print_json, print_rerun, print_result
from pipeline.cli.progress import Watcher
from pipeline.cli.quantising import quantize
from pipeline.cli.reasoning import plan_diff
from pipeline.cli.recording import rec
from pipeline.cli.scoring import score
from pipeline.cli.siting import plan_sites
from pipeline.cli.stopping import Stopper
from pipeline.cli.synthesising import synth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FAILED, _INPUT, _INCONCLUSIVE, _INFRASTRUCTURE = 1, 2, 3, 4
_SIGNALLED = 128

app = typer.Typer(
    name="splitway",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Replay recorded drives through a perception stack split between car and cloud, "
    "and judge every deadline.",
)


@app.command()
def demo(
    *,
    virtual: Annotated[bool, typer.Option("--virtual", help="In virtual time.")] = False,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not hold the plan against simpler ones.")
    ] = False,
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
    """Replay the built-in drive through the built-in networks, and say what simpler plans score."""
    common = options.common(
        json=json,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        folder=folder,
        timeout=timeout,
    )
    with _watching(common, seed, virtual=virtual) as (stopper, watcher):
        found = api.demo(
            _options(sets, seed, allow_outside=False),
            virtual=virtual,
            out=out,
            alone=alone,
            observer=watcher,
        )
    if common.json:
        print_json(found.document())
    else:
        print_result(common, found.result)
        print_standings(common, found)
    _leave(found.result, stopper, cut_short=found.cut_short)


@app.command()
def run(
    scenario: options.ScenarioFile,
    *,
    virtual: Annotated[bool, typer.Option("--virtual", help="In virtual time.")] = False,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Keep pictures with the results drawn in.")
    ] = False,
    soft: Annotated[bool, typer.Option("--soft", help="Exit 0 where a gate failed.")] = False,
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", metavar="FILE", help="Run what this plan file decided."),
    ] = None,
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
    """Replay a scenario and judge it: live over ZeroMQ, or in virtual time."""
    common = options.common(
        json=json,
        quiet=quiet,
        verbose=verbose,
        no_color=no_color,
        folder=folder,
        timeout=timeout,
    )
    _run(
        common,
        scenario,
        sets,
        seed,
        out,
        virtual=virtual,
        annotate=annotate,
        soft=soft,
        plan_file=plan_file,
        allow_outside=allow_outside,
    )


@app.command()
def check(
    scenario: options.OptionalScenario = None,
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of scenario files.")
    ] = False,
    allow_outside: options.Outside = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: options.Sets = None,
    seed: options.Seed = None,
) -> None:
    """Validate a scenario with everything it names: drive, models, devices, routes; run nothing."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    if schema:
        from pipeline.scenario import Scenario

        print_json(Scenario.model_json_schema(by_alias=True))
        return
    if scenario is None:
        raise typer.BadParameter("name a scenario file, or ask for --schema")
    found = api.check(scenario, _options(sets, seed, allow_outside=allow_outside))
    if common.json:
        print_json(
            {
                "schema": "splitway.check/1",
                "scenario": found.loaded.scenario.name,
                "frames": found.facts.frames,
                "streams": {
                    name: {"frames": stream.frames, "width": stream.width, "height": stream.height}
                    for name, stream in found.facts.streams.items()
                },
                "numerics": {task.task: list(task.numerics) for task in found.plan.tasks},
                "warnings": list(found.warnings),
            }
        )
        return
    streams = found.facts.streams
    told = ", ".join(
        f"{name + ' ' if len(streams) > 1 else ''}{stream.frames} frames of "
        f"{stream.width}×{stream.height}"
        for name, stream in streams.items()
    )
    print(f"{scenario}: ok: {told}, {len(found.plan.tasks)} tasks")
    for task in found.plan.tasks:
        for line in task.numerics:
            print(f" {task.task}: {line}")
    for warning in found.warnings:
        print(f" warning {warning}")


@app.command()
def plan(
    scenarios: Annotated[
        list[Path],
        typer.Argument(metavar="SCENARIO", help="A scenario file; with --diff two plans."),
    ],
    *,
    percentile: Annotated[
        float, typer.Option("--percentile", help="Percentile that latencies are predicted at.")
    ] = 99.0,
    mapped: Annotated[
        bool, typer.Option("--map", help="Draw the plan over uplink rate, round trip and load.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="How two plans differ: files, runs or scenarios.")
    ] = False,
    sites: Annotated[
        bool, typer.Option("--sites", help="Compare every cloud site that is known by name.")
    ] = False,
    site: Annotated[
        list[Path] | None,
        typer.Option("--site", metavar="FILE", help="A site of your own beside them; repeatable."),
    ] = None,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Show only candidates that no other one beats.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--all", help="Show every candidate, not only those that matter.")
    ] = False,
    allow_outside: options.Outside = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: options.Sets = None,
    seed: options.Seed = None,
    out: options.Out = None,
) -> None:
    """Price every route of every task: edge, raw, encoded, the best split per codec; and why."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    given = _options(sets, seed, allow_outside=allow_outside)
    if len(scenarios) != (2 if diff else 1):
        wanted = "two plans or scenarios with --diff" if diff else "one scenario file"
        raise typer.BadParameter(f"name {wanted}", param_hint="SCENARIO")
    scenario = scenarios[0]
    if diff:
        plan_diff(common, scenario, scenarios[1], given)
    if sites or site:
        plan_sites(
            common,
            scenario,
            given,
            percentile=percentile,
            files=site or [],
            out=out,
        )
        return
    _, document = api.plan(
        scenario, given, percentile=percentile, mapped=mapped, as_file=out is not None
    )
    if out is not None:
        from replay.evidence import write_json

        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "plan.json", document)
    if common.json:
        print_json(document)
    else:
        print_plan(common, document, pareto=pareto, whole=whole)
        print_map(common, document)


@app.command()
def rerun(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.")],
    *,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Feed a run's event logs to fresh cores: the same commands and ledger, files unaltered?"""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    result = api.rerun(directory)
    if common.json:
        divergence = result.divergence
        print_json(
            {
                "schema": "splitway.rerun/1",
                "same": result.same,
                "divergence": None
                if divergence is None
                else {
                    "node": divergence.node,
                    "line": divergence.line,
                    "at_ns": divergence.at_ns,
                    "what": divergence.what,
                },
                "ledger_difference": result.ledger_difference,
                "events": result.events,
                "rows": result.rows,
                "hash": result.hash,
                "altered": list(result.altered),
            }
        )
    else:
        print_rerun(result)
    raise typer.Exit(0 if result.same and not result.altered else _FAILED)


app.command()(agree)
app.command()(synth)
app.add_typer(rec)
app.command()(score)
app.command()(calibrate)
app.command()(quantize)


@app.command()
def explain(
    directory: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a run.")],
    *,
    frame: Annotated[
        str | None, typer.Option("--frame", metavar="PATH/N", help="This frame alone, in full.")
    ] = None,
    most: Annotated[
        int, typer.Option("--most", min=0, help="Misses to replay; the others are blamed only.")
    ] = 200,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Say why frames missed their deadlines, and which spans at their medians would have met."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    document = api.explain(directory, frame=frame, most=most)
    if common.json:
        print_json(document)
    else:
        print_explanation(common, document, single=frame is not None)


app.command()(price)
app.command()(devices)


@app.command()
def cache(
    *,
    clear: Annotated[
        bool, typer.Option("--clear", help="Empty it, except of what a run uses now.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Look at the cache of computed results, or empty it."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    report = api.cache(clear=clear)
    if common.json:
        print_json(cache_document(report))
    else:
        print_cache(report)


# -- shared ----------------------------------------------------------------------------------------


def _options(sets: list[str] | None, seed: int | None, *, allow_outside: bool) -> api.Options:
    return api.Options(seed=seed, overrides=tuple(sets or ()), allow_outside=allow_outside)


def _run(
    common: options.Common,
    scenario: Path,
    sets: list[str] | None,
    seed: int | None,
    out: Path | None,
    *,
    virtual: bool,
    annotate: bool,
    soft: bool = False,
    plan_file: Path | None = None,
    allow_outside: bool = False,
) -> None:
    with _watching(common, seed, virtual=virtual) as (stopper, watcher):
        result = api.run(
            scenario,
            _options(sets, seed, allow_outside=allow_outside),
            virtual=virtual,
            out=out,
            annotate=annotate,
            plan_file=plan_file,
            observer=watcher,
        )
    if common.json:
        print_json(result.document)
    else:
        print_result(common, result)
    _leave(result, stopper, soft=soft)


@contextmanager
def _watching(
    common: options.Common, seed: int | None, *, virtual: bool
) -> Iterator[tuple[Stopper, Watcher]]:
    """Show how a run gets on, and stop it when asked to."""
    stopper = Stopper(common.timeout_s)
    stopper.install()
    watcher = Watcher(common, stopper, driver="virtual" if virtual else "live", seed=seed)
    try:
        yield stopper, watcher
    finally:
        watcher.close()


def _leave(
    result: api.Result, stopper: Stopper, *, soft: bool = False, cut_short: bool = False
) -> NoReturn:
    """Exit with a run's code; `cut_short` where what comes behind it was stopped."""
    if result.failure is not None:
        print(f"splitway: {result.failure}", file=sys.stderr)
    code = result.exit_code
    if result.failure is None and (result.document["partial"] or cut_short):
        code = _INCONCLUSIVE if stopper.timed_out else _SIGNALLED + (stopper.signal or 2)
    if soft and code == _FAILED:
        print("splitway: a gate failed; --soft makes that exit 0", file=sys.stderr)
        code = 0
    raise typer.Exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: errors become one clear message on standard error and an exit code.

    Typer answers for itself: 2 on misuse, 130 on Ctrl-C.
    """
    from accelerators.errors import AcceleratorError
    from pipeline.errors import InfrastructureError, PipelineError
    from replay.errors import ReplayError
    from sensors.errors import SensorError

    chosen = list(sys.argv[1:] if arguments is None else arguments)
    traced = "-vv" in chosen or chosen.count("-v") + chosen.count("--verbose") > 1
    try:
        app(chosen, prog_name="splitway")
    except (InfrastructureError, ReplayError) as err:
        code = _say(err, _INFRASTRUCTURE, traced=traced)
    except (PipelineError, AcceleratorError, SensorError) as err:
        code = _say(err, _INPUT, traced=traced)
    except OSError as err:
        code = _say(err, _INFRASTRUCTURE, traced=traced)
    except Exception as err:  # noqa: BLE001 - a bug: said so, and no bare traceback
        print("splitway: this is a bug; -vv shows the traceback", file=sys.stderr)
        code = _say(err, _INFRASTRUCTURE, traced=traced)
    else:
        code = 0
    sys.exit(code)


def _say(err: BaseException, code: int, *, traced: bool) -> int:
    if traced:
        traceback.print_exception(err)
    text = str(err) or type(err).__name__
    print(text if "\n" in text else f"splitway: {text}", file=sys.stderr)
    return code
