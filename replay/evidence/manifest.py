"""The MANIFEST: a hash of each file of a run, in the format that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from replay.evidence.errors import ManifestError
from replay.evidence.writing import TEMPORARY, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = "MANIFEST"

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestDifference:
    """A file that is not what the MANIFEST says.

    Attributes:
        path: Path in the run directory, with forward slashes.
        kind: `missing` and `changed` files are listed, `unlisted` ones are there all the same.
    """

    path: str
    kind: Literal["missing", "changed", "unlisted"]


def write_manifest(root: Path) -> None:
    """Hash every file below a directory into its MANIFEST, sorted by path.

    The MANIFEST itself, files half written and symbolic links are left out.

    Raises:
        ValueError: A file's name holds a line break or a backslash, which the format cannot say.
    """
    lines: list[str] = []
    for path in sorted(_files(root)):
        if re.search(r"[\n\r\\]", path):
            raise ValueError(f"{path!r} cannot stand in a {MANIFEST}")
        lines.append(f"{_sha256(root / path)}  {path}\n")
    write_text(root / MANIFEST, "".join(lines))


def verify_manifest(root: Path) -> tuple[ManifestDifference, ...]:
    """Compare a directory with its MANIFEST; empty where every file is as it was.

    Raises:
        ManifestError: There is no MANIFEST, or a line of it names no hash or a place elsewhere.
    """
    listed = _read(root)
    there = set(_files(root))
    found: list[ManifestDifference] = []
    for path, sha256 in listed.items():
        if path not in there:
            found.append(ManifestDifference(path=path, kind="missing"))
        elif _sha256(root / path) != sha256:
            found.append(ManifestDifference(path=path, kind="changed"))
    found.extend(ManifestDifference(path=path, kind="unlisted") for path in there - listed.keys())
    return tuple(sorted(found, key=lambda difference: difference.path))


def _read(root: Path) -> dict[str, str]:
    file = root / MANIFEST
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError as err:
        raise ManifestError(file, None, "there is none, so nothing vouches for the run") from err
    except UnicodeDecodeError as err:
        raise ManifestError(file, None, "it is no text in UTF-8") from err
    listed: dict[str, str] = {}
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise ManifestError(file, number, "a line is a hash, two spaces and a path")
        path = PurePosixPath(found[2])
        if path.is_absolute() or ".." in path.parts:
            raise ManifestError(file, number, f"{found[2]} lies outside the run directory")
        listed[found[2]] = found[1]
    if text and not text.endswith("\n"):
        raise ManifestError(file, len(listed) + 1, "the last line is cut off")
    return listed


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            skipped = relative == MANIFEST or name.startswith(TEMPORARY)
            if not skipped and path.is_file() and not path.is_symlink():
                yield relative


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
