"""What host stages and hops cost in live runs, beside what a virtual run takes for them.

These are the figures a host file holds: what a run's own conditions make of them says whether a
difference is owed to the host file, and what would have to stand there instead.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.plan.steps import Host
from pipeline.runtime.core.events import FrameOffered, Job, JobDone, MessageArrived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.journal import Entry
    from pipeline.runtime.timing import HopKind, Hops

CARRIED_BY: dict[str, HopKind] = {
    "frame": "frame",
    "work": "work",
    "answer": "answer",
    "refusal": "answer",
    "result": "result",
}
"""By the kind of a message what its hop counts as; `frame` is a picture from the player."""
_HOPS = {"work": 2, "answer": 2, "refusal": 2, "result": 1}  # the link's relay makes it two


class _Stage(NamedTuple):
    """A host stage as one step of a task."""

    task: str
    step: int
    name: str
    device: str
    modelled_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One host stage of a task, or one hop of one kind of message.

    Attributes:
        what: Name of the stage, or `hop`.
        step: Place of the stage among its task's steps; None for a hop.
        task: Name of the task; of the stream where a picture comes from the player.
        where: Host that ran the stage, or kind of the message; `frame` is a picture, and its hop
            all that lies between its due time and the vehicle.
        size_bytes: Median payload of the message; None for a stage.
        seen: How often it was seen.
        modelled_ns: Median that the virtual run takes.
        own_ns: Live median of the stage itself; None for a hop.
        live_ns: Live median with all that belongs to it: for a stage handing it to the host's
            thread and hearing of its end, for a hop encoding, checking and waking.
        high_ns: Its 90th percentile.
    """

    what: str
    step: int | None
    task: str
    where: str
    size_bytes: int | None
    seen: int
    modelled_ns: int
    own_ns: int | None
    live_ns: int
    high_ns: int


class Costs:
    """Reads costs off the event logs of live runs, one log after the other.

    Args:
        core: Configuration of the machines.
        hops: What a virtual run takes for a hop.
    """

    def __init__(self, core: CoreConfig, hops: Hops) -> None:
        self._core, self._hops = core, hops
        self._started_ns: dict[Job, int] = {}
        self._own_ns: dict[_Stage, list[int]] = defaultdict(list)
        self._live_ns: dict[_Stage, list[int]] = defaultdict(list)
        self._crossed: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)

    def begin(self) -> None:
        """Begin with another log."""
        self._started_ns.clear()

    def see(self, entry: Entry) -> None:
        """Take in a line of a log, in its order; warm-up is left out."""
        self._end(entry.event, entry.at_ns)
        for command in entry.commands:
            if command.get("is") != "Start":
                continue
            jobs = command.get("jobs")
            for job in jobs if isinstance(jobs, list) else ():
                frame, task, step = job
                self._started_ns[Job(int(frame), str(task), int(step))] = entry.at_ns

    def _end(self, event: Event | None, at_ns: int) -> None:
        match event:
            case JobDone(jobs=(job, *_)) if job.frame >= 0:
                started_ns = self._started_ns.pop(job, None)
                planned = self._core.step_of(job)
                if started_ns is None or not isinstance(planned.step, Host):
                    return
                key = _Stage(
                    job.task, job.step, planned.step.stage, event.device, planned.latency_ns
                )
                self._own_ns[key].append(event.ended_ns - event.began_ns)
                self._live_ns[key].append(at_ns - started_ns)
            case MessageArrived(message=message, crossing=crossing) if message.frame >= 0:
                took_ns = crossing.arrived_ns - event.sent_ns - crossing.modelled_ns
                self._crossed[message.task, message.kind].append((event.bytes, took_ns))
            case FrameOffered(warmup=False):
                took_ns = at_ns - event.scheduled_ns
                self._crossed[event.stream, "frame"].append((event.bytes, took_ns))
            case _:
                pass

    def found(self) -> list[Cost]:
        """All costs: stages by task in the order of its steps, then hops."""
        stages = [
            Cost(
                what=stage.name,
                step=stage.step,
                task=stage.task,
                where=stage.device,
                size_bytes=None,
                seen=len(live_ns),
                modelled_ns=stage.modelled_ns,
                own_ns=_median(self._own_ns[stage]),
                live_ns=_median(live_ns),
                high_ns=_high(live_ns),
            )
            for stage, live_ns in sorted(self._live_ns.items())
        ]
        hops = [self._hop(*key, crossed) for key, crossed in sorted(self._crossed.items())]
        return [*stages, *hops]

    def _hop(self, task: str, kind: str, crossed: Sequence[tuple[int, int]]) -> Cost:
        size_bytes, times_ns = _median([size for size, _ in crossed]), [ns for _, ns in crossed]
        hops = _HOPS.get(kind, 1)
        return Cost(
            what="hop",
            step=None,
            task=task,
            where=kind,
            size_bytes=size_bytes,
            seen=len(crossed),
            modelled_ns=self._hops.cost_ns(size_bytes, CARRIED_BY[kind]),
            own_ns=None,
            live_ns=_median(times_ns) // hops,
            high_ns=_high(times_ns) // hops,
        )


def _median(values: Sequence[int]) -> int:
    return int(np.percentile(values, 50, method="inverted_cdf"))


def _high(values: Sequence[int]) -> int:
    return int(np.percentile(values, 90, method="inverted_cdf"))
