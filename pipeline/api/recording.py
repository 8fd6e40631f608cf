"""`rec`: what a recording holds, and saving what is whole of a damaged one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sensors.recording import Recovered
    from sensors.recording.container import Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What a recording holds.

    Attributes:
        path: The file.
        bytes: Its length.
        topics: Its topics, by name.
        streams: Kind of sensor of each topic that a scenario can replay, by the topic's name.
    """

    path: Path
    bytes: int
    topics: tuple[Topic, ...]
    streams: Mapping[str, str]


def rec_info(path: Path) -> RecordingReport:
    """List a recording's topics; nothing is decoded.

    Raises:
        SensorError: The file is missing, no MCAP file, cut off or damaged.
    """
    from sensors.readers.mcap import decoding_of
    from sensors.recording import McapFile

    with McapFile(path) as file:
        topics = file.topics()
        known = ((topic.name, decoding_of(topic)) for topic in topics)
        streams = {name: decoding.kind for name, decoding in known if decoding is not None}
        return RecordingReport(path=path, bytes=path.stat().st_size, topics=topics, streams=streams)


def rec_recover(path: Path, output: Path, *, force: bool = False) -> Recovered:
    """Write what is whole of a recording into a new file.

    Raises:
        SensorError: There is no such recording, it holds nothing whole, or the new file exists.
        InfrastructureError: The new file cannot be written.
    """
    from sensors.recording import recover
    from sensors.recording.errors import RecordingWriteError

    try:
        return recover(path, output, force=force)
    except RecordingWriteError as error:
        raise InfrastructureError(str(error)) from error
