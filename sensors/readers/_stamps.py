"""Stamps of a folder of images, from the text file beside them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sensors.errors import RecordingCorruptError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_SECONDS = re.compile(r"(\d+)\.(\d{1,9})", re.ASCII)
_NANOSECONDS = re.compile(r"\d+", re.ASCII)


def read_stamps(path: Path, *, images: int) -> Sequence[int]:
    """Return one stamp in ns per line.

    A line is a date `YYYY-MM-DD HH:MM:SS.nnnnnnnnn` (taken as UTC, counted from 1970), a number of
    seconds with a decimal point, or a whole number of ns. All lines of a file have the same form.
    Empty lines at the end do not count. Equal neighbours are allowed.

    Args:
        path: The text file.
        images: Number of stamps expected.

    Raises:
        RecordingCorruptError: A line cannot be understood or goes back in time, or there are more
            or fewer lines than images; the reason names the line, counted from 1.
    """
    try:
        lines = path.read_text(encoding="utf-8").rstrip().splitlines()
    except UnicodeDecodeError as error:
        raise RecordingCorruptError(path, f"no text: {error.reason}") from error
    stamps: list[int] = []
    first_form = ""
    for number, line in enumerate(lines, start=1):
        try:
            form, stamp_ns = _parse(line.strip())
        except ValueError as error:
            raise RecordingCorruptError(path, f"line {number}: {error}") from error
        first_form = first_form or form
        if form != first_form:
            reason = f"line {number}: {form}, where the first line has {first_form}"
            raise RecordingCorruptError(path, reason)
        if stamps and stamp_ns < stamps[-1]:
            reason = f"line {number}: time goes back by {stamps[-1] - stamp_ns} ns"
            raise RecordingCorruptError(path, reason)
        stamps.append(stamp_ns)
    if len(stamps) != images:
        line_of = min(len(stamps), images) + 1
        what = "a stamp without an image" if len(stamps) > images else "no stamp for an image"
        reason = f"line {line_of}: {what}; {len(stamps)} stamps stand beside {images} images"
        raise RecordingCorruptError(path, reason)
    return stamps


def _parse(text: str) -> tuple[str, int]:
    """Return the form of a line, in words, and its stamp in ns."""
    date = _DATE.fullmatch(text)
    if date is not None:
        year, month, day, hour, minute, second = (int(date[n]) for n in range(1, 7))
        since = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH
        whole_s = since.days * 86_400 + since.seconds
        return "a date", whole_s * _NS_PER_S + _fraction_ns(date[7] or "")
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return "seconds", int(seconds[1]) * _NS_PER_S + _fraction_ns(seconds[2])
    if _NANOSECONDS.fullmatch(text) is not None:
        return "whole nanoseconds", int(text)
    shown = text if len(text) <= 40 else text[:40] + "…"  # noqa: PLR2004 - width of a message
    msg = f"{shown!r} is neither a date, nor seconds, nor whole nanoseconds"
    raise ValueError(msg)


def _fraction_ns(digits: str) -> int:
    return int(digits.ljust(9, "0"))
