"""Drives in video files: MP4, MOV, AVI, Matroska and WebM, decoded by OpenCV."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.errors import RecordingCorruptError, RecordingNotFoundError
from sensors.frames import CameraFrame, Stream
from sensors.readers._container import counts_exactly, structural_fault
from sensors.readers._limits import check_size
from sensors.readers._single import SingleStreamReader, in_window
from sensors.readers.errors import PeriodUnknownError
from sensors.readers.formats import ReaderFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
_NS_PER_S = 1_000_000_000
_MAX_DENOMINATOR = 100_000  # recovers 30000/1001 and its like exactly from a float64
_MAX_FRAMES_PER_S = 10_000  # above any road camera; containers write 90000 where they know none
_FFMPEG_QUIET = "-8"  # AV_LOG_QUIET of libavutil/log.h
_ESTIMATE_SLACK_FRAMES = 1  # duration times rate is rounded, and the last frame's duration may miss


class VideoReader(SingleStreamReader):
    """Reads one video file as a drive of one camera.

    Frame `i` gets the stamp `i * period`: the declared period, else the exact ratio of the
    header's frame rate, rounded down to whole ns without accumulating (30000/1001 does not drift).
    A file of variable frame rate is therefore read at its mean rate. `scheduled_ns` equals
    `stamp_ns`. Pictures come as the player of the video would show them, rotation applied.

    MP4, MOV and AVI index every frame, so a drive is whole only if the decoder delivers exactly as
    many frames as the header names; one frame fewer is an error, since that is how a file looks
    whose last bytes are lost. Files trimmed by an edit list name more frames than they show: they
    are refused too and have to be encoded anew. Containers that know only a duration (Matroska,
    WebM) give an estimate: `Stream.frames` is None, and ending one frame earlier is accepted.
    A Matroska file without a duration cannot be checked, and damage that the codec conceals inside
    a picture cannot be seen.
    """

    def __init__(self, path: Path, *, stream: str, period_ns: int | None = None) -> None:
        """Remember what to open.

        Args:
            path: The video file.
            stream: Name that its frames shall carry.
            period_ns: Declared nominal period in ns, above 0; None takes the header's frame rate.

        Raises:
            ValueError: The period is not above 0.
        """
        super().__init__(path=path, stream=stream, period_ns=period_ns)
        self._pace = Fraction(0)
        self._least_frames = 0

    @property
    def drive_id(self) -> str:
        """The path as given, and the parameters."""
        period = "header" if self._declared_ns is None else str(self._declared_ns)
        return f"video:{self._path.as_posix()}?stream={self._name}&period_ns={period}"

    def _open(self) -> Stream:
        """Read the header.

        Raises:
            RecordingNotFoundError: There is no such file.
            RecordingCorruptError: It cannot be opened, is cut off, or holds no frame.
            PeriodUnknownError: The header names no frame rate and no period is declared.
        """
        if not self._path.is_file():
            raise RecordingNotFoundError(self._path)
        broken = structural_fault(self._path)
        if broken is not None:
            raise RecordingCorruptError(self._path, broken)
        capture = self._capture()
        try:
            frames = _whole(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            width = _whole(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            height = _whole(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
            rate = capture.get(cv2.CAP_PROP_FPS)
            check_size(self._path, width, height)
            if frames <= 0 and not capture.grab():
                raise RecordingCorruptError(self._path, "it holds no frame")
        finally:
            capture.release()
        exact = frames > 0 and counts_exactly(self._path)
        self._least_frames = frames if exact else max(1, frames - _ESTIMATE_SLACK_FRAMES)
        self._pace = self._frame_distance(rate)
        return Stream(
            name=self._name,
            kind="camera",
            period_ns=round(self._pace),
            frames=frames if exact else None,
            width=width,
            height=height,
        )

    def stamps(self) -> Sequence[int] | None:
        """Return `stamp_ns` of every frame, ns; None where the container only estimates."""
        frames = self._opened().frames
        if frames is None:
            return None
        if self._pace.denominator == 1:
            return range(0, frames * int(self._pace), int(self._pace))
        return tuple(math.floor(index * self._pace) for index in range(frames))

    def _frame_distance(self, frames_per_s: float) -> Fraction:
        """Return the exact distance of two frames in ns."""
        if self._declared_ns is not None:
            return Fraction(self._declared_ns)
        if not (math.isfinite(frames_per_s) and 0 < frames_per_s <= _MAX_FRAMES_PER_S):
            reason = f"its header names no usable frame rate ({frames_per_s:g} per second)"
            raise PeriodUnknownError(self._path, reason)
        return _NS_PER_S / Fraction(frames_per_s).limit_denominator(_MAX_DENOMINATOR)

    def _read(
        self, stream: Stream, start_ns: int | None, stop_ns: int | None
    ) -> Iterator[CameraFrame]:
        capture = self._capture()
        try:
            index = 0
            while True:
                stamp_ns = math.floor(index * self._pace)
                if stop_ns is not None and stamp_ns >= stop_ns:
                    return
                if not capture.grab():
                    break
                self._check_count(stream, index + 1)
                if in_window(stamp_ns, start_ns, stop_ns):
                    yield CameraFrame(
                        stream=stream.name,
                        index=index,
                        stamp_ns=stamp_ns,
                        scheduled_ns=stamp_ns,
                        image=self._picture(capture, stream, index),
                    )
                index += 1
            if index < self._least_frames:
                reason = (
                    f"the decoder stops after {index} of {self._least_frames} frames: cut off,"
                    " damaged, or trimmed by an edit list; copy it anew or encode it anew"
                )
                raise RecordingCorruptError(self._path, reason)
        finally:
            capture.release()

    def _check_count(self, stream: Stream, frames: int) -> None:
        if stream.frames is not None and frames > stream.frames:
            reason = f"it holds more frames than the {stream.frames} that its header names"
            raise RecordingCorruptError(self._path, reason)

    def _picture(self, capture: cv2.VideoCapture, stream: Stream, index: int) -> NDArray[np.uint8]:
        decoded, image = capture.retrieve()
        expected = (stream.height, stream.width, 3)
        if not decoded:
            raise RecordingCorruptError(self._path, f"frame {index} cannot be decoded")
        if image.shape != expected or image.dtype != np.uint8:
            reason = f"frame {index} has the shape {image.shape}, the header says {expected}"
            raise RecordingCorruptError(self._path, reason)
        return image.astype(np.uint8, copy=False)

    def _capture(self) -> cv2.VideoCapture:
        _silence_decoders()
        # Software decoding: what a graphics card decodes differs from machine to machine.
        options = [cv2.CAP_PROP_HW_ACCELERATION, cv2.VIDEO_ACCELERATION_NONE]
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG, options)
        if not capture.isOpened():
            raise RecordingCorruptError(self._path, "it cannot be opened as a video")
        return capture


def _silence_decoders() -> None:
    """Keep OpenCV's and FFmpeg's own messages off the terminal; our errors say what is wrong.

    FFmpeg's level is read once, when OpenCV opens the first video of the process; a level that
    the user set is kept.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _whole(value: float) -> int:
    return round(value) if math.isfinite(value) else 0


def _accepts(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in _SUFFIXES


open_video = ReaderFormat(
    summary=f"files ending in {', '.join(_SUFFIXES)}", accepts=_accepts, make=VideoReader
)
"""Entry point: `open_video(path, *, stream, period_ns=None)` returns a closed `VideoReader`."""
