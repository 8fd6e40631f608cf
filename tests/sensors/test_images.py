"""Drives as folders of images."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import pytest

from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.frames import CameraFrame
from sensors.readers._limits import MAX_PIXELS
from sensors.readers.errors import PeriodUnknownError
from sensors.readers.images import open_images

if TYPE_CHECKING:
    from pathlib import Path


class MakeImages(Protocol):
    """Fills a folder with images, with a file of stamps where wanted."""

    def __call__(
        self, *, frames: int = 12, suffix: str = ".png", stamps: str | None = None
    ) -> Path:
        """Return the folder."""


PERIOD_NS = 100_000_000


def stamps_of(path: Path, period_ns: int | None = None) -> list[tuple[int, int]]:
    """Return stamp and place on the grid of each frame."""
    with open_images(path, stream="front", period_ns=period_ns) as drive:
        return [(frame.stamp_ns, frame.scheduled_ns) for frame in drive.frames()]


def refusal(path: Path) -> str:
    """Return what is said when the folder is read with a declared period."""
    with pytest.raises(RecordingCorruptError) as caught:  # noqa: SIM117
        with open_images(path, stream="front", period_ns=PERIOD_NS) as drive:
            list(drive.frames())
    return str(caught.value)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds nothing."""
    chunks = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ):
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        chunks += struct.pack(">I", len(body)) + kind + body + checksum
    return chunks


def test_numbers_in_names_sort_as_numbers(make_images: MakeImages) -> None:
    """2.png comes before 10.png."""
    with open_images(make_images(frames=12), stream="front", period_ns=PERIOD_NS) as drive:
        frames = [frame for frame in drive.frames() if isinstance(frame, CameraFrame)]
    levels = [int(frame.image[0, -1, 0]) for frame in frames]
    assert levels == [20 + 9 * number for number in range(12)]


@pytest.mark.parametrize(
    ("text", "stamps"),
    [
        (
            "2011-09-26 13:02:25.964389445\n2011-09-26 13:02:26.067\n",
            [1_317_042_145_964_389_445, 1_317_042_146_067_000_000],
        ),
        ("5\n70\n", [5, 70]),
        ("0.25\n1317042146.000000001\n\n", [250_000_000, 1_317_042_146_000_000_001]),
        ("7\n7", [7, 7]),
    ],
)
def test_stamps_are_read_to_the_nanosecond(
    make_images: MakeImages, text: str, stamps: list[int]
) -> None:
    """Dates, seconds and nanoseconds are understood without rounding."""
    path = make_images(frames=2, stamps=text)
    assert stamps_of(path) == [(stamp, stamp) for stamp in stamps]


def test_stamps_of_the_parent_folder_count(make_images: MakeImages) -> None:
    """KITTI keeps the stamps one folder up."""
    path = make_images(frames=2)
    (path.parent / "timestamps.txt").write_text("3\n9\n", encoding="utf-8")
    assert stamps_of(path) == [(3, 3), (9, 9)]


def test_a_declared_period_makes_a_grid_beside_the_stamps(make_images: MakeImages) -> None:
    """Stamps stay as recorded; the grid starts at the first of them."""
    path = make_images(frames=3, stamps="1000\n1130\n1190\n")
    assert stamps_of(path, 100) == [(1000, 1000), (1130, 1100), (1190, 1200)]


def test_without_stamps_and_period_the_error_says_what_to_do(make_images: MakeImages) -> None:
    """Nothing is guessed."""
    with pytest.raises(PeriodUnknownError, match="declare the stream's `period`"):
        stamps_of(make_images())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1\n2\n", "line 3: no stamp for an image; 2 stamps stand beside 3 images"),
        ("1\n2\n3\n4\n", "line 4: a stamp without an image; 4 stamps stand beside 3 images"),
        ("5\n9\n8\n", "line 3: time goes back by 1 ns"),
        ("5\nnoon\n8\n", "line 2: 'noon' is neither a date, nor seconds, nor whole nanoseconds"),
        ("5\n6.0\n8\n", "line 2: seconds, where the first line has whole nanoseconds"),
        ("2011-13-26 13:02:25\n", "line 1: month must be in 1..12"),
        ("5\n\n8\n", "line 2: '' is neither"),
        ("-5\n1\n2\n", "line 1: '-5' is neither"),
        ("", "line 1: no stamp for an image; 0 stamps"),
    ],
)
def test_bad_stamps_are_refused_by_line(make_images: MakeImages, text: str, reason: str) -> None:
    """The error names file and line."""
    said = refusal(make_images(frames=3, stamps=text))
    assert f"timestamps.txt: {reason}" in said


def test_stamps_that_are_no_text_are_refused(make_images: MakeImages) -> None:
    """A binary file under that name is damage."""
    path = make_images(frames=1)
    (path / "timestamps.txt").write_bytes(b"\xff\xfe\x00")
    assert "timestamps.txt: no text" in refusal(path)


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    """There has to be at least one image."""
    with pytest.raises(RecordingNotFoundError):
        open_images(tmp_path / "none", stream="front").__enter__()
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert refusal(tmp_path).endswith("it holds no image")


def test_images_of_another_size_are_refused(make_images: MakeImages) -> None:
    """All pictures of a camera have one size."""
    path = make_images(frames=3)
    cv2.imwrite(str(path / "1.png"), np.zeros((10, 20, 3), np.uint8))
    assert refusal(path).endswith("1.png: it has 20x10 pixels, the first image 64x48")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_an_image_cut_off_is_refused(make_images: MakeImages, suffix: str, share: float) -> None:
    """Half a picture is no picture, even where the decoder would fill it up with grey."""
    path = make_images(frames=2, suffix=suffix)
    file = path / f"1{suffix}"
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    assert file.name in refusal(path)


def test_a_flipped_bit_in_a_png_is_refused(make_images: MakeImages) -> None:
    """Its own checksums tell."""
    path = make_images(frames=2)
    data = bytearray((path / "1.png").read_bytes())
    data[len(data) // 2] ^= 1
    (path / "1.png").write_bytes(bytes(data))
    assert "1.png: the PNG is damaged: wrong checksum" in refusal(path)


@pytest.mark.parametrize("size", [(100_000, 100_000), (MAX_PIXELS + 1, 1), (0, 5)])
def test_an_image_bomb_is_refused_before_it_is_decoded(
    make_images: MakeImages, size: tuple[int, int]
) -> None:
    """The header is judged before memory is taken."""
    path = make_images(frames=1)
    (path / "0.png").write_bytes(png_header(*size))
    assert f"0.png: its header claims {size[0]}x{size[1]} pixels" in refusal(path)


def test_a_header_without_a_picture_is_refused(make_images: MakeImages) -> None:
    """A sound structure around nothing cannot be decoded."""
    path = make_images(frames=2)
    (path / "1.png").write_bytes(png_header(64, 48))
    assert "1.png: it cannot be decoded" in refusal(path)


def test_grey_images_become_three_channels(tmp_path: Path) -> None:
    """Shape and type of a frame do not depend on the file."""
    cv2.imwrite(str(tmp_path / "0.png"), np.full((8, 9), 40_000, np.uint16))
    with open_images(tmp_path, stream="front", period_ns=PERIOD_NS) as drive:
        (frame,) = drive.frames()
    assert isinstance(frame, CameraFrame)
    assert frame.image.shape == (8, 9, 3)
    assert frame.image.dtype == np.uint8
    assert int(frame.image[0, 0, 0]) == 40_000 // 256
