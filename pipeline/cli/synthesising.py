"""`splitway synth`: its options, its progress, and what it says to people."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import api
from pipeline.cli import options
from pipeline.cli.printing import print_json, print_table
from pipeline.cli.stopping import Stopper
from replay.clock import WallClock

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from pipeline.api import Synthesised
    from pipeline.cli.options import Common
    from sensors.frames import Stream

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_MB = 1_000_000
_LINE_EVERY_NS = 10_000_000_000
_DRAW_EVERY_NS = 100_000_000
_SIZE = re.compile(r"(\d{1,5})[x×](\d{1,5})")


def synth(
    scene: Annotated[
        str, typer.Argument(metavar="SCENE", help="highway, urban, intersection or tunnel.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The recording, such as d.mcap.")
    ],
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Length of the drive.")
    ] = 20.0,
    cameras: Annotated[
        str,
        typer.Option("--cameras", metavar="NAMES", help="Of front, left, right, rear; or none."),
    ] = "front",
    lidar: Annotated[bool, typer.Option("--lidar/--no-lidar", help="With sweeps.")] = True,
    motion: Annotated[
        bool, typer.Option("--motion/--no-motion", help="With poses and inertial samples.")
    ] = True,
    size: Annotated[
        str, typer.Option("--size", metavar="WxH", help="Pixels of every camera.")
    ] = "640x384",
    fps: Annotated[float, typer.Option("--fps", min=0.1, max=240, help="Camera frames/s.")] = 10.0,
    quality: Annotated[
        int, typer.Option("--quality", min=1, max=100, help="Of the JPEG pictures.")
    ] = 90,
    png: Annotated[bool, typer.Option("--png", help="Pictures without loss, larger.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="PLACE", help="Frames with labels: a .png, or a folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    no_color: options.NoColor = False,
    folder: options.Folder = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the scene; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another world.")] = 0,
) -> None:
    """Write a synthetic drive with exact labels as an MCAP file; same seed, same bytes."""
    common = options.common(
        json=json, quiet=quiet, verbose=verbose, no_color=no_color, folder=folder
    )
    width, height = _size(size)
    from sensors.recording.encoding import PictureCoding

    settings = api.SynthSettings(
        scene=scene,
        seed=seed,
        length_ns=round(seconds * _NS_PER_S),
        sensors=_sensors(cameras, lidar=lidar, motion=motion),
        width=width,
        height=height,
        camera_ns=round(_NS_PER_S / fps),
        changes=tuple(sets or ()),
        coding=PictureCoding(form="png" if png else "jpeg", quality=quality),
        picture=picture,
        force=force,
    )
    Stopper(None).install()  # either signal ends the command; the unfinished file goes with it
    shown = _Shown(common)
    try:
        made = api.synth(settings, output, shown)
    finally:
        shown.close()
    if common.json:
        print_json(synth_document(made, settings))
    else:
        print_synthesised(common, made)


def synth_document(made: Synthesised, settings: api.SynthSettings) -> dict[str, object]:
    """What was made, as `--json` prints it, schema `splitway.synth/1`."""
    return {
        "schema": "splitway.synth/1",
        "path": str(made.path),
        "bytes": made.bytes,
        "sha256": made.sha256,
        "scene": settings.scene,
        "seed": settings.seed,
        "seconds": settings.length_ns / _NS_PER_S,
        "streams": {
            stream.name: {
                "kind": stream.kind,
                "frames": made.frames[stream.name],
                "labelled": made.labels.get(stream.name, 0),
                "objects": made.objects.get(stream.name),
                "width": stream.width,
                "height": stream.height,
                "period_ms": _period_ms(stream),
            }
            for stream in made.streams
        },
        "pictures": [str(picture) for picture in made.pictures],
    }


def print_synthesised(common: Common, made: Synthesised) -> None:
    """What was made, for people."""
    print(f"{made.path}: {made.bytes / _MB:.1f} MB, sha256 {made.sha256[:12]}…")
    rows = []
    for stream in made.streams:
        period = _period_ms(stream)
        rows.append(
            (
                stream.name,
                stream.kind,
                f"{stream.width}×{stream.height}" if stream.width else "",
                "" if period is None else f"{period:g} ms",
                str(made.frames[stream.name]),
                str(made.labels.get(stream.name, "")),
                str(made.objects.get(stream.name, "")),
            )
        )
    header = ("stream", "kind", "size", "period", "frames", "labelled", "objects")
    print_table(common, header, rows, left=2)
    if made.pictures:
        more = f" and {len(made.pictures) - 1} more" if len(made.pictures) > 1 else ""
        print(f"pictures: {made.pictures[0]}{more}")


class _Shown:
    """Progress on standard error: a bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, common: Common) -> None:
        self._quiet = common.quiet
        self._clock = WallClock()
        self._began_ns = self._clock.now_ns()
        self._next_ns = 0
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if sys.stderr.isatty() and not common.quiet:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            self._bar = Progress(
                TextColumn(" synth  "),
                BarColumn(bar_width=28),
                TextColumn("{task.completed:.0f}/{task.total:.0f} frames"),
                TextColumn("{task.fields[text]}"),
                console=Console(stderr=True, no_color=not common.color),
                transient=True,
            )
            self._task = self._bar.add_task("synth", total=1, text="")
            self._bar.start()
        else:
            self._next_ns = self._began_ns + _LINE_EVERY_NS

    def __call__(self, frames: int, of: int) -> None:
        """Show how far it is."""
        now_ns = self._clock.now_ns()
        if self._quiet or (now_ns < self._next_ns and frames < of):
            return
        rate = frames * _NS_PER_S / max(1, now_ns - self._began_ns)
        text = f"{rate:.0f}/s"
        if self._bar is not None and self._task is not None:
            self._next_ns = now_ns + _DRAW_EVERY_NS
            self._bar.update(self._task, completed=frames, total=max(1, of), text=text)
        else:
            self._next_ns = now_ns + _LINE_EVERY_NS
            print(f" synth   {frames}/{of} frames, {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _sensors(cameras: str, *, lidar: bool, motion: bool) -> tuple[str, ...]:
    named = [] if cameras == "none" else [name.strip() for name in cameras.split(",")]
    found = [*named, *(["lidar"] if lidar else []), *(["pose", "imu"] if motion else [])]
    if not found:
        raise typer.BadParameter("no sensor is left", param_hint="--cameras")
    return tuple(found)


def _size(text: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size such as 640x384", param_hint="--size")
    return int(found[1]), int(found[2])


def _period_ms(stream: Stream) -> float | None:
    return None if stream.period_ns is None else stream.period_ns / _NS_PER_MS
