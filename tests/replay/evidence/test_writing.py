"""Whole files or none, and JSON that every reader accepts."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING

import pytest

from replay.evidence import json_text, write_bytes, write_json, write_text

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    """Nothing else is left in the folder, and line ends stay as they are."""
    file = tmp_path / "a.txt"
    write_text(file, "one\r\n")
    write_text(file, "zwölf\n")
    assert file.read_bytes() == "zwölf\n".encode()
    assert list(tmp_path.iterdir()) == [file]


def test_others_may_read_what_the_user_lets_them(tmp_path: Path) -> None:
    """The mode is that of any file the user makes."""
    write_bytes(tmp_path / "a", b"")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no temporary one: a full disk loses nothing that was there."""
    file = tmp_path / "a.txt"
    write_text(file, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_text(file, "new")
    assert file.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_json_keeps_order_and_letters(tmp_path: Path) -> None:
    """As a person would read it, with a line break at the end."""
    file = tmp_path / "a.json"
    write_json(file, {"b": "é", "a": [1, None]})
    text = file.read_text("utf-8")
    assert text == '{\n  "b": "é",\n  "a": [\n    1,\n    null\n  ]\n}\n'
    assert json.loads(text) == {"b": "é", "a": [1, None]}
    assert json_text({"a": [1, 2]}) == '{"a":[1,2]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_say_is_refused_by_its_place(
    tmp_path: Path, value: float
) -> None:
    """Before anything is written."""
    with pytest.raises(ValueError, match=r"^paths\[1\]\.p99_ms is no finite number"):
        write_json(tmp_path / "a.json", {"paths": [{"p99_ms": 1.0}, {"p99_ms": value}]})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="the document is no finite number"):
        json_text(value)


def test_a_circular_document_is_refused_as_such() -> None:
    """The reason is not taken for a number."""
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        json_text(circle)
