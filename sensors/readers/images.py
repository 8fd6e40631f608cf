"""Drives as folders of numbered images, KITTI raw among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.frames import CameraFrame, Stream
from sensors.readers._pictures import file_bytes, file_picture, picture_size
from sensors.readers._single import SingleStreamReader, in_window
from sensors.readers._stamps import read_stamps
from sensors.readers.errors import PeriodUnknownError
from sensors.readers.formats import ReaderFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SUFFIXES = (".png", ".jpg", ".jpeg")
_STAMPS_FILE = "timestamps.txt"
_DIGITS = re.compile(r"([0-9]+)")


class ImagesReader(SingleStreamReader):
    """Reads one folder of `.png`, `.jpg` and `.jpeg` files as a drive of one camera.

    Files are taken in natural order (`2.png` before `10.png`); hidden ones are left out.
    `timestamps.txt` in the folder, else in its parent (as KITTI raw has it), gives the stamps; see
    `read_stamps` for its forms. Without it, frame `i` gets the stamp `i * period`. Where a period
    is declared, `scheduled_ns` is the first stamp plus `i * period`. The pixels are taken as
    stored: grey becomes three equal channels, 16 bits become 8, orientation tags are ignored.
    """

    def __init__(self, path: Path, *, stream: str, period_ns: int | None = None) -> None:
        """Remember what to open.

        Args:
            path: The folder.
            stream: Name that its frames shall carry.
            period_ns: Declared nominal period in ns, above 0; None takes the recorded stamps.

        Raises:
            ValueError: The period is not above 0.
        """
        super().__init__(path=path, stream=stream, period_ns=period_ns)
        self._files: Sequence[Path] = ()
        self._stamps: Sequence[int] = ()

    @property
    def drive_id(self) -> str:
        """The path as given, and the parameters."""
        period = "recorded" if self._declared_ns is None else str(self._declared_ns)
        return f"images:{self._path.as_posix()}?stream={self._name}&period_ns={period}"

    def _open(self) -> Stream:
        """List the folder, read the stamps and the first image's header.

        Raises:
            RecordingNotFoundError: There is no such folder.
            RecordingCorruptError: It holds no image, or stamps and images contradict each other.
            PeriodUnknownError: There are neither stamps nor a declared period.
        """
        if not self._path.is_dir():
            raise RecordingNotFoundError(self._path)
        self._files = sorted(_images_in(self._path), key=_natural_order)
        if not self._files:
            raise RecordingCorruptError(self._path, "it holds no image")
        self._stamps = self._find_stamps()
        width, height = picture_size(self._files[0], file_bytes(self._files[0]))
        return Stream(
            name=self._name,
            kind="camera",
            period_ns=self._declared_ns,
            frames=len(self._files),
            width=width,
            height=height,
        )

    def stamps(self) -> Sequence[int]:
        """Return `stamp_ns` of every frame, ns."""
        self._opened()
        return self._stamps

    def _find_stamps(self) -> Sequence[int]:
        for place in (self._path, self._path.resolve().parent):
            if (place / _STAMPS_FILE).is_file():
                return read_stamps(place / _STAMPS_FILE, images=len(self._files))
        if self._declared_ns is None:
            raise PeriodUnknownError(self._path, f"no {_STAMPS_FILE} in the folder or its parent")
        return range(0, len(self._files) * self._declared_ns, self._declared_ns)

    def _read(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[CameraFrame]:
        for index, (file, stamp_ns) in enumerate(zip(self._files, self._stamps, strict=True)):
            if not in_window(stamp_ns, start_ns, stop_ns):
                continue
            scheduled_ns = stamp_ns
            if stream.period_ns is not None:
                scheduled_ns = self._stamps[0] + index * stream.period_ns
            yield CameraFrame(
                stream=stream.name,
                index=index,
                stamp_ns=stamp_ns,
                scheduled_ns=scheduled_ns,
                image=file_picture(file, width=stream.width, height=stream.height),
            )


def _images_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        hidden = file.name.startswith(".")
        if file.suffix.lower() in _SUFFIXES and not hidden and file.is_file():
            yield file


def _natural_order(file: Path) -> tuple[list[tuple[str, int]], str]:
    """Compare runs of digits as numbers; the name itself breaks ties (`1.png`, `01.png`)."""
    parts = _DIGITS.split(file.name.lower())
    numbers = [*map(int, parts[1::2]), 0]
    return list(zip(parts[::2], numbers, strict=True)), file.name


def _accepts(path: Path) -> bool:
    return path.is_dir() and next(_images_in(path), None) is not None


open_images = ReaderFormat(
    summary=f"folders of {', '.join(_SUFFIXES)}", accepts=_accepts, make=ImagesReader, general=True
)
"""Entry point: `open_images(path, *, stream, period_ns=None)` returns a closed `ImagesReader`."""
