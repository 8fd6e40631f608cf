"""Live overhead: what Splitway itself adds to a frame, against the same chain written by hand.

Ours is a live run at 25 frames a second. A frame's overhead is its end-to-end time, less what is
work and not way: each host and backend job as long as it really ran, each hold and each crossing
of the shaped link as long as it was modelled. A hold that lets go late, a thread that waits for
its turn and a queue in front of a device all count as overhead.

The rival is `bare_chain.py`: four processes and a player, the same sockets, bytes, parts, credits
and pace, and nothing else; its overhead is its end-to-end time. For context the same chain is
run once more, sleeping for as long as our devices and our link hold a frame: what it costs there
to fall asleep and to wake. Runs alternate, so that a slow moment of the machine falls on both.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench import chain_driver
from bench.figure import Figure
from bench.fitting import median, percentile
from bench.subject import PERIOD_NS
from pipeline import api
from pipeline.ledger.spans import durations_ns
from pipeline.plan.steps import Host, Move, Run
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.core.events import JobDone, MessageArrived
from pipeline.runtime.core.messages import Message, MessageKind
from pipeline.runtime.journal import read_journal
from pipeline.runtime.live.letters import letter, payloads_of
from pipeline.runtime.priming import Computer
from pipeline.runtime.results import ResultCache
from pipeline.runtime.samples import Picture
from pipeline.runtime.stages import Packed, Stages
from pipeline.transport import Header, LinkStamp, encode, encode_link_stamp
from replay.clock import WallClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.bare_chain import Chain
    from bench.subject import Subject
    from pipeline.api import Result
    from pipeline.assembly import Assembled
    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.stages import Value
    from pipeline.values import Plain

AIM = 1.5
_MOMENT_NS = 10**15  # a long time, so that headers have the length that they have in a run
_MS = 1e6
_SPAN_OF: dict[MessageKind, str] = {"work": "uplink", "answer": "downlink", "result": "deliver"}
_TOLD_WITH = {"edge_wait": "edge", "uplink_wait": "uplink", "cloud_wait": "cloud"} | {
    "downlink_wait": "downlink"
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One live run.

    Attributes:
        overheads_ns: Overhead of each delivered frame.
        by_span_ns: Median overhead of each span; they add up to about the whole.
        holds_ns: Median modelled time of each span that has any.
        offered: Frames that the path was offered.
    """

    overheads_ns: list[int]
    by_span_ns: dict[str, int]
    holds_ns: dict[str, int]
    offered: int


def measure(subject: Subject, *, length_ns: int, repeats: int) -> Figure:
    """Run ours and the rival in turn.

    Args:
        subject: What to run.
        length_ns: Least length of each run.
        repeats: How often each runs.
    """
    overrides = (*subject.overrides, f"run.loop={subject.loops(length_ns)}")
    assembled = api.check(subject.scenario, api.Options(overrides=overrides))
    frames = max(1, length_ns // PERIOD_NS)
    ours: list[Measured] = []
    bare: list[list[int]] = []
    waiting: list[list[int]] = []
    for _ in range(repeats):
        ours.append(_live(subject, assembled, overrides))
        chain = chain_of(assembled, subject.task, frames=frames)
        bare.append(chain_driver.play(chain))
        holds = held(chain, ours[-1].holds_ns)
        slept_ns = holds["edge_ns"] + holds["up_ns"] + holds["cloud_ns"] + holds["down_ns"]
        waiting.append([latency - slept_ns for latency in chain_driver.play(holds)])
    return _figure(subject, ours, bare, waiting)


def _figure(
    subject: Subject, ours: list[Measured], bare: list[list[int]], waiting: list[list[int]]
) -> Figure:
    all_ours = [ns for run in ours for ns in run.overheads_ns]
    all_bare = [ns for run in bare for ns in run]
    all_waiting = [ns for run in waiting for ns in run]
    spans = {
        name: median([run.by_span_ns[name] for run in ours]) / _MS for name in ours[0].by_span_ns
    }
    runs: list[Plain] = [
        median(run.overheads_ns) / median(rival) for run, rival in zip(ours, bare, strict=True)
    ]
    values: dict[str, Plain] = {
        "ours_p50_ms": median(all_ours) / _MS,
        "ours_p90_ms": percentile(all_ours, 90) / _MS,
        "bare_p50_ms": median(all_bare) / _MS,
        "bare_p90_ms": percentile(all_bare, 90) / _MS,
        "bare_with_waits_p50_ms": median(all_waiting) / _MS,
        "ratio_per_repeat": runs,
        "frames_offered": sum(run.offered for run in ours),
        "frames_delivered": len(all_ours),
        "by_span_p50_ms": {**spans},
    }
    lines = [
        f"ours {_told(all_ours)}, bare {_told(all_bare)}",
        f"{len(all_ours)} of {values['frames_offered']} frames delivered",
        (
            "context: the bare chain sleeping our modelled times adds "
            f"{median(all_waiting) / _MS:.2f} ms to them"
        ),
        "ratio per repeat: " + ", ".join(f"{ratio:.2f}" for ratio in runs),
        "ours by span, ms: " + ", ".join(f"{name} {ms:.2f}" for name, ms in spans.items()),
    ]
    return Figure(
        name="overhead",
        what=f"live overhead of {subject.path} in {subject.name} at 25 fps: end to end less "
        "jobs, holds and shaped link, median over frames",
        rival="end to end of the same chain by hand: pyzmq, four processes and a player",
        ratio=median(all_ours) / median(all_bare),
        aim=AIM,
        values=values,
        lines=tuple(lines),
    )


def _told(values_ns: list[int]) -> str:
    return f"{median(values_ns) / _MS:.2f} ms (p90 {percentile(values_ns, 90) / _MS:.2f})"


# -- ours ------------------------------------------------------------------------------------------


def _live(subject: Subject, assembled: Assembled, overrides: Sequence[str]) -> Measured:
    with tempfile.TemporaryDirectory(prefix="splitway-bench-") as folder:
        result = api.run(
            subject.scenario, api.Options(overrides=overrides), out=Path(folder) / "run"
        )
        if result.failure is not None:
            raise RuntimeError(f"the live run broke down: {result.failure}")
        return _measured(subject, assembled, result)


def _measured(subject: Subject, assembled: Assembled, result: Result) -> Measured:
    sites = assembled.spec.core.sites
    route = assembled.spec.core.tasks[subject.task].route
    spans = tuple(step.span for step in route.steps)
    events: list[Event] = []
    for node in (sites.vehicle, sites.cloud, CONSUMER):
        log = result.directory / "events" / f"{node}.jsonl"
        events += [entry.event for _, entry in read_journal(log) if entry.event is not None]
    accounted = accounted_ns(events, subject.task, spans)
    rows = [row for row in result.ledger.rows() if row.path == subject.path]
    found = overheads_ns(rows, accounted)
    if not found:
        raise RuntimeError(f"no frame of {subject.path} was delivered")
    names = next(iter(found.values()))
    modelled = modelled_ns(events, subject.task, spans)
    return Measured(
        overheads_ns=[sum(by_span.values()) for by_span in found.values()],
        by_span_ns={
            name: int(median([by_span.get(name, 0) for by_span in found.values()]))
            for name in names
        },
        holds_ns={name: int(median(values)) for name, values in modelled.items()},
        offered=len(rows),
    )


def accounted_ns(
    events: Iterable[Event], task: str, spans: Sequence[str]
) -> dict[int, dict[str, int]]:
    """Per frame and span the time that is no overhead: jobs, holds and the shaped link.

    Args:
        events: What the cores saw, of all nodes, in any order.
        task: The task.
        spans: Span of each step of its route.
    """
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for event in events:
        match event:
            case JobDone(jobs=jobs):
                ran_ns = event.modelled_ns or event.ended_ns - event.began_ns
                for job in jobs:
                    if job.task == task:
                        found[job.frame][spans[job.step]] += ran_ns
            case MessageArrived(message=message, crossing=crossing) if message.task == task:
                if message.kind in _SPAN_OF:
                    found[message.frame][_SPAN_OF[message.kind]] += crossing.modelled_ns
            case _:
                pass
    return {frame: dict(by_span) for frame, by_span in found.items()}


def modelled_ns(events: Iterable[Event], task: str, spans: Sequence[str]) -> dict[str, list[int]]:
    """Modelled times by span, one a frame: holds of emulated devices and crossings of the link."""
    found: dict[str, list[int]] = defaultdict(list)
    for event in events:
        match event:
            case JobDone(jobs=(job, *_)) if job.task == task and event.modelled_ns:
                found[spans[job.step]].append(event.modelled_ns)
            case MessageArrived(message=message, crossing=crossing) if message.task == task:
                if crossing.modelled_ns:
                    found[_SPAN_OF[message.kind]].append(crossing.modelled_ns)
            case _:
                pass
    return dict(found)


def overheads_ns(
    rows: Iterable[Row], accounted: Mapping[int, Mapping[str, int]]
) -> dict[int, dict[str, int]]:
    """Per delivered frame the overhead of each span; the spans' sum is the frame's overhead.

    Waiting in front of a device or a link is told with the span that follows it.

    Args:
        rows: Rows of one path.
        accounted: What `accounted_ns` found for its task.
    """
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        if "deliver" not in row.stamps:
            continue
        left: dict[str, int] = defaultdict(int)
        for span, passed_ns in durations_ns(row.scheduled_ns, row.stamps).items():
            left[_TOLD_WITH.get(span, span)] += passed_ns
        for span, worked_ns in accounted.get(row.frame, {}).items():
            left[span] -= worked_ns
        found[row.frame] = dict(left)
    return found


# -- the rival -------------------------------------------------------------------------------------


def chain_of(assembled: Assembled, task: str, *, frames: int) -> Chain:
    """Orders for a bare chain that moves what a task's frames move."""
    core = assembled.spec.core
    sizes = message_bytes(assembled, task)
    return {
        "endpoints": {},
        "frames": frames,
        "warmup": assembled.spec.warmup,
        "period_ns": PERIOD_NS,
        "frame": sizes["frame"],
        "work": sizes["work"],
        "answer": sizes["answer"],
        "result": sizes["result"],
        "stamp": sizes["stamp"][0],
        "player_credits": core.player_credits,
        "cloud_credits": core.cloud_credits,
        "consumer_credits": core.consumer_credits,
        "edge_ns": 0,
        "up_ns": 0,
        "cloud_ns": 0,
        "down_ns": 0,
        "latencies": "",
    }


def held(chain: Chain, holds_ns: Mapping[str, int]) -> Chain:
    """The same chain, sleeping as long as ours was held."""
    return {
        **chain,
        "edge_ns": holds_ns.get("edge", 0),
        "up_ns": holds_ns.get("uplink", 0),
        "cloud_ns": holds_ns.get("cloud", 0),
        "down_ns": holds_ns.get("downlink", 0),
    }


def message_bytes(assembled: Assembled, task: str) -> dict[str, list[int]]:
    """Bytes of each part of each message of a frame, by kind, the header first.

    The first picture goes the task's route, and its letters are made as a live run makes them.
    """
    spec = assembled.spec
    stream = spec.core.tasks[task].stream
    facts = assembled.facts.streams[stream]
    shape = (facts.height, facts.width, 3)
    picture = Picture(pixels=np.zeros(shape, np.uint8))
    crossing = _crossing(assembled, task, picture)
    route = spec.core.tasks[task].route
    stamps = tuple((step.span, _MOMENT_NS) for step in route.steps if step.span)
    kinds: tuple[MessageKind, ...] = ("work", "answer", "result")
    frame = Header(
        kind="frame",
        run=spec.run,
        sender="player",
        stream=stream,
        frame=1000,
        content=1000,
        scheduled_ns=_MOMENT_NS,
        sent_ns=_MOMENT_NS,
    )
    found = {"frame": [len(part) for part in encode(frame, payloads_of(picture))]}
    for kind, value in zip(kinds, crossing, strict=True):
        message = Message(
            kind=kind,
            epoch=1,
            nonce=1000,
            task=task,
            stream=stream,
            frame=1000,
            content=1000,
            route=route.id,
            model=route.model,
            step=1,
            scheduled_ns=_MOMENT_NS,
            deadline_at_ns=_MOMENT_NS,
            stamps=stamps if kind == "answer" else (),
        )
        parts = letter(message, value, run=spec.run, sender="vehicle", sent_ns=_MOMENT_NS)
        found[kind] = [len(part) for part in parts]
    stamp = LinkStamp(
        began_ns=_MOMENT_NS, released_ns=_MOMENT_NS, modelled_ns=10**7, queued_ns=10**7
    )
    found["stamp"] = [len(encode_link_stamp(stamp))]
    return found


def _crossing(assembled: Assembled, task: str, picture: Picture) -> tuple[Packed, Packed, Packed]:
    """What goes up, what comes back, and what goes to the consumer."""
    spec = assembled.spec
    stages = Stages.of(spec)
    computer = Computer(spec.segments, ResultCache(Path(spec.cache)), WallClock().now_ns)
    values: dict[int, Value] = {}
    crossing: list[Packed] = []
    try:
        for index, planned in enumerate(stages.steps(task)):
            inputs = [values[i] for i in planned.after] if planned.after else [picture]
            match planned.step:
                case Host(stage="deliver"):
                    continue
                case Host():
                    values[index] = stages.run(task, index, inputs)
                case Run(segment=segment):
                    outputs = computer.compute(segment, stages.segment_inputs(segment, inputs))
                    values[index] = stages.segment_value(segment, inputs, outputs)
                case Move():
                    values[index] = inputs[0]
                    if isinstance(inputs[0], Packed):
                        crossing.append(inputs[0])
    finally:
        computer.close()
    if len(crossing) != 2:  # noqa: PLR2004 - up and down
        raise RuntimeError(f"the route of {task} does not go up the link and come back")
    up, down = crossing
    return up, down, down
