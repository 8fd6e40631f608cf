"""What each core saw and said, line by line: written during a run, read by `rerun`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.errors import EvidenceError
from pipeline.runtime.core.events import Event
from pipeline.values import Value, from_plain, to_lines
from replay.evidence import EventLog, EventLogError, read_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.runtime.core.commands import Command


AT_ONCE = 256
"""Entries that are encoded together where no moment is better than another: in virtual time."""

_SAMPLED = 16  # one in so many entries is timed while it is kept; reading a clock takes longer
_BATCH = 64  # entries that are worth a quiet moment; encoding them warm takes some 0.2 ms
_SOON_NS = 250_000_000  # fewer are written once the first of them is so old
_LATEST_NS = 500_000_000  # and all of them then, quiet or not


class Journal:
    """Writes entries of one node; encoding waits until `flush`, off the node's hot path.

    Entries are encoded many at a time: alone, in a process that has just slept, an entry takes
    several times as long. What was flushed is the system's, and survives the process.

    Args:
        path: The log's file; its folder exists.
        now_ns: A clock that never goes back.
    """

    def __init__(self, path: Path, now_ns: Callable[[], int]) -> None:
        self._log, self._now_ns = EventLog(path, now_ns=now_ns), now_ns
        self.spent_ns = 0
        """Time spent on keeping and writing entries; keeping is sampled."""
        self._recorded = 0
        self._since_ns = 0  # when the first waiting entry came
        self._waiting: deque[tuple[int, Event | None, Sequence[Command]]] = deque()

    def record(self, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        """Keep an entry; an event of None is the start of the core."""
        self._recorded += 1
        timed = self._recorded % _SAMPLED == 0
        began_ns = self._now_ns() if timed else 0
        if not self._waiting:
            self._since_ns = at_ns
        self._waiting.append((at_ns, event, commands))
        if timed:
            self.spent_ns += _SAMPLED * (self._now_ns() - began_ns)

    def flush(self, most: int | None = None) -> None:
        """Write waiting entries, at most so many, and hand them to the system.

        Raises:
            OSError: The disk is full; what was written last may be lost.
        """
        waiting = self._waiting
        if not waiting:
            return
        began_ns = self._now_ns()
        count = len(waiting) if most is None else min(most, len(waiting))
        entries = [waiting.popleft() for _ in range(count)]
        self._since_ns = waiting[0][0] if waiting else 0
        lines = to_lines([{"at_ns": at, "event": e, "commands": c} for at, e, c in entries])
        self._log.write_lines(lines)
        self._log.flush()
        self.spent_ns += self._now_ns() - began_ns

    @property
    def waiting(self) -> int:
        """Entries not yet written."""
        return len(self._waiting)

    def due_ns(self) -> int | None:
        """When waiting entries are worth a quiet moment, on the entries' clock; None without any.

        That is at once for a batch of them, else when the first has waited a quarter of a second.
        """
        if not self._waiting:
            return None
        return self._since_ns + (0 if len(self._waiting) >= _BATCH else _SOON_NS)

    def overdue(self, now_ns: int) -> bool:
        """Whether entries have to be written now, quiet or not: half a second is what a kill costs.

        Args:
            now_ns: Now, on the entries' clock.
        """
        return bool(self._waiting) and now_ns - self._since_ns >= _LATEST_NS

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
