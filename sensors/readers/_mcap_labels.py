"""Labels of a stream out of a recording, put together from their message and their masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from sensors.errors import RecordingCorruptError
from sensors.readers import _foxglove
from sensors.readers._pictures import header_size
from sensors.recording import layout
from sensors.recording.labels import read_labels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from sensors.labels import FrameLabels
    from sensors.readers._mcap_topics import Picked
    from sensors.recording.container import McapFile, Topic


def labels_of(
    file: McapFile, one: Picked, stop_ns: int | None
) -> Iterator[tuple[int, int, FrameLabels]]:
    """Yield stamp, place in the file and labels of each labelled frame before `stop_ns`.

    Frames are numbered anew, as they are read.

    Raises:
        RecordingCorruptError: Labels cannot be read, or belong to no frame.
    """
    recorded = one.topic.metadata.get(layout.STREAM_KEY)
    beside = {
        topic.channel: topic
        for topic in file.topics()
        if recorded and topic.metadata.get(layout.STREAM_KEY) == recorded
    }
    wanted = [t for t in beside.values() if layout.role_of(t.metadata) in ("labels", "mask")]
    if not any(layout.role_of(topic.metadata) == "labels" for topic in wanted):
        return
    index, frame_ns = -1, -1
    masks: dict[str, NDArray[np.bool_]] = {}
    for position, message in file.messages([one.topic, *wanted]):
        at_ns = message.log_time
        if message.channel_id == one.topic.channel:
            if stop_ns is not None and at_ns >= stop_ns:
                return
            index, frame_ns = index + 1, at_ns
            masks.clear()
            continue
        topic = beside[message.channel_id]
        if at_ns != frame_ns:
            reason = f"topic {topic.name}: labels at {at_ns} ns belong to no frame"
            raise RecordingCorruptError(file.path, reason)
        try:
            if layout.role_of(topic.metadata) == "mask":
                masks[topic.metadata.get(layout.MASK_KEY, "")] = _mask(message.data)
                continue
            found = read_labels(message.data, index=index, masks=masks)
            if found.stamp_ns != at_ns:
                msg = f"labels say {found.stamp_ns} ns and were recorded at {at_ns} ns"
                raise ValueError(msg)  # noqa: TRY301 - told with its place, as the others are
        except ValueError as error:
            raise _unreadable(file.path, topic, index, error) from error
        yield at_ns, position, replace(found, stream=one.stream.name)


def _mask(data: bytes) -> NDArray[np.bool_]:
    pixels = _foxglove.mask_pixels(data)
    width, height = header_size(pixels)
    image: object = cv2.imdecode(np.frombuffer(pixels, np.uint8), cv2.IMREAD_GRAYSCALE)
    if not isinstance(image, np.ndarray) or image.shape != (height, width):
        raise ValueError("a mask cannot be decoded")
    return image > 0


def _unreadable(path: Path, topic: Topic, index: int, error: ValueError) -> RecordingCorruptError:
    return RecordingCorruptError(path, f"topic {topic.name}, frame {index}: {error}")
