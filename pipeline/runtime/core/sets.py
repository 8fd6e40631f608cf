"""Sets of frames from several sensors: opened by their anchor, fused once their parts are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pipeline.runtime.core.commands import CancelTimer, Forget, SetTimer
from pipeline.runtime.core.frames import fused_attempt, part_of
from pipeline.runtime.core.fusing import Complete, Lost, Waiting

if TYPE_CHECKING:
    from pipeline.ledger.fates import Fate
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.frames import Attempt, Frame, Open
    from pipeline.runtime.core.fusing import Fusing, Part


class Settle(Protocol):
    """Gives all paths of a frame their fate."""

    def __call__(
        self, frame: Frame, fate: Fate, cause: str, at_ns: int, out: list[Command]
    ) -> None:
        """Fate and cause, run time in ns, and where commands go."""


class Begin(Protocol):
    """Lets a frame begin a route whose first steps are ready."""

    def __call__(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """The attempt, run time in ns, and where commands go."""


class FusedSets:
    """The open sets of each fused path; one is looked at whenever a part of it is over."""

    def __init__(self, config: CoreConfig, fusing: Fusing, settle: Settle, begin: Begin) -> None:
        """Sets of a run.

        Args:
            config: What the machine is told.
            fusing: Keeps the parts, and says how a set stands.
            settle: Called with a set of which nothing will come.
            begin: Called with a set that is complete.
        """
        self._fusing, self._settle, self._begin = fusing, settle, begin
        self._open: dict[str, dict[int, Frame]] = {
            path.name: {} for path in config.paths if path.fuse is not None
        }

    def open(self, frame: Frame) -> None:
        """An anchor's frame was offered: its set waits for its parts."""
        self._open[frame.task.fuses][frame.offer.frame] = frame

    def close(self, frame: Frame, out: list[Command]) -> list[str]:
        """A set is over; returns refs that are needed no more."""
        fuses, number = frame.task.fuses, frame.offer.frame
        self._open[fuses].pop(number, None)
        out.append(CancelTimer(timer=f"fuse/{frame.name}"))
        return self._fusing.forget_anchor(fuses, number)

    def hand_over(self, frame: Frame, attempt: Attempt, at_ns: int, out: list[Command]) -> None:
        """An answered frame is a part of fused paths: they keep its result."""
        parts = [opened for opened in frame.paths if opened.path.part_of]
        if not parts:
            return
        part = part_of(frame, attempt, at_ns)
        frame.kept += (part.ref,)
        for opened in parts:
            frame.paths.remove(opened)
            self.part_over(frame, opened, part, at_ns, out)

    def part_over(
        self, frame: Frame, opened: Open, part: Part, at_ns: int, out: list[Command]
    ) -> None:
        """A part has its result or its fate; sets that wait for it are looked at."""
        path = opened.path
        dropped = self._fusing.over(path.name, frame.offer.frame, part)
        if dropped:
            out.append(Forget(refs=tuple(dropped)))
        for waiting in tuple(self._open[path.part_of].values()):
            if waiting.first is None:
                self.look(waiting, at_ns, out)

    def look(self, frame: Frame, at_ns: int, out: list[Command]) -> None:
        """Begin to fuse a set, give it up, or set the timer at which it is looked at again."""
        if frame.first is not None:
            return
        offer = frame.offer
        found = self._fusing.look(frame.task.fuses, offer.frame, offer.stamp_ns, at_ns)
        match found:
            case Lost(fate=fate, cause=cause):
                self._settle(frame, fate, cause, at_ns, out)
            case Waiting(until_ns=until_ns):
                if until_ns >= 0:
                    out.append(SetTimer(timer=f"fuse/{frame.name}", at_ns=until_ns))
            case Complete(parts=parts, partial=partial):
                chart = frame.task.courses[0].chart
                attempt = frame.first = fused_attempt(chart, parts, frame.time_ns, at_ns)
                frame.planned, frame.partial = chart, partial
                frame.inputs = tuple([part.ref for part in parts])
                self._begin(frame, attempt, at_ns, out)
