"""Quantities as a scenario writes them: numbers with units, turned into integers once, here."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*"
_DURATIONS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
_MOST = 2**53  # over 100 days in ns; sums of such figures still fit 64 bits
_RATES = {"bit/s": 1, "kbit/s": 1_000, "Mbit/s": 1_000_000, "Gbit/s": 1_000_000_000}
_SIZES = {"B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
_MOST_PACE = 100
_SPEEDS = {"m/s": Fraction(1_000), "km/h": Fraction(1_000_000, 3_600)}  # in mm/s


def _quantity(value: object, units: Mapping[str, int | Fraction], what: str, example: str) -> int:
    if isinstance(value, str):
        found = re.fullmatch(_NUMBER + r"(?P<unit>\D\S*)", value.strip())
        if found and found["unit"] in units:
            quantity = int(Fraction(found["number"]) * units[found["unit"]])
            if quantity > _MOST:
                raise ValueError(f"is too large, got {value[:40]!r}")
            return quantity
    raise ValueError(
        f"must be {what} with a unit ({', '.join(units)}), such as {example}, got {value!r}"
    )


def parse_duration(value: object) -> int:
    """A duration such as `40ms` in ns.

    Raises:
        ValueError: It has no unit, an unknown one, or is no number.
    """
    return _quantity(value, _DURATIONS, "a duration", "40ms")


def parse_rate(value: object) -> int:
    """A data rate such as `50Mbit/s` in bits per second.

    Raises:
        ValueError: It has no unit, an unknown one, is no number, or is zero.
    """
    rate = _quantity(value, _RATES, "a data rate", "50Mbit/s")
    if rate <= 0:
        raise ValueError(f"must be above zero, got {value!r}")
    return rate


def parse_size(value: object) -> int:
    """A size such as `512MB` in bytes.

    Raises:
        ValueError: It has no unit, an unknown one, or is no number.
    """
    return _quantity(value, _SIZES, "a size", "512MB")


def parse_speed(value: object) -> int:
    """A speed such as `10m/s` or `36km/h` in mm/s, parts of one left out.

    Raises:
        ValueError: It has no unit, an unknown one, or is no number.
    """
    return _quantity(value, _SPEEDS, "a speed", "10m/s")


def parse_shift(value: object) -> int:
    """A duration that may be negative, such as `-30ms`, in ns.

    Raises:
        ValueError: It has no unit, an unknown one, or is no number.
    """
    text = value.strip() if isinstance(value, str) else ""
    return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(value)


def parse_pace(value: object) -> float | str:
    """How fast a drive is replayed: a factor, or `max`.

    Raises:
        ValueError: It is neither `max` nor a number above 0 and at most 100.
    """
    if value == "max":
        return "max"
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST_PACE:
        return float(value)
    raise ValueError(
        f"must be a number above 0 and at most {_MOST_PACE}, or max, got {str(value)[:40]!r}"
    )


def parse_share(value: object) -> float:
    """A share such as `5%` as a number from 0 to 1.

    Raises:
        ValueError: It has no percent sign or is out of range.
    """
    if isinstance(value, str):
        found = re.fullmatch(_NUMBER + "%", value.strip())
        if found and Fraction(found["number"]) <= 100:  # noqa: PLR2004 - per cent
            return float(Fraction(found["number"]) / 100)
    raise ValueError(f"must be a percentage from 0% to 100%, such as 5%, got {value!r}")


def parse_ratio(value: object) -> float:
    """A factor such as `1/255` or `1`.

    Raises:
        ValueError: It is no positive number or fraction.
    """
    text = str(value).strip()
    if not isinstance(value, bool) and re.fullmatch(r"[0-9.]+(/[0-9]+)?", text):
        try:
            ratio = float(Fraction(text))
        except (ValueError, ZeroDivisionError, OverflowError):
            ratio = 0.0
        if ratio > 0:
            return ratio
    raise ValueError(f"must be a positive number or a fraction, such as 1/255, got {value!r}")


def parse_frames(value: object) -> int:
    """A count of frames such as `50 frames` or 50.

    Raises:
        ValueError: It is no count.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]+)\s*frames?", value.strip())):
        return int(found[1])
    raise ValueError(f"must be a count of frames, such as '50 frames', got {value!r}")


def _text(unit: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": unit})


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(lambda ns: f"{ns}ns", return_type=str),
    _text("a duration with its unit, such as 40ms"),
]
Shift = Annotated[
    int,
    BeforeValidator(parse_shift),
    PlainSerializer(lambda ns: f"{ns}ns", return_type=str),
    _text("a duration with its unit that may be negative, such as -30ms"),
]
Pace = Annotated[
    float | Literal["max"],
    BeforeValidator(parse_pace),
    WithJsonSchema(
        {"type": ["number", "string"], "description": "a number above 0 to 100, or max"}
    ),
]
Rate = Annotated[
    int,
    BeforeValidator(parse_rate),
    PlainSerializer(lambda rate: f"{rate}bit/s", return_type=str),
    _text("a data rate with its unit, such as 50Mbit/s"),
]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(lambda size: f"{size}B", return_type=str),
    _text("a size with its unit, such as 512MB"),
]
Speed = Annotated[
    int,
    BeforeValidator(parse_speed),
    PlainSerializer(lambda v: f"{v // 1_000}.{v % 1_000:03d}m/s", return_type=str),
    _text("a speed with its unit, such as 10m/s"),
]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(lambda share: f"{share * 100:.12g}%", return_type=str),
    _text("a percentage, such as 5%"),
]
Ratio = Annotated[
    float,
    BeforeValidator(parse_ratio),
    PlainSerializer(lambda ratio: str(Fraction(ratio).limit_denominator(100_000)), return_type=str),
    WithJsonSchema({"type": ["string", "number"], "description": "a factor, such as 1/255"}),
]
Frames = Annotated[
    int,
    BeforeValidator(parse_frames),
    WithJsonSchema({"type": ["string", "integer"], "description": "a count, such as 50 frames"}),
]
