"""Seeded synthetic drives, which need no recording."""

from sensors.synthetic.drive import SyntheticDrive
from sensors.synthetic.scenes import SCENES, SceneUnknownError
from sensors.synthetic.view import VIEWS, CameraUnknownError

__all__ = ["SCENES", "VIEWS", "CameraUnknownError", "SceneUnknownError", "SyntheticDrive"]
