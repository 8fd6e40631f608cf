"""Seeded synthetic drives, which need no recording."""

from sensors.synthetic.drive import SyntheticDrive
from sensors.synthetic.scenes import SCENES, SceneUnknownError

__all__ = ["SCENES", "SceneUnknownError", "SyntheticDrive"]
