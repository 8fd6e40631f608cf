"""What is said of a machine: enough to compare runs, nothing that names anybody."""

from __future__ import annotations

import getpass
import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from replay.evidence import environment, write_json
from replay.evidence.environment import LIBRARIES

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
AUTHOR = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    answer = subprocess.run(
        ["git", "-C", str(folder), *AUTHOR, *arguments], capture_output=True, check=True, text=True
    )
    return answer.stdout.strip()


def test_machine_and_versions_are_there(tmp_path: Path) -> None:
    """Every key is, and the document is JSON."""
    found = environment()
    assert list(found) == [
        "schema", "cpu", "memory_bytes", "system", "machine", "python", "versions", "git",
    ]  # fmt: skip
    versions = found["versions"]
    assert isinstance(versions, dict)
    assert tuple(versions) == LIBRARIES
    assert versions["numpy"] is not None
    write_json(tmp_path / "env.json", found)
    assert json.loads((tmp_path / "env.json").read_text("utf-8")) == found


def test_no_host_user_or_path_is_named() -> None:
    """A run directory may be shown to strangers."""
    text = json.dumps(environment())
    assert str(Path(__file__).parents[3]) not in text
    assert str(Path.home()) == "/" or str(Path.home()) not in text
    found = text.split('"')
    assert socket.gethostname() not in found
    assert getpass.getuser() not in found


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    """Even where a folder further up is one."""
    assert environment(tmp_path)["git"] == {"commit": None, "dirty": None}


@needs_git
def test_commit_and_dirty_flag_are_those_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a commit, clean, with a new file, and under a hook's variables."""
    git(tmp_path, "init", "--quiet")
    assert environment(tmp_path)["git"] == {"commit": None, "dirty": False}
    (tmp_path / "a").write_text("1", "utf-8")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert environment(tmp_path)["git"] == {"commit": commit, "dirty": False}
    (tmp_path / "b").touch()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert environment(tmp_path)["git"] == {"commit": commit, "dirty": True}
    (tmp_path / "inner").mkdir()
    assert environment(tmp_path / "inner")["git"] == {"commit": None, "dirty": None}


def test_without_git_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is unknown then."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert environment(tmp_path)["git"] == {"commit": None, "dirty": None}
