"""What a video file's own outer structure promises about its length."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_BOX_HEADER_BYTES = 8
_LARGE_BOX_HEADER_BYTES = 16
_ISO_FIRST = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}  # old MOV files lack ftyp
_EBML = b"\x1aE\xdf\xa3"  # Matroska, WebM
_MAX_BOXES = 100_000  # fragmented recordings have two boxes a second; more is not a video


def counts_exactly(path: Path) -> bool:
    """Return whether the container indexes every frame, so that its count is no estimate.

    True for MP4, MOV (ISO base media) and AVI (RIFF). Other containers, Matroska among them, know
    only a duration, from which the decoder estimates a count.
    """
    with path.open("rb") as file:
        head = file.read(12)
    return _is_iso(head) or _is_riff(head)


def structural_fault(path: Path) -> str | None:
    """Return what is wrong with the outer structure, such as a missing end; None if nothing is.

    Looks at the sizes of the outermost boxes (MP4, MOV) or at the RIFF size (AVI) and decodes
    nothing; of Matroska and WebM it looks at the first bytes only. Anything else is refused, since
    a decoder would guess, and a stream without a container tells nothing about its length.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if _is_iso(head):
            return _missing_box_end(file, size_bytes)
    if _is_riff(head):
        promised_bytes = 8 + int.from_bytes(head[4:8], "little")
        if promised_bytes > size_bytes:
            return f"cut off: {size_bytes} of {promised_bytes} bytes are there"
    elif not head.startswith(_EBML):
        return "it cannot be opened as a video: no MP4, MOV, AVI, Matroska or WebM file"
    return None


def _is_iso(head: bytes) -> bool:
    return head[4:8] in _ISO_FIRST


def _is_riff(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def _missing_box_end(file: BinaryIO, size_bytes: int) -> str | None:
    """Walk the outermost boxes: big-endian size (8 bytes more if 1, to the end if 0), type."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= size_bytes:
            return None
        file.seek(at, os.SEEK_SET)
        header = file.read(_LARGE_BOX_HEADER_BYTES)
        box_bytes = int.from_bytes(header[:4], "big")
        if box_bytes == 0:
            return None
        least_bytes = _BOX_HEADER_BYTES
        if box_bytes == 1:
            box_bytes = int.from_bytes(header[8:16], "big")
            least_bytes = _LARGE_BOX_HEADER_BYTES
        if len(header) < least_bytes or box_bytes < least_bytes:
            return f"damaged: no box begins at byte {at}"
        if at + box_bytes > size_bytes:
            name = header[4:8].decode("ascii", "replace")
            return f"cut off: box {name!r} ends at byte {at + box_bytes} of {size_bytes}"
        at += box_bytes
    return f"damaged: more than {_MAX_BOXES} boxes"
