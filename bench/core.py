"""The cores in virtual time against a bare SimPy model of six queues in tandem.

Ours is the urban example: two cameras, three paths, hedge, breaker, a varying link, with sizes as
planned, so that nothing is computed. The rival moves frames through six first-in-first-out
resources with fixed service times, and decides nothing, keeps nothing and draws nothing. Both run
in this process, one after the other, several times; the middle of each counts, and of the ratios
of neighbours. Seconds are those that a core gave to this process, so that what else runs on the
machine takes nothing from either.

Beside them stands the floor: the events and commands of the same run made, queued and handed on
once more, with nothing decided, drawn or kept. What it leaves to the rival is all that deciding
could take.
"""

from __future__ import annotations

import heapq
import sys
import tracemalloc
from pathlib import Path
from statistics import median
from time import process_time_ns
from typing import TYPE_CHECKING

import simpy

from bench.figure import Figure
from pipeline import api
from pipeline.api.replaying import modelled_setup
from pipeline.runtime.virtual import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from types import FrameType

    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.events import Event
    from pipeline.runtime.virtual_setup import VirtualSetup
    from pipeline.values import Value

    TraceFunction = Callable[[FrameType, str, object], "TraceFunction"]

AIM = 1.0
_URBAN = Path(__file__).resolve().parents[1] / "examples" / "urban" / "scenario.yaml"
_ROWS_PER_PASS = 750
_LEAST_ROWS = 3_000  # of a run whose memory is compared: shorter ones have not filled their blocks
_PENDING = 64  # events of the floor that are queued at a time
_SERVICE_US = (10, 20, 30, 40, 30, 10)
_PERIOD_US = 100
_S = 1e9


def measure(*, rows: int, repeats: int, few_rows: int, many_rows: int) -> Figure:
    """Path-frames a second of ours over frames a second of the rival.

    Args:
        rows: Path-frames that ours settles, about.
        repeats: How often both run.
        few_rows: The same of a short run, to see whether the speed is the same.
        many_rows: The same of a long one, which runs once.
    """
    few, several = _setup(few_rows), _setup(rows)
    traced = _traced(_setup(_ROWS_PER_PASS))
    ours, rival, floor = [], [], []
    for _ in range(repeats):
        rival.append(_rival(rows))
        ours.append(_ours(several))
        floor.append(_floor(traced, rows // _ROWS_PER_PASS))
    per_s, rival_per_s, floor_per_s = median(ours), median(rival), median(floor)
    ratio = median(one / other for one, other in zip(ours, rival, strict=True))
    few_per_s = median([_ours(few) for _ in range(repeats)])
    many_per_s = _ours(_setup(many_rows))
    least = max(rows, _LEAST_ROWS)
    row_bytes = _bytes_per_row(_setup(least), _setup(4 * least))
    steps, calls = _work_per_row(_setup(_ROWS_PER_PASS))
    return Figure(
        name="core",
        what="path-frames settled a second of a core under the virtual driver, urban example",
        rival="frames a second of a core through six queues in tandem in bare SimPy",
        ratio=ratio,
        aim=AIM,
        more=True,
        values={
            "path_frames_per_s": per_s,
            "rival_frames_per_s": rival_per_s,
            "few_rows": few_rows,
            "path_frames_per_s_of_few": few_per_s,
            "many_rows": many_rows,
            "path_frames_per_s_of_many": many_per_s,
            "floor_path_frames_per_s": floor_per_s,
            "bytes_per_row": row_bytes,
            "bytecodes_per_row": steps,
            "calls_per_row": calls,
        },
        lines=(
            f"ours {per_s:,.0f} path-frames a second, SimPy {rival_per_s:,.0f} frames a second",
            f"{few_rows:,} rows: {few_per_s:,.0f} a second; {many_rows:,}: {many_per_s:,.0f}",
            f"floor, the same events and commands, nothing decided: {floor_per_s:,.0f} a second",
            f"memory grows by {row_bytes:.0f} bytes a row (aim below 200)",
            f"{steps:,.0f} bytecodes and {calls:.0f} Python calls a path-frame, counted",
        ),
    )


def _setup(rows: int) -> VirtualSetup:
    loop = max(1, round(rows / _ROWS_PER_PASS))
    options = api.Options(overrides=(f"run.loop={loop}", "run.sizes=modelled"))
    return modelled_setup(api.check(_URBAN, options))


def _ours(setup: VirtualSetup) -> float:
    began_ns = process_time_ns()
    outcome = run_virtual(setup)
    took_ns = process_time_ns() - began_ns
    return sum(1 for _ in outcome.rows) / (took_ns / _S)


class _Traced:
    """What a run said, to be said again: per event how it and its commands are made."""

    def __init__(self, rows: int, entries: list[tuple[int, _Made, list[_Made]]]) -> None:
        self.rows, self.entries = rows, entries


class _Made:
    """A value by its type and fields."""

    __slots__ = ("fields", "kind")

    def __init__(self, value: Value) -> None:
        self.kind = type(value)
        self.fields = {name: getattr(value, name) for name in value.__struct_fields__}


def _traced(setup: VirtualSetup) -> _Traced:
    entries: list[tuple[int, _Made, list[_Made]]] = []

    def saw(node: str, at_ns: int, event: Event | None, commands: Sequence[Command]) -> None:
        del node
        if event is not None:
            entries.append((at_ns, _Made(event), [_Made(command) for command in commands]))

    outcome = run_virtual(setup, on_event=saw)
    return _Traced(sum(1 for _ in outcome.rows), entries)


def _floor(traced: _Traced, passes: int) -> float:
    """Path-frames a second of a loop that makes, queues and hands on, and does nothing else."""
    entries = traced.entries
    hands = {made.kind: _nothing for _, _, commands in entries for made in commands}
    began_ns = process_time_ns()
    for _ in range(passes):
        heap: list[tuple[int, int, object]] = []
        coming = enumerate(entries)
        for place, (at_ns, made, _) in coming:
            heap.append((at_ns, place, made.kind(**made.fields)))
            if place == _PENDING:
                break
        heapq.heapify(heap)
        while heap:
            at_ns, place, _event = heapq.heappop(heap)
            for command in [made.kind(**made.fields) for made in entries[place][2]]:
                hand = hands.get(type(command))
                if hand is not None:
                    hand(command, at_ns)
            for later, (later_ns, made, _) in coming:
                heapq.heappush(heap, (later_ns, later, made.kind(**made.fields)))
                break
    return passes * traced.rows / ((process_time_ns() - began_ns) / _S)


def _nothing(_command: object, _at_ns: int) -> None:
    """Carry a command out, where nothing comes of it."""


def _bytes_per_row(small: VirtualSetup, large: VirtualSetup) -> float:
    """What a row more costs in memory, from the peaks of a short and a long run."""
    peaks, rows = [], []
    for setup in (small, large):
        tracemalloc.start()
        outcome = run_virtual(setup)
        peaks.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        rows.append(sum(1 for _ in outcome.rows))
    return (peaks[1] - peaks[0]) / (rows[1] - rows[0])


def _work_per_row(setup: VirtualSetup) -> tuple[float, float]:
    """Bytecodes and calls of Python functions a row, counted: no other load changes them."""
    steps = calls = 0

    def within(_frame: FrameType, event: str, _arg: object) -> TraceFunction:
        nonlocal steps
        steps += event == "opcode"
        return within

    def entered(frame: FrameType, _event: str, _arg: object) -> TraceFunction:
        nonlocal calls
        calls += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return within

    run_virtual(setup)  # what is looked up once in a process is
    before = sys.gettrace()
    sys.settrace(entered)
    try:
        outcome = run_virtual(setup)
    finally:
        sys.settrace(before)
    rows = sum(1 for _ in outcome.rows)
    return steps / rows, calls / rows


def _rival(frames: int) -> float:
    """Frames a second through SimPy's queues."""
    env = simpy.Environment()
    queues = [simpy.Resource(env, 1) for _ in _SERVICE_US]
    env.process(_source(env, frames, queues))
    began_ns = process_time_ns()
    env.run()
    return frames / ((process_time_ns() - began_ns) / _S)


def _source(
    env: simpy.Environment, frames: int, queues: Sequence[simpy.Resource]
) -> Generator[simpy.Event, object, None]:
    for _ in range(frames):
        yield env.timeout(_PERIOD_US)
        env.process(_frame(env, queues))


def _frame(
    env: simpy.Environment, queues: Sequence[simpy.Resource]
) -> Generator[simpy.Event, object, None]:
    for queue, service_us in zip(queues, _SERVICE_US, strict=True):
        with queue.request() as request:
            yield request
            yield env.timeout(service_us)
