"""The MANIFEST finds every file that was changed, lost or added."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import ReplayError
from replay.evidence import ManifestDifference, ManifestError, verify_manifest, write_manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with three files and a MANIFEST."""
    (tmp_path / "events").mkdir()
    (tmp_path / "result.json").write_bytes(b"{}\n")
    (tmp_path / "events" / "cloud.jsonl").write_bytes(b"")
    (tmp_path / "a b.txt").write_bytes(b"x")
    write_manifest(tmp_path)
    return tmp_path


def test_the_manifest_is_sorted_and_in_the_format_of_sha256sum(run: Path) -> None:
    """A partner can check it without this tool."""
    lines = (run / "MANIFEST").read_text("utf-8").splitlines()
    assert [line[66:] for line in lines] == ["a b.txt", "events/cloud.jsonl", "result.json"]
    assert lines[2][:66] == hashlib.sha256(b"{}\n").hexdigest() + "  "
    assert verify_manifest(run) == ()


def test_writing_it_again_gives_the_same_bytes(run: Path) -> None:
    """It does not list itself, nor a file half written."""
    before = (run / "MANIFEST").read_bytes()
    (run / ".tmp-0123").write_bytes(b"half")
    write_manifest(run)
    assert (run / "MANIFEST").read_bytes() == before
    assert verify_manifest(run) == ()


def test_changed_missing_and_unlisted_files_are_told_apart(run: Path) -> None:
    """In the order of their paths; a link to a file is not the file."""
    (run / "result.json").write_bytes(b"{} ")
    (run / "events" / "cloud.jsonl").unlink()
    (run / "new.txt").write_bytes(b"")
    (run / "a b.txt").rename(run / "b.txt")
    (run / "a b.txt").symlink_to(run / "b.txt")
    assert verify_manifest(run) == (
        ManifestDifference(path="a b.txt", kind="missing"),
        ManifestDifference(path="b.txt", kind="unlisted"),
        ManifestDifference(path="events/cloud.jsonl", kind="missing"),
        ManifestDifference(path="new.txt", kind="unlisted"),
        ManifestDifference(path="result.json", kind="changed"),
    )


def test_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    """Nothing vouches for the run, which is not the same as nothing being wrong."""
    with pytest.raises(ManifestError, match="nothing vouches") as caught:
        verify_manifest(tmp_path)
    assert isinstance(caught.value, ReplayError)
    assert caught.value.line is None


HASH = "0" * 64


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"{HASH}  a\nnonsense\n", 2, "a hash, two spaces and a path"),
        (f"{HASH}  ../a\n", 1, "lies outside"),
        (f"{HASH}  /etc/passwd\n", 1, "lies outside"),
        (f"{HASH}  a\n{HASH}  b", 2, "cut off"),
    ],
)
def test_a_manifest_that_is_none_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, reason: str
) -> None:
    """A path may not lead out of the directory."""
    (tmp_path / "MANIFEST").write_text(text, "utf-8")
    with pytest.raises(ManifestError, match=reason) as caught:
        verify_manifest(tmp_path)
    assert caught.value.line == line


def test_bytes_that_are_no_text_are_no_manifest(tmp_path: Path) -> None:
    """Said as such."""
    (tmp_path / "MANIFEST").write_bytes(b"\xff\n")
    with pytest.raises(ManifestError, match="UTF-8"):
        verify_manifest(tmp_path)


def test_a_name_that_the_format_cannot_say_is_refused(tmp_path: Path) -> None:
    """A line break in a name would forge a line."""
    (tmp_path / "a\nb").touch()
    with pytest.raises(ValueError, match="cannot stand in a MANIFEST"):
        write_manifest(tmp_path)


@given(content=st.binary(max_size=200), at=st.integers(0, 199), bit=st.integers(0, 7))
def test_one_bit_is_enough(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, bit: int
) -> None:
    """Any flipped bit of any file is seen."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "a").write_bytes(content)
    write_manifest(folder)
    if at < len(content):
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        (folder / "a").write_bytes(changed)
        assert [d.kind for d in verify_manifest(folder)] == ["changed"]
    else:
        assert verify_manifest(folder) == ()
