"""What scoring must know of a run beside its ledger and results, as a file of the evidence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec import field

from pipeline.errors import EvidenceError
from pipeline.values import Value, from_plain

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1


class TaskFacts(Value, frozen=True, kw_only=True):
    """A task.

    Attributes:
        stream: Stream that it reads.
        kind: What its results are.
        classes: Names of the classes or masks that it knows; empty where its decoder does not say.
        same: Names that stand for another, as the scenario has them.
        forecast: Whether some path says where its objects will be.
    """

    stream: str
    kind: str
    classes: tuple[str, ...] = ()
    same: dict[str, str] = field(default_factory=dict)
    forecast: bool = False


class StreamSize(Value, frozen=True, kw_only=True):
    """A stream.

    Attributes:
        width: Pixels across; 0 where it has no pictures.
        height: Pixels down.
        shift_ns: How much later than recorded its frames lie.
    """

    width: int
    height: int
    shift_ns: int = 0


class ScoringFacts(Value, frozen=True, kw_only=True):
    """What `scoring.json` holds.

    Attributes:
        version: Of this form.
        tasks: By name.
        streams: By name.
    """

    version: int = VERSION
    tasks: dict[str, TaskFacts]
    streams: dict[str, StreamSize]


def read_facts(file: Path) -> ScoringFacts:
    """Read a run's `scoring.json`.

    Raises:
        EvidenceError: There is none, or it is not what a run writes.
    """
    try:
        facts = from_plain(ScoringFacts, json.loads(file.read_text(encoding="utf-8")))
    except OSError as err:
        raise EvidenceError(f"{file}: {err.strerror}; is this the directory of a run?") from err
    except ValueError as err:
        raise EvidenceError(f"{file}: is not what a run writes: {err}") from err
    if facts.version != VERSION:
        raise EvidenceError(f"{file}: version {facts.version} is unknown; this one is {VERSION}")
    return facts
