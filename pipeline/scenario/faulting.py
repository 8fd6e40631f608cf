"""What a scenario says of faults, pauses and speed over time, checked against itself."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.scenario.models import Scenario, SensorFault

Location = tuple[str | int, ...]
_SENDING = ("drop", "duplicate", "late", "reorder")  # each says whether and when a frame is sent
_NEEDS_BY = ("late", "clock-step")
_MAY_HAVE_BY = (*_NEEDS_BY, "duplicate")


def check_timing(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Problems of `drive.faults`, `drive.speed` and `run.pause` that the file alone shows."""
    yield from _faults(scenario)
    yield from _speeds(scenario)
    yield from _pauses(scenario)


def _faults(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    streams, faults = scenario.drive.streams, scenario.drive.faults
    for number, fault in enumerate(faults):
        at = ("drive", "faults", number)
        if fault.stream not in streams:
            close = difflib.get_close_matches(fault.stream, list(streams), n=1)
            known = ", ".join(sorted(streams))
            hint = f", did you mean {close[0]!r}?" if close else f"; known: {known}"
            yield (*at, "stream"), f"there is no stream {fault.stream!r}{hint}"
        if fault.kind in _NEEDS_BY and not fault.by:
            yield at, f"a fault of kind {fault.kind} needs `by`, such as 30ms"
        if fault.by is not None and fault.kind not in _MAY_HAVE_BY:
            yield (*at, "by"), f"a fault of kind {fault.kind} takes no `by`"
        if fault.by is not None and fault.by < 0 and fault.kind != "clock-step":
            yield (*at, "by"), "must not be negative: no frame comes before it was taken"
        if fault.probability == 0:
            yield (*at, "probability"), "must be above 0%: this fault never happens"
        for earlier, other in enumerate(faults[:number]):
            if _contradict(fault, other):
                reason = (
                    f"contradicts faults[{earlier}], {other.kind} of {other.stream!r} at the same "
                    "time; move one of them, or make them one"
                )
                yield at, reason


def _contradict(one: SensorFault, other: SensorFault) -> bool:
    """Whether two faults overlap and speak of the same thing, as `replay.faults` has it."""
    same = one.kind == other.kind or (one.kind in _SENDING and other.kind in _SENDING)
    apart = (one.span is not None and one.at + one.span <= other.at) or (
        other.span is not None and other.at + other.span <= one.at
    )
    return one.stream == other.stream and same and not apart


def _speeds(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    speeds = scenario.drive.speed
    if not isinstance(speeds, list):
        return
    if not speeds:
        yield ("drive", "speed"), "must name a speed"
    for number, entry in enumerate(speeds[1:], 1):
        if entry.at <= speeds[number - 1].at:
            yield ("drive", "speed", number, "at"), "must lie after the entry before"


def _pauses(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    pauses = scenario.run.pause
    if pauses and scenario.run.full_speed:
        yield ("run", "pause"), "means nothing at `rate: max`, where no frame waits for its time"
    for number, pause in enumerate(pauses[1:], 1):
        before = pauses[number - 1]
        if pause.at < before.at + before.span:
            reason = "must not begin before the pause before it is over; `at` counts pauses in"
            yield ("run", "pause", number, "at"), reason
