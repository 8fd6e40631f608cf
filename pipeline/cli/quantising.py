"""`splitway quantize`: a task's network in int8, and what that costs in accuracy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table

_FAILED = 1
_MB = 1e6


def quantize(
    scenario: options.ScenarioFile,
    *,
    file: Annotated[Path, typer.Option("-o", metavar="FILE", help="File to write, NAME.onnx.")],
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="Whose network.")
    ] = None,
    frames: Annotated[
        int, typer.Option("--frames", help="Of the drive: half calibrate, half compare.")
    ] = 32,
    aim: Annotated[
        float, typer.Option("--aim", help="Mean agreement with float32 to reach, 0 to 1.")
    ] = 0.95,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="OPERATOR", help="Stays float32; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    allow_outside: options.Outside = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: options.Sets = None,
    seed: options.Seed = None,
) -> None:
    """Write a task's network in int8, calibrated on the drive; exit 1 where it misses --aim."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )

    def tell(text: str) -> None:
        if not common.quiet:
            print(f"splitway: {text}", file=sys.stderr)

    found = api.quantize(
        scenario,
        file,
        task=task,
        options=api.Options(seed=seed, overrides=tuple(sets or ()), allow_outside=allow_outside),
        frames=frames,
        aim=aim,
        keep=keep or (),
        force=force,
        tell=tell,
    )
    if common.json:
        print_json(api.quantized_document(found))
    else:
        _print(common, found)
    raise typer.Exit(0 if found.reached else _FAILED)


def _print(common: options.Common, found: api.Quantised) -> None:
    print(
        f"{found.task}: {found.model} in int8, ranges from {found.calibrated} frames, compared "
        f"with float32 on {found.compared} others"
    )
    rows = [
        (
            each.scheme,
            str(len(each.kept)),
            f"{each.agreement:.3f}",
            f"{each.worst:.3f}",
            f"{100 * each.off:.2f} %",
            f"{each.bytes / _MB:.2f}",
            "◀" if each is found.chosen else "",
        )
        for each in found.rounds
    ]
    header = ("activations", "in float32", "agreement", "worst frame", "outputs off", "MB", "")
    print_table(common, header, rows, left=1)
    for name in found.chosen.kept:
        print(f" float32  {name}")
    print(f" wrote    {found.file}  ({found.float_bytes / _MB:.2f} MB in float32)")
    if not found.reached:
        print(f" missed   agreement {found.chosen.agreement:.3f}, asked for {found.aim:g}")
