"""Lists of names among a decoder's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def name_list(where: str, value: str | Sequence[str]) -> tuple[str, ...]:
    """Read different names from a list, or from text parted by commas; empty text gives none.

    Args:
        where: What the message begins with, such as `masks: names`.
        value: As a scenario gives it.

    Raises:
        InputError: Not text or a list of text, or a name is empty or comes twice.
    """
    parts = (value.split(",") if value else []) if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        names = tuple(part.strip() for part in parts)
        if all(names) and len(set(names)) == len(names):
            return names
    raise InputError(f"{where} are different names, as a list or parted by commas, not {value!r}")
