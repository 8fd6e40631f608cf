"""`splitway rec`: its verbs, and what they say to people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table
from pipeline.cli.stopping import Stopper

if TYPE_CHECKING:
    from sensors.recording import Recovered

_NOTHING, _WITH_LOSS = 1, 3
_MB = 1_000_000

rec = typer.Typer(
    name="rec", no_args_is_help=True, help="Look at recordings, and save what is whole of one."
)


@rec.command()
def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An MCAP file.")],
    *,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """List the topics of an MCAP file, and which of them a scenario can replay."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    found = api.rec_info(file)
    if common.json:
        topics = {
            topic.name: {
                "schema": topic.schema or None,
                "encoding": topic.encoding,
                "messages": topic.messages,
                "stream": found.streams.get(topic.name),
            }
            for topic in found.topics
        }
        document = {"schema": "splitway.rec.info/1", "path": str(file), "bytes": found.bytes}
        print_json({**document, "topics": topics})
        return
    print(f"{file}: {found.bytes / _MB:.1f} MB, {len(found.topics)} topics")
    rows = [
        (topic.name, found.streams.get(topic.name, ""), topic.schema, str(topic.messages))
        for topic in found.topics
    ]
    print_table(common, ("topic", "stream of", "schema", "messages"), rows, left=3)


@rec.command()
def recover(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An MCAP file, cut off or damaged.")],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The new recording.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
) -> None:
    """Save what is whole of an MCAP file; exit code 0 without loss, 3 with loss, 1 for nothing."""
    from sensors.errors import RecordingCorruptError

    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    Stopper(None).install()  # either signal ends the command; the unfinished file goes with it
    try:
        found = api.rec_recover(file, output, force=force)
    except RecordingCorruptError as error:
        print(f"splitway: {error}", file=sys.stderr)
        raise typer.Exit(_NOTHING) from error
    if common.json:
        print_json(
            {
                "schema": "splitway.rec.recover/1",
                "path": str(output),
                "whole": found.whole,
                "messages": found.messages,
                "damaged": found.damaged,
                "strays": found.strays,
                "missing_bytes": found.missing_bytes,
                "cut_off": found.cut_off,
            }
        )
    else:
        print(f"{output}: {found.messages} messages, {_told(found)}")
    raise typer.Exit(0 if found.whole else _WITH_LOSS)


def _told(found: Recovered) -> str:
    if found.whole:
        return "nothing was lost"
    parts = []
    if found.cut_off:
        parts.append(f"the end is missing after {found.missing_bytes} bytes that are not whole")
    if found.damaged:
        parts.append(f"{found.damaged} damaged records are left out")
    if found.strays:
        parts.append(f"{found.strays} messages whose frame is lost are left out")
    return "; ".join(parts)
