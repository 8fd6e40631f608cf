"""Lists of names and numbers among a decoder's parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.tasks.outputs import coco
from sensors.labels import LABEL_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_CLASSES = 65_536
"""A class crosses as uint16."""

_KNOWN = {"coco": coco.NAMES, "splitway": LABEL_CLASSES}


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


def class_list(decoder: str, value: str | Sequence[str]) -> tuple[str, ...]:
    """Read names of classes: `coco`, `splitway` (those of synthetic drives), or a list.

    Raises:
        InputError: No list of different names, none at all, or more than can cross.
    """
    if isinstance(value, str) and value in _KNOWN:
        return _KNOWN[value]
    names = name_list(f"{decoder}: classes", value)
    if not 1 <= len(names) <= MOST_CLASSES:
        raise InputError(f"{decoder}: classes are 1 to {MOST_CLASSES} names, not {len(names)}")
    return names


def share(where: str, value: float) -> float:
    """Read a number from 0 to 1.

    Raises:
        InputError: Something else.
    """
    number = _number(where, value)
    if not 0 <= number <= 1:
        raise InputError(f"{where} goes from 0 to 1, not {value}")
    return number


def length(where: str, value: float) -> float:
    """Read a finite number of at least 0.

    Raises:
        InputError: Something else.
    """
    number = _number(where, value)
    if not 0 <= number < float("inf"):
        raise InputError(f"{where} is a finite number of at least 0, not {value}")
    return number


def count(where: str, value: int, most: int) -> int:
    """Read a whole number from 1 to `most`.

    Raises:
        InputError: Something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"{where} goes from 1 to {most}, not {value!r}")
    return value


def choice(where: str, value: str, known: Sequence[str]) -> str:
    """Read one of a few words.

    Raises:
        InputError: Another one.
    """
    if value not in known:
        raise InputError(f"{where} is one of {', '.join(known)}, not {value!r}")
    return value


def number_list(where: str, value: str | Sequence[float]) -> tuple[float, ...]:
    """Read finite numbers from a list, or from text parted by commas; empty text gives none.

    Raises:
        InputError: Something that is no number.
    """
    parts: Sequence[str | float] = (
        (value.split(",") if value.strip() else []) if isinstance(value, str) else value
    )
    try:
        numbers = tuple(float(part) for part in parts)
    except (TypeError, ValueError) as err:
        raise InputError(f"{where} are numbers parted by commas, not {value!r}") from err
    if not all(abs(number) < float("inf") for number in numbers):  # not-a-number compares false
        raise InputError(f"{where} are finite numbers, not {value!r}")
    return numbers


def _number(where: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where} is a number, not {value!r}")
    return float(value)
