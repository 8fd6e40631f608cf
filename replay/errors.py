"""Errors of the replay room."""

from __future__ import annotations


class ReplayError(Exception):
    """Base of everything that can go wrong while replaying or keeping evidence."""


class EmptyDriveError(ReplayError):
    """The drive has no frame in the window to be replayed."""


class DriveTooShortError(ReplayError):
    """The drive is shorter than the warm-up that was asked for."""
