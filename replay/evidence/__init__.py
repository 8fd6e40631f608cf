"""The evidence of a run: its directory, event logs, environment, and a hash of every file."""

from replay.evidence.directory import FREE_SPACE_FLOOR_BYTES, RunDirectory, has_free_space
from replay.evidence.environment import environment
from replay.evidence.errors import EventLogError, ManifestError, RunDirectoryError
from replay.evidence.events import EventLog, read_events
from replay.evidence.manifest import ManifestDifference, verify_manifest, write_manifest
from replay.evidence.writing import json_text, write_bytes, write_json, write_text

__all__ = [
    "FREE_SPACE_FLOOR_BYTES",
    "EventLog",
    "EventLogError",
    "ManifestDifference",
    "ManifestError",
    "RunDirectory",
    "RunDirectoryError",
    "environment",
    "has_free_space",
    "json_text",
    "read_events",
    "verify_manifest",
    "write_bytes",
    "write_json",
    "write_manifest",
    "write_text",
]
