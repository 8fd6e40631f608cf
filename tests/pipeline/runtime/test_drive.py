"""Pictures of a drive, all of them or a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline import api
from pipeline.runtime.drive import pictures

TWO_CAMERAS = Path(__file__).parents[1] / "two_cameras.yaml"
SHORT = (
    "drive.synthetic.length=2s",
    "drive.window={start: 500ms}",
    "links.cell.faults=[]",
    "run.sizes=modelled",
)


def test_a_few_pictures_of_a_synthetic_drive_are_those_of_all_of_them() -> None:
    """They are rendered alone, in a window that begins late and on a camera with a phase."""
    drive = api.check(TWO_CAMERAS, api.Options(overrides=SHORT)).spec.drive
    for stream in ("front", "left"):
        every = dict(pictures(drive, stream))
        few = dict(pictures(drive, stream, frozenset({0, 7, 12, 400})))
        assert sorted(few) == [0, 7, 12]
        for content, pixels in few.items():
            np.testing.assert_array_equal(pixels, every[content])
