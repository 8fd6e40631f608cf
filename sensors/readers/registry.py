"""Finding the reader of a recording among all installed ones."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from sensors.errors import RecordingFormatError, RecordingNotFoundError
from sensors.readers.errors import BrokenReaderError
from sensors.readers.formats import ReaderFormat

if TYPE_CHECKING:
    from pathlib import Path

    from sensors.frames import StreamKind
    from sensors.readers.protocol import DriveReader

GROUP = "splitway.readers"
"""Entry-point group of reader formats; every entry refers to a `ReaderFormat`."""

_OWN = "splitway"  # this distribution: its readers are asked after everybody else's


def reader_formats() -> dict[str, ReaderFormat]:
    """Return the installed formats by name, in the order in which they are asked.

    Readers of other distributions come first, so that a plug-in can take over a kind of file
    from a built-in reader; within that, formats that are general come last, and the order is by
    name.

    Raises:
        BrokenReaderError: A plug-in cannot be imported, is no `ReaderFormat`, or two plug-ins
            claim one name.
    """
    found = sorted(entry_points(group=GROUP), key=lambda entry: (_is_own(entry), entry.name))
    formats: dict[str, ReaderFormat] = {}
    origins: dict[str, str] = {}
    own: dict[str, bool] = {}
    for entry in found:
        if entry.name in origins:
            reason = f"the name is already taken by {origins[entry.name]}"
            raise BrokenReaderError(entry.name, _origin(entry), reason)
        formats[entry.name] = _load(entry)
        origins[entry.name], own[entry.name] = _origin(entry), _is_own(entry)
    asked = sorted(formats, key=lambda name: (own[name], formats[name].general, name))
    return {name: formats[name] for name in asked}


def open_drive(
    path: Path,
    *,
    stream: str,
    period_ns: int | None = None,
    topic: str | None = None,
    kind: StreamKind | None = None,
) -> DriveReader:
    """Return the reader of one stream of a recording, still closed; enter it to open it.

    Where a recording holds several streams, the reader takes the named topic; without one the
    stream that was recorded under the name `stream`, else the only one of its kind. Anything else
    is a `TopicError` on opening, which lists the topics.

    Args:
        path: A file or a folder.
        stream: Name that the stream's frames shall carry.
        period_ns: Declared nominal period in ns, above 0; None takes the recording's own.
        topic: Which of the recording's streams, by the name it has there; None chooses.
        kind: What the stream shall be, for that choice; None is a camera.

    Raises:
        TopicError: The recording has no topics, and one is named.
        RecordingNotFoundError: Nothing is there.
        RecordingFormatError: No installed reader accepts it.
        BrokenReaderError: An installed reader plug-in cannot be used.
    """
    if not path.exists():
        raise RecordingNotFoundError(path)
    formats = reader_formats()
    for name, known in formats.items():
        if _accepts(name, known, path):
            return known(path, stream=stream, period_ns=period_ns, topic=topic, kind=kind)
    raise RecordingFormatError(path, [f"{name} ({f.summary})" for name, f in formats.items()])


def _accepts(name: str, known: ReaderFormat, path: Path) -> bool:
    try:
        return known.accepts(path)
    except OSError:
        raise
    except Exception as error:
        raise BrokenReaderError(name, known.summary, f"it failed at {path}: {error}") from error


def _load(entry: EntryPoint) -> ReaderFormat:
    try:
        loaded: object = entry.load()
    except Exception as error:  # whatever a stranger's module does on import
        raise BrokenReaderError(entry.name, _origin(entry), f"it does not load: {error}") from error
    if not isinstance(loaded, ReaderFormat):
        reason = f"it is a {type(loaded).__name__}, not a ReaderFormat"
        raise BrokenReaderError(entry.name, _origin(entry), reason)
    return loaded


def _is_own(entry: EntryPoint) -> bool:
    return entry.dist is not None and entry.dist.name == _OWN


def _origin(entry: EntryPoint) -> str:
    distribution = "unknown distribution" if entry.dist is None else entry.dist.name
    return f"{entry.value} of {distribution}"
