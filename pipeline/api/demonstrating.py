"""The demo: one run, and what simpler plans would have scored on the same drive and link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline.api.calls import DEMO, Options, Silent, load_result, run
from pipeline.api.scoring import ScoreOptions, front
from pipeline.errors import ScoringError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.api.calls import Observer, Result
    from pipeline.api.scoring import FrontEntry
    from pipeline.values import Plain
    from pipeline.verdict.shapes import ResultDocument

_UNHEDGED = "policy.hedge={start: never}"
_TASK = "objects"
_PATH = "camera->objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A plan that the demo is held against.

    Attributes:
        name: Short, as in a directory's name.
        title: What it is, for people.
        overrides: Settings over the demo's scenario.
    """

    name: str
    title: str
    overrides: tuple[str, ...]


RIVALS = (
    Rival(name="planned", title="as planned", overrides=()),
    Rival(name="edge-only", title="edge only", overrides=(f"tasks.{_TASK}.route=edge", _UNHEDGED)),
    Rival(
        name="cloud-only",
        title="cloud only, its best codec",
        overrides=(f"tasks.{_TASK}.route=encoded", _UNHEDGED),
    ),
)
"""The demo's own plan once more in virtual time, and the two simple ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a plan came to in virtual time.

    Attributes:
        rival: The plan.
        entry: Its route, bytes, deadlines, streaming accuracy and energy.
        accuracy: Mean average precision of what was delivered, whenever; None where not scored.
        result: Verdict and figures of its run.
    """

    rival: Rival
    entry: FrontEntry
    accuracy: float | None
    result: ResultDocument

    def document(self) -> dict[str, Plain]:
        """The standing as JSON data."""
        path = next(p for p in self.result["paths"] if p["name"] == _PATH)
        return {
            "plan": self.rival.name,
            **self.entry.document(),
            "map": self.accuracy,
            "p50_ms": path["p50_ms"],
            "p99_ms": path["p99_ms"],
            "verdict": self.result["verdict"],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """What the demo came to.

    Attributes:
        result: Its own run.
        standings: The plans side by side, all modelled; empty where the run ended early.
        cut_short: Whether the comparison was stopped, and the run itself was not.
    """

    result: Result
    standings: tuple[Standing, ...]
    cut_short: bool = False

    def document(self) -> dict[str, object]:
        """The run's own document, and beside it the plans that it is held against."""
        plans = [standing.document() for standing in self.standings]
        return {**self.result.document, "plans": {"kind": "modelled", "task": _TASK, "of": plans}}


def demo(
    options: Options | None = None,
    *,
    virtual: bool = False,
    out: Path | None = None,
    alone: bool = False,
    observer: Observer | None = None,
) -> Demonstration:
    """Replay the built-in scenario, then hold its plan against simpler ones in virtual time.

    The runs beside it lie in the folder `<run>-beside`, one directory each. They replay the same
    drive over the same link with the same draws. Their figures, and those of the demo's own plan
    among them, are modelled; they stand beside no emulated one.

    Args:
        options: Settings over the scenario's, for all runs.
        virtual: Virtual time instead of a live run.
        out: Directory of the run's evidence; a new one under `runs/` where left out.
        alone: Leave the comparison out.
        observer: Told how it gets on.

    Raises:
        InputError: A setting is not valid, or the evidence directory cannot be used.
        InfrastructureError: A node did not start.
    """
    chosen, watcher = options or Options(), observer or Silent()
    result = run(DEMO, chosen, virtual=virtual, out=out, annotate=True, observer=watcher)
    if alone or result.failure is not None or result.document["partial"]:
        return Demonstration(result=result, standings=())
    folder = _folder(result.directory)
    runs: list[Path] = []
    for rival in RIVALS:
        watcher.stage(f"beside: {rival.title}")
        over = replace(chosen, overrides=(*chosen.overrides, *rival.overrides))
        found = run(DEMO, over, virtual=True, out=folder / rival.name, observer=_Quiet(watcher))
        if found.failure is not None or found.document["partial"]:
            return Demonstration(result=result, standings=(), cut_short=True)
        runs.append(found.directory)
    return Demonstration(result=result, standings=_standings(runs))


def _standings(runs: list[Path]) -> tuple[Standing, ...]:
    try:
        compared = front(runs, ScoreOptions(tasks=(_TASK,)))
    except ScoringError:  # a drive of another scene may show nothing that is labelled
        return ()
    figures = [
        report.scores[_TASK].figures if _TASK in report.scores else {}
        for report in compared.reports
    ]
    return tuple(
        Standing(
            rival=rival,
            entry=entry,
            accuracy=_number(figure.get("map")),
            result=load_result(directory),
        )
        for rival, entry, figure, directory in zip(
            RIVALS, compared.tasks[_TASK], figures, runs, strict=True
        )
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _folder(directory: Path) -> Path:
    """A folder beside the run's that is not there yet."""
    first = directory.with_name(f"{directory.name}-beside")
    folder, number = first, 1
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return folder


class _Quiet(Silent):
    """Hands on how priming and stopping get on, and not what will run."""

    def __init__(self, watcher: Observer) -> None:
        self._watcher = watcher

    def primed(self, done: int, of: int) -> None:
        """Passed on."""
        self._watcher.primed(done, of)

    def stop_asked(self) -> str:
        """Passed on."""
        return self._watcher.stop_asked()
