"""Seeded synthetic drives, which need no recording."""

from sensors.synthetic.drive import LabelledFrame, SyntheticDrive
from sensors.synthetic.parameters import (
    SCENES,
    SceneParameterError,
    SceneParameters,
    SceneUnknownError,
)
from sensors.synthetic.view import VIEWS, CameraUnknownError
from sensors.synthetic.world import World, make_world

__all__ = [
    "SCENES",
    "VIEWS",
    "CameraUnknownError",
    "LabelledFrame",
    "SceneParameterError",
    "SceneParameters",
    "SceneUnknownError",
    "SyntheticDrive",
    "World",
    "make_world",
]
