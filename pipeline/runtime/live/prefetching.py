"""Decoding the drive ahead of the player, on a thread: a few frames of every stream."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING

from pipeline.errors import InputError
from pipeline.runtime.drive import samples
from sensors.errors import SensorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.runtime.spec import DriveSpec
    from replay.schedule import ScheduledFrame

    Array = NDArray[np.generic[object]]

_AHEAD = 16  # frames decoded before they are due
_NICE = 19  # of the decoding thread; the frames of a recording lie ahead, the vehicle waits
_MOST_KEPT = 64  # frames of a stream that a late frame may come back for; then it is read anew


class StreamSamples:
    """Data of one stream's frames in the order of sending, which is nearly the recording's.

    A pass is read once. What faults send late, twice or frozen is taken from the last few;
    a frame that lies further back begins the recording anew.

    Args:
        drive: The drive.
        stream: Name of the stream.
        keep: How many frames back one may reach.
    """

    def __init__(self, drive: DriveSpec, stream: str, *, keep: int) -> None:
        self._drive, self._stream = drive, stream
        self._recent: deque[tuple[int, Array]] = deque(maxlen=keep + 1)
        self._source: Iterator[tuple[int, Array]] = iter(())
        self._last = -1

    def get(self, content: int) -> Array:
        """Data of a frame by its content.

        Raises:
            InputError: The recording is corrupt, or has no such frame.
        """
        for held, data in self._recent:
            if held == content:
                return data
        if content <= self._last or self._last < 0:
            self._source, self._last = samples(self._drive, self._stream), -1
        for number, data in self._source:
            self._last = number
            self._recent.append((number, data))
            if number == content:
                return data
        raise InputError(f"stream {self._stream!r} has no frame {content}")


class Prefetcher:
    """Decodes the frames of a schedule on a thread, a few ahead; those of lost frames not."""

    def __init__(self, drive: DriveSpec, schedule: Sequence[ScheduledFrame]) -> None:
        self._schedule = schedule
        self._streams = {
            name: StreamSamples(drive, name, keep=keep) for name, keep in reaches(schedule).items()
        }
        self._ready: queue.Queue[Array | Exception] = queue.Queue(_AHEAD)
        self._open = True
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> Array:
        """Data of the next frame of the schedule that is not lost; waits for it.

        Raises:
            InputError: The recording cannot be read.
        """
        item = self._ready.get()
        if isinstance(item, Exception):
            raise item
        return item

    def filled(self) -> bool:
        """Whether frames are ready: a few of them, or all that come."""
        return self._ready.qsize() >= _AHEAD or not self._thread.is_alive()

    def close(self) -> None:
        """End the thread."""
        self._open = False
        while self._thread.is_alive():
            try:
                self._ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.05)

    def _work(self) -> None:
        with contextlib.suppress(OSError):  # the next frame is never as urgent as this frame
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            for frame in self._schedule:
                if not frame.lost:
                    self._ready.put(self._streams[frame.stream].get(frame.content))
                if not self._open:
                    return
        except (SensorError, InputError, OSError) as err:
            self._ready.put(err)


def reaches(schedule: Iterable[ScheduledFrame]) -> dict[str, int]:
    """How many frames back some frame of each stream reaches, within a bound.

    Frames are compared by number, so that a pass that begins again reaches back nowhere.
    """
    newest: dict[str, int] = {}
    found: dict[str, int] = {}
    for frame in schedule:
        ahead = newest.get(frame.stream, frame.number)
        newest[frame.stream] = max(ahead, frame.number)
        back = ahead - frame.number
        found[frame.stream] = max(found.get(frame.stream, 0), min(back, _MOST_KEPT))
    return found
