"""Finding the reader of a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from sensors.errors import RecordingFormatError, RecordingNotFoundError
from sensors.readers.errors import BrokenReaderError, TopicError
from sensors.readers.formats import ReaderFormat
from sensors.readers.images import ImagesReader
from sensors.readers.registry import open_drive, reader_formats
from sensors.readers.video import VideoReader

if TYPE_CHECKING:
    from pathlib import Path


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


class InstallPlugin(Protocol):
    """Installs a stranger's distribution with one reader."""

    def __call__(self, name: str, refers_to: str) -> None:
        """Make the entry point `name` refer to an object of the module `strangers_reader`."""


SOUND = """
from sensors.readers.formats import ReaderFormat
from sensors.readers.video import VideoReader
known = ReaderFormat(summary="files ending in .drv", accepts=lambda path: path.suffix == ".drv",
                     make=VideoReader)
greedy = ReaderFormat(summary="everything", accepts=lambda path: True, make=VideoReader)
failing = ReaderFormat(summary="nothing", accepts=lambda path: 1 / 0, make=VideoReader)
number = 3
"""


@pytest.fixture
def install_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallPlugin:
    """Return a function that installs a stranger's distribution with one reader."""

    def install(name: str, refers_to: str) -> None:
        site = tmp_path / "site"
        described = site / "stranger-1.0.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text("Name: stranger\nVersion: 1.0\n", encoding="utf-8")
        entry = f"[splitway.readers]\n{name} = {refers_to}\n"
        (described / "entry_points.txt").write_text(entry, encoding="utf-8")
        (site / "strangers_reader.py").write_text(SOUND, encoding="utf-8")
        monkeypatch.syspath_prepend(site)

    return install


def test_a_video_and_a_folder_find_their_readers(
    make_video: MakeVideo, make_images: MakeImages
) -> None:
    """The built-in readers are found through their entry points."""
    assert isinstance(open_drive(make_video("clip.mp4"), stream="front"), VideoReader)
    assert isinstance(open_drive(make_images(), stream="front"), ImagesReader)


def test_the_period_reaches_the_reader(make_video: MakeVideo) -> None:
    """What the scenario declares is what the stream has."""
    with open_drive(make_video("clip.avi", code="MJPG"), stream="front", period_ns=7) as drive:
        assert drive.streams()[0].period_ns == 7


def test_nothing_there_is_not_found(tmp_path: Path) -> None:
    """A wrong path is told apart from a wrong format."""
    with pytest.raises(RecordingNotFoundError):
        open_drive(tmp_path / "none.mp4", stream="front")


def test_an_unknown_format_lists_what_is_known(tmp_path: Path) -> None:
    """The error helps to convert; a folder without images is no drive either."""
    (tmp_path / "drive.xyz").write_bytes(b"")
    for path in (tmp_path / "drive.xyz", tmp_path):
        with pytest.raises(RecordingFormatError, match=r"mcap .*video .*\.mp4.*images .*\.png"):
            open_drive(path, stream="front")


def test_a_plug_in_is_found_like_a_built_in(tmp_path: Path, install_plugin: InstallPlugin) -> None:
    """A stranger's format needs nothing but its entry point."""
    install_plugin("strange", "strangers_reader:known")
    (tmp_path / "clip.drv").write_bytes(b"")
    assert isinstance(open_drive(tmp_path / "clip.drv", stream="front"), VideoReader)
    asked = ["strange", "kitti", "kitti-object", "mcap", "video", "images"]
    assert list(reader_formats()) == asked  # strangers first, general formats last


def test_a_plug_in_may_take_over_a_format(tmp_path: Path, install_plugin: InstallPlugin) -> None:
    """Strangers are asked first."""
    install_plugin("zz-greedy", "strangers_reader:greedy")
    assert isinstance(open_drive(tmp_path, stream="front"), VideoReader)


@pytest.mark.parametrize(
    ("name", "refers_to", "reason"),
    [
        ("strange", "no_such_module_at_all:known", "it does not load: No module named"),
        ("strange", "strangers_reader:missing", "it does not load: .*missing"),
        ("strange", "strangers_reader:number", "it is a int, not a ReaderFormat"),
        ("strange", "strangers_reader:failing", "it failed at .*: division by zero"),
        ("video", "strangers_reader:known", "the name is already taken by strangers_reader:known"),
    ],
)
def test_a_broken_plug_in_is_named(
    tmp_path: Path, install_plugin: InstallPlugin, name: str, refers_to: str, reason: str
) -> None:
    """It is an error with its name, not a warning, whichever drive is opened."""
    install_plugin(name, refers_to)
    with pytest.raises(BrokenReaderError, match=rf"reader '{name}' .*{reason}"):
        open_drive(tmp_path, stream="front")


def test_a_topic_is_refused_where_there_are_none(make_video: MakeVideo) -> None:
    """A recording of one stream has nothing to choose from."""
    with pytest.raises(TopicError, match="it has no topics, and '/front' is asked for"):
        open_drive(make_video("clip.mp4"), stream="front", topic="/front")


def test_a_format_either_makes_or_picks() -> None:
    """One that does neither, or both, is a mistake of who wrote it."""
    with pytest.raises(ValueError, match="either makes a reader or picks a stream"):
        ReaderFormat(summary="nothing", accepts=lambda path: path.is_file())
