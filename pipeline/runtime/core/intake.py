"""Frames as they come in: once each, to the tasks that take them, their pictures kept till then."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pipeline.runtime.core.commands import Forget, Grant, Note
from pipeline.runtime.core.config import PLAYER
from pipeline.runtime.core.frames import Frame, Open

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig, PathConfig
    from pipeline.runtime.core.events import FrameOffered
    from pipeline.runtime.core.frames import TaskState
    from pipeline.runtime.core.fusing import Fusing

_REMEMBERED = 64  # frames per stream by which a second copy is known


class Intake:
    """Knows a second copy, tells which tasks take a frame, and counts who needs its picture."""

    def __init__(self, config: CoreConfig, tasks: Mapping[str, TaskState], fusing: Fusing) -> None:
        """Intake of a run.

        Args:
            config: What the machine is told.
            tasks: State of each task, by name.
            fusing: Told of every frame of a part that was offered.
        """
        self._late_grants = config.grant_when_settled
        self._fusing = fusing
        self._streams = {name: _Stream() for name in config.streams}
        for task in tasks.values():
            self._streams.setdefault(task.config.stream, _Stream()).tasks.append(task)
        for part in config.parts:
            self._streams[part.stream].parts.append(part)  # its task reads that stream
        self._pictures: dict[tuple[str, int], int] = {}  # how many tasks still need a picture

    @property
    def streams(self) -> set[str]:
        """Names of the streams that frames are expected from."""
        return set(self._streams)

    def take(self, event: FrameOffered, at_ns: int, out: list[Command]) -> list[Frame]:
        """The frame of each task that takes it, in the tasks' order; none of a second copy."""
        stream, number = self._streams.get(event.stream), event.frame
        if stream is None:
            stream = self._streams[event.stream] = _Stream()
        if not stream.first_time(number):
            out.append(Note(reason="duplicate", detail=f"{event.stream}/{number}"))
            out += (Grant(peer=PLAYER, amount=1), Forget(refs=(event.ref,)))
            return []
        for part in stream.parts:
            if part.selects(number):
                self._fusing.offered(part.name, number, event.stamp_ns)
        scheduled_ns, speed_mm_s = event.scheduled_ns, event.speed_mm_s
        takers: list[Frame] = []
        reading = 0
        for task in stream.tasks:
            paths = [
                Open(
                    path,
                    path.deadline_at_ns(scheduled_ns, speed_mm_s),
                    scheduled_ns + path.horizon_ns,
                )
                for path in task.paths
                if number % path.every == 0
            ]
            if paths:
                takers.append(Frame(task, event, paths, at_ns))
                reading += not task.fuses
        if takers:
            self._pictures[event.stream, number] = reading
        else:
            out += (Grant(peer=PLAYER, amount=1), Forget(refs=(event.ref,)))
        return takers

    def give_picture_up(self, offer: FrameOffered, out: list[Command]) -> list[str]:
        """A task is through with a picture; its ref, where it was the last one."""
        picture = (offer.stream, offer.frame)
        left = self._pictures[picture] - 1
        if left:
            self._pictures[picture] = left
            return []
        del self._pictures[picture]
        if self._late_grants:
            out.append(Grant(peer=PLAYER, amount=1))
        return [offer.ref]


class _Stream:
    """A stream: who reads it, and its last frames."""

    __slots__ = ("_frames", "_order", "parts", "tasks")

    def __init__(self) -> None:
        self.tasks: list[TaskState] = []
        self.parts: list[PathConfig] = []
        self._frames: set[int] = set()
        self._order: deque[int] = deque()

    def first_time(self, frame: int) -> bool:
        """Whether a frame was not seen lately; it is from now on."""
        if frame in self._frames:
            return False
        self._frames.add(frame)
        self._order.append(frame)
        if len(self._order) > _REMEMBERED:
            self._frames.discard(self._order.popleft())
        return True
