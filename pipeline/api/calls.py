"""What the command line, the tests and partners call: check, plan, run, rerun, price, devices."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import EvidenceError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelerators.work import Precision
    from pipeline.api.explaining import ExplainDocument
    from pipeline.api.siting import SitesDocument
    from pipeline.assembly import Assembled
    from pipeline.assembly.obeying import PlanGiven
    from pipeline.ledger import Ledger
    from pipeline.ledger.rows import Row
    from pipeline.plan.comparing import PlanDiffDocument
    from pipeline.plan.document import PlanDocument
    from pipeline.plan.plan import Plan
    from pipeline.runtime.rerun import Divergence
    from pipeline.scenario.loading import LoadedScenario
    from pipeline.verdict.shapes import ResultDocument

_SCENARIOS = Path(__file__).resolve().parents[1] / "scenario"
DEMO = _SCENARIOS / "demo.yaml"
CUT = _SCENARIOS / "cut.yaml"
"""A small network cut between car and cloud over a constant link: quick, and every frame alike."""
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
        tracing_ns: What the nodes of a live run spent on their event logs, all together.
    """

    document: ResultDocument
    directory: Path
    ledger: Ledger
    failure: str | None
    exit_code: int
    notes: tuple[str, ...] = ()
    tracing_ns: int = 0


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
        altered: Files of the directory that are not what its MANIFEST says, with what is wrong;
            one entry where there is no MANIFEST.
    """

    same: bool
    divergence: Divergence | None
    ledger_difference: str | None
    events: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    hash: str = ""
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """What lies in the cache, after it was emptied where that was asked for.

    Attributes:
        directory: Where it lies.
        limit_bytes: Bytes that its results may take.
        results: Number of results.
        bytes: Their size.
        unfinished: Files of writers that go on, or were killed less than an hour ago.
        models: Number of files cut from models, to which no limit applies.
        model_bytes: Their size.
        runs: Runs that use it now.
        removed: Files that were removed; 0 unless it was to be emptied.
        removed_bytes: Their size.
    """

    directory: Path
    limit_bytes: int
    results: int
    bytes: int
    unfinished: int
    models: int
    model_bytes: int
    runs: int
    removed: int = 0
    removed_bytes: int = 0


def check(scenario: Path, options: Options | None = None) -> Assembled:
    """Validate a scenario with all that it names: drive, models, devices, routes; run nothing.

    Raises:
        InputError: It is not valid; a `ScenarioError` lists every problem.
    """
    return _assemble(scenario, options or Options(), Silent())


def plan(
    scenario: Path,
    options: Options | None = None,
    *,
    percentile: float = 99.0,
    mapped: bool = False,
    as_file: bool = False,
) -> tuple[Plan, PlanDocument]:
    """Price every candidate of every task and choose.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        percentile: Percentile that latencies are predicted at.
        mapped: Whether the plan map is drawn, over uplink rate, round trip and load.
        as_file: Whether hashes and quantile tables are in the document, so that a run can use it.

    Raises:
        InputError: The scenario is not valid.
    """
    from pipeline.ledger import SPANS
    from pipeline.plan.document import plan_document

    assembled = _assemble(
        scenario, options or Options(), Silent(), percentile=percentile, mapped=mapped
    )
    return assembled.plan, plan_document(assembled.plan, SPANS, as_file=as_file)


def plan_diff(first: Path, second: Path, options: Options | None = None) -> PlanDiffDocument:
    """How two plans differ: plan files, directories of runs, or scenarios that are planned for it.

    Args:
        first: The one.
        second: The other.
        options: Settings for scenarios that are planned.

    Raises:
        InputError: One of them is no plan and no scenario.
    """
    from pipeline.api.diffing import diff_plans

    def planned(scenario: Path) -> PlanDocument:
        return plan(scenario, options, as_file=True)[1]

    return diff_plans(first, second, planned)


def compare_sites(
    scenario: Path,
    options: Options | None = None,
    *,
    percentile: float = 99.0,
    files: Sequence[Path] = (),
    observer: Observer | None = None,
) -> SitesDocument:
    """Plan a scenario at every shipped site and at those of a user's files, beside its own cloud.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        percentile: Percentile that latencies are predicted at.
        files: Sites of the user's own, as TOML files.
        observer: Told which site is being planned.

    Raises:
        InputError: The scenario or a site's file is not valid.
    """
    from pipeline.api.siting import sites_document

    given, watcher = options or Options(), observer or Silent()

    def planned(loaded: LoadedScenario) -> Assembled:
        return _assembled(loaded, given, Silent(), percentile=percentile)

    return sites_document(
        scenario,
        given,
        planned,
        percentile=percentile,
        files=files,
        on_site=lambda name: watcher.stage(f"plan at {name}"),
    )


def run(
    scenario: Path,
    options: Options | None = None,
    *,
    virtual: bool = False,
    out: Path | None = None,
    annotate: bool = False,
    plan_file: Path | None = None,
    observer: Observer | None = None,
) -> Result:
    """Replay a scenario, live over ZeroMQ or in virtual time, and judge it.

    Args:
        scenario: The scenario file.
        options: Settings over the file's.
        virtual: Virtual time instead of a live run.
        out: Directory of the evidence; a new one under `runs/` where left out.
        annotate: Whether pictures with the delivered results drawn in are kept.
        plan_file: A plan file, or a directory that holds one, whose choices are taken.
        observer: Told how it gets on.

    Raises:
        InputError: The scenario is not valid, the plan file does not fit it, or the evidence
            directory cannot be used.
        InfrastructureError: A node did not start.
    """
    from pipeline.api.replaying import replay_scenario

    watcher = observer or Silent()
    given = None
    if plan_file is not None:
        from pipeline.assembly.obeying import PlanGiven

        given = PlanGiven.read(plan_file)
    assembled = _assemble(scenario, options or Options(), watcher, given=given)
    watcher.assembled(assembled)
    return replay_scenario(assembled, virtual=virtual, out=out, annotate=annotate, observer=watcher)


def rerun(directory: Path) -> RerunResult:
    """Feed a run's event logs to fresh cores and compare commands and ledger.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
    """
    from pipeline.api.rerunning import rerun_directory

    return rerun_directory(directory)


def explain(
    directory: Path,
    *,
    frame: str | None = None,
    most: int = 200,
) -> ExplainDocument:
    """Why a run's frames missed their deadlines, and what would have met them.

    Args:
        directory: Directory of the run.
        frame: `PATH/N`: the one frame to explain; every miss where left out.
        most: Misses to replay, evenly spread over the run; the others are blamed only.

    Raises:
        EvidenceError: The directory is no run, or its evidence is not whole.
        InputError: The frame is not written as `PATH/N`, has no row, or did not miss.
    """
    from pipeline.api.attributing import explain_directory
    from pipeline.api.explaining import explain_document

    wanted = None
    if frame is not None:
        path, _, number = frame.rpartition("/")
        if not path or not number.isdecimal():
            raise InputError(f"--frame must be PATH/N, such as camera/17, got {frame!r}")
        wanted = (path, int(number))
    return explain_document(explain_directory(directory, frame=wanted, most=most))


def devices() -> list[dict[str, object]]:
    """Every device and backend that is installed, and why one is unavailable.

    `spec` is the content of a device's file, every figure with its source; None for a backend, and
    for a device that is not made of a file of ours.

    Raises:
        AcceleratorError: A plug-in does not load, or two devices claim one id.
    """
    from accelerators import registry
    from pipeline.api.pricing import spec_content

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
            "spec": spec_content(entry.device),
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


def cache(*, clear: bool = False) -> CacheReport:
    """What lies in the result cache; with `clear` it is emptied first, except of what runs use.

    Raises:
        InputError: `SPLITWAY_CACHE_LIMIT` holds no size.
        OSError: The cache cannot be read, or not be emptied.
    """
    from pipeline.api.caching import cache_report

    return cache_report(clear=clear)


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
    scenario: Path,
    options: Options,
    observer: Observer,
    *,
    percentile: float = 99.0,
    mapped: bool = False,
    given: PlanGiven | None = None,
) -> Assembled:
    from pipeline.scenario import load_scenario

    loaded = load_scenario(scenario, overrides=options.overrides)
    return _assembled(loaded, options, observer, percentile=percentile, mapped=mapped, given=given)


def _assembled(
    loaded: LoadedScenario,
    options: Options,
    observer: Observer,
    *,
    percentile: float,
    mapped: bool = False,
    given: PlanGiven | None = None,
) -> Assembled:
    from pipeline.api.rules import warnings_of
    from pipeline.assembly import assemble
    from replay.clock import WallClock

    if not 0 < percentile < 100:  # noqa: PLR2004 - per cent
        raise InputError(f"--percentile must lie between 0 and 100, got {percentile}")
    assembled = assemble(
        loaded,
        now_ns=WallClock().now_ns,
        seed=options.seed,
        percentile=percentile,
        allow_outside=options.allow_outside,
        mapped=mapped,
        given=given,
        on_stage=observer.stage,
    )
    if loaded.scenario.gates.accuracy:
        from pipeline.api.accuracy import require_scorable

        require_scorable(assembled)
    return replace(assembled, warnings=(*assembled.warnings, *warnings_of(assembled)))
