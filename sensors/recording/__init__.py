"""The bytes of recordings: MCAP written, read, and recovered where a file was cut off."""

from sensors.recording.container import McapFile
from sensors.recording.encoding import PictureCoding
from sensors.recording.recovering import Recovered, recover
from sensors.recording.saving import Written, labelled_frames, write_drive
from sensors.recording.writing import DriveWriter

__all__ = [
    "DriveWriter",
    "McapFile",
    "PictureCoding",
    "Recovered",
    "Written",
    "labelled_frames",
    "recover",
    "write_drive",
]
