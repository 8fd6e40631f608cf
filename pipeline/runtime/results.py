"""The result cache: what a segment makes of an input, kept by content."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash
from safetensors import SafetensorError
from safetensors.numpy import load, save

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

SUFFIX = ".tensors"
UNFINISHED = ".part-"

_LAYOUT = "1"  # changes whenever what is kept under a key would differ
_DIGEST_BYTES = 16


def default_cache() -> Path:
    """Where results are kept: `SPLITWAY_CACHE`, else the user's cache directory."""
    named = os.environ.get("SPLITWAY_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "splitway"


def content_key(maker: str, inputs: Mapping[str, Array]) -> str:
    """Key of what a maker makes of these inputs: names, dtypes, shapes and bytes all count.

    Args:
        maker: Fingerprint of the segment and the backend, or of a chain of stages.
        inputs: Arrays by name; C-contiguous.
    """
    digest = xxhash.xxh3_128(f"{_LAYOUT}\0{maker}\0".encode())
    for name in sorted(inputs):
        array = np.ascontiguousarray(inputs[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def named_key(*parts: str) -> str:
    """Key of what goes by these names: a maker and a digest of what it was made of, say."""
    digest = xxhash.xxh3_128(f"{_LAYOUT}\0".encode())
    for part in parts:
        digest.update(f"{part}\0".encode())
    return digest.hexdigest()


class ResultCache:
    """Arrays by key, a file each; safe between processes, and against a writer that was killed.

    A file is a checksum (XXH3, 128 bits) and what it is of, arrays in the form of safetensors. It
    appears whole or not at all, since it is written under another name and renamed; one that is cut
    off or has a flipped bit is taken for missing. A file's time of modification says when it was
    last used. The cache may be deleted at any time between runs.
    """

    def __init__(self, directory: Path, *, optional: bool = False) -> None:
        """Open a cache; nothing is made before something is kept.

        Args:
            directory: Where it lies.
            optional: Whether to go on without keeping where the disk is full or the directory
                cannot be written; `refused` says so.
        """
        self._directory = directory
        self._optional = optional
        self.refused: OSError | None = None
        self.kept = 0

    def __contains__(self, key: str) -> bool:
        """Whether a file is there, which counts as a use; only `get` says that it is whole."""
        try:
            os.utime(self._path(key))
        except FileNotFoundError:
            return False
        except OSError:  # not ours to touch
            return self._path(key).is_file()
        return True

    def get(self, key: str) -> dict[str, Array] | None:
        """The arrays of a key, or None."""
        try:
            with self._path(key).open("rb") as file:
                digest, held = file.read(_DIGEST_BYTES), file.read()
                if xxhash.xxh3_128_digest(held) != digest:
                    return None
                with contextlib.suppress(OSError):  # a cache that may only be read
                    os.utime(file.fileno())
            return dict(load(held))
        except (SafetensorError, OSError):
            return None

    def put(self, key: str, arrays: Mapping[str, Array]) -> None:
        """Keep arrays under a key.

        Raises:
            OSError: The disk is full, or the directory cannot be written, and the cache is not
                optional.
        """
        if self.refused is not None:
            return
        try:
            self._write(self._path(key), arrays)
        except OSError as err:
            if not self._optional:
                raise
            self.refused = err

    def _write(self, path: Path, arrays: Mapping[str, Array]) -> None:
        held = save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
        unfinished = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(xxhash.xxh3_128_digest(held))
                file.write(held)
            unfinished.replace(path)
            self.kept += 1
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}{SUFFIX}"
