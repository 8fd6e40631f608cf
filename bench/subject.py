"""What is benched: the highway example where its data is there, a built-in network elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pipeline.api import CUT
from pipeline.assembly.places import data_root

PERIOD_NS = 40_000_000  # 25 frames a second

_HIGHWAY = Path(__file__).resolve().parents[1] / "examples" / "highway"
_NEEDED = (
    "camera/udacity_solidWhiteRight.mp4",
    "models/yolox_nano.onnx",
    "models/twinlitenet_bdd100k.onnx",
)
_HIGHWAY_FRAMES = 221
_DEMO_FRAMES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A scenario at 25 frames a second.

    Attributes:
        name: What it is called in the figures.
        scenario: Its file.
        real: The same on real backends, where there is such a file.
        path: The path that is looked at: one that crosses the link.
        frames: Frames of one pass.
        overrides: Settings that bring it to 25 frames a second.
        note: What a reader has to know; empty for the highway example.
    """

    name: str
    scenario: Path
    real: Path | None
    path: str
    frames: int
    overrides: tuple[str, ...] = ()
    note: str = ""

    @property
    def task(self) -> str:
        """The task of the path."""
        return self.path.partition("->")[2]

    def loops(self, length_ns: int) -> int:
        """Passes that make at least so much drive."""
        return max(1, math.ceil(length_ns / (self.frames * PERIOD_NS)))


def highway() -> Subject | None:
    """The highway example, or None without its data."""
    root = data_root()
    if not all((root / name).is_file() for name in _NEEDED):
        return None
    return Subject(
        name="highway",
        scenario=_HIGHWAY / "scenario.yaml",
        real=_HIGHWAY / "cpu.yaml",
        path="camera->objects",
        frames=_HIGHWAY_FRAMES,
        overrides=("evidence.images=none",),
    )


def demo() -> Subject:
    """The built-in drive and network, brought to 25 frames a second."""
    return Subject(
        name="demo",
        scenario=CUT,
        real=None,
        path="camera->objects",
        frames=_DEMO_FRAMES,
        overrides=(
            "evidence.images=none",
            f"drive.streams.front.period={PERIOD_NS // 1_000_000}ms",
            f"drive.synthetic.length={_DEMO_FRAMES * PERIOD_NS // 1_000_000}ms",
        ),
        note="no data folder (SPLITWAY_DATA): measured on the built-in drive and network instead "
        "of the highway example",
    )


def subject() -> Subject:
    """The highway example where its data is there, else the built-in network."""
    return highway() or demo()
