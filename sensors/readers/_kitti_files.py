"""Numbered files of KITTI folders, and the sweeps in them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sensors.errors import RecordingCorruptError
from sensors.readers._pictures import file_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_POINT_BYTES = 16  # four float32: x, y, z, reflectance


def numbered(folder: Path, suffix: str, *, gapless: bool) -> dict[str, Path]:
    """Return the files of a folder with a suffix, by their names without it, in natural order.

    Args:
        folder: The folder.
        suffix: Such as .png.
        gapless: Whether the names have to be whole numbers, each one above the last.

    Raises:
        RecordingCorruptError: A name is no number, or a number is missing.
    """
    files = [f for f in folder.iterdir() if f.suffix == suffix and not f.name.startswith(".")]
    if not gapless:
        return {file.stem: file for file in sorted(files)}
    for file in files:
        if not file.stem.isdecimal():
            raise RecordingCorruptError(file, "its name is no number, as KITTI's files have it")
    ordered = sorted(files, key=lambda file: int(file.stem))
    for before, after in pairwise(ordered):
        wanted = int(before.stem) + 1
        if int(after.stem) != wanted:
            missing = f"{wanted:0{len(before.stem)}d}{suffix}"
            reason = f"{missing} is missing: {before.name} is followed by {after.name}"
            raise RecordingCorruptError(folder, reason)
    return {file.stem: file for file in ordered}


def check_partners(sets: Mapping[str, Mapping[str, Path]]) -> None:
    """Refuse sets of files that do not go together, one to one by name.

    Args:
        sets: Files by name, per set; a set's name is what an error shows.

    Raises:
        RecordingCorruptError: A file has no partner; it names the first such file.
    """
    every = sorted({stem for files in sets.values() for stem in files})
    for stem in every:
        missing = [name for name, files in sets.items() if stem not in files]
        if missing:
            holder = next(files[stem] for files in sets.values() if stem in files)
            raise RecordingCorruptError(holder, f"it has no partner in {', '.join(missing)}")


def read_sweep(file: Path) -> NDArray[np.float32]:
    """Return the points of a velodyne file, shape (n, 4): x, y, z in metres, reflectance 0 to 1.

    Raises:
        RecordingCorruptError: Its length is no whole number of points, or a number is not finite.
    """
    data = file_bytes(file)
    if not data or len(data) % _POINT_BYTES:
        reason = f"it has {len(data)} bytes, which is no whole number of points of {_POINT_BYTES}"
        raise RecordingCorruptError(file, reason)
    points = np.frombuffer(data, "<f4").reshape(-1, 4)
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if wrong.size:
        raise RecordingCorruptError(file, f"point {wrong[0]} holds a number that is not finite")
    return points.astype(np.float32)
