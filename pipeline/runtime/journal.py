"""What each core saw and said, line by line: written during a run, read by `rerun`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.errors import EvidenceError
from pipeline.runtime.core.events import Event
from pipeline.values import Value, from_plain, to_json
from replay.evidence import EventLog, EventLogError, read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.runtime.core.commands import Command


class Journal:
    """Writes entries of one node; encoding waits until `flush`, off the node's hot path."""

    def __init__(self, path: Path, now_ns: Callable[[], int]) -> None:
        self._log, self._now_ns = EventLog(path, now_ns=now_ns), now_ns
        self.spent_ns = 0  # on keeping and writing entries
        self._waiting: deque[tuple[int, Event | None, Sequence[Command]]] = deque()

    def record(self, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        """Keep an entry; an event of None is the start of the core."""
        began_ns = self._now_ns()
        self._waiting.append((at_ns, event, commands))
        self.spent_ns += self._now_ns() - began_ns

    def flush(self, most: int | None = None) -> None:
        """Write waiting entries, at most so many.

        Raises:
            OSError: The disk is full; what was written last may be lost.
        """
        began_ns = self._now_ns()
        for _ in range(len(self._waiting) if most is None else min(most, len(self._waiting))):
            at_ns, event, commands = self._waiting.popleft()
            self._log.write_line(to_json({"at_ns": at_ns, "event": event, "commands": commands}))
        if most is None:
            self._log.flush()
        self.spent_ns += self._now_ns() - began_ns

    @property
    def waiting(self) -> int:
        """Entries not yet written."""
        return len(self._waiting)

    def close(self) -> None:
        """Write the rest and close.

        Raises:
            OSError: The disk is full; the file is closed all the same.
        """
        try:
            self.flush()
        finally:
            self._log.close()


class Entry(Value, frozen=True, kw_only=True, tag=False):
    """One line of an event log.

    Attributes:
        at_ns: Run time.
        event: What the core saw; None for its start.
        commands: What it said, as plain data.
    """

    at_ns: int
    event: Event | None
    commands: list[dict[str, object]]


def read_journal(path: Path) -> Iterator[tuple[int, Entry]]:
    """Entries of an event log with their line numbers, from 1, in order.

    Raises:
        EvidenceError: There is no log, or a line is no entry; file and line are named.
    """
    try:
        for number, data in read_events(path):
            try:
                yield number, from_plain(Entry, data)
            except ValueError as err:
                raise EvidenceError(f"{path}:{number}: is no event: {err}") from err
    except EventLogError as err:
        raise EvidenceError(str(err)) from err
    except OSError as err:
        raise EvidenceError(f"{path}: {err.strerror}") from err
