"""Errors of the pipeline room, divided by what the caller should do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class PipelineError(Exception):
    """Base of the pipeline's errors."""


class InputError(PipelineError):
    """Something the user gave is wrong or missing: mend it and call again (exit code 2)."""


class InfrastructureError(PipelineError):
    """The machine or a process failed, not the input (exit code 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a scenario file.

    Attributes:
        file: Path as the user wrote it.
        line: Line, counted from 1; None where no line is known.
        key: Dotted path of the key, such as `links.cell.rtt`.
        reason: What is wrong and what to do.
    """

    file: str
    line: int | None
    key: str
    reason: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.reason}" if self.key else f"{where}: {self.reason}"


class ScenarioError(InputError):
    """A scenario file has problems; all of them are listed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        tail = f"{count} problem{'s' if count != 1 else ''}, nothing was run."
        super().__init__("\n".join([*map(str, self.problems), tail]))


class DriveSettingError(InputError):
    """A setting does not fit the drive; `at` is the scenario's key that is wrong."""

    def __init__(self, at: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.at = at


class TaskSettingError(InputError):
    """A task's settings do not fit its model; `at` is the key below the task that is wrong."""

    def __init__(self, at: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.at = at


class DataMissingError(InputError):
    """A file that a scenario names is not there."""

    def __init__(self, name: str, looked: Path, what_to_do: str) -> None:
        super().__init__(f"{name}: not found at {looked}; {what_to_do}")
        self.name, self.looked = name, looked


class ModelError(InputError):
    """An ONNX file cannot be used, with the reason."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason


class CutError(InputError):
    """A graph cannot be cut there."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model}: {reason}")
        self.model, self.reason = model, reason


class TraceError(InputError):
    """A link trace or profile cannot be used; the line is None where the whole file is meant."""

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        where = f"{path}" if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {reason}")
        self.path, self.line, self.reason = path, line, reason


class PlanError(InputError):
    """No plan can be made, or a plan file does not fit the scenario."""


class OutputContractError(PipelineError):
    """A network's output does not fit its declared decoder."""

    def __init__(self, decoder: str, reason: str) -> None:
        super().__init__(f"decoder {decoder}: {reason}")
        self.decoder, self.reason = decoder, reason


class CodecError(PipelineError):
    """Encoded bytes do not decode to what their header says."""

    def __init__(self, codec: str, reason: str) -> None:
        super().__init__(f"codec {codec}: {reason}")
        self.codec, self.reason = codec, reason


class WireError(PipelineError):
    """A received message is refused; `code` is counted."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class LedgerError(PipelineError):
    """A ledger does not balance: a bug, or evidence that was altered."""


class EvidenceError(InputError):
    """A run directory is missing, unreadable or not whole."""


class ScoringError(InputError):
    """Results or labels cannot be scored as they are, with the reason."""


class LabelsError(ScoringError):
    """Labels are missing, or do not belong to the drive: name others."""


class ClassesError(ScoringError):
    """What is found and what is labelled have no class in common: map their names."""

    def __init__(self, task: str, found: Iterable[str], labelled: Iterable[str]) -> None:
        self.task, self.found, self.labelled = task, tuple(found), tuple(labelled)
        super().__init__(
            f"task {task}: no class in common: it finds {_some(self.found)}, labelled are "
            f"{_some(self.labelled)}; map names under `scoring.{task}.classes`, or with --class "
            "FOUND=LABELLED"
        )


class NodeDiedError(InfrastructureError):
    """A process of the run died, with its last words."""

    def __init__(self, node: str, code: int | None, last_words: str) -> None:
        ended = "did not answer" if code is None else f"ended with code {code}"
        words = f"; its last words:\n{last_words}" if last_words else ""
        super().__init__(f"{node} {ended}{words}")
        self.node, self.code, self.last_words = node, code, last_words


def _some(names: tuple[str, ...], most: int = 8) -> str:
    shown = ", ".join(names[:most]) or "nothing"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
