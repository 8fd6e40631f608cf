"""Errors of the evidence: what cannot be kept, and what was kept and cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.errors import ReplayError

if TYPE_CHECKING:
    from pathlib import Path


class RunDirectoryError(ReplayError):
    """A run directory cannot be made or opened; mend the place or name another."""

    def __init__(self, path: Path, reason: str, what_to_do: str) -> None:
        super().__init__(f"{path}: {reason}; {what_to_do}")
        self.path, self.reason, self.what_to_do = path, reason, what_to_do


class EventLogError(ReplayError):
    """A line of an event log is cut off, or is no JSON object; what comes before it is good."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class ManifestError(ReplayError):
    """A MANIFEST is missing, or a line of it is none of a manifest."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {reason}")
        self.path, self.line, self.reason = path, line, reason
