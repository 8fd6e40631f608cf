"""What a trace format is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline.errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.link.trace import Trace

MOST_BITS_PER_S = 10**12
MOST_RTT_NS = 60 * 10**9
MOST_SPAN_NS = 7 * 86_400 * 10**9
MOST_LINES = 5_000_000
"""Limits on what a file may say, far above any link; beyond them it is taken for a mistake."""

_LONGEST_LINE = 1_000


class TraceFormat(Protocol):
    """Reads files of one format; owns no state."""

    @property
    def name(self) -> str:
        """Name of its entry point."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Endings of its files, such as `.csv`; none where the scenario has to name the format."""

    @property
    def files(self) -> int:
        """1 where one file holds both directions, 2 where each has its own, up first."""

    @property
    def has_rtt(self) -> bool:
        """Whether its files hold round trips; if not, the scenario gives one."""

    def read(self, paths: Sequence[Path], *, rtt_ns: int) -> Trace:
        """Read a trace whole.

        Args:
            paths: The file or files.
            rtt_ns: Round trip, for a format without.

        Raises:
            TraceError: A file is wrong, with the line.
        """


def line_error(path: Path, line: int | None, reason: str) -> TraceError:
    """Something wrong in a trace file; lines count from 1."""
    return TraceError(path, line, reason)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers; blank ones and comments (`#`) are left out.

    Raises:
        TraceError: The file cannot be read, is no text or is far too long.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), ""), start=1):
                if number > MOST_LINES:
                    raise TraceError(path, number, f"more than {MOST_LINES} lines")
                if len(line) == _LONGEST_LINE and not line.endswith("\n"):
                    raise TraceError(path, number, f"is longer than {_LONGEST_LINE} characters")
                text = line.strip()
                if text and not text.startswith("#"):
                    yield number, text
    except UnicodeDecodeError as err:
        raise TraceError(path, None, "is not text in UTF-8") from err
    except OSError as err:
        raise TraceError(path, None, f"cannot be read: {err.strerror}") from err
