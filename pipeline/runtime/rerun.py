"""Rerun: the events that each core saw in a run, fed to fresh cores, must give the same again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.ledger.rows import Delivery
from pipeline.runtime.core.cloud import CloudCore
from pipeline.runtime.core.commands import Deliver, Settle
from pipeline.runtime.core.config import CONSUMER
from pipeline.runtime.core.consumer import ConsumerCore
from pipeline.runtime.core.vehicle import VehicleCore
from pipeline.runtime.journal import read_journal
from pipeline.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.ledger.rows import Row
    from pipeline.runtime.core.commands import Command
    from pipeline.runtime.core.config import CoreConfig
    from pipeline.runtime.journal import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Where a fresh core said something else.

    Attributes:
        node: Name of the node.
        line: Line of its event log.
        at_ns: Run time of the event.
        what: The first difference, by field path, with both values.
    """

    node: str
    line: int
    at_ns: int
    what: str

    def __str__(self) -> str:
        return f"{self.node}, event {self.line} at {self.at_ns / 1e9:.6f} s: {self.what}"


@dataclass(slots=True, kw_only=True)
class Rerun:
    """What came of feeding a run's events to fresh cores.

    Attributes:
        rows: What the fresh vehicle core settled.
        deliveries: What the fresh consumer core delivered.
        events: Events fed, by node.
        divergence: The first one; None when there is none.
    """

    rows: list[Row] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    divergence: Divergence | None = None


def rerun_cores(config: CoreConfig, events: Path) -> Rerun:
    """Feed a run's event logs to fresh cores.

    Args:
        config: Configuration that the run's cores had.
        events: Directory with `NODE.jsonl` for vehicle, cloud and consumer.

    Raises:
        EvidenceError: A log is missing or not readable.
    """
    outcome = Rerun()
    cores: dict[str, VehicleCore | CloudCore | ConsumerCore] = {
        config.sites.vehicle: VehicleCore(config),
        config.sites.cloud: CloudCore(config),
        CONSUMER: ConsumerCore(config),
    }
    for node, core in cores.items():
        outcome.events[node] = 0
        for line, entry in read_journal(events / f"{node}.jsonl"):
            commands = core.start() if entry.event is None else core.on(entry.event, entry.at_ns)
            outcome.events[node] += 1
            _collect(outcome, commands)
            difference = _difference(entry, commands)
            if difference is not None:
                outcome.divergence = Divergence(
                    node=node, line=line, at_ns=entry.at_ns, what=difference
                )
                return outcome
    return outcome


def _collect(outcome: Rerun, commands: Sequence[Command]) -> None:
    for command in commands:
        match command:
            case Settle(row=row):
                outcome.rows.append(row)
            case Deliver(path=path, frame=frame, at_ns=delivered_ns):
                outcome.deliveries.append(
                    Delivery(path=path, frame=frame, delivered_ns=delivered_ns)
                )
            case _:
                pass


def _difference(entry: Entry, commands: Sequence[Command]) -> str | None:
    mine: list[object] = [to_plain(command) for command in commands]
    return None if mine == entry.commands else first_difference("commands", entry.commands, mine)


def first_difference(path: str, logged: object, now: object) -> str | None:
    """The first place where two values of JSON differ, with both; None where there is none."""
    if isinstance(logged, dict) and isinstance(now, dict):
        for key in [*logged, *(key for key in now if key not in logged)]:
            found = first_difference(f"{path}.{key}", logged.get(key), now.get(key))
            if found is not None:
                return found
        return None
    if isinstance(logged, list) and isinstance(now, list):
        for index, (one, other) in enumerate(zip(logged, now, strict=False)):
            found = first_difference(f"{path}[{index}]", one, other)
            if found is not None:
                return found
        if len(logged) != len(now):
            end = min(len(logged), len(now))
            longer, side = (logged, "logged") if len(logged) > len(now) else (now, "now")
            return f"{path}[{end}]: only {side}: {_short(longer[end])}"
        return None
    return None if logged == now else f"{path}: logged {_short(logged)}, now {_short(now)}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."  # noqa: PLR2004 - a line or two
