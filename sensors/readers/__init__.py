"""Readers of recorded drives, one module per format, found by entry point."""

from sensors.readers.protocol import DriveReader

__all__ = ["DriveReader"]
