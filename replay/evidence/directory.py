"""The run directory: one run, one folder, every file at its fixed place."""

from __future__ import annotations

import itertools
import re
import shutil
from typing import TYPE_CHECKING

from replay.evidence.errors import RunDirectoryError
from replay.evidence.manifest import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

FREE_SPACE_FLOOR_BYTES = 200 * 2**20  # below it nothing more is recorded

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.>-]*")
_ELSEWHERE = "name another directory with --out, or mend this one"


class RunDirectory:
    """Where each file of a run lies; makes no file itself.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        """Name a run directory without looking at it; see `create` and `open`."""
        self.path = path

    @classmethod
    def create(cls, parent: Path, *, scenario: str, seed: int) -> RunDirectory:
        """Make a new directory `<scenario>-<seed>`, with `-2`, `-3` … where that is taken.

        Two runs that start together get two directories.

        Args:
            parent: Where runs are kept; made if it is missing.
            scenario: Name of the scenario.
            seed: Seed of the run.

        Raises:
            RunDirectoryError: It cannot be made.
            ValueError: The name is none for a folder.
        """
        name = f"{_checked(scenario)}-{seed}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise RunDirectoryError(parent, _reason(err), _ELSEWHERE) from err
        for number in itertools.count(1):
            path = parent / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            except OSError as err:
                raise RunDirectoryError(path, _reason(err), _ELSEWHERE) from err
            run = cls(path)
            try:
                run.event_logs.mkdir()
                run.logs.mkdir()
            except OSError as err:
                raise RunDirectoryError(path, _reason(err), _ELSEWHERE) from err
            return run
        raise AssertionError("counting does not end")

    @classmethod
    def at(cls, path: Path) -> RunDirectory:
        """Make the directory of a run at this very place.

        Raises:
            RunDirectoryError: It cannot be made, or holds something already.
        """
        run = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RunDirectoryError(path, "it is not empty", _ELSEWHERE)
            run.event_logs.mkdir()
            run.logs.mkdir()
        except OSError as err:
            raise RunDirectoryError(path, _reason(err), _ELSEWHERE) from err
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run's directory.

        Raises:
            RunDirectoryError: There is none.
        """
        if not path.is_dir():
            reason = "it is no directory" if path.exists() else "there is no such directory"
            raise RunDirectoryError(path, reason, "name the directory that a run has written")
        return cls(path)

    @property
    def event_logs(self) -> Path:
        """Folder of the event logs."""
        return self.path / "events"

    @property
    def logs(self) -> Path:
        """Folder of the processes' own logs."""
        return self.path / "logs"

    @property
    def ledger(self) -> Path:
        """The ledger as CSV."""
        return self.path / "ledger.csv"

    @property
    def result(self) -> Path:
        """The verdict and all figures."""
        return self.path / "result.json"

    @property
    def plan(self) -> Path:
        """The plan that ran."""
        return self.path / "plan.json"

    @property
    def scenario(self) -> Path:
        """The scenario after overlays and defaults."""
        return self.path / "scenario.resolved.yaml"

    @property
    def environment(self) -> Path:
        """Machine, versions and commit."""
        return self.path / "env.json"

    @property
    def manifest(self) -> Path:
        """Hash of each file."""
        return self.path / MANIFEST

    def events(self, node: str) -> Path:
        """Event log of a node.

        Raises:
            ValueError: The name is none for a file.
        """
        return self.event_logs / f"{_checked(node)}.jsonl"

    def log(self, node: str) -> Path:
        """Log of a process.

        Raises:
            ValueError: The name is none for a file.
        """
        return self.logs / f"{_checked(node)}.jsonl"

    def has_space(self, floor_bytes: int = FREE_SPACE_FLOOR_BYTES) -> bool:
        """Whether the disk has room for more; see `has_free_space`."""
        return has_free_space(self.path, floor_bytes)


def has_free_space(path: Path, floor_bytes: int = FREE_SPACE_FLOOR_BYTES) -> bool:
    """Whether the disk that holds a path has at least so many bytes free; False if unreadable."""
    try:
        return shutil.disk_usage(path).free >= floor_bytes
    except OSError:
        return False


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be part of a file's name")
    return name


def _reason(err: OSError) -> str:
    return f"the run's evidence cannot be kept there: {err.strerror or err}"
