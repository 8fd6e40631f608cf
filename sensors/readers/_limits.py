"""How large a picture a recording may claim before anything is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sensors.errors import RecordingCorruptError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PIXELS = 64 * 1024 * 1024
"""Width times height: eight times an 8-megapixel camera, 192 MiB decoded. A header that claims more
is taken for damage or an attack (an image bomb)."""


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a picture size that no camera has.

    Args:
        path: What the error names.
        width: Pixels across, as claimed by the header.
        height: Pixels down, likewise.

    Raises:
        RecordingCorruptError: A side is below 1, or width times height is above `MAX_PIXELS`.
    """
    fault = size_fault(width, height)
    if fault is not None:
        raise RecordingCorruptError(path, fault)


def size_fault(width: int, height: int) -> str | None:
    """Return what is wrong with a picture size that no camera has; None if nothing is."""
    if width < 1 or height < 1:
        return f"its header claims {width}x{height} pixels"
    if width * height > MAX_PIXELS:
        return f"its header claims {width}x{height} pixels, above the limit of {MAX_PIXELS}"
    return None
