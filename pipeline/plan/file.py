"""A plan file: what a run needs of it, checked, and what a user is told where it does not fit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import PlanError
from pipeline.plan.document import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "plan.json"
_MOST_BYTES = 50_000_000


class _Part(BaseModel):
    """A part of the file; what a run does not need may stand in it."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FileCandidate(_Part):
    """A candidate of the file."""

    id: str
    route: str
    hedge: str | None = None


class FileTask(_Part):
    """A task of the file, and which of its candidates runs."""

    name: str
    run: int = Field(ge=0)
    candidates: list[FileCandidate] = Field(min_length=1)

    @property
    def runs(self) -> FileCandidate:
        """What runs."""
        return self.candidates[self.run]


class FileShare(_Part):
    """A task's share of the uplink."""

    name: str
    share: Annotated[float, Field(ge=0, le=1)] | None = None


class FileTogether(_Part):
    """Shares of the tasks."""

    tasks: list[FileShare]


class FileBorders(_Part):
    """Borders of a map's cells."""

    up_mbps: list[float]
    rtt_ms: list[float]
    load: list[float]


class FileMapTask(_Part):
    """A task's cells."""

    name: str
    cells: list[list[list[int]]]


class FileMap(_Part):
    """The plan map."""

    borders: FileBorders
    tasks: list[FileMapTask]


class PlanFile(_Part):
    """What a run takes from a plan file.

    Attributes:
        schema_name: Version of the file.
        percentile: Percentile that it was made for.
        hashes: What it was made from.
        quantiles: Quantile tables of the draws, in parts per million, by name.
        tasks: The tasks with their candidates.
        together: Shares of the uplink; None for one task.
        map: The plan map; None where there is none.
    """

    schema_name: str = Field(alias="schema")
    percentile: float = Field(gt=0, lt=100)
    hashes: dict[str, str] = Field(min_length=1)
    quantiles: dict[str, list[int]]
    tasks: list[FileTask] = Field(min_length=1)
    together: FileTogether | None = None
    map: FileMap | None = None


class PlanMismatchError(PlanError):
    """A plan file was made from something else than what is there now."""

    def __init__(self, path: Path, differing: Mapping[str, tuple[str | None, str | None]]) -> None:
        self.path, self.differing = path, dict(differing)
        told = [
            f"  {name}: {_short(theirs)} in the plan, {_short(mine)} now"
            for name, (theirs, mine) in sorted(self.differing.items())
        ]
        lines = "\n".join(told)
        super().__init__(
            f"{path}: the plan was not made from this scenario and what it names:\n{lines}\n"
            "plan again (splitway plan SCENARIO --out DIR), or bring back what it was made from; "
            "`splitway plan --diff` compares two plans"
        )


def read_plan_file(path: Path) -> PlanFile:
    """Read a plan file, or the one in a directory.

    Raises:
        PlanError: There is none, it is none, or it is of another version.
    """
    file = path / NAME if path.is_dir() else path
    content = read_json(file)
    found = content.get("schema") if isinstance(content, dict) else None
    if found != SCHEMA:
        raise PlanError(f"{file}: schema is {found!r}, and this version reads {SCHEMA!r}")
    try:
        plan = PlanFile.model_validate(content)
    except ValidationError as err:
        problem = err.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        if key in ("hashes", "quantiles"):
            raise PlanError(
                f"{file}: has no {key}: it is what `plan --json` prints; `plan --out DIR` writes a "
                "plan file"
            ) from err
        raise PlanError(f"{file}: {key}: {problem['msg']}") from err
    for task in plan.tasks:
        if task.run >= len(task.candidates):
            raise PlanError(
                f"{file}: tasks.{task.name}.run: there is no candidate {task.run}, "
                f"it has {len(task.candidates)}"
            )
    return plan


def read_json(file: Path) -> object:
    """The JSON of a file.

    Raises:
        PlanError: It cannot be read, is too large, or is no JSON.
    """
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise PlanError(f"{file}: is larger than {_MOST_BYTES} bytes")
        found: object = json.loads(file.read_text(encoding="utf-8"))
    except OSError as err:
        raise PlanError(f"{file}: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise PlanError(f"{file}: is no JSON: {err}") from err
    return found


def require_same(path: Path, theirs: Mapping[str, str], mine: Mapping[str, str]) -> None:
    """Refuse a plan that was made from something else.

    Raises:
        PlanMismatchError: Hashes differ, or one side has what the other has not.
    """
    differing = {
        name: (theirs.get(name), mine.get(name))
        for name in {*theirs, *mine}
        if theirs.get(name) != mine.get(name)
    }
    if differing:
        raise PlanMismatchError(path, differing)


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else f"{digest[:12]}…"
