"""Options that every verb takes, and what they come to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")]
Verbose = Annotated[
    int, typer.Option("--verbose", "-v", count=True, help="More detail; -vv shows tracebacks.")
]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text (also: NO_COLOR).")]
Folder = Annotated[
    Path | None, typer.Option("-C", metavar="DIR", help="Change to this folder first.")
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a key, as in run.loop=3; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="In place of the scenario's.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Directory that is written to.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, help="Stop cleanly after so long."),
]
Outside = Annotated[
    bool, typer.Option("--allow-outside", help="Let paths leave the scenario's folder.")
]
ScenarioFile = Annotated[Path, typer.Argument(metavar="SCENARIO", help="A scenario file.")]

OptionalScenario = Annotated[
    Path | None, typer.Argument(metavar="SCENARIO", help="A scenario file.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the options of every verb come to.

    Attributes:
        json: Whether standard output carries one JSON document.
        quiet: Whether progress is left out.
        verbose: 0, 1 or more.
        color: Whether colours may be used.
        timeout_s: Seconds after which a run stops; None for never.
    """

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool = True
    timeout_s: float | None = None


def common(
    *,
    json: bool,
    quiet: bool,
    verbose: int,
    no_color: bool,
    folder: Path | None,
    timeout: float | None = None,
) -> Common:
    """Take over the options, and change to the folder that they name.

    Raises:
        typer.BadParameter: There is no such folder.
    """
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as err:
            raise typer.BadParameter(f"{folder}: {err.strerror}", param_hint="-C") from err
    color = not no_color and "NO_COLOR" not in os.environ
    return Common(json=json, quiet=quiet, verbose=verbose, color=color, timeout_s=timeout)
