"""The frames of a drive for the priming pass, and their digests where they need not be made again.

To draw a synthetic picture takes tens of milliseconds, and all that the pass wants of it, once its
results are in the cache, is what they are found by. So the digests of a stream that is made, not
recorded, are kept in the cache as well, under all that it is made from.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from pipeline.runtime.drive import reader_of, samples
from pipeline.runtime.results import content_key, named_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.resources.abc import Traversable

    from numpy.typing import NDArray

    from pipeline.runtime.results import ResultCache
    from pipeline.runtime.spec import DriveSpec

    Array = NDArray[np.generic[object]]

_DIGITS = 32


class Content(NamedTuple):
    """What is known of a frame's data.

    Attributes:
        digest: What tells them from others: dtype, shape and bytes.
        bytes: Their size.
        varies: Whether frames of their kind differ in size.
    """

    digest: str
    bytes: int
    varies: bool


def content_of(data: Array) -> Content:
    """What is known of data, from themselves."""
    return Content(content_key("data", {"data": data}), data.nbytes, data.dtype != np.uint8)


class Footage:
    """Frames of a drive, stream by stream."""

    def __init__(self, drive: DriveSpec) -> None:
        self._drive = drive

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams."""
        return self._drive.names

    def read(self, stream: str, only: frozenset[int] | None = None) -> Iterator[tuple[int, Array]]:
        """Content and data of frames, as `drive.samples` gives them.

        Raises:
            InputError: The recording is corrupt.
        """
        return samples(self._drive, stream, only)

    def known(self, stream: str, frames: int, cache: ResultCache) -> list[Content] | None:
        """What is known of every frame of a stream without making it; None where that is nothing.

        The first frame is made all the same, to see that it still is what it was.

        Args:
            stream: Name of the stream.
            frames: How many it has.
            cache: Where `keep` kept it.

        Raises:
            InputError: The recording is corrupt.
        """
        key = self._key(stream)
        held = None if key is None else cache.get(key)
        if held is None:
            return None
        try:
            text = held["digests"].tobytes().decode("ascii")
            sizes, varies = held["bytes"].tolist(), bool(held["varies"].item())
        except (KeyError, UnicodeDecodeError, ValueError):
            return None
        if len(sizes) != frames or len(text) != _DIGITS * frames:
            return None
        found = [
            Content(text[_DIGITS * i : _DIGITS * (i + 1)], int(size), varies)
            for i, size in enumerate(sizes)
        ]
        first = next(self.read(stream, frozenset({0})), None)
        return found if first is not None and content_of(first[1]) == found[0] else None

    def keep(self, stream: str, contents: Sequence[Content], cache: ResultCache) -> None:
        """Keep what is known of every frame of a stream, if it is one that can be made again.

        Raises:
            OSError: As `ResultCache.put`.
        """
        key = self._key(stream)
        if key is None or not contents:
            return
        text = "".join([content.digest for content in contents])
        held: dict[str, Array] = {
            "digests": np.frombuffer(text.encode("ascii"), np.uint8),
            "bytes": np.array([content.bytes for content in contents], np.int64),
            "varies": np.array([contents[0].varies]),
        }
        cache.put(key, held)

    def _key(self, stream: str) -> str | None:
        """Key of what is known of a stream; None for a recording: its file may change."""
        found = self._drive.stream(stream)
        if found.path is not None:
            return None
        made_from = f"{reader_of(self._drive, stream).drive_id}|{found.first}|{found.frames}"
        return named_key("contents", made_from, _recipe())


@cache
def _recipe() -> str:
    """Changes with the code that makes synthetic frames, and with what it draws by."""
    digest = hashlib.sha256(f"numpy {np.__version__} opencv {cv2.__version__}\n".encode())
    for path, source in sorted(_sources(files("sensors"), "sensors")):
        digest.update(f"{path} {len(source)}\n".encode())
        digest.update(source)
    return digest.hexdigest()


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, path)
        elif entry.name.endswith(".py"):
            yield path, entry.read_bytes()
