"""Tiny recordings, built on the spot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class MakeVideo(Protocol):
    """Writes a video file of so many frames."""

    def __call__(
        self, name: str, *, frames: int = 12, rate: float = 25.0, code: str = "mp4v"
    ) -> Path:
        """Return its path."""


class MakeImages(Protocol):
    """Fills a folder with images, with a file of stamps where wanted."""

    def __call__(
        self, *, frames: int = 12, suffix: str = ".png", stamps: str | None = None
    ) -> Path:
        """Return the folder."""


WIDTH, HEIGHT = 64, 48


def picture(number: int) -> NDArray[np.uint8]:
    """Return a picture that tells its number by its brightness, shape (48, 64, 3)."""
    image = np.full((HEIGHT, WIDTH, 3), 20 + number * 9, np.uint8)
    image[:, : WIDTH // 2] //= 2
    return image


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Return a function that writes a video file of so many frames."""

    def make(name: str, *, frames: int = 12, rate: float = 25.0, code: str = "mp4v") -> Path:
        path = tmp_path / name
        fourcc = cv2.VideoWriter.fourcc(*code)
        writer = cv2.VideoWriter(str(path), fourcc, rate, (WIDTH, HEIGHT))
        assert writer.isOpened()
        for number in range(frames):
            writer.write(picture(number))
        writer.release()
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Return a function that fills a folder with images, with a file of stamps where wanted."""

    def make(*, frames: int = 12, suffix: str = ".png", stamps: str | None = None) -> Path:
        path = tmp_path / "drive" / "data"
        path.mkdir(parents=True)
        for number in range(frames):
            assert cv2.imwrite(str(path / f"{number}{suffix}"), picture(number))
        if stamps is not None:
            (path / "timestamps.txt").write_text(stamps, encoding="utf-8")
        return path

    return make
