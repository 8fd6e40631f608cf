"""How much of the result cache is kept: a limit in bytes, and what a run still needs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.runtime.results import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_VARIABLE = "SPLITWAY_CACHE_LIMIT"
DEFAULT_LIMIT_BYTES = 20_000_000_000

_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30}
_LOW_WATER = Fraction(9, 10)  # of the limit, so that not every pass has to remove something
_SWEEP_AFTER_NS = 3_600_000_000_000  # no writer takes an hour over one file
_IN_USE = ".in-use"
_FOLDER = re.compile("[0-9a-f]{2}")


def cache_limit() -> int:
    """Bytes that the result cache may hold: `SPLITWAY_CACHE_LIMIT`, such as `20GB`.

    Raises:
        InputError: The variable holds no size.
    """
    text = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not text:
        return DEFAULT_LIMIT_BYTES
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)", text)
    if found is None or found[2] not in _UNITS:
        raise InputError(
            f"{LIMIT_VARIABLE} must be a size with a unit ({', '.join(_UNITS)}), such as 20GB, "
            f"got {text[:40]!r}"
        )
    return int(Fraction(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What lies in a result cache.

    Attributes:
        entries: Files of results.
        bytes: Their size.
        unfinished: Files that a writer has not finished, or was killed over.
        unfinished_bytes: Their size.
        runs: Runs that use it now.
    """

    entries: int
    bytes: int
    unfinished: int
    unfinished_bytes: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed from a cache.

    Attributes:
        entries: Files, unfinished ones included.
        bytes: Their size.
        left_bytes: Size of the results that are still there.
    """

    entries: int
    bytes: int
    left_bytes: int


@contextlib.contextmanager
def in_use(directory: Path) -> Iterator[None]:
    """Hold on to every result that is read or written meanwhile, in whatever process.

    A locked file beside the results says since when; the lock goes with its process, so a killed
    run holds on to nothing. Where the directory cannot be written nothing is held, and whoever
    shares it may remove what this run needs.
    """
    handle = _lease(directory)
    try:
        yield
    finally:
        if handle is not None:
            name, number = handle
            name.unlink(missing_ok=True)
            os.close(number)


def usage(directory: Path) -> Usage:
    """Count what lies in a cache; nothing where there is none."""
    found = _files(directory)
    results = [file for file in found if not file.unfinished]
    unfinished = [file for file in found if file.unfinished]
    return Usage(
        entries=len(results),
        bytes=sum(file.bytes for file in results),
        unfinished=len(unfinished),
        unfinished_bytes=sum(file.bytes for file in unfinished),
        runs=len(_held_since(directory)),
    )


def trim(directory: Path, limit_bytes: int) -> Removed:
    """Remove results until the limit is kept with a tenth to spare, the longest unused first.

    What a run that goes on has used stays, even if the limit is then not kept. Leftovers of killed
    writers go too, once they are an hour old. Two processes may do this at the same time.

    Raises:
        OSError: The directory cannot be read or written.
    """
    found = _files(directory)
    results = sorted((f for f in found if not f.unfinished), key=lambda f: (f.used_ns, f.path))
    left_bytes = sum(file.bytes for file in results)
    doomed = _leftovers(directory, found)
    if left_bytes > limit_bytes:
        floor_ns = min(_held_since(directory), default=None)
        aim_bytes = int(limit_bytes * _LOW_WATER)
        for file in results:
            if left_bytes <= aim_bytes or (floor_ns is not None and file.used_ns >= floor_ns):
                break
            left_bytes -= file.bytes
            doomed.append(file)
    return _remove(doomed, left_bytes)


def clear(directory: Path) -> Removed:
    """Remove every result that no run uses, and leftovers of killed writers.

    Raises:
        OSError: The directory cannot be read or written.
    """
    found = _files(directory)
    floor_ns = min(_held_since(directory), default=None)
    doomed = _leftovers(directory, found)
    doomed += [f for f in found if not f.unfinished and (floor_ns is None or f.used_ns < floor_ns)]
    left_bytes = sum(f.bytes for f in found) - sum(f.bytes for f in doomed)
    return _remove(doomed, left_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: Path
    bytes: int
    used_ns: int
    unfinished: bool


def _files(directory: Path) -> list[_File]:
    found: list[_File] = []
    try:
        folders = [entry.path for entry in os.scandir(directory) if _FOLDER.fullmatch(entry.name)]
    except FileNotFoundError:
        return []
    for folder in folders:
        for entry in os.scandir(folder):
            try:
                stat = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # renamed or removed meanwhile
                continue
            found.append(
                _File(
                    path=Path(entry.path),
                    bytes=stat.st_size,
                    used_ns=stat.st_mtime_ns,
                    unfinished=entry.name.startswith(UNFINISHED),
                )
            )
    return found


def _remove(doomed: list[_File], left_bytes: int) -> Removed:
    for file in doomed:
        file.path.unlink(missing_ok=True)
    return Removed(
        entries=len(doomed), bytes=sum(file.bytes for file in doomed), left_bytes=left_bytes
    )


def _leftovers(directory: Path, found: list[_File]) -> list[_File]:
    unfinished = [file for file in found if file.unfinished]
    if not unfinished:
        return []
    with tempfile.NamedTemporaryFile(dir=directory) as probe:  # the disk's clock, not this one's
        now_ns = os.fstat(probe.fileno()).st_mtime_ns
    return [file for file in unfinished if now_ns - file.used_ns >= _SWEEP_AFTER_NS]


# -- leases ----------------------------------------------------------------------------------------


def _lease(directory: Path) -> tuple[Path, int] | None:
    folder = directory / _IN_USE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            number, name = tempfile.mkstemp(dir=folder)
            fcntl.flock(number, fcntl.LOCK_EX)
            if os.fstat(number).st_nlink:  # not taken for a dead one's between the two calls
                return Path(name), number
            os.close(number)
    except OSError:
        return None


def _held_since(directory: Path) -> list[int]:
    """When each run that goes on began to use the cache; leases of the dead are removed."""
    since: list[int] = []
    for path in sorted((directory / _IN_USE).glob("*")):
        try:
            number = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            since.append(os.fstat(number).st_mtime_ns)
        else:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        finally:
            os.close(number)
    return since
