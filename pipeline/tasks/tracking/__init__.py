"""Following objects from frame to frame."""

from pipeline.tasks.tracking.tracker import Tracked, Tracker

__all__ = ["Tracked", "Tracker"]
