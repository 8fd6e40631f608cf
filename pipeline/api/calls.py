"""What the command line, the tests and partners call: check, plan, run, rerun, price, devices."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import EvidenceError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.work import Precision
    from pipeline.assembly import Assembled
    from pipeline.ledger import Ledger
    from pipeline.ledger.rows import Row
    from pipeline.plan.document import PlanDocument
    from pipeline.plan.plan import Plan
    from pipeline.runtime.rerun import Divergence
    from pipeline.verdict.shapes import ResultDocument

DEMO = Path(__file__).resolve().parents[1] / "scenario" / "demo.yaml"
RUNS = Path("runs")


class Observer(Protocol):
    """Told how a command gets on; whoever wants to stop it says so here."""

    def stage(self, name: str) -> None:
        """A part of the work begins: check, plan, prime, replay, judge."""

    def assembled(self, run: Assembled) -> None:
        """The scenario is valid and planned."""

    def primed(self, done: int, of: int) -> None:
        """So many pictures are primed."""

    def settled(self, row: Row) -> None:
        """A frame of a path has its fate."""

    def at(self, now_ns: int) -> None:
        """The replay is at this run time."""

    def stop_asked(self) -> str:
        """A reason to stop, once there is one; empty until then."""


class Silent:
    """An observer that does nothing."""

    def stage(self, name: str) -> None:
        """Nothing."""

    def assembled(self, run: Assembled) -> None:
        """Nothing."""

    def primed(self, done: int, of: int) -> None:
        """Nothing."""

    def settled(self, row: Row) -> None:
        """Nothing."""

    def at(self, now_ns: int) -> None:
        """Nothing."""

    def stop_asked(self) -> str:
        """Never."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings that every command on a scenario takes.

    Attributes:
        seed: In place of the scenario's.
        overrides: Settings `a.b=c` over what the file says.
        allow_outside: Whether relative paths may leave the scenario's folder.
    """

    seed: int | None = None
    overrides: Sequence[str] = ()
    allow_outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to.

    Attributes:
        document: The verdict and all figures, as `result.json` holds them.
        directory: Where the evidence lies.
        ledger: The sealed ledger.
        failure: Why the run broke down; None when it did not.
        exit_code: 0, 1, 3, 4 or 130, as documented.
        notes: What a reader of the figures should know.
    """

    document: ResultDocument
    directory: Path
    ledger: Ledger
    failure: str | None
    exit_code: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunResult:
    """What a rerun came to.

    Attributes:
        same: Whether commands and ledger are the same.
        divergence: The first difference in commands; None without one.
        ledger_difference: The first difference in the ledger; None without one.
        events: Events fed, by node.
        rows: Rows of the ledger.
        hash: Hash of the new ledger.
    """

    same: bool
    divergence: Divergence | None
    ledger_difference: str | None
    events: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    hash: str = ""


def check(scenario: Path, options: Options | None = None) -> Assembled:
    """Validate a scenario with all that it names: drive, models, devices, routes; run nothing.

    Raises:
        InputError: It is not valid; a `ScenarioError` lists every problem.
    """
    return _assemble(scenario, options or Options(), Silent())


def plan(
    scenario: Path, options: Options | None = None, *, percentile: float = 99.0
) -> tuple[Plan, PlanDocument]:
    """Price every candidate of every task and choose.

    Raises:
        InputError: The scenario is not valid.
    """
    from pipeline.ledger import SPANS
    from pipeline.plan.document import plan_document

    assembled = _assemble(scenario, options or Options(), Silent(), percentile=percentile)
    return assembled.plan, plan_document(assembled.plan, SPANS)


def run(
    scenario: Path,
    options: Options | None = None,
    *,
    virtual: bool = False,
    out: Path | None = None,
    annotate: bool = False,
    observer: Observer | None = None,
) -> Result:
    """Replay a scenario, live over ZeroMQ or in virtual time, and judge it.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        virtual: Virtual time instead of a live run.
        out: Directory of the evidence; a new one under `runs/` where left out.
        annotate: Whether pictures with the delivered results drawn in are kept.
        observer: Told how it gets on.

    Raises:
        InputError: The scenario is not valid, or the evidence directory cannot be used.
        InfrastructureError: A node did not start.
    """
    from pipeline.api.replaying import replay_scenario

    watcher = observer or Silent()
    assembled = _assemble(scenario, options or Options(), watcher)
    watcher.assembled(assembled)
    return replay_scenario(assembled, virtual=virtual, out=out, annotate=annotate, observer=watcher)


def rerun(directory: Path) -> RerunResult:
    """Feed a run's event logs to fresh cores and compare commands and ledger.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
    """
    from pipeline.api.rerunning import rerun_directory

    return rerun_directory(directory)


def devices() -> list[dict[str, str | bool | dict[str, float] | None]]:
    """Every device and backend that is installed, and why one is unavailable.

    Raises:
        AcceleratorError: A plug-in does not load, or two devices claim one id.
    """
    from accelerators import registry

    return [
        {
            "id": entry.id,
            "kind": entry.kind,
            "label": entry.label,
            "source": entry.source,
            "fit_error": None
            if entry.fit_error is None
            else {
                "median": entry.fit_error.median,
                "p90": entry.fit_error.p90,
                "n": entry.fit_error.n,
            },
            "available": entry.available,
            "why": entry.why,
        }
        for entry in registry.listing()
    ]


def price(
    models: Sequence[Path],
    device: str,
    *,
    precision: Precision | None = None,
    batch: int = 1,
) -> list[dict[str, object]]:
    """Price models on a device, whole, with the share of every operator.

    Raises:
        InputError: A model cannot be read.
        AcceleratorError: The device is unknown or does not compute in the precision.
    """
    from pipeline.api.pricing import price_document

    return [price_document(model, device, precision=precision, batch=batch) for model in models]


def load_result(directory: Path) -> ResultDocument:
    """The `result.json` of a run.

    Raises:
        EvidenceError: There is none, or it is no JSON.
    """
    path = directory / "result.json"
    try:
        document: ResultDocument = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise EvidenceError(f"{path}: {err.strerror}") from err
    except ValueError as err:
        raise EvidenceError(f"{path}: is no JSON: {err}") from err
    return document


def _assemble(
    scenario: Path, options: Options, observer: Observer, *, percentile: float = 99.0
) -> Assembled:
    from pipeline.assembly import assemble
    from pipeline.scenario import load_scenario
    from replay.clock import WallClock

    if not 0 < percentile < 100:  # noqa: PLR2004 - per cent
        raise InputError(f"--percentile must lie between 0 and 100, got {percentile}")
    loaded = load_scenario(scenario, overrides=options.overrides)
    return assemble(
        loaded,
        now_ns=WallClock().now_ns,
        seed=options.seed,
        percentile=percentile,
        allow_outside=options.allow_outside,
        on_stage=observer.stage,
    )
