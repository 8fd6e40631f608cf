"""The run directory: always a new one, every file in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replay.errors import ReplayError
from replay.evidence import RunDirectory, RunDirectoryError, has_free_space

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    """From 2; the parent is made, and a file in the way counts as taken."""
    parent = tmp_path / "runs" / "deep"
    names = [RunDirectory.create(parent, scenario="urban", seed=7).path.name for _ in range(3)]
    assert names == ["urban-7", "urban-7-2", "urban-7-3"]
    (parent / "urban-8").touch()
    assert RunDirectory.create(parent, scenario="urban", seed=8).path.name == "urban-8-2"


def test_every_file_has_its_place(tmp_path: Path) -> None:
    """The names that the documentation gives; the two folders are there."""
    run = RunDirectory.create(tmp_path, scenario="urban", seed=7)
    files = [run.result, run.ledger, run.plan, run.scenario, run.environment, run.manifest]
    files += [run.events("vehicle"), run.log("cloud")]
    assert [file.relative_to(run.path).as_posix() for file in files] == [
        "result.json",
        "ledger.csv",
        "plan.json",
        "scenario.resolved.yaml",
        "env.json",
        "MANIFEST",
        "events/vehicle.jsonl",
        "logs/cloud.jsonl",
    ]
    assert sorted(path.name for path in run.path.iterdir()) == ["events", "logs"]


def test_a_directory_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    """A file stands where the parent should be."""
    (tmp_path / "runs").touch()
    with pytest.raises(
        RunDirectoryError, match=r"cannot be kept there: .*; name another"
    ) as caught:
        RunDirectory.create(tmp_path / "runs", scenario="urban", seed=7)
    assert isinstance(caught.value, ReplayError)
    assert caught.value.path == tmp_path / "runs"


def test_a_parent_that_may_not_be_written_is_an_error_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests, root included."""
    real = Path.mkdir

    def refuse(
        self: Path, mode: int = 0o777, *, parents: bool = False, exist_ok: bool = False
    ) -> None:
        if self.name == "urban-7":
            raise PermissionError(13, "Permission denied", str(self))
        real(self, mode, parents=parents, exist_ok=exist_ok)

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunDirectoryError, match="Permission denied") as caught:
        RunDirectory.create(tmp_path, scenario="urban", seed=7)
    assert caught.value.path == tmp_path / "urban-7"


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a\nb"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """For the scenario and for a node."""
    with pytest.raises(ValueError, match="cannot be part of a file's name"):
        RunDirectory.create(tmp_path, scenario=name, seed=7)
    assert list(tmp_path.iterdir()) == []
    run = RunDirectory.create(tmp_path, scenario="a", seed=7)
    places: list[Callable[[str], Path]] = [run.events, run.log]
    for place in places:
        with pytest.raises(ValueError, match="cannot be part of a file's name"):
            place(name)


def test_an_existing_run_is_opened(tmp_path: Path) -> None:
    """And only a directory is one."""
    made = RunDirectory.create(tmp_path, scenario="urban", seed=7)
    assert RunDirectory.open(made.path).result == made.result
    with pytest.raises(RunDirectoryError, match="no such directory"):
        RunDirectory.open(tmp_path / "elsewhere")
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="it is no directory"):
        RunDirectory.open(tmp_path / "file")


def test_free_space_is_compared_with_the_floor(tmp_path: Path) -> None:
    """A disk that cannot be read has no room."""
    run = RunDirectory.create(tmp_path, scenario="urban", seed=7)
    assert run.has_space(0)
    assert has_free_space(tmp_path, 0)
    assert not has_free_space(tmp_path, 2**80)
    assert not has_free_space(tmp_path / "elsewhere", 0)
