"""Files that are written whole or not at all, and JSON that every reader accepts."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TEMPORARY = ".tmp-"  # how a file begins that is being written


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then rename it: whole or not at all.

    A file of that name is replaced. The bytes are on the disk before the name is.

    Raises:
        OSError: It cannot be written, such as on a full disk; the old file is as it was.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 as `write_bytes` does; line ends stay as they are."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: object) -> None:
    """Write a JSON document as `write_bytes` does, indented, keys in the document's order.

    Raises:
        ValueError: A number in it is NaN or infinite; the message says where.
        TypeError: Something in it has no form in JSON.
    """
    write_text(path, json_text(document, indent=2) + "\n")


def json_text(document: object, *, indent: int | None = None) -> str:
    """A JSON document as text; without an indent it is one line without spaces.

    Raises:
        ValueError: A number in it is NaN or infinite; the message says where.
        TypeError: Something in it has no form in JSON.
    """
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(
            document, allow_nan=False, ensure_ascii=False, indent=indent, separators=separators
        )
    except ValueError as err:
        # Python has one class for both, and a circular document has no end to search to.
        where = _not_finite(document, "") if f"{err}".startswith("Out of range") else None
        if where is None:
            raise
        raise ValueError(f"{where} is no finite number, which JSON cannot say") from err


def _not_finite(value: object, where: str) -> str | None:
    match value:
        case float() if not math.isfinite(value):
            return where or "the document"
        case dict():
            items = [(f"{where}.{key}" if where else f"{key}", item) for key, item in value.items()]
        case list() | tuple():
            items = [(f"{where}[{index}]", item) for index, item in enumerate(value)]
        case _:
            return None
    found = (_not_finite(item, place) for place, item in items)
    return next((place for place in found if place is not None), None)
