"""The result cache: what a segment makes of an input, kept by content."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic[object]]

_LAYOUT = "1"  # changes whenever what is kept under a key would differ


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


class ResultCache:
    """Arrays by key, a file each; safe between processes, and against a writer that was killed.

    A file appears whole or not at all: it is written under another name and renamed. A file that
    does not read is taken for missing. The cache may be deleted at any time between runs.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> dict[str, Array] | None:
        """The arrays of a key, or None."""
        try:
            return dict(load_file(self._path(key)))
        except (FileNotFoundError, SafetensorError, OSError):
            return None

    def put(self, key: str, arrays: Mapping[str, Array]) -> None:
        """Keep arrays under a key.

        Raises:
            OSError: The disk is full, or the directory cannot be written.
        """
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        os.close(handle)
        unfinished = Path(name)
        try:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.safetensors"
