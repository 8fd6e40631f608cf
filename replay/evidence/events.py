"""Event logs: a JSON object per line, written in whole lines, readable after a crash."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from replay.evidence.errors import EventLogError
from replay.evidence.writing import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

FLUSH_LINES = 256
FLUSH_INTERVAL_NS = 500_000_000  # half a second is what a crash may cost


class EventLog:
    """Writes an event log; what is handed to the system are whole lines, in groups.

    Lines are kept until there are many, or until the first of them has waited its time, which is
    looked at when a line is written: a writer that falls silent calls `flush`. A context manager
    that closes the log.
    """

    def __init__(
        self,
        path: Path,
        *,
        now_ns: Callable[[], int],
        flush_lines: int = FLUSH_LINES,
        flush_interval_ns: int = FLUSH_INTERVAL_NS,
    ) -> None:
        """Create the file, or empty it.

        Args:
            path: Where to write; its folder exists.
            now_ns: A clock that never goes back.
            flush_lines: Most lines that are kept.
            flush_interval_ns: Longest that a line is kept while others are written.
        """
        self.path = path
        self._now_ns = now_ns
        self._flush_lines, self._flush_interval_ns = flush_lines, flush_interval_ns
        self._kept: list[bytes] = []
        self._since_ns = 0
        self._file = path.open("wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, event: Mapping[str, object]) -> None:
        """Append an event.

        Raises:
            ValueError: A number in it is NaN or infinite, or the log is closed.
            OSError: The lines cannot be written, such as on a full disk; they are lost, and the
                last one on the disk may be cut off.
        """
        self.write_line(json_text(event).encode())

    def write_line(self, line: bytes) -> None:
        """Append an event that its writer has encoded: one JSON object, without a line's end.

        Raises:
            ValueError: The log is closed.
            OSError: As `write`.
        """
        if self._file.closed:
            raise ValueError(f"{self.path} is closed")
        now_ns = self._now_ns()
        if not self._kept:
            self._since_ns = now_ns
        self._kept.append(line)
        waited_ns = now_ns - self._since_ns
        if len(self._kept) >= self._flush_lines or waited_ns >= self._flush_interval_ns:
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Append events that their writer has encoded: one JSON object and a line's end for each.

        They go to the system with the next `flush`, or with the next event that is due.

        Raises:
            ValueError: The log is closed, or the last line has no end.
        """
        if self._file.closed:
            raise ValueError(f"{self.path} is closed")
        if not lines.endswith(b"\n"):
            raise ValueError("the last line has no end")
        if not self._kept:
            self._since_ns = self._now_ns()
        self._kept.append(lines[:-1])

    def flush(self) -> None:
        """Hand every kept line to the system.

        Raises:
            OSError: They cannot be written; see `write`.
        """
        if not self._kept:
            return
        lines, self._kept = self._kept, []
        left = memoryview(b"\n".join([*lines, b""]))
        while left:  # the system may take a part
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Flush and close; a second time it does nothing.

        Raises:
            OSError: The kept lines cannot be written; the file is closed all the same.
        """
        try:
            self.flush()
        finally:
            self._file.close()


def read_events(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield the events of a log with their line numbers, from 1; one line in memory.

    Raises:
        EventLogError: A line is cut off or is no JSON object; the events before it were yielded.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                raise EventLogError(path, number, "the line is cut off")
            try:
                event: object = json.loads(line, parse_constant=_refuse)
            except (ValueError, RecursionError) as err:
                reason = err.msg if isinstance(err, json.JSONDecodeError) else f"{err}"
                raise EventLogError(path, number, f"the line is no JSON: {reason}") from err
            if not isinstance(event, dict):
                raise EventLogError(path, number, "the line is no JSON object")
            yield number, event


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
