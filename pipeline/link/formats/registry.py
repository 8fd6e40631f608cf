"""Trace formats by name and by ending, built-in or a stranger's."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from pipeline.link.formats.protocol import TraceFormat

GROUP = "splitway.traces"
_PAIRED = "mahimahi"  # what a pair of files is where no format is named


@cache
def installed() -> Mapping[str, EntryPoint]:
    """Entry points of all installed formats, by name.

    Raises:
        InputError: Two distributions claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise InputError(
                f"trace format {point.name!r} is claimed by {other.value} and by {point.value}"
            )
    return found


def format_for(paths: tuple[Path, ...], name: str | None) -> TraceFormat:
    """The format of a trace: the one that is named, else by the files.

    Args:
        paths: One file, or the pair of up and down.
        name: Name of the format; None to go by the ending of a single file, and by `mahimahi` for
            a pair, whose files end as they like.

    Raises:
        InputError: There is no such format, it does not load, or it wants another number of files.
    """
    if name is None and len(paths) > 1:
        name = _PAIRED
    if name is None:
        suffix = paths[0].suffix.lower()
        for known in sorted(installed()):
            found = _load(known)
            if suffix in found.suffixes:
                return found
        raise InputError(
            f"{paths[0]}: no trace format has files that end in {suffix or 'nothing'!r}; name one "
            f"with `format`, known: {', '.join(sorted(installed()))}"
        )
    found = _load(name)
    if found.files != len(paths):
        wants = "one file" if found.files == 1 else "a pair of files, `up` and `down`"
        raise InputError(f"trace format {name!r} takes {wants}")
    return found


@cache
def _load(name: str) -> TraceFormat:
    points = installed()
    if name not in points:
        known = ", ".join(sorted(points))
        raise InputError(f"there is no trace format {name!r}; known: {known}")
    try:
        found: TraceFormat = points[name].load()
    except (ImportError, AttributeError) as err:
        raise InputError(
            f"trace format {name!r}: its plug-in {points[name].value} does not load: {err}"
        ) from err
    return found
